//! Runs scenarios on both twins at once.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::observe::{Sizes, Told, conditions, told};
use super::scenario::Scenario;
use crate::plane_support::{Fleet, MetricsApi, Plane, Workload, ensure_namespace, settled, wait_established};

/// Longest time for one step: a window of 10 s, rate periods, and a busy machine.
const STEP: Duration = Duration::from_secs(45);
/// Nothing may change for this long after a step: more than two sync periods.
const QUIET: Duration = Duration::from_secs(5);

/// Who scales one twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autoscaler {
    /// kube-controller-manager.
    Stock,
    /// This project.
    Ballast,
}

/// One twin.
pub struct Side {
    /// Who scales it.
    pub autoscaler: Autoscaler,
    /// Where it lives.
    pub namespace: String,
}

impl Side {
    /// Its target.
    pub fn workload(&self, scenario: &Scenario) -> Workload {
        Workload { namespace: self.namespace.clone(), ..scenario.workload.clone() }
    }

    /// Kind of its policy.
    pub fn kind(&self) -> &'static str {
        match self.autoscaler {
            Autoscaler::Stock => "HorizontalPodAutoscaler",
            Autoscaler::Ballast => "ScalePolicy",
        }
    }

    fn resource(&self) -> ApiResource {
        let (group, version, plural) = match self.autoscaler {
            Autoscaler::Stock => ("autoscaling", "v2", "horizontalpodautoscalers"),
            Autoscaler::Ballast => ("ballast.dev", "v1alpha1", "scalepolicies"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.kind()), plural)
    }

    /// API of its policies.
    pub fn policies(&self, client: &Client) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), &self.namespace, &self.resource())
    }

    /// Creates the policy: the same spec on both sides.
    pub async fn create_policy(&self, client: &Client, scenario: &Scenario, name: &str) {
        let mut spec: Value = serde_json::from_str(&scenario.spec.to_string().replace("$name", scenario.name)).unwrap();
        let workload = json!({"apiVersion": "apps/v1", "kind": scenario.workload.kind, "name": scenario.name});
        spec["scaleTargetRef"] = scenario.target.clone().unwrap_or(workload);
        if self.autoscaler == Autoscaler::Ballast && !scenario.smooth {
            spec["smoothing"] = json!({"type": "None"});
        }
        let api = self.policies(client);
        let mut object = DynamicObject::new(name, &self.resource());
        object.data = json!({"spec": spec});
        api.create(&PostParams::default(), &object).await.unwrap_or_else(|e| panic!("policy {name}: {e}"));
    }
}

/// What one side did.
pub struct Outcome {
    /// Sizes from start to end.
    pub sizes: Vec<i32>,
    /// Events.
    pub told: Told,
    /// `currentReplicas` and `desiredReplicas` of the policy's status at the end; the stock API writes 0 for unknown.
    pub status: [i64; 2],
    /// What was not as expected, if anything.
    pub mismatch: Option<String>,
}

impl Outcome {
    /// Whether the other autoscaler did and told the same.
    pub fn same_as(&self, other: &Self, scenario: &Scenario) -> bool {
        let warned = |o: &Self| o.told.warnings.iter().filter(|w| !scenario.may_warn.contains(&w.as_str())).cloned().collect::<Vec<_>>();
        let decided = if scenario.only_first {
            self.sizes[..2] == other.sizes[..2]
        } else {
            (&self.sizes, &self.told.rescales, self.status) == (&other.sizes, &other.told.rescales, other.status)
        };
        decided && warned(self) == warned(other)
    }
}

/// What both sides did.
pub struct Comparison {
    /// Name of the scenario.
    pub scenario: Scenario,
    /// The stock autoscaler's side.
    pub stock: Outcome,
    /// Ballast's side, unless left out.
    pub ballast: Option<Outcome>,
}

/// Everything that scenarios need.
pub struct Twins {
    /// The plane.
    pub plane: &'static Plane,
    /// Its pods.
    pub fleet: &'static Fleet,
    /// Its metrics.
    pub metrics: &'static MetricsApi,
    sizes: Sizes,
    /// Only so many scenarios are set up at once, else the first policies are late.
    setups: Semaphore,
    with_ballast: bool,
}

impl Twins {
    /// Prepares the plane.
    pub async fn new(plane: &'static Plane, with_ballast: bool) -> Self {
        let (fleet, metrics) = (plane.fleet().await, plane.metrics().await);
        let sizes = Sizes::start(&plane.client);
        let crd: CustomResourceDefinition = serde_saphyr::from_str(include_str!("widget.yaml")).unwrap();
        let crds: Api<CustomResourceDefinition> = Api::all(plane.client.clone());
        crds.create(&PostParams::default(), &crd).await.unwrap();
        wait_established(&crds, "widgets.twin.test").await;
        Self { plane, fleet, metrics, sizes, setups: Semaphore::new(8), with_ballast }
    }

    /// The sides of a scenario.
    pub fn sides(&self, scenario: &Scenario) -> Vec<Side> {
        let place = if scenario.alone { format!("-{}", scenario.name) } else { String::new() };
        let mut sides = vec![Side { autoscaler: Autoscaler::Stock, namespace: format!("twin-hpa{place}") }];
        if self.with_ballast {
            sides.push(Side { autoscaler: Autoscaler::Ballast, namespace: format!("twin-ballast{place}") });
        }
        sides
    }

    /// Creates a target of the kind `Widget`.
    pub async fn create_widget(&self, side: &Side, name: &str, selector: &str) {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("twin.test", "v1", "Widget"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.plane.client.clone(), &side.namespace, &resource);
        let mut widget = DynamicObject::new(name, &resource);
        widget.data = json!({"spec": {"replicas": 2}, "status": {"replicas": 2, "selector": selector}});
        let created = api.create(&PostParams::default(), &widget).await.unwrap();
        widget.metadata.resource_version = created.metadata.resource_version;
        api.replace_status(name, &PostParams::default(), &widget).await.unwrap();
    }

    /// Runs one scenario on all sides.
    pub async fn run(&self, scenario: Scenario) -> Comparison {
        let sides = self.sides(&scenario);
        self.prepare(&scenario, &sides).await;
        let mut mismatches: Vec<Option<String>> = vec![None; sides.len()];
        let mut expected: Vec<Vec<i32>> =
            vec![if scenario.target.is_some() { vec![] } else { vec![scenario.workload.replicas] }; sides.len()];
        for (i, step) in scenario.steps.iter().enumerate() {
            for act in &step.acts {
                act.perform(self, &scenario).await;
            }
            let checks = sides.iter().zip(expected.iter_mut()).zip(mismatches.iter_mut()).map(async |((side, expected), mismatch)| {
                if mismatch.is_none() {
                    let (added, wanted) = scenario.expectation(side.autoscaler, i);
                    expected.extend(added);
                    *mismatch = self.check(&scenario, side, expected, wanted).await.err().map(|seen| format!("step {}: {seen}", i + 1));
                }
            });
            futures::future::join_all(checks).await;
        }
        self.compare(scenario, &sides, mismatches).await
    }

    /// Events come late on a busy machine: what does not fit yet is read again for a while.
    async fn compare(&self, scenario: Scenario, sides: &[Side], mismatches: Vec<Option<String>>) -> Comparison {
        let mut tries = 60;
        loop {
            let mut outcomes = Vec::new();
            for (side, mismatch) in sides.iter().zip(&mismatches) {
                outcomes.push(self.outcome(&scenario, side, mismatch.clone()).await);
            }
            let ballast = (outcomes.len() > 1).then(|| outcomes.remove(1));
            let stock = outcomes.remove(0);
            let differs = scenario.differs.is_none() && ballast.as_ref().is_some_and(|b| !b.same_as(&stock, &scenario));
            let wrong = stock.mismatch.is_some() || ballast.as_ref().is_some_and(|b| b.mismatch.is_some());
            tries -= 1;
            if tries == 0 || mismatches.iter().any(Option::is_some) || !(differs || wrong) {
                return Comparison { scenario, stock, ballast };
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn prepare(&self, scenario: &Scenario, sides: &[Side]) {
        let _turn = self.setups.acquire().await.unwrap();
        self.fleet.shape(scenario.name, &scenario.shape).await;
        for side in sides {
            ensure_namespace(&self.plane.client, &side.namespace).await;
            if scenario.target.is_none() {
                side.workload(scenario).create(&self.plane.client).await;
                let alive = scenario.alive_at_first();
                self.fleet.ready(&side.namespace, scenario.name, alive).await;
            }
        }
        for act in &scenario.setup {
            act.perform(self, scenario).await;
        }
        for side in sides {
            if scenario.target.is_none() {
                self.fleet.ready(&side.namespace, scenario.name, scenario.alive.unwrap_or(scenario.alive_at_first())).await;
            }
        }
        // The controllers' own caches follow within this time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for side in sides {
            side.create_policy(&self.plane.client, scenario, scenario.name).await;
        }
    }

    async fn check(&self, scenario: &Scenario, side: &Side, expected: &[i32], wanted: &str) -> Result<(), String> {
        let policies = side.policies(&self.plane.client);
        settled(STEP, QUIET, async || {
            let policy = policies.get(scenario.name).await.map_err(|e| e.to_string())?;
            let (sizes, seen) = (self.sizes.of(&side.namespace, scenario.name), conditions(&policy));
            let only_first = scenario.only_first && side.autoscaler == Autoscaler::Ballast;
            if (sizes == expected && fits(&seen, wanted)) || (only_first && sizes.starts_with(expected)) {
                return Ok(());
            }
            let messages = policy.data["status"]["conditions"].as_array().into_iter().flatten().map(|c| c["message"].to_string());
            Err(format!("sizes {sizes:?} {seen}; expected {expected:?} {wanted}; {}", messages.collect::<Vec<_>>().join(" ")))
        })
        .await
    }

    async fn outcome(&self, scenario: &Scenario, side: &Side, mut mismatch: Option<String>) -> Outcome {
        let warnings = scenario.expected_warnings(side.autoscaler);
        let sizes = self.sizes.of(&side.namespace, scenario.name);
        let on_policy = told(&self.plane.client, &side.namespace, side.kind(), scenario.name).await;
        let seen: Vec<&str> = on_policy.warnings.iter().map(String::as_str).collect();
        let needed: Vec<&str> = seen.iter().copied().filter(|reason| !scenario.may_warn.contains(reason)).collect();
        if mismatch.is_none() && needed != warnings {
            mismatch = Some(format!("warnings {seen:?}; expected {warnings:?}"));
        }
        // Ballast also tells the workload itself.
        if mismatch.is_none() && side.autoscaler == Autoscaler::Ballast && scenario.target.is_none() {
            let on_target = told(&self.plane.client, &side.namespace, scenario.workload.kind, scenario.name).await;
            if on_target.rescales != on_policy.rescales {
                mismatch = Some(format!("Events on the target {:?}; on the policy {:?}", on_target.rescales, on_policy.rescales));
            }
        }
        let policy = side.policies(&self.plane.client).get(scenario.name).await.unwrap();
        let status = ["currentReplicas", "desiredReplicas"].map(|field| policy.data["status"][field].as_i64().unwrap_or_default());
        Outcome { sizes, told: on_policy, status, mismatch }
    }
}

fn fits(seen: &str, wanted: &str) -> bool {
    seen.split(' ').zip(wanted.split(' ')).all(|(seen, wanted)| wanted == "*" || seen == wanted)
}

impl Scenario {
    fn alive_at_first(&self) -> usize {
        usize::try_from(self.workload.replicas).unwrap()
    }

    fn expectation(&self, autoscaler: Autoscaler, step: usize) -> (Vec<i32>, &str) {
        match &self.differs {
            Some(difference) if autoscaler == Autoscaler::Ballast && !difference.steps.is_empty() => {
                let (sizes, conditions) = &difference.steps[step];
                (sizes.clone(), conditions)
            }
            _ => (self.steps[step].sizes.clone(), &self.steps[step].conditions),
        }
    }

    fn expected_warnings(&self, autoscaler: Autoscaler) -> Vec<&'static str> {
        let own = self.differs.as_ref().and_then(|d| d.warnings.clone()).filter(|_| autoscaler == Autoscaler::Ballast);
        let mut warnings = own.unwrap_or_else(|| self.warnings.clone());
        warnings.sort_unstable();
        warnings
    }
}
