//! Everything around Ballast that can go wrong, on a real control plane: API server and etcd, network, clock, and its own process. Each drill
//! has a controller and workloads of its own; no size may fall, and growing load must be answered two intervals after the fault at the latest.
//!
//! `BALLAST_FAULTS=long` makes the faults last for a minute; with `UPDATE=1` that form writes docs/faults.md.
//! A deleted CRD and an API server that comes late: `plane_ha`, `plane_crds`.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod outages;
mod plane_support;

use std::time::Duration;

use outages::{Place, Signal, World, clock, network, process, server};
use plane_support::gateway::{events, everything, sizes, usage};
use plane_support::{Server, Trouble, run};

#[test]
fn no_fault_around_it_takes_a_replica_away() {
    run(async {
        let world = World::begin(16).await;
        let gateway = |name, fault, trouble| world.gateway(name, fault, Signal::Queue, trouble);
        tokio::join!(
            gateway("busy", "API server: 429 with Retry-After of 1 s, to all", Trouble::Refused(everything, 429, Some(1))),
            gateway("broken", "API server: 500, to all", Trouble::Refused(everything, 500, None)),
            gateway("away", "API server: 503, to all", Trouble::Refused(everything, 503, None)),
            gateway("late", "API server: each answer 1 to 3 s late", Trouble::Slow(Duration::from_secs(1))),
            gateway("drops", "API server: watches drop each second", Trouble::WatchesDrop(Duration::from_secs(1))),
            gateway("conflicts", "API server: 409, to writes of sizes", Trouble::Refused(sizes, 409, None)),
            gateway("events-403", "API server: 403, to Events", Trouble::Refused(events, 403, None)),
            gateway("events-500", "API server: 500, to Events", Trouble::Refused(events, 500, None)),
            world.gateway("usage", "metrics.k8s.io: 429 with Retry-After of 5 s", Signal::Cpu, Trouble::Refused(usage, 429, Some(5))),
            process::well(&world),
            server::contended(&world),
            process::frozen(&world),
            process::frozen_leader(&world),
            network::cut(&world),
            clock::stepped(&world, "clock-forth", 3600),
            clock::stepped(&world, "clock-back", -3600),
        );

        // These concern everybody.
        let mut place = Place::begin(&world, "whole", Signal::Queue).await;
        place.start(&world.plane.kubeconfig, &[]).await;
        let (mut api, etcd) = (Server::of(world.plane, "kube-apiserver"), Server::of(world.plane, "etcd"));
        server::restarted(&place, &mut api).await;
        server::slow_etcd(&place, &etcd).await;
        server::expired(&world, &mut api).await;
        world.table.finish("cluster");
    });
}
