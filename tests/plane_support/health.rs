//! What Argo CD, Flux and whoever judges by kstatus make of an object, by the health checks that docs/gitops.md gives them.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// The health checks of docs/gitops.md.
static CHECKS: std::sync::LazyLock<Checks> = std::sync::LazyLock::new(|| {
    let page = include_str!("../../docs/gitops.md");
    let blocks: Vec<Value> =
        page.split("```yaml\n").skip(1).filter_map(|rest| serde_saphyr::from_str(rest.split("```").next().unwrap()).ok()).collect();
    let find = |path: &str| {
        let found: Vec<&Value> = blocks.iter().filter_map(|block| block.pointer(path)).collect();
        assert_eq!(found.len(), 1, "docs/gitops.md: {path}");
        found[0].clone()
    };
    Checks { argo: find("/data"), flux: find("/spec/healthCheckExprs") }
});

struct Checks {
    /// `data` of the `ConfigMap` `argocd-cm`.
    argo: Value,
    flux: Value,
}

/// What the tools say.
#[derive(Clone, Debug)]
pub struct Health {
    /// Argo CD's status and message.
    pub argo: (String, String),
    /// Flux with `healthCheckExprs`, where there are some for this kind.
    pub flux: String,
    /// Flux without, and Helm.
    pub kstatus: String,
}

impl Health {
    /// Asks all of them about an object as the API server gives it.
    pub async fn of(object: &Value) -> Self {
        let kind = object["kind"].as_str().unwrap();
        let script = &CHECKS.argo[format!("resource.customizations.health.ballast.dev_{kind}")];
        assert!(script.is_string(), "docs/gitops.md has no health check of {kind}");
        let exprs = CHECKS.flux.as_array().unwrap().iter().filter(|check| check["kind"] == *kind).collect::<Vec<_>>();
        let answer = ask(&json!({ "object": object, "lua": script, "exprs": exprs })).await;
        let word = |path: &str| answer.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { argo: (word("/lua/status"), word("/lua/message")), flux: word("/exprs/status"), kstatus: word("/kstatus/status") }
    }

    /// The three words, as Argo CD, Flux and kstatus say them.
    pub fn words(&self) -> [&str; 3] {
        [&self.argo.0, &self.flux, &self.kstatus]
    }
}

/// Runs the program that judges, which is built at first.
async fn ask(question: &Value) -> Value {
    static PROGRAM: OnceCell<String> = OnceCell::const_new();
    let program = PROGRAM
        .get_or_init(async || {
            let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/build.sh");
            let made = Command::new(build).arg("health").stdin(Stdio::null()).stderr(Stdio::inherit()).output().await.unwrap();
            assert!(made.status.success(), "tests/cluster/build.sh health failed");
            format!("{}/health", String::from_utf8(made.stdout).unwrap().lines().last().unwrap())
        })
        .await;
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}\n{question}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
