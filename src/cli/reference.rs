//! The reference pages of `docs/`: fields from the CRD schemas, annotations and presets from their tables.

use std::fmt::Write;

use serde_json::Value;

use crate::api::annotations::KEYS;
use crate::api::crd;
use crate::source::preset::PRESETS;

const NOTE: &str = "<!-- Generated: UPDATE=1 cargo test --test api_generated -->\n";

/// `docs/reference.md`: every field of every kind.
pub fn fields() -> anyhow::Result<String> {
    let mut page =
        format!("{NOTE}# Field reference\n\nThe same texts as `kubectl explain scalepolicy.spec`. A field marked * is required.\n");
    for document in crd::documents()? {
        let kind = document["spec"]["names"]["kind"].as_str().unwrap_or_default();
        let root = &document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let description = root["description"].as_str().unwrap_or_default();
        write!(page, "\n## {kind}\n\n{description}\n")?;
        for part in ["spec", "status"] {
            writeln!(page, "\n### {kind} `{part}`\n\n| Field | Type | Default | Allowed | Meaning |\n| --- | --- | --- | --- | --- |")?;
            rows(&mut page, part, &root["properties"][part])?;
        }
    }
    Ok(page)
}

/// Writes one row per field below `schema`, depth first.
fn rows(page: &mut String, path: &str, schema: &Value) -> std::fmt::Result {
    let Some(properties) = schema["properties"].as_object() else { return Ok(()) };
    for (name, field) in properties {
        let required = schema["required"].as_array().is_some_and(|required| required.iter().any(|other| other == name));
        let path = format!("{path}.{name}");
        let cells = [
            format!("`{path}`{}", if required { "*" } else { "" }),
            kind(field),
            default(field),
            allowed(field),
            field["description"].as_str().unwrap_or_default().to_owned(),
        ];
        writeln!(page, "| {} |", cells.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | "))?;
        rows(page, &path, field)?;
        rows(page, &format!("{path}[]"), &field["items"])?;
    }
    Ok(())
}

fn kind(field: &Value) -> String {
    match (field["type"].as_str(), field["format"].as_str()) {
        (None, _) => "quantity".to_owned(),
        (Some("string"), Some("date-time")) => "time".to_owned(),
        (Some("object"), _) if field["additionalProperties"].is_object() => "map of strings".to_owned(),
        (Some("array"), _) => format!("list of {}s", kind(&field["items"])),
        (Some(other), _) => other.to_owned(),
    }
}

fn default(field: &Value) -> String {
    match &field["default"] {
        Value::Null => String::new(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "CPU at 80 %".to_owned(),
        other => format!("`{other}`"),
    }
}

fn allowed(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    let quantity = field["type"].is_null();
    let (least, most, unit) = match field["type"].as_str() {
        Some("string") => (&field["minLength"], &field["maxLength"], " characters"),
        Some("array") => (&field["minItems"], &field["maxItems"], " entries"),
        _ => (&field["minimum"], &field["maximum"], ""),
    };
    match (least, most) {
        _ if quantity && field["exclusiveMinimum"] == true => "above 0".to_owned(),
        (Value::Null, Value::Null) => String::new(),
        (least, Value::Null) => format!("at least {least}{unit}"),
        (least, most) if most == i32::MAX => format!("at least {least}{unit}"),
        (Value::Null, most) => format!("at most {most}{unit}"),
        (least, most) => format!("{least} to {most}{unit}"),
    }
}

/// `docs/presets.md`: every preset, and what roles mean.
pub fn presets() -> anyhow::Result<String> {
    let mut page = format!("{NOTE}{}", include_str!("presets.md"));
    for preset in PRESETS {
        let target = preset.default_target.unwrap_or("none, one must be given");
        let roles: Vec<_> = preset.roles.iter().map(|role| role.word()).collect();
        let also = if let [_, more @ ..] = &*roles
            && !more.is_empty()
        {
            format!("; may also be {}", more.join(" or "))
        } else {
            String::new()
        };
        write!(page, "\n### {}\n\nMeasures {}.\n\n", preset.name, preset.measures)?;
        writeln!(page, "- **Role**: {}{also}.", roles[0])?;
        writeln!(page, "- **Target per replica**: {target}. Why: {}.", preset.reason)?;
        writeln!(page, "- **Without series** the value is unknown: {}.", preset.empty)?;
        if preset.direct.is_some() {
            writeln!(page, "- **Freshness** `Direct` can be had: the pods themselves are asked ([how](direct.md)).")?;
        }
        for parameter in preset.parameters {
            let default = if parameter.default.is_empty() { String::new() } else { format!(" (default `{}`)", parameter.default) };
            writeln!(page, "- **Parameter** `{}`{default}: {}; {}.", parameter.name, parameter.meaning, parameter.form.words())?;
        }
        write!(page, "\n```promql\n{}\n```\n", preset.query())?;
    }
    Ok(page)
}

/// `docs/annotations.md`: every annotation and preset.
pub fn annotations() -> anyhow::Result<String> {
    let mut page = format!(
        "{NOTE}# Annotations\n\nPut on a Deployment or StatefulSet (its own metadata, not the pod template's), they are turned into a ScalePolicy that \
        the workload owns. A hand-written ScalePolicy for the same workload wins. Each key starts with `ballast.dev/`.\n\n\
        | Key | Value | Example | Meaning |\n| --- | --- | --- | --- |\n"
    );
    for key in KEYS {
        let example = if key.example.is_empty() { String::new() } else { format!("`{}`", key.example) };
        writeln!(page, "| `{}` | {} | {example} | {} |", key.name, key.form, key.meaning)?;
    }
    page += "\nA wrong value or an unknown key changes nothing: the last good policy stays in force, and a Warning Event on the workload names the key, \
        the value and what is allowed. Where the chart's [policy for annotations](gitops.md#annotations-that-are-checked-when-they-are-applied) is installed, \
        most of them are refused when they are applied.\n\n## Presets\n\nOf type Preset in a ScalePolicy, with roles, parameters and targets: [presets](presets.md).\n\n\
        | Preset | Role | Measures | Default target per replica |\n| --- | --- | --- | --- |\n";
    for preset in PRESETS {
        let target =
            preset.default_target.map_or_else(|| format!("none: {}", preset.reason), |target| format!("{target}: {}", preset.reason));
        let cells = [preset.default_role().word(), preset.measures, &target].map(|cell| cell.replace('|', "\\|"));
        writeln!(page, "| `{}` | {} |", preset.name, cells.join(" | "))?;
    }
    Ok(page)
}
