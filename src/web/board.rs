//! What there is to show, asked of the engine once for all who look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::rows::{Asked, page, totals};
use super::sources;
use crate::clock::Clock;
use crate::cluster::Key;
use crate::core::Time;
use crate::engine::{NoRecord, Records};
use crate::report::Summary;
use crate::source::Sources;

/// For so long a list of all policies is shown again, however many look: the engine decides nothing while it answers.
const KEEP: Duration = Duration::from_millis(900);
/// And for so many times as long as it took, so that no more than 2 % of the engine's time goes into it.
const SHARE: u32 = 50;
/// But no longer than this.
const KEEP_MOST: Duration = Duration::from_secs(10);

/// Largest part of a page. A record is some 20 KiB; one of hundreds of signals, or with texts of that size, is read by `ballast explain`.
const LARGEST: usize = 512 << 10;

/// Something shown, by its name: sent again when it has changed.
pub(super) type Part = (&'static str, String);

type Listing = Result<Arc<[Summary]>, NoRecord>;

pub(super) struct Board {
    records: Records,
    sources: Arc<Sources>,
    clock: Clock,
    /// The last list, and until when it is shown.
    latest: Mutex<Option<(Instant, Listing)>>,
}

// === impl Board ===

impl Board {
    pub fn new(records: Records, sources: Arc<Sources>, clock: Clock) -> Self {
        Self { records, sources, clock, latest: Mutex::new(None) }
    }

    /// The controller's time, by which ages are told.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// A page of the list, what it was taken from, and the sources.
    pub async fn policies(&self, asked: &Asked) -> Vec<Part> {
        let mut parts = match self.listing().await {
            Ok(all) => vec![fault(None), part("totals", &totals(&all)), part("rows", &page(&all, asked))],
            Err(error) => vec![fault(Some(&error))],
        };
        parts.push(part("process", &self.process()));
        parts.push(part("sources", &sources::table(&self.sources.health())));
        parts
    }

    /// All about one policy.
    pub async fn policy(&self, key: &Key) -> Vec<Part> {
        match self.records.policy(key.clone()).await {
            Ok(record) => match part("policy", &record) {
                (_, text) if text.len() > LARGEST => {
                    let error = "the record of this policy is too large for this page; ballast explain shows it";
                    vec![part("fault", &json!({ "error": error, "leader": null }))]
                }
                record => vec![fault(None), record],
            },
            Err(error) => vec![fault(Some(&error))],
        }
    }

    async fn listing(&self) -> Listing {
        // Whoever comes meanwhile waits for the same answer.
        let mut latest = self.latest.lock().await;
        let began = self.clock.instant();
        if let Some((_, listing)) = latest.as_ref().filter(|(until, _)| began < *until) {
            return listing.clone();
        }
        let listing = self.records.list(None, None, usize::MAX).await.map(Arc::from);
        let now = self.clock.instant();
        let took = now.saturating_duration_since(began);
        *latest = Some((now + (SHARE * took).clamp(KEEP, KEEP_MOST), listing.clone()));
        listing
    }

    /// Which part of the policies this process decides.
    fn process(&self) -> Value {
        let shards = self.records.shards();
        json!({ "shards": shards.count(), "led": shards.led().len(), "version": env!("CARGO_PKG_VERSION") })
    }
}

fn part(name: &'static str, value: &impl serde::Serialize) -> Part {
    // Only maps with keys that are no strings cannot be written, and there is none.
    (name, serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
}

fn fault(error: Option<&NoRecord>) -> Part {
    let leader = match error {
        Some(NoRecord::NotLeading { leader } | NoRecord::Elsewhere { leader, .. }) => leader.as_deref(),
        _ => None,
    };
    part("fault", &error.map(|error| json!({ "error": error.to_string(), "leader": leader })))
}
