//! The steps; each looks at what is there, makes the writes that are missing, and waits for what must follow them.

use std::time::Duration;

use serde_json::{Value, json};

use super::api::{Cluster, Hpa, annotation};
use super::{ADOPTS, AdoptError, LABEL, PARKED};
use crate::api::conditions::is_true;
use crate::api::scale_policy::Mode;
use crate::api::{Defaults, ScalePolicy};
use crate::convert::{Input, Options, Remark, convert};
use crate::core::ConditionKind;

/// Time between two looks.
const POLL: Duration = Duration::from_millis(200);
/// How often an HPA that changes under our hands is read again; its status changes once per sync.
const TRIES: usize = 10;

/// An HPA, and the policy that stands for it.
pub struct Adoption<'a> {
    /// Where they are.
    pub cluster: Cluster,
    /// Name of the HPA.
    pub hpa: String,
    /// Longest wait for the controller.
    pub patience: Duration,
    /// Is told what happens.
    pub tell: &'a mut dyn FnMut(&str),
}

/// How the policy is made.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    /// Its name; default: that of the HPA.
    pub name: Option<String>,
    /// How its spec is made.
    pub options: Options,
    /// Go on where something of the HPA is lost.
    pub partial: bool,
}

/// What becomes of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// It recommends on.
    Recommend,
    /// It is deleted.
    Remove,
}

// === impl Adoption ===

impl Adoption<'_> {
    /// Creates the policy beside the HPA. What of the HPA becomes something else is given back.
    pub async fn shadow(&mut self, shadow: &Shadow) -> Result<Vec<Remark>, AdoptError> {
        let hpa = self.usable_hpa().await?;
        if let Some(policy) = self.cluster.adopting(&self.hpa).await? {
            self.say(&format!("ScalePolicy/{} stands beside it already; it stays as it is", name(&policy)));
            self.decided().await?;
            return Ok(Vec::new());
        }
        let (policy, remarks) = self.policy_of(&hpa, shadow)?;
        let name = name(&policy).to_owned();
        if self.cluster.policy(&name).await?.is_some() {
            let message = format!("ScalePolicy/{name} exists and does not stand for this HPA; give another name with --policy");
            return Err(AdoptError::refused(message));
        }
        self.cluster.create_policy(&policy).await?;
        self.say(&format!("ScalePolicy/{name} created: it recommends, and the HPA scales"));
        self.decided().await?;
        Ok(remarks)
    }

    /// Lets the policy take over at the present size.
    pub async fn hand_over(&mut self, force: bool) -> Result<(), AdoptError> {
        let policy = self.policy().await?;
        let Some(mut hpa) = self.cluster.hpa(&self.hpa).await? else {
            return self.taken_over(policy).await;
        };
        hpa = self.check(hpa)?;
        if policy.spec.mode == Mode::Recommend && !force {
            ready(&policy, &hpa)?;
        }
        for _ in 0..TRIES {
            self.prepare(&hpa).await?;
            // Its status changes at each sync, and with it the version: what counts is what somebody wrote.
            if self.cluster.delete_hpa(&hpa).await? {
                let policy = self.policy().await?;
                return self.taken_over(policy).await;
            }
            match self.cluster.hpa(&self.hpa).await? {
                Some(again) => hpa = self.check(again)?,
                None => break,
            }
        }
        let policy = self.policy().await?;
        if self.cluster.hpa(&self.hpa).await?.is_none() {
            return self.taken_over(policy).await;
        }
        Err(AdoptError::refused("the HPA is changed again and again, so it was not deleted; it still scales: call again"))
    }

    /// The HPA scales again.
    pub async fn back(&mut self, back: Back) -> Result<(), AdoptError> {
        let Some(policy) = self.cluster.adopting(&self.hpa).await? else {
            if self.cluster.hpa(&self.hpa).await?.is_none() {
                return Err(self.nothing());
            }
            self.say("no policy stands for this HPA; it scales");
            return Ok(());
        };
        if self.cluster.hpa(&self.hpa).await?.is_none() {
            let Some(parked) = annotation(&policy, PARKED) else { return Err(self.nothing()) };
            let manifest: Value = serde_json::from_str(parked)
                .map_err(|error| AdoptError::refused(format!("annotation {PARKED} of ScalePolicy/{}: {error}", name(&policy))))?;
            if self.cluster.create_hpa(&manifest).await? {
                self.say(&format!("HorizontalPodAutoscaler/{} created as it was: it scales", self.hpa));
            }
        } else {
            self.say(&format!("HorizontalPodAutoscaler/{} exists: it scales", self.hpa));
        }
        if back == Back::Remove {
            self.cluster.delete_policy(&policy).await?;
            self.say(&format!("ScalePolicy/{} deleted", name(&policy)));
            return Ok(());
        }
        if policy.spec.mode == Mode::Enforce || annotation(&policy, PARKED).is_some() {
            let patch = json!({ "metadata": { "annotations": { PARKED: null } }, "spec": { "mode": "Recommend" } });
            self.cluster.patch_policy(&policy, patch).await?;
        }
        self.decided().await?;
        self.say(&format!("ScalePolicy/{} recommends", name(&policy)));
        Ok(())
    }

    /// The policy that stands for the HPA.
    pub async fn policy(&self) -> Result<ScalePolicy, AdoptError> {
        let found = self.cluster.adopting(&self.hpa).await?;
        found.ok_or_else(|| AdoptError::refused(format!("no policy stands for HorizontalPodAutoscaler/{}: begin with --shadow", self.hpa)))
    }

    /// The HPA's manifest is noted down, the policy enforces, and its controller has seen both.
    async fn prepare(&mut self, hpa: &Hpa) -> Result<(), AdoptError> {
        let policy = self.policy().await?;
        let parked = hpa.manifest().to_string();
        if policy.spec.mode != Mode::Enforce || annotation(&policy, PARKED) != Some(parked.as_str()) {
            let patch = json!({ "metadata": { "annotations": { PARKED: parked } }, "spec": { "mode": "Enforce" } });
            self.cluster.patch_policy(&policy, patch).await?;
            self.say(&format!("ScalePolicy/{} is to enforce; it waits while the HPA exists", name(&policy)));
        }
        // Only a controller that runs and knows of the HPA takes over from it.
        self.until("the controller waits for the HPA to go", |policy| {
            let active = condition(policy, ConditionKind::ScalingActive);
            if current(policy) && active.starts_with("AmbiguousSelector") { Ok(()) } else { Err(active) }
        })
        .await
    }

    /// The HPA is gone: the policy enforces, and has decided so.
    async fn taken_over(&mut self, policy: ScalePolicy) -> Result<(), AdoptError> {
        let name = name(&policy).to_owned();
        if annotation(&policy, PARKED).is_none() {
            return Err(self.nothing());
        }
        if policy.spec.mode != Mode::Enforce {
            self.cluster.patch_policy(&policy, json!({ "spec": { "mode": "Enforce" } })).await?;
        }
        self.until("the policy has taken over", |policy| {
            let active = condition(policy, ConditionKind::ScalingActive);
            if current(policy) && !active.starts_with("AmbiguousSelector") { Ok(()) } else { Err(active) }
        })
        .await?;
        let policy = self.policy().await?;
        let size = policy.status.and_then(|status| status.current_replicas).unwrap_or_default();
        self.say(&format!("HorizontalPodAutoscaler/{} deleted; ScalePolicy/{name} scales, from {size} replicas on", self.hpa));
        Ok(())
    }

    /// Waits for the first decision, which needs a controller.
    async fn decided(&self) -> Result<(), AdoptError> {
        self.until("the controller decides", |policy| {
            let decided = policy.status.as_ref().is_some_and(|status| status.decision.is_some());
            if decided && current(policy) {
                Ok(())
            } else {
                Err("no decision: does the controller run, and watch this namespace?".to_owned())
            }
        })
        .await
    }

    async fn until(&self, what: &str, holds: impl Fn(&ScalePolicy) -> Result<(), String>) -> Result<(), AdoptError> {
        let mut seen = "nothing".to_owned();
        let polled = async {
            loop {
                let policy = self.policy().await?;
                match holds(&policy) {
                    Ok(()) => return Ok(()),
                    Err(why) => seen = why,
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let result = tokio::time::timeout(self.patience, polled).await;
        result.unwrap_or_else(|_| Err(AdoptError::Late { what: what.to_owned(), seconds: self.patience.as_secs(), seen }))
    }

    async fn usable_hpa(&self) -> Result<Hpa, AdoptError> {
        let hpa = self.cluster.hpa(&self.hpa).await?.ok_or_else(|| self.nothing())?;
        self.check(hpa)
    }

    /// Refuses an HPA that is not its owner's to give away.
    fn check(&self, hpa: Hpa) -> Result<Hpa, AdoptError> {
        if let Some(owner) = crate::convert::owner(&hpa.object) {
            let message =
                format!("HorizontalPodAutoscaler/{} belongs to {owner}, which would make it again: see ballast convert", self.hpa);
            return Err(AdoptError::refused(message));
        }
        if hpa.is_deleting() {
            return Err(AdoptError::refused(format!("HorizontalPodAutoscaler/{} is being deleted; wait for its finalizers", self.hpa)));
        }
        Ok(hpa)
    }

    fn policy_of(&self, hpa: &Hpa, shadow: &Shadow) -> Result<(ScalePolicy, Vec<Remark>), AdoptError> {
        let place = format!("namespace {}", self.cluster.namespace);
        let inputs = [Input { place, documents: vec![hpa.object.clone()] }];
        let mut converted = convert(&inputs, &shadow.options, &Defaults::default())?;
        if converted.is_partial() && !shadow.partial {
            let lost: Vec<String> = converted.remarks.iter().map(ToString::to_string).collect();
            return Err(AdoptError::refused(format!(
                "something of the HPA has no place in a policy (--partial goes on):\n{}",
                lost.join("\n")
            )));
        }
        let mut policy = converted.policies.remove(0).policy;
        policy.spec.mode = Mode::Recommend;
        policy.metadata.namespace = Some(self.cluster.namespace.clone());
        // Those of the HPA may tell another tool that the policy is one of its objects, to be removed.
        converted.remarks.retain(|remark| !remark.field.path.starts_with("metadata."));
        policy.metadata.labels = Some([(LABEL.to_owned(), "true".to_owned())].into());
        policy.metadata.annotations = Some([(ADOPTS.to_owned(), self.hpa.clone())].into());
        if let Some(name) = &shadow.name {
            policy.metadata.name = Some(name.clone());
        }
        Ok((policy, converted.remarks))
    }

    fn nothing(&self) -> AdoptError {
        AdoptError::refused(format!("there is no HorizontalPodAutoscaler/{} in namespace {}", self.hpa, self.cluster.namespace))
    }

    fn say(&mut self, text: &str) {
        (self.tell)(text);
    }
}

fn name(policy: &ScalePolicy) -> &str {
    policy.metadata.name.as_deref().unwrap_or_default()
}

/// Whether the status is about the spec as it is.
fn current(policy: &ScalePolicy) -> bool {
    policy.status.as_ref().is_some_and(|status| status.observed_generation == policy.metadata.generation)
}

/// Reason and message of a condition.
fn condition(policy: &ScalePolicy, kind: ConditionKind) -> String {
    let conditions = policy.status.iter().flat_map(|status| &status.conditions);
    let found = conditions.into_iter().find(|condition| condition.type_ == crate::api::conditions::type_name(kind));
    found.map_or_else(|| "no condition yet".to_owned(), |condition| format!("{}: {}", condition.reason, condition.message))
}

/// Whether the policy could take over now without moving anything.
fn ready(policy: &ScalePolicy, hpa: &Hpa) -> Result<(), AdoptError> {
    let refuse = |why: String| Err(AdoptError::refused(format!("{why}; --force hands over nevertheless")));
    if !current(policy) {
        return refuse(format!("ScalePolicy/{} has not been decided since it was changed", name(policy)));
    }
    let status = policy.status.clone().unwrap_or_default();
    if !is_true(&status.conditions, ConditionKind::ScalingActive) {
        let active = condition(policy, ConditionKind::ScalingActive);
        return refuse(format!("ScalePolicy/{} cannot read its metrics ({active})", name(policy)));
    }
    let (target, other) = (&policy.spec.scale_target_ref, &hpa.object["spec"]["scaleTargetRef"]);
    if other["kind"] != target.kind.as_str() || other["name"] != target.name.as_str() {
        let found = format!("{}/{}", target.kind, target.name);
        return refuse(format!("spec.scaleTargetRef: {found}: must be the HPA's, {}/{}", other["kind"], other["name"]));
    }
    let size = status.current_replicas.unwrap_or_default();
    let (min, max) = (policy.spec.min_replicas.unwrap_or(1), policy.spec.max_replicas);
    if size < min || size > max {
        return refuse(format!("the target has {size} replicas, and the policy would move it at once: it allows {min} to {max}"));
    }
    Ok(())
}
