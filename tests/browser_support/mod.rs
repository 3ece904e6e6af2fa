//! A real, headless Chromium, driven by the `DevTools` protocol over a pipe: no port, no driver, and it ends with whoever holds the pipe.

#![allow(dead_code)] // Each test uses its own part.

pub mod looks;
mod page;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

pub use page::Page;

/// Longest wait for an answer or an event; all but loading a page take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser, ended by its pid when dropped.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next: u64,
    events: Vec<Value>,
    // Removed after the browser has ended: fields are dropped after `drop`.
    _profile: TempDir,
}

/// Where Chromium is. `None` when it is not installed, which is said loudly, and is a failure in CI.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).flat_map(|folder| ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name)));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci.is_empty()),
            "CI skips nothing: chromium is missing (tests/cluster/deps.sh unit)"
        );
        eprintln!("SKIPPED: chromium is not installed (tests/cluster/deps.sh unit installs it)");
    }
    found
}

impl Browser {
    /// Starts it with a new, empty profile. `None` when there is none.
    pub fn start() -> Option<Self> {
        let program = chromium()?;
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken on the descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "sh"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(out).split(0) {
                let Ok(message) = message else { return };
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, to, from, next: 0, events: Vec::new(), _profile: profile })
    }

    /// Sends a command and waits for its result.
    pub fn call(&mut self, session: Option<&str>, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        self.to.write_all(format!("{command}\0").as_bytes()).unwrap_or_else(|error| panic!("{method}: chromium has ended: {error}"));
        loop {
            let message = self.receive().unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Waits for an event of a session that came after `since` events.
    pub fn wait(&mut self, session: &str, since: usize, method: &str) {
        let is_it = |event: &Value| event["method"] == method && event["sessionId"] == session;
        while !self.events.iter().skip(since).any(is_it) {
            let message = self.receive().unwrap_or_else(|error| panic!("no event {method}: {error}"));
            self.events.push(message);
        }
    }

    /// All events so far.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    fn receive(&mut self) -> Result<Value, RecvTimeoutError> {
        self.from.recv_timeout(PATIENCE)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its own children end with it, but some write into the profile until they notice.
        std::thread::sleep(Duration::from_millis(200));
    }
}
