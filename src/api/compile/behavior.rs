//! `spec.behavior` with its gaps filled as the stock API server fills them.

use std::time::Duration;

use super::super::behavior::{Behavior, ScalingPolicy, ScalingPolicyType, ScalingRules, SelectPolicy};
use super::super::error::Problems;
use super::{Defaults, seconds};
use crate::core::{self, Amount, RatePolicy, Select};

/// Period of the default policies.
const PERIOD: Duration = Duration::from_secs(15);

pub(super) fn compile(behavior: Option<&Behavior>, defaults: &Defaults, out: &mut Problems) -> (Option<core::Behavior>, core::Tolerance) {
    let mut tolerance = core::Tolerance { up: defaults.tolerance, down: defaults.tolerance };
    let Some(behavior) = behavior else { return (None, tolerance) };
    let percent = RatePolicy { amount: Amount::Percent(100), period: PERIOD };
    let up = vec![RatePolicy { amount: Amount::Pods(4), period: PERIOD }, percent];
    let mut direction = |name: &str, rules: Option<&ScalingRules>, window, policies, tolerance: &mut f64| {
        let path = format!("spec.behavior.{name}");
        if let Some(given) = rules.and_then(|rules| rules.tolerance.as_ref()) {
            match given.ratio() {
                Ok(ratio) if ratio >= 0.0 => *tolerance = ratio,
                Ok(_) => out.add(format!("{path}.tolerance"), given, "must be at least 0"),
                Err(error) => out.add(format!("{path}.tolerance"), given, error.to_string()),
            }
        }
        self::rules(&path, rules, window, policies, out)
    };
    let behavior = core::Behavior {
        up: direction("scaleUp", behavior.scale_up.as_ref(), Duration::ZERO, up, &mut tolerance.up),
        down: direction("scaleDown", behavior.scale_down.as_ref(), defaults.downscale_stabilization, vec![percent], &mut tolerance.down),
    };
    (Some(behavior), tolerance)
}

fn rules(path: &str, rules: Option<&ScalingRules>, window: Duration, policies: Vec<RatePolicy>, out: &mut Problems) -> core::ScalingRules {
    let Some(rules) = rules else { return core::ScalingRules { window, adaptive: true, select: Select::Max, policies } };
    let window_path = format!("{path}.stabilizationWindowSeconds");
    core::ScalingRules {
        window: seconds(&window_path, rules.stabilization_window_seconds, 0..=3600, window, out),
        adaptive: rules.stabilization_window_seconds.is_none(),
        select: match rules.select_policy {
            None | Some(SelectPolicy::Max) => Select::Max,
            Some(SelectPolicy::Min) => Select::Min,
            Some(SelectPolicy::Disabled) => Select::Disabled,
        },
        policies: match &rules.policies {
            None => policies,
            Some(given) => {
                if given.is_empty() {
                    out.add(format!("{path}.policies"), "", "must have at least one policy");
                }
                given.iter().enumerate().map(|(index, policy)| rate(&format!("{path}.policies[{index}]"), policy, out)).collect()
            }
        },
    }
}

fn rate(path: &str, policy: &ScalingPolicy, out: &mut Problems) -> RatePolicy {
    if policy.value < 1 {
        out.add(format!("{path}.value"), policy.value, "must be at least 1");
    }
    let value = u32::try_from(policy.value).unwrap_or_default();
    RatePolicy {
        amount: match policy.kind {
            ScalingPolicyType::Pods => Amount::Pods(value),
            ScalingPolicyType::Percent => Amount::Percent(value),
        },
        period: seconds(&format!("{path}.periodSeconds"), Some(policy.period_seconds), 1..=1800, PERIOD, out),
    }
}
