//! What tools that wait for a policy make of it: Argo CD, Flux and Helm, each by the code that it judges by, on what a real controller wrote.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod deploy_support;
mod plane_support;
mod source_support;

use std::path::Path;
use std::time::Duration;

use plane_support::{AT_ONCE, Ballast, Flags, Health, Load, Options, Source, Story, eventually, now, plane, run};
use serde_json::{Value, json};
use source_support::prometheus::{Prometheus, Web};

/// Within a look or two, on a busy machine.
const SOON: Duration = Duration::from_secs(40);

/// A controller of this story's namespace alone: others' must not look at its policies while it is away.
async fn controller(story: &Story) -> Ballast {
    let more = ["--allow-loopback-sources", "--checkpoint-interval=0s", "--namespaces", &story.namespace];
    let more = more.map(str::to_owned).to_vec();
    let flags = Flags { downscale_stabilization: "2s", smoothing: "none", more, ..Flags::default() };
    Ballast::start(story.plane, &story.namespace, &flags).await
}

async fn wants(story: &Story, app: &str, replicas: i64) {
    story.plane.metrics().await.set(app, Source::External { metric: "jobs", labels: &[] }, Load::Each(replicas * 10_000));
}

/// Applies a policy on the length of a queue, a replica for each 10.
async fn queue(story: &Story, app: &str, more: Value) {
    let metric = json!([{ "type": "External", "external": {
        "metric": { "name": format!("jobs.{app}") }, "target": { "type": "AverageValue", "averageValue": "10" } } }]);
    let mut spec = json!({ "intervalSeconds": 1, "maxReplicas": 30, "metrics": metric });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    story.policy("web", "Deployment", app, spec).await;
}

async fn health(story: &Story, object: &str) -> Health {
    Health::of(&serde_json::from_str(&story.kubectl(&["get", object, "-o", "json"]).await).unwrap()).await
}

/// Waits until Argo CD, Flux by expressions, and kstatus say these words, and Argo CD tells this.
async fn judged(story: &Story, object: &str, words: [&str; 3], message: &str) {
    eventually(&format!("{object} is {words:?}: {message}"), SOON, async || {
        let health = health(story, object).await;
        let told = health.words() == words && health.argo.1.contains(message);
        if told { Ok(()) } else { Err(format!("{health:?}")) }
    })
    .await;
}

const WAITING: [&str; 3] = ["Progressing", "InProgress", "InProgress"];
const WELL: [&str; 3] = ["Healthy", "Current", "Current"];

/// A zone that nobody knows passes the API server.
fn unknown_zone() -> Value {
    json!({ "schedules": [{ "name": "s", "cron": "0 8 * * *", "durationSeconds": 60, "minReplicas": 5, "timeZone": "Europe/Atlantis" }] })
}

#[test]
fn a_spec_that_cannot_be_used_fails_at_once_until_it_is_mended() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        let web = story.deployment("spec", 3, Load::Each(50)).await;
        story.ready(&web, 3).await;
        wants(&story, &web, 5).await;
        queue(&story, &web, json!({})).await;
        judged(&story, "sp/web", WAITING, "waiting for the first look").await;

        let ballast = controller(&story).await;
        judged(&story, "sp/web", WELL, "5").await;
        queue(&story, &web, unknown_zone()).await;
        let says = "spec.schedules[0].timeZone: Europe/Atlantis";
        judged(&story, "sp/web", ["Degraded", "Failed", "Failed"], says).await;
        let stalled = "{.status.conditions[?(@.type==\"Stalled\")]}";
        for word in ["\"status\":\"True\"", "\"reason\":\"InvalidSpec\"", says] {
            story.shows(AT_ONCE, "sp/web", stalled, word).await;
        }
        queue(&story, &web, json!({ "schedules": null })).await;
        judged(&story, "sp/web", WELL, "").await;
        assert_eq!(story.get("sp/web", stalled).await, "");

        // Nobody looks at an edit.
        assert!(ballast.stop().await.success());
        queue(&story, &web, json!({ "maxReplicas": 29 })).await;
        judged(&story, "sp/web", WAITING, "waiting for a look at the last edit").await;
    });
}

#[test]
fn what_only_a_look_can_tell_is_judged_by_the_checks_of_the_docs() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        let web = story.deployment("looks", 3, Load::Each(50)).await;
        story.ready(&web, 3).await;
        queue(&story, &web, json!({})).await;
        let _ballast = controller(&story).await;
        // No such metric: kstatus takes whatever was looked at for current.
        judged(&story, "sp/web", ["Degraded", "InProgress", "Current"], "no series").await;
        wants(&story, &web, 5).await;
        judged(&story, "sp/web", WELL, "").await;
        story.size(SOON, &web, 5).await;
        queue(&story, &web, json!({ "pause": {} })).await;
        judged(&story, "sp/web", ["Suspended", "Current", "Current"], "").await;
        queue(&story, &web, json!({ "pause": null })).await;
        judged(&story, "sp/web", WELL, "").await;

        for _ in 0..3 {
            story.size(SOON, &web, 5).await;
            story.shows(SOON, "sp/web", "{.status.scaleEvents[0].to}", "5").await;
            story.kubectl(&["scale", "deployment", &web, "--replicas=3"]).await;
        }
        judged(&story, "sp/web", ["Degraded", "Current", "Current"], "kubectl").await;
        story.kubectl(&["scale", "deployment", &web, "--replicas=0"]).await;
        judged(&story, "sp/web", ["Suspended", "Current", "Current"], "").await;
        // Two policies of one target are a fault of what was applied, though of neither spec.
        story.kubectl(&["scale", "deployment", &web, "--replicas=3"]).await;
        story.policy("other", "Deployment", &web, json!({})).await;
        judged(&story, "sp/web", ["Degraded", "Failed", "Current"], "ScalePolicy/other").await;
    });
}

#[test]
fn a_source_is_healthy_once_it_answers() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        let prometheus = Prometheus::start(None, Web::default()).await;
        let source = async |url: &str| {
            let spec = json!({ "url": url });
            story
                .apply(
                    json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "MetricSource", "metadata": { "name": "main" }, "spec": spec }),
                )
                .await;
        };
        source(&prometheus.url).await;
        judged(&story, "metricsource/main", ["Progressing", "", "InProgress"], "not asked yet").await;
        let _ballast = controller(&story).await;
        judged(&story, "metricsource/main", ["Healthy", "", "Current"], "answers queries").await;
        source("http://127.0.0.1:9").await;
        judged(&story, "metricsource/main", ["Degraded", "", "InProgress"], "127.0.0.1").await;
    });
}

/// A chart with a policy in it.
fn chart(story: &Story) -> String {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chart-{}-{}", std::process::id(), story.namespace));
    std::fs::create_dir_all(dir.join("templates")).unwrap();
    std::fs::write(dir.join("Chart.yaml"), "apiVersion: v2\nname: shop\nversion: 0.1.0\n").unwrap();
    let policy = "apiVersion: ballast.dev/v1alpha1\nkind: ScalePolicy\nmetadata: {name: web}\nspec:\n  maxReplicas: {{ .Values.max }}\n  intervalSeconds: 60\n  \
        scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: '{{ .Values.target }}'}\n  schedules:\n  \
        - {name: s, cron: '0 8 * * *', durationSeconds: 60, minReplicas: 1, timeZone: '{{ .Values.zone }}'}\n";
    std::fs::write(dir.join("templates/policy.yaml"), policy).unwrap();
    dir.to_str().unwrap().to_owned()
}

/// Helm 4 waits by Flux's kstatus: until the controller has looked at the last edit.
#[test]
fn helm_waits_for_a_look_at_the_last_edit() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        let web = story.deployment("helm", 3, Load::Each(50)).await;
        let chart = chart(&story);
        let upgrade = |max: i32, zone: &str, timeout: &str| {
            let set = format!("target={web},max={max},zone={zone}");
            let args = ["upgrade", "--install", "shop", &chart, "--wait", "--timeout", timeout, "--set", &set];
            deploy_support::helm_in(&story.namespace, &story.plane.kubeconfig, &args)
        };
        let refused = upgrade(20, "UTC", "2s").unwrap_err();
        assert!(refused.contains("web"), "{refused}");
        let ballast = controller(&story).await;
        upgrade(25, "UTC", "60s").unwrap();
        assert_eq!(story.get("sp/web", "{.metadata.generation} {.status.observedGeneration}").await, "2 2");
        let begin = now();
        let refused = upgrade(25, "Europe/Atlantis", "60s").unwrap_err();
        assert!(now().duration_since(begin).as_secs() < 50, "it waits although only an edit helps: {refused}");
        upgrade(26, "UTC", "60s").unwrap();
        assert!(ballast.stop().await.success());
        let refused = upgrade(27, "UTC", "2s").unwrap_err();
        assert!(refused.contains("web"), "{refused}");
    });
}
