//! Policies that the API server should have refused and did not: older than the CRD's rules, or stored while the CRD was without them.
//! Each says on itself what is wrong with it; those beside it work.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod api_support;
mod plane_support;

use api_support::{cases, good, patched};
use ballast::api::{MetricSource, ScalePolicy};
use kube::CustomResourceExt;
use plane_support::{ACTIVE, AT_ONCE, Ballast, Flags, Load, Options, SOON, Source, Story, Workload, eventually, loosen, plane, run};
use serde_json::json;

#[test]
fn every_bad_policy_says_what_is_wrong_and_harms_no_other() {
    run(async {
        let story = Story::begin(plane(Options::default()).await).await;
        loosen(&story, ScalePolicy::crd()).await;
        loosen(&story, MetricSource::crd()).await;
        // The name that all bad policies have as their target.
        let web = "web";
        let metrics = story.plane.metrics().await;
        metrics.set(web, Source::Cpu { container: "app" }, Load::Total(200));
        Workload::deployment(&story.namespace, web, 4).create(&story.plane.client).await;
        story.ready(web, 4).await;
        let ballast = Ballast::start(story.plane, "bad", &Flags::default()).await;
        story.policy("web", "Deployment", web, json!({ "intervalSeconds": 1 })).await;

        let mut wanted = Vec::new();
        let mut list = Vec::new();
        // More than 64 metrics are too many for the CRD's rules only; the controller could do with them.
        for (index, case) in cases().into_iter().filter(|case| case.name != "too many").enumerate() {
            let name = format!("bad-{index}");
            list.push(json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": { "name": name }, "spec": patched(&case.patch) }));
            let words = match case.compile {
                Some((path, said)) => vec![path.to_owned(), said.to_owned()],
                None => vec![case.server.to_owned()],
            };
            wanted.push((name, case.name, words));
        }
        assert!(list.len() > 60, "{} cases", list.len());
        story.apply(json!({ "apiVersion": "v1", "kind": "List", "items": list })).await;
        eventually("all say what is wrong", SOON, async || {
            let mut missing = Vec::new();
            let all = story.kubectl(&["get", "sp", "-o", "json"]).await;
            let all: serde_json::Value = serde_json::from_str(&all).map_err(|error| error.to_string())?;
            for (name, case, words) in &wanted {
                let policy = all["items"].as_array().unwrap().iter().find(|policy| policy["metadata"]["name"] == **name).unwrap();
                let find = |kind: &str| policy["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind);
                let condition = find("ScalingActive");
                // Tools that wait need not wait.
                if find("Stalled").is_none_or(|stalled| stalled["status"] != "True") {
                    missing.push(format!("{name} ({case}) is not stalled"));
                }
                let text = condition.map(ToString::to_string).unwrap_or_default();
                let shown = |word: &String| text.contains(&json!(word).to_string().trim_matches('"').to_owned());
                if !text.contains("\"InvalidSpec\"") || !text.contains("\"False\"") || !words.iter().all(shown) {
                    missing.push(format!("{name} ({case}) should show {words:?}: {text}"));
                }
            }
            if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
        })
        .await;
        story.describes("scalepolicy", "bad-0", &["Warning", "InvalidSpec", "spec.maxReplicas"]).await;
        // None of them is in the way of the one that works, though all name its target; one that is repaired is.
        metrics.set(web, Source::Cpu { container: "app" }, Load::Total(300));
        story.size(SOON, web, 6).await;
        let repair = json!([{ "op": "replace", "path": "/spec", "value": good() }]);
        story.kubectl(&["patch", "sp/bad-0", "--type=json", "-p", &repair.to_string()]).await;
        for name in ["sp/bad-0", "sp/web"] {
            story.shows(AT_ONCE, name, ACTIVE, "AmbiguousSelector").await;
        }
        assert_eq!(story.get("sp/bad-0", "{.status.conditions[?(@.type==\"Stalled\")].status}").await, "");
        assert_eq!(ballast.lines("panicked"), "");
    });
}
