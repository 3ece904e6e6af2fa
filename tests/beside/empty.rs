//! A metric that vanishes while its Prometheus lives: the exporter is gone, a label was renamed, a scrape job was dropped.
//!
//! The stock autoscaler sees Prometheus only through an adapter, so its result is the adapter's. Three are played here:
//! - prometheus-adapter answers a query without series with 200 and an empty list;
//! - KEDA's scaler answers it with one sample of 0 (`ignoreNullValues`, by default true), as does any query with `or vector(0)`;
//! - KEDA with `ignoreNullValues: "false"` answers with an error.

use serde_json::{Value, json};

use super::pair::{Pair, Stage, decision, says};
use super::table::Row;
use crate::plane_support::{Fault, Level, now};
use crate::twin::{Scenario, external, spec};

/// How an adapter tells that a query gave nothing.
#[derive(Clone, Copy)]
enum Answer {
    EmptyList,
    Zero,
    Error,
}

/// Name of the pair, the adapter, and its answer.
const ADAPTERS: [(&str, &str, Answer); 3] = [
    ("empty-list", "prometheus-adapter: empty list", Answer::EmptyList),
    ("empty-zero", "KEDA: 0", Answer::Zero),
    ("empty-error", "KEDA, ignoreNullValues false: error", Answer::Error),
];

/// All three.
pub async fn run(stage: &Stage) -> Vec<Row> {
    futures::future::join_all(ADAPTERS.map(async |(name, adapter, answer)| vanish(stage, name, adapter, answer).await)).await
}

/// Six pods with enough to do, by the same number from both sources.
async fn begin<'a>(stage: &'a Stage, name: &'static str) -> Pair<'a> {
    stage.load(name, "queue", 600);
    let prometheus = stage.plane.prometheus().await;
    prometheus.set(&series(name), Level::At(600.0));
    prometheus.shows(&query(name), "600").await;
    let asked = json!({"type": "Prometheus", "prometheus": {
        "name": "queue-length", "query": query(name), "target": {"type": "AverageValue", "averageValue": "100"},
    }});
    let scenario = |metric: Value| Scenario::first(name, 6, spec(1, 20, &[metric]));
    stage.pair_of(scenario(external("queue", "AverageValue", "100")), scenario(asked)).await
}

fn series(name: &str) -> String {
    format!("queue{{app=\"{name}\"}}")
}

fn query(name: &str) -> String {
    format!("sum({})", series(name))
}

async fn vanish(stage: &Stage, name: &'static str, adapter: &str, answer: Answer) -> Row {
    let mut pair = begin(stage, name).await;
    let prometheus = stage.plane.prometheus().await;
    pair.zero = now();
    prometheus.remove(&series(name));
    match answer {
        Answer::EmptyList => stage.metrics.fault(name, "queue", Some(Fault::Empty)),
        Answer::Error => stage.metrics.fault(name, "queue", Some(Fault::Status(500))),
        Answer::Zero => stage.load(name, "queue", 0),
    }
    let unknown = |_: &[i32], policy: &Value| policy["status"]["decision"]["verdict"] == "Unknown";
    let said = pair.until(&stage.ballast, "does not know", unknown).await;
    let active = says(&said, "ScalingActive");
    assert!(active.starts_with("FailedGetPrometheusMetric") && active.contains("queue-length") && active.contains("no series"), "{active}");
    let stock_said = if matches!(answer, Answer::Zero) {
        // A window after the last proposal of 6.
        pair.size(&stage.stock, 1).await;
        pair.rescale(&stage.stock, 1).await
    } else {
        let failed = |_: &[i32], policy: &Value| says(policy, "ScalingActive").starts_with("FailedGetExternalMetric");
        let policy = pair.until(&stage.stock, "does not know", failed).await;
        // As long as the window of the others.
        tokio::time::sleep(std::time::Duration::from_secs(25)).await;
        says(&policy, "ScalingActive")
    };
    assert_eq!(pair.sizes(&stage.ballast), [6], "nobody knows the load");

    // It ends by itself.
    prometheus.set(&series(name), Level::At(600.0));
    stage.metrics.fault(name, "queue", None);
    stage.load(name, "queue", 600);
    for side in pair.sides() {
        pair.until(side, "knows again", |_, policy| says(policy, "ScalingActive").contains("ValidMetricFound")).await;
        pair.size(side, 6).await;
    }
    assert_eq!(pair.sizes(&stage.ballast), [6]);
    pair.row(&format!("query without result ({adapter})"), stock_said, decision(&said))
}
