//! Twin workloads, one under each autoscaler, and what is to be seen of them.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::Value;

use super::table::Row;
use crate::plane_support::{Ballast, Load, MetricsApi, Plane, Source, ensure_namespace, eventually, now};
use crate::twin::{Autoscaler, Scenario, Side, Sizes};

/// A window, a restart and a busy machine; only a failure ever takes this long.
const LONG: Duration = Duration::from_secs(90);

/// What every story needs.
pub struct Stage {
    pub plane: &'static Plane,
    pub metrics: &'static MetricsApi,
    pub stock: Side,
    pub ballast: Side,
    sizes: Sizes,
}

impl Stage {
    pub async fn new(plane: &'static Plane) -> Self {
        let side = |autoscaler, name: &str| Side { autoscaler, namespace: name.to_owned() };
        let (stock, ballast) = (side(Autoscaler::Stock, "beside-hpa"), side(Autoscaler::Ballast, "beside-ballast"));
        for side in [&stock, &ballast] {
            ensure_namespace(&plane.client, &side.namespace).await;
        }
        Self { plane, metrics: plane.metrics().await, stock, ballast, sizes: Sizes::start(&plane.client) }
    }

    /// Creates the same Deployment on both sides and waits until both autoscalers have decided on it.
    pub async fn pair(&self, scenario: Scenario) -> Pair<'_> {
        self.pair_of(scenario.clone(), scenario).await
    }

    /// The same with two policies, for metrics that the two get in different ways.
    pub async fn pair_of(&self, stock: Scenario, ballast: Scenario) -> Pair<'_> {
        let mut pair = Pair { stage: self, name: stock.name, zero: now() };
        for (side, scenario) in [(&self.stock, &stock), (&self.ballast, &ballast)] {
            let workload = side.workload(scenario);
            workload.create(&self.plane.client).await;
            let pods = usize::try_from(workload.replicas).unwrap();
            self.plane.fleet().await.ready(&side.namespace, scenario.name, pods).await;
            side.create_policy(&self.plane.client, scenario, scenario.name).await;
        }
        for side in pair.sides() {
            pair.until(side, "decides", |_, policy| says(policy, "ScalingActive").contains("ValidMetricFound")).await;
        }
        pair.zero = now();
        pair
    }

    /// A total, the same on both sides: one series of an external metric.
    pub fn load(&self, name: &str, metric: &'static str, total: i64) {
        self.metrics.set(name, Source::External { metric, labels: &[] }, Load::Each(1000 * total));
    }
}

/// Twins.
pub struct Pair<'a> {
    pub stage: &'a Stage,
    pub name: &'static str,
    /// When what the story is about began.
    pub zero: Timestamp,
}

impl Pair<'_> {
    pub fn sides(&self) -> [&Side; 2] {
        [&self.stage.stock, &self.stage.ballast]
    }

    /// Sizes so far.
    pub fn sizes(&self, side: &Side) -> Vec<i32> {
        self.stage.sizes.of(&side.namespace, self.name)
    }

    /// Seconds from the beginning to the first change after it.
    pub fn moved_after(&self, side: &Side) -> Option<f64> {
        let moves = self.stage.sizes.timed(&side.namespace, self.name);
        moves.into_iter().find(|(time, _)| *time > self.zero).map(|(time, _)| self.seconds(time))
    }

    /// Seconds from the beginning.
    pub fn seconds(&self, time: Timestamp) -> f64 {
        time.duration_since(self.zero).as_secs_f64()
    }

    /// The policy as it is now.
    pub async fn policy(&self, side: &Side) -> Result<Value, String> {
        let policy = side.policies(&self.stage.plane.client).get(self.name).await.map_err(|error| error.to_string())?;
        serde_json::to_value(policy).map_err(|error| error.to_string())
    }

    /// Waits for sizes and a policy as wanted.
    pub async fn until(&self, side: &Side, what: &str, holds: impl Fn(&[i32], &Value) -> bool) -> Value {
        eventually(&format!("{:?} of {}: {what}", side.autoscaler, self.name), LONG, async || {
            let (policy, sizes) = (self.policy(side).await?, self.sizes(side));
            if holds(&sizes, &policy) { Ok(policy) } else { Err(format!("{sizes:?} {:#}", policy["status"])) }
        })
        .await
    }

    /// Waits for a size.
    pub async fn size(&self, side: &Side, replicas: i32) {
        self.until(side, &format!("has {replicas} replicas"), |sizes, _| sizes.last() == Some(&replicas)).await;
    }

    /// What Ballast's record says of its last decision.
    pub async fn recorded(&self, ballast: &Ballast) -> Result<Value, String> {
        let url = format!("http://{}/debug/policies/{}/{}", ballast.admin, self.stage.ballast.namespace, self.name);
        let response = reqwest::get(url).await.map_err(|error| error.to_string())?;
        let record: Value = response.json().await.map_err(|error| error.to_string())?;
        if record["decision"].is_object() { Ok(record["decision"].clone()) } else { Err(record.to_string()) }
    }

    /// Waits for the Event that tells a new size.
    pub async fn rescale(&self, side: &Side, replicas: i32) -> String {
        let events: Api<Event> = Api::namespaced(self.stage.plane.client.clone(), &side.namespace);
        let about = format!("involvedObject.kind={},involvedObject.name={},reason=SuccessfulRescale", side.kind(), self.name);
        eventually(&format!("Event on {} of size {replicas}", self.name), LONG, async || {
            let list = events.list(&ListParams::default().fields(&about)).await.map_err(|error| error.to_string())?;
            let mut notes = list.items.into_iter().filter_map(|event| event.message);
            notes.find(|note| note.starts_with(&format!("New size: {replicas};"))).ok_or_else(|| "no such Event".to_owned())
        })
        .await
    }

    /// What both did from the beginning on, with what they said at the moment that tells.
    pub fn row(&self, story: &str, stock_said: String, ballast_said: String) -> Row {
        let [stock, ballast] = self.sides().map(|side| self.path(side));
        Row { story: story.to_owned(), stock, stock_said, ballast, ballast_said }
    }

    /// Sizes with the seconds after which each was set.
    fn path(&self, side: &Side) -> String {
        let all = self.stage.sizes.timed(&side.namespace, self.name);
        let step = |(time, size): &(Timestamp, i32)| {
            if *time > self.zero { format!("{size} (after {:.0} s)", self.seconds(*time)) } else { size.to_string() }
        };
        // Of what was before only the size at the beginning.
        let first = all.iter().rposition(|(time, _)| *time <= self.zero).unwrap_or_default();
        all[first..].iter().map(step).collect::<Vec<_>>().join(" → ")
    }
}

/// Reason and message of a condition; of `AbleToScale` and `ScalingActive` both autoscalers have one.
pub fn says(policy: &Value, kind: &str) -> String {
    let all = policy["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    all.iter()
        .find(|condition| condition["type"] == kind)
        .map_or_else(String::new, |condition| format!("{}: {}", text(condition, "reason"), text(condition, "message")))
}

/// Ballast's decision in words.
pub fn decision(policy: &Value) -> String {
    policy["status"]["decision"]["message"].as_str().unwrap_or_default().to_owned()
}
