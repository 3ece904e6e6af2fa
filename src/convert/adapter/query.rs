//! A rule's template, filled in for one metric of an HPA.

use serde_json::{Value, json};

use super::config::{Resources, Rule};

/// Names in templates.
const ACTIONS: [&str; 3] = [".Series", ".LabelMatchers", ".GroupBy"];

/// A metric of an HPA that an adapter may serve.
pub struct Asked<'a> {
    /// The field that belongs to its type.
    pub field: &'static str,
    /// Its name.
    pub metric: &'a str,
    part: &'a Value,
}

// === impl Asked ===

impl<'a> Asked<'a> {
    /// `None` for CPU and memory.
    pub fn of(metric: &'a Value) -> Option<Self> {
        let field = match metric["type"].as_str()? {
            "Pods" => "pods",
            "Object" => "object",
            "External" => "external",
            _ => return None,
        };
        let part = &metric[field];
        Some(Self { field, metric: part["metric"]["name"].as_str()?, part })
    }

    /// Whether it comes from the external metrics API.
    pub fn is_external(&self) -> bool {
        self.field == "external"
    }

    /// The target of the Prometheus metric: the same number in the same sense.
    pub fn target(&self) -> Value {
        let target = &self.part["target"];
        let value = |field: &str| Some(&target[field]).filter(|value| !value.is_null());
        // Of an Object metric with both the type chooses, as in the stock autoscaler.
        match (value("averageValue"), value("value")) {
            (_, Some(value)) if target["type"] == "Value" && self.field == "object" => json!({ "type": "Value", "value": value }),
            (Some(average), _) => json!({ "type": "AverageValue", "averageValue": average }),
            (None, Some(value)) => json!({ "type": "Value", "value": value }),
            (None, None) => json!({ "type": target["type"] }),
        }
    }

    /// The query for this series.
    pub fn fill(&self, rule: &Rule, series: &str) -> Result<String, String> {
        let resources = &rule.resources;
        let mut matchers = Vec::new();
        if resources.namespaced != Some(false) {
            matchers.push(format!("{}=\"${{namespace}}\"", self.namespace_label(resources)?));
        }
        let mut group = None;
        match self.field {
            "pods" => {
                let label = label(resources, "", "pod")?;
                matchers.push(format!("{label}=~\"${{pods}}\""));
                group = Some(label);
            }
            "object" => {
                let object = &self.part["describedObject"];
                let text = |field: &str| object[field].as_str().unwrap_or_default();
                let (api_version, kind) = (text("apiVersion"), text("kind").to_lowercase());
                let label = label(resources, api_version.rsplit_once('/').map_or("", |(group, _)| group), &kind)?;
                if kind != "namespace" {
                    matchers.push(format!("{label}={}", quoted(text("name"))));
                }
                group = Some(label);
            }
            _ => {}
        }
        matchers.extend(selector(&self.part["metric"]["selector"]));
        let query = render(&rule.metrics_query, series, &matchers.join(","), group.as_deref().unwrap_or_default())?;
        Ok(match (self.field, group.as_deref()) {
            // The metrics API gives one value per series, and the autoscaler adds them up.
            ("external", _) => format!("sum({query})"),
            // Values are told apart by this label.
            ("pods", Some(label)) if label != "pod" => format!("label_replace({query}, \"pod\", \"$1\", \"{label}\", \"(.+)\")"),
            _ => query,
        })
    }

    fn namespace_label(&self, resources: &Resources) -> Result<String, String> {
        match label(resources, "", "namespace") {
            // External rules may leave their resources out.
            Err(_) if self.is_external() && resources.template.is_empty() => Ok("namespace".to_owned()),
            label => label,
        }
    }
}

/// The label that names objects of a resource.
fn label(resources: &Resources, group: &str, singular: &str) -> Result<String, String> {
    let plurals = [singular.to_owned(), format!("{singular}s"), format!("{singular}es")];
    let named = |resource: &str| plurals.iter().any(|name| name.eq_ignore_ascii_case(resource));
    let mut overrides = resources.overrides.iter();
    if let Some((label, _)) = overrides.find(|(_, resource)| resource.group == group && named(&resource.resource)) {
        return Ok(label.clone());
    }
    if resources.template.is_empty() {
        return Err(format!("its resources name no label for {singular}"));
    }
    expand(&resources.template, |action| match action {
        ".Resource" => Some(singular.to_owned()),
        ".Group" => Some(group.to_owned()),
        _ => None,
    })
    .map_err(|action| format!("its resources.template has <<{action}>>; known are .Resource and .Group"))
}

/// The adapter's templates put a resource's names where these stand.
fn render(template: &str, series: &str, matchers: &str, group: &str) -> Result<String, String> {
    let text = expand(template, |action| match action {
        ".Series" => Some(series.to_owned()),
        ".LabelMatchers" => Some(matchers.to_owned()),
        ".GroupBy" => Some(group.to_owned()),
        _ => None,
    });
    let text = text.map_err(|action| format!("its metricsQuery has <<{action}>>; known are {}", ACTIONS.join(", ")))?;
    // Of an external metric without namespace and selector nothing stands in front of the comma.
    let text = if matchers.is_empty() { text.replace("{,", "{") } else { text };
    Ok(text.trim().to_owned())
}

/// Replaces each `<<…>>`; an unknown one is the error.
fn expand(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("<<") {
        let Some((action, after)) = after.split_once(">>") else { break };
        let action = action.trim().trim_matches('-').trim();
        text += before;
        text += &value(action).ok_or_else(|| action.to_owned())?;
        rest = after;
    }
    Ok(text + rest)
}

/// Conditions of a metric's selector.
fn selector(selector: &Value) -> Vec<String> {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = labels.map(|(label, value)| format!("{label}={}", quoted(value.as_str().unwrap_or_default())));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    let further = expressions.filter_map(|expression| {
        let label = expression["key"].as_str()?;
        let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let either = quoted(&values.map(regex::escape).collect::<Vec<_>>().join("|"));
        Some(match expression["operator"].as_str()? {
            "In" => format!("{label}=~{either}"),
            "NotIn" => format!("{label}!~{either}"),
            "Exists" => format!("{label}!=\"\""),
            _ => format!("{label}=\"\""),
        })
    });
    equal.chain(further).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
