//! wip
mod plane_support;
use plane_support::*;

#[test]
fn harness() {
    run(async {
        let plane = plane(Options { hpa_flags: Some("--horizontal-pod-autoscaler-sync-period=2s"), ..Options::default() }).await;
        let metrics = plane.metrics().await;
        let fleet = plane.fleet().await;
        ensure_namespace(&plane.client, "a").await;
        Workload::deployment("a", "web", 3).create(&plane.client).await;
        metrics.set("web", Source::Cpu { container: "app" }, Load::Each(80));
        eventually("3 pods", std::time::Duration::from_secs(10), async || {
            let n = fleet.alive("a", "web");
            (n == 3).then_some(()).ok_or(n.to_string())
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let out = std::process::Command::new("bash").args(["-c", ". $0/env; $CLUSTER_BIN/kubectl --kubeconfig $0/kubeconfig get pods,deploy -A -o wide; $CLUSTER_BIN/kubectl --kubeconfig $0/kubeconfig top pods -A; $CLUSTER_BIN/kubectl --kubeconfig $0/kubeconfig get pods -n a -o yaml | tail -40"]).arg(&plane.dir).output().unwrap();
        println!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    });
}
