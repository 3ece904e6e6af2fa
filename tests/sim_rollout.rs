//! Rolling updates and room for pods, with figures worked out by hand after the Deployment controller's and the cluster autoscaler's rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;
mod sim_support;

use ballast::core::{Phase, Trouble};
use ballast::sim::{Cluster, Nodes, Rollout, Setup};
use core_support::secs;
use sim_support::*;

/// Size asked for, pods found, pods ready.
fn sizes(cluster: &mut Cluster<'_>) -> (u32, u32, u32) {
    let ready = cluster.ready();
    let seen = cluster.observe(&[]);
    let visible = seen.pods.iter().filter(|pod| pod.ready.is_some_and(|ready| ready.status)).count();
    assert_eq!((seen.pods.len(), visible), (seen.status_replicas as usize, ready as usize));
    (seen.spec_replicas, seen.status_replicas, ready)
}

#[test]
fn a_rolling_update_keeps_three_quarters_and_adds_a_quarter() {
    let load = constant(5.0);
    let setup = Setup { rollouts: vec![Rollout::at(secs(300))], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 299);
    assert_eq!(sizes(&mut cluster), (10, 10, 10));
    // 3 may be too many and 2 too few: 3 new ones, 2 old ones less, 2 new ones for them.
    pass(&mut cluster, 1);
    assert_eq!(sizes(&mut cluster), (10, 13, 8));
    // The 5 new ones are ready: 5 old ones go, the last 5 new ones come.
    pass(&mut cluster, 44);
    assert_eq!(sizes(&mut cluster), (10, 13, 8));
    pass(&mut cluster, 1);
    assert_eq!(sizes(&mut cluster), (10, 13, 8));
    pass(&mut cluster, 45);
    assert_eq!(sizes(&mut cluster), (10, 10, 10));
    let start = cluster.now() - secs(90);
    assert!(cluster.observe(&[]).pods.iter().all(|pod| pod.created.unwrap() >= start), "all are new");
}

#[test]
fn one_pod_is_replaced_by_one_that_is_ready() {
    let load = constant(0.5);
    let setup = Setup { rollouts: vec![Rollout::at(secs(300))], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 1);
    pass(&mut cluster, 300);
    assert_eq!(sizes(&mut cluster), (1, 2, 1));
    pass(&mut cluster, 45);
    assert_eq!(sizes(&mut cluster), (1, 1, 1));
}

#[test]
fn without_surge_and_slack_one_pod_at_a_time_is_missing() {
    let load = constant(0.5);
    let rollout = Rollout { max_surge: 0, max_unavailable: 0, ..Rollout::at(secs(300)) };
    let setup = Setup { rollouts: vec![rollout], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 3);
    pass(&mut cluster, 300);
    for _ in 0..3 {
        assert_eq!(sizes(&mut cluster), (3, 3, 2));
        pass(&mut cluster, 45);
    }
    assert_eq!(sizes(&mut cluster), (3, 3, 3));
}

#[test]
fn a_size_set_meanwhile_is_shared_between_the_versions() {
    let load = constant(5.0);
    let setup = Setup { rollouts: vec![Rollout::at(secs(300))], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 310);
    // 8 old and 5 new, 13 of 13; 25 may be: 8 * 25 / 13 = 15.4 and 5 * 25 / 13 = 9.6.
    cluster.scale(20);
    let start = cluster.now() - secs(10);
    assert_eq!(sizes(&mut cluster), (20, 25, 8));
    let seen = cluster.observe(&[]);
    assert_eq!(seen.pods.iter().filter(|pod| pod.created.unwrap() < start).count(), 8);
    assert_eq!(seen.pods.iter().filter(|pod| pod.created.unwrap() > start).count(), 12);
    pass(&mut cluster, 200);
    assert_eq!(sizes(&mut cluster), (20, 20, 20));
    assert!(cluster.observe(&[]).pods.iter().all(|pod| pod.created.unwrap() >= start), "all are new");
}

#[test]
fn a_broken_version_stops_half_way_until_the_next_one() {
    let load = constant(5.0);
    let broken = Rollout { broken: true, ..Rollout::at(secs(300)) };
    let setup = Setup { rollouts: vec![Rollout::at(secs(2000)), broken], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 344);
    let troubles = |cluster: &mut Cluster<'_>| cluster.observe(&[]).pods.iter().filter(|pod| pod.trouble == Some(Trouble::Crash)).count();
    assert_eq!(troubles(&mut cluster), 0);
    pass(&mut cluster, 1);
    assert_eq!((troubles(&mut cluster), sizes(&mut cluster)), (5, (10, 13, 8)));
    pass(&mut cluster, 1000);
    assert_eq!((troubles(&mut cluster), sizes(&mut cluster)), (5, (10, 13, 8)));
    // The 5 crashing ones go first; the rest as ever.
    pass(&mut cluster, 655);
    assert_eq!((troubles(&mut cluster), sizes(&mut cluster)), (0, (10, 13, 8)));
    pass(&mut cluster, 90);
    assert_eq!(sizes(&mut cluster), (10, 10, 10));
}

#[test]
fn pods_without_room_wait_for_nodes() {
    let load = constant(5.0);
    let setup = Setup { nodes: Some(Nodes::of(10)), ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 100);
    let ordered = cluster.now();
    cluster.scale(25);
    pass(&mut cluster, 119);
    let seen = cluster.observe(&[]);
    assert_eq!(seen.pods.len(), 25);
    for pod in &seen.pods[10..] {
        assert_eq!((pod.phase, pod.trouble, pod.start_time, pod.ready), (Phase::Pending, Some(Trouble::Unschedulable), None, None));
        assert_eq!(pod.created, Some(ordered));
    }
    assert_eq!(values(cluster.observe(&[cpu()]))[10], None);
    // Two nodes are there after 120 s, the pods are ready 45 s later.
    pass(&mut cluster, 1);
    let now = cluster.now();
    let pod = cluster.observe(&[]).pods[24].clone();
    assert_eq!((pod.phase, pod.trouble, pod.start_time, pod.ready.unwrap().status), (Phase::Running, None, Some(now), false));
    pass(&mut cluster, 44);
    assert_eq!(cluster.ready(), 10);
    pass(&mut cluster, 1);
    assert_eq!(cluster.ready(), 25);
}

#[test]
fn room_that_is_left_stays_for_ten_minutes() {
    let load = constant(5.0);
    let setup = Setup { nodes: Some(Nodes::of(10)), ..Setup::default() };
    let start = |idle| {
        let mut cluster = Cluster::new(plan(&setup, &load), 30);
        pass(&mut cluster, 100);
        cluster.scale(10);
        pass(&mut cluster, idle);
        cluster.scale(30);
        (0..1000).find(|_| cluster.pass().ready == 30)
    };
    assert_eq!((start(599), start(601)), (Some(45), Some(165)));
}

#[test]
fn a_full_cluster_has_no_more_nodes_to_give() {
    let load = constant(5.0);
    let setup = Setup { nodes: Some(Nodes { max: 2, ..Nodes::of(10) }), ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    cluster.scale(25);
    pass(&mut cluster, 1000);
    assert_eq!(sizes(&mut cluster), (25, 25, 20));
    // Pods without a node go first, and others take the room of those that go.
    cluster.scale(21);
    assert_eq!(sizes(&mut cluster), (21, 21, 20));
    cluster.scale(15);
    assert_eq!(sizes(&mut cluster), (15, 15, 15));
}

#[test]
fn a_rollout_needs_room_for_its_surge() {
    let load = constant(5.0);
    let setup = Setup { nodes: Some(Nodes { max: 1, ..Nodes::of(10) }), rollouts: vec![Rollout::at(secs(300))], ..Setup::default() };
    let mut cluster = Cluster::new(plan(&setup, &load), 10);
    pass(&mut cluster, 300);
    // 8 old ones and 2 of 5 new ones have room.
    assert_eq!(sizes(&mut cluster), (10, 13, 8));
    let pending = |cluster: &mut Cluster<'_>| cluster.observe(&[]).pods.iter().filter(|pod| pod.phase == Phase::Pending).count();
    assert_eq!(pending(&mut cluster), 3);
    pass(&mut cluster, 600);
    assert_eq!(sizes(&mut cluster), (10, 10, 10));
}
