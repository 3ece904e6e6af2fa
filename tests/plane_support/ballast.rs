//! Runs the `ballast` binary against the plane.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::Plane;
use super::wait::eventually;

/// Flags of `ballast run`; the rest can be given as text.
#[derive(Clone, Debug)]
pub struct Flags {
    /// `--sync-period`.
    pub sync_period: &'static str,
    /// `--downscale-stabilization`.
    pub downscale_stabilization: &'static str,
    /// `--smoothing`.
    pub smoothing: &'static str,
    /// `--leader-elect`.
    pub leader_elect: bool,
    /// Everything else, such as `["--namespaces", "a,b"]`.
    pub more: Vec<String>,
}

impl Default for Flags {
    fn default() -> Self {
        Self { sync_period: "1s", downscale_stabilization: "10s", smoothing: "smooth", leader_elect: false, more: Vec::new() }
    }
}

/// How the process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its admin port; the default has none.
    pub admin: SocketAddr,
    /// A command that runs it, such as one that enters a network namespace first.
    pub through: Vec<String>,
    /// More variables of its environment.
    pub env: Vec<(String, String)>,
}

impl Default for Launch {
    fn default() -> Self {
        Self { admin: SocketAddr::from(([127, 0, 0, 1], 0)), through: Vec::new(), env: Vec::new() }
    }
}

/// A running controller; ends when dropped, and with the plane at the latest.
pub struct Ballast {
    child: Child,
    /// Its admin port.
    pub admin: SocketAddr,
    /// Its output.
    pub log: PathBuf,
}

impl Ballast {
    /// Starts it and waits until it says that it is ready.
    pub async fn start(plane: &Plane, name: &str, flags: &Flags) -> Self {
        let mut ballast = Self::spawn(plane, name, flags).await;
        ballast.wait_ready().await;
        ballast
    }

    /// Starts it with the rights of another kubeconfig and with these flags only, and waits until it says that it is ready.
    pub async fn start_as(plane: &Plane, name: &str, kubeconfig: &Path, flags: &[String]) -> Self {
        let mut ballast = Self::spawn_as(plane, name, kubeconfig, flags).await;
        ballast.wait_ready().await;
        ballast
    }

    /// Starts it without waiting: a standby is not ready in the same way as a leader.
    pub async fn spawn(plane: &Plane, name: &str, flags: &Flags) -> Self {
        let leader_elect = flags.leader_elect.to_string();
        let fixed = ["--sync-period", flags.sync_period, "--downscale-stabilization", flags.downscale_stabilization];
        let chosen = ["--smoothing", flags.smoothing, "--leader-elect", &leader_elect];
        let all: Vec<String> = fixed.into_iter().chain(chosen).map(str::to_owned).chain(flags.more.clone()).collect();
        Self::spawn_as(plane, name, &plane.kubeconfig, &all).await
    }

    /// Like [`Ballast::start_as`], without waiting.
    pub async fn spawn_as(plane: &Plane, name: &str, kubeconfig: &Path, flags: &[String]) -> Self {
        let launch = Launch { admin: free_address().await, ..Launch::default() };
        Self::launch(plane, name, kubeconfig, flags, launch)
    }

    /// Starts it in an unusual way, without waiting.
    pub fn launch(plane: &Plane, name: &str, kubeconfig: &Path, flags: &[String], launch: Launch) -> Self {
        let Launch { admin, through, env } = launch;
        let log = plane.dir.join(format!("logs/ballast-{name}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut words = through.into_iter().chain([env!("CARGO_BIN_EXE_ballast").to_owned()]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .envs(env)
            .arg("run")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--admin-address", &admin.to_string()])
            .args(flags);
        // The mark by which tests/cluster/down.sh ends what is left when the test process was killed.
        command.env("BALLAST_CLUSTER_DIR", &plane.dir).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { child, admin, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends it a signal: `STOP` freezes it, `CONT` lets it go on.
    pub async fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().await.unwrap().success());
    }

    /// Waits for `/readyz`; panics with the log if the process ends or stays unready.
    pub async fn wait_ready(&mut self) {
        let url = format!("http://{}/readyz", self.admin);
        let log = self.log.clone();
        let child = &mut self.child;
        eventually("ballast is ready", Duration::from_secs(30), async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("ballast ended with {status}:\n{}", tail(&log));
            }
            let response = reqwest::get(&url).await.map_err(|e| format!("{e}\n{}", tail(&log)))?;
            let ok = response.status().is_success();
            let body = response.text().await.unwrap_or_default();
            if ok { Ok(()) } else { Err(format!("{body}\n{}", tail(&log))) }
        })
        .await;
    }

    /// SIGTERM by process id, then waits for the end: how it stops in a cluster.
    pub async fn stop(mut self) -> std::process::ExitStatus {
        self.signal("TERM").await;
        tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("ballast does not end on SIGTERM").unwrap()
    }

    /// SIGKILL: a crash.
    pub async fn crash(mut self) {
        self.child.kill().await.unwrap();
    }

    /// What `/metrics` says.
    pub async fn metrics(&self) -> String {
        reqwest::get(format!("http://{}/metrics", self.admin)).await.unwrap().text().await.unwrap()
    }

    /// What `/readyz` says: whether it is ready, and the text.
    pub async fn readyz(&self) -> Result<(bool, String), String> {
        let response = reqwest::get(format!("http://{}/readyz", self.admin)).await.map_err(|error| error.to_string())?;
        Ok((response.status().is_success(), response.text().await.unwrap_or_default()))
    }

    /// Waits until `/readyz` is not ready and names this.
    pub async fn waits_for(&self, words: &str) {
        eventually(&format!("/readyz names {words}"), Duration::from_secs(20), async || match self.readyz().await? {
            (false, text) if text.contains(words) => Ok(()),
            (ready, text) => Err(format!("ready: {ready}; {text}\n{}", self.tail())),
        })
        .await;
    }

    /// The lines of the log that contain this.
    pub fn lines(&self, text: &str) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains(text)).collect::<Vec<_>>().join("\n")
    }

    /// The end of the log.
    pub fn tail(&self) -> String {
        tail(&self.log)
    }
}

fn tail(log: &PathBuf) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// An address of the loopback interface that nobody uses.
pub async fn free_address() -> SocketAddr {
    tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap()
}
