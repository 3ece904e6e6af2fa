//! Runs on all cores.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ballast::sim::{Ballast, Cluster, Look, Run, Score, Setup, Workload, run};
use serde_json::Value;

use crate::loads::Named;
use crate::policies::{Rival, hpa_rps};

/// What all runs have in common.
pub struct Jobs<'a> {
    pub setup: Setup,
    pub workload: Workload,
    /// Merged into the spec of Ballast's policies.
    pub patch: &'a Value,
    pub timeline: Option<&'a Path>,
}

impl Jobs<'_> {
    /// Scores by load, then by rival.
    pub fn all(&self, loads: &[Named], rivals: &[Rival]) -> Vec<Vec<Score>> {
        grid(loads.len(), rivals.len(), |load, rival| self.one(&loads[load], rivals[rival]))
    }

    /// Scores of the stock autoscaler on the request rate by load, then by target from 30 % to 95 % of a pod's capacity.
    pub fn sweep(&self, loads: &[Named]) -> Vec<Vec<Score>> {
        // Steps small enough for linear interpolation between them.
        let targets: Vec<f64> = (12..=38).map(|step| 0.025 * f64::from(step)).collect();
        grid(loads.len(), targets.len(), |load, target| {
            run(self.plan(&loads[load]), &mut Ballast::new(hpa_rps(targets[target])), |_, _| {})
        })
    }

    fn plan<'a>(&'a self, load: &'a Named) -> Run<'a> {
        Run { setup: &self.setup, workload: &self.workload, load: &load.load, warm_up: load.warm_up }
    }

    fn one(&self, load: &Named, rival: Rival) -> Score {
        let Some(folder) = self.timeline else { return rival.run(self.plan(load), self.patch, |_, _| {}) };
        let mut csv = "second,load,ready,ordered,decided,wanted,raw,level,sigma,demand,reason\n".to_owned();
        let score = rival.run(self.plan(load), self.patch, |cluster, look| row(&mut csv, cluster, look));
        let file = folder.join(format!("{}-{}.csv", load.name, rival.name()).replace([' ', '/'], "_"));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, csv))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        score
    }
}

/// Demand estimates are in pods.
fn row(csv: &mut String, cluster: &Cluster<'_>, look: &Look) {
    let _ = write!(csv, "{},{:.3},{},{},{}", cluster.second(), cluster.load(), cluster.ready(), cluster.ordered(), look.replicas);
    match &look.decision {
        Some(decision) => {
            let wanted = decision.wanted.map(|wanted| wanted.to_string()).unwrap_or_default();
            let estimate = decision.signals.first().and_then(|signal| signal.estimate);
            let scale = if decision.signals.first().is_some_and(|signal| &*signal.name == "cpu") { 1e3 } else { 1e5 };
            let numbers = estimate.map_or_else(
                || ",,,".to_owned(),
                |e| format!("{:.3},{:.3},{:.3},{:.3}", e.raw / scale, e.level / scale, e.sigma / scale, e.demand / scale),
            );
            let _ = writeln!(csv, ",{wanted},{numbers},\"{}\"", decision.headline().replace('"', "'"));
        }
        None => csv.push_str(",,,,,,\n"),
    }
}

/// All cells of a table, on all cores.
fn grid<T: Send>(rows: usize, columns: usize, cell: impl Fn(usize, usize) -> T + Sync) -> Vec<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= rows * columns {
                        return;
                    }
                    let value = cell(job / columns, job % columns);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((job, value));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(job, _)| *job);
    let mut cells = done.into_iter().map(|(_, value)| value);
    (0..rows).map(|_| cells.by_ref().take(columns).collect()).collect()
}
