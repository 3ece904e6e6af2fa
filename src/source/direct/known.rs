//! What is kept between two looks at a target's pods.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Mutex as Turns;

use super::Endpoint;
use super::rate::{self, Before, Value};
use super::take::{Family, Want};
use crate::core::Time;

/// What was seen of a target is kept so long without a question.
const KEPT: Duration = Duration::from_mins(10);
/// Most series that are kept of all pods, 16 bytes each.
const MOST_KEPT: usize = 4 << 20;
/// Most families of a target: with more, only what is wanted now is kept.
const MOST_WANTED: usize = 16;

/// Namespace and name.
pub(super) type Target = (Arc<str>, Arc<str>);

/// All targets.
#[derive(Default)]
pub(super) struct Targets(Mutex<HashMap<Target, Slot>>);

struct Slot {
    /// One at a time asks the pods of a target. Whoever gives up before the end leaves what was known before.
    known: Arc<Turns<Known>>,
    used: Instant,
    series: usize,
    /// Between the pods, see [`super::sample::size`].
    variation: Option<f64>,
    /// The last total of each sum that is asked for, and its time.
    totals: Vec<(Arc<[Want]>, Time, f64)>,
}

/// What is kept of a target.
#[derive(Default)]
pub(super) struct Known {
    wanted: Arc<[Want]>,
    pub pods: HashMap<Arc<str>, KnownPod>,
}

/// What is kept of a pod.
pub(super) struct KnownPod {
    socket: SocketAddr,
    before: Before,
    pub values: Vec<Value>,
    pub window: Duration,
}

// === impl Targets ===

impl Targets {
    /// What is known of a target, and how far its pods differ.
    pub fn of(&self, target: &Target, now: Instant) -> (Arc<Turns<Known>>, Option<f64>) {
        let mut targets = self.0.lock();
        let new = || Slot { known: Arc::default(), used: now, series: 0, variation: None, totals: Vec::new() };
        let slot = targets.entry(target.clone()).or_insert_with(new);
        slot.used = now;
        (Arc::clone(&slot.known), slot.variation)
    }

    /// Keeps what was seen of a target, unless all of them have too much already; and no longer what nobody asks for.
    pub fn keep(&self, target: &Target, series: usize, now: Instant) {
        let mut targets = self.0.lock();
        targets.retain(|_, other| now.saturating_duration_since(other.used) < KEPT);
        if let Some(slot) = targets.get_mut(target) {
            slot.series = series;
        }
        let kept: usize = targets.values().map(|slot| slot.series).sum();
        if kept > MOST_KEPT {
            targets.remove(target);
            tracing::warn!(namespace = %target.0, target = %target.1, "too many series are kept of pods that are asked directly; this target's are not");
        }
    }

    /// The total before, if it is not too long ago to say anything.
    pub fn last(&self, target: &Target, wanted: &[Want], now: Time) -> Option<f64> {
        let targets = self.0.lock();
        let of = |total: &&(Arc<[Want]>, Time, f64)| *total.0 == *wanted && now.since(total.1) <= rate::LONGEST;
        targets.get(target)?.totals.iter().find(of).map(|(.., total)| *total)
    }

    /// Notes how far the pods of a target differ, so that the next sample is as large as it has to be, and what a sum came to.
    pub fn learn(&self, target: &Target, variation: f64, wanted: Arc<[Want]>, total: Option<(Time, f64)>) {
        let mut targets = self.0.lock();
        let Some(slot) = targets.get_mut(target) else { return };
        slot.variation = Some(variation);
        slot.totals.retain(|(other, ..)| *other != wanted);
        if slot.totals.len() < MOST_WANTED {
            slot.totals.extend(total.map(|(time, total)| (wanted, time, total)));
        }
    }
}

// === impl Known ===

impl Known {
    /// The families that are taken of each pod. They stay while others are wanted in between, as two policies of a target may take turns.
    pub fn widen(&mut self, wanted: Vec<Want>) -> Arc<[Want]> {
        let new: Vec<Want> = wanted.iter().filter(|want| !self.wanted.contains(want)).cloned().collect();
        if self.wanted.len() + new.len() > MOST_WANTED {
            *self = Self { wanted: wanted.into(), pods: HashMap::new() };
        } else if !new.is_empty() {
            for pod in self.pods.values_mut() {
                pod.before.widen(new.len());
                pod.values.resize(self.wanted.len() + new.len(), Value::Unknown);
            }
            self.wanted = self.wanted.iter().cloned().chain(new).collect();
        }
        Arc::clone(&self.wanted)
    }

    pub fn series(&self) -> usize {
        self.pods.values().map(|pod| pod.before.series()).sum()
    }

    /// What a pod said at `at`. One with another address is another pod of the same name.
    pub fn take(&mut self, name: &Arc<str>, socket: SocketAddr, at: Instant, families: Vec<Family>) {
        let pod = self.pods.get_mut(name).filter(|pod| pod.socket == socket);
        if let Some(pod) = pod {
            pod.window = at.saturating_duration_since(pod.before.at);
            pod.values = pod.before.next(&self.wanted, at, families);
        } else {
            let values = rate::first(&self.wanted, &families);
            let pod = KnownPod { socket, before: Before::new(at, families), values, window: Duration::ZERO };
            self.pods.insert(Arc::clone(name), pod);
        }
    }
}

// === impl KnownPod ===

impl KnownPod {
    /// It was asked so shortly before that another scrape would show nothing more.
    pub fn is_recent(&self, endpoint: &Endpoint, now: Instant) -> bool {
        self.socket == endpoint.socket && now.saturating_duration_since(self.before.at) < rate::SHORTEST
    }
}
