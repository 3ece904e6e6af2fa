//! Flags and environment → a validated [`Config`]. Where the stock controller has a flag, its name works here too.

mod defaults;
mod file;
mod traces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use thiserror::Error;

use crate::api::source_config::{ADDRESS, is_address};
use crate::cluster::MOST_SHARDS;

pub use defaults::{DefaultSmoothing, PolicyDefaults};
pub use file::{File, NamespaceDefaults, SmoothingName};
pub use traces::TracingArgs;

/// `ballast run`: the controller.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // Flags.
pub struct RunArgs {
    /// Kubeconfig file; without one: the in-cluster configuration, then the usual kubectl rules.
    #[arg(long, env = "BALLAST_KUBECONFIG", value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[arg(long, env = "BALLAST_CONTEXT", value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,
    /// Namespaces to watch, separated by commas; default: all.
    #[arg(long, env = "BALLAST_NAMESPACES", value_name = "NS,…", value_delimiter = ',', help_heading = "Cluster")]
    pub namespaces: Vec<String>,
    /// More kinds whose annotations are read, besides `Deployment` and `StatefulSet`: `ReplicaSet`, `ReplicationController`.
    #[arg(long, env = "BALLAST_ANNOTATED_KINDS", value_name = "KIND,…", value_delimiter = ',', help_heading = "Cluster")]
    pub annotated_kinds: Vec<String>,

    /// What policies do not say themselves.
    #[command(flatten)]
    pub defaults: PolicyDefaults,

    /// Prometheus server behind the source named `default`.
    #[arg(long, env = "BALLAST_PROMETHEUS_URL", value_name = "URL", help_heading = "Metrics")]
    pub prometheus_url: Option<String>,
    /// File with `sources`, `metricSources` and per-namespace `defaults` (YAML); read again when it changes.
    #[arg(long, env = "BALLAST_CONFIG", value_name = "FILE", help_heading = "Metrics")]
    pub config: Option<PathBuf>,

    /// Let `MetricSource`s lead to loopback addresses, which are the controller's own; for tests and one-machine set-ups.
    #[arg(long, env = "BALLAST_ALLOW_LOOPBACK_SOURCES", help_heading = "Metrics")]
    pub allow_loopback_sources: bool,

    /// Whether pods are asked for their metrics themselves, for policies that say `freshness: Direct`; with false, a Prometheus server is asked
    /// for those as well.
    #[arg(long, env = "BALLAST_DIRECT_SCRAPE", default_value_t = true, action = ArgAction::Set, help_heading = "Metrics")]
    pub direct_scrape: bool,

    /// How often growth is looked for between two decisions of policies on CPU and memory, whose usage one list shows; 1s to 1m, 0s: never.
    /// Policies with other signals, and those of shorter intervals, are looked at by their interval only.
    #[arg(long, env = "BALLAST_SCALE_OUT_SYNC_PERIOD", value_name = "DURATION", default_value = "3s", value_parser = duration, help_heading = "Metrics")]
    pub scale_out_sync_period: Duration,

    /// Writes of replica counts per second, at most; scale-outs go first. An API server on two cores takes some 600.
    #[arg(long, env = "BALLAST_WRITE_QPS", value_name = "N", default_value_t = 1000.0, help_heading = "Writing")]
    pub write_qps: f64,
    /// Writes under way at once, at most.
    #[arg(
        long,
        alias = "concurrent-horizontal-pod-autoscaler-syncs",
        env = "BALLAST_WRITE_CONCURRENCY",
        value_name = "N",
        default_value_t = 16,
        help_heading = "Writing"
    )]
    pub write_concurrency: usize,

    /// Address of the admin port: /livez, /readyz, /metrics, /debug/policies, and /web/ with --web-page.
    #[arg(long, env = "BALLAST_ADMIN_ADDRESS", value_name = "ADDRESS", default_value = "0.0.0.0:8080", help_heading = "Operation")]
    pub admin_address: SocketAddr,
    /// Serve a read-only page for people at /web/ of the admin port: policies, reasons, sources.
    #[arg(long, env = "BALLAST_WEB_PAGE", help_heading = "Operation")]
    pub web_page: bool,
    /// Names by which browsers may reach the page, besides addresses, localhost and names inside the cluster, separated by commas.
    #[arg(
        long,
        env = "BALLAST_WEB_HOSTS",
        value_name = "HOST,…",
        value_delimiter = ',',
        requires = "web_page",
        help_heading = "Operation"
    )]
    pub web_hosts: Vec<String>,
    /// Run only while holding the lease, so that replicas of the controller stand by for each other.
    #[arg(long, env = "BALLAST_LEADER_ELECT", default_value_t = true, action = ArgAction::Set, help_heading = "Operation")]
    pub leader_elect: bool,
    /// Shards that the replicas share out among themselves, 1 to 64. 1: one replica decides all policies and the others stand by. The same for all.
    #[arg(long, env = "BALLAST_SHARDS", value_name = "N", default_value_t = 1, help_heading = "Operation")]
    pub shards: usize,
    /// Name of the lease; those of several shards and of their members begin with it.
    #[arg(long, env = "BALLAST_LEASE_NAME", value_name = "NAME", default_value = "ballast", help_heading = "Operation")]
    pub lease_name: String,
    /// Namespace of the lease; default: the pod's own, else `ballast-system`.
    #[arg(long, env = "BALLAST_LEASE_NAMESPACE", value_name = "NAMESPACE", help_heading = "Operation")]
    pub lease_namespace: Option<String>,
    /// How long a lease holds without renewal.
    #[arg(long, alias = "leader-elect-lease-duration", env = "BALLAST_LEASE_DURATION", value_name = "DURATION", default_value = "15s", value_parser = duration, help_heading = "Operation")]
    pub lease_duration: Duration,
    /// Time without a renewal after which a leader stops leading; below the lease duration.
    #[arg(long, alias = "leader-elect-renew-deadline", env = "BALLAST_RENEW_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = "Operation")]
    pub renew_deadline: Duration,
    /// Time between two tries to take or renew the lease.
    #[arg(long, alias = "leader-elect-retry-period", env = "BALLAST_RETRY_PERIOD", value_name = "DURATION", default_value = "2s", value_parser = duration, help_heading = "Operation")]
    pub retry_period: Duration,
    /// How often memory is written to `ConfigMap`s named after the lease (`<lease name>-memory-<n>`, in its namespace) when it has changed, 1s
    /// to 5m; after a crash scale-in is late by this much at most. `0s`: never; then a restart makes scale-in wait for a whole window.
    #[arg(long, env = "BALLAST_CHECKPOINT_INTERVAL", value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Operation")]
    pub checkpoint_interval: Duration,
    /// Looks of each policy that `/metrics` shows in a packed form, for `ballast replay --open-loop`: as many as there may be between two scrapes,
    /// up to 32. 0: none. Each is about 20 series and another 2 to 5 per pod.
    #[arg(long, env = "BALLAST_RECORD_LOOKS", value_name = "N", default_value_t = 0, help_heading = "Operation")]
    pub record_looks: usize,
    /// Whether and where traces are sent.
    #[command(flatten)]
    pub tracing: TracingArgs,
    /// Form of the log lines.
    #[arg(long, env = "BALLAST_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, help_heading = "Operation")]
    pub log_format: LogFormat,
    /// Least severe level that is logged, or a list such as `info,ballast::source=debug`.
    #[arg(long, env = "BALLAST_LOG_LEVEL", value_name = "LEVEL", default_value = "info", help_heading = "Operation")]
    pub log_level: String,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// A flag or file that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A value outside its range.
    #[error("{field}: {value}: must be {allowed}")]
    OutOfRange {
        /// Flag, or path in the file.
        field: String,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The file cannot be read.
    #[error("--config: cannot read {path}: {source}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("--config: {path}: {message}")]
    Parse {
        /// Its path.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
}

fn check(ok: bool, field: &str, value: String, allowed: &'static str) -> Result<(), ConfigError> {
    if ok { Ok(()) } else { Err(ConfigError::OutOfRange { field: field.to_owned(), value, allowed }) }
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

// === impl RunArgs ===

impl RunArgs {
    /// Refuses what no policy could work with, naming the flag, the value and the allowed range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.defaults.validate()?;
        self.tracing.validate()?;
        if let Some(url) = &self.prometheus_url {
            // A password may stand in front of the @.
            let shown = if url.contains('@') { "(not shown)" } else { url };
            check(is_address(url), "--prometheus-url", shown.to_owned(), ADDRESS)?;
        }
        check(self.write_qps > 0.0 && self.write_qps.is_finite(), "--write-qps", self.write_qps.to_string(), "above 0")?;
        check((1..=256).contains(&self.write_concurrency), "--write-concurrency", self.write_concurrency.to_string(), "1 to 256")?;
        check((1..=MOST_SHARDS).contains(&self.shards), "--shards", self.shards.to_string(), "1 to 64")?;
        check(self.leader_elect || self.shards == 1, "--shards", self.shards.to_string(), "1 without --leader-elect")?;
        check(self.lease_duration > self.renew_deadline, "--lease-duration", seconds(self.lease_duration), "above --renew-deadline")?;
        check(self.renew_deadline > self.retry_period, "--renew-deadline", seconds(self.renew_deadline), "above --retry-period")?;
        let s = Duration::from_secs;
        let early = self.scale_out_sync_period;
        check(early.is_zero() || (s(1)..=s(60)).contains(&early), "--scale-out-sync-period", seconds(early), "0s, or 1s to 1m")?;
        let interval = self.checkpoint_interval;
        check(interval.is_zero() || (s(1)..=s(300)).contains(&interval), "--checkpoint-interval", seconds(interval), "0s, or 1s to 5m")?;
        check(self.record_looks <= 32, "--record-looks", self.record_looks.to_string(), "0 to 32")?;
        for host in &self.web_hosts {
            let is_name = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            check(is_name, "--web-hosts", host.clone(), "a name without scheme, port and wildcard, such as ballast.example.com")?;
        }
        for kind in &self.annotated_kinds {
            let known = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"].contains(&kind.as_str());
            check(known, "--annotated-kinds", kind.clone(), "Deployment, StatefulSet, ReplicaSet or ReplicationController")?;
        }
        Ok(())
    }
}

fn tolerable(tolerance: f64) -> bool {
    tolerance.is_finite() && tolerance >= 0.0
}

/// A duration as Go programs write it: `15s`, `5m`, `1m30s`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .map_err(|error| error.to_string())
        .and_then(|d| Duration::try_from(d).map_err(|_| "must not be negative".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go_flags() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5m0s"), Ok(Duration::from_secs(300)));
        assert!(duration("-5s").is_err());
        assert!(duration("15").is_err());
    }
}
