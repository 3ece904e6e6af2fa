//! Label selectors of custom and external metrics.

// kubectl explain shows these texts without markup.
#![allow(clippy::doc_markdown)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Problems;

/// Which series of a metric count. All requirements must hold; empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels and the values they must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
        .message("must be given with operator In or NotIn, and only then").field_path(".values")
)]
pub struct LabelSelectorRequirement {
    /// Name of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// In, NotIn, Exists or DoesNotExist.
    pub operator: LabelOperator,
    /// Values of In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// The selector as text in the form of `metav1.FormatLabelSelector`, sorted by key; empty selects everything. Faults go to
    /// `problems` under `path`.
    pub(crate) fn to_text(&self, path: &str, problems: &mut Problems) -> String {
        let mut parts: Vec<(&str, String)> = Vec::new();
        for (key, value) in &self.match_labels {
            check_key(&format!("{path}.matchLabels"), key, problems);
            check_value(&format!("{path}.matchLabels[{key}]"), value, problems);
            parts.push((key, format!("{key}={value}")));
        }
        for (index, expression) in self.match_expressions.iter().enumerate() {
            let path = format!("{path}.matchExpressions[{index}]");
            check_key(&format!("{path}.key"), &expression.key, problems);
            parts.push((&expression.key, expression.to_text(&path, problems)));
        }
        parts.sort();
        parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
    }
}

impl LabelSelectorRequirement {
    fn to_text(&self, path: &str, problems: &mut Problems) -> String {
        let listed = matches!(self.operator, LabelOperator::In | LabelOperator::NotIn);
        if listed == self.values.is_empty() {
            problems.add(format!("{path}.values"), self.values.join(","), "must be given with operator In or NotIn, and only then");
        }
        for (index, value) in self.values.iter().enumerate() {
            check_value(&format!("{path}.values[{index}]"), value, problems);
        }
        let mut values = self.values.clone();
        values.sort();
        let (key, values) = (&self.key, values.join(","));
        match self.operator {
            LabelOperator::In => format!("{key} in ({values})"),
            LabelOperator::NotIn => format!("{key} notin ({values})"),
            LabelOperator::Exists => key.clone(),
            LabelOperator::DoesNotExist => format!("!{key}"),
        }
    }
}

/// A label key: an optional DNS prefix, and a name of at most 63 letters, digits, `-`, `_`, `.` that starts and ends alphanumeric.
fn check_key(path: &str, key: &str, problems: &mut Problems) {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_ok = prefix.is_none_or(|prefix| {
        prefix.len() <= 253 && prefix.split('.').all(|part| is_name(part, 63, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
    });
    if !prefix_ok || !is_name(name, 63, is_label_char) {
        problems.add(path, key, "must be a label name such as app or example.com/app");
    }
}

fn check_value(path: &str, value: &str, problems: &mut Problems) {
    if !value.is_empty() && !is_name(value, 63, is_label_char) {
        problems.add(path, value, "must be a label value: at most 63 letters, digits, '-', '_' or '.', alphanumeric at both ends");
    }
}

fn is_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn is_name(text: &str, max: usize, allowed: impl Fn(char) -> bool) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= max && edge(text.chars().next()) && edge(text.chars().next_back()) && text.chars().all(allowed)
}
