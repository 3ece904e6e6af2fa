//! The controller's own process.

use super::{Place, Signal, World, lasts};
use crate::plane_support::{Ballast, eventually};

/// Nothing, to compare with.
pub async fn well(world: &World) {
    let mut place = Place::begin(world, "well", Signal::Queue).await;
    place.start(&world.plane.kubeconfig, &[]).await;
    world.gate.wait().await;
    place.drill(super::table::NONE, lasts(), async || {}, async || {}).await;
}

/// It is stopped, as by a frozen container, and goes on.
pub async fn frozen(world: &World) {
    let mut place = Place::begin(world, "frozen", Signal::Queue).await;
    place.start(&world.plane.kubeconfig, &[]).await;
    let ballast = &place.ballasts[0];
    world.gate.wait().await;
    place
        .drill("controller: SIGSTOP, then SIGCONT", lasts(), async || ballast.signal("STOP").await, async || ballast.signal("CONT").await)
        .await;
}

/// The same with a standby, which takes over; the one that wakes up must not write.
pub async fn frozen_leader(world: &World) {
    let mut place = Place::begin(world, "frozen-leader", Signal::Queue).await;
    let lease = ["--leader-elect", "true", "--lease-duration", "4s", "--renew-deadline", "3s", "--retry-period", "500ms"];
    let flags: Vec<String> = place.flags(&world.scraped.url).into_iter().chain(lease.map(str::to_owned)).collect();
    for number in 1..=2 {
        let name = format!("frozen-leader-{number}");
        place.ballasts.push(Ballast::start_as(world.plane, &name, &world.plane.kubeconfig, &flags).await);
        eventually("the first one leads", super::PATIENCE, async || {
            let metrics = place.ballasts[0].metrics().await;
            if metrics.contains("ballast_leader 1") { Ok(()) } else { Err(place.ballasts[0].tail()) }
        })
        .await;
    }
    place.steady().await;
    let leader = &place.ballasts[0];
    world.gate.wait().await;
    let fault = "controller: leader SIGSTOP, then SIGCONT, with a standby (lease of 4 s)";
    let started = crate::plane_support::now();
    place.drill(fault, lasts(), async || leader.signal("STOP").await, async || leader.signal("CONT").await).await;
    // One for each growth, by whoever led: nothing was written twice.
    let moves: usize = place.ballasts.iter().map(|ballast| ballast.lines(" scaled ").lines().count()).sum();
    let seen: usize = place.apps.iter().map(|app| place.sizes.moves(app, started)).sum();
    assert_eq!(moves, seen, "{}", place.ballasts[1].tail());
}
