//! Who may ask, and what a browser may do with the answer.
//!
//! Most readers come by `kubectl port-forward`, which makes the page part of their own machine: another site that is open in the same browser
//! must not reach it by a name of its own that it lets point to 127.0.0.1 (DNS rebinding), nor keep its streams occupied.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Web;

/// Everything comes from here, nothing is inline, nothing is sent anywhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

pub(super) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut response = if !is_ours(host, &web.hosts) {
        (StatusCode::MISDIRECTED_REQUEST, "this name is not one of --web-hosts\n").into_response()
    } else if is_foreign(request.headers()) {
        (StatusCode::FORBIDDEN, "asked by another site\n").into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Names that nobody outside can make point here: addresses, names that only this machine or the cluster resolves, and those of `hosts`.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
    let inner = [".localhost", ".svc", ".local", ".internal"].iter().any(|end| name.ends_with(end));
    is_name && (!name.contains('.') || inner || name.parse::<IpAddr>().is_ok() || hosts.contains(&name))
}

/// Whether another site asks in the background. That a link from elsewhere leads here is fine.
fn is_foreign(headers: &HeaderMap) -> bool {
    let is = |name, value: &str| headers.get(name).is_some_and(|found: &HeaderValue| found.as_bytes() == value.as_bytes());
    let other = ["cross-site", "same-site"].iter().any(|site| is("sec-fetch-site", site));
    other && !is("sec-fetch-mode", "navigate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_anybody_can_register_are_refused() {
        let hosts = ["ballast.example.com".to_owned()];
        for host in [
            "127.0.0.1:8080",
            "[::1]:8080",
            "10.1.2.3",
            "localhost:9000",
            "ballast",
            "ballast.ballast-system.svc:8080",
            "ballast.ballast-system.svc.cluster.local.",
            "Ballast.Example.com:443",
        ] {
            assert!(is_ours(host, &hosts), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:8080",
            "localhost.evil.example",
            "a.ballast.example.com",
            "ballast.example.com.evil.example",
            "svc.example",
            "[::1",
        ] {
            assert!(!is_ours(host, &hosts), "{host}");
        }
    }
}
