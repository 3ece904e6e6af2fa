//! The model cluster of a trial: a file, and options over it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::error::{TrialError, read};
use crate::cluster::fault;
use crate::core::{Signal, Target};
use crate::sim::{Meter, Setup};

/// Behaviour of the cluster, and what its signals show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Behaviour.
    pub setup: Setup,
    /// By signal name; what is not here is assumed.
    pub signals: BTreeMap<String, Meter>,
}

/// Options that stand over a file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `podStartSeconds`.
    pub pod_start: Option<Duration>,
    /// `podStartSpreadSeconds`.
    pub pod_start_spread: Option<Duration>,
    /// `scrapeSeconds`.
    pub scrape: Option<Duration>,
    /// `windowSeconds`.
    pub window: Option<Duration>,
    /// `metricAgeSeconds`.
    pub metric_age: Option<Duration>,
    /// `patienceSeconds`.
    pub patience: Option<Duration>,
    /// `seed`.
    pub seed: Option<u64>,
}

impl Model {
    /// What one pod bears of a signal at 100 %: as the file says, else by the target, an average of which is this share of it. `None`: neither
    /// tells.
    pub fn full(&self, signal: &Signal, utilization: f64) -> Option<f64> {
        match (self.signals.get(&**signal.name()), signal.target) {
            (Some(meter), _) => Some(meter.full),
            (None, Target::Capacity(milli)) => Some(milli / 1000.0),
            (None, Target::AverageValue(milli)) => Some(milli / 1000.0 / utilization),
            (None, Target::Utilization(_) | Target::Value(_)) => None,
        }
    }

    /// Reads a file: the fields of [`Setup`], and `signals` with a [`Meter`] by name.
    ///
    /// # Errors
    /// A file that cannot be read, or has unknown or wrong fields.
    pub fn read(path: &Path) -> Result<Self, TrialError> {
        Self::parse(&path.display().to_string(), &read(path)?)
    }

    fn parse(place: &str, text: &str) -> Result<Self, TrialError> {
        let mut document: Value = serde_saphyr::from_str(text).map_err(|error| TrialError::form(place, error))?;
        let Value::Object(fields) = &mut document else {
            return Err(TrialError::form(place, "must be an object of fields such as podStartSeconds"));
        };
        let signals = fields.remove("signals").unwrap_or_else(|| Value::Object(serde_json::Map::default()));
        let refused = |value: &Value, prefix: &str, error: &serde_path_to_error::Error<serde_json::Error>| {
            let mut error = fault(value, error);
            let separator = if prefix.is_empty() || error.path.is_empty() || error.path == "." { "" } else { "." };
            error.path = format!("{prefix}{separator}{}", error.path.trim_start_matches('.'));
            TrialError::Fields { place: place.to_owned(), errors: vec![error] }
        };
        let signals_read = serde_path_to_error::deserialize(&signals).map_err(|error| refused(&signals, "signals", &error))?;
        let setup: Setup = serde_path_to_error::deserialize(&document).map_err(|error| refused(&document, "", &error))?;
        let problems = setup.check();
        if !problems.is_empty() {
            return Err(TrialError::Cluster { place: place.to_owned(), problems });
        }
        Ok(Self { setup, signals: signals_read })
    }

    /// The same with these options.
    #[must_use]
    pub fn with(mut self, over: &Overrides) -> Self {
        let setup = &mut self.setup;
        for (field, value) in [
            (&mut setup.pod_start, over.pod_start),
            (&mut setup.pod_start_spread, over.pod_start_spread),
            (&mut setup.scrape, over.scrape),
            (&mut setup.window, over.window),
            (&mut setup.metric_age, over.metric_age),
            (&mut setup.patience, over.patience),
        ] {
            *field = value.unwrap_or(*field);
        }
        setup.seed = over.seed.unwrap_or(setup.seed);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_behaviour_and_signals_and_options_stand_over_it() {
        let model = Model::parse("c.yaml", "podStartSeconds: 60\npatienceSeconds: 5\nsignals: {rps: {full: 100}}\n").unwrap();
        let over = Overrides { pod_start: Some(Duration::from_secs(90)), ..Overrides::default() };
        let model = model.with(&over);
        assert_eq!((model.setup.pod_start.as_secs(), model.setup.patience.as_secs()), (90, 5));
        assert_eq!(model.signals["rps"], Meter::new(100.0));
    }

    #[test]
    fn faults_of_a_file_are_named() {
        let said = |text: &str| Model::parse("c.yaml", text).unwrap_err().to_string();
        assert_eq!(said("podStart: 60"), "c.yaml: podStart: unknown field; did you mean podStartSeconds?");
        assert_eq!(said("scrapeSeconds: 0"), "c.yaml: scrapeSeconds: 0 is not at least 1");
        assert!(
            said("podStartSeconds: soon").starts_with("c.yaml: podStartSeconds: \"soon\": must be"),
            "{}",
            said("podStartSeconds: soon")
        );
        assert_eq!(said("signals: {rps: {fulll: 1}}"), "c.yaml: signals.rps.fulll: unknown field; did you mean full?");
        assert!(said("[1]").contains("must be an object"));
    }
}
