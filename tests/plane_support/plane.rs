//! One control plane per test binary, started by `tests/cluster/up.sh` and stopped when the test process ends, however it ends.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use tokio::sync::OnceCell;

use super::wait::eventually;
use super::{Fleet, MetricsApi};

/// A running control plane with Ballast's CRDs.
pub struct Plane {
    /// Its state directory (kubeconfig, env, logs).
    pub dir: PathBuf,
    /// An administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// An administrator's client without a rate limit.
    pub client: Client,
    fleet: OnceCell<Fleet>,
    metrics: OnceCell<MetricsApi>,
}

/// How the plane of this binary is started; what the first caller says holds.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Start the stock autoscaler too, with these flags.
    pub hpa_flags: Option<&'static str>,
    /// More flags for kube-apiserver.
    pub api_flags: &'static str,
    /// More flags for kube-controller-manager.
    pub controller_flags: &'static str,
}

/// The plane of this test binary.
pub async fn plane(options: Options) -> &'static Plane {
    static PLANE: OnceCell<Plane> = OnceCell::const_new();
    PLANE.get_or_init(|| Plane::start(options)).await
}

impl Plane {
    async fn start(options: Options) -> Self {
        let cluster = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plane-{}-{}", env!("CARGO_CRATE_NAME"), std::process::id()));
        stop_at_end(&cluster.join("down.sh"), &dir);
        let mut up = tokio::process::Command::new(cluster.join("up.sh"));
        // Only without endpoint routing does the aggregator accept a Service of type ExternalName, the way to a process on loopback.
        let api_flags = format!("--enable-aggregator-routing=false {}", options.api_flags);
        up.args(["plane", "--dir"]).arg(&dir).args(["--api-flags", &api_flags, "--controller-flags", options.controller_flags]);
        if let Some(flags) = options.hpa_flags {
            up.args(["--with-hpa", "--hpa-flags", flags]);
        }
        let out = up.stdin(Stdio::null()).output().await.unwrap();
        assert!(out.status.success(), "tests/cluster/up.sh failed:\n{}", String::from_utf8_lossy(&out.stderr));
        let kubeconfig = dir.join("kubeconfig");
        let client = client(&kubeconfig).await;
        apply_crds(&client).await;
        Self { dir, kubeconfig, client, fleet: OnceCell::new(), metrics: OnceCell::new() }
    }

    /// The fake kubelet.
    pub async fn fleet(&self) -> &Fleet {
        self.fleet.get_or_init(|| Fleet::start(self.client.clone())).await
    }

    /// The fake metrics APIs, registered with the API server.
    pub async fn metrics(&self) -> &MetricsApi {
        let fleet = self.fleet().await;
        self.metrics.get_or_init(|| MetricsApi::start(self.client.clone(), fleet.clone())).await
    }
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

/// A static is never dropped and a killed test runs no code at all, so the end is watched from outside: the shell's input ends when this
/// process does. Its own process group keeps Ctrl-C away from it.
fn stop_at_end(down: &Path, dir: &Path) {
    let script = r#"cat >/dev/null; out=$("$0" --dir "$1" 2>&1) || echo "$out" >&2"#;
    let mut watcher = Command::new("sh");
    watcher.args(["-c", script]).args([down, dir]).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    let child = watcher.spawn().unwrap();
    // Keeps the pipe open for the life of the process.
    std::mem::forget(child.stdin);
}

/// Applies `crds/*.yaml` and waits until the API server serves them.
async fn apply_crds(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let mut names = Vec::new();
    for file in std::fs::read_dir(dir).into_iter().flatten() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for crd in serde_saphyr::from_multiple::<CustomResourceDefinition>(&text).unwrap() {
            let name = crd.name_any();
            api.patch(&name, &PatchParams::apply("plane-test").force(), &Patch::Apply(&crd)).await.unwrap();
            names.push(name);
        }
    }
    for name in names {
        wait_established(&api, &name).await;
    }
}

/// Waits until a CRD is served.
pub async fn wait_established(api: &Api<CustomResourceDefinition>, name: &str) {
    eventually(&format!("CRD {name} established"), Duration::from_secs(20), async || {
        let crd = api.get(name).await.map_err(|e| e.to_string())?;
        let conditions = crd.status.and_then(|s| s.conditions).unwrap_or_default();
        conditions.iter().any(|c| c.type_ == "Established" && c.status == "True").then_some(()).ok_or(format!("{conditions:?}"))
    })
    .await;
}
