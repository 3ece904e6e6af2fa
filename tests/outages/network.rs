//! The controller is cut off from everything by packet filter rules: nothing is refused, everything is lost.

use std::time::Duration;

use super::{Place, Signal, World, lasts};
use crate::plane_support::{Ballast, Launch, Netns, OPEN, Tunnel};

/// Two cuts: one that connections survive, and one after which the other end knows nothing of them.
pub async fn cut(world: &World) {
    // Without root there is no network namespace.
    if !std::process::Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.starts_with(b"0\n")) {
        assert!(std::env::var_os("CI").is_none(), "the drills of a cut network need root");
        println!("SKIPPED: the drills of a cut network need root");
        return;
    }
    let netns = Netns::new();
    let mut place = Place::begin(world, "cut", Signal::Queue).await;
    let server = world.plane.kubectl_ok(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]).await;
    let server = server.trim_start_matches("https://");
    let tunnel = tokio::sync::Mutex::new(Tunnel::on(netns.host, server).await);
    let mut metrics = Tunnel::on(netns.host, world.scraped.url.trim_start_matches("http://")).await;
    metrics.open().await;
    tunnel.lock().await.open().await;

    let kubeconfig = world.plane.dir.join("kubeconfig-cut");
    let text = std::fs::read_to_string(&world.plane.kubeconfig).unwrap();
    let (from, address) = (format!("server: https://{server}"), tunnel.lock().await.address);
    assert!(text.contains(&from), "{text}");
    std::fs::write(&kubeconfig, text.replace(&from, &format!("server: https://{address}\n    tls-server-name: localhost"))).unwrap();
    let mut flags = place.flags(&format!("http://{}", metrics.address));
    flags.extend(["--leader-elect", "false"].map(str::to_owned));
    let launch = Launch { admin: (netns.inside, OPEN).into(), through: netns.enter(), env: Vec::new() };
    let mut ballast = Ballast::launch(world.plane, "outage-cut", &kubeconfig, &flags, launch);
    ballast.wait_ready().await;
    place.ballasts.push(ballast);
    place.steady().await;
    // A watch that is half open delivers nothing, and no write before it shows that.
    place.twice = true;
    world.gate.wait().await;

    place.drill("network: all packets lost; connections survive", lasts(), async || netns.cut(), async || netns.heal()).await;

    let inject = async || {
        netns.cut();
        // Closed on one side only, as its word is lost.
        let mut tunnel = tunnel.lock().await;
        tunnel.cut().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        tunnel.open().await;
    };
    place.drill("network: all packets lost; connections left half open", lasts(), inject, async || netns.heal()).await;
}
