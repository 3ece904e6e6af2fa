//! How much a source is asked, and what is said when that is not enough.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod source_support;

use std::sync::Arc;
use std::time::Duration;

use ballast::clock::Clock;
use ballast::core::Reading;
use ballast::source::{Ask, Batch, Settings, Sources};
use futures::StreamExt;
use rstest::rstest;
use serde_json::json;
use source_support::kubernetes::{Watched, api_server, client};
use source_support::{ask, config, failed, now, query};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn server() -> MockServer {
    let server = MockServer::start().await;
    let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "3"]}});
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(scalar)).mount(&server).await;
    server
}

async fn of(server: &MockServer, budget: &str) -> Arc<Sources> {
    let source = config(&format!("{{name: main, url: '{}', {budget}}}", server.uri()));
    let settings = Settings { sources: vec![source], ..Settings::default() };
    Sources::new(client(&api_server().await.uri()), Clock::real(), settings, Arc::new(Watched::default()))
}

fn different(count: usize) -> Vec<Ask> {
    (0..count).map(|n| ask("shop", "web", &[], query("main", &format!("up + {n}")))).collect()
}

#[tokio::test]
async fn what_the_budget_cannot_serve_in_time_says_so_and_leaves_no_debt() {
    let server = server().await;
    let sources = of(&server, "concurrency: 2, queriesPerSecond: 4").await;
    for _ in 0..2 {
        let batches = different(40).into_iter().map(|ask| Batch { asks: vec![ask], deadline: Duration::from_secs(1) }).collect();
        let out = Arc::clone(&sources).answer(batches, now()).concat().await;
        let (answered, late): (Vec<&Reading>, Vec<&Reading>) =
            out.iter().map(|(_, answers)| &answers.readings[0]).partition(|reading| matches!(reading, Reading::Total(_)));
        assert!((1..=12).contains(&answered.len()), "{} were answered", answered.len());
        let said = late.iter().filter(|reading| {
            failed(reading).1.ends_with(
                "source main: its budget of 2 queries at once and 4 per second had no room within 1 s; ask fewer different queries, or raise \
                 concurrency or queriesPerSecond of the source",
            )
        });
        // One or two may have been sent at the last moment.
        assert!(said.count() + 2 >= late.len(), "{:?}", failed(late[0]));
    }
    let health = sources.health().remove("main").unwrap();
    assert!(health.asks == 80 && health.requests <= 24 && health.waiting_total > Duration::from_secs(10), "{health:?}");
}

#[tokio::test]
async fn a_tick_of_many_queries_does_not_come_at_once_and_a_small_one_is_not_held_up() {
    let server = server().await;
    let sources = of(&server, "concurrency: 8").await;
    let clock = Clock::real();
    let took = async |count| {
        let start = clock.instant();
        let batch = Batch { asks: different(count), deadline: Duration::from_secs(5) };
        let out = Arc::clone(&sources).answer(vec![batch], now()).concat().await;
        assert!(out[0].1.readings.iter().all(|reading| matches!(reading, Reading::Total(_))));
        clock.instant().duration_since(start)
    };
    took(8).await;
    // 240 queries are spread over 240 ms, which is just below a twentieth of the deadline.
    assert!(took(240).await > Duration::from_millis(200));
}

#[rstest]
#[case::concurrency("concurrency: 0", "sources[0].concurrency: 0: must be 1 to 64")]
#[case::many("concurrency: 65", "sources[0].concurrency: 65: must be 1 to 64")]
#[case::rate("queriesPerSecond: 0", "sources[0].queriesPerSecond: 0: must be 1 to 10000")]
fn a_budget_out_of_range_is_refused(#[case] budget: &str, #[case] message: &str) {
    let source = config(&format!("{{name: main, url: 'http://prometheus', {budget}}}"));
    let errors = source.validate("sources[0]").unwrap_err();
    assert_eq!(errors[0].to_string(), message);
}
