//! Rules of prometheus-adapter as queries of the policies whose metrics it served.
//!
//! The adapter reads the names of all series from Prometheus and turns them into names of metrics. Here it goes the other way: from the name
//! in an HPA to the one series that gives it.

mod config;
mod naming;
mod query;

use serde_json::{Value, json};

use self::config::Rule;
use self::query::Asked;
use super::{Level, Options, Remark, Remarks};
use crate::api::FieldError;
use crate::trial::TrialError;

/// Longest name of a Prometheus metric in a policy.
const LONGEST: usize = 63;

/// All rules that were given.
#[derive(Debug, Default)]
pub struct Rules {
    /// For Pods and Object metrics.
    custom: Vec<Rule>,
    /// For External metrics.
    external: Vec<Rule>,
    remarks: Vec<Remark>,
}

// === impl Rules ===

impl Rules {
    /// Takes up a document, if it holds rules: the adapter's configuration, a `ConfigMap` with it, or values of its Helm chart.
    ///
    /// # Errors
    /// Rules with faults.
    pub fn read(&mut self, file: &str, document: &Value) -> Result<(), TrialError> {
        config::read(file, document, self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.custom.is_empty() && self.external.is_empty()
    }

    /// What is to be said of them as such.
    pub fn remarks(&self) -> Vec<Remark> {
        self.remarks.clone()
    }

    /// Notes something of a rule.
    fn remark(&mut self, place: &str, field: FieldError) {
        self.remarks.push(Remark { place: place.to_owned(), level: Level::Note, field });
    }

    /// Turns metrics that the adapter serves into Prometheus metrics.
    pub fn answer(&self, metrics: &mut Value, options: &Options, out: &mut Remarks) {
        let Some(list) = metrics.as_array_mut().filter(|_| !self.is_empty()) else { return };
        let mut names = Vec::new();
        for (index, metric) in list.iter_mut().enumerate() {
            let path = format!("spec.metrics[{index}]");
            let Some(asked) = Asked::of(metric) else { continue };
            match self.query(&asked) {
                Ok(Some((rule, query))) => {
                    let name = unique(asked.metric, &mut names);
                    out.note(
                        format!("{path}.{}.metric.name", asked.field),
                        asked.metric,
                        format!("asked of Prometheus itself, by the rule {rule}"),
                    );
                    let source = options.source.as_deref().unwrap_or("default");
                    *metric = json!({ "type": "Prometheus", "prometheus": {
                        "name": name, "query": query, "source": source, "target": asked.target(),
                    }});
                }
                Ok(None) => {
                    let message = "no rule serves it: it is still asked of the metrics API";
                    out.note(format!("{path}.{}.metric.name", asked.field), asked.metric, message);
                }
                Err((rule, why)) => {
                    let message = format!("its rule {rule} cannot be turned into a query: {why}; it is still asked of the metrics API");
                    out.lost(format!("{path}.{}.metric.name", asked.field), asked.metric, message);
                }
            }
        }
    }

    /// The first rule that serves a metric, by its path, and the query.
    fn query(&self, asked: &Asked<'_>) -> Result<Option<(&str, String)>, (&str, String)> {
        let rules = if asked.is_external() { &self.external } else { &self.custom };
        for rule in rules {
            match naming::series(rule, asked.metric) {
                Ok(Some(series)) => {
                    return match asked.fill(rule, &series) {
                        Ok(query) => Ok(Some((rule.place.as_str(), query))),
                        Err(why) => Err((rule.place.as_str(), why)),
                    };
                }
                Ok(None) => {}
                Err(why) => return Err((rule.place.as_str(), why)),
            }
        }
        Ok(None)
    }
}

/// A name that no other metric of the policy has.
fn unique(metric: &str, names: &mut Vec<String>) -> String {
    let short = |length: usize| metric.chars().take(length).collect::<String>();
    let mut name = short(LONGEST);
    let mut number = 2;
    while names.contains(&name) {
        name = format!("{}-{number}", short(LONGEST - 3));
        number += 1;
    }
    names.push(name.clone());
    name
}
