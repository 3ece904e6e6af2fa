//! A controller that is there before its CRDs, and one that loses them.

// Helpers fail as tests do.
#![allow(clippy::panic)]

mod plane_support;

use std::time::Duration;

use kube::Api;
use plane_support::{ACTIVE, Ballast, Flags, Load, Options, SOON, Source, Story, plane, run, wait_established};
use serde_json::json;

const CRDS: [&str; 2] = ["crd/scalepolicies.ballast.dev", "crd/metricsources.ballast.dev"];

/// The API server may forget a CRD whose deletion met storage that was not ready ("storage is (re)initializing"), until it is edited.
async fn remove_crds(story: &Story) {
    let delete = ["delete", "--ignore-not-found", "--wait=true", "--timeout=10s", CRDS[0], CRDS[1]];
    for attempt in 0..6 {
        let (gone, out) = story.plane.kubectl(&delete, "").await;
        if gone {
            return;
        }
        println!("{out}");
        let note = format!("attempt={attempt}");
        for crd in CRDS {
            story.plane.kubectl(&["annotate", "--overwrite", crd, &note], "").await;
        }
    }
    panic!("the CRDs stay");
}

async fn install_crds(story: &Story) {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    story.plane.kubectl_ok(&["apply", "--server-side", "-f", dir]).await;
    let api = Api::all(story.plane.client.clone());
    for crd in CRDS {
        wait_established(&api, crd.trim_start_matches("crd/")).await;
    }
}

#[test]
fn missing_crds_are_named_and_waited_for_at_the_start_and_later() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        remove_crds(&story).await;
        let mut ballast = Ballast::spawn(story.plane, "crds", &Flags::default()).await;
        ballast.waits_for("scalepolicies").await;
        install_crds(&story).await;
        ballast.wait_ready().await;
        let web = story.deployment("web", 4, Load::Total(300)).await;
        story.ready(&web, 4).await;
        let fast = json!({ "intervalSeconds": 1 });
        story.policy("web", "Deployment", &web, fast.clone()).await;
        story.size(SOON, &web, 6).await;

        // With the CRD go the policies; what they scaled keeps its size, whatever the load does.
        remove_crds(&story).await;
        story.plane.metrics().await.set(&web, Source::Cpu { container: "app" }, Load::Total(450));
        tokio::time::sleep(Duration::from_secs(3)).await;
        story.size(SOON, &web, 6).await;
        install_crds(&story).await;
        story.policy("web", "Deployment", &web, fast).await;
        story.shows(SOON, "sp/web", ACTIVE, "ValidMetricFound").await;
        story.size(SOON, &web, 9).await;
    });
}
