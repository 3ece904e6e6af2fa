//! A real API server for tests: one per test binary, or the one named by `BALLAST_PLANE_KUBECONFIG`.

// Every test binary uses a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A running API server with Ballast's CRDs.
pub struct Plane {
    /// An administrator's.
    pub kubeconfig: PathBuf,
    kubectl: PathBuf,
}

/// The plane of this test binary, started at first use. It ends with the process.
pub fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let kubeconfig = std::env::var_os("BALLAST_PLANE_KUBECONFIG").map_or_else(start, PathBuf::from);
        let kubectl = tool(&kubeconfig, "kubectl");
        let plane = Plane { kubeconfig, kubectl };
        let crds = root().join("crds");
        plane.kubectl_ok(&["apply", "--server-side", "--force-conflicts", "-f", &crds.to_string_lossy()]);
        plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=30s", "-f", &crds.to_string_lossy()]);
        plane
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn start() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("ballast-plane-{}", std::process::id()));
    let scripts = root().join("tests/cluster");
    let up = Command::new(scripts.join("up.sh")).args(["plane", "--dir"]).arg(&dir).stdout(Stdio::null()).status();
    assert!(
        up.as_ref().is_ok_and(std::process::ExitStatus::success),
        "tests/cluster/up.sh plane: {up:?}; or name a running one in BALLAST_PLANE_KUBECONFIG"
    );
    // Nothing runs after the last test, but the pipe's end closes with the process, however it ends; then this helper stops the plane.
    let stop = "cat >/dev/null; \"$0\" --dir \"$1\" >/dev/null 2>&1; rm -rf \"$1\"";
    let mut stopper = Command::new("setsid");
    stopper
        .args(["sh", "-c", stop])
        .arg(scripts.join("down.sh"))
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    std::mem::forget(stopper.spawn().unwrap());
    dir.join("kubeconfig")
}

/// A program of the test cluster: its folder stands in the `env` file beside the kubeconfig.
fn tool(kubeconfig: &Path, name: &str) -> PathBuf {
    let env = std::fs::read_to_string(kubeconfig.with_file_name("env")).unwrap_or_default();
    env.lines().find_map(|line| line.strip_prefix("CLUSTER_BIN=")).map_or_else(|| name.into(), |bin| Path::new(bin).join(name))
}

impl Plane {
    /// A client; each test runs in its own runtime, so it needs its own.
    pub async fn client(&self) -> Client {
        // Fails if another test was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()).unwrap()
    }

    /// A fresh namespace.
    pub async fn namespace(&self, client: &Client) -> String {
        let metadata = ObjectMeta { generate_name: Some("test-".into()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap().metadata.name.unwrap()
    }

    /// Runs kubectl: whether it succeeded, and what it wrote to both streams.
    pub fn kubectl(&self, args: &[&str], stdin: &str) -> (bool, String) {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Runs kubectl, which must succeed.
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        let (ok, text) = self.kubectl(args, "");
        assert!(ok, "kubectl {args:?}: {text}");
        text
    }
}
