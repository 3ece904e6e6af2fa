//! From other autoscalers' objects to policies: HPA of all versions, KEDA `ScaledObject`s, rules of prometheus-adapter.
//!
//! An HPA's spec is a policy's spec, so documents are turned into documents: what needs no change stays as it was written, and the result is
//! read and compiled as the controller does it.
//!
//! | module | what lives there |
//! |---|---|
//! | [`hpa`], [`old`] | HPAs, and metrics in the form before `autoscaling/v2` |
//! | [`keda`] | `ScaledObject`s with their triggers |
//! | [`adapter`] | rules of prometheus-adapter as queries |
//! | [`remark`] | what a reader should know of each field |

mod adapter;
mod hpa;
mod keda;
mod metadata;
mod old;
mod remark;

use serde_json::{Value, json};

use crate::api::{Defaults, FieldError};
use crate::trial::TrialError;
use crate::trial::policy_file::{Written, written};

pub use adapter::Rules;
pub use hpa::owner;
pub use remark::{Level, Remark, Remarks};

/// Choices of the one who converts.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Ballast's own estimator instead of the stock rule. The stock rule is the default: a policy that does what the HPA did is compared with
    /// it field by field, and smoothing is switched on afterwards, as a change of its own.
    pub smooth: bool,
    /// Source of all Prometheus metrics; default: `default` for an adapter's rules, and a `MetricSource` per server for KEDA's triggers.
    pub source: Option<String>,
}

/// Documents of one file or server.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where they come from, for messages.
    pub place: String,
    /// The documents.
    pub documents: Vec<Value>,
}

/// What became of the inputs.
#[derive(Debug, Default)]
pub struct Converted {
    /// `ScalePolicy` and `MetricSource` objects, in the order of the inputs; sources stand before the first policy that asks them.
    pub objects: Vec<Value>,
    /// The policies among them, compiled.
    pub policies: Vec<Written>,
    /// What is different, and what is lost.
    pub remarks: Vec<Remark>,
}

/// One converted object, before it is checked.
struct Made {
    spec: Value,
    sources: Vec<Value>,
}

impl Converted {
    /// Whether something of the inputs has no place in the policies.
    pub fn is_partial(&self) -> bool {
        self.remarks.iter().any(|remark| remark.level == Level::Lost)
    }
}

/// Converts all that can be among the inputs. Rules of prometheus-adapter among them answer for the metrics of all HPAs.
///
/// # Errors
/// Nothing to convert, or the first object with faults, all of them with path, value and what is allowed.
pub fn convert(inputs: &[Input], options: &Options, defaults: &Defaults) -> Result<Converted, TrialError> {
    let mut rules = Rules::default();
    for input in inputs {
        for document in &input.documents {
            rules.read(&input.place, document)?;
        }
    }
    let mut all = Converted::default();
    for input in inputs {
        for document in &input.documents {
            one(&input.place, document, &rules, options, defaults, &mut all)?;
        }
    }
    all.remarks.extend(rules.remarks());
    if all.policies.is_empty() && !all.is_partial() {
        let places: Vec<&str> = inputs.iter().map(|input| input.place.as_str()).collect();
        let wanted = "an autoscaling HorizontalPodAutoscaler or a keda.sh ScaledObject";
        let only = if rules.is_empty() { "" } else { "; rules of prometheus-adapter alone name no workload: give the HPAs as well" };
        return Err(TrialError::form(places.join(", "), format!("holds nothing to convert; wanted is {wanted}{only}")));
    }
    Ok(all)
}

fn one(file: &str, document: &Value, rules: &Rules, options: &Options, defaults: &Defaults, all: &mut Converted) -> Result<(), TrialError> {
    let kind = document["kind"].as_str().unwrap_or_default();
    let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let place = if name.is_empty() { format!("{file}: {kind}") } else { format!("{file}: {kind}/{name}") };
    let refused = |errors| TrialError::Fields { place: place.clone(), errors };
    let mut remarks = Remarks::new(&place);
    let made = match kind {
        "HorizontalPodAutoscaler" => match hpa::owner(document) {
            Some(owner) => {
                remarks.note("metadata.ownerReferences", owner, "belongs to this object, which makes it anew: convert that one instead");
                None
            }
            None => Some(hpa::convert(document, rules, options, &mut remarks).map_err(refused)?),
        },
        "ScaledObject" => Some(keda::convert(document, options, &mut remarks).map_err(refused)?),
        "ScaledJob" => {
            remarks.lost("kind", kind, "starts Jobs and keeps no workload at a size: stay with KEDA for it");
            None
        }
        "TriggerAuthentication" | "ClusterTriggerAuthentication" => {
            remarks.note(
                "kind",
                kind,
                "credentials are written into the MetricSource, as references to Secrets: see docs/scale-sources.md",
            );
            None
        }
        _ => None,
    };
    if let Some(Made { mut spec, sources }) = made {
        if !options.smooth {
            spec["smoothing"] = json!({ "type": "None" });
        }
        let policy = json!({
            "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "spec": spec,
            "metadata": metadata::of(document, &mut remarks).map_err(refused)?,
        });
        let mut compiled = written(file, &policy, defaults).map_err(|error| match error {
            TrialError::Fields { errors, .. } => refused(errors),
            other => other,
        })?;
        compiled.place.clone_from(&place);
        for warning in &compiled.compiled.warnings {
            remarks.note(&warning.path, &warning.value, &warning.message);
        }
        twice(&place, &compiled, all)?;
        for source in sources {
            let same = |object: &&Value| object["kind"] == source["kind"] && object["metadata"] == source["metadata"];
            match all.objects.iter().find(same) {
                Some(other) if *other == source => {}
                Some(other) => {
                    let message =
                        format!("the source {} asks {} already: choose one with --source", source["metadata"]["name"], other["spec"]);
                    return Err(refused(vec![FieldError::new("spec.triggers", &source["spec"], message)]));
                }
                None => all.objects.push(source),
            }
        }
        all.objects.push(policy);
        all.policies.push(compiled);
    }
    all.remarks.extend(remarks.into_inner());
    Ok(())
}

/// Refuses a second policy of one name or for one target.
fn twice(place: &str, new: &Written, all: &Converted) -> Result<(), TrialError> {
    let namespace = |written: &Written| written.policy.metadata.namespace.clone();
    for old in all.policies.iter().filter(|old| namespace(old) == namespace(new)) {
        let fault = if old.name == new.name {
            FieldError::new("metadata.name", &new.name, format!("the policy of {} has this name already", old.place))
        } else if old.compiled.target == new.compiled.target {
            FieldError::new("spec.scaleTargetRef", &new.compiled.target, format!("the policy of {} has this target already", old.place))
        } else {
            continue;
        };
        return Err(TrialError::Fields { place: place.to_owned(), errors: vec![fault] });
    }
    Ok(())
}
