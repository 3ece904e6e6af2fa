//! Decisions per second and core: one CPU signal, ten pods, default smoothing.

use std::hint::black_box;
use std::time::Duration;

use ballast::core::{
    Fallback, Memory, Mode, Observation, Phase, Pod, Policy, Reading, Ready, Request, Sample, ScaleToZero, Signal, SignalKind,
    SmoothParameters, Smoothing, Target, Time, Tolerance, WarmUp, decide,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn policy(smoothing: Smoothing) -> Policy {
    Policy {
        min_replicas: 1,
        max_replicas: 100,
        signals: vec![Signal::new(SignalKind::Resource { resource: "cpu".into() }, Target::Utilization(60))],
        behavior: None,
        tolerance: Tolerance { up: 0.1, down: 0.1 },
        downscale_stabilization: Duration::from_mins(5),
        smoothing,
        forecast: ballast::core::Forecast::default(),
        warm_up: WarmUp::default(),
        interval: Duration::from_secs(15),
        mode: Mode::Enforce,
        pause: None,
        fallback: Fallback::default(),
        zero: ScaleToZero::Off,
    }
}

/// Ten old, ready pods at the given percent of their requests.
fn observation(percent: f64, now: Time) -> Observation {
    let long_ago = now - Duration::from_hours(1);
    let pods = (0..10).map(|i| Pod {
        name: format!("web-{i}").into(),
        phase: Phase::Running,
        deleting: false,
        start_time: Some(long_ago),
        ready: Some(Ready { status: true, since: long_ago }),
        ..Pod::default()
    });
    let sample = Sample { value: percent * 10.0, time: now, window: Duration::from_secs(30) };
    Observation {
        spec_replicas: 10,
        status_replicas: 10,
        pods: pods.collect(),
        readings: vec![Reading::PerPod {
            samples: vec![Some(sample); 10],
            requests: vec![Request::Milli(1000.0); 10],
            limits: vec![Some(2000.0); 10],
        }],
        ..Observation::default()
    }
}

fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    let start = Time::from_secs(1_000_000);
    let cases = [
        ("steady, stock rule", Smoothing::None, 60.0),
        ("steady, smoothed", Smoothing::Smooth(SmoothParameters::default()), 60.0),
        ("growing, smoothed", Smoothing::Smooth(SmoothParameters::default()), 90.0),
    ];
    for (name, smoothing, percent) in cases {
        let (policy, mut observation) = (policy(smoothing), observation(percent, start));
        let (mut memory, mut now) = (Memory::default(), start);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                now = now + Duration::from_secs(15);
                if let Reading::PerPod { samples, .. } = &mut observation.readings[0] {
                    samples.iter_mut().flatten().for_each(|sample| sample.time = now);
                }
                black_box(decide(&policy, &mut memory, black_box(&observation), now))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
