//! Several processes share the policies: who joins, leaves, dies, freezes or is cut off, each policy is decided by exactly one of them.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ballast::clock::Clock;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use plane_support::{Ballast, Flags, Load, Options, SOON, Source, Story, Tunnel, Workload, eventually, plane, run};
use serde_json::{Value, json};

/// With these a shard is taken over 8 s after its holder's last renewal, and the holder stops by itself 6 s after it: a busy machine
/// stands still for seconds, too.
const LEASE: Duration = Duration::from_secs(8);
const INTERVAL: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(20);
/// For a machine with other work.
const SLACK: Duration = Duration::from_secs(12);

/// A namespace with Deployments of 2 pods at 50 % under a policy each, and the processes that share them.
struct Crew {
    story: Story,
    apps: Vec<String>,
    members: Vec<Ballast>,
    /// Of all that ever were members.
    logs: Vec<PathBuf>,
}

impl Crew {
    /// The last two of the workloads have annotations instead of a policy.
    async fn begin(policies: usize) -> Self {
        let story = Story::begin(plane(Options::default()).await).await;
        let apps: Vec<String> = (0..policies).map(|n| format!("web-{n}-{}", story.namespace)).collect();
        let crew = Self { story, apps, members: Vec::new(), logs: Vec::new() };
        crew.load(100).await;
        let workload = |(n, app): (usize, &String)| {
            let mut manifest = Workload::deployment(&crew.story.namespace, app, 2).manifest();
            if n + 2 >= policies {
                manifest["metadata"]["annotations"] = json!({ "ballast.dev/max-replicas": "10", "ballast.dev/target-cpu": "50%" });
            }
            manifest
        };
        crew.apply(crew.apps.iter().enumerate().map(workload)).await;
        for app in &crew.apps {
            crew.story.ready(app, 2).await;
        }
        let cpu = json!({ "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } });
        let policy = |app: &String| {
            let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": app });
            let metrics = json!([{ "type": "Resource", "resource": cpu.clone() }]);
            json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": app },
                "spec": { "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 10, "metrics": metrics } })
        };
        crew.apply(crew.apps[..policies - 2].iter().map(policy)).await;
        crew
    }

    async fn apply(&self, items: impl Iterator<Item = Value>) {
        self.story.apply(json!({ "apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>() })).await;
    }

    async fn load(&self, total: i64) {
        let metrics = self.story.plane.metrics().await;
        self.apps.iter().for_each(|app| metrics.set(app, Source::Cpu { container: "app" }, Load::Total(total)));
    }

    fn flags(&self, shards: usize) -> Flags {
        let shards = shards.to_string();
        let lease = ["--lease-duration", "8s", "--renew-deadline", "6s", "--retry-period", "500ms", "--checkpoint-interval", "2s"];
        let scope = ["--namespaces", &self.story.namespace, "--lease-namespace", &self.story.namespace, "--shards", &shards];
        let more = lease.into_iter().chain(scope).map(str::to_owned).collect();
        Flags { leader_elect: true, smoothing: "none", downscale_stabilization: "20s", more, ..Flags::default() }
    }

    /// Starts a process.
    async fn join(&mut self, name: &str, shards: usize) {
        let ballast = Ballast::start(self.story.plane, &format!("{name}-{}", self.story.namespace), &self.flags(shards)).await;
        self.add(ballast);
    }

    fn add(&mut self, ballast: Ballast) {
        self.logs.push(ballast.log.clone());
        self.members.push(ballast);
    }

    /// Shards led by each member.
    async fn led(&self) -> Vec<usize> {
        let mut led = Vec::new();
        for member in &self.members {
            led.push(gauge(member, "ballast_shards_led").await);
        }
        led
    }

    /// Waits until the members lead so many shards each, in any order; how long that took.
    async fn shared(&self, limit: Duration, wanted: &[usize]) -> f64 {
        let begin = Clock::real().instant();
        eventually(&format!("shards are led {wanted:?}"), limit, async || {
            let mut led = self.led().await;
            led.sort_unstable();
            let tails = || self.members.iter().map(Ballast::tail).collect::<Vec<_>>().join("\n---\n");
            if led == wanted { Ok(()) } else { Err(format!("{led:?}\n{}", tails())) }
        })
        .await;
        Clock::real().instant().duration_since(begin).as_secs_f64()
    }

    /// Waits until every Deployment has this size.
    async fn sizes(&self, limit: Duration, size: i32) {
        eventually(&format!("all have {size} replicas"), limit, async || {
            let others: Vec<_> = self.replicas().await.into_iter().filter(|(_, replicas)| *replicas != size).collect();
            if others.is_empty() { Ok(()) } else { Err(format!("{others:?}")) }
        })
        .await;
    }

    async fn replicas(&self) -> Vec<(String, i32)> {
        let api: Api<Deployment> = Api::namespaced(self.story.plane.client.clone(), &self.story.namespace);
        let list = api.list(&ListParams::default()).await.unwrap();
        list.items.iter().map(|d| (d.name_any(), d.spec.replicas.unwrap_or_default())).collect()
    }

    /// Every policy was scaled so many times, by whichever member.
    async fn each_scaled(&self, times: usize) {
        // The line is written after the size is.
        eventually(&format!("each scaled {times} times"), SOON, async || {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for log in &self.logs {
                let text = std::fs::read_to_string(log).unwrap();
                for line in text.lines().filter(|line| line.contains(": scaled ")) {
                    let policy = line.split("policy=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
                    *counts.entry(policy.to_owned()).or_default() += 1;
                }
            }
            let too_many = counts.values().any(|&count| count > times);
            assert!(!too_many, "more than {times} times: {counts:?}");
            if counts.len() == self.apps.len() && counts.values().all(|&count| count == times) {
                Ok(())
            } else {
                Err(format!("{counts:?}"))
            }
        })
        .await;
    }

    /// A load for which each must get this size, once.
    async fn step(&self, size: i32, times: usize) {
        self.load(i64::from(size) * 50).await;
        self.sizes(SOON, size).await;
        self.each_scaled(times).await;
        for app in &self.apps {
            self.story.ready(app, usize::try_from(size).unwrap()).await;
        }
    }
}

async fn gauge(member: &Ballast, name: &str) -> usize {
    let text = member.metrics().await;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}

#[test]
fn policies_are_shared_and_go_on_with_their_memory() {
    run(async {
        let mut crew = Crew::begin(40).await;
        for name in ["one", "two", "three"] {
            crew.join(name, 6).await;
        }
        println!("shared among three after {:.1} s", crew.shared(SLACK, &[2, 2, 2]).await);
        crew.step(3, 1).await;
        eventually("each policy is at one member", SOON, async || {
            let mut decided = Vec::new();
            for member in &crew.members {
                decided.push(gauge(member, "ballast_policies").await);
            }
            if decided.iter().sum::<usize>() == 40 { Ok(()) } else { Err(format!("{decided:?}")) }
        })
        .await;
        // Each record is at one member, and the others know where.
        let url = |member: &Ballast| format!("http://{}/debug/policies/{}/{}", member.admin, crew.story.namespace, crew.apps[0]);
        let mut found = 0;
        for member in &crew.members {
            let answer = reqwest::get(url(member)).await.unwrap();
            let status = answer.status().as_u16();
            let body: Value = answer.json().await.unwrap();
            found += usize::from(status == 200);
            assert!(status == 200 || status == 503 && body["leader"].is_string(), "{status}: {body}");
        }
        assert_eq!(found, 1);

        crew.join("four", 6).await;
        println!("shared among four after {:.1} s", crew.shared(SLACK, &[1, 1, 2, 2]).await);
        crew.step(4, 2).await;

        let left = crew.members.pop().unwrap();
        assert!(left.stop().await.success());
        println!("shared among three after SIGTERM: {:.1} s", crew.shared(LEASE, &[2, 2, 2]).await);
        crew.step(5, 3).await;

        // Soon after a fall of load a member dies. Its successors scale in when the window ends: not earlier, and not a whole window after they began.
        tokio::time::sleep(Duration::from_secs(2)).await;
        crew.load(50).await;
        let fall = Clock::real().instant();
        tokio::time::sleep(WINDOW / 5).await;
        crew.members.remove(0).crash().await;
        let taken = crew.shared(LEASE + INTERVAL * 2 + SLACK, &[3, 3]).await;
        println!("all shards led again {taken:.1} s after kill -9, with leases of {} s", LEASE.as_secs());
        let first = eventually("the first scale-in", WINDOW + SLACK, async || {
            let smaller = crew.replicas().await.iter().filter(|(_, replicas)| *replicas < 5).count();
            if smaller == 0 { Err("none".to_owned()) } else { Ok(Clock::real().instant().duration_since(fall)) }
        })
        .await;
        // The last high proposal was made up to a look before the fall.
        assert!(first > WINDOW.checked_sub(INTERVAL * 2).unwrap(), "{first:?}");
        crew.sizes(SLACK, 1).await;
        let last = Clock::real().instant().duration_since(fall);
        println!("scale-in {:.1} to {:.1} s after the fall, window {} s", first.as_secs_f64(), last.as_secs_f64(), WINDOW.as_secs());
        assert!(last < WINDOW / 5 + LEASE + WINDOW, "{last:?}");
        crew.each_scaled(4).await;
    });
}

#[test]
fn who_is_cut_off_or_frozen_writes_nothing_stale() {
    run(async {
        let mut crew = Crew::begin(12).await;
        crew.join("first", 6).await;
        crew.join("second", 6).await;
        let server = crew.story.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]).await;
        let server = server.trim_start_matches("https://");
        let mut tunnel = Tunnel::new(server).await;
        tunnel.open().await;
        let kubeconfig = crew.story.plane.dir.join(format!("kubeconfig-{}", crew.story.namespace));
        let text = std::fs::read_to_string(&crew.story.plane.kubeconfig).unwrap();
        std::fs::write(&kubeconfig, text.replace(server, &tunnel.address.to_string())).unwrap();
        let more = ["--sync-period", "1s", "--smoothing", "none", "--downscale-stabilization", "20s"].map(str::to_owned);
        let all = [more.to_vec(), crew.flags(6).more].concat();
        let name = format!("cut-{}", crew.story.namespace);
        crew.add(Ballast::start_as(crew.story.plane, &name, &kubeconfig, &all).await);
        crew.shared(SLACK, &[2, 2, 2]).await;
        crew.step(3, 1).await;

        tunnel.cut().await;
        let begin = Clock::real().instant();
        eventually("the one that was cut off stops", SLACK, async || {
            let led = gauge(&crew.members[2], "ballast_shards_led").await;
            if led == 0 { Ok(()) } else { Err(led.to_string()) }
        })
        .await;
        println!("cut off: stopped after {:.1} s", Clock::real().instant().duration_since(begin).as_secs_f64());
        crew.shared(SLACK, &[0, 3, 3]).await;
        println!("cut off: taken over after {:.1} s", Clock::real().instant().duration_since(begin).as_secs_f64());
        crew.step(4, 2).await;
        tunnel.open().await;
        println!("mended: shared after {:.1} s", crew.shared(SOON * 2, &[2, 2, 2]).await);
        crew.step(5, 3).await;

        // Frozen in the middle of a step: whatever it has decided by then is not written when it goes on.
        crew.members[0].signal("STOP").await;
        crew.load(300).await;
        let begin = Clock::real().instant();
        crew.sizes(LEASE + SLACK + SOON, 6).await;
        println!("frozen: all decided by the others after {:.1} s", Clock::real().instant().duration_since(begin).as_secs_f64());
        crew.each_scaled(4).await;
        crew.load(350).await;
        crew.sizes(SOON, 7).await;
        crew.members[0].signal("CONT").await;
        println!("goes on: shared after {:.1} s", crew.shared(SLACK, &[2, 2, 2]).await);
        crew.each_scaled(5).await;
        crew.sizes(INTERVAL, 7).await;
    });
}

#[test]
fn two_schemes_are_never_in_force_together() {
    run(async {
        let mut crew = Crew::begin(4).await;
        crew.join("plain", 1).await;
        crew.shared(SLACK, &[1]).await;
        crew.join("shards-1", 3).await;
        crew.join("shards-2", 3).await;
        crew.step(3, 1).await;
        // Longer than a lease lasts without renewal.
        tokio::time::sleep(LEASE + INTERVAL).await;
        assert_eq!(crew.led().await, [1, 0, 0], "{}", crew.members[1].tail());
        assert!(crew.members.remove(0).stop().await.success());
        println!("from one shard to three: {:.1} s", crew.shared(SLACK, &[1, 2]).await);
        crew.step(4, 2).await;

        let leases: Api<Lease> = Api::namespaced(crew.story.plane.client.clone(), &crew.story.namespace);
        let holder = async || leases.get("ballast").await.unwrap().spec.and_then(|spec| spec.holder_identity);
        assert_eq!(holder().await.as_deref(), Some("3-shards"));
        crew.join("plain-again", 1).await;
        tokio::time::sleep(LEASE + INTERVAL).await;
        assert_eq!(crew.led().await[2], 0, "{}", crew.members[2].tail());
        assert!(crew.members.remove(0).stop().await.success());
        crew.shared(SLACK, &[0, 3]).await;
        crew.step(5, 3).await;
        assert!(crew.members.remove(0).stop().await.success());
        println!("from three shards to one: {:.1} s", crew.shared(SLACK, &[1]).await);
        crew.step(6, 4).await;
        // Memory was found where the shards had left it.
        assert_eq!(crew.members[0].lines("whole window"), "", "{}", crew.members[0].tail());
        assert!(crew.members.remove(0).stop().await.success());
        assert_eq!(holder().await, None);
    });
}
