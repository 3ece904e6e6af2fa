//! `ballast convert`: what becomes of HPAs, KEDA's objects and rules of prometheus-adapter, field by field, and what is said of the rest.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail as tests do.

mod convert_cases;
mod docs_support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use convert_cases::{said, scaled_object, spec};
use serde_json::{Value, json};

const HPA: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 9
";

const KAFKA: &str = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: orders}
spec:
  scaleTargetRef: {name: orders}
  minReplicaCount: 1
  triggers:
  - {type: cpu, metricType: Utilization, metadata: {value: '60'}}
  - {type: kafka, metadata: {topic: orders}}
";

fn convert(args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("convert").args(args).env_remove("KUBECONFIG");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends without reading closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn yaml_goes_to_standard_output_and_remarks_as_comments_to_standard_error() {
    let output = convert(&["-"], HPA);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let policy: Value = serde_saphyr::from_str(&out(&output)).unwrap();
    assert_eq!((&policy["apiVersion"], &policy["kind"]), (&json!("ballast.dev/v1alpha1"), &json!("ScalePolicy")));
    assert_eq!(policy["metadata"], json!({ "name": "web", "namespace": "shop", "labels": { "app": "web" } }));
    assert_eq!((&policy["spec"]["minReplicas"], &policy["spec"]["maxReplicas"]), (&json!(2), &json!(9)));
    assert_eq!(policy["spec"]["smoothing"], json!({ "type": "None" }), "the stock rule");
    assert_eq!(
        err(&output),
        "# standard input: HorizontalPodAutoscaler/web: spec.metrics: none: both follow CPU at 80 % of the requests\n"
    );
    let smooth = convert(&["-", "--smooth", "-o", "json"], HPA);
    let policy: Value = serde_json::from_slice(&smooth.stdout).unwrap();
    assert_eq!(policy["spec"].get("smoothing"), None, "{policy:#}");
}

#[test]
fn what_is_lost_is_an_error_unless_it_was_asked_for() {
    let output = convert(&["-"], KAFKA);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""), "{}", err(&output));
    let said = err(&output);
    assert!(said.contains("# standard input: ScaledObject/orders: not supported: spec.triggers[1].type: kafka: "), "{said}");
    assert!(said.ends_with("error: not all of it can be carried over; --partial prints what can\n"), "{said}");
    let output = convert(&["-", "--partial"], KAFKA);
    assert_eq!(output.status.code(), Some(1));
    let policy: Value = serde_saphyr::from_str(&out(&output)).unwrap();
    assert_eq!(policy["spec"]["metrics"].as_array().unwrap().len(), 1, "{policy:#}");
}

#[test]
fn several_files_give_several_documents_which_the_other_commands_read() {
    let dir = tempfile::tempdir().unwrap();
    let hpa = file(dir.path(), "hpa.yaml", HPA);
    let keda = file(dir.path(), "keda.yaml", &KAFKA.replace("  - {type: kafka, metadata: {topic: orders}}\n", ""));
    let output = convert(&[hpa.to_str().unwrap(), keda.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let documents: Vec<Value> = serde_saphyr::from_multiple(&out(&output)).unwrap();
    let names: Vec<&str> = documents.iter().filter_map(|document| document["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["web", "orders"]);
    let path = file(dir.path(), "policies.yaml", &out(&output));
    let policy = format!("{}#orders", path.display());
    assert!(ballast::trial::policy_file::policy(&policy, &ballast::api::Defaults::default()).is_ok());
    let list = convert(&[hpa.to_str().unwrap(), keda.to_str().unwrap(), "-o", "json"], "");
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("List"), 2));
}

#[test]
fn wrong_input_is_refused_with_its_place_and_printed_nothing() {
    for (args, stdin, words) in [
        ("-", "a: [", "standard input: "),
        ("-", "{kind: Service, metadata: {name: web}}", "standard input: holds nothing to convert; wanted is an autoscaling"),
        ("missing.yaml", "", "missing.yaml: No such file"),
        ("", "", "give a file, - for standard input"),
        ("-", "{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v3, metadata: {name: web}}", "apiVersion: autoscaling/v3: must be"),
    ] {
        let output = convert(&args.split_whitespace().collect::<Vec<_>>(), stdin);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{args} {}", err(&output));
        assert!(err(&output).starts_with("error: ") && err(&output).contains(words), "{args}: {}", err(&output));
    }
    let twice = format!("{HPA}---\n{HPA}");
    assert!(
        err(&convert(&["-"], &twice)).contains("metadata.name: web: the policy of standard input: HorizontalPodAutoscaler/web has this")
    );
    let same = format!("{HPA}---\n{}", HPA.replace("name: web, namespace", "name: web2, namespace"));
    assert!(err(&convert(&["-"], &same)).contains("spec.scaleTargetRef: Deployment/web: the policy of"));
}

/// Every manifest that the controller is tested with is converted to itself.
#[test]
fn an_hpa_keeps_its_spec() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hpa_manifests");
    let mut tried = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            if document["kind"] != "HorizontalPodAutoscaler" || document["apiVersion"] != "autoscaling/v2" {
                continue;
            }
            let mut converted = spec(&document.to_string()).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(converted.as_object_mut().unwrap().remove("smoothing"), Some(json!({ "type": "None" })));
            let mut written = document["spec"].clone();
            written.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            assert_eq!(converted, written, "{text}");
            tried += 1;
        }
    }
    assert!(tried >= 5, "{tried}");
}

#[test]
fn remarks_are_one_line_each() {
    let text = scaled_object("{min: 1}", "- {type: prometheus, metadata: {serverAddress: 'http://p', query: \"a\\nb\", threshold: '5'}}");
    for remark in said(&text) {
        assert!(remark.starts_with("# ") && !remark.contains('\n'), "{remark}");
    }
}

/// The commands of the guide do what it says of them; only the last one loses something.
#[test]
fn the_commands_of_the_guide_work() {
    let calls = docs_support::calls(&docs_support::page("docs/migration.md"), "convert");
    assert!(calls.len() >= 4, "{calls:?}");
    for call in calls {
        let args: Vec<&str> = call.iter().map(String::as_str).collect();
        let output = convert(&args, "");
        let partial = call.iter().any(|word| word == "--partial");
        assert_eq!(output.status.code(), Some(i32::from(partial)), "{call:?}: {}", err(&output));
        assert!(out(&output).contains("kind: ScalePolicy"), "{call:?}: {}", out(&output));
        assert_eq!(err(&output).contains("not supported: "), partial, "{call:?}: {}", err(&output));
    }
}

#[test]
fn what_was_converted_has_no_faults_for_lint() {
    let dir = tempfile::tempdir().unwrap();
    let output = convert(&["examples/migration/scaledobject.yaml", "examples/migration/hpa.yaml"], "");
    let path = file(dir.path(), "policies.yaml", &out(&output));
    let lint = |path: &Path, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ballast"));
        command.arg("lint").arg(path).args(args).output().unwrap()
    };
    let output = lint(&path, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(out(&output).lines().filter(|line| line.ends_with(": ok")).count(), 3, "{}", out(&output));
    let wrong = file(dir.path(), "wrong.yaml", &HPA.replace("maxReplicas: 9", "maxReplicas: 1"));
    let output = lint(&wrong, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).ends_with(": HorizontalPodAutoscaler/web: error: spec.maxReplicas: 1: must be at least spec.minReplicas (2)\n"));
    let json: Value = serde_json::from_slice(&lint(&wrong, &["-o", "json"]).stdout).unwrap();
    assert_eq!((&json["findings"][0]["severity"], &json["findings"][0]["path"]), (&json!("Error"), &json!("spec.maxReplicas")));
    assert_eq!(lint(Path::new("Cargo.toml"), &[]).status.code(), Some(2));
}
