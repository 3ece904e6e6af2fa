//! An HTTP proxy in front of a real server whose faults are switched while it runs: `mod support_faults;` in a test.
//!
//! ```ignore
//! let proxy = FaultProxy::start("http://127.0.0.1:9090").await;
//! proxy.set(Fault::Status(503));
//! ```

// Each test binary uses its own part of this module; to panic is how a test says that something is wrong.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the proxy does with the next requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Hands requests on.
    Pass,
    /// Nobody listens: connections are refused.
    Down,
    /// Answers with this status.
    Status(u16),
    /// Hands requests on after this time.
    Slow(Duration),
    /// Answers with a vector without elements.
    Empty,
    /// Answers with one element that is NaN.
    NaN,
    /// Answers with what is not JSON.
    Garbage,
    /// Answers with so many bytes of what begins well.
    Huge(usize),
    /// Answers without an end.
    Endless,
    /// Breaks off in the middle of the server's answer.
    Truncate,
}

/// The proxy; it ends when dropped.
pub struct FaultProxy {
    /// Its address, the same through all faults.
    pub url: String,
    fault: watch::Sender<Fault>,
    requests: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

// === impl FaultProxy ===

impl FaultProxy {
    /// Starts a proxy for the server at `backend` on a free port of the loopback interface.
    pub async fn start(backend: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, faults) = watch::channel(Fault::Pass);
        let requests = Arc::new(AtomicU64::new(0));
        let proxy = Proxy {
            backend: backend.trim_end_matches('/').to_owned(),
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            requests: Arc::clone(&requests),
            faults,
        };
        let task = tokio::spawn(Arc::new(proxy).run(address, listener));
        Self { url: format!("http://{address}"), fault, requests, task }
    }

    /// Switches to another fault and, for and from [`Fault::Down`], waits until the port is closed or open again.
    pub async fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
        let address: SocketAddr = self.url.trim_start_matches("http://").parse().unwrap();
        for _ in 0..500 {
            if TcpStream::connect(address).await.is_err() == (fault == Fault::Down) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the proxy did not switch to {fault:?}");
    }

    /// Requests that reached it.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Proxy {
    backend: String,
    http: reqwest::Client,
    requests: Arc<AtomicU64>,
    faults: watch::Receiver<Fault>,
}

struct Request {
    method: String,
    path: String,
    content_type: Option<String>,
    authorization: Option<String>,
    body: Vec<u8>,
}

// === impl Proxy ===

impl Proxy {
    async fn run(self: Arc<Self>, address: SocketAddr, first: TcpListener) {
        let mut faults = self.faults.clone();
        let mut listener = Some(first);
        loop {
            if *faults.borrow_and_update() == Fault::Down {
                drop(listener.take());
                if faults.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let open = match listener.take() {
                Some(open) => open,
                None => TcpListener::bind(address).await.unwrap(),
            };
            tokio::select! {
                accepted = open.accept() => {
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(Arc::clone(&self).serve(stream));
                    }
                }
                changed = faults.changed() => if changed.is_err() { return },
            }
            listener = Some(open);
        }
    }

    /// One request per connection, so that a switch concerns the very next request.
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let Some(request) = read(&mut stream).await else { return };
        self.requests.fetch_add(1, Ordering::SeqCst);
        let fault = *self.faults.borrow();
        if let Fault::Slow(by) = fault {
            tokio::time::sleep(by).await;
        }
        if fault == Fault::Endless {
            let head = "HTTP/1.1 200 Switched\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
            let mut part = [head.as_bytes(), &vector("")[..30]].concat();
            // Until the other side has enough.
            while stream.write_all(&part).await.is_ok() {
                part = vec![b' '; 1 << 16];
            }
            return;
        }
        let (status, body) = match fault {
            Fault::Down | Fault::Endless => return,
            Fault::Huge(bytes) => (200, [vector(""), vec![b' '; bytes]].concat()),
            Fault::Pass | Fault::Slow(_) | Fault::Truncate => self.pass(request).await,
            Fault::Status(status) => (status, Vec::from("the proxy was told to answer so")),
            Fault::Empty => (200, vector("")),
            Fault::NaN => (200, vector(r#"{"metric":{},"value":[0,"NaN"]}"#)),
            Fault::Garbage => (200, Vec::from(&b"\x00\xff<html>{\"status\""[..])),
        };
        let head = format!(
            "HTTP/1.1 {status} Switched\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let sent = if fault == Fault::Truncate { &body[..body.len() / 2] } else { &body[..] };
        let _ = stream.write_all(&[head.as_bytes(), sent].concat()).await;
        let _ = stream.shutdown().await;
    }

    async fn pass(&self, request: Request) -> (u16, Vec<u8>) {
        let method = request.method.parse().unwrap();
        let mut out = self.http.request(method, format!("{}{}", self.backend, request.path)).body(request.body);
        for (name, value) in [("content-type", request.content_type), ("authorization", request.authorization)] {
            out = value.into_iter().fold(out, |out, value| out.header(name, value));
        }
        match out.send().await {
            Ok(answer) => (answer.status().as_u16(), answer.bytes().await.unwrap_or_default().to_vec()),
            Err(error) => (502, error.to_string().into_bytes()),
        }
    }
}

fn vector(elements: &str) -> Vec<u8> {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{elements}]}}}}"#).into_bytes()
}

/// Reads one request; `None` when the other side only wanted to know whether the port is open.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let header = |name: &str| {
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let mut first = head.lines().next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    Some(Request { method, path, content_type: header("content-type"), authorization: header("authorization"), body })
}
