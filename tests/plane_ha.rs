//! Several processes, restarts, and an API server that comes late, goes, or loses the CRDs.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use plane_support::{ACTIVE, AT_ONCE, Ballast, Flags, Load, Options, SOON, Source, Story, Tunnel, eventually, plane, run};
use serde_json::json;

/// Flags of a process that watches the story's namespace only and elects a leader there.
fn flags(story: &Story) -> Flags {
    let lease = ["--lease-duration", "4s", "--renew-deadline", "3s", "--retry-period", "500ms"];
    let scope = ["--namespaces", &story.namespace, "--lease-namespace", &story.namespace];
    Flags { leader_elect: true, more: lease.into_iter().chain(scope).map(str::to_owned).collect(), ..Flags::default() }
}

async fn begin() -> Story {
    Story::begin(plane(Options::default()).await).await
}

/// A Deployment of 4 ready pods at 50 % and its policy.
async fn settled(story: &Story) -> String {
    let web = story.deployment("web", 4, Load::Total(200)).await;
    story.ready(&web, 4).await;
    story.policy("web", "Deployment", &web, json!({ "intervalSeconds": 1 })).await;
    web
}

async fn load(story: &Story, app: &str, total: i64) {
    story.plane.metrics().await.set(app, Source::Cpu { container: "app" }, Load::Total(total));
}

async fn lease(story: &Story) -> Lease {
    Api::<Lease>::namespaced(story.plane.client.clone(), &story.namespace).get("ballast").await.unwrap()
}

async fn holder(story: &Story) -> String {
    lease(story).await.spec.and_then(|spec| spec.holder_identity).unwrap_or_default()
}

async fn leads(ballast: &Ballast) -> bool {
    ballast.metrics().await.lines().any(|line| line == "ballast_leader 1")
}

/// Waits until this process leads.
async fn takes_the_lead(limit: Duration, ballast: &Ballast) {
    eventually("the standby leads", limit, async || if leads(ballast).await { Ok(()) } else { Err(ballast.tail()) }).await;
}

#[test]
fn a_killed_leader_is_followed_by_the_standby() {
    run(async {
        let story = begin().await;
        let web = settled(&story).await;
        let first = Ballast::start(story.plane, "kill-1", &flags(&story)).await;
        takes_the_lead(SOON, &first).await;
        let second = Ballast::start(story.plane, "kill-2", &flags(&story)).await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
        let held_by = holder(&story).await;
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        assert!(!leads(&second).await, "one leads, the other is ready and stands by");
        assert_eq!(second.lines("scaled"), "");
        assert_eq!(first.lines("scaled").lines().count(), 1, "{}", first.lines("scaled"));

        first.crash().await;
        load(&story, &web, 450).await;
        story.size(SOON, &web, 9).await;
        assert!(leads(&second).await);
        let spec = lease(&story).await.spec.unwrap();
        assert_ne!(spec.holder_identity.unwrap(), held_by);
        assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(1), Some(4)));
        assert_eq!(second.lines("scaled").lines().count(), 1, "{}", second.lines("scaled"));
    });
}

#[test]
fn a_stopped_leader_releases_the_lease() {
    run(async {
        let story = begin().await;
        let web = settled(&story).await;
        // Were the lease not released, its standby would wait for a minute.
        let mut slow = flags(&story);
        slow.more.extend(["--lease-duration", "60s", "--renew-deadline", "40s"].map(str::to_owned));
        let first = Ballast::start(story.plane, "stop-1", &slow).await;
        takes_the_lead(SOON, &first).await;
        let second = Ballast::start(story.plane, "stop-2", &slow).await;
        let status = first.stop().await;
        assert!(status.success(), "{status}");
        takes_the_lead(AT_ONCE, &second).await;
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        assert!(second.stop().await.success());
        assert_eq!(holder(&story).await, "", "released at the end");
    });
}

#[test]
fn a_leader_whose_lease_was_taken_stops_writing() {
    run(async {
        let story = begin().await;
        let web = settled(&story).await;
        let ballast = Ballast::start(story.plane, "robbed", &flags(&story)).await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
        let robbed = json!({ "spec": { "holderIdentity": "somebody-else", "leaseDurationSeconds": 8 } });
        story.kubectl(&["patch", "lease/ballast", "--type=merge", "-p", &robbed.to_string()]).await;
        eventually("it stands by", AT_ONCE, async || if leads(&ballast).await { Err(ballast.tail()) } else { Ok(()) }).await;
        load(&story, &web, 300).await;
        // The thief holds it for 8 s and does nothing; a second of that is enough for three looks.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "4");
        takes_the_lead(SOON, &ballast).await;
        story.size(SOON, &web, 6).await;
    });
}

#[test]
fn a_restart_does_not_scale_in() {
    run(async {
        let story = begin().await;
        let web = settled(&story).await;
        let flags = Flags { downscale_stabilization: "30s", leader_elect: false, ..flags(&story) };
        let ballast = Ballast::start(story.plane, "restart", &flags).await;
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "6").await;
        load(&story, &web, 90).await;
        ballast.crash().await;
        let ballast = Ballast::start(story.plane, "restart", &flags).await;
        story.shows(SOON, "sp/web", "{.status.decision}", "\"Stabilized\"").await;
        story.size(SOON, &web, 6).await;
        assert_eq!(story.get("sp/web", "{.status.scaleEvents[0].to}").await, "6", "the events of before are kept");
        assert!(ballast.stop().await.success());
    });
}

#[test]
fn only_the_named_namespaces_are_touched() {
    run(async {
        let (mine, other) = (begin().await, begin().await);
        let (web, left) = (settled(&mine).await, settled(&other).await);
        let _ballast = Ballast::start(mine.plane, "scoped", &Flags { leader_elect: false, ..flags(&mine) }).await;
        load(&mine, &web, 300).await;
        load(&other, &left, 300).await;
        mine.size(SOON, &web, 6).await;
        assert_eq!(other.get(&format!("deployment/{left}"), "{.spec.replicas}").await, "4");
        assert_eq!(other.get("sp/web", "{.status}").await, r#"{"observedGeneration":-1}"#, "as it was made: nobody looked");
    });
}

#[test]
fn metrics_are_an_exposition_and_forget_deleted_policies() {
    run(async {
        let story = begin().await;
        settled(&story).await;
        let ballast = Ballast::start(story.plane, "metrics", &Flags { leader_elect: false, ..flags(&story) }).await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
        let series = format!("ballast_policy_desired_replicas{{namespace=\"{}\",name=\"web\"}} 4", story.namespace);
        let text = ballast.metrics().await;
        assert!(text.contains(&series), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!((name.starts_with("ballast_") || name.starts_with("process_")) && value.parse::<f64>().is_ok(), "{line}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
        story.kubectl(&["delete", "sp/web"]).await;
        eventually("the series are gone", AT_ONCE, async || {
            let text = ballast.metrics().await;
            if text.contains(&format!("namespace=\"{}\"", story.namespace)) { Err(text) } else { Ok(()) }
        })
        .await;
    });
}

/// The server that goes away is a tunnel to the one that all tests share.
#[test]
fn an_api_server_that_comes_late_and_goes_is_waited_for() {
    run(async {
        let story = begin().await;
        let web = settled(&story).await;
        let server = story.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]).await;
        let server = server.trim_start_matches("https://");
        let mut tunnel = Tunnel::new(server).await;
        let kubeconfig = story.plane.dir.join(format!("kubeconfig-{}", story.namespace));
        let text = std::fs::read_to_string(&story.plane.kubeconfig).unwrap();
        std::fs::write(&kubeconfig, text.replace(server, &tunnel.address.to_string())).unwrap();
        let more = ["--sync-period", "1s", "--leader-elect", "false", "--namespaces", &story.namespace].map(str::to_owned);
        let mut ballast = Ballast::spawn_as(story.plane, "late", &kubeconfig, &more).await;
        ballast.waits_for("scalepolicies").await;
        tunnel.open().await;
        ballast.wait_ready().await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;

        tunnel.cut().await;
        load(&story, &web, 300).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "4");
        tunnel.open().await;
        story.size(Duration::from_secs(30), &web, 6).await;
        assert_eq!(ballast.lines("scaled").lines().count(), 1, "{}", ballast.tail());
    });
}
