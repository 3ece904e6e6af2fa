//! What goes on while the soak lasts: policies come and go under ever new names, are edited, loaded and unloaded.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use futures::StreamExt;
use kube::Error;
use parking_lot::Mutex;

use crate::objects::{Cluster, KINDS, Kind, Slot};
use crate::plane_support::{Fleet, Level, Load, MetricsApi, Scraped, Source};

/// Objects made at once when many are needed.
const AT_ONCE: usize = 8;

/// How often a policy that is decided by counters gets the series of its new pods.
const COUNTERS: Duration = Duration::from_secs(5);

/// All policies, and what is done to them.
pub struct Churn {
    pub fleet: &'static Fleet,
    pub usage: &'static MetricsApi,
    pub prometheus: &'static Scraped,
    pub cluster: Cluster,
    pub namespaces: Vec<String>,
    /// The oldest first.
    pub slots: Mutex<VecDeque<Slot>>,
    pub state: Mutex<State>,
}

/// See [`Churn`].
#[derive(Default)]
pub struct State {
    /// Of names so far; none is used twice.
    number: u64,
    /// What was done, by what it is called.
    done: HashMap<&'static str, u64>,
    failed: u64,
    last_error: String,
    /// Pods that have a counter.
    counted: HashSet<(String, String)>,
}

// === impl Churn ===

impl Churn {
    /// Makes more policies, of all kinds but these in turn.
    pub async fn add(&self, count: usize, but: &[Kind]) -> Vec<Slot> {
        let kinds: Vec<Kind> = KINDS.into_iter().filter(|kind| !but.contains(kind)).collect();
        let new: Vec<Slot> = (0..count).map(|index| self.slot(kinds[index % kinds.len()])).collect();
        let made = futures::stream::iter(new.clone()).map(|slot| async move {
            self.load(&slot, fastrand::i64(1..=4));
            self.check("created", self.cluster.create(&slot).await);
        });
        made.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        self.slots.lock().extend(new.iter().cloned());
        new
    }

    /// Removes every policy that was added, but these.
    pub async fn clear(&self, but: &[Slot]) {
        let all: Vec<Slot> = std::mem::take(&mut *self.slots.lock()).into();
        let (kept, gone): (Vec<Slot>, Vec<Slot>) = all.into_iter().partition(|slot| but.iter().any(|other| other.name == slot.name));
        let removed = futures::stream::iter(gone).map(|slot| async move { self.remove(&slot).await });
        removed.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        *self.slots.lock() = kept.into();
    }

    /// These are left alone from now on.
    pub fn keep(&self, fixed: &[Slot]) {
        self.slots.lock().retain(|slot| fixed.iter().all(|other| other.name != slot.name));
    }

    /// These are policies like others again.
    pub fn release(&self, fixed: &[Slot]) {
        self.slots.lock().extend(fixed.iter().cloned());
    }

    /// One change of something.
    pub async fn step(&self) {
        let roll = fastrand::u32(0..100);
        if roll < 35 {
            return self.replace().await;
        }
        let Some(mut slot) = self.take() else { return };
        match roll {
            35..50 => self.check("edited", self.cluster.edit(&mut slot).await),
            50..60 if slot.is_annotated() => {
                let on = !slot.annotated;
                self.check("annotations switched", self.cluster.annotate(&mut slot, on).await);
            }
            60..72 if slot.kind == Kind::Source => self.check("sources edited", self.cluster.edit_source(&mut slot).await),
            72..82 => self.delete_pod(&slot).await,
            82..86 => self.check("touched", self.cluster.touch(&mut slot).await),
            _ => {
                self.load(&slot, fastrand::i64(1..=4));
                self.count("loads changed");
            }
        }
        self.slots.lock().push_back(slot);
    }

    /// The oldest policy goes, and another one of its kind comes.
    async fn replace(&self) {
        let Some(old) = self.slots.lock().pop_front() else { return };
        self.remove(&old).await;
        let new = self.slot(old.kind);
        self.load(&new, fastrand::i64(1..=4));
        self.check("replaced", self.cluster.create(&new).await);
        self.slots.lock().push_back(new);
    }

    async fn remove(&self, slot: &Slot) {
        self.prometheus.remove(&format!("app=\"{}\"", slot.name));
        self.check("deleted", self.cluster.delete(slot).await);
    }

    /// Any policy, which is then at the new end of the row.
    fn take(&self) -> Option<Slot> {
        let mut slots = self.slots.lock();
        let at = fastrand::usize(0..slots.len().max(1));
        slots.remove(at)
    }

    fn slot(&self, kind: Kind) -> Slot {
        let mut state = self.state.lock();
        state.number += 1;
        let place = usize::try_from(state.number).unwrap_or_default() % self.namespaces.len();
        Slot::new(self.namespaces[place].clone(), kind, state.number)
    }

    /// A load that so many replicas bear.
    fn load(&self, slot: &Slot, replicas: i64) {
        self.usage.set(&slot.name, Source::Cpu { container: "app" }, Load::Total(replicas * 45));
        self.prometheus.set(&slot.series(), Level::At(replicas as f64 * 9.0));
    }

    async fn delete_pod(&self, slot: &Slot) {
        let pod = {
            let pods = self.fleet.pods();
            pods.of(&slot.namespace, &slot.name).next().map(|((_, name), _)| name.clone())
        };
        if let Some(pod) = pod {
            self.check("pods deleted", self.cluster.delete_pod(&slot.namespace, &pod).await);
        }
    }

    /// Every pod of a preset's Deployment serves requests; those that are gone do not.
    pub async fn serve_requests(&self) {
        loop {
            let now: HashSet<(String, String)> = {
                let pods = self.fleet.pods();
                let all = kube::core::Selector::default();
                let presets = pods.select(None, &all).filter(|(_, pod)| pod.app().starts_with("preset-"));
                presets.map(|(key, _)| key.clone()).collect()
            };
            let before = std::mem::replace(&mut self.state.lock().counted, now.clone());
            for (namespace, pod) in now.difference(&before) {
                let series = format!("http_requests_total{{namespace=\"{namespace}\",pod=\"{pod}\"}}");
                self.prometheus.set(&series, Level::Rising(fastrand::f64() * 20.0));
            }
            for (_, pod) in before.difference(&now) {
                self.prometheus.remove(&format!("pod=\"{pod}\""));
            }
            tokio::time::sleep(COUNTERS).await;
        }
    }

    fn check(&self, what: &'static str, result: Result<(), Error>) {
        match result {
            Ok(()) => self.count(what),
            Err(error) => {
                let mut state = self.state.lock();
                state.failed += 1;
                state.last_error = format!("{what}: {error}");
            }
        }
    }

    fn count(&self, what: &'static str) {
        *self.state.lock().done.entry(what).or_default() += 1;
    }

    /// What was done, how often.
    pub fn done(&self) -> Vec<(String, u64)> {
        let mut done: Vec<_> = self.state.lock().done.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        done.sort_unstable();
        done
    }

    /// How many changes the API server refused, and what it said last.
    pub fn failed(&self) -> (u64, String) {
        let state = self.state.lock();
        (state.failed, state.last_error.clone())
    }
}
