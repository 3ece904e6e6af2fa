//! One verb on one resource in one role.

use serde_json::{Value, json};

/// A right that a role gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Name of the role, without that of the release.
    pub role: String,
    /// Such as `patch`.
    pub verb: String,
    /// `resource` or `resource.group`, with its subresource.
    pub what: String,
}

impl Grant {
    /// `verb resource.group`, and the role in brackets where it is not the main one.
    pub fn text(&self) -> String {
        let role = if self.role.is_empty() { String::new() } else { format!(" ({})", self.role) };
        format!("{} {}{role}", self.verb, self.what)
    }
}

/// `deployments.apps/scale`, as kubectl writes it.
fn what(group: &str, resource: &str) -> String {
    match (group, resource.split_once('/')) {
        ("", _) => resource.to_owned(),
        (_, None) => format!("{resource}.{group}"),
        (_, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
    }
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Every single right of a role of the release, with the rule that has this and nothing else.
fn single(role: &Value, release: &str) -> Vec<(Grant, Value)> {
    let name = role["metadata"]["name"].as_str().unwrap();
    let role_name = name.strip_prefix(release).unwrap_or(name).trim_start_matches('-').to_owned();
    let mut out = Vec::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    let mut one = json!({ "apiGroups": [group], "resources": [resource], "verbs": [verb] });
                    if let Some(names) = rule.get("resourceNames") {
                        one["resourceNames"] = names.clone();
                    }
                    let grant = Grant { role: role_name.clone(), verb: verb.to_owned(), what: what(group, resource) };
                    out.push((grant, one));
                }
            }
        }
    }
    out
}

/// All rights that a release gives its controller in the namespaces it works in.
pub fn grants(objects: &[Value], release: &str) -> Vec<Grant> {
    let roles = objects.iter().filter(|object| object["kind"] == "Role");
    let mut all: Vec<_> = roles.flat_map(|role| single(role, release)).map(|(grant, _)| grant).collect();
    all.sort();
    all.dedup();
    all
}

/// The objects of a release, of whose rights one is missing.
pub fn without(objects: &[Value], release: &str, missing: &Grant) -> Vec<Value> {
    let mut out = objects.to_vec();
    for role in out.iter_mut().filter(|object| object["kind"] == "Role") {
        let left: Vec<Value> = single(role, release).into_iter().filter(|(grant, _)| grant != missing).map(|(_, rule)| rule).collect();
        role["rules"] = Value::Array(left);
    }
    out
}
