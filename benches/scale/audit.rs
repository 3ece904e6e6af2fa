//! Requests as the API server's audit log has them: exact, and the same for every client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The log of a running API server.
pub struct Audit {
    file: PathBuf,
}

/// Requests of a time, by user and by what was asked for, e.g. `patch deployments/scale`.
pub type Requests = BTreeMap<(String, String), u64>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    object_ref: Option<ObjectRef>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct ObjectRef {
    resource: Option<String>,
    subresource: Option<String>,
    #[serde(rename = "apiGroup")]
    api_group: Option<String>,
}

impl Audit {
    /// A log that may not exist yet.
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned() }
    }

    /// Flags of the API server that write it.
    pub fn flags(file: &Path) -> String {
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/scale/audit-policy.yaml");
        format!("--audit-policy-file={policy} --audit-log-path={} --audit-log-maxsize=100000 --audit-log-format=json", file.display())
    }

    /// Where it ends now.
    pub fn mark(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.file).with_context(|| self.file.display().to_string())?.len())
    }

    /// What was asked since a mark, which is moved to the end.
    pub fn since(&self, mark: &mut u64) -> Result<Requests> {
        let mut file = std::fs::File::open(&self.file)?;
        file.seek(SeekFrom::Start(*mark))?;
        let (mut file, mut text) = (BufReader::new(file), String::new());
        let mut requests = Requests::new();
        loop {
            text.clear();
            // The last line may be half written: it counts the next time.
            let length = file.read_line(&mut text)?;
            if !text.ends_with('\n') {
                return Ok(requests);
            }
            *mark += length as u64;
            let line: Line = serde_json::from_str(&text).context("a line of the audit log")?;
            // A watch is a request when it starts; its end is none.
            if (line.stage == "ResponseStarted") != (line.verb == "watch") {
                continue;
            }
            *requests.entry((line.user.username.clone(), line.what())).or_default() += 1;
        }
    }
}

impl Line {
    fn what(&self) -> String {
        let path = || self.request_uri.split('?').next().unwrap_or_default().to_owned();
        let Some(ObjectRef { resource: Some(resource), subresource, api_group }) = &self.object_ref else {
            return format!("{} {}", self.verb, path());
        };
        let group =
            api_group.as_deref().filter(|group| group.ends_with("metrics.k8s.io")).map_or(String::new(), |group| format!(".{group}"));
        let sub = subresource.as_deref().map_or(String::new(), |sub| format!("/{sub}"));
        format!("{} {resource}{group}{sub}", self.verb)
    }
}

/// How requests fall into kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// All but those of leases.
    pub all: u64,
    /// Those of them that change an object.
    pub writes: u64,
    /// Those of leases: leaders ask for them and renew them every two seconds.
    pub leases: u64,
}

/// Counts them.
pub fn kinds(requests: &Requests) -> Kinds {
    let mut kinds = Kinds::default();
    for ((_, what), count) in requests {
        let verb = what.split(' ').next().unwrap_or_default();
        let changes = matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection");
        // Questions that are posted change nothing.
        let asks = what.contains("reviews") || what.contains("serviceaccounts/token");
        if what.ends_with(" leases") {
            kinds.leases += count;
            continue;
        }
        kinds.all += count;
        if changes && !asks {
            kinds.writes += count;
        }
    }
    kinds
}
