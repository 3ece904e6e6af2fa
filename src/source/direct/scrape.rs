//! One GET of one pod's metrics: bounded in time, size and number, without redirects, proxies or credentials.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, redirect};
use thiserror::Error;

use super::address::Endpoint;
use super::protobuf::Protobuf;
use super::take::{Family, Taker, Unreadable, Want};
use super::text::Text;
use crate::source::failure::{chain, quote};
use crate::source::prometheus;

/// Longest time for one pod, body included. Who needs longer is too busy to say how busy it is.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Largest body that is read. It is not kept: what is kept at a time is a line or one message.
const BODY_LIMIT: usize = 4 << 20;

/// What is asked for. Protobuf first: the families before a wanted one are passed over by their lengths.
const ACCEPTED: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.9,\
    application/openmetrics-text;version=1.0.0;q=0.7,text/plain;version=0.0.4;q=0.5";

/// Which addresses pods can have.
pub type Admits = fn(IpAddr) -> bool;

/// Whether an address can be a pod's own: not loopback, link-local, a cloud's metadata service, multicast or otherwise reserved.
pub fn of_a_pod(ip: IpAddr) -> bool {
    !prometheus::is_reserved(ip)
}

/// Scrapes pods.
pub(super) struct Scraper {
    http: Client,
    admits: Admits,
}

/// Why a pod gave nothing.
#[derive(Debug, Error)]
pub(super) enum Failed {
    #[error("{0} is a loopback, link-local, metadata or otherwise reserved address, which is no pod's own")]
    Address(IpAddr),
    #[error("no answer within {} s", TIMEOUT.as_secs_f64())]
    Late,
    #[error("{0}")]
    Broken(String),
    #[error("answered with status {0}")]
    Status(u16),
    #[error("answered with content of type {0}, which is not metrics")]
    Type(String),
    #[error("the answer is larger than {} MiB", BODY_LIMIT >> 20)]
    TooLarge,
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Protobuf,
    OpenMetrics,
    Text,
}

enum Reader {
    Protobuf(Protobuf),
    Text(Text),
}

// === impl Scraper ===

impl Scraper {
    /// A client that goes nowhere but to pods.
    pub fn new(admits: Admits) -> Result<Self, String> {
        let http = Client::builder()
            .user_agent(concat!("ballast/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            // A small body may be a large one once it is unpacked; and both sides spend more time on that than the network on plain text.
            .no_gzip()
            .http1_only()
            .timeout(TIMEOUT)
            // Thousands of pods, seconds apart: open connections would cost more than new ones.
            .pool_max_idle_per_host(0)
            // There are no certificates in this, and a small image has none to read.
            .tls_certs_only([])
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { http, admits })
    }

    /// The wanted families of one pod.
    pub async fn scrape(&self, endpoint: &Endpoint, wanted: &Arc<[Want]>) -> Result<Vec<Family>, Failed> {
        let ip = endpoint.socket.ip();
        if !(self.admits)(ip) {
            return Err(Failed::Address(ip));
        }
        let url = endpoint.url().ok_or(Failed::Address(ip))?;
        let mut response = self.http.get(url).header(ACCEPT, ACCEPTED).send().await.map_err(transport)?;
        let status = response.status();
        if status != 200 {
            return Err(Failed::Status(status.as_u16()));
        }
        let mut reader = Reader::new(format(response.headers())?, Taker::new(Arc::clone(wanted)));
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            size += chunk.len();
            if size > BODY_LIMIT {
                return Err(Failed::TooLarge);
            }
            reader.feed(&chunk)?;
        }
        Ok(reader.finish()?)
    }
}

fn transport(error: reqwest::Error) -> Failed {
    if error.is_timeout() { Failed::Late } else { Failed::Broken(quote(&chain(&error.without_url()))) }
}

/// How an answer is written, by what it says of itself.
fn format(headers: &HeaderMap) -> Result<Format, Failed> {
    let said = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    if let Some(encoding) = said(CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
        return Err(Failed::Type(quote(&format!("{encoding} (packed)"))));
    }
    let kind = said(CONTENT_TYPE).unwrap_or_default();
    let mut parts = kind.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let parameters: Vec<&str> = parts.collect();
    match name {
        "application/vnd.google.protobuf" if parameters.contains(&"encoding=delimited") => Ok(Format::Protobuf),
        "application/openmetrics-text" => Ok(Format::OpenMetrics),
        "text/plain" => Ok(Format::Text),
        _ if kind.is_empty() => Err(Failed::Type("nothing".to_owned())),
        _ => Err(Failed::Type(quote(&kind))),
    }
}

// === impl Reader ===

impl Reader {
    fn new(format: Format, taker: Taker) -> Self {
        match format {
            Format::Protobuf => Self::Protobuf(Protobuf::new(taker)),
            Format::OpenMetrics => Self::Text(Text::new(taker, true)),
            Format::Text => Self::Text(Text::new(taker, false)),
        }
    }

    fn feed(&mut self, chunk: &[u8]) -> Result<(), Unreadable> {
        match self {
            Self::Protobuf(reader) => reader.feed(chunk),
            Self::Text(reader) => reader.feed(chunk),
        }
    }

    fn finish(self) -> Result<Vec<Family>, Unreadable> {
        match self {
            Self::Protobuf(reader) => reader.finish(),
            Self::Text(reader) => reader.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wiremock::matchers::{header_exists, method, path};
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    use super::super::take::wants;
    use super::*;

    const NAME: &str = "http_requests_total";
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

    async fn scraped(response: ResponseTemplate) -> Result<f64, String> {
        let server = MockServer::start().await;
        Mock::given(method("GET")).and(path("/metrics")).and(header_exists("accept")).respond_with(response).mount(&server).await;
        // What a redirect would lead to.
        let there = ResponseTemplate::new(200).set_body_raw("http_requests_total 666\n", TEXT);
        Mock::given(path("/elsewhere")).respond_with(there).mount(&server).await;
        let result = scrape(&server, |_| true).await;
        let asked = server.received_requests().await.unwrap_or_default();
        let plain = |request: &Request| !request.headers.contains_key("authorization") && !request.headers.contains_key("accept-encoding");
        assert!(asked.len() == 1 && asked.iter().all(plain), "{asked:?}");
        result
    }

    async fn scrape(server: &MockServer, admits: Admits) -> Result<f64, String> {
        // An error means that another test did.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = Endpoint { socket: *server.address(), path: None };
        let families = Scraper::new(admits).unwrap().scrape(&endpoint, &wants(&[NAME])).await.map_err(|failed| failed.to_string())?;
        Ok(families[0].series.iter().map(|(_, value)| value).sum())
    }

    fn body(text: &str, kind: &str) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_raw(text, kind)
    }

    #[tokio::test]
    async fn formats_that_are_known() {
        let text = "http_requests_total{a=\"b\"} 5\nhttp_requests_total 2\n";
        assert_eq!(scraped(body(text, TEXT)).await, Ok(7.0));
        assert_eq!(scraped(body(text, "text/plain")).await, Ok(7.0));
        let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(scraped(body(&format!("{text}# EOF\n"), open)).await, Ok(7.0));
        assert_eq!(scraped(body(text, open)).await, Err("it ends in the middle".to_owned()));
        let none = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
        assert_eq!(scraped(body("", none)).await, Ok(0.0));
    }

    #[rstest]
    #[case::missing(ResponseTemplate::new(404), "status 404")]
    #[case::not_allowed(ResponseTemplate::new(401), "status 401")]
    #[case::redirect(ResponseTemplate::new(302).insert_header("location", "/elsewhere"), "status 302")]
    #[case::no_content(ResponseTemplate::new(204), "status 204")]
    #[case::a_page(body("<html>", "text/html"), "type text/html")]
    #[case::no_type(ResponseTemplate::new(200).set_body_bytes("x"), "type ")]
    #[case::text_of_protobuf(body("name: \"x\"", "application/vnd.google.protobuf; encoding=text"), "encoding=text")]
    #[case::packed(body("x", TEXT).insert_header("content-encoding", "gzip"), "gzip (packed)")]
    #[case::garbage(body("http_requests_total x\n", TEXT), "line 1 cannot be read")]
    #[case::slow(body("http_requests_total 1\n", TEXT).set_delay(Duration::from_secs(30)), "no answer within 1 s")]
    #[case::huge(body(&"up 1\n".repeat(1 << 20), TEXT), "larger than 4 MiB")]
    #[tokio::test]
    async fn answers_that_are_none(#[case] response: ResponseTemplate, #[case] why: &str) {
        let said = scraped(response).await.unwrap_err();
        assert!(said.contains(why), "{said}");
    }

    #[tokio::test]
    async fn addresses_that_are_no_pods() {
        let server = MockServer::start().await;
        let said = scrape(&server, of_a_pod).await.unwrap_err();
        assert!(said.starts_with("127.0.0.1 is a loopback"), "{said}");
        assert_eq!(server.received_requests().await.unwrap_or_default().len(), 0);
        for (ip, admitted) in
            [("169.254.169.254", false), ("::ffff:127.0.0.1", false), ("0.0.0.0", false), ("10.0.0.1", true), ("fd00:10::7", true)]
        {
            assert_eq!(of_a_pod(ip.parse().unwrap()), admitted, "{ip}");
        }
    }
}
