//! What to do about a lease, as a pure function.

use std::time::{Duration, Instant};

/// What is to be known of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; `None` or empty after a release.
    pub holder: Option<String>,
    /// Version of the object; it changes with every renewal.
    pub version: String,
    /// How long it holds without renewal, as its holder says.
    pub duration: Duration,
}

/// When we first saw the present version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The version.
    pub version: String,
    /// When it was first seen, by our monotonic clock.
    pub at: Instant,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody holds it, or the holder is gone: take it.
    Acquire,
    /// It is ours: renew it.
    Renew,
    /// Somebody else holds it.
    Wait,
}

/// Decides on a lease seen at `now`. `observed` is kept up to date by the caller through the returned value.
pub fn evaluate(me: &str, seen: &Seen, observed: Option<Observed>, now: Instant) -> (Step, Observed) {
    let observed = observed.filter(|o| o.version == seen.version).unwrap_or_else(|| Observed { version: seen.version.clone(), at: now });
    let step = match seen.holder.as_deref() {
        None | Some("") => Step::Acquire,
        Some(holder) if holder == me => Step::Renew,
        Some(_) if now.saturating_duration_since(observed.at) >= seen.duration => Step::Acquire,
        Some(_) => Step::Wait,
    };
    (step, observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holder: Option<&str>, version: &str) -> Seen {
        Seen { holder: holder.map(str::to_owned), version: version.to_owned(), duration: Duration::from_secs(15) }
    }

    fn start() -> Instant {
        crate::clock::Clock::real().instant()
    }

    #[test]
    fn a_free_or_released_lease_is_taken() {
        assert_eq!(evaluate("a", &seen(None, "1"), None, start()).0, Step::Acquire);
        assert_eq!(evaluate("a", &seen(Some(""), "1"), None, start()).0, Step::Acquire);
    }

    #[test]
    fn our_own_lease_is_renewed() {
        assert_eq!(evaluate("a", &seen(Some("a"), "1"), None, start()).0, Step::Renew);
    }

    #[test]
    fn a_holder_is_given_its_full_time_from_when_we_saw_it() {
        let t = start();
        let (step, observed) = evaluate("a", &seen(Some("b"), "1"), None, t);
        assert_eq!(step, Step::Wait);
        let (step, observed) = evaluate("a", &seen(Some("b"), "1"), Some(observed), t + Duration::from_secs(14));
        assert_eq!(step, Step::Wait);
        let (step, _) = evaluate("a", &seen(Some("b"), "1"), Some(observed), t + Duration::from_secs(15));
        assert_eq!(step, Step::Acquire);
    }

    #[test]
    fn each_renewal_starts_the_time_again() {
        let t = start();
        let (_, observed) = evaluate("a", &seen(Some("b"), "1"), None, t);
        let (step, observed) = evaluate("a", &seen(Some("b"), "2"), Some(observed), t + Duration::from_secs(14));
        assert_eq!((step, observed.at), (Step::Wait, t + Duration::from_secs(14)));
        assert_eq!(evaluate("a", &seen(Some("b"), "2"), Some(observed), t + Duration::from_secs(28)).0, Step::Wait);
    }
}
