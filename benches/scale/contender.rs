//! Starts and stops the autoscalers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::options::{Contender, Options, Signal};
use crate::own::Histogram;
use crate::process::Processes;
use crate::prometheus::Prometheus;

/// Of the stock autoscaler; KEDA takes the first two as well.
const TUNED: [&str; 3] = ["--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-horizontal-pod-autoscaler-syncs=50"];
/// Longest time to readiness.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time in which Ballast's pod has to end, as its manifests say.
const GRACE: Duration = Duration::from_secs(30);

/// `ScaledObject`s that KEDA reconciles at a time, in keeping with the flags above (default 5).
const KEDA_RECONCILES: (&str, &str) = ("KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES", "50");

/// Where contenders run.
pub struct Ground<'a> {
    pub options: &'a Options,
    /// The plane's state directory.
    pub plane: &'a Path,
    /// Kubeconfig with Ballast's service account.
    pub ballast: PathBuf,
    /// Prometheus, where there is one.
    pub prometheus: Option<Prometheus>,
}

/// A running autoscaler; ends when dropped, and with the plane at the latest.
pub struct Running {
    kind: Kind,
    /// Its processes.
    pub processes: Processes,
}

enum Kind {
    /// Parts of the plane, in the order in which they are stopped.
    Parts(&'static [&'static str]),
    Ballast {
        child: Box<Child>,
        admin: SocketAddr,
    },
}

impl Ground<'_> {
    /// Starts a contender and waits until it says that it is ready.
    pub async fn start(&self, contender: Contender, signal: Signal) -> Result<Running> {
        match contender {
            Contender::Hpa => {
                self.part("hpa", &[]).await?;
                self.parts(&["hpa"], &["hpa"])
            }
            Contender::HpaTuned => {
                self.part("hpa", &TUNED).await?;
                self.parts(&["hpa"], &["hpa"])
            }
            Contender::Ballast => self.ballast(signal, &[]).await,
            Contender::Ballast5s => self.ballast(signal, &["--sync-period=5s"]).await,
            Contender::Keda => {
                self.part("keda", &TUNED[..2]).await?;
                self.part("hpa", &TUNED).await?;
                self.parts(&["hpa", "keda"], &["keda-operator", "keda-metrics-apiserver", "hpa"])
            }
        }
    }

    async fn part(&self, name: &str, flags: &[&str]) -> Result<()> {
        let mut up = cluster_script("up.sh");
        up.args([name, "--dir"]).arg(self.plane).arg("--").args(flags).env(KEDA_RECONCILES.0, KEDA_RECONCILES.1);
        succeed(up).await
    }

    fn parts(&self, parts: &'static [&'static str], processes: &[&str]) -> Result<Running> {
        Ok(Running { kind: Kind::Parts(parts), processes: Processes::of_plane(self.plane, processes)? })
    }

    async fn ballast(&self, signal: Signal, flags: &[&str]) -> Result<Running> {
        let admin = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.plane.join("logs/ballast.log"))?;
        let mut command = Command::new(&self.options.ballast);
        command.args(["run", "--admin-address", &admin.to_string(), "--kubeconfig"]).arg(&self.ballast).args(flags);
        if let Some(prometheus) = self.prometheus.as_ref().filter(|_| signal == Signal::Prometheus) {
            command.args(["--prometheus-url", &prometheus.url]);
        }
        command.args(self.options.ballast_flags.split_whitespace());
        command.env("BALLAST_CLUSTER_DIR", self.plane).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let mut child = child.with_context(|| self.options.ballast.display().to_string())?;
        let id = child.id().context("ballast has ended")?;
        let ready = async {
            while !is_ready(admin).await {
                if let Some(status) = child.try_wait()? {
                    bail!("ballast ended with {status}; see logs/ballast.log");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, ready).await.context("ballast does not become ready")??;
        Ok(Running { kind: Kind::Ballast { child: Box::new(child), admin }, processes: Processes(vec![id]) })
    }
}

impl Running {
    /// How late Ballast has decided so far, as it says itself.
    pub async fn lateness(&self) -> Result<Option<Histogram>> {
        let Kind::Ballast { admin, .. } = &self.kind else { return Ok(None) };
        let text = reqwest::get(format!("http://{admin}/metrics")).await?.text().await?;
        Ok(Some(Histogram::read(&text, "ballast_decision_lateness_seconds")))
    }

    /// Stops it by SIGTERM.
    pub async fn stop(self, plane: &Path) -> Result<()> {
        match self.kind {
            Kind::Parts(names) => {
                for name in names {
                    let mut down = cluster_script("down.sh");
                    down.args(["--only", name, "--dir"]).arg(plane);
                    succeed(down).await?;
                }
                Ok(())
            }
            Kind::Ballast { mut child, .. } => {
                let id = child.id().context("ballast has ended by itself; see logs/ballast.log")?;
                let mut kill = Command::new("kill");
                kill.args(["-TERM", &id.to_string()]);
                succeed(kill).await?;
                if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                    eprintln!("ballast had not ended {} s after SIGTERM and was killed", GRACE.as_secs());
                    child.kill().await?;
                }
                Ok(())
            }
        }
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    reqwest::get(format!("http://{admin}/readyz")).await.is_ok_and(|response| response.status().is_success())
}

/// A script of the test cluster.
pub fn cluster_script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster").join(name))
}

/// Runs a command, whose words count only if it fails.
pub async fn succeed(mut command: Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().await.with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
