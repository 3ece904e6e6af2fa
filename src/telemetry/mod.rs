//! Logs, traces and the controller's own metrics.

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

mod metrics;
mod otlp;
mod policies;
mod process;
mod sources;
mod traces;

pub use metrics::{Metrics, PolicyLabels};
pub use otlp::{Otlp, OtlpError};
pub use policies::{About, Policies};
pub use sources::SourceMetrics;
pub use traces::{Step, Traces, clipped};

/// Starts logging to standard error. `level` is a level or a filter such as `info,ballast::source=debug`; a filter that cannot be
/// read is an error that names what is wrong with it.
pub fn start_logging(format: LogFormat, level: &str) -> Result<(), String> {
    // What fails is said once by whoever asked; the libraries would say it again at every try.
    let quiet = [("kube_runtime", "error"), ("kube_client", "off")].into_iter().filter(|(library, _)| !level.contains(library));
    let ours = quiet.fold(level.to_owned(), |all, (library, least)| format!("{library}={least},{all}"));
    let filter = EnvFilter::try_new(ours).map_err(|error| format!("--log-level: {level}: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
    started.map_err(|error| error.to_string())
}
