//! Which cluster a command asks, in which namespace, and how it says that there was no answer.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use kube::api::ListParams;
use kube::{Api, Client, Config};

use super::cluster::kube_config;
use crate::api::ScalePolicy;
use crate::cluster::in_words;

/// Longest wait for the API server.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Flags that every command with a cluster has, as kubectl has them.
#[derive(Args, Clone, Debug)]
pub struct AccessArgs {
    /// Namespace; default: that of the kubeconfig's context.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Kubeconfig file; default: the usual kubectl rules.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// `NAMESPACE/NAME` or `NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyName {
    pub namespace: Option<String>,
    pub name: String,
}

/// A cluster, ready to be asked.
pub struct Session {
    pub client: Client,
    pub config: Config,
    /// Namespace of the call: that of the name, of the flag, or of the kubeconfig's context.
    pub namespace: String,
}

/// What is wrong with a call although it can be parsed: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

// === impl PolicyName ===

/// Reads the name of a policy, for clap.
pub fn policy_name(text: &str) -> Result<PolicyName, String> {
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, text),
    };
    if name.is_empty() || name.contains('/') || namespace == Some("") {
        return Err("must be NAME or NAMESPACE/NAME".to_owned());
    }
    Ok(PolicyName { namespace: namespace.map(str::to_owned), name: name.to_owned() })
}

// === impl AccessArgs ===

impl AccessArgs {
    /// The cluster, and the namespace in which a policy of this name is meant.
    pub async fn session(&self, policy: Option<&PolicyName>) -> Result<Session> {
        let named = policy.and_then(|policy| policy.namespace.as_ref().map(|namespace| (namespace, &policy.name)));
        if let (Some(flag), Some((namespace, name))) = (&self.namespace, named)
            && flag != namespace
        {
            return Err(Usage(format!("--namespace {flag} contradicts {namespace}/{name}: give one namespace")).into());
        }
        let mut config = kube_config(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        config.connect_timeout = Some(TIMEOUT);
        // A watch that is as it should be is silent for a while; single calls have a limit of their own.
        config.read_timeout = Some(3 * TIMEOUT);
        let given = self.namespace.as_ref().or(named.map(|(namespace, _)| namespace));
        let namespace = given.unwrap_or(&config.default_namespace).clone();
        let client = Client::try_from(config.clone()).context("cannot make a client")?;
        Ok(Session { client, config, namespace })
    }
}

// === impl Session ===

impl Session {
    /// The API of policies in the namespace.
    pub fn policies(&self) -> Api<ScalePolicy> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits for an answer; what is said instead fits on one line.
    pub async fn ask<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T> {
        self.wait(call).await?.map_err(|error| self.refusal(&error))
    }

    async fn wait<T>(&self, call: impl Future<Output = T>) -> Result<T> {
        let server = &self.config.cluster_url;
        tokio::time::timeout(TIMEOUT, call).await.with_context(|| format!("no answer from {server} within {} s", TIMEOUT.as_secs()))
    }

    /// An error of kube on one line.
    fn refusal(&self, error: &kube::Error) -> anyhow::Error {
        let server = &self.config.cluster_url;
        match error {
            // The server says so of a kind, not of an object.
            kube::Error::Api(status) if status.is_not_found() && !status.message.contains('"') => {
                anyhow!("the server at {server} does not know ScalePolicies: are Ballast's CRDs installed?")
            }
            kube::Error::Api(_) => anyhow!(in_words(error)),
            other => {
                let mut cause: &dyn std::error::Error = other;
                while let Some(next) = cause.source() {
                    cause = next;
                }
                anyhow!("cannot ask {server}: {cause}")
            }
        }
    }

    /// The policy, or an error that helps: which policy has a target of this name, if there is one.
    pub async fn policy(&self, name: &str) -> Result<ScalePolicy> {
        let error = match self.wait(self.policies().get(name)).await? {
            Ok(policy) => return Ok(policy),
            Err(kube::Error::Api(status)) if status.is_not_found() && status.message.contains(name) => status.message.clone(),
            Err(error) => return Err(self.refusal(&error)),
        };
        let error = format!("{error} in namespace \"{}\"", self.namespace);
        let Ok(all) = self.ask(self.policies().list(&ListParams::default().limit(500))).await else { bail!(error) };
        let of_target = all.items.iter().filter(|policy| policy.spec.scale_target_ref.name == name);
        match of_target.filter_map(|policy| policy.metadata.name.as_deref()).collect::<Vec<_>>() {
            names if names.is_empty() => bail!(error),
            names => bail!("{error}; a target of this name is scaled by {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_named_as_kubectl_users_do() {
        let name = |namespace: Option<&str>, name: &str| PolicyName { namespace: namespace.map(str::to_owned), name: name.to_owned() };
        assert_eq!(policy_name("web"), Ok(name(None, "web")));
        assert_eq!(policy_name("shop/web"), Ok(name(Some("shop"), "web")));
        for bad in ["", "/", "shop/", "/web", "a/b/c"] {
            assert!(policy_name(bad).is_err(), "{bad}");
        }
    }
}
