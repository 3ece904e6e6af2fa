//! `preset: auto`: which presets fit a workload, by one query, and which of those are taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AUTO, Filled, Preset, Shape, find};
use crate::core::Role;

/// Without a target, what tells that processors are short; all that fit drive. Waiting goroutines show load beyond what the processors can do,
/// where CPU usage ends at 1; but what waits falls faster than the size grows, so they alone would ask for too few once there are enough.
const SATURATION: [&str; 2] = ["go-run-queue", "go-cpu"];

/// With a target, which is then in requests per second, the first one that fits drives: what is counted nearest to the service. Two of them
/// would count the same requests.
const RATES: [&str; 5] = ["http-requests", "grpc-requests", "linkerd-requests", "istio-requests", "ingress-nginx-requests"];

/// What is taken beside the driver wherever it fits: they only hold moves.
const BESIDE: [&str; 2] = ["go-memory-headroom", "sql-pool-wait"];

/// A query that gives nothing: what stands for a choice until there is one.
const NOTHING: &str = "vector(0) > 1";

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Drivers first.
    pub presets: Vec<&'static str>,
    /// In words.
    pub message: String,
}

/// What may be chosen; the drivers first, in their order.
fn candidates(rates: bool) -> impl Iterator<Item = &'static Preset> {
    let drivers: &[&str] = if rates { &RATES } else { &SATURATION };
    drivers.iter().chain(&BESIDE).filter_map(|name| find(name))
}

fn drivers(rates: bool) -> String {
    candidates(rates).filter(|preset| preset.default_role() == Role::Driver).map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

/// The query that tells which candidates have a value for one target: the sum of a power of two for each of them. Those of `known` have these
/// parameters, as far as they take them.
pub fn probe(rates: bool, known: &BTreeMap<String, String>) -> String {
    let fits = candidates(rates).enumerate().map(|(index, preset)| {
        let own = known.iter().filter(|(name, _)| preset.parameters.iter().any(|parameter| parameter.name == **name));
        let (query, _) = preset.fill(&own.map(|(name, value)| (name.clone(), value.clone())).collect());
        format!("(count({query}) > bool 0 or vector(0)) * {}", 1_u32 << index)
    });
    fits.collect::<Vec<_>>().join(" + ")
}

/// What is taken when a probe gave `value`; `None` where nothing fits that could drive.
pub fn choose(value: f64, rates: bool) -> Option<Choice> {
    // What is no such sum is no answer.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Saturates.
    let bits = value.round() as u32;
    let fits = |index: usize| bits & (1 << index) != 0;
    let mut presets = Vec::new();
    let mut without = Vec::new();
    for (index, preset) in candidates(rates).enumerate() {
        let drives = preset.default_role() == Role::Driver;
        match fits(index) {
            true if !rates || !drives || presets.is_empty() => presets.push(preset),
            true => {}
            false => without.push(preset.name),
        }
    }
    let (driving, beside): (Vec<&Preset>, Vec<&Preset>) = presets.iter().partition(|preset| preset.default_role() == Role::Driver);
    let all = drivers(rates);
    let drives = match &driving[..] {
        [] => return None,
        [one] if rates => format!("{} drives: the first of {all} that has series for this workload", one.name),
        [one] => format!("{} drives: the one of {all} that has series for this workload", one.name),
        several => {
            let names: Vec<_> = several.iter().map(|preset| preset.name).collect();
            format!("{} drive, whichever asks for more", names.join(" and "))
        }
    };
    let beside = beside.iter().map(|preset| format!("{} beside as {}", preset.name, preset.default_role().word().to_lowercase()));
    let without = (!without.is_empty()).then(|| format!("without series: {}", without.join(", ")));
    let message = std::iter::once(drives).chain(beside).chain(without).collect::<Vec<_>>().join("; ");
    Some(Choice { presets: presets.into_iter().map(|preset| preset.name).collect(), message })
}

/// Whether a choice can have been made from these candidates.
pub fn is_of(chosen: &[String], rates: bool) -> bool {
    let first = chosen.first().and_then(|name| candidates(rates).find(|preset| preset.name == *name));
    first.is_some_and(|preset| preset.default_role() == Role::Driver)
}

/// The query that stands for the choice until there is one: it gives nothing, so the size is held.
pub fn undecided(rates: bool) -> (String, Arc<Filled>) {
    let empty = if rates {
        "nothing was chosen yet: none of http-requests, grpc-requests, linkerd-requests, istio-requests, ingress-nginx-requests has series for \
        this workload"
    } else {
        "nothing was chosen yet: none of go-run-queue, go-cpu has series for this workload's pods; request rates are chosen from where a target is given"
    };
    let filled = Filled { name: AUTO, many: NOTHING.to_owned(), shape: Shape::Sum, known_as: None, direct: None, empty };
    (NOTHING.to_owned(), Arc::new(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(value: f64, rates: bool) -> Option<Vec<&'static str>> {
        choose(value, rates).map(|choice| choice.presets)
    }

    #[test]
    fn what_tells_of_processors_drives_together_of_rates_the_first_and_all_that_hold_are_taken() {
        assert_eq!(chosen(1.0, false), Some(vec!["go-run-queue"]));
        assert_eq!(chosen(3.0, false), Some(vec!["go-run-queue", "go-cpu"]));
        assert_eq!(chosen(2.0 + 4.0, false), Some(vec!["go-cpu", "go-memory-headroom"]));
        assert_eq!(chosen(15.0, false), Some(vec!["go-run-queue", "go-cpu", "go-memory-headroom", "sql-pool-wait"]));
        assert_eq!(chosen(12.0, false), None);
        assert_eq!(chosen(0.0, false), None);
        assert_eq!(chosen(2.0 + 16.0 + 64.0, true), Some(vec!["grpc-requests", "sql-pool-wait"]));
        let message = choose(6.0, false).unwrap().message;
        assert_eq!(
            message,
            "go-cpu drives: the one of go-run-queue, go-cpu that has series for this workload; go-memory-headroom beside as guard; \
            without series: go-run-queue, sql-pool-wait"
        );
        assert_eq!(
            choose(15.0, false).unwrap().message,
            "go-run-queue and go-cpu drive, whichever asks for more; go-memory-headroom beside as guard; sql-pool-wait beside as brake"
        );
    }

    #[test]
    fn the_probe_is_one_query_that_can_be_limited_to_a_tenant() {
        let window = BTreeMap::from([("window".to_owned(), "2m".to_owned())]);
        for rates in [false, true] {
            let probe = probe(rates, &window);
            assert!(probe.contains("[2m]") && !probe.contains("[1m]"), "{probe}");
            crate::source::prometheus::enforce(&probe, "namespace", "shop").unwrap();
        }
    }
}
