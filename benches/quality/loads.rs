//! What the rivals have to bear: the recorded traces of one or more folders, and synthetic load.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ballast::sim::{Load, Noise, Shape, Trace};

use crate::policies::PEAK;

/// A load with its name.
pub struct Named {
    pub name: String,
    pub load: Load,
    /// Time at the start that is not scored.
    pub warm_up: Duration,
}

/// The part of a trace that is used: the first 60 days, but of the five-year trace those around its growth step.
fn days(name: &str) -> Range<f64> {
    if name == "app_cluster_hourly_2015_2020" { 205.0..265.0 } else { 0.0..60.0 }
}

/// All traces of the folders, in the order of their names.
pub fn traces(folders: &[PathBuf], wanted: impl Fn(&str) -> bool, noise: Option<(Noise, u64)>) -> anyhow::Result<Vec<Named>> {
    let mut files = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(folder).map_err(|error| anyhow::anyhow!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            if let Some(name) = trace_name(&path).filter(|name| wanted(name)) {
                files.push((name, path));
            }
        }
    }
    files.sort();
    files.dedup_by(|a, b| a.0 == b.0);
    files.into_iter().map(|(name, path)| read(name, &path, noise)).collect()
}

fn trace_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".csv.gz").or_else(|| name.strip_suffix(".csv")).map(str::to_owned)
}

fn read(name: String, path: &Path, noise: Option<(Noise, u64)>) -> anyhow::Result<Named> {
    let trace = Trace::read(File::open(path)?).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let load = Load::of_trace(&trace, days(&name), PEAK);
    let warm_up = Duration::from_mins(if load.seconds() < 4 * 3600 { 10 } else { 60 });
    Ok(Named { load: noisy(load, noise), name, warm_up })
}

/// Shapes whose right answer is known.
pub fn synthetic(wanted: impl Fn(&str) -> bool) -> Vec<Named> {
    let uniform = |share| Some((Noise::Uniform(share), 1));
    let sine = Shape::Sine { mean: 20.0, amplitude: 10.0, period: 600.0 };
    let step = |from, to| Shape::Step { from, to, at: 2 * 3600 };
    let list = [
        ("constant", Shape::Constant(20.0), None),
        ("constant ±4 %", Shape::Constant(20.0), uniform(0.04)),
        ("constant ±9 %", Shape::Constant(20.0), uniform(0.09)),
        ("constant 3 ±9 %", Shape::Constant(3.0), uniform(0.09)),
        ("step 4 to 40", step(4.0, 40.0), None),
        ("step 40 to 4", step(40.0, 4.0), None),
        ("ramp 4 to 40 in 10 min", Shape::Ramp { from: 4.0, to: 40.0, during: (7200, 7800) }, None),
        ("ramp 4 to 40 in 60 min", Shape::Ramp { from: 4.0, to: 40.0, during: (7200, 10_800) }, None),
        ("sine ±50 % in 10 min", sine, None),
        ("sine ±50 % in 10 min, ±4 %", sine, uniform(0.04)),
    ];
    let list = list.into_iter().filter(|(name, ..)| wanted(name));
    let hours = 9.0;
    list.map(|(name, shape, noise)| Named {
        name: name.to_owned(),
        load: noisy(Load::of_shape(shape, hours), noise),
        warm_up: Duration::from_hours(1),
    })
    .collect()
}

fn noisy(load: Load, noise: Option<(Noise, u64)>) -> Load {
    match noise {
        Some((noise, seed)) => load.with_noise(noise, seed),
        None => load,
    }
}
