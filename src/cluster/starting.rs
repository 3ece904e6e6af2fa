//! What a pod's status tells about its start: what keeps it from running, and how long it ever was ready.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::slim::PodRow;
use crate::core::{Ready, Time, Trouble};

/// A container's status, as far as it tells of trouble.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    ready: bool,
    restart_count: i32,
    state: ContainerState,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
}

/// What is known of a pod that is seen for the first time: one that is not ready since its start never was; of another one the longest
/// time that is possible.
pub fn served(started: Option<Time>, ready: Option<Ready>) -> Duration {
    let lost = ready.filter(|ready| !ready.status);
    lost.zip(started).map_or(Duration::ZERO, |(lost, started)| lost.since.since(started))
}

/// What keeps a pod that is not ready from it. An image that cannot be had and a crash have several reasons, which take turns; one word for
/// each stays the same.
pub fn trouble<'a>(unschedulable: bool, mut containers: impl Iterator<Item = &'a ContainerStatus>) -> Option<Trouble> {
    if unschedulable {
        return Some(Trouble::Unschedulable);
    }
    containers.find_map(|container| match container.state.waiting.as_ref().map_or("", |waiting| waiting.reason.as_str()) {
        "CrashLoopBackOff" => Some(Trouble::Crash),
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" | "ImageInspectError" => Some(Trouble::Image),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some(Trouble::Container),
        _ => (!container.ready && container.restart_count > 0).then_some(Trouble::Crash),
    })
}

impl PodRow {
    /// Takes over what an earlier row of the same pod tells of how long it was ready. A `StatefulSet` gives a name to one pod after the other.
    pub fn follow(&mut self, old: &Self) {
        let (Some(was), Some(is)) = (old.pod.ready, self.pod.ready) else { return };
        if old.pod.created != self.pod.created {
            return;
        }
        // If it was not ready either time, it may have been in between.
        let served = if is.status { Duration::ZERO } else { is.since.since(was.since) };
        self.pod.served = old.pod.served.max(served);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::super::slim::SlimPod;
    use super::*;

    fn waits(reason: &str) -> Value {
        json!([{ "name": "app", "ready": false, "restartCount": 0, "state": { "waiting": { "reason": reason } } }])
    }

    /// A pod made at 9:00, with this Ready condition since so many minutes later.
    fn pod(made: &str, ready: (&str, u32), status: &Value) -> PodRow {
        let at = |minute: u32| format!("2026-11-21T09:{minute:02}:00Z");
        let mut object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "n", "creationTimestamp": made },
            "status": { "phase": "Running", "startTime": at(0),
                "conditions": [{ "type": "Ready", "status": ready.0, "lastTransitionTime": at(ready.1) }] },
        });
        object["status"].as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        serde_json::from_value::<SlimPod>(object).unwrap().into()
    }

    const MADE: &str = "2026-11-21T09:00:00Z";

    #[rstest]
    #[case::nothing(json!({}), None)]
    #[case::still_creating(json!({ "containerStatuses": waits("ContainerCreating") }), None)]
    #[case::crash(json!({ "containerStatuses": waits("CrashLoopBackOff") }), Some(Trouble::Crash))]
    #[case::between_two_crashes(
        json!({ "containerStatuses": [{ "name": "app", "ready": false, "restartCount": 3, "state": { "running": { "startedAt": MADE } } }] }),
        Some(Trouble::Crash))]
    #[case::init_container(json!({ "initContainerStatuses": waits("ErrImagePull"), "containerStatuses": waits("PodInitializing") }), Some(Trouble::Image))]
    #[case::image(json!({ "containerStatuses": waits("ImagePullBackOff") }), Some(Trouble::Image))]
    #[case::config(json!({ "containerStatuses": waits("CreateContainerConfigError") }), Some(Trouble::Container))]
    #[case::no_node(
        json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable" }] }), Some(Trouble::Unschedulable))]
    fn troubles(#[case] status: Value, #[case] expected: Option<Trouble>) {
        assert_eq!(pod(MADE, ("False", 0), &status).pod.trouble, expected);
        if status.get("conditions").is_none() {
            assert_eq!(pod(MADE, ("True", 0), &status).pod.trouble, None, "a ready pod has none");
        }
    }

    #[test]
    fn what_was_ready_is_remembered() {
        let minutes = Duration::from_mins;
        let next = |old: &PodRow, ready| {
            let mut row = pod(MADE, ready, &json!({}));
            row.follow(old);
            row
        };
        // Never ready since its start; ready from the third minute to the ninth; then for a minute only.
        let starting = pod(MADE, ("False", 0), &json!({}));
        assert_eq!(starting.pod.served, minutes(0));
        let ready = next(&starting, ("True", 3));
        assert_eq!(ready.pod.served, minutes(0));
        let lost = next(&ready, ("False", 9));
        assert_eq!(lost.pod.served, minutes(6));
        let again = next(&next(&lost, ("True", 20)), ("False", 21));
        assert_eq!(again.pod.served, minutes(6));
        // A crash loop without a readiness probe.
        let crashing = (1..30).fold(starting, |row, minute| next(&row, (if minute % 2 == 1 { "True" } else { "False" }, minute)));
        assert_eq!(crashing.pod.served, minutes(1));
    }

    #[test]
    fn a_pod_seen_first_when_it_is_not_ready_may_have_been_before() {
        assert_eq!(pod(MADE, ("False", 40), &json!({})).pod.served, Duration::from_mins(40));
    }

    #[test]
    fn the_next_pod_of_the_same_name_inherits_nothing() {
        let old = pod(MADE, ("True", 0), &json!({}));
        let mut new = pod("2026-11-21T09:30:00Z", ("False", 0), &json!({}));
        new.follow(&old);
        assert_eq!(new.pod.served, Duration::ZERO);
    }
}
