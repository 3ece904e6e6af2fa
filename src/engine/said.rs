//! What was already said by Event, so that a lasting state is said once and not every few seconds.

use std::collections::HashMap;
use std::time::Duration;

use crate::core::Time;

/// A state that lasts is said again after this long, so that `kubectl describe` still shows it when the API server has dropped the
/// first Event (after an hour by default).
const REPEAT: Duration = Duration::from_secs(1800);

/// Reasons that hold at present, and when each was last said.
#[derive(Clone, Debug, Default)]
pub struct Said(HashMap<String, Time>);

// === impl Said ===

impl Said {
    /// Takes the reasons that hold now and returns those to say: the new ones, and the ones said long ago. Reasons that no longer
    /// hold are forgotten, so they are said again when they return.
    pub fn news<'a>(&mut self, reasons: impl Iterator<Item = &'a str>, now: Time) -> Vec<&'a str> {
        let mut kept = HashMap::new();
        let mut news = Vec::new();
        for reason in reasons {
            let last = self.0.get(reason).copied().filter(|&at| now.since(at) < REPEAT);
            if last.is_none() && !kept.contains_key(reason) {
                news.push(reason);
            }
            kept.entry(reason.to_owned()).or_insert(last.unwrap_or(now));
        }
        self.0 = kept;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_failure_is_said_once_and_again_after_it_returns() {
        let mut said = Said::default();
        let at = Time::from_secs;
        assert_eq!(said.news(["FailedGetResourceMetric"].into_iter(), at(0)), ["FailedGetResourceMetric"]);
        assert!(said.news(["FailedGetResourceMetric"].into_iter(), at(15)).is_empty());
        assert!(said.news([].into_iter(), at(30)).is_empty());
        assert_eq!(said.news(["FailedGetResourceMetric"].into_iter(), at(45)).len(), 1);
    }

    #[test]
    fn a_state_that_outlives_its_event_is_said_again() {
        let mut said = Said::default();
        said.news(["AmbiguousSelector"].into_iter(), Time::from_secs(0));
        assert!(said.news(["AmbiguousSelector"].into_iter(), Time::from_secs(1799)).is_empty());
        assert_eq!(said.news(["AmbiguousSelector"].into_iter(), Time::from_secs(1800)).len(), 1);
    }

    #[test]
    fn two_reasons_do_not_hide_each_other() {
        let mut said = Said::default();
        said.news(["A"].into_iter(), Time::from_secs(0));
        assert_eq!(said.news(["A", "B"].into_iter(), Time::from_secs(1)), ["B"]);
    }
}
