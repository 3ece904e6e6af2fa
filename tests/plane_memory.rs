//! What is remembered outlives the process: kill -9, failover and hand-over in the middle of a window, budgets, damaged checkpoints.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plane_support;

use std::time::Duration;

use ballast::checkpoint::VERSION;
use ballast::clock::Clock;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use plane_support::{ACTIVE, Ballast, Flags, Load, Options, SOON, Source, Story, eventually, plane, run};
use rstest::rstest;
use serde_json::json;

const WINDOW: u64 = 20;
const CHECKPOINT: u64 = 2;
const OBJECT: &str = "configmap/ballast-memory-0";
const REVISION: &str = "{.metadata.resourceVersion}";

/// How a good checkpoint begins: its version, then gzip's mark.
fn good() -> String {
    BASE64.encode([VERSION, 0x1f, 0x8b])
}

/// Flags of a process that watches the story's namespace only and keeps its memory there.
fn flags(story: &Story) -> Flags {
    let fixed = ["--checkpoint-interval", "2s", "--lease-duration", "4s", "--renew-deadline", "3s", "--retry-period", "500ms"];
    let scope = ["--namespaces", &story.namespace, "--lease-namespace", &story.namespace];
    let more = fixed.into_iter().chain(scope).map(str::to_owned).collect();
    Flags { downscale_stabilization: "20s", smoothing: "none", more, ..Flags::default() }
}

/// A Deployment of 4 ready pods at 50 % and its policy.
async fn settled(more: serde_json::Value) -> (Story, String) {
    let story = Story::begin(plane(Options::default()).await).await;
    let web = story.deployment("web", 4, Load::Total(200)).await;
    story.ready(&web, 4).await;
    let mut spec = json!({ "intervalSeconds": 1 });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    story.policy("web", "Deployment", &web, spec).await;
    (story, web)
}

async fn load(story: &Story, app: &str, total: i64) {
    story.plane.metrics().await.set(app, Source::Cpu { container: "app" }, Load::Total(total));
}

async fn written(story: &Story) -> String {
    eventually("a checkpoint is written", SOON, async || {
        let version = story.get(OBJECT, REVISION).await;
        if version.parse::<u64>().is_ok() { Ok(version) } else { Err(version) }
    })
    .await
}

/// In the middle of a scale-in window the process ends, and another one goes on: the window ends when it would have ended.
#[rstest]
#[case::kill_and_restart("kill")]
#[case::failover("failover")]
#[case::hand_over("hand-over")]
fn the_window_goes_on(#[case] how: &str) {
    run(async {
        let (story, web) = settled(json!({})).await;
        let flags = Flags { leader_elect: how != "kill", ..flags(&story) };
        let first = Ballast::start(story.plane, &format!("memory-{how}-1"), &flags).await;
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        story.ready(&web, 6).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        load(&story, &web, 60).await;
        let fall = Clock::real().instant();
        // Past the middle: a window that began anew would end 12 s later.
        tokio::time::sleep(Duration::from_secs(12)).await;
        let second = match how {
            "kill" => {
                first.crash().await;
                Ballast::start(story.plane, "memory-kill-2", &flags).await
            }
            "failover" => {
                let second = Ballast::start(story.plane, "memory-failover-2", &flags).await;
                first.crash().await;
                second
            }
            _ => {
                let second = Ballast::start(story.plane, "memory-hand-over-2", &flags).await;
                assert!(first.stop().await.success());
                second
            }
        };
        let seconds = eventually("scale-in", Duration::from_secs(WINDOW * 2), async || {
            let size = story.get(&format!("deployment/{web}"), "{.spec.replicas}").await;
            if size == "6" { Err(second.tail()) } else { Ok(Clock::real().instant().duration_since(fall).as_secs_f64()) }
        })
        .await;
        println!("{how}: scale-in after {seconds:.1} s of a window of {WINDOW} s");
        // The last high proposal was made up to a look before the fall; looks are a second apart.
        assert!(seconds > (WINDOW - 2) as f64, "{seconds} s\n{}", second.tail());
        assert!(seconds < (WINDOW + CHECKPOINT + 4) as f64, "{seconds} s\n{}", second.tail());
        story.size(SOON, &web, 2).await;
    });
}

#[test]
fn a_kill_refills_no_rate_budget() {
    run(async {
        let one_a_minute = json!({ "scaleUp": { "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }] } });
        let (story, web) = settled(json!({ "behavior": one_a_minute })).await;
        let ballast = Ballast::start(story.plane, "memory-rate-1", &flags(&story)).await;
        load(&story, &web, 400).await;
        story.size(SOON, &web, 5).await;
        story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "5").await;
        ballast.crash().await;
        for round in 2..4 {
            let ballast = Ballast::start(story.plane, &format!("memory-rate-{round}"), &flags(&story)).await;
            story.shows(SOON, "sp/web", "{.status.decision}", "RateLimited").await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(ballast.lines("scaled"), "", "{}", ballast.tail());
            ballast.crash().await;
        }
        story.size(SOON, &web, 5).await;
    });
}

/// A checkpoint of another version, one that was damaged, and one that is empty: told, set aside, and scale-in waits for a whole window.
#[rstest]
#[case::unknown_version(&[VERSION + 8], "is unknown")]
#[case::damaged(&[VERSION, 2, 3, 4, 5, 6, 7], "damaged")]
#[case::empty(&[], "empty")]
fn a_checkpoint_that_cannot_be_used_is_set_aside(#[case] bytes: &[u8], #[case] why: &str) {
    run(async {
        let bytes = BASE64.encode(bytes);
        let (story, web) = settled(json!({})).await;
        let name = format!("memory-{}", why.replace(' ', "-"));
        let ballast = Ballast::start(story.plane, &format!("{name}-1"), &flags(&story)).await;
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        story.ready(&web, 6).await;
        written(&story).await;
        load(&story, &web, 60).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        ballast.crash().await;
        story.kubectl(&["patch", OBJECT, "--type=merge", "-p", &json!({ "binaryData": { "memory": bytes } }).to_string()]).await;
        let ballast = Ballast::start(story.plane, &format!("{name}-2"), &flags(&story)).await;
        let start = Clock::real().instant();
        eventually("a warning", SOON, async || if ballast.lines("set aside").contains(why) { Ok(()) } else { Err(ballast.tail()) }).await;
        assert!(ballast.metrics().await.contains("ballast_checkpoints_total{outcome=\"unusable\"} 1"));
        // Longer than the rest of the window, shorter than a whole one.
        tokio::time::sleep(Duration::from_secs(13).saturating_sub(Clock::real().instant().duration_since(start))).await;
        assert_eq!(story.get(&format!("deployment/{web}"), "{.spec.replicas}").await, "6", "{}", ballast.tail());
        // It goes on: what it writes now is good again, and growth is not held up.
        load(&story, &web, 400).await;
        story.size(SOON, &web, 8).await;
        eventually("it is written again", SOON, async || {
            let bytes = story.get(OBJECT, "{.binaryData.memory}").await;
            if bytes.len() > 100 && bytes.starts_with(&good()) { Ok(()) } else { Err(format!("{bytes}\n{}", ballast.tail())) }
        })
        .await;
    });
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    run(async {
        let (story, web) = settled(json!({})).await;
        let ballast = Ballast::start(story.plane, "memory-still-1", &flags(&story)).await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
        let version = written(&story).await;
        tokio::time::sleep(Duration::from_secs(4 * CHECKPOINT)).await;
        assert_eq!(story.get(OBJECT, REVISION).await, version);
        assert!(ballast.stop().await.success());
        assert_eq!(story.get(OBJECT, REVISION).await, version, "a hand-over of nothing new");
        let ballast = Ballast::start(story.plane, "memory-still-2", &flags(&story)).await;
        tokio::time::sleep(Duration::from_secs(3 * CHECKPOINT)).await;
        assert_eq!(story.get(OBJECT, REVISION).await, version, "{}", ballast.tail());
        assert_eq!(story.get("sp/web", "{.status.memory}").await, "", "only what cannot wait");
        // Deleted by hand, it comes back with the next change.
        story.kubectl(&["delete", OBJECT]).await;
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        written(&story).await;
        story.shows(SOON, "sp/web", "{.status.memory}", &good()).await;
    });
}

#[test]
fn without_checkpoints_none_are_read_or_written() {
    run(async {
        let (story, web) = settled(json!({})).await;
        let mut off = flags(&story);
        off.more.extend(["--checkpoint-interval", "0s"].map(str::to_owned));
        let ballast = Ballast::start(story.plane, "memory-off", &off).await;
        load(&story, &web, 300).await;
        story.size(SOON, &web, 6).await;
        assert!(ballast.stop().await.success());
        assert_eq!(story.get("configmaps", "{.items[*].metadata.name}").await, "kube-root-ca.crt");
        assert_eq!(story.get("sp/web", "{.status.memory}").await, "");
    });
}
