//! One control plane per test binary, started by `tests/cluster/up.sh` and stopped when the test process ends, however it ends.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

use super::wait::eventually;
use super::{Fleet, MetricsApi, Scraped};

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
    prometheus: OnceCell<Scraped>,
    scrape: &'static str,
}

/// How the plane of this binary is started; what the first caller says holds.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Start the stock autoscaler too, with these flags.
    pub hpa: Option<&'static str>,
    /// More flags for kube-apiserver.
    pub api_server: &'static str,
    /// More flags for kube-controller-manager.
    pub controller_manager: &'static str,
    /// How often Prometheus scrapes; empty: every 200 ms.
    pub scrape: &'static str,
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
        let api_flags = format!("--enable-aggregator-routing=false {}", options.api_server);
        up.args(["plane", "--dir"]).arg(&dir).args(["--api-flags", &api_flags, "--controller-flags", options.controller_manager]);
        if let Some(flags) = options.hpa {
            up.args(["--with-hpa", "--hpa-flags", flags]);
        }
        let out = up.stdin(Stdio::null()).output().await.unwrap();
        assert!(out.status.success(), "tests/cluster/up.sh failed:\n{}", String::from_utf8_lossy(&out.stderr));
        let kubeconfig = dir.join("kubeconfig");
        let client = client(&kubeconfig).await;
        apply_crds(&client).await;
        let scrape = if options.scrape.is_empty() { "200ms" } else { options.scrape };
        Self { dir, kubeconfig, client, fleet: OnceCell::new(), metrics: OnceCell::new(), prometheus: OnceCell::new(), scrape }
    }

    /// A fresh namespace, ready for pods.
    pub async fn namespace(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        super::ensure_namespace(&self.client, &name).await;
        name
    }

    /// Runs kubectl: whether it succeeded, and what it wrote to both streams.
    pub async fn kubectl(&self, args: &[&str], stdin: &str) -> (bool, String) {
        let env = std::fs::read_to_string(self.dir.join("env")).unwrap();
        let bin = env.lines().find_map(|line| line.strip_prefix("CLUSTER_BIN=")).unwrap();
        let mut command = tokio::process::Command::new(Path::new(bin).join("kubectl"));
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Runs kubectl, which must succeed.
    pub async fn kubectl_ok(&self, args: &[&str]) -> String {
        let (ok, text) = self.kubectl(args, "").await;
        assert!(ok, "kubectl {args:?}: {text}");
        text
    }

    /// The fake kubelet.
    pub async fn fleet(&self) -> &Fleet {
        self.fleet.get_or_init(async || Fleet::start(self.client.clone())).await
    }

    /// The fake metrics APIs, registered with the API server.
    pub async fn metrics(&self) -> &MetricsApi {
        let fleet = self.fleet().await;
        self.metrics.get_or_init(|| MetricsApi::start(self.client.clone(), fleet.clone())).await
    }

    /// A real Prometheus, and the exporter it scrapes.
    pub async fn prometheus(&self) -> &Scraped {
        self.prometheus.get_or_init(|| Scraped::start(&self.dir, self.scrape)).await
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
    // Never waited for and never dropped: its pipe stays open for the life of this process.
    std::mem::forget(watcher.spawn().unwrap());
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
