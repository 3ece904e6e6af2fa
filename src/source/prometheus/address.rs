//! Which addresses a source may lead to: a tenant's source must not reach what only the controller's machine can.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// How far a source may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere: the operator of the controller chose the address.
    Everywhere,
    /// Not to link-local, metadata, unspecified and multicast addresses; to loopback only if so allowed.
    Network {
        /// Whether loopback is allowed, for tests and single-machine set-ups.
        loopback: bool,
    },
}

/// A name that leads where it must not.
#[derive(Debug, Error)]
#[error("{host} is {address}, a link-local, metadata, loopback or otherwise reserved address, which a MetricSource must not use")]
pub(super) struct AddressRefused {
    pub host: String,
    pub address: IpAddr,
}

/// A name that leads nowhere.
#[derive(Debug, Error)]
#[error("{host} cannot be resolved: {error}")]
pub(super) struct Unresolved {
    pub host: String,
    pub error: std::io::Error,
}

// === impl Reach ===

impl Reach {
    /// Refuses an address out of reach.
    pub(super) fn check(self, host: &str, address: IpAddr) -> Result<(), AddressRefused> {
        let allowed = match (self, embedded(address)) {
            (Self::Everywhere, _) => true,
            (Self::Network { loopback }, inner) => {
                if inner.is_loopback() {
                    loopback
                } else {
                    !reserved(inner) && !hides_private(address)
                }
            }
        };
        if allowed { Ok(()) } else { Err(AddressRefused { host: host.to_owned(), address }) }
    }
}

/// Addresses outside of the link-local range at which large clouds serve their machines settings and credentials.
const METADATA: [Ipv4Addr; 3] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

fn reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.octets()[0] == 0 || v4.is_multicast() || v4.is_broadcast() || METADATA.contains(&v4),
        IpAddr::V6(v6) => {
            // fd00:ec2::254 is the same of another cloud.
            let metadata = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
            v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() || v6 == metadata
        }
    }
}

/// A 6to4 address that leads to a private one: no relay carries it, so it is meant to hide where it leads.
fn hides_private(address: IpAddr) -> bool {
    let IpAddr::V6(v6) = address else { return false };
    v6.segments()[0] == 0x2002 && matches!(embedded(address), IpAddr::V4(v4) if v4.is_private())
}

/// The IPv4 address that an IPv6 address stands for: mapped (RFC 4291), compatible, behind NAT64 (RFC 6052), or of 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [.., a, b, c, d] = v6.octets();
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => address,
    }
}

/// Name resolution that checks every address at the time of the connection, so that a name cannot change its mind after a check.
pub(super) struct Guarded {
    pub reach: Reach,
    /// Host to resolve in place of the name in the certificate.
    pub host: Option<String>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, host) = (self.reach, self.host.clone().unwrap_or_else(|| name.as_str().to_owned()));
        Box::pin(async move {
            // A literal IPv6 host keeps its brackets.
            let plain = host.trim_start_matches('[').trim_end_matches(']');
            let unresolved = |error| Unresolved { host: host.clone(), error };
            let found: Vec<SocketAddr> = tokio::net::lookup_host((plain, 0)).await.map_err(unresolved)?.collect();
            for address in &found {
                reach.check(&host, address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
