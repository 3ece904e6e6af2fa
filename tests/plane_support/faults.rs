//! What came of faults: every size a Deployment had meanwhile, and a table of them all.

use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;

use super::document_part;

type Seen = Vec<(Timestamp, String, i32)>;

/// Every change of `spec.replicas` of the Deployments of one namespace, as a watch delivers them: also those between two looks of a test.
pub struct Sizes {
    seen: Arc<Mutex<Seen>>,
}

impl Sizes {
    /// Watches from now on.
    pub fn watch(client: &Client, namespace: &str) -> Self {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let seen = Arc::<Mutex<Seen>>::default();
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut events = std::pin::pin!(watcher(deployments, watcher::Config::default()).default_backoff().applied_objects());
            while let Some(event) = events.next().await {
                let Ok(deployment) = event else { continue };
                let (name, size) = (deployment.name_any(), deployment.spec.replicas.unwrap_or(1));
                let mut seen = record.lock();
                if seen.iter().rev().find(|(_, known, _)| *known == name).is_none_or(|(.., last)| *last != size) {
                    seen.push((super::now(), name, size));
                }
            }
        });
        Self { seen }
    }

    /// The sizes a Deployment went through since then, the one it had first.
    pub fn since(&self, name: &str, start: Timestamp) -> Vec<i32> {
        let seen = self.seen.lock();
        let of: Vec<_> = seen.iter().filter(|(_, known, _)| known == name).collect();
        let first = of.iter().rposition(|(at, ..)| *at <= start).unwrap_or_default();
        of[first..].iter().map(|(.., size)| *size).collect()
    }

    /// The sizes that came after the one it had then, each with the seconds from then.
    pub fn changes(&self, name: &str, start: Timestamp) -> Vec<(f64, i32)> {
        let seen = self.seen.lock();
        let later = seen.iter().filter(|(at, known, _)| known == name && *at > start);
        later.map(|(at, _, size)| (at.duration_since(start).as_secs_f64(), *size)).collect()
    }

    /// How often it lost replicas since then.
    pub fn falls(&self, name: &str, start: Timestamp) -> usize {
        self.since(name, start).windows(2).filter(|pair| pair[1] < pair[0]).count()
    }

    /// How often its size changed since then.
    pub fn moves(&self, name: &str, start: Timestamp) -> usize {
        self.since(name, start).len().saturating_sub(1)
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub struct FaultRow {
    /// What was broken.
    pub fault: String,
    /// What Ballast said: verdict, reason and message of the policy's status.
    pub did: String,
    /// Seconds from the fault until it said so.
    pub held: f64,
    /// Seconds from the end of the fault until everything was as before; none where that is not waited for.
    pub back: Option<f64>,
    /// Moves that should not have been.
    pub wrong: usize,
}

/// The table that a test of faults prints at its end.
#[derive(Default)]
pub struct FaultTable(Mutex<Vec<FaultRow>>);

impl FaultTable {
    /// Adds a row.
    pub fn add(&self, row: FaultRow) {
        self.0.lock().push(row);
    }

    /// Prints all rows in the order of their faults and demands that no move was wrong.
    pub fn finish(&self, title: &str) {
        let mut rows = self.0.lock().clone();
        rows.sort_by(|one, other| one.fault.cmp(&other.fault));
        let width = |text: fn(&FaultRow) -> &str| rows.iter().map(|row| text(row).chars().count()).max().unwrap_or_default();
        let (fault, did) = (width(|row| &row.fault), width(|row| &row.did));
        let mut lines = vec![
            format!("| {:fault$} | {:did$} | held after s | back after s | wrong |", "fault", "what Ballast did"),
            format!("|-{:-<fault$}-|-{:-<did$}-|-{:-<12}-|-{:-<12}-|-{:-<5}-|", "", "", "", "", ""),
        ];
        for FaultRow { fault: name, did: said, held, back, wrong } in &rows {
            let back = back.map_or_else(|| "–".to_owned(), |back| format!("{back:.1}"));
            lines.push(format!("| {name:fault$} | {said:did$} | {held:12.1} | {back:>12} | {wrong:5} |"));
        }
        let table = lines.join("\n");
        println!("\n{title}\n{table}");
        if std::env::var_os("BALLAST_FAULTS").is_some_and(|form| form == "long") {
            document_part("docs/faults.md", "measuring", &table);
        }
        let wrong: Vec<_> = rows.iter().filter(|row| row.wrong > 0).collect();
        assert!(wrong.is_empty(), "wrong moves: {wrong:#?}");
    }
}
