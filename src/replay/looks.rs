//! The looks of a controller, found again in what Prometheus scraped of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::history::{Asker, NoHistory};
use super::load::{own_label, quoted};
use super::look::{Look, Unreadable};
use crate::core::Time;
use crate::source::prometheus::Run;

/// Looks at one policy's target, in order of time.
#[derive(Debug, Default)]
pub struct Looks {
    /// Each once, however often it was scraped, and by whom.
    pub looks: Vec<Look>,
    /// Looks that were made and are not here, by the looks around them: not scraped in time, or too large to be kept.
    pub missed: u64,
    /// Why some that were scraped cannot be read, each reason once.
    pub unreadable: Vec<Unreadable>,
}

/// Asks for the looks at a policy's target.
///
/// # Errors
/// Where the server does not answer, or refuses.
pub async fn looks(asker: &Asker, namespace: &str, name: &str, from: Time, to: Time) -> Result<Looks, NoHistory> {
    // The controller's own labels may have been renamed by those of its pod (honor_labels: false).
    let quoted = quoted(name);
    let mut runs = Vec::new();
    for label in ["name", "exported_name"] {
        runs.extend(asker.samples(&format!("ballast_look_word{{{label}={quoted}}}"), from, to).await?);
    }
    Ok(Looks::of(&runs, namespace, from, to))
}

// === impl Looks ===

impl Looks {
    /// The looks from `from` to `to` in these series.
    pub fn of(runs: &[Run], namespace: &str, from: Time, to: Time) -> Self {
        let mut found = Self::default();
        let mut looks: BTreeMap<(Time, u64), Look> = BTreeMap::new();
        for words in scrapes(runs, namespace) {
            match Look::unpack(&words) {
                Ok(look) => {
                    looks.entry((look.term, look.number)).or_insert(look);
                }
                Err(why) if found.unreadable.contains(&why) => {}
                Err(why) => found.unreadable.push(why),
            }
        }
        found.looks = looks.into_values().filter(|look| (from..=to).contains(&look.time)).collect();
        found.looks.sort_by_key(|look| (look.time, look.number));
        let pairs = found.looks.windows(2).map(|pair| (&pair[0], &pair[1]));
        let between = pairs.filter(|(one, next)| one.term == next.term).map(|(one, next)| next.number.saturating_sub(one.number + 1));
        found.missed = between.sum();
        found
    }
}

/// The words of each place at each scrape, without repetitions.
fn scrapes(runs: &[Run], namespace: &str) -> BTreeSet<Vec<u64>> {
    // A place is everything but the word's number: who was scraped, which policy, which of its looks.
    let mut places: HashMap<BTreeMap<&str, &str>, usize> = HashMap::new();
    let mut scrapes: HashMap<(usize, i64), BTreeMap<usize, u64>> = HashMap::new();
    for run in runs {
        let Run { labels, points } = run;
        if own_label(run, "namespace").is_none_or(|found| found != namespace) {
            continue;
        }
        let Some(word) = own_label(run, "word").and_then(|word| word.parse().ok()) else { continue };
        let place = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "word").collect();
        let next = places.len();
        let place = *places.entry(place).or_insert(next);
        for point in points {
            // Whole and below 2^48, or refused by the checksum.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let value = point.value as u64;
            scrapes.entry((place, point.time.as_millis())).or_default().insert(word, value);
        }
    }
    // A hole in the words shows as a length that does not fit.
    scrapes.into_values().map(|words| words.into_values().collect()).collect()
}
