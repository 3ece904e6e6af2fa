//! Sizes that were written, as the API server's audit log has them: one clock for all.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// Only writes of sizes, with the answer.
pub const POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "RequestResponse", "verbs": ["update", "patch"], "resources": [{"group": "apps", "resources": ["deployments/scale"]}]},
    {"level": "None"}
  ]
}"#;

/// A size that was written.
#[derive(Clone, Debug)]
pub struct Scale {
    pub namespace: String,
    /// When the request reached the API server.
    pub time: Timestamp,
    pub replicas: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    request_received_timestamp: Timestamp,
    object_ref: ObjectRef,
    response_object: Value,
}

#[derive(Deserialize)]
struct ObjectRef {
    namespace: String,
}

/// What was written since a time, in order.
pub fn since(log: &Path, time: Timestamp) -> Result<Vec<Scale>> {
    let file = std::fs::File::open(log).with_context(|| log.display().to_string())?;
    let mut scales = Vec::new();
    for line in BufReader::new(file).lines() {
        // The last line may be half written.
        let Ok(line) = serde_json::from_str::<Line>(&line?) else { continue };
        // A write that met a newer version has a status as its answer.
        let Some(replicas) = line.response_object["spec"]["replicas"].as_u64() else { continue };
        if line.request_received_timestamp >= time {
            scales.push(Scale { namespace: line.object_ref.namespace, time: line.request_received_timestamp, replicas });
        }
    }
    scales.sort_by_key(|scale| scale.time);
    Ok(scales)
}
