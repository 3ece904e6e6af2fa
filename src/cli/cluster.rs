//! How commands find their cluster and wait for it.

use std::path::Path;

use anyhow::{Context, Result};
use kube::Config;
use kube::config::KubeConfigOptions;

/// Waits for a command on this thread.
pub fn block_on<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(command)
}

/// The configuration from the given file, or by kubectl's rules.
pub async fn kube_config(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    if let Some(path) = kubeconfig {
        let file = kube::config::Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig: {}", path.display()))?;
        return Config::from_custom_kubeconfig(file, &options).await.with_context(|| format!("--kubeconfig: {}", path.display()));
    }
    if context.is_some() {
        return Config::from_kubeconfig(&options).await.context("--context");
    }
    Config::infer().await.context("no cluster: neither an in-cluster configuration nor a kubeconfig was found")
}
