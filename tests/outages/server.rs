//! The API server and etcd.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::Mutex;

use super::{Place, Signal, World, lasts};
use crate::plane_support::gateway::everything;
use crate::plane_support::{Gateway, Server, Trouble};

/// Somebody changes the targets all the time: their version is never the one that was read.
pub async fn contended(world: &World) {
    let mut place = Place::begin(world, "contended", Signal::Queue).await;
    place.start(&world.plane.kubeconfig, &[]).await;
    world.gate.wait().await;
    let api = place.scene.api("Deployment");
    let writers = RefCell::new(Vec::new());
    let inject = async || {
        for app in place.apps.clone() {
            let api = api.clone();
            writers.borrow_mut().push(tokio::spawn(async move {
                for number in 0.. {
                    let patch = json!({ "metadata": { "annotations": { "example.com/number": number.to_string() } } });
                    // It ends with the fault.
                    let _ = api.patch(&app, &PatchParams::default(), &Patch::Merge(patch)).await;
                }
            }));
        }
    };
    let heal = async || writers.borrow().iter().for_each(tokio::task::JoinHandle::abort);
    place.drill("409: somebody else writes the targets without a pause", lasts(), inject, heal).await;
}

/// The API server ends, and comes again.
pub async fn restarted(place: &Place<'_>, server: &mut Server<'_>) {
    let server = Mutex::new(server);
    let inject = async || server.lock().await.kill().await;
    let heal = async || {
        let mut server = server.lock().await;
        server.start();
        server.ready().await;
    };
    place.drill("API server: killed and started again", lasts(), inject, heal).await;
}

/// What the watches saw last is forgotten by the server: 410 Gone.
pub async fn expired(world: &World, server: &mut Server<'_>) {
    server.ready().await;
    let mut place = Place::begin(world, "expired", Signal::Queue).await;
    let gateway = Gateway::start(world.plane, "expired").await;
    place.start(&gateway.kubeconfig, &[]).await;
    let server = Mutex::new(server);
    let inject = async || {
        gateway.set(Trouble::Refused(everything, 502, None));
        for app in &place.apps {
            place.scene.patch("Deployment", app, json!({ "metadata": { "annotations": { "example.com/missed": "1" } } })).await;
        }
        compact(world).await;
        let mut server = server.lock().await;
        server.kill().await;
        server.start();
        server.ready().await;
    };
    place.drill("410: resourceVersion of all watches expired", lasts(), inject, async || gateway.set(Trouble::None)).await;
    assert_ne!(place.ballasts[0].lines("too old resource version"), "", "{}", place.ballasts[0].tail());
}

/// Lets etcd forget all versions but the newest.
async fn compact(world: &World) {
    let env = std::fs::read_to_string(world.plane.dir.join("env")).unwrap();
    let etcd = env.lines().find_map(|line| line.strip_prefix("ETCD_URL=")).unwrap();
    let call = async |path: &str, body: serde_json::Value| {
        let answer = reqwest::Client::new().post(format!("{etcd}/v3/kv/{path}")).body(body.to_string()).send().await.unwrap();
        let text = answer.error_for_status().unwrap().text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let newest = call("range", json!({ "key": "AA==" })).await["header"]["revision"].clone();
    call("compaction", json!({ "revision": newest, "physical": true })).await;
}

/// etcd answers late, in spells of two seconds.
pub async fn slow_etcd(place: &Place<'_>, etcd: &Server<'_>) {
    let healed = Cell::new(false);
    let stalls = async {
        while !healed.get() {
            etcd.signal("STOP");
            tokio::time::sleep(Duration::from_secs(2)).await;
            etcd.signal("CONT");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let heal = async || {
        healed.set(true);
        etcd.signal("CONT");
    };
    tokio::join!(stalls, place.drill("etcd: stalls for 2 s, again and again", lasts(), async || {}, heal));
}
