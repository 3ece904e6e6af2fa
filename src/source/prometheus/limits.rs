//! What the operator of the controller says about where `MetricSource`s may lead.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use serde::Deserialize;

use crate::api::FieldError;

/// `metricSources` of the configuration file. A source may lead to a host that is named or to an address in a range that is allowed; with
/// neither list, anywhere but to reserved addresses and to the cluster's own machinery. What is denied is so in every case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct SourceLimits {
    hosts: Vec<HostPattern>,
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
}

/// The limits in force; the configuration file may change them at any time.
#[derive(Debug, Default)]
pub struct LiveLimits(ArcSwap<SourceLimits>);

/// The limits as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Written {
    allowed_hosts: Vec<String>,
    #[serde(rename = "allowedCIDRs")]
    allowed_cidrs: Vec<String>,
    #[serde(rename = "deniedCIDRs")]
    denied_cidrs: Vec<String>,
}

/// A DNS name, or all names below one, on one port or on any.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostPattern {
    /// Without a dot at either end, in lower case.
    name: String,
    /// `*.name`: any name that ends so, but not the name itself.
    below: bool,
    port: Option<u16>,
}

// === impl LiveLimits ===

impl LiveLimits {
    /// Starts with these.
    pub fn new(limits: SourceLimits) -> Self {
        Self(ArcSwap::from_pointee(limits))
    }

    /// From now on these hold, also for sources in use.
    pub fn set(&self, limits: SourceLimits) {
        self.0.store(Arc::new(limits));
    }

    /// Those in force.
    pub fn get(&self) -> Arc<SourceLimits> {
        self.0.load_full()
    }
}

// === impl SourceLimits ===

impl SourceLimits {
    /// Whether nothing is named that is allowed, so that everything is.
    pub(super) const fn is_open(&self) -> bool {
        self.hosts.is_empty() && self.allowed.is_empty()
    }

    /// Whether a host of a url is named.
    pub(super) fn names(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.iter().any(|pattern| pattern.covers(&host, port))
    }

    /// Whether a host that is not named may still turn out to have an allowed address.
    pub(super) const fn allows_ranges(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// The range that excludes an address.
    pub(super) fn denies(&self, address: IpAddr) -> Option<IpNet> {
        self.denied.iter().copied().find(|range| range.contains(&address))
    }

    /// Whether an address is in an allowed range.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|range| range.contains(&address))
    }
}

/// What is allowed, for messages.
impl fmt::Display for SourceLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Names and ranges that a message lists.
        const LISTED: usize = 8;
        let all = self.hosts.iter().map(ToString::to_string).chain(self.allowed.iter().map(ToString::to_string));
        let listed: Vec<String> = all.take(LISTED).collect();
        let more = (self.hosts.len() + self.allowed.len()).saturating_sub(LISTED);
        f.write_str(&listed.join(", "))?;
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}

impl TryFrom<Written> for SourceLimits {
    type Error = FieldError;

    fn try_from(written: Written) -> Result<Self, FieldError> {
        Ok(Self {
            hosts: each("allowedHosts", &written.allowed_hosts, HOST, HostPattern::parse)?,
            allowed: each("allowedCIDRs", &written.allowed_cidrs, RANGE, range)?,
            denied: each("deniedCIDRs", &written.denied_cidrs, RANGE, range)?,
        })
    }
}

const HOST: &str = "must be a DNS name or *. and a DNS name, with a port if only that is meant, e.g. prometheus.monitoring.svc:9090; addresses \
                    go to allowedCIDRs";
const RANGE: &str = "must be an address or a range of them without bits beyond its prefix, e.g. 10.20.0.0/16 or fd00:1::/64";

fn each<T>(list: &str, texts: &[String], allowed: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, FieldError> {
    let parsed = texts.iter().enumerate().map(|(index, text)| {
        parse(text).ok_or_else(|| FieldError::new(format!("metricSources.{list}[{index}]"), text, allowed.to_owned()))
    });
    parsed.collect()
}

/// A range that says what it means: `10.1.2.3/8` may be a slip.
fn range(text: &str) -> Option<IpNet> {
    let range = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>()).ok()?;
    (range.trunc() == range).then_some(range)
}

// === impl HostPattern ===

impl HostPattern {
    fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.split_once(':') {
            None => (text, None),
            Some((name, port)) => (name, Some(port.parse::<u16>().ok().filter(|number| *number > 0 && !port.starts_with('+'))?)),
        };
        let (name, below) = name.strip_prefix("*.").map_or((name, false), |name| (name, true));
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let of_label = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let labels = name.split('.').all(|label| (1..=63).contains(&label.len()) && label.chars().all(of_label));
        // The last part of a name is never a number: that would be an address, in one of its many forms.
        let address = name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
        (labels && !address && name.len() <= 253).then_some(Self { name, below, port })
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let named = if self.below {
            host.strip_suffix(&self.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.name
        };
        named && self.port.is_none_or(|only| only == port)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> Result<SourceLimits, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn names_wildcards_and_ports() {
        let limits = limits("{allowedHosts: [Prometheus.monitoring.svc, '*.corp.example', 'thanos.example:10902']}").unwrap();
        for (host, port, named) in [
            ("prometheus.monitoring.svc", 9090, true),
            ("PROMETHEUS.monitoring.svc.", 80, true),
            ("a.corp.example", 443, true),
            ("a.b.corp.example", 443, true),
            ("corp.example", 443, false),
            (".corp.example", 443, false),
            ("evilcorp.example", 443, false),
            ("prometheus.monitoring.svc.evil.example", 443, false),
            ("x.prometheus.monitoring.svc", 443, false),
            ("thanos.example", 10902, true),
            ("thanos.example", 10901, false),
        ] {
            assert_eq!(limits.names(host, port), named, "{host}:{port}");
        }
        assert_eq!(limits.to_string(), "prometheus.monitoring.svc, *.corp.example, thanos.example:10902");
    }

    #[test]
    fn what_is_no_name_or_range_is_refused_with_its_path() {
        for (text, path) in [
            ("{allowedHosts: [ok, 'http://x']}", "metricSources.allowedHosts[1]: http://x: must be a DNS name"),
            ("{allowedHosts: ['*']}", "metricSources.allowedHosts[0]"),
            ("{allowedHosts: ['a.*.b']}", "metricSources.allowedHosts[0]"),
            ("{allowedHosts: ['*x.b']}", "metricSources.allowedHosts[0]"),
            ("{allowedHosts: ['10.0.0.1']}", "addresses go to allowedCIDRs"),
            ("{allowedHosts: ['0x7f.1']}", "addresses go to allowedCIDRs"),
            ("{allowedHosts: ['a:0']}", "metricSources.allowedHosts[0]"),
            ("{allowedHosts: ['a:+1']}", "metricSources.allowedHosts[0]"),
            ("{allowedHosts: ['']}", "metricSources.allowedHosts[0]"),
            ("{allowedCIDRs: [10.0.0.0/33]}", "metricSources.allowedCIDRs[0]"),
            ("{allowedCIDRs: [10.1.2.3/8]}", "without bits beyond its prefix"),
            ("{deniedCIDRs: ['::1', x]}", "metricSources.deniedCIDRs[1]: x: must be an address"),
            ("{allowedHost: [x]}", "allowedHost"),
        ] {
            let error = limits(text).unwrap_err();
            assert!(error.contains(path), "{text}: {error}");
        }
    }

    #[test]
    fn ranges_hold_their_addresses() {
        let limits = limits("{allowedCIDRs: [10.20.0.0/16, 'fd00:1::/64', 192.0.2.1], deniedCIDRs: [10.20.9.0/24]}").unwrap();
        let at = |text: &str| text.parse().unwrap();
        assert!(limits.allows(at("10.20.1.1")) && limits.allows(at("fd00:1::7")) && limits.allows(at("192.0.2.1")));
        assert!(!limits.allows(at("10.21.1.1")) && !limits.allows(at("192.0.2.2")));
        assert_eq!(limits.denies(at("10.20.9.9")).unwrap().to_string(), "10.20.9.0/24");
        assert!(limits.denies(at("10.20.1.1")).is_none());
    }
}
