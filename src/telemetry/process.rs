//! The process and its runtime, read when `/metrics` is. The names are those of Prometheus' own client libraries, so that dashboards and
//! alerts made for any process fit this one.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Processor time, memory, open files and threads of this process; none where there is no procfs.
#[derive(Debug)]
pub struct ProcessMetrics;

/// Tasks of the runtime in which the metrics are read; none outside of one.
#[derive(Debug)]
pub struct RuntimeMetrics;

/// How much memory this process may use.
#[derive(Debug)]
pub struct MemoryLimit;

/// Where the kernel tells a container its limit, by version of control groups.
#[cfg(target_os = "linux")]
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

impl Collector for ProcessMetrics {
    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        use procfs::process::{LimitValue, Process};

        let Ok(process) = Process::myself() else { return Ok(()) };
        let Ok(figures) = process.stat() else { return Ok(()) };
        let ticks = procfs::ticks_per_second() as f64;
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let cpu = ConstCounter::new((figures.utime + figures.stime) as f64 / ticks);
        one(&mut encoder, "process_cpu", "Processor time used, by programs and kernel", Some(&Unit::Seconds), &cpu)?;
        let resident = gauge(figures.rss * procfs::page_size());
        one(&mut encoder, "process_resident_memory", "Memory that is really there", Some(&Unit::Bytes), &resident)?;
        one(&mut encoder, "process_virtual_memory", "Addresses in use", Some(&Unit::Bytes), &gauge(figures.vsize))?;
        one(&mut encoder, "process_threads", "Threads of the operating system", None, &ConstGauge::new(figures.num_threads))?;
        if let Ok(start) = procfs::boot_time_secs() {
            let start = ConstGauge::new(start as f64 + figures.starttime as f64 / ticks);
            one(&mut encoder, "process_start_time", "When the process was started, in seconds since 1970", Some(&Unit::Seconds), &start)?;
        }
        if let Ok(count) = process.fd_count() {
            one(&mut encoder, "process_open_fds", "Files and connections that are open", None, &gauge(count as u64))?;
        }
        if let Ok(LimitValue::Value(most)) = process.limits().map(|limits| limits.max_open_files.soft_limit) {
            one(&mut encoder, "process_max_fds", "Files and connections that may be open", None, &gauge(most))?;
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Collector for RuntimeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Ok(()) };
        let tasks = i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX);
        one(&mut encoder, "tasks", "Asynchronous tasks that have not ended", None, &ConstGauge::new(tasks))
    }
}

impl Collector for MemoryLimit {
    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        use procfs::Current;

        let machine = procfs::Meminfo::current().map(|memory| memory.mem_total);
        let limit = LIMITS.iter().find_map(|file| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok());
        // Without a limit the old form of control groups names a number beyond all memory, and the new one none.
        let Some(least) = machine.into_iter().chain(limit).min() else { return Ok(()) };
        let least = ConstGauge::new(i64::try_from(least).unwrap_or(i64::MAX));
        one(&mut encoder, "memory_limit", "Memory that the container may use, or that the machine has", Some(&Unit::Bytes), &least)
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

/// A family with one series.
fn one<M: EncodeMetric>(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, unit: Option<&Unit>, value: &M) -> fmt::Result {
    value.encode(encoder.encode_descriptor(name, help, unit, value.metric_type())?)
}
