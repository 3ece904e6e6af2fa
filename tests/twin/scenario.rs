//! What a scenario is: a workload, a policy, inputs, and what the stock autoscaler does with them step by step.

use serde_json::{Value, json};

use super::act::Act;
use crate::plane_support::{Fault, Load, PodState, Source, Workload};

/// Conditions after a sync in which nothing was held back: reasons of `AbleToScale`, `ScalingActive`, `ScalingLimited`.
pub const FINE: &str = "ReadyForNewScale ValidMetricFound DesiredWithinRange";

/// One pair of twins.
#[derive(Clone)]
pub struct Scenario {
    /// A DNS label; also the name of all its objects.
    pub name: &'static str,
    /// The target; each twin has it in its own namespace.
    pub workload: Workload,
    /// `scaleTargetRef` where it is not the workload.
    pub target: Option<Value>,
    /// `autoscaling/v2` spec without `scaleTargetRef`; `$name` stands for the scenario's name.
    pub spec: Value,
    /// States of the pods, by number.
    pub shape: Vec<PodState>,
    /// Done before the policy is created: with them the twins look as the scenario wants.
    pub setup: Vec<Act>,
    /// Live pods after the setup, if not as many as `spec.replicas`.
    pub alive: Option<usize>,
    /// Ballast's policy keeps the default smoothing; else it has `smoothing: {type: None}`.
    pub smooth: bool,
    /// What follows the first decision is Ballast's smoothing, which still knows a demand that is no longer measured.
    pub only_first: bool,
    /// Namespaces of its own, for faults that hit a whole list.
    pub alone: bool,
    /// What is done and expected, in order.
    pub steps: Vec<Step>,
    /// Reasons of the stock autoscaler's Warnings, over the whole scenario.
    pub warnings: Vec<&'static str>,
    /// Warnings that depend on when exactly an autoscaler looks.
    pub may_warn: Vec<&'static str>,
    /// A deliberate difference of Ballast.
    pub differs: Option<Difference>,
}

/// One step.
#[derive(Clone, Default)]
pub struct Step {
    /// Done at its beginning.
    pub acts: Vec<Act>,
    /// Sizes the workload then has, one after the other, without the one it has already.
    pub sizes: Vec<i32>,
    /// Conditions at its end, as in [`FINE`]; `-` for one that is not set, `*` for one that depends on
    /// when exactly an autoscaler looks.
    pub conditions: String,
}

/// Where Ballast is meant to act differently.
#[derive(Clone)]
pub struct Difference {
    /// Why; the same words as in docs/differences-from-hpa.md.
    pub reason: &'static str,
    /// Replaces the steps' expectations; same number of steps.
    pub steps: Vec<(Vec<i32>, String)>,
    /// Replaces the warnings.
    pub warnings: Option<Vec<&'static str>>,
}

impl Scenario {
    /// A trajectory: Ballast runs it with `smoothing: {type: None}`.
    pub fn new(name: &'static str, replicas: i32, spec: Value) -> Self {
        Self {
            name,
            workload: Workload::deployment("", name, replicas),
            target: None,
            spec,
            shape: Vec::new(),
            setup: Vec::new(),
            alive: None,
            smooth: false,
            only_first: false,
            alone: false,
            steps: vec![Step { conditions: FINE.into(), ..Step::default() }],
            warnings: Vec::new(),
            may_warn: Vec::new(),
            differs: None,
        }
    }

    /// A first decision: Ballast runs it with its default smoothing.
    pub fn first(name: &'static str, replicas: i32, spec: Value) -> Self {
        Self { smooth: true, ..Self::new(name, replicas, spec) }
    }

    /// A first decision after which the measured demand falls, so that what comes next is smoothed.
    pub fn only_first(self) -> Self {
        self.with(|s| s.only_first = true)
    }

    /// Sets fields that few scenarios need.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// States of the pods.
    pub fn shape(self, states: &[PodState]) -> Self {
        self.with(|s| s.shape = states.to_vec())
    }

    /// A load from the start.
    pub fn load(self, source: Source, load: Load) -> Self {
        self.with(|s| s.setup.push(Act::Load(source, load)))
    }

    /// A fault from the start.
    pub fn fault(self, metric: &'static str, fault: Fault) -> Self {
        self.with(|s| s.setup.push(Act::Fault(metric, Some(fault))))
    }

    /// Part of the setup.
    pub fn setup(self, act: Act) -> Self {
        self.with(|s| s.setup.push(act))
    }

    /// Begins a new step.
    pub fn then(self, act: Act) -> Self {
        self.with(|s| s.steps.push(Step { acts: vec![act], conditions: FINE.into(), ..Step::default() }))
    }

    /// Adds to the step.
    pub fn and(self, act: Act) -> Self {
        self.with(|s| s.steps.last_mut().unwrap().acts.push(act))
    }

    /// Sizes in this step.
    pub fn sizes(self, sizes: &[i32]) -> Self {
        self.with(|s| s.steps.last_mut().unwrap().sizes = sizes.to_vec())
    }

    /// Conditions at the end of this step.
    pub fn conditions(self, conditions: &str) -> Self {
        self.with(|s| conditions.clone_into(&mut s.steps.last_mut().unwrap().conditions))
    }

    /// Warnings of the stock autoscaler.
    pub fn warnings(self, warnings: &[&'static str]) -> Self {
        self.with(|s| s.warnings = warnings.to_vec())
    }

    /// Ballast's sizes and conditions in all steps, where they are meant to differ.
    pub fn differs(self, reason: &'static str, steps: &[(&[i32], &str)]) -> Self {
        let steps = steps.iter().map(|(sizes, conditions)| (sizes.to_vec(), (*conditions).to_owned())).collect();
        self.with(|s| s.differs = Some(Difference { reason, steps, warnings: None }))
    }
}

// === parts of a spec ===

/// A spec without behavior.
pub fn spec(min: i32, max: i32, metrics: &[Value]) -> Value {
    json!({"minReplicas": min, "maxReplicas": max, "metrics": metrics})
}

/// The same with behavior.
pub fn behaving(min: i32, max: i32, metrics: &[Value], behavior: &Value) -> Value {
    json!({"minReplicas": min, "maxReplicas": max, "metrics": metrics, "behavior": behavior})
}

fn target(kind: &str, value: &Value) -> Value {
    let field = match kind {
        "Utilization" => "averageUtilization",
        "AverageValue" => "averageValue",
        _ => "value",
    };
    json!({"type": kind, field: value})
}

/// A Resource metric.
pub fn resource(name: &str, kind: &str, value: &Value) -> Value {
    json!({"type": "Resource", "resource": {"name": name, "target": target(kind, value)}})
}

/// CPU utilization in percent.
pub fn cpu(percent: i32) -> Value {
    resource("cpu", "Utilization", &json!(percent))
}

/// A `ContainerResource` metric on CPU.
pub fn container_cpu(container: &str, kind: &str, value: &Value) -> Value {
    json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "container": container, "target": target(kind, value)}})
}

/// A Pods metric.
pub fn pods(metric: &str, average: &str) -> Value {
    json!({"type": "Pods", "pods": {"metric": {"name": metric}, "target": target("AverageValue", &json!(average))}})
}

/// A metric of the Service that is called like the scenario.
pub fn object(metric: &str, kind: &str, value: &str) -> Value {
    let described = json!({"apiVersion": "v1", "kind": "Service", "name": "$name"});
    json!({"type": "Object", "object": {"metric": {"name": metric}, "describedObject": described, "target": target(kind, &json!(value))}})
}

/// An External metric.
pub fn external(metric: &str, kind: &str, value: &str) -> Value {
    json!({"type": "External", "external": {"metric": {"name": format!("{metric}.$name")}, "target": target(kind, &json!(value))}})
}

// === parts of the inputs ===

/// `scaleTargetRef` of a `Widget`.
pub fn widget(name: &str) -> Value {
    json!({"apiVersion": "twin.test/v1", "kind": "Widget", "name": name})
}

/// CPU of the only container.
pub const CPU: Source = Source::Cpu { container: "app" };
/// Memory of the only container.
pub const MEMORY: Source = Source::Memory { container: "app" };

/// A load that asks for one change when there are `pods`, and is content with any other number.
pub fn once(pods: usize, value: i64, otherwise: i64) -> Load {
    Load::At { pods, value, otherwise }
}

/// The same with a value for each pod.
pub fn each(alive: usize, values: &[Option<i64>], otherwise: i64) -> Load {
    Load::Pods { alive, values: values.to_vec(), otherwise }
}
