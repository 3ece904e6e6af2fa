//! The stock autoscaler with its parameters searched for each load: what an owner with hindsight and patience could reach with it.

use ballast::sim::Score;

use crate::loads::Named;
use crate::policies::Hpa;

/// Price of a minute of violation in pod-minutes.
pub const PRICE: f64 = 20.0;
/// Shares of a pod's capacity as target: 30 to 95 %.
const TARGETS: std::ops::RangeInclusive<u32> = 6..=19;
/// Scale-down windows in seconds; 300 is the default.
const WINDOWS: [u32; 4] = [0, 60, 300, 900];

/// All that are tried.
pub fn candidates() -> Vec<Hpa> {
    let targets = TARGETS.map(|step| f64::from(step) * 0.05);
    targets.flat_map(|target| WINDOWS.map(|window| Hpa { target, window: Some(window) })).collect()
}

/// What suits a load best.
#[derive(Clone)]
pub struct Best {
    pub hpa: Hpa,
    pub score: Score,
}

/// The cheapest candidate, by its pod-hours and the price of its violations.
pub fn best(scores: Vec<Score>) -> Best {
    let all = candidates().into_iter().zip(scores).map(|(hpa, score)| Best { hpa, score });
    all.min_by(|a, b| a.score.bill(PRICE).total_cmp(&b.score.bill(PRICE))).unwrap_or_else(|| unreachable!("there are candidates"))
}

/// Says what was found.
pub fn print(loads: &[Named], tuned: &[Best]) {
    let found = loads.iter().zip(tuned).map(|(load, best)| {
        let window = best.hpa.window.unwrap_or_default();
        format!("{} {:.0} % and {window} s", load.name, 100.0 * best.hpa.target)
    });
    println!("Target and scale-down window of *HPA tuned*: {}.\n", found.collect::<Vec<_>>().join("; "));
}
