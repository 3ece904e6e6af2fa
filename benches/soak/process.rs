//! The controller as a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

use crate::plane_support::eventually;

/// A controller that is started once.
pub struct Ballast {
    binary: PathBuf,
    pub log: PathBuf,
    /// Of the plane: the mark by which `tests/cluster/down.sh` ends what is left.
    cluster: PathBuf,
    pub admin: SocketAddr,
    child: Option<Child>,
}

// === impl Ballast ===

impl Ballast {
    pub async fn new(binary: PathBuf, log: PathBuf, cluster: PathBuf) -> Result<Self> {
        let admin = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
        Ok(Self { binary, log, cluster, admin, child: None })
    }

    /// Starts it with its default settings, but for the lease, which is to be lost and taken more quickly.
    pub async fn start(&mut self, kubeconfig: &Path, prometheus: &str) -> Result<()> {
        let file = std::fs::File::create(&self.log)?;
        let mut command = Command::new(&self.binary);
        command.arg("run").arg("--kubeconfig").arg(kubeconfig).args(["--admin-address", &self.admin.to_string()]);
        command.args(["--prometheus-url", prometheus, "--allow-loopback-sources"]);
        command.args(["--lease-duration", "8s", "--renew-deadline", "5s", "--retry-period", "1s"]);
        command.env("BALLAST_CLUSTER_DIR", &self.cluster).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        self.child = Some(child.with_context(|| format!("cannot start {}", self.binary.display()))?);
        let url = format!("http://{}/readyz", self.admin);
        eventually("the controller is ready", Duration::from_mins(1), async || {
            let answer = reqwest::get(&url).await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.text().await.unwrap_or_default()) }
        })
        .await;
        Ok(())
    }

    pub fn pid(&self) -> Result<i32> {
        let pid = self.child.as_ref().and_then(Child::id).context("the controller has ended")?;
        Ok(i32::try_from(pid)?)
    }

    /// SIGTERM, and its end.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let pid = self.pid()?.to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        let child = self.child.as_mut().context("it was not started")?;
        Ok(tokio::time::timeout(Duration::from_secs(30), child.wait()).await.context("it does not end on SIGTERM")??)
    }
}
