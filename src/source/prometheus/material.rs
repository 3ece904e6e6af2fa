//! What a connection to one server is made of, and the client made from it.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, Url, redirect};

use super::address::{AddressRefused, Guarded, Reach};
use super::turns::Budget;
use crate::core::Failure;
use crate::source::failure::chain;
use crate::source::{Cause, Fault};

/// Everything a connection is made of, with the secrets' values. Two equal ones share a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// Base address.
    pub url: String,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Label set to the policy's namespace in every selector.
    pub enforce_label: Option<String>,
    /// Headers of every request.
    pub headers: Vec<(String, String)>,
    /// How to log in.
    pub login: Login,
    /// Certificates.
    pub trust: Trust,
    /// Where the address may lead.
    pub reach: Reach,
    /// How much it is asked.
    pub budget: Budget,
}

/// How to log in.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer(String),
    /// User name and password.
    Basic(String, String),
}

/// Certificates in PEM form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Certificate authorities instead of the public ones.
    pub ca: Option<Vec<u8>>,
    /// Client certificate and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Name the server's certificate must have, if not the host's.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

// === impl Login ===

impl Login {
    /// For messages; without what is secret.
    pub fn words(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Bearer(_) => "bearerToken".to_owned(),
            Self::Basic(user, _) => format!("basic.username {user}"),
        }
    }
}

/// The address of the API. Where the certificate bears another name, that name stands in it, and the real host is returned to be resolved.
pub fn endpoint(material: &Material) -> Result<(Url, Option<String>), Fault> {
    let invalid = |why: String| Failure::refused(why).because(Cause::InvalidSpec);
    let mut url = Url::parse(&material.url).map_err(|error| invalid(format!("url: cannot be read: {error}")))?;
    let host = url.host_str().ok_or_else(|| invalid("url: has no host".to_owned()))?.to_owned();
    let refuse = |refused: AddressRefused| Failure::refused(format!("url: {}: {refused}", material.url)).because(Cause::AddressRefused);
    let port = url.port_or_known_default().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => material.reach.check(&host, port, address).map_err(refuse)?,
        Err(_) => material.reach.admit(&host, port).map_err(refuse)?,
    }
    url.path_segments_mut().map_err(|()| invalid("url: has no path".to_owned()))?.pop_if_empty().extend(["api", "v1"]);
    let Some(name) = &material.trust.server_name else { return Ok((url, None)) };
    if name.parse::<IpAddr>().is_ok() {
        return Err(invalid(format!("tls.serverName: {name}: must be a DNS name")));
    }
    url.set_host(Some(name)).map_err(|error| invalid(format!("tls.serverName: {name}: {error}")))?;
    Ok((url, Some(host)))
}

/// The headers of every request.
pub fn headers(material: &Material, host: Option<&str>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let value =
        |text: &str, what: &str| HeaderValue::try_from(text).map_err(|_| format!("{what} has characters that a header cannot have"));
    for (name, text) in &material.headers {
        let key = HeaderName::try_from(name.as_str()).map_err(|_| format!("headers: {name:?} is not a header name"))?;
        let mut value = value(text, &format!("headers[{name}]: the value"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    let credentials = match &material.login {
        Login::None => None,
        Login::Bearer(token) => Some(format!("Bearer {token}")),
        Login::Basic(user, password) => {
            use base64::Engine as _;
            Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))))
        }
    };
    if let Some(text) = credentials {
        let mut value = value(&text, "auth: the token")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some(host) = host {
        headers.insert(HOST, value(host, "url: the host")?);
    }
    Ok(headers)
}

/// The client; a fault begins with the path of a setting.
pub fn client(material: &Material, endpoint: &Url, host: Option<&str>) -> Result<Client, String> {
    let trust = &material.trust;
    let mut builder = Client::builder()
        .user_agent(concat!("ballast/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        // A proxy would resolve names behind the back of the check.
        .no_proxy()
        .timeout(material.timeout)
        .connect_timeout(material.timeout)
        .pool_max_idle_per_host(material.budget.concurrency)
        .dns_resolver(Guarded::new(material.reach.clone(), host.map(str::to_owned), endpoint.port_or_known_default().unwrap_or_default()));
    if host.is_some() {
        // HTTP/2 has no Host header that could differ from the certificate's name.
        builder = builder.http1_only();
    }
    if endpoint.scheme() != "https" {
        // Saves reading the machine's certificate authorities, which a small image may not even have.
        builder = builder.tls_certs_only([]);
    } else if trust.insecure_skip_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(ca) = &trust.ca {
        let bundle = Certificate::from_pem_bundle(ca).map_err(|error| format!("tls.ca: is not in PEM form: {}", chain(&error)))?;
        if bundle.is_empty() {
            return Err("tls.ca: has no certificate in PEM form".to_owned());
        }
        builder = builder.tls_certs_only(bundle);
    }
    if let Some((certificate, key)) = &trust.identity {
        let pem = [certificate.as_slice(), b"\n", key.as_slice()].concat();
        let identity =
            Identity::from_pem(&pem).map_err(|error| format!("tls.certificate: it or its key is not in PEM form: {}", chain(&error)))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| format!("tls: cannot be used: {}", chain(&error)))
}
