//! The dashboards: valid, every question one that Prometheus understands, about metrics and labels that there are.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod deploy_support;
mod exposition_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use deploy_support::{Release, chart, root, tool};
use exposition_support::exposition;
use exposition_support::source_support::prometheus::{Prometheus, Web, exporter};
use exposition_support::source_support::provider;
use promql_parser::parser::{Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::{Value, json};

/// Labels that Prometheus adds to what it scrapes, and the bounds of histograms.
const ADDED: [&str; 4] = ["job", "instance", "exported_namespace", "le"];

fn files() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("deploy/dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = folder.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    files
}

fn boards() -> Vec<Value> {
    files().iter().map(|file| serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()).collect()
}

/// Every question of the dashboards with its place, the variables filled in.
fn questions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for board in boards() {
        let title = board["title"].as_str().unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                found.push((format!("{title}: {}", panel["title"]), target["expr"].as_str().unwrap().to_owned()));
            }
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let inner = query.strip_prefix("query_result(").and_then(|rest| rest.strip_suffix(')'));
            let metric = || query.strip_prefix("label_values(").and_then(|rest| rest.split_once(',')).map(|(metric, _)| metric);
            found.push((format!("{title}: variable {}", variable["name"]), inner.or_else(metric).unwrap().to_owned()));
        }
    }
    let values = [
        ("$__rate_interval", "5m"),
        ("$__range_s", "21600"),
        ("$__range", "6h"),
        ("$job", ".+"),
        ("$namespace", "shop"),
        ("$policy", "web"),
    ];
    for (place, question) in &mut found {
        *question = values.iter().fold(std::mem::take(question), |text, (name, value)| text.replace(name, value));
        assert!(!question.replace("$1", "").contains('$'), "{place}: {question}");
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

#[test]
fn prometheus_understands_every_question() {
    let rules: Vec<Value> = questions()
        .iter()
        .enumerate()
        .map(|(number, (_, question))| json!({ "record": format!("ballast:question:{number}"), "expr": question }))
        .collect();
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let check = |rules: &[Value]| {
        fs::write(file.path(), json!({ "groups": [{ "name": "dashboards", "rules": rules }] }).to_string()).unwrap();
        Command::new(tool("promtool")).args(["check", "rules"]).arg(file.path()).output().unwrap()
    };
    let output = check(&rules);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains(&format!("{} rules found", rules.len())), "{text}");
    assert!(!check(&[json!({ "record": "x", "expr": "sum(rate(ballast_policies[5m])" })]).status.success(), "a wrong one is refused");
}

/// What a Prometheus that scrapes a controller answers. Nothing is wrong with that controller, so what lists faults is empty.
#[tokio::test]
async fn the_questions_have_answers() {
    provider();
    // Counters rise with each scrape.
    let rising = |line: &str| match line.rsplit_once(' ') {
        Some((series, _)) if series.contains("_total") && !line.starts_with('#') => format!("{series} {{scrapes}}\n"),
        _ => format!("{line}\n"),
    };
    let text: &'static str = Box::leak(exposition().await.lines().map(rising).collect::<String>().into_boxed_str());
    let server = Prometheus::start(Some(exporter(text).await), Web::default()).await;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let ask = async |question: &str| -> Value {
        let answer = http.post(format!("{}/api/v1/query", server.url)).form(&[("query", question)]).send().await.unwrap();
        answer.json().await.unwrap()
    };
    for _ in 0..150 {
        if ask("count_over_time(ballast_policies[1m]) > 3").await["data"]["result"].as_array().is_some_and(|found| !found.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let lists_faults = ["Farthest from their size", "Changed most often in this time", "Failed requests", "Sources without an answer"];
    for (place, question) in questions() {
        let answer = ask(&question).await;
        assert_eq!(answer["status"], "success", "{place}: {question}: {answer}");
        let may_be_empty = lists_faults.iter().any(|title| place.contains(title));
        assert!(may_be_empty || answer["data"]["result"] != json!([]), "{place}: {question} has no answer");
    }
}

/// The selectors of an expression.
#[derive(Default)]
struct Selectors(Vec<VectorSelector>);

impl ExprVisitor for Selectors {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        match expr {
            Expr::VectorSelector(selector) => self.0.push(selector.clone()),
            Expr::MatrixSelector(selector) => self.0.push(selector.vs.clone()),
            _ => {}
        }
        Ok(true)
    }
}

#[test]
fn every_question_is_about_metrics_and_labels_that_there_are() {
    let table = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").collect::<Vec<_>>());
    let known: BTreeMap<&str, BTreeSet<&str>> = rows
        .map(|row| (row[0].trim_start_matches("| ").trim_matches('`'), row[2].split(", ").map(|label| label.trim_matches('`')).collect()))
        .collect();
    let mut asked = BTreeSet::new();
    for (place, question) in questions() {
        let expr = promql_parser::parser::parse(&question).unwrap_or_else(|error| panic!("{place}: {error}"));
        let mut selectors = Selectors::default();
        walk_expr(&mut selectors, &expr).unwrap();
        let mut labels = BTreeSet::from(ADDED);
        for selector in &selectors.0 {
            let metric = selector.name.as_deref().unwrap();
            let own =
                known.get(metric.trim_end_matches("_bucket")).unwrap_or_else(|| panic!("{place}: {metric} is not in docs/metrics.md"));
            for matcher in &selector.matchers.matchers {
                assert!(own.contains(&*matcher.name) || ADDED.contains(&&*matcher.name), "{place}: {metric} has no label {}", matcher.name);
            }
            labels.extend(own);
            asked.insert(metric.to_owned());
        }
        // What is grouped by is a label of something that is asked for.
        for group in question.split(" by (").skip(1) {
            for label in group.split(')').next().unwrap().split(", ") {
                assert!(labels.contains(label), "{place}: nothing has the label {label}");
            }
        }
    }
    // What the controller tells is shown, but for what only experts of one thing read.
    let left_out = ["ballast_shards_led", "ballast_look_word"];
    let missing: Vec<_> = known
        .keys()
        .filter(|metric| metric.starts_with("ballast_") && !left_out.contains(*metric))
        .filter(|metric| !asked.contains(**metric) && !asked.contains(&format!("{metric}_bucket")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn panels_have_their_own_place_and_the_readers_data_source() {
    let mut uids = BTreeSet::new();
    for board in boards() {
        assert!(uids.insert(board["uid"].to_string()) && board["id"].is_null(), "{}", board["title"]);
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in board["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].to_string()), "{panel}");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
            assert!(x + w <= 24, "{panel}");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{}: {} overlaps", board["title"], panel["title"]);
            }
            let sources = panel["targets"].as_array().into_iter().flatten().map(|target| &target["datasource"]);
            for source in sources.chain((panel["type"] != "row").then_some(&panel["datasource"])) {
                assert_eq!(*source, json!({ "type": "prometheus", "uid": "${datasource}" }));
            }
        }
    }
    let link = boards()[0].to_string();
    assert!(link.contains(&format!("/d/{}?", boards()[1]["uid"].as_str().unwrap())));
}

#[test]
fn the_chart_has_the_same_dashboards() {
    for file in files() {
        let copy = chart().join("files/dashboards").join(file.file_name().unwrap());
        assert!(fs::read_to_string(copy).unwrap_or_default() == fs::read_to_string(&file).unwrap(), "run deploy/render.sh");
    }
    assert!(Release::new(None, &[]).of("ConfigMap").iter().all(|map| map["metadata"]["labels"].get("grafana_dashboard").is_none()));
    let set = "dashboards.enabled=true,dashboards.namespace=monitoring,dashboards.annotations.grafana_folder=Ballast";
    let release = Release::new(None, &["--set", set]);
    let maps = release.of("ConfigMap");
    let map = maps.iter().find(|map| map["metadata"]["name"] == "ballast-dashboards").unwrap();
    assert_eq!((&map["metadata"]["namespace"], &map["metadata"]["labels"]["grafana_dashboard"]), (&json!("monitoring"), &json!("1")));
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Ballast");
    let shipped: Vec<Value> = ["ballast-overview.json", "ballast-policy.json"]
        .map(|name| serde_json::from_str(map["data"][name].as_str().unwrap()).unwrap())
        .into();
    assert_eq!(shipped, boards());
}
