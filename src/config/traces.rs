//! Flags about traces.

use clap::Args;

use super::{ConfigError, check};
use crate::api::source_config::{ADDRESS, is_address};

/// Path of traces below the address of a collector.
const PATH: &str = "v1/traces";

/// Whether and where traces of ticks and decisions are sent.
#[derive(Args, Clone, Debug, Default)]
pub struct TracingArgs {
    /// `OpenTelemetry` collector that gets a trace of each tick (OTLP over HTTP with protobuf), without the path `/v1/traces`, e.g.
    /// `http://otel-collector.monitoring:4318`; default: the standard's `OTEL_EXPORTER_OTLP_ENDPOINT`, else no traces.
    #[arg(long, env = "BALLAST_OTLP_ENDPOINT", value_name = "URL", help_heading = "Operation")]
    pub otlp_endpoint: Option<String>,
    /// Share of ticks that are traced, 0 to 1; default: what the standard's `OTEL_TRACES_SAMPLER` says, else all.
    #[arg(long, env = "BALLAST_TRACE_SAMPLE_RATIO", value_name = "RATIO", help_heading = "Operation")]
    pub trace_sample_ratio: Option<f64>,
}

// === impl TracingArgs ===

impl TracingArgs {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(endpoint) = &self.otlp_endpoint {
            // A password may stand in front of the @.
            let shown = if endpoint.contains('@') { "(not shown)" } else { endpoint };
            check(is_address(endpoint), "--otlp-endpoint", shown.to_owned(), ADDRESS)?;
        }
        let ratio = self.trace_sample_ratio.unwrap_or_default();
        check((0.0..=1.0).contains(&ratio), "--trace-sample-ratio", ratio.to_string(), "0 to 1")
    }

    /// Where traces are sent, with path; `None`: nowhere. `variable` reads the environment, whose names and meanings are the standard's.
    pub fn endpoint(&self, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let below = |base: &str| format!("{}/{PATH}", base.trim_end_matches('/'));
        if set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        if let Some(endpoint) = &self.otlp_endpoint {
            return Some(below(endpoint));
        }
        if set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none") {
            return None;
        }
        // The one for traces alone is the whole address.
        set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| below(&base)))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::off(None, &[], None)]
    #[case::flag(Some("http://c:4318/"), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:4318")], Some("http://c:4318/v1/traces"))]
    #[case::standard(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/base")], Some("http://c:4318/base/v1/traces"))]
    #[case::whole_address(
        None, &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")], Some("http://t:1/x"))]
    #[case::empty_is_unset(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], None)]
    #[case::no_exporter(None, &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")], None)]
    #[case::disabled(Some("http://c:4318"), &[("OTEL_SDK_DISABLED", "true")], None)]
    fn where_traces_go(#[case] flag: Option<&str>, #[case] variables: &[(&str, &str)], #[case] expected: Option<&str>) {
        let args = TracingArgs { otlp_endpoint: flag.map(str::to_owned), ..TracingArgs::default() };
        let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(args.endpoint(variable).as_deref(), expected);
    }

    #[rstest]
    #[case(Some("otel:4317"), None, "--otlp-endpoint")]
    #[case(Some("http://u:secret@c:4318"), None, "(not shown)")]
    #[case(None, Some(1.5), "--trace-sample-ratio: 1.5: must be 0 to 1")]
    #[case(None, Some(f64::NAN), "NaN")]
    fn what_is_refused(#[case] endpoint: Option<&str>, #[case] ratio: Option<f64>, #[case] says: &str) {
        let error =
            TracingArgs { otlp_endpoint: endpoint.map(str::to_owned), trace_sample_ratio: ratio }.validate().unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("secret"), "{error}");
    }
}
