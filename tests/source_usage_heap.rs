//! What a list of a large cluster costs in memory. One test to a process: the allocator counts everybody's blocks.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used)]

mod source_support;

use std::sync::Arc;

use ballast::source::Query;
use ballast::source::usage::{WantedUsage, decode};
use source_support::{ask, per_pod};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Half of the pods of the list.
const PODS: usize = 10_000;

/// A list as metrics-server writes it.
fn list() -> String {
    let pods: String = (0..2 * PODS).map(pod).collect();
    format!(r#"{{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{{}},"items":[{pods}]}}"#)
}

/// Every second one is nobody's.
fn pod(n: usize) -> String {
    let comma = if n == 0 { "" } else { "," };
    format!(
        "{comma}{}",
        serde_json::json!({
            "metadata": {
                "name": format!("web-7f9c6d8b5-x{n:05}"), "namespace": format!("team-{}", n % 50), "creationTimestamp": "2026-01-02T03:04:09Z",
                "labels": {"app": "web", "pod-template-hash": "7f9c6d8b5", "app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop"}},
            "timestamp": "2026-01-02T03:04:05Z", "window": "15.2s",
            "containers": [
                {"name": "app", "usage": {"cpu": "12345678n", "memory": "123456Ki"}},
                {"name": "proxy", "usage": {"cpu": "1000000n", "memory": "2048Ki"}}]
        })
    )
}

#[test]
fn a_list_of_a_large_cluster_is_never_in_memory() {
    let cpu = Query::Resource { resource: "cpu".to_owned(), container: None };
    let asks: Vec<_> = (0..PODS / 2)
        .map(|n| {
            let (a, b) = (4 * n, 4 * n + 2);
            (format!("team-{}", a % 50), [(a, a % 50), (b, b % 50)])
        })
        .flat_map(|(_, pods)| pods.map(|(n, team)| ask(&format!("team-{team}"), "web", &[&format!("web-7f9c6d8b5-x{n:05}")], cpu.clone())))
        .collect();
    let list = list();
    assert!(list.len() > 7 << 20, "{}", list.len());
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut wanted = WantedUsage::default();
    for ask in &asks {
        wanted.add(ask);
    }
    let before = dhat::HeapStats::get();
    let listed = decode(list.as_bytes(), None, Arc::new(wanted)).unwrap();
    let after = dhat::HeapStats::get();
    println!(
        "{} entries in {} KiB: wishes {} KiB, answer {} KiB, at most {} KiB beside, {} blocks",
        listed.entries(),
        list.len() >> 10,
        before.curr_bytes >> 10,
        (after.curr_bytes - before.curr_bytes) >> 10,
        (after.max_bytes - after.curr_bytes) >> 10,
        after.total_blocks - before.total_blocks,
    );
    assert_eq!(listed.entries(), 2 * PODS);
    assert!(after.curr_bytes < 8 << 20, "what is kept");
    assert!(after.total_blocks - before.total_blocks <= 2 * PODS as u64 + 1000, "one block per number asked for");
    assert!(after.max_bytes - after.curr_bytes < 1 << 20, "what is needed meanwhile");
    assert!(asks.iter().all(|ask| per_pod(&listed.reading(ask, "cpu", None).unwrap()) == [Some(14.0)]));
}
