//! Which pods count for a signal.

use super::{Observation, Phase, Pod, Sample, Time, WarmUp};

/// What a pod is to a per-pod signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Counts with its sample.
    Ready,
    /// Starting: its sample is dropped; on the way up it counts as idle.
    Unready,
    /// Should have a sample and has none: filled against the direction of the move.
    Missing,
    /// Ending or ended: not counted anywhere.
    Ignored,
}

/// Classifies one pod; the first rule that matches wins. `warm_up` is given for CPU signals only.
pub(super) fn classify(pod: &Pod, sample: Option<&Sample>, warm_up: Option<&WarmUp>, now: Time) -> Class {
    // Difference from stock: a pod that Succeeded has ended as much as one that Failed; counted as "missing" it would block
    // scale-in for ever (kubernetes/kubernetes#141298).
    if pod.deleting || matches!(pod.phase, Phase::Failed | Phase::Succeeded) {
        return Class::Ignored;
    }
    if pod.phase == Phase::Pending {
        return Class::Unready;
    }
    let Some(sample) = sample else { return Class::Missing };
    match warm_up {
        Some(warm_up) if warming(pod, sample, warm_up, now) => Class::Unready,
        _ => Class::Ready,
    }
}

/// Whether a CPU sample still shows the start of the pod rather than its load.
fn warming(pod: &Pod, sample: &Sample, warm_up: &WarmUp, now: Time) -> bool {
    let (Some(ready), Some(start)) = (pod.ready, pod.start_time) else { return true };
    if start + warm_up.cpu_initialization > now {
        // A full sample window must lie after the last change of readiness.
        !ready.status || sample.time < ready.since + sample.window
    } else {
        // Unready since just after its start: it never was ready.
        !ready.status && start + warm_up.initial_readiness_delay > ready.since
    }
}

fn is_ready(pod: &Pod) -> bool {
    pod.phase == Phase::Running && pod.ready.is_some_and(|ready| ready.status)
}

/// Pods that are Running and Ready. Those being deleted still count, as in the stock rule for `Value` targets.
pub(super) fn ready(observation: &Observation) -> usize {
    observation.pods.iter().filter(|pod| is_ready(pod)).count()
}

/// Pods that bear load and will go on to: Running, Ready, not being deleted.
pub(super) fn serving(observation: &Observation) -> usize {
    observation.pods.iter().filter(|pod| is_ready(pod) && !pod.deleting).count()
}
