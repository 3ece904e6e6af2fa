//! How the sources of numbers fare, read when `/metrics` is.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::source::{SourceHealth, Sources};

/// Families about each source: the metrics APIs by their group, Prometheus servers by name, `namespace/name` for a `MetricSource`.
pub struct SourceMetrics(pub Arc<Sources>);

impl fmt::Debug for SourceMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceMetrics")
    }
}

impl Collector for SourceMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.health();
        let up = |health: &SourceHealth| health.is_up().map(|up| ConstGauge::new(i64::from(up)));
        each(&mut encoder, &all, "source_up", "1 if the last request was answered, 0 if not or if there is no way to ask", None, up)?;
        let seconds = |health: &SourceHealth| Some(ConstCounter::new(health.latency_total.as_secs_f64()));
        each(&mut encoder, &all, "source_request", "Time spent waiting for answers", Some(&Unit::Seconds), seconds)?;
        let requests = |health: &SourceHealth| Some(ConstCounter::new(health.requests));
        each(&mut encoder, &all, "source_requests", "Requests that ended, well or badly", None, requests)?;
        let asks = |health: &SourceHealth| Some(ConstCounter::new(health.asks));
        each(
            &mut encoder,
            &all,
            "source_asks",
            "Questions of policies; those beyond the requests were answered by a shared one",
            None,
            asks,
        )?;
        let waiting = |health: &SourceHealth| Some(ConstCounter::new(health.waiting_total.as_secs_f64()));
        let about = "Time that requests waited for their turn: the budget of a source or the turns at an API are the limit where it grows";
        each(&mut encoder, &all, "source_waiting", about, Some(&Unit::Seconds), waiting)?;
        let newest = |health: &SourceHealth| health.last_success.map(|time| ConstGauge::new(time.as_millis().div_euclid(1000)));
        let about = "When a request was last answered, in seconds since 1970";
        each(&mut encoder, &all, "source_last_success_timestamp", about, Some(&Unit::Seconds), newest)?;

        let sample = ConstCounter::new(0_u64);
        let mut failures =
            encoder.encode_descriptor("source_failures", "Requests that failed, by kind", None, EncodeMetric::metric_type(&sample))?;
        for (source, health) in &all {
            for (kind, count) in [("unreachable", health.unreachable), ("refused", health.refused), ("invalid", health.invalid)] {
                let labels = [("source", source.as_str()), ("kind", kind)];
                ConstCounter::new(count).encode(failures.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// One family with one series per source that has a value.
fn each<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    all: &std::collections::BTreeMap<String, SourceHealth>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: impl Fn(&SourceHealth) -> Option<M>,
) -> fmt::Result {
    let values: Vec<(&String, M)> = all.iter().filter_map(|(source, health)| Some((source, value(health)?))).collect();
    let Some((_, first)) = values.first() else { return Ok(()) };
    let mut family = encoder.encode_descriptor(name, help, unit, first.metric_type())?;
    for (source, value) in &values {
        value.encode(family.encode_family(&[("source", source.as_str())])?)?;
    }
    Ok(())
}
