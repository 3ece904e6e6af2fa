//! The adapter's configuration, wherever it is kept.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Rules;
use crate::api::FieldError;
use crate::cluster::fault;
use crate::trial::TrialError;

/// A rule as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rule {
    /// Where it stands; set by the reader.
    #[serde(skip)]
    pub place: String,
    /// Which series it is about.
    pub series_query: String,
    /// Further conditions on their names.
    pub series_filters: Vec<Filter>,
    /// Which labels name which objects.
    pub resources: Resources,
    /// What the metric is called.
    pub name: Naming,
    /// The query, as a template.
    pub metrics_query: String,
}

/// A regular expression that names of series match, or do not.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Filter {
    /// They match this.
    pub is: String,
    /// They do not match this.
    pub is_not: String,
}

/// Which labels name which objects.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// The label of any resource, as a template.
    pub template: String,
    /// Resources by label.
    pub overrides: BTreeMap<String, Resource>,
    /// Whether the series are of a namespace; default true.
    pub namespaced: Option<bool>,
}

/// A resource, in the singular or plural.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resource {
    /// Its group.
    pub group: String,
    /// Its name.
    pub resource: String,
}

/// From names of series to names of metrics.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Naming {
    /// A regular expression; default: all of it.
    pub matches: String,
    /// What becomes of a match; default: its only group, or all of it.
    #[serde(rename = "as")]
    pub to: String,
}

/// Takes up the rules of a document, if it has any.
pub fn read(file: &str, document: &Value, rules: &mut Rules) -> Result<(), TrialError> {
    match document["kind"].as_str() {
        Some("ConfigMap") => {
            let data = document["data"].as_object().into_iter().flatten();
            for (key, text) in data {
                // What is no YAML is no configuration of the adapter.
                let Some(inner) = text.as_str().and_then(|text| serde_saphyr::from_str::<Value>(text).ok()) else { continue };
                plain(&format!("{file}: data[{key}]"), &inner, rules)?;
            }
            Ok(())
        }
        Some(_) => Ok(()),
        None => {
            let values = document.get("prometheus-adapter").unwrap_or(document);
            if values["rules"].is_object() { chart(file, &values["rules"], rules) } else { plain(file, values, rules) }
        }
    }
}

/// The configuration itself.
fn plain(place: &str, config: &Value, rules: &mut Rules) -> Result<(), TrialError> {
    let about = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|rule| rule.get("seriesQuery").is_some()));
    if about(&config["rules"]) {
        rules.custom.extend(list(place, "rules", &config["rules"])?);
    }
    if about(&config["externalRules"]) {
        rules.external.extend(list(place, "externalRules", &config["externalRules"])?);
    }
    if config["resourceRules"].is_object() && !rules.is_empty() {
        rules.remark(place, FieldError::new("resourceRules", "", "CPU and memory are still asked of the metrics API (metrics.k8s.io)"));
    }
    Ok(())
}

/// Values of the adapter's Helm chart.
fn chart(place: &str, values: &Value, rules: &mut Rules) -> Result<(), TrialError> {
    rules.custom.extend(list(place, "rules.custom", &values["custom"])?);
    rules.external.extend(list(place, "rules.external", &values["external"])?);
    if values["default"] == true {
        let message = "the chart's own rules are not in this file: metrics that they serve are still asked of the metrics API";
        rules.remark(place, FieldError::new("rules.default", true, message));
    }
    Ok(())
}

fn list(place: &str, path: &str, list: &Value) -> Result<Vec<Rule>, TrialError> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |(index, item): (usize, &Value)| {
        let path = format!("{path}[{index}]");
        let refused = |error: FieldError| TrialError::Fields { place: place.to_owned(), errors: vec![error] };
        let mut rule: Rule = serde_path_to_error::deserialize(item).map_err(|error| {
            let FieldError { path: inner, value, message } = fault(item, &error);
            refused(FieldError { path: format!("{path}.{inner}"), value, message })
        })?;
        for (field, text) in [("seriesQuery", &rule.series_query), ("metricsQuery", &rule.metrics_query)] {
            if text.is_empty() {
                return Err(refused(FieldError::new(format!("{path}.{field}"), "", "must be given")));
            }
        }
        rule.place = format!("{path} of {place}");
        Ok(rule)
    };
    items.iter().enumerate().map(one).collect()
}
