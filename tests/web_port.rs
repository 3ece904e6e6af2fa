//! The page as the admin port serves it: to whom, with which headers, and what streams cost at most.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod web_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ballast::web::VIEWERS;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use web_support::{Kept, Policies, Port, start};

const SOON: Duration = Duration::from_secs(30);

fn few() -> Policies {
    let mut policies = Policies::default();
    for name in ["web", "api"] {
        let mut kept = Kept::new("shop", name, &json!({}), 3);
        kept.look(start(), Ok(250.0));
        policies.add("shop", kept);
    }
    policies
}

/// Sends a request with these headers; status and headers of the answer, and the connection to read on.
async fn get(port: &Port, path: &str, headers: &[(&str, &str)]) -> (u16, BTreeMap<String, String>, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    let mut all = BTreeMap::from([("host", "localhost")]);
    all.extend(headers.iter().copied());
    let lines: Vec<String> = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{}\r\n", lines.concat()).as_bytes()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = async || {
        let mut line = String::new();
        tokio::time::timeout(SOON, stream.read_line(&mut line)).await.expect("an answer").unwrap();
        line.trim_end().to_owned()
    };
    let status = line().await.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let mut found = BTreeMap::new();
    while let Some((name, value)) = line().await.split_once(": ") {
        found.insert(name.to_owned(), value.to_owned());
    }
    (status, found, stream)
}

/// The next event of a stream with this name.
async fn event(stream: &mut BufReader<TcpStream>, name: &str) -> Value {
    let find = async {
        let mut is_it = false;
        loop {
            let mut line = String::new();
            assert!(stream.read_line(&mut line).await.unwrap() > 0, "the stream ended before {name}");
            match line.trim_end().split_once(": ") {
                Some(("event", found)) => is_it = found == name,
                Some(("data", data)) if is_it => return serde_json::from_str(data).unwrap(),
                _ => {}
            }
        }
    };
    tokio::time::timeout(SOON, find).await.unwrap_or_else(|_| panic!("no event {name}"))
}

#[tokio::test]
async fn everything_comes_with_strict_headers_and_only_to_its_own_pages() {
    let port = Port::open(few(), 0, true).await;
    for path in ["/web/", "/web/app.js", "/web/uplot.css", "/web/nothing", "/web/live/policies", "/web/live/policies/shop/web"] {
        let (status, headers, _) = get(&port, path, &[]).await;
        assert_eq!(status, if path.ends_with("nothing") { 404 } else { 200 }, "{path}");
        let policy = &headers["content-security-policy"];
        for part in
            ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let has = |name: &str, value: &str| assert_eq!(headers.get(name).map(String::as_str), Some(value), "{path}");
        has("x-content-type-options", "nosniff");
        has("x-frame-options", "DENY");
        has("referrer-policy", "no-referrer");
        has("cross-origin-resource-policy", "same-origin");
        assert!(!headers.contains_key("access-control-allow-origin"), "{headers:?}");

        // A name that somebody else lets point here, and another site in the same browser.
        assert_eq!(get(&port, path, &[("host", "evil.example:8080")]).await.0, 421, "{path}");
        assert_eq!(get(&port, path, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")]).await.0, 403, "{path}");
        assert_eq!(get(&port, path, &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")]).await.0, 403, "{path}");
        let linked = get(&port, path, &[("host", "ballast.example.com"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]);
        assert_eq!(linked.await.0, status, "{path}");
    }
    let (status, headers, _) = get(&port, "/web", &[]).await;
    assert_eq!((status, headers["location"].as_str()), (308, "web/"));
    let tag = get(&port, "/web/app.js", &[]).await.1["etag"].clone();
    assert_eq!(get(&port, "/web/app.js", &[("if-none-match", &tag)]).await.0, 304);
}

#[tokio::test]
async fn a_stream_tells_what_there_is_and_then_what_changes() {
    let port = Port::open(few(), 0, true).await;
    let (_, headers, mut list) = get(&port, "/web/live/policies?search=WEB", &[]).await;
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(event(&mut list, "fault").await, Value::Null);
    assert_eq!(event(&mut list, "totals").await["policies"], 2);
    let rows = event(&mut list, "rows").await;
    assert_eq!((&rows["matched"], &rows["rows"][0]["name"], &rows["rows"][0]["verdict"]), (&json!(1), &json!("web"), &json!("Steady")));
    let sources = event(&mut list, "sources").await;
    let up = |name: &str| sources["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()["up"].clone();
    assert_eq!((up("default"), up("metrics.k8s.io")), (json!(false), json!(true)));
    let (_, _, mut one) = get(&port, "/web/live/policies/shop/web", &[]).await;
    assert_eq!(event(&mut one, "policy").await["history"]["points"].as_array().unwrap().len(), 1);

    port.clock.advance(Duration::from_secs(15));
    port.policies.lock().get("shop", "web").look(port.clock.now(), Ok(900.0));
    let rows = event(&mut list, "rows").await;
    assert_eq!((&rows["rows"][0]["verdict"], &rows["rows"][0]["desiredReplicas"]), (&json!("ScaleUp"), &json!(9)), "{rows}");
    let record = event(&mut one, "policy").await;
    assert_eq!(record["history"]["bounds"], json!([{ "time": "2026-07-01T12:00:00Z", "min": 2, "max": 20 }]));
    assert_eq!(record["history"]["points"][1]["desired"], 9, "{record}");

    let (_, _, mut nobody) = get(&port, "/web/live/policies/shop/nobody", &[]).await;
    assert!(event(&mut nobody, "fault").await["error"].as_str().unwrap().contains("shop/nobody"));
    assert_eq!(get(&port, "/web/live/policies?sort=color", &[]).await.0, 400);
    let standby = Port::open(few(), 0, false).await;
    let (_, _, mut refused) = get(&standby, "/web/live/policies", &[]).await;
    assert!(event(&mut refused, "fault").await["error"].as_str().unwrap().contains("does not lead"));
    // Told to stop, streams end in order.
    port.stop.cancel();
    let mut rest = Vec::new();
    tokio::time::timeout(SOON, one.read_to_end(&mut rest)).await.expect("it ends").unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn so_many_watch_and_probes_are_still_answered() {
    let port = Port::open(few(), 0, true).await;
    let mut streams = Vec::new();
    for _ in 0..VIEWERS {
        let (status, _, stream) = get(&port, "/web/live/policies", &[]).await;
        assert_eq!(status, 200);
        streams.push(stream);
    }
    let (status, headers, _) = get(&port, "/web/live/policies", &[]).await;
    assert_eq!((status, headers["retry-after"].as_str()), (503, "5"));
    assert_eq!(get(&port, "/livez", &[]).await.0, 200);
    drop(streams);
    // Those who have gone make room.
    let again = async {
        while get(&port, "/web/live/policies", &[]).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("a seat is free again");
}

/// Somebody who opens a stream and reads nothing is cut off, though there is always more to send.
#[tokio::test]
async fn who_does_not_read_is_dropped() {
    let mut policies = Policies::default();
    for number in 0..200 {
        let fault = "\u{1f680}".repeat(300);
        let mut kept = Kept::new("shop", &format!("web-{number}"), &json!({ "pause": { "direction": "All" } }), 3);
        kept.look(start(), Err(&fault));
        policies.add("shop", kept);
    }
    let port = Port::open(policies, 0, true).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(port.address).await.unwrap();
    stream.write_all(b"GET /web/live/policies?limit=200 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let dropped = async {
        for round in 0_u32.. {
            port.clock.advance(Duration::from_secs(1));
            let now = port.clock.now();
            for kept in port.policies.lock().0.values_mut() {
                kept.replicas = 3 + round % 2;
                kept.look(now, Err(&format!("{round} {}", "\u{1f680}".repeat(300))));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            // An error is what the kernel says once the other end has closed.
            if stream.write_all(b" ").await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(110), dropped).await.expect("it is closed");
}

#[test]
fn the_chart_library_is_the_one_that_its_note_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/assets/uplot");
    let note = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let rows: Vec<Vec<&str>> = note.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('`').collect()).collect();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let output = Command::new("sha256sum").arg(folder.join(row[1])).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(row[3]), "{}", row[1]);
    }
}
