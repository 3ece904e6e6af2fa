//! Lists of usage: who shares them, and bodies that a healthy API does not send.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod source_support;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ballast::core::FailureKind;
use ballast::source::usage::{WantedUsage, decode};
use ballast::source::{Ask, Batch, Query, Sources};
use futures::StreamExt;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use source_support::kubernetes::{api_server, requests};
use source_support::{ask, failed, now, per_pod, sources};
use tokio::io::AsyncWriteExt;
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

const LIST: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";

fn cpu(pods: &[&str]) -> Ask {
    ask("shop", "web", pods, Query::Resource { resource: "cpu".to_owned(), container: None })
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}, "timestamp": "2026-01-02T03:04:05Z", "window": "15s",
        "containers": [{"name": "app", "usage": {"cpu": "250m", "memory": 7}}]})
}

fn list(pods: &[&str]) -> Value {
    json!({"kind": "PodMetricsList", "items": pods.iter().map(|name| pod(name)).collect::<Vec<_>>()})
}

async fn one(sources: &Arc<Sources>, pods: &[&str]) -> Vec<Option<f64>> {
    per_pod(&sources.collect(&[cpu(pods)], now()).await[0])
}

#[tokio::test]
async fn ticks_share_a_list_that_is_under_way_or_has_just_been_made() {
    let api = api_server().await;
    let answer = ResponseTemplate::new(200).set_body_json(list(&["a", "b"])).set_delay(Duration::from_millis(100));
    Mock::given(path(LIST)).respond_with(answer).mount(&api).await;
    let sources = sources(&api.uri(), "http://127.0.0.1:9");
    let (first, second) = futures::future::join(one(&sources, &["a", "b"]), one(&sources, &["a"])).await;
    assert_eq!((first, second), (vec![Some(250.0); 2], vec![Some(250.0)]));
    assert_eq!(one(&sources, &["b"]).await, [Some(250.0)]);
    assert_eq!(requests(&api, LIST).await, 1);

    // Other pods are another question, and all who ask meanwhile share it.
    let others = (0..20).map(|n| {
        let sources = &sources;
        async move { one(sources, &["a", &format!("other-{n}")]).await }
    });
    let others = futures::future::join_all(others).await;
    assert!(others.iter().all(|values| *values == [Some(250.0), None]), "{others:?}");
    assert_eq!(requests(&api, LIST).await, 2);

    tokio::time::sleep(Duration::from_millis(600)).await;
    one(&sources, &["a"]).await;
    assert_eq!(requests(&api, LIST).await, 3, "a policy of one second sees each second's samples");
}

#[tokio::test]
async fn a_list_that_nobody_waits_for_is_dropped_and_made_again_when_asked() {
    let api = api_server().await;
    let slow = ResponseTemplate::new(200).set_body_json(list(&["a"])).set_delay(Duration::from_secs(4));
    Mock::given(path(LIST)).respond_with(slow).up_to_n_times(1).with_priority(1).mount(&api).await;
    Mock::given(path(LIST)).respond_with(ResponseTemplate::new(200).set_body_json(list(&["a"]))).mount(&api).await;
    let sources = sources(&api.uri(), "http://127.0.0.1:9");
    let batch = Batch { asks: vec![cpu(&["a"])], deadline: Duration::from_millis(200) };
    let out = Arc::clone(&sources).answer(vec![batch], now()).concat().await;
    assert_eq!(failed(&out[0].1.readings[0]), (FailureKind::Unreachable, "no answer within 0.2 s"));
    assert_eq!(tokio::time::timeout(Duration::from_secs(3), one(&sources, &["a"])).await.unwrap(), [Some(250.0)]);
}

/// How a server ends its answer.
#[derive(Clone, Copy)]
enum End {
    /// Closes the connection in the middle.
    Close,
    /// Says nothing more.
    Hang,
    /// Goes on with the same for as long as somebody listens.
    Repeat,
}

#[rstest]
#[case::truncated("{\"items\":[{\"metadata\":{\"name\":\"a\"", End::Close, FailureKind::Unreachable, "the answer broke off")]
#[case::slow("{\"items\":[", End::Hang, FailureKind::Unreachable, "no answer within 5 s")]
#[case::endless_text("{\"items\":[{\"metadata\":{\"name\":\"", End::Repeat, FailureKind::Invalid, "an entry is larger than 1024 KiB")]
#[case::garbage("<html>", End::Hang, FailureKind::Invalid, "cannot be read: expected value")]
#[tokio::test]
async fn a_body_that_is_none_says_so(#[case] start: &'static str, #[case] end: End, #[case] kind: FailureKind, #[case] text: &str) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        // Before it was asked, an answer is none.
        let mut request = [0; 4096];
        let _ = tokio::io::AsyncReadExt::read(&mut connection, &mut request).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{start}", 1_u64 << 40);
        connection.write_all(head.as_bytes()).await.unwrap();
        let more = vec![b'x'; 1 << 16];
        match end {
            End::Close => {}
            End::Hang => std::future::pending().await,
            End::Repeat => while connection.write_all(&more).await.is_ok() {},
        }
    });
    let readings = sources(&url, "http://127.0.0.1:9").collect(&[cpu(&["a"])], now()).await;
    let (found, message) = failed(&readings[0]);
    assert!(found == kind && message.starts_with("metrics.k8s.io: ") && message.contains(text), "{found:?} {message}");
}

fn read(body: impl Read, pods: &[&str]) -> Result<Vec<Option<f64>>, String> {
    let mut wanted = WantedUsage::default();
    wanted.add(&cpu(pods));
    let listed = decode(body, None, Arc::new(wanted))?;
    Ok(listed.reading(&cpu(pods), "cpu", None).map(|reading| per_pod(&reading)).unwrap_or_default())
}

#[rstest]
#[case::odd_pods(json!({"items": [7, null, [], {"metadata": []}, {"containers": {"a": 1}}, {"metadata": {"name": ["a"]}}, pod("a")]}))]
#[case::odd_containers(json!({"items": [
    {"metadata": {"name": "b", "namespace": "shop"}, "timestamp": 5, "window": {}, "containers": [null, {"name": 3, "usage": []}]}, pod("a")]}))]
#[case::order({ let mut of = pod("a"); let name = of["metadata"].take(); of["zmetadata"] = json!(1); json!({"items": [{"containers": of["containers"], "timestamp": of["timestamp"], "metadata": name}]}) })]
fn one_odd_pod_does_not_spoil_the_others(#[case] list: Value) {
    assert_eq!(read(list.to_string().as_bytes(), &["a"]), Ok(vec![Some(250.0)]));
}

#[rstest]
#[case::no_list("{}", "it has no items")]
#[case::text("\"items\"", "it has no items")]
#[case::cut("{\"items\":[", "EOF")]
#[case::more("{\"items\":[]} x", "trailing characters")]
fn what_is_no_list_is_refused(#[case] body: &str, #[case] text: &str) {
    let error = read(body.as_bytes(), &["a"]).unwrap_err();
    assert!(error.contains(text), "{error}");
}

/// Yields a beginning and then the same for ever, and counts.
struct Endless<'a>(&'a [u8], &'a [u8], usize);

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count =
            if self.0.is_empty() { self.1.repeat(buffer.len() / self.1.len()).as_slice().read(buffer)? } else { self.0.read(buffer)? };
        self.2 += count;
        Ok(count)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(bytes.as_slice(), &["a"]);
    }

    #[test]
    fn a_broken_list_is_read_or_refused(cut in 0_usize..300, at in 0_usize..300, byte in any::<u8>()) {
        let mut whole = list(&["a", "b"]).to_string().into_bytes();
        let at = at.min(whole.len() - 1);
        whole[at] = byte;
        whole.truncate(whole.len().saturating_sub(cut));
        let _ = read(whole.as_slice(), &["a"]);
    }

    /// Whatever does not end is given up before it fills the memory.
    #[test]
    fn no_entry_grows_without_bounds(start in "(\\{\"items\":)?[\\[\\{\" a:]{0,8}", more in "[a\\[\\{\": ]{1,4}") {
        let mut endless = Endless(start.as_bytes(), more.as_bytes(), 0);
        prop_assert!(decode(&mut endless, None, Arc::default()).is_err());
        prop_assert!(endless.2 <= (1 << 20) + (128 << 10), "{} bytes were read", endless.2);
    }
}
