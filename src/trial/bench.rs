//! Contenders, a cluster and a load: what is needed for a trial.

use std::time::Duration;

use super::cluster::Model;
use super::contender::Contender;
use super::error::TrialError;
use super::load::{Loaded, measures_load};
use crate::sim::{Load, Meter, Problem, Run, Setup, Trial, Workload};

/// Time at the start that is not scored unless the load is short: twice the window of scale-in, after which the first size no longer matters.
const WARM_UP: Duration = Duration::from_mins(10);
/// Unix time at which loads begin of which that is not known.
const NO_START: i64 = 0;

/// A trial that can be run.
#[derive(Debug)]
pub struct Bench {
    setup: Setup,
    workload: Workload,
    loaded: Loaded,
    warm_up: Duration,
    contenders: Vec<Contender>,
}

impl Bench {
    /// Puts a trial together; the first contender is the policy in question. Without `warm_up` ten minutes are not scored, but at most a
    /// quarter of the load.
    ///
    /// # Errors
    /// What cannot be simulated: signals of which nothing is known, schedules without a start, a warm-up that leaves nothing.
    pub fn new(
        contenders: Vec<Contender>,
        model: Model,
        loaded: Loaded,
        utilization: f64,
        warm_up: Option<Duration>,
    ) -> Result<Self, TrialError> {
        if let Some(contender) = contenders.iter().find(|contender| contender.needs_calendar())
            && loaded.start.is_none()
        {
            let message = format!(
                "is missing: {} decides by the calendar; give the time of the load's start, such as 2026-11-02T00:00:00Z",
                contender.place
            );
            return Err(TrialError::option("--start", message));
        }
        let length = Duration::from_secs(loaded.load.seconds());
        let warm_up = warm_up.unwrap_or_else(|| WARM_UP.min(Duration::from_secs(length.as_secs() / 4)));
        if warm_up >= length {
            let message = format!("{} s leaves nothing of the load's {} s to be scored", warm_up.as_secs(), length.as_secs());
            return Err(TrialError::option("--warm-up", message));
        }
        let workload = workload(&contenders, &model, utilization, loaded.capacity);
        let bench = Self { setup: model.setup, workload, loaded, warm_up, contenders };
        for contender in &bench.contenders {
            let problems = bench.run_of().check(contender.signals());
            if !problems.is_empty() {
                return Err(TrialError::Cluster { place: contender.place.clone(), problems: problems.into_iter().map(hint).collect() });
            }
        }
        Ok(bench)
    }

    /// What was made of the trace, for people.
    pub fn note(&self) -> &str {
        &self.loaded.note
    }

    /// Names of the contenders.
    pub fn names(&self) -> Vec<&str> {
        self.contenders.iter().map(|contender| contender.name.as_str()).collect()
    }

    /// Lets every contender bear the load, side by side.
    pub fn run(&self) -> Trial {
        let mut trial = self.empty();
        let start = self.loaded.start.unwrap_or(NO_START);
        std::thread::scope(|scope| {
            let runs = self.contenders.iter().map(|contender| {
                scope.spawn(move || {
                    let mut alone = self.empty();
                    alone.add(contender.name.clone(), self.run_of(), &mut contender.autoscaler(start));
                    alone.contenders
                })
            });
            // All are started before the first is waited for.
            for run in runs.collect::<Vec<_>>() {
                match run.join() {
                    Ok(outcome) => trial.contenders.extend(outcome),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        trial
    }

    fn empty(&self) -> Trial {
        let mut trial = Trial::new(self.loaded.name.clone(), self.load(), self.warm_up.as_secs());
        trial.start = self.loaded.start;
        trial
    }

    fn load(&self) -> &Load {
        &self.loaded.load
    }

    fn run_of(&self) -> Run<'_> {
        Run { setup: &self.setup, workload: &self.workload, load: &self.loaded.load, warm_up: self.warm_up }
    }
}

/// What all signals show. They are those of one workload: a signal of one name shows the same to all, and the first signal that measures load
/// is in the unit of the trace for each of them, whatever its target. `unit` is what one pod shows of it, where that is known.
fn workload(contenders: &[Contender], model: &Model, utilization: f64, mut unit: Option<f64>) -> Workload {
    let mut signals = model.signals.clone();
    for contender in contenders {
        let assumed = Workload::assumed_at(contender.signals(), utilization);
        if let Some(signal) = contender.signals().iter().find(|signal| measures_load(signal))
            && let Some(meter) = assumed.meter(signal)
        {
            let full = *unit.get_or_insert_with(|| signals.get(&**signal.name()).map_or(meter.full, |given| given.full));
            signals.entry(signal.name().to_string()).or_insert(Meter { full, ..*meter });
        }
        for (name, meter) in assumed.signals {
            signals.entry(name).or_insert(meter);
        }
    }
    Workload { signals }
}

/// A signal of which nothing is known can be described.
fn hint(mut problem: Problem) -> Problem {
    if problem.path.starts_with("signals.") {
        problem.message += " (in a file for --cluster)";
    }
    problem
}
