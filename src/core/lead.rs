//! How far ahead a rising trend is followed: until the replicas ordered now bear load.

use std::time::Duration;

use super::{Observation, Pod, Sample, Time};

/// Start of a pod where none was seen: between a small Go binary (a few seconds) and a JVM (minutes).
const UNSEEN: Duration = Duration::from_secs(30);
/// Longer than this, a pod had lost its readiness in between, or waited for an image or a node, which the next one need not.
const LONGEST: Duration = Duration::from_mins(5);
/// Resolution of what is learned.
const STEP: Duration = Duration::from_secs(5);
const STEPS: usize = 60;

/// The dead time of the loop: age of what the sample stands for (the middle of its window), start of a pod, and the wait for the next look.
pub(super) fn dead_time(observation: &Observation, sample: Sample, interval: Duration, now: Time) -> Duration {
    // A window of hours says nothing about delay that a trend could bridge.
    let delay = now.since(sample.time).saturating_add(interval);
    delay.saturating_add(sample.window.min(LONGEST) / 2 + start_up(&observation.pods))
}

/// Median time from order to readiness of the pods that are ready now, to 5 s.
///
/// Learned anew at each look from the pods themselves, so that it is right after a restart and follows a new image with its rollout. The
/// median, since a pod that lost and regained its readiness shows the time of the last change.
fn start_up(pods: &[Pod]) -> Duration {
    let mut counts = [0u32; STEPS];
    let mut known = 0;
    for pod in pods {
        let Some(ready) = pod.ready.filter(|ready| ready.status && !pod.deleting) else { continue };
        let Some(taken) = pod.created.or(pod.start_time).map(|ordered| ready.since.since(ordered)).filter(|taken| *taken < LONGEST) else {
            continue;
        };
        let step = usize::try_from(taken.as_secs() / STEP.as_secs()).unwrap_or(STEPS).min(STEPS - 1);
        counts[step] += 1;
        known += 1;
    }
    let mut below = 0;
    for (step, count) in (1u32..).zip(counts) {
        below += count;
        if count > 0 && 2 * below >= known {
            return STEP * step;
        }
    }
    UNSEEN
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::core::{Phase, Ready};

    fn pod(taken: u64) -> Pod {
        let start = Time::from_secs(1000);
        let ready = Some(Ready { status: true, since: start + Duration::from_secs(taken) });
        Pod { name: "p".into(), phase: Phase::Running, deleting: false, start_time: Some(start), ready, ..Pod::default() }
    }

    #[test]
    fn the_start_of_a_pod_is_learned_from_the_pods() {
        let cases: [(&[u64], u64); 5] = [(&[], 30), (&[3], 5), (&[2, 12, 40], 15), (&[12, 13, 14, 86_400], 15), (&[400, 86_400], 30)];
        for (taken, expected) in cases {
            let pods: Vec<Pod> = taken.iter().map(|&taken| pod(taken)).collect();
            assert_eq!(start_up(&pods), Duration::from_secs(expected), "{taken:?}");
        }
    }

    #[test]
    fn pods_that_are_not_ready_or_end_teach_nothing() {
        let mut unready = pod(100);
        unready.ready.as_mut().unwrap().status = false;
        let ending = Pod { deleting: true, ..pod(100) };
        assert_eq!(start_up(&[unready, ending]), UNSEEN);
    }
}
