//! Looks that a real Prometheus scraped, found again and decided again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers fail as tests do.

mod source_support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ballast::api::{Compiled, Defaults, ScalePolicy, compile};
use ballast::clock::Clock;
use ballast::core::{self, Memory, Observation, Origin, Phase, Pod, Poll, Reading, Ready, Request, Sample, Time, Verdict};
use ballast::replay::look::{Look, Unreadable, WORDS};
use ballast::replay::looks::{Looks, looks};
use ballast::replay::open::{open, unrecorded};
use ballast::replay::{Asker, Move};
use ballast::source::prometheus::{Budget, Login, Material, Reach, Server, Trust};
use ballast::telemetry::{About, Metrics, PolicyLabels};
use indicatif::ProgressBar;
use source_support::prometheus::{Prometheus, Web};
use source_support::{now, provider};

const POLICY: &str = r#"
apiVersion: ballast.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 20
  intervalSeconds: 1
  metrics:
  - type: Prometheus
    prometheus: {name: rps, query: 'sum(rate(http_requests_total{pod=~"${pods}"}[1m]))', target: {type: AverageValue, averageValue: "20"}}
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 2}
  smoothing: {type: Smooth, timeConstantSeconds: 1, collapseHoldSeconds: 0}
"#;

fn compiled(text: &str) -> Compiled {
    let policy: ScalePolicy = serde_saphyr::from_str(text).unwrap();
    compile(&policy, &Defaults::default()).unwrap()
}

fn labels() -> PolicyLabels {
    PolicyLabels { namespace: "shop".into(), name: "web".into() }
}

/// What is seen at `load` requests per second and `replicas` pods, the newest of which has no CPU sample yet.
fn observation(replicas: u32, load: f64, now: Time) -> Observation {
    let ago = |seconds| now - Duration::from_secs(seconds);
    let pod = |index: u32| Pod {
        name: format!("web-6f7d8c9b5-{index:05}").into(),
        phase: Phase::Running,
        start_time: Some(ago(4000)),
        created: Some(ago(4010)),
        ready: Some(Ready { status: true, since: ago(3990) }),
        ..Pod::default()
    };
    let used = |index: u32| Sample { value: (load * 1.3).round() + f64::from(index), time: ago(7), window: Duration::from_secs(15) };
    let total = Sample { value: load * 1000.0 / 3.0, time: now, window: Duration::from_mins(1) };
    Observation {
        spec_replicas: replicas,
        status_replicas: replicas,
        pods: (0..replicas).map(pod).collect(),
        readings: vec![
            Reading::Total(total),
            Reading::PerPod {
                samples: (0..replicas).map(|index| (index + 1 < replicas || load < 10.0).then(|| used(index))).collect(),
                requests: vec![Request::Milli(50.0); replicas as usize],
                limits: vec![None; replicas as usize],
            },
        ],
        origins: vec![Some(Arc::new(Origin::Pods(Poll { answered: replicas, asked: replicas, of: replicas, error: None }))), None],
        ..Observation::default()
    }
}

/// A controller that looks every 100 ms at a load that rises and falls, until `looks` have been made; with the decided sizes.
async fn control(metrics: &Metrics, compiled: &Compiled, looks: usize) -> Vec<(u32, u32)> {
    let clock = Clock::real();
    let (mut memory, mut size, mut decided) = (Memory::default(), 2, Vec::new());
    for look in 0..looks {
        let load = if (20..50).contains(&look) { 400.0 } else { 60.0 + (look % 7) as f64 };
        let (seen, now) = (observation(size, load, clock.now()), clock.now());
        let fresh = memory == Memory::default();
        let decision = core::decide(&compiled.policy, &mut memory, &seen, now);
        let about = About { generation: 1, fresh, signals: compiled.fingerprints() };
        metrics.seen.decided(&labels(), &decision);
        metrics.seen.looked(&labels(), &seen, about, &decision);
        decided.push((decision.from, decision.to));
        if decision.to != size {
            let time = clock.now();
            memory.rescaled(&compiled.policy, size, decision.to, time);
            metrics.seen.moved(&labels(), Move { from: size, to: decision.to, time });
            size = decision.to;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    decided
}

fn asker(url: &str) -> Asker {
    provider();
    let material = Material {
        url: url.to_owned(),
        timeout: Duration::from_secs(10),
        enforce_label: None,
        headers: vec![],
        login: Login::None,
        trust: Trust::default(),
        reach: Reach::Everywhere,
        budget: Budget::default(),
    };
    let server = Server::new("test", material, Clock::real()).unwrap();
    Asker::new(server, None, Clock::real(), ProgressBar::hidden())
}

#[tokio::test]
async fn what_a_real_prometheus_scraped_is_decided_as_it_was() {
    let metrics = Metrics::new(32, []);
    let (shown, scrapes) = (metrics.clone(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&scrapes);
    let expose = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        shown.encode()
    };
    let app = axum::Router::new().route("/metrics", axum::routing::get(expose));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let server = Prometheus::start(Some(address), Web::default()).await;

    while scrapes.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (compiled, begin) = (compiled(POLICY), now());
    let decided = control(&metrics, &compiled, 90).await;
    let asker = asker(&server.url);
    let mut found = Looks::default();
    for _ in 0..100 {
        found = looks(&asker, "shop", "web", begin, now()).await.unwrap();
        if found.looks.len() == decided.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((found.looks.len(), found.missed, &found.unreadable[..]), (90, 0, &[][..]));
    assert!(looks(&asker, "other", "web", begin, now()).await.unwrap().looks.is_empty());

    let same = open("shop/web", &compiled, &found.looks, found.missed);
    assert_eq!((same.differing, same.uncertain), (0, 0));
    assert!(same.moves_then >= 2 && same.moves_then == same.moves_now, "{same:?}");
    assert!(same.looks.iter().all(|look| look.then == look.now));
    let sizes: Vec<(u32, u32)> = same.looks.iter().map(|look| (look.from, look.now.to)).collect();
    assert_eq!(sizes, decided);

    // A lower ceiling; the record stays what it was.
    let other = open("shop/web", &self::compiled(&POLICY.replace("maxReplicas: 20", "maxReplicas: 4")), &found.looks, 0);
    assert!(other.differing > 10, "{other:?}");
    assert!(other.looks.iter().zip(&same.looks).all(|(other, same)| other.then == same.then));
    let unasked = self::compiled(&POLICY.replace("[1m]", "[2m]"));
    assert_eq!(unrecorded(&unasked, &found.looks), ["rps"]);
}

fn look(number: u64, time: i64, pods: u32) -> Look {
    let time = Time::from_secs(1_790_000_000 + time);
    Look {
        term: Time::from_secs(1_790_000_000),
        number,
        generation: 3,
        fresh: number == 0,
        time,
        moves: vec![Move { from: 2, to: pods, time: time - Duration::from_secs(1) }],
        observation: observation(pods, 100.0, time),
        signals: compiled(POLICY).fingerprints(),
        wanted: Some(pods + 2),
        to: pods,
        verdict: Verdict::Held,
    }
}

#[test]
fn a_look_comes_back_from_its_words_and_damage_is_noticed() {
    let look = look(7, 35, 5);
    let words = look.clone().pack().unwrap();
    assert!(words.len() < 50 && words.iter().all(|word| *word < 1 << 48), "{} words", words.len());
    assert_eq!(Look::unpack(&words), Ok(look.clone()));
    assert!(matches!(Look::unpack(&words[..words.len() - 1]), Err(Unreadable::Damaged(_))));
    for place in 1..words.len() {
        let mut changed = words.clone();
        changed[place] ^= 1 << 20;
        match Look::unpack(&changed) {
            Err(Unreadable::Damaged(_)) => {}
            // Between the last block and the checksum there may be bits that mean nothing.
            same => assert!(place + 2 >= words.len() && same.as_ref() == Ok(&look), "word {place}: {same:?}"),
        }
    }
    let mut other = words.clone();
    other[0] += 1 << 32;
    assert_eq!(Look::unpack(&other), Err(Unreadable::Version(3)));
    assert!(matches!(Look::unpack(&[]), Err(Unreadable::Damaged(_))));
}

/// What was recorded by a controller must stay readable. Where this fails, raise `look::VERSION` and run it with UPDATE=1.
#[test]
fn a_recorded_look_is_still_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/look.json");
    let look = Look { signals: vec![1, 2], ..look(7, 35, 5) };
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, serde_json::to_string(&look.clone().pack().unwrap()).unwrap() + "\n").unwrap();
    }
    let words: Vec<u64> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(Look::unpack(&words), Ok(look));
}

#[test]
fn the_largest_look_is_bounded() {
    assert!(look(0, 0, 150).pack().unwrap().len() <= WORDS);
    assert_eq!(look(0, 0, 5000).pack(), None);
}

#[test]
fn what_is_not_known_is_not_counted() {
    let compiled = compiled(POLICY);
    // The memory before the first look is unknown; then one look is missing.
    let looks: Vec<Look> = [1, 2, 400, 401, 403].map(|number| look(number, i64::try_from(number).unwrap(), 5)).into();
    let result = open("shop/web", &compiled, &looks[..2], 0);
    assert_eq!((result.uncertain, result.differing), (2, 0));
    let result = open("shop/web", &compiled, &looks, 1);
    assert_eq!(result.uncertain, 5, "a hole is followed by looks whose memory is not known: {result:?}");
}
