//! Where a pod serves its metrics, as the pod itself says it: nobody else can name an address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use thiserror::Error;

/// Path where the pod names none.
const PATH: &str = "/metrics";
/// Longest path.
const LONGEST_PATH: usize = 256;
/// Names of container ports at which metrics are looked for where no annotation says more, first the one that counts most.
const PORTS: [&str; 2] = ["metrics", "http-metrics"];

/// What a pod says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Says<'a> {
    /// `metadata.annotations`.
    pub annotations: Option<&'a BTreeMap<String, String>>,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `status.podIP`.
    pub pod_ip: Option<&'a str>,
    /// `status.hostIP`.
    pub host_ip: Option<&'a str>,
    /// Names and numbers of its containers' TCP ports.
    pub ports: &'a [(Option<&'a str>, u16)],
}

/// Where a pod's metrics are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port.
    pub socket: SocketAddr,
    /// The path, if not `/metrics`.
    pub path: Option<Arc<str>>,
}

/// Why a pod's metrics cannot be asked for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum Refused {
    /// It is not placed or not started yet.
    #[error("it has no address yet")]
    NoAddress,
    /// Its address is its node's, and all that listens there is not its own.
    #[error("it uses its node's network")]
    HostNetwork,
    /// Its owner wants no scrapes.
    #[error("its annotation prometheus.io/scrape says no")]
    Unwanted,
    /// Nothing says which port.
    #[error("it has neither an annotation prometheus.io/port nor a container port named metrics")]
    NoPort,
    /// The annotation names a port that it does not have.
    #[error("its annotation prometheus.io/port is neither a port nor the name of one")]
    BadPort,
    /// The annotation is no path.
    #[error("its annotation prometheus.io/path is not a path")]
    BadPath,
    /// There is no certificate authority to check it with.
    #[error("its annotation prometheus.io/scheme says https; only a Prometheus server can be told whom to trust")]
    Https,
}

/// Where a pod's metrics are: the port of its annotation, or of a container's port named `metrics`.
///
/// # Errors
/// Why there is no such place, or none that may be asked.
pub fn endpoint(says: &Says<'_>) -> Result<Endpoint, Refused> {
    let annotation = |name: &str| says.annotations.and_then(|all| all.get(&format!("prometheus.io/{name}"))).map(String::as_str);
    if annotation("scrape").is_some_and(|scrape| scrape.eq_ignore_ascii_case("false")) {
        return Err(Refused::Unwanted);
    }
    let port_named = |wanted: &str| says.ports.iter().find(|(name, _)| *name == Some(wanted)).map(|(_, port)| *port);
    let port = match annotation("port") {
        Some(port) => port.parse().ok().or_else(|| port_named(port)).filter(|port| *port != 0).ok_or(Refused::BadPort)?,
        None => PORTS.iter().find_map(|name| port_named(name)).ok_or(Refused::NoPort)?,
    };
    if annotation("scheme").is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
        return Err(Refused::Https);
    }
    let path = match annotation("path") {
        None | Some(PATH) => None,
        Some(path) if is_path(path) => Some(Arc::from(path)),
        Some(_) => return Err(Refused::BadPath),
    };
    let ip: IpAddr = says.pod_ip.and_then(|ip| ip.parse().ok()).ok_or(Refused::NoAddress)?;
    if says.host_network || says.host_ip.and_then(|host| host.parse().ok()) == Some(ip) {
        return Err(Refused::HostNetwork);
    }
    Ok(Endpoint { socket: (ip, port).into(), path })
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= LONGEST_PATH && path.bytes().all(|byte| byte.is_ascii_graphic())
}

// === impl Endpoint ===

impl Endpoint {
    /// As a url. The path can name neither host nor query.
    pub(super) fn url(&self) -> Option<Url> {
        let mut url = Url::parse(&format!("http://{}", self.socket)).ok()?;
        url.set_path(self.path.as_deref().unwrap_or(PATH));
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn of(annotations: &[(&str, &str)], says: Says<'_>) -> Result<String, Refused> {
        let annotations = annotations.iter().map(|(name, value)| (format!("prometheus.io/{name}"), (*value).to_owned())).collect();
        endpoint(&Says { annotations: Some(&annotations), ..says }).map(|endpoint| endpoint.url().unwrap().to_string())
    }

    const POD: Says<'_> = Says {
        annotations: None,
        host_network: false,
        pod_ip: Some("10.1.2.3"),
        host_ip: Some("192.168.0.5"),
        ports: &[(None, 8080), (Some("http"), 8081), (Some("http-metrics"), 9091), (Some("metrics"), 9090)],
    };

    #[rstest]
    #[case::named_port(&[], "http://10.1.2.3:9090/metrics")]
    #[case::annotated(&[("port", "8080")], "http://10.1.2.3:8080/metrics")]
    #[case::annotated_by_name(&[("port", "http")], "http://10.1.2.3:8081/metrics")]
    #[case::another_port(&[("port", "7070"), ("scrape", "true"), ("scheme", "http")], "http://10.1.2.3:7070/metrics")]
    #[case::path(&[("path", "/actuator/prometheus")], "http://10.1.2.3:9090/actuator/prometheus")]
    #[case::no_query(&[("path", "/a?b=c#d")], "http://10.1.2.3:9090/a%3Fb=c%23d")]
    #[case::no_host(&[("path", "//evil.example/x")], "http://10.1.2.3:9090//evil.example/x")]
    #[case::no_login(&[("path", "/@evil.example:80/")], "http://10.1.2.3:9090/@evil.example:80/")]
    fn where_it_says(#[case] annotations: &[(&str, &str)], #[case] url: &str) {
        assert_eq!(of(annotations, POD).as_deref(), Ok(url));
    }

    #[rstest]
    #[case::scrape(&[("scrape", "false")], POD, Refused::Unwanted)]
    #[case::no_port(&[], Says { ports: &[(None, 8080)], ..POD }, Refused::NoPort)]
    #[case::zero(&[("port", "0")], POD, Refused::BadPort)]
    #[case::too_high(&[("port", "65536")], POD, Refused::BadPort)]
    #[case::no_name(&[("port", "nothing")], POD, Refused::BadPort)]
    #[case::a_host(&[("port", "80@evil.example")], POD, Refused::BadPort)]
    #[case::https(&[("scheme", "https")], POD, Refused::Https)]
    #[case::relative(&[("path", "metrics")], POD, Refused::BadPath)]
    #[case::blank(&[("path", "/a b")], POD, Refused::BadPath)]
    #[case::line(&[("path", "/a\r\nHost: x")], POD, Refused::BadPath)]
    #[case::pending(&[], Says { pod_ip: None, ..POD }, Refused::NoAddress)]
    #[case::no_address(&[], Says { pod_ip: Some("web.example"), ..POD }, Refused::NoAddress)]
    #[case::host_network(&[], Says { host_network: true, ..POD }, Refused::HostNetwork)]
    #[case::the_nodes(&[], Says { pod_ip: Some("192.168.0.5"), ..POD }, Refused::HostNetwork)]
    fn what_may_not_be_asked(#[case] annotations: &[(&str, &str)], #[case] says: Says<'_>, #[case] refused: Refused) {
        assert_eq!(of(annotations, says), Err(refused));
    }

    #[test]
    fn addresses_of_both_families() {
        let six = Says { pod_ip: Some("fd00:10::7"), ..POD };
        assert_eq!(of(&[], six).as_deref(), Ok("http://[fd00:10::7]:9090/metrics"));
    }
}
