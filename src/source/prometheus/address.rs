//! Which addresses a source may lead to: a tenant's source must not reach what only the controller's machine can.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use super::limits::SourceLimits;

/// How far a source may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere: the operator of the controller chose the address.
    Everywhere,
    /// Not to link-local, metadata, unspecified and multicast addresses; to loopback only if so allowed.
    Network {
        /// Whether loopback is allowed, for tests and single-machine set-ups.
        loopback: bool,
        /// What else the operator says.
        limits: Arc<SourceLimits>,
        /// The API server, which only the operator can allow by its name or range.
        api_server: Option<SocketAddr>,
    },
}

/// A name or an address that a source must not use.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct AddressRefused(String);

/// A name that leads nowhere.
#[derive(Debug, Error)]
#[error("{host} cannot be resolved: {error}")]
pub(super) struct Unresolved {
    pub host: String,
    pub error: std::io::Error,
}

/// Ports of a cluster's own machinery, at none of which a Prometheus API is: etcd, API server, kubelet, kube-proxy, controller manager and
/// scheduler. Network policies often let the controller reach them where they keep a tenant's pods away.
const MACHINERY: [u16; 8] = [2379, 2380, 6443, 10250, 10255, 10256, 10257, 10259];

// === impl Reach ===

impl Reach {
    /// Refuses a host that no address could make right. Hosts that are addresses themselves are for [`Reach::check`].
    pub(super) fn admit(&self, host: &str, port: u16) -> Result<(), AddressRefused> {
        match self {
            Self::Network { limits, .. } if !limits.is_open() && !limits.allows_ranges() && !limits.names(host, port) => {
                Err(AddressRefused(format!("{host}:{port} is not allowed: {}", may(limits))))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an address out of reach.
    pub(super) fn check(&self, host: &str, port: u16, address: IpAddr) -> Result<(), AddressRefused> {
        let Self::Network { loopback, limits, api_server } = self else { return Ok(()) };
        let inner = embedded(address);
        let refuse = |why: &str| Err(AddressRefused(format!("{host} is {address}, {why}")));
        if inner.is_loopback() && *loopback {
            return Ok(());
        }
        if is_reserved(address) {
            return refuse("a link-local, metadata, loopback or otherwise reserved address, which a MetricSource must not use");
        }
        if let Some(range) = limits.denies(inner).or_else(|| limits.denies(address)) {
            return refuse(&format!("which is in {range} of metricSources.deniedCIDRs"));
        }
        if limits.names(host, port) || limits.allows(inner) || limits.allows(address) {
            return Ok(());
        }
        if !limits.is_open() {
            return refuse(&format!("which is not allowed: {}", may(limits)));
        }
        let ours = api_server.is_some_and(|server| server.port() == port && embedded(server.ip()) == inner);
        if ours || MACHINERY.contains(&port) {
            let what = if ours { "is the cluster's API server" } else { "is one of the cluster's own machinery" };
            return refuse(&format!("whose port {port} {what}; only metricSources of the controller's configuration can allow it"));
        }
        Ok(())
    }
}

/// Where a source may lead, in words.
fn may(limits: &SourceLimits) -> String {
    format!("a MetricSource may lead to {limits} (metricSources of the controller's configuration)")
}

/// Addresses outside of the link-local range at which large clouds serve their machines settings and credentials.
const METADATA: [Ipv4Addr; 3] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// The same of IPv6, as prefixes of 32 bits: `fd00:ec2::254` and its neighbours, `fd20:ce::254`, `fd00:c1::a9fe:a9fe`, `fd00:42::42`.
const METADATA_V6: [[u16; 2]; 4] = [[0xfd00, 0xec2], [0xfd20, 0xce], [0xfd00, 0xc1], [0xfd00, 0x42]];

/// Whether an address, or the one it stands for, is loopback, link-local, a metadata service, multicast or otherwise nobody's.
pub fn is_reserved(address: IpAddr) -> bool {
    let inner = embedded(address);
    inner.is_loopback() || reserved(inner) || reserved(address) || hides_private(address)
}

fn reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.octets()[0] == 0 || v4.is_multicast() || v4.is_broadcast() || METADATA.contains(&v4),
        IpAddr::V6(v6) => {
            let [high, low, rest @ ..] = v6.segments();
            let metadata = METADATA_V6.contains(&[high, low]) && rest[..4] == [0; 4];
            // fec0::/10 was the link-local range of sites.
            v6.is_unicast_link_local() || high & 0xffc0 == 0xfec0 || v6.is_unspecified() || v6.is_multicast() || metadata
        }
    }
}

/// A 6to4 or Teredo address that leads to a private one: no relay carries it, so it is meant to hide where it leads.
fn hides_private(address: IpAddr) -> bool {
    let IpAddr::V6(v6) = address else { return false };
    let tunnel = matches!(v6.segments(), [0x2002, ..] | [0x2001, 0, ..]);
    tunnel && matches!(embedded(address), IpAddr::V4(v4) if v4.is_private())
}

/// The IPv4 address that an IPv6 address stands for: mapped or compatible (RFC 4291), translated (RFC 7915), behind NAT64 (RFC 6052, RFC 8215),
/// of 6to4 (RFC 3056), Teredo (RFC 4380) or ISATAP (RFC 5214).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [.., a, b, c, d] = v6.octets();
    let last = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0 | 1, ..] | [.., 0 | 0x200, 0x5efe, _, _] => last,
        [0x2002, high, low, ..] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        [0x2001, 0, ..] => IpAddr::V4(Ipv4Addr::new(!a, !b, !c, !d)),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => last,
        _ => address,
    }
}

/// Asks for the addresses of a host.
type Lookup = fn(String) -> futures::future::BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;

/// Name resolution that checks every address at the time of the connection, so that a name cannot change its mind after a check.
pub(super) struct Guarded {
    reach: Reach,
    /// Host to resolve in place of the name in the certificate.
    host: Option<String>,
    port: u16,
    lookup: Lookup,
}

// === impl Guarded ===

impl Guarded {
    /// Of a url's port; `host` is resolved in place of the name in the certificate.
    pub fn new(reach: Reach, host: Option<String>, port: u16) -> Self {
        Self { reach, host, port, lookup: |host| Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) }) }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, port, lookup) = (self.reach.clone(), self.port, self.lookup);
        let host = self.host.clone().unwrap_or_else(|| name.as_str().to_owned());
        Box::pin(async move {
            // A literal IPv6 host keeps its brackets.
            let plain = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let unresolved = |error| Unresolved { host: host.clone(), error };
            let found = lookup(plain).await.map_err(unresolved)?;
            for address in &found {
                reach.check(&host, port, address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rstest::rstest;

    use super::*;

    fn network(limits: &str) -> Reach {
        let api_server = Some(([10, 96, 0, 1], 443).into());
        Reach::Network { loopback: false, limits: Arc::new(serde_saphyr::from_str(limits).unwrap()), api_server }
    }

    fn said(reach: &Reach, host: &str, port: u16, address: &str) -> String {
        reach.check(host, port, address.parse().unwrap()).map_or_else(|refused| refused.to_string(), |()| "reached".to_owned())
    }

    #[rstest]
    #[case("127.0.0.1", false)]
    #[case("127.8.9.1", false)]
    #[case("0.0.0.0", false)]
    #[case("0.1.2.3", false)]
    #[case("169.254.169.254", false)]
    #[case("169.254.170.2", false)]
    #[case("100.100.100.200", false)]
    #[case("168.63.129.16", false)]
    #[case("224.0.0.1", false)]
    #[case("255.255.255.255", false)]
    #[case("::", false)]
    #[case("::1", false)]
    #[case("::127.0.0.1", false)]
    #[case("::ffff:127.0.0.1", false)]
    #[case("::ffff:169.254.169.254", false)]
    #[case("::ffff:0:169.254.169.254", false)]
    #[case("64:ff9b::169.254.169.254", false)]
    #[case("64:ff9b:1::169.254.169.254", false)]
    #[case("2002:a9fe:a9fe::1", false)]
    #[case("2002:7f00:1::", false)]
    #[case("2002:0a00:1::", false)]
    #[case("2001:0:1:2:3:4:5601:5601", false)]
    #[case("fe80::1", false)]
    #[case("fec0::1", false)]
    #[case("fe80::5efe:169.254.169.254", false)]
    #[case("2001:db8::5efe:169.254.169.254", false)]
    #[case("ff02::1", false)]
    #[case("fd00:ec2::254", false)]
    #[case("fd00:ec2::23", false)]
    #[case("fd20:ce::254", false)]
    #[case("fd00:c1::a9fe:a9fe", false)]
    #[case("10.0.0.7", true)]
    #[case("192.168.1.1", true)]
    #[case("100.64.0.1", true)]
    #[case("203.0.113.5", true)]
    #[case("::ffff:10.0.0.7", true)]
    #[case("2001:db8::1", true)]
    #[case("fd00:1::1", true)]
    fn reserved_addresses_in_every_form(#[case] address: &str, #[case] reached: bool) {
        assert_eq!(said(&network("{}"), "x", 9090, address) == "reached", reached, "{address}");
        // Nobody can allow them by a range, nor by a name.
        let everything = network("{allowedCIDRs: [0.0.0.0/0, '::/0'], allowedHosts: [x]}");
        assert_eq!(said(&everything, "x", 9090, address) == "reached", reached, "{address}");
        assert_eq!(said(&Reach::Everywhere, "x", 9090, address), "reached");
    }

    #[test]
    fn the_clusters_machinery_is_out_of_reach_unless_it_is_named() {
        let open = network("{}");
        assert!(said(&open, "kubernetes.default.svc", 443, "10.96.0.1").contains("port 443 is the cluster's API server"));
        assert!(said(&open, "x", 443, "::ffff:10.96.0.1").contains("API server"));
        assert_eq!(said(&open, "x", 8443, "10.96.0.1"), "reached");
        assert!(said(&open, "node", 10250, "10.0.0.5").contains("port 10250 is one of the cluster's own machinery"));
        let named = network("{allowedHosts: ['kubernetes.default.svc:443']}");
        assert_eq!(said(&named, "kubernetes.default.svc", 443, "10.96.0.1"), "reached");
        assert!(said(&named, "other", 443, "10.96.0.1").contains("not allowed"));
        assert_eq!(said(&network("{allowedCIDRs: [10.0.0.5]}"), "node", 10250, "10.0.0.5"), "reached");
    }

    #[test]
    fn what_is_not_listed_is_refused_with_what_is() {
        let reach = network("{allowedHosts: ['*.monitoring.svc'], allowedCIDRs: [10.20.0.0/16], deniedCIDRs: [10.20.9.0/24]}");
        assert!(reach.admit("evil.example", 80).is_ok(), "its address may be in a range");
        assert_eq!(said(&reach, "prometheus.monitoring.svc", 80, "10.1.2.3"), "reached");
        assert_eq!(said(&reach, "x", 80, "10.20.1.1"), "reached");
        assert_eq!(said(&reach, "x", 80, "::ffff:10.20.1.1"), "reached");
        assert_eq!(
            said(&reach, "a.monitoring.svc", 80, "10.20.9.1"),
            "a.monitoring.svc is 10.20.9.1, which is in 10.20.9.0/24 of metricSources.deniedCIDRs"
        );
        assert_eq!(
            said(&reach, "evil.example", 80, "203.0.113.9"),
            "evil.example is 203.0.113.9, which is not allowed: a MetricSource may lead to *.monitoring.svc, 10.20.0.0/16 (metricSources of the \
             controller's configuration)"
        );
        let by_name = network("{allowedHosts: [prometheus.monitoring.svc]}");
        assert_eq!(
            by_name.admit("evil.example", 80).unwrap_err().to_string(),
            "evil.example:80 is not allowed: a MetricSource may lead to prometheus.monitoring.svc (metricSources of the controller's configuration)"
        );
    }

    /// A name that is harmless when it is looked at, and leads to the machine's settings when it is used; or to both at once.
    #[tokio::test]
    async fn a_name_is_judged_by_the_addresses_that_are_connected_to() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let rebinding: Lookup = |host| {
            Box::pin(async move {
                let (good, bad) = (SocketAddr::from(([203, 0, 113, 5], 0)), SocketAddr::from(([169, 254, 169, 254], 0)));
                Ok(match (host.as_str(), ASKED.fetch_add(1, Ordering::SeqCst)) {
                    ("both.example", _) => vec![good, bad],
                    (_, 0) => vec![good],
                    _ => vec![bad],
                })
            })
        };
        let guarded = Guarded { lookup: rebinding, ..Guarded::new(network("{}"), None, 80) };
        let resolve = |name: &str| guarded.resolve(name.parse().unwrap());
        assert!(resolve("turns.example").await.is_ok());
        let said = async |name: &str| resolve(name).await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said("turns.example").await.starts_with("turns.example is 169.254.169.254, a link-local"));
        assert!(said("both.example").await.starts_with("both.example is 169.254.169.254"));
        let real = Guarded::new(network("{}"), None, 80);
        assert!(real.resolve("localhost".parse().unwrap()).await.is_err());
    }
}
