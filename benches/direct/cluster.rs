//! A node form of the test cluster with Ballast by its chart.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::objects::CONTENDERS;
use crate::scales::POLICY;

/// Seconds until each signal has a value.
const KNOWN: u32 = 45;

/// The cluster; it ends with this.
pub struct Cluster {
    dir: PathBuf,
    bin: PathBuf,
}

/// Requests at a rate; they end with this.
pub struct Load(Child);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a program said, or a failure with what it complained of.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Where the cluster's programs are.
pub fn programs() -> Result<PathBuf> {
    let said = run(Command::new(root().join("tests/cluster/build.sh")).arg("all"))?;
    Ok(PathBuf::from(said.lines().last().context("build.sh says nothing")?))
}

// === impl Cluster ===

impl Cluster {
    /// With all of them, and images of Ballast and the Go service.
    pub fn start(resolution: &str) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("ballast-bench-direct-{}", std::process::id()));
        let cluster = Self { dir: dir.join("cluster"), bin: programs()? };
        std::fs::create_dir_all(&dir)?;
        let images = cluster.images(&dir)?;
        let policy = dir.join("audit-policy.json");
        std::fs::write(&policy, POLICY)?;
        let audit =
            format!("--audit-policy-file={} --audit-log-path={} --audit-log-format=json", policy.display(), cluster.audit().display());
        let up = root().join("tests/cluster/up.sh");
        let here = ["--dir", cluster.dir.to_str().context("the temporary directory's name")?];
        let parts = ["--with-prometheus", "--with-hpa", "--scrape-interval", resolution, "--api-flags", &audit];
        run(Command::new(&up).arg("node").args(here).args(parts))?;
        run(Command::new(&up).arg("metrics-server").args(here).args(["--", &format!("--metric-resolution={resolution}")]))?;
        run(Command::new(root().join("tests/cluster/import.sh")).args(here).args(images))?;
        let prometheus = format!("prometheus.url={}", cluster.setting("PROMETHEUS_SERVICE_URL")?);
        let mut helm = cluster.program("helm");
        helm.args([
            "install",
            "ballast",
            "deploy/chart/ballast",
            "--namespace",
            "ballast",
            "--create-namespace",
            "--wait",
            "--timeout",
            "90s",
        ]);
        helm.args(["--set", "image.repository=ballast.test/ballast", "--set", "image.tag=bench", "--set", "image.pullPolicy=Never"]);
        run(helm.args(["--set", &prometheus]))?;
        Ok(cluster)
    }

    fn images(&self, dir: &Path) -> Result<[PathBuf; 2]> {
        let (ballast, app) = (dir.join("ballast"), dir.join("go-app"));
        run(Command::new("strip").arg("-o").arg(&ballast).arg(env!("CARGO_BIN_EXE_ballast")))?;
        let mut go = Command::new("go");
        go.args(["build", "-trimpath", "-ldflags=-s -w", "-o"]).arg(&app).arg(".").env("CGO_ENABLED", "0");
        run(go.current_dir(root().join("examples/go-app")))?;
        let image = |name: &str, program: &Path, more: &[&str]| {
            let file = program.with_extension("tar");
            let mut mkimage = Command::new(self.bin.join("mkimage"));
            mkimage.args(["--name", &format!("ballast.test/{name}:bench"), "--user", "65532:65532", "--expose", "8080/tcp", "--out"]);
            run(mkimage.arg(&file).args(more).arg(format!("{}:/{name}", program.display())))?;
            anyhow::Ok(file)
        };
        Ok([image("ballast", &ballast, &["--ldd"])?, image("go-app", &app, &[])?])
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.env("KUBECONFIG", self.dir.join("kubeconfig")).current_dir(root());
        command
    }

    fn setting(&self, name: &str) -> Result<String> {
        let env = std::fs::read_to_string(self.dir.join("env"))?;
        let value = env.lines().find_map(|line| line.trim_start_matches("export ").strip_prefix(name)?.strip_prefix('='));
        Ok(value.with_context(|| format!("{name} of the cluster"))?.trim_matches(['"', '\'']).to_owned())
    }

    /// The API server's log of sizes.
    pub fn audit(&self) -> PathBuf {
        self.dir.with_file_name("audit.log")
    }

    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        run(self.program("kubectl").args(args))
    }

    pub fn apply(&self, objects: &Value) -> Result<()> {
        let mut child = self.program("kubectl").args(["apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        child.stdin.take().context("kubectl takes no input")?.write_all(objects.to_string().as_bytes())?;
        if !child.wait()?.success() {
            bail!("kubectl apply failed");
        }
        Ok(())
    }

    pub fn delete_scalers(&self) -> Result<()> {
        self.kubectl(&["delete", "scalepolicies,hpa", "web", "--namespace=direct", "--ignore-not-found"])?;
        self.kubectl(&["delete", "scalepolicies,hpa", "web", "--namespace=stored", "--ignore-not-found"])?;
        self.kubectl(&["delete", "scalepolicies,hpa", "web", "--namespace=hpa", "--ignore-not-found"]).map(drop)
    }

    /// Waits until each autoscaler knows its load.
    pub fn all_known(&self) -> Result<()> {
        let known = |contender: &str| {
            let kind = if contender == "hpa" { "hpa/web" } else { "scalepolicy/web" };
            let path = r#"jsonpath={.status.conditions[?(@.type=="ScalingActive")].status}"#;
            self.kubectl(&["--namespace", contender, "get", kind, "-o", path]).is_ok_and(|status| status == "True")
        };
        for _ in 0..KNOWN {
            if CONTENDERS.iter().all(|contender| known(contender)) {
                return Ok(());
            }
            sleep(Duration::from_secs(1));
        }
        let all = self.kubectl(&["get", "scalepolicies,hpa,pods", "--all-namespaces", "-o", "wide"]).unwrap_or_default();
        bail!("not all autoscalers know their load:\n{all}");
    }

    pub fn size(&self, contender: &str) -> Result<u32> {
        Ok(self.kubectl(&["--namespace", contender, "get", "deployment/web", "-o", "jsonpath={.spec.replicas}"])?.parse()?)
    }

    /// Who gave the value of the policy that asks pods.
    pub fn origin(&self) -> Result<String> {
        let path = "jsonpath={.status.currentMetrics[0].origin.from}: {.status.currentMetrics[0].origin.message}";
        self.kubectl(&["--namespace", "direct", "get", "scalepolicy/web", "-o", path])
    }

    pub fn address(&self, contender: &str) -> Result<String> {
        self.kubectl(&["--namespace", contender, "get", "service/web", "-o", "jsonpath={.spec.clusterIP}"])
    }

    /// Requests of one millisecond of CPU each, by so many workers at such a rate.
    pub fn load(&self, address: &str, (workers, rate): (u32, u32)) -> Result<Load> {
        let mut hey = self.program("hey");
        hey.args(["-disable-keepalive", "-z", "20m", "-c", &workers.to_string(), "-q", &rate.to_string()]);
        hey.arg(format!("http://{address}:8080/work?ms=1")).stdout(Stdio::null());
        Ok(Load(hey.spawn().context("hey")?))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let down = Command::new(root().join("tests/cluster/down.sh")).arg("--dir").arg(&self.dir).output();
        match down {
            Ok(output) if output.status.success() => drop(self.dir.parent().map(std::fs::remove_dir_all)),
            other => eprintln!("down.sh: {other:?}"),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
