//! The chart as Helm renders it, without a cluster.

// Every test binary uses a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

/// Namespace of the release.
pub const NAMESPACE: &str = "ballast-system";

static HELM: LazyLock<PathBuf> = LazyLock::new(|| tool("helm"));

/// A program: `$NAME`, in `$BALLAST_TOOLS_BIN`, or else built from its Go module as the test cluster's programs are. Not whatever is on `PATH`:
/// the plain manifest is compared byte by byte, and versions of Helm differ in blank lines.
pub fn tool(name: &str) -> PathBuf {
    let named = std::env::var_os(name.to_uppercase()).map(PathBuf::from);
    let tools = || std::env::var_os("BALLAST_TOOLS_BIN").map(|bin| Path::new(&bin).join(name));
    named.or_else(tools).unwrap_or_else(|| build(name))
}

fn build(name: &str) -> PathBuf {
    let output = Command::new(root().join("tests/cluster/build.sh")).arg(name).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "no {name}: set {} or BALLAST_TOOLS_BIN; tests/cluster/build.sh {name}: {}",
        name.to_uppercase(),
        String::from_utf8_lossy(&output.stderr)
    );
    Path::new(text.lines().last().unwrap()).join(name)
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn chart() -> PathBuf {
    root().join("deploy/chart/ballast")
}

/// Runs Helm with nothing of the user's own configuration.
pub fn helm(args: &[&str]) -> Output {
    let output = Command::new(&*HELM).args(args).env("KUBECONFIG", "/nonexistent").current_dir(chart()).output();
    output.unwrap_or_else(|error| panic!("{}: {error}", HELM.display()))
}

/// Runs Helm on a namespace of a cluster: what it wrote, if it succeeded or not.
pub fn helm_in(namespace: &str, kubeconfig: &Path, args: &[&str]) -> Result<String, String> {
    let output = helm(&[args, &["--namespace", namespace, "--kubeconfig", kubeconfig.to_str().unwrap()]].concat());
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(text) }
}

/// Runs the script that makes the plain manifest.
pub fn render() -> String {
    let output = Command::new(root().join("deploy/render.sh")).arg("--stdout").env("HELM", &*HELM).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every set of values that is tried: the default, and the files of `ci/`.
pub fn value_files() -> Vec<Option<String>> {
    let mut files: Vec<_> =
        std::fs::read_dir(chart().join("ci")).unwrap().map(|entry| format!("ci/{}", entry.unwrap().file_name().display())).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    std::iter::once(None).chain(files.into_iter().map(Some)).collect()
}

/// The objects of a release.
pub struct Release {
    /// Which values made it, for messages.
    pub values: String,
    /// Its objects.
    pub objects: Vec<Value>,
}

impl Release {
    /// Renders the chart with a file of values and more arguments.
    pub fn new(file: Option<&str>, args: &[&str]) -> Self {
        let mut all = vec!["template", "ballast", ".", "--namespace", NAMESPACE];
        all.extend(file.iter().flat_map(|file| ["--values", file]));
        all.extend(args);
        let output = helm(&all);
        assert!(output.status.success(), "{all:?}: {}", String::from_utf8_lossy(&output.stderr));
        let objects = documents(std::str::from_utf8(&output.stdout).unwrap());
        Self { values: format!("{} {}", file.unwrap_or("defaults"), args.join(" ")), objects }
    }

    /// One release for each set of values.
    pub fn all() -> Vec<Self> {
        value_files().iter().map(|file| Self::new(file.as_deref(), &[])).collect()
    }

    /// Objects of a kind.
    pub fn of(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The only object of a kind.
    pub fn one(&self, kind: &str) -> &Value {
        let [object] = self.of(kind)[..] else { panic!("{}: not one {kind}", self.values) };
        object
    }

    /// Spec of the controller's pods.
    pub fn pod(&self) -> &Value {
        &self.one("Deployment")["spec"]["template"]["spec"]
    }

    /// Arguments of the controller, without the command `run`.
    pub fn flags(&self) -> Vec<&str> {
        let args: Vec<_> = self.pod()["containers"][0]["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        assert_eq!(args[0], "run");
        args[1..].to_vec()
    }
}

/// The documents of a YAML stream; a key given twice is an error.
pub fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// `kind namespace/name`, or `kind name`.
pub fn id(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, metadata) = (text(&object["kind"]), &object["metadata"]);
    match metadata["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{}", text(&metadata["name"])),
        None => format!("{kind} {}", text(&metadata["name"])),
    }
}
