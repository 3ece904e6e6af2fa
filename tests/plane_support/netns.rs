//! A network namespace with one link to the host, which is cut by packet filter rules: what is sent is lost without a word.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// Port in the namespace that stays reachable, for the test to watch by.
pub const OPEN: u16 = 8080;

/// The namespace; it is removed when dropped.
pub struct Netns {
    /// Its name.
    pub name: String,
    /// The host's address on the link.
    pub host: IpAddr,
    /// The namespace's own.
    pub inside: IpAddr,
}

impl Netns {
    /// Makes one; needs root, `ip` and `iptables`.
    pub fn new() -> Self {
        let pid = std::process::id();
        let name = format!("ballast-{pid}");
        let [high, low] = ((pid % 16_384) * 4).to_be_bytes()[2..] else { unreachable!() };
        let address = |last: u8| IpAddr::V4(Ipv4Addr::new(10, 213, high, low + last));
        let netns = Self { name, host: address(1), inside: address(2) };
        let (out, host, inside) = (format!("bh{pid}"), format!("{}/30", netns.host), format!("{}/30", netns.inside));
        ip(&["netns", "add", &netns.name]);
        ip(&["link", "add", &out, "type", "veth", "peer", "name", "eth0", "netns", &netns.name]);
        ip(&["address", "add", &host, "dev", &out]);
        ip(&["link", "set", &out, "up"]);
        ip(&["-n", &netns.name, "address", "add", &inside, "dev", "eth0"]);
        ip(&["-n", &netns.name, "link", "set", "eth0", "up"]);
        ip(&["-n", &netns.name, "link", "set", "lo", "up"]);
        netns
    }

    /// The words that run a command in it.
    pub fn enter(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    /// Drops every packet in both directions, but those of the open port.
    pub fn cut(&self) {
        let open = OPEN.to_string();
        self.iptables(&["-A", "OUTPUT", "-p", "tcp", "!", "--sport", &open, "-j", "DROP"]);
        self.iptables(&["-A", "INPUT", "-p", "tcp", "!", "--dport", &open, "-j", "DROP"]);
    }

    /// Lets packets through again.
    pub fn heal(&self) {
        self.iptables(&["-F"]);
    }

    fn iptables(&self, args: &[&str]) {
        ip(&[&["netns", "exec", &self.name, "iptables"], args].concat());
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The link goes with it.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn ip(args: &[&str]) {
    let out = Command::new("ip").args(args).output().unwrap();
    assert!(out.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}
