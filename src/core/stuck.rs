//! Pods that were ordered and do not start: no further growth on their account.
//!
//! What a signal asks for can grow without end while the pods ordered for it bear no load: a queue whose consumers crash, a ratio that a crashing
//! version drives up (kubernetes/kubernetes#87199). So while more than a quarter of the pods do not start, the size may not exceed twice
//! the pods that have started, or 4: the stock limit of one step ([`doubling`]), counted over pods that work instead of pods that were
//! asked for.
//!
//! - A quarter is what a rolling update may be without by default; one broken pod among four or more changes nothing.
//! - Load that grows beside broken pods is followed in steps, since each pod that gets ready allows two. Growth stops where no fewer pods fail to
//!   start than have started, until one starts or the broken ones go.
//! - The limit does not depend on demand and is never below the present size, so more demand never gives fewer replicas, and scale-in is free.
//! - A pod that was ready and no longer is has started: readiness that breaks down under load calls for more replicas
//!   (kubernetes/kubernetes#64088).

use super::limits::{Step, doubling};
use super::reason::Reason;
use super::{Observation, Phase, Pod, Policy, Time, Trouble};

/// Applies the limit to a size.
pub(super) fn limit(policy: &Policy, observation: &Observation, current: u32, wanted: u32, now: Time) -> Step {
    if wanted <= current {
        return Step::free(wanted);
    }
    let (mut of, mut started, mut stuck) = (0, 0, Vec::new());
    for pod in observation.pods.iter().filter(|pod| !pod.deleting && !matches!(pod.phase, Phase::Failed | Phase::Succeeded)) {
        of += 1;
        match start(pod, policy, now) {
            Start::Done => started += 1,
            Start::UnderWay => {}
            Start::Failed => stuck.push(pod),
        }
    }
    let size = doubling(u32::try_from(started).unwrap_or(u32::MAX)).max(current);
    if 4 * stuck.len() <= of || wanted <= size {
        return Step::free(wanted);
    }
    let reason = Reason::PodsNotStarting { stuck: stuck.len(), of, cause: cause(&stuck), started, size, wanted };
    Step { size, reason: Some(reason), next: None }
}

/// How far a pod has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Done,
    UnderWay,
    Failed,
}

/// A pod that is not ready counts as starting for as long as the stock start-up rules for CPU hold: `warmUpSeconds`, 5 min by default, which is also
/// enough for a new node.
fn start(pod: &Pod, policy: &Policy, now: Time) -> Start {
    let grace = policy.warm_up.cpu_initialization.max(policy.warm_up.initial_readiness_delay);
    let ready = pod.phase == Phase::Running && pod.ready.is_some_and(|ready| ready.status);
    // A container without a readiness probe is ready for a moment each time before it crashes.
    if ready || pod.served > grace {
        return Start::Done;
    }
    let created = pod.created.or(pod.start_time);
    if created.is_some_and(|created| now.since(created) > grace) { Start::Failed } else { Start::UnderWay }
}

/// All causes, the most frequent first. Without counts, which change while the causes last.
fn cause(stuck: &[&Pod]) -> String {
    let mut causes: Vec<(usize, &'static str)> = Vec::new();
    for word in stuck.iter().map(|pod| word(pod)) {
        match causes.iter_mut().find(|(_, known)| *known == word) {
            Some((count, _)) => *count += 1,
            None => causes.push((1, word)),
        }
    }
    causes.sort_by_key(|&(count, word)| (std::cmp::Reverse(count), word));
    causes.into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(", ")
}

/// In Kubernetes' own words.
fn word(pod: &Pod) -> &'static str {
    match pod.trouble {
        Some(Trouble::Unschedulable) => "Unschedulable",
        Some(Trouble::Image) => "ImagePullBackOff",
        Some(Trouble::Container) => "CreateContainerError",
        Some(Trouble::Crash) => "CrashLoopBackOff",
        None if pod.phase == Phase::Pending => "Pending",
        None => "not ready",
    }
}
