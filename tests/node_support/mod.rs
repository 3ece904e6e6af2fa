//! A demo as a user runs it, and the cluster that it leaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
#![allow(dead_code)] // Each test uses a part of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The cluster of a demo; it goes with this.
pub struct Node {
    root: PathBuf,
    dir: PathBuf,
}

impl Drop for Node {
    fn drop(&mut self) {
        let down = Command::new(self.root.join("tests/cluster/down.sh")).arg("--dir").arg(&self.dir).output();
        if let Ok(output) = down
            && !output.status.success()
        {
            eprintln!("down.sh: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

impl Node {
    /// Runs a demo of `examples/demo` and keeps its cluster. `None`: not root, so there is none, which is a fault where CI runs.
    pub fn of(demo: &str, arguments: &[&str]) -> Option<Self> {
        if !is_root() {
            assert!(std::env::var_os("CI").is_none(), "the node tests need root");
            eprintln!("SKIPPED: the node tests need root");
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
        let dir = std::env::temp_dir().join(format!("ballast-node-{}", std::process::id()));
        let mut command = Command::new(root.join("examples/demo").join(demo));
        // What Cargo tells a test would make it build anew what is built: build scripts depend on it.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_build(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        let node = Self { root, dir };
        let status = command.args(arguments).env("DEMO_KEEP", "1").env("DEMO_DIR", &node.dir).status().unwrap();
        assert!(status.success(), "the demo failed: {status}");
        Some(node)
    }

    /// A command on the cluster.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", self.dir.join("kubeconfig"));
        command
    }

    pub fn kubectl(&self, args: &[&str], stdin: &str) -> String {
        let mut child = self
            .command(self.program("kubectl"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn get(&self, object: &str, path: &str) -> String {
        self.kubectl(&["get", object, "-o", &format!("jsonpath={path}")], "")
    }

    pub fn program(&self, name: &str) -> PathBuf {
        Path::new(&self.setting("CLUSTER_BIN")).join(name)
    }

    /// What the cluster's scripts tell those who use it.
    pub fn setting(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.dir.join("env")).unwrap();
        let value = env.lines().find_map(|line| line.trim_start_matches("export ").strip_prefix(name)?.strip_prefix('=')).unwrap();
        value.trim_matches(['"', '\'']).to_owned()
    }

    /// Applies an example with the image that the demo imported.
    pub fn apply(&self, file: &str) {
        let text = std::fs::read_to_string(self.root.join(file)).unwrap();
        self.kubectl(&["apply", "-f", "-"], &text.replace("ballast/go-app:0.1.0", "ballast.test/go-app:demo"));
    }

    pub fn eventually(&self, seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !holds() {
            assert!(
                Instant::now() < end,
                "not within {seconds} s: {what}\n{}",
                self.kubectl(&["get", "sp,deployments,statefulsets,pods", "-o", "wide"], "")
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// What Cargo says of the package under test, in distinction from its settings, which the demo's build must share.
fn is_of_this_build(variable: &str) -> bool {
    ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

fn is_root() -> bool {
    String::from_utf8_lossy(&Command::new("id").arg("-u").output().unwrap().stdout).trim() == "0"
}
