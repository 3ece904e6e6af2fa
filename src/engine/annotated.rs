//! Annotations on workloads become policies owned by them, so that everything downstream is one path.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Error};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::said::Said;
use crate::api::annotations::{self, is_annotation_owned, policy_name};
use crate::api::{ScalePolicy, TargetRef, join};
use crate::clock::Clock;
use crate::cluster::{CALL_TIMEOUT, EventType, Index, Key, MANAGER, ObjectRef, Recorder, Shards, Workload, WorkloadKey, in_words};

/// Pause before a workload is read again after the API server refused.
const RETRY: Duration = Duration::from_secs(5);

/// The task that keeps owned policies in step with annotations.
pub struct Annotated {
    /// Watched state.
    pub index: Arc<Index>,
    /// Writes policies.
    pub client: Client,
    /// Events on workloads.
    pub events: Recorder,
    /// A workload's annotations are read by whoever leads the workload's own shard.
    pub shards: Shards,
    /// Time.
    pub clock: Clock,
    /// Kinds whose annotations are read, by name.
    pub kinds: Vec<String>,
}

/// What should be done for a workload.
enum Step {
    Nothing,
    Apply(Box<ScalePolicy>),
    Delete(Arc<ScalePolicy>),
}

// === impl Annotated ===

impl Annotated {
    /// Works on workloads as they are named, until `shutdown`.
    pub async fn run(
        self,
        mut workloads: mpsc::UnboundedReceiver<WorkloadKey>,
        again: mpsc::UnboundedSender<WorkloadKey>,
        shutdown: CancellationToken,
    ) {
        let mut said: HashMap<WorkloadKey, Said> = HashMap::new();
        loop {
            let workload = tokio::select! {
                () = shutdown.cancelled() => return,
                workload = workloads.recv() => workload,
            };
            let Some(key) = workload else { return };
            if !self.shards.leads_any() || !self.kinds.iter().any(|kind| kind == key.kind.name()) {
                continue;
            }
            let Some(row) = self.index.workload(&key).filter(|row| !row.deleting) else {
                // Its policy goes with it: it is the owner.
                said.remove(&key);
                continue;
            };
            if !self.shards.leads(&row.uid) {
                said.remove(&key);
                continue;
            }
            let target = TargetRef {
                api_version: key.kind.api_version().to_owned(),
                kind: key.kind.name().to_owned(),
                name: key.key.name.to_string(),
            };
            let (step, mut problem) = self.step(&key, &row, &target);
            let taken = self.take(&key, step).await;
            if let Err(error) = &taken {
                // The workload's owner sees the annotations, but not the controller's log.
                problem =
                    Some(("FailedApplyPolicy", format!("the annotations have no effect yet, their policy cannot be written: {error}")));
            }
            self.tell(said.entry(key.clone()).or_default(), &key, &row, problem);
            if taken.is_err() {
                let (again, key) = (again.clone(), key.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(RETRY).await;
                    // Without a receiver the process is about to end.
                    let _ = again.send(key);
                });
            }
            if row.annotations.is_empty() {
                said.remove(&key);
            }
        }
    }

    /// What to do, and what to say: a reason and a note.
    fn step(&self, key: &WorkloadKey, row: &Workload, target: &TargetRef) -> (Step, Option<(&'static str, String)>) {
        let name = policy_name(target);
        let policy_key = Key::new(&key.key.namespace, &name);
        let existing = self.index.policy(&policy_key);
        let owned = existing.clone().filter(|policy| is_annotation_owned(policy));
        let workload = annotations::Workload { namespace: &key.key.namespace, target, uid: &row.uid, annotations: &row.annotations };
        let desired = match annotations::desired(&workload) {
            Ok(Some(policy)) => policy,
            Ok(None) => return (owned.map_or(Step::Nothing, Step::Delete), None),
            // The last good policy stays in force.
            Err(errors) => return (Step::Nothing, Some(("InvalidAnnotation", join(&errors)))),
        };
        let hand_written = self
            .index
            .policies_of(key)
            .into_iter()
            .find(|other| *other != policy_key && self.index.policy(other).is_some_and(|policy| !is_annotation_owned(&policy)));
        if let Some(other) = hand_written {
            let note = format!("annotations have no effect: ScalePolicy {} scales this {}", other.name, key.kind.name());
            return (owned.map_or(Step::Nothing, Step::Delete), Some(("AnnotationsOverridden", note)));
        }
        match (existing, owned) {
            (Some(_), None) => {
                let note = format!("annotations have no effect: a ScalePolicy named {name} exists and was not made from them");
                (Step::Nothing, Some(("AnnotationsOverridden", note)))
            }
            (_, Some(owned)) if same(&owned, &desired) => (Step::Nothing, None),
            _ => (Step::Apply(Box::new(desired)), None),
        }
    }

    fn tell(&self, said: &mut Said, key: &WorkloadKey, row: &Workload, problem: Option<(&'static str, String)>) {
        let states: Vec<String> = problem.iter().map(|(reason, note)| format!("{reason} {note}")).collect();
        let news = !said.news(states.iter().map(String::as_str), self.clock.now()).is_empty();
        if let (true, Some((reason, note))) = (news, problem) {
            warn!(workload = %key.key, kind = key.kind.name(), reason, %note, "annotations");
            let object = ObjectRef {
                api_version: key.kind.api_version().to_owned(),
                kind: key.kind.name().to_owned(),
                namespace: key.key.namespace.to_string(),
                name: key.key.name.to_string(),
                uid: row.uid.to_string(),
            };
            self.events.record(object, EventType::Warning, reason, &note);
        }
    }

    async fn take(&self, key: &WorkloadKey, step: Step) -> Result<(), String> {
        let api: Api<ScalePolicy> = Api::namespaced(self.client.clone(), &key.key.namespace);
        let call = async {
            match step {
                Step::Nothing => Ok(()),
                Step::Apply(policy) => {
                    let name = policy.metadata.name.clone().unwrap_or_default();
                    api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&policy)).await?;
                    info!(workload = %key.key, kind = key.kind.name(), policy = name, "policy made from annotations");
                    Ok(())
                }
                Step::Delete(policy) => {
                    let name = policy.metadata.name.clone().unwrap_or_default();
                    let preconditions = Preconditions { uid: policy.metadata.uid.clone(), resource_version: None };
                    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                    match api.delete(&name, &params).await {
                        Err(Error::Api(status)) if !status.is_not_found() && !status.is_conflict() => return Err(Error::Api(status)),
                        Err(error @ (Error::Service(_) | Error::HyperError(_))) => return Err(error),
                        _ => {}
                    }
                    info!(workload = %key.key, kind = key.kind.name(), policy = name, "policy removed with its annotations");
                    Ok(())
                }
            }
        };
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(result) => result.map_err(|error| in_words(&error)),
            Err(_) => Err(format!("no answer within {} s", CALL_TIMEOUT.as_secs())),
        }
    }
}

/// Whether a stored policy says what the annotations say, after the API server's defaults.
fn same(stored: &ScalePolicy, desired: &ScalePolicy) -> bool {
    let filled = serde_json::to_value(&desired.spec).and_then(serde_json::from_value).unwrap_or_else(|_| desired.spec.clone());
    stored.spec == filled && stored.metadata.owner_references == desired.metadata.owner_references
}
