//! What was already said by Event, so that a lasting state is said once and not every few seconds.

use std::collections::HashMap;
use std::time::Duration;

use crate::core::Time;

/// A state that lasts is said again after this long, so that `kubectl describe` still shows it when the API server has dropped the
/// first Event (after an hour by default).
const REPEAT: Duration = Duration::from_secs(1800);

/// A state that ended and comes back is news again after this long, as client-go's recorder lets one Event of an object pass in that time: a
/// source that fails at every other look is one fault and not hundreds.
const PAUSE: Duration = Duration::from_secs(300);

/// When each reason was last said, and whether it holds at present.
#[derive(Clone, Debug, Default)]
pub struct Said(HashMap<String, (Time, bool)>);

// === impl Said ===

impl Said {
    /// Takes the reasons that hold now and returns those to say: the new ones, and the ones said long ago.
    pub fn news<'a>(&mut self, reasons: impl Iterator<Item = &'a str>, now: Time) -> Vec<&'a str> {
        self.0.retain(|_, (said, holds)| std::mem::take(holds) || now.since(*said) < PAUSE);
        let mut news = Vec::new();
        for reason in reasons {
            match self.0.get_mut(reason) {
                Some((said, holds)) if now.since(*said) < REPEAT => *holds = true,
                _ => {
                    self.0.insert(reason.to_owned(), (now, true));
                    news.push(reason);
                }
            }
        }
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
        assert!(said.news([].into_iter(), at(300)).is_empty());
        assert_eq!(said.news(["FailedGetResourceMetric"].into_iter(), at(315)).len(), 1);
    }

    #[test]
    fn a_failure_at_every_other_look_is_said_every_five_minutes() {
        let mut said = Said::default();
        let looks = (0..80).map(|look| {
            let failed = (look % 2 == 0).then_some("FailedGetResourceMetric");
            said.news(failed.into_iter(), Time::from_secs(15 * look)).len()
        });
        assert_eq!(looks.sum::<usize>(), 4, "in 20 minutes");
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
