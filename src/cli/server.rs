//! Options of commands that ask a Prometheus server, named as promtool and amtool users expect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Url;

use crate::api::source_config::{ADDRESS, is_address};
use crate::clock::Clock;
use crate::config::duration;
use crate::source::prometheus::{Budget, Login, Material, Reach, Server, Trust};

/// Where the server is and how to log in.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Prometheus")]
pub struct ServerArgs {
    /// Address of a Prometheus-compatible server, e.g. <http://localhost:9090>. A user and password in it are sent, and never shown.
    #[arg(long = "prometheus", env = "BALLAST_PROMETHEUS_URL", value_name = "URL", hide_env_values = true)]
    url: String,
    /// File with a bearer token.
    #[arg(long, value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,
    /// User of basic authentication; the password is in `--password-file`.
    #[arg(long, value_name = "NAME", requires = "password_file", conflicts_with = "bearer_token_file")]
    username: Option<String>,
    /// File with the password of `--username`.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Header of every request, e.g. `X-Scope-OrgID: shop`; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// File with certificate authorities (PEM), instead of the machine's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Key of the client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// Name that the server's certificate must have, if not the host's.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Accept any certificate.
    #[arg(long)]
    insecure_skip_verify: bool,
    /// Label that every selector of a query must set to the policy's namespace, as `enforceLabel` of a `MetricSource`.
    #[arg(long, value_name = "LABEL")]
    enforce_label: Option<String>,
    /// Longest wait for one answer.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("must be NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

// === impl ServerArgs ===

impl ServerArgs {
    /// A client of the server; nothing is sent yet.
    pub fn server(&self, clock: Clock) -> Result<Arc<Server>> {
        // Messages of the parser may repeat what stands in front of the @.
        let Ok(mut url) = Url::parse(&self.url) else { bail!("--prometheus: must be {ADDRESS}") };
        let login = match (url.username(), url.password()) {
            ("", _) => self.login()?,
            (user, password) => Login::Basic(percent(user), percent(password.unwrap_or_default())),
        };
        // Only addresses without a host have nowhere to put them.
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        let url = url.as_str().trim_end_matches('/');
        if cleared.is_err() || !is_address(url) {
            bail!("--prometheus: must be {ADDRESS}");
        }
        let pem = |file: &Option<PathBuf>, flag| file.as_deref().map(|file| bytes(file, flag)).transpose();
        let material = Material {
            url: url.to_owned(),
            timeout: self.timeout,
            enforce_label: self.enforce_label.clone(),
            headers: self.headers.clone(),
            login,
            trust: Trust {
                ca: pem(&self.ca_file, "--ca-file")?,
                identity: pem(&self.cert_file, "--cert-file")?.zip(pem(&self.key_file, "--key-file")?),
                server_name: self.server_name.clone(),
                insecure_skip_verify: self.insecure_skip_verify,
            },
            reach: Reach::Everywhere,
            budget: Budget::default(),
        };
        Server::new(url, material, clock).map_err(|fault| anyhow::anyhow!("{}", fault.failure.message))
    }

    fn login(&self) -> Result<Login> {
        Ok(match (&self.bearer_token_file, self.username.clone().zip(self.password_file.as_deref())) {
            (Some(file), _) => Login::Bearer(text(file, "--bearer-token-file")?),
            (None, Some((user, file))) => Login::Basic(user, text(file, "--password-file")?),
            (None, None) => Login::None,
        })
    }
}

/// Undoes percent-encoding.
fn percent(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(value) = hex.filter(|_| byte == b'%') {
            out.push(value);
            rest = &after[2..];
        } else {
            out.push(byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn bytes(file: &Path, flag: &str) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{flag}: {}", file.display()))
}

/// A secret text without the line break editors add.
fn text(file: &Path, flag: &str) -> Result<String> {
    let text = String::from_utf8(bytes(file, flag)?).with_context(|| format!("{flag}: {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_decoded() {
        assert_eq!(percent("a%40b%3a%zz%"), "a@b:%zz%");
    }
}
