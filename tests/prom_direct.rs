//! What is read of a pod is what a real Prometheus reads: of texts as clients write them, and of texts with a fault somewhere.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod source_support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use ballast::core::Reading;
use ballast::source::direct::{Endpoint, Pod, Pods};
use ballast::source::{Ask, PrometheusQuery, Query, Settings, WhenEmpty, preset};
use source_support::prometheus::{Prometheus, Web};

const NAME: &str = "http_requests_in_flight";
const CASES: usize = 300;

/// Texts of one to three lines; two thirds of them with one token too many, too few or in the wrong place.
fn texts() -> Vec<String> {
    let mut chance = fastrand::Rng::with_seed(42);
    let values = ["0", "1", "2.5", "1e3", "+7", ".5", "5.", "NaN", "+Inf", "-3", "0x10", "1_0", "", "1e400", "infinity"];
    let labels = ["a=\"b\"", "a=\"}\"", "a=\" \\\" \"", "b=\"\\\\\"", "c=\"é\"", "d=\"\\n\"", "le=\"0.5\"", "e=\"#\"", "f=\"a,b\""];
    let faults = ["{", "}", "\"", "\\", ",", "=", " ", "\t", "#", "x", "1", "\r", "a", ":", "\u{e9}"];
    let line = |chance: &mut fastrand::Rng| {
        let mut tokens = vec![chance.choice([NAME, NAME, NAME, "other", "http_requests_in_flight_max"]).unwrap().to_owned()];
        if chance.bool() {
            tokens.push("{".to_owned());
            let mut names = std::collections::BTreeSet::new();
            for _ in 0..chance.usize(0..3) {
                let label = chance.choice(labels).unwrap();
                // Twice the same label is another fault than that of a text.
                if names.insert(label.split('=').next()) {
                    tokens.extend([label.to_owned(), ",".to_owned()]);
                }
            }
            if chance.bool() && tokens.len() > 2 {
                tokens.pop();
            }
            tokens.push("}".to_owned());
        }
        tokens.push(" ".to_owned());
        tokens.push(if chance.u8(0..4) == 0 { chance.choice(values).unwrap() } else { "4" }.to_owned());
        tokens
    };
    let text = |_| {
        let mut lines: Vec<Vec<String>> = (0..chance.usize(1..4)).map(|_| line(&mut chance)).collect();
        if chance.u8(0..3) > 0 {
            let at = chance.usize(0..lines.len());
            let tokens = &mut lines[at];
            let place = chance.usize(0..tokens.len());
            match chance.u8(0..3) {
                0 => drop(tokens.remove(place)),
                1 => tokens.insert(place, chance.choice(faults).unwrap().to_owned()),
                _ => chance.choice(faults).unwrap().clone_into(&mut tokens[place]),
            }
        }
        let lines: Vec<String> = lines.iter().map(|tokens| tokens.concat()).collect();
        format!("# HELP {NAME} Being served.\n# TYPE {NAME} gauge\n{}\n", lines.join("\n"))
    };
    (0..CASES).map(text).collect()
}

/// Serves each text at a path of its own.
async fn serve(texts: Vec<String>) -> std::net::SocketAddr {
    let texts = Arc::new(texts);
    let answer = move |axum::extract::Path(case): axum::extract::Path<usize>| {
        let texts = Arc::clone(&texts);
        async move { ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], texts[case].clone()) }
    };
    let app = axum::Router::new().route("/{case}", axum::routing::get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Values of a query by case.
async fn queried(server: &Prometheus, query: &str) -> BTreeMap<usize, f64> {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let url = format!("{}/api/v1/query", server.url);
    let answer = http.post(url).form(&[("query", query)]).send().await.unwrap().text().await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let elements = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let element = |element: &serde_json::Value| {
        let case = element["metric"]["case"].as_str().unwrap().parse().unwrap();
        (case, element["value"][1].as_str().unwrap().parse().unwrap())
    };
    elements.iter().map(element).collect()
}

/// The same, asked of the pod itself: a number, none that can be used, or a text that cannot be read.
async fn asked(sources: &Arc<ballast::source::Sources>, address: std::net::SocketAddr, case: usize) -> Result<Option<f64>, String> {
    let (query, filled) = preset::find("http-in-flight").unwrap().fill_direct(&BTreeMap::new()).unwrap();
    let query = PrometheusQuery {
        name: "http-in-flight".to_owned(),
        source: "default".to_owned(),
        query,
        window: Duration::ZERO,
        when_empty: WhenEmpty::Absent,
        preset: Some(Arc::new(filled)),
    };
    let endpoint = Endpoint { socket: address, path: Some(Arc::from(format!("/{case}"))) };
    let pods = Arc::from([Pod { endpoint: Ok(endpoint), running: true, serving: true }]);
    let target = format!("web-{case}");
    let ask =
        Ask { direct: Some(Pods { pods, fall_back: false }), ..source_support::ask("shop", &target, &["web-0"], Query::Prometheus(query)) };
    match sources.collect(&[ask], source_support::now()).await.remove(0) {
        Reading::Total(sample) => Ok(Some(sample.value / 1000.0)),
        Reading::Failed(failure) if failure.message.contains("cannot be read") => Err(failure.message),
        Reading::Failed(failure) if failure.message.contains("0 did not answer") => Ok(None),
        other => panic!("case {case}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_mean_what_they_mean_to_prometheus() {
    source_support::provider();
    let texts = texts();
    let address = serve(texts.clone()).await;
    let mut config = "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n- job_name: test\n  static_configs:\n".to_owned();
    for case in 0..CASES {
        writeln!(config, "  - {{targets: ['{address}'], labels: {{__metrics_path__: /{case}, case: '{case}'}}}}").unwrap();
    }
    let server = Prometheus::start(None, Web { files: vec![("prometheus.yml", config)], ..Web::default() }).await;
    let mut up = BTreeMap::new();
    for _ in 0..300 {
        up = queried(&server, "up").await;
        if up.len() == CASES {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(up.len(), CASES, "not all were scraped within 30 s");
    let theirs = queried(&server, &format!("sum by (case) ({NAME})")).await;

    let settings = Settings { direct: Some(|_| true), ..Settings::default() };
    let sources = source_support::sources_with(settings);
    let (mut read, mut refused) = (0, 0);
    for (case, text) in texts.iter().enumerate() {
        let accepted = up[&case] > 0.5;
        match asked(&sources, address, case).await {
            Err(why) => {
                assert!(!accepted, "Prometheus reads case {case}, here {why}:\n{text}");
                refused += 1;
            }
            // What is not a number of now is unknown here.
            Ok(None) if accepted => {
                assert!(!theirs.get(&case).is_some_and(|value| value.is_finite()), "case {case}: none here, {theirs:?}:\n{text}");
            }
            Ok(Some(ours)) if accepted => {
                assert_eq!(theirs.get(&case).copied(), Some(ours), "case {case}:\n{text}");
                read += 1;
            }
            // The fault is in a line of another family, which is not read here.
            Ok(_) => {}
        }
    }
    assert!(read >= CASES / 5 && refused >= CASES / 10, "{read} read, {refused} refused: the texts show too little");
}
