//! The admin port only tells: no method changes anything, and nobody keeps it from telling.

// To panic is how a test says that something is wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod web_support;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use web_support::{Policies, Port};

/// Of the real port with its page, on a free one of loopback. Nobody leads, so that records are asked of nobody.
async fn port() -> (SocketAddr, CancellationToken) {
    let port = Port::open(Policies::default(), 0, false).await;
    (port.address, port.stop)
}

/// The status line of an answer; empty where the connection was closed without one.
async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request).await;
    status(&mut stream).await
}

async fn status(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !answer.contains(&b'\n') {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
        }
    }
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

fn request(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
}

/// Every path that is served, as it stands in the code: a new one is tried without being named here.
fn routes() -> Vec<String> {
    let read = |file| std::fs::read_to_string(format!("{}/src/{file}.rs", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let code = read("admin") + &read("web/mod");
    let lines: Vec<&str> = code.lines().map(str::trim).filter(|line| line.starts_with(".route(")).collect();
    assert!(lines.iter().all(|line| line.contains(", get(")) && !code.contains("fallback") && !code.contains(".nest("), "{lines:?}");
    lines
        .iter()
        .map(|line| line.split('"').nth(1).unwrap().replace("{namespace}", "shop").replace("{name}", "web").replace("{file}", "app.js"))
        .collect()
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let (address, _end) = port().await;
    let routes = routes();
    assert!(routes.len() >= 10, "{routes:?}");
    for path in &routes {
        for method in ["GET", "HEAD"] {
            let found = ask(address, &request(method, path)).await;
            assert!([" 200 ", " 308 ", " 503 "].iter().any(|status| found.contains(status)), "{method} {path}: {found}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post"] {
            let found = ask(address, &request(method, path)).await;
            assert!(found.contains(" 405 "), "{method} {path}: {found}");
        }
    }
    for path in [
        "/",
        "/debug",
        "/debug/pprof/profile",
        "/quit",
        "/config",
        "/metrics/../debug",
        "//metrics",
        "/debug/policies/a/b/c",
        "/%2e%2e/etc/passwd",
        "/web/..%2flivez",
        "/web/nothing.js",
        "/web/uplot/LICENSE",
        "/web/live/sources",
    ] {
        let found = ask(address, &request("GET", path)).await;
        assert!(found.contains(" 404 "), "{path}: {found}");
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_request_is_refused() {
    let (address, _end) = port().await;
    let long = "x".repeat(64 << 10);
    for (what, bytes) in [
        ("a long header", format!("GET /livez HTTP/1.1\r\nhost: x\r\na: {long}\r\n\r\n")),
        ("a long path", format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n")),
        ("many headers", format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000))),
        ("no request", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned()),
        ("two lengths", "GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned()),
    ] {
        let found = ask(address, bytes.as_bytes()).await;
        assert!(found.is_empty() || found.contains(" 4"), "{what}: {found}");
    }
    assert!(ask(address, &request("GET", "/livez")).await.contains(" 200 "));
}

/// Somebody who opens many connections and sends a byte now and then keeps probes waiting for seconds at most.
#[tokio::test]
async fn slow_clients_keep_nobody_out() {
    let (address, _end) = port().await;
    let mut slow = Vec::new();
    for _ in 0..150 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        slow.push(stream);
    }
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            for stream in &mut slow {
                let _ = stream.write_all(b"a: b\r\n").await;
            }
        }
    };
    let probe = async {
        let found = tokio::time::timeout(Duration::from_secs(60), ask(address, &request("GET", "/livez"))).await;
        assert!(found.expect("the probe is answered").contains(" 200 "));
    };
    tokio::select! {
        () = dripping => {}
        () = probe => {}
    }
    for stream in slow.iter_mut().take(60) {
        let found = tokio::time::timeout(Duration::from_secs(60), status(stream)).await.expect("it is closed");
        assert!(found.is_empty() || found.contains(" 408 "), "{found}");
    }
}

#[tokio::test]
async fn it_ends_when_told_to_though_somebody_holds_a_connection() {
    let (address, end) = port().await;
    let mut held = TcpStream::connect(address).await.unwrap();
    held.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    assert!(ask(address, &request("GET", "/livez")).await.contains(" 200 "));
    end.cancel();
    let found = tokio::time::timeout(Duration::from_secs(30), status(&mut held)).await.expect("it is closed");
    assert!(found.is_empty() || found.contains(" 4"), "{found}");
}
