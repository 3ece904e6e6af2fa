//! Thousands of policies that are wrong, and some that are malicious, beside good ones: these are decided as ever.
//!
//! The API server's own validation is switched off, as it is for objects that are older than its rules. `BALLAST_FAULTS=long`: 10,000 and 1,000.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod api_support;
mod hostile;
mod outages;
mod plane_support;

use std::time::Duration;

use ballast::api::ScalePolicy;
use futures::StreamExt;
use kube::CustomResourceExt;
use outages::{Place, Signal, World, long};
use plane_support::{Scene, Story, eventually, loosen, run};
use serde_json::{Value, json};

/// Memory that a bad policy may cost beside its own bytes: what is said of it.
const EACH: u64 = 40 << 10;
/// What a process may take for bursts of work.
const BURST: u64 = 120 << 20;

/// Creates policies; what the API server refuses has done no harm. Gives how many there are.
async fn create(scene: &Scene, policies: Vec<Value>) -> usize {
    let api = &scene.api("ScalePolicy");
    let created = futures::stream::iter(policies).map(|policy| async move {
        let request =
            http::Request::post(api.resource_url()).header("content-type", "application/json").body(text(&policy).into_bytes()).unwrap();
        let created = scene.plane.client.request_text(request).await;
        if let Err(error) = &created {
            println!("{}: {:.200}", policy["metadata"]["name"], error.to_string());
        }
        created.is_ok()
    });
    created.buffer_unordered(16).filter(|created| std::future::ready(*created)).count().await
}

/// Deletes them one by one: all at once is an answer of gigabytes, which the API server breaks off after a minute.
async fn delete(scene: &Scene, names: &[String]) {
    let api = &scene.api("ScalePolicy");
    let deleted = futures::stream::iter(names).map(|name| async move {
        eventually(&format!("{name} is deleted"), Duration::from_mins(2), async || {
            // As text: what is in there is too deep to be read.
            let request = http::Request::delete(format!("{}/{name}", api.resource_url())).body(Vec::new()).unwrap();
            match scene.plane.client.request_text(request).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                Err(error) => Err(error.to_string()),
                Ok(_) => Ok(()),
            }
        })
        .await;
    });
    deleted.buffer_unordered(16).collect::<Vec<()>>().await;
}

/// JSON that no serializer would write: a marked string stands for itself.
fn text(policy: &Value) -> String {
    let text = policy.to_string();
    hostile::RAW.iter().fold(text, |text, (mark, raw)| text.replace(&format!("\"{mark}\""), raw))
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Good policies in one namespace, bad ones in another and beside them.
async fn beside(place: &Place<'_>, bad: &Scene, what: &str, policies: Vec<Value>) {
    let (count, ballast) = (policies.len(), &place.ballasts[0]);
    let bytes: u64 = policies.iter().map(|policy| text(policy).len() as u64).sum();
    let names: Vec<String> = policies.iter().map(|policy| policy["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    let (few, rest) = (policies[..10].to_vec(), policies[10..].to_vec());
    let before = resident(ballast.pid());
    let peak = std::cell::Cell::new(before);
    let there = std::cell::Cell::new(0);
    let inject = async || there.set(create(&place.scene, few).await + create(bad, rest).await);
    let heal = async || {
        peak.set(resident(ballast.pid()));
        delete(bad, &names[10..]).await;
        delete(&place.scene, &names[..10]).await;
    };
    place.bad.set(count);
    let answered = place.drill(&format!("{count} policies: {what}"), Duration::from_secs(20), inject, heal).await;
    let (there, peak) = (there.get(), peak.get());
    println!("{what}: {there} of {count} were taken, {} MiB; {} MiB before, {} MiB with them", bytes >> 20, before >> 20, peak >> 20);
    println!("{}", lateness(&ballast.metrics().await));
    assert!(answered, "good policies beside them are decided each interval: {}", ballast.tail());
    assert!(peak < before + BURST + bytes + EACH * count as u64, "{} MiB, then {} MiB", before >> 20, peak >> 20);
    assert_eq!(ballast.lines("panicked"), "");
}

fn lateness(metrics: &str) -> String {
    metrics.lines().filter(|line| line.starts_with("ballast_decision_lateness_seconds")).collect::<Vec<_>>().join("\n")
}

#[test]
fn good_policies_are_decided_beside_any_number_of_bad_ones() {
    run(async {
        let world = World::begin(1).await;
        let story = Story::begin(world.plane).await;
        loosen(&story, ScalePolicy::crd()).await;
        let mut place = Place::begin(&world, "good", Signal::Queue).await;
        let bad = Scene::new(world.plane).await;
        place.beside(&bad);
        place.start(&world.plane.kubeconfig, &[]).await;
        let (malformed, hostile) = if long() { (10_000, 1000) } else { (500, 100) };

        let cases = api_support::cases();
        let malformed = (0..malformed).map(|n| policy(&format!("malformed-{n}"), &api_support::patched(&cases[n % cases.len()].patch)));
        beside(&place, &bad, "malformed", malformed.collect()).await;

        let targets = 20;
        for n in 0..targets {
            bad.create(&plane_support::Workload::deployment(&bad.namespace, &format!("web-{n}"), 0), &[]).await;
        }
        let makers = hostile::all();
        let hostile = (0..hostile).map(|n| makers[n % makers.len()](&format!("hostile-{n}"), &format!("web-{}", n % targets)));
        // Some are there before the controller is.
        let few = (0..50).map(|n| makers[n % makers.len()](&format!("first-{n}"), &format!("web-{}", n % targets)));
        create(&bad, few.collect()).await;
        let mut late = Place::begin(&world, "late", Signal::Queue).await;
        late.beside(&bad);
        late.start(&world.plane.kubeconfig, &[]).await;
        late.bad.set(50);
        let answered =
            late.drill("50 policies: hostile, there before the controller starts", Duration::from_secs(10), async || {}, async || {}).await;
        assert!(answered, "{}", late.ballasts[0].tail());

        beside(&place, &bad, "hostile: deep, huge, Unicode, PromQL bombs, extreme numbers", hostile.collect()).await;
        world.table.finish("policies");
    });
}

fn policy(name: &str, spec: &Value) -> Value {
    let metadata = json!({ "name": name, "labels": { "bad": "" } });
    json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "metadata": metadata, "spec": spec })
}
