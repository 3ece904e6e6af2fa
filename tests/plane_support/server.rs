//! A process of the plane that is stopped, started again, and made slow.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Plane;
use super::wait::eventually;

/// One process that `up.sh` started, such as `kube-apiserver`.
pub struct Server<'a> {
    plane: &'a Plane,
    name: &'static str,
    words: Vec<std::ffi::OsString>,
    again: Option<Child>,
}

impl<'a> Server<'a> {
    /// The process as it runs now.
    pub fn of(plane: &'a Plane, name: &'static str) -> Self {
        let mut server = Self { plane, name, words: Vec::new(), again: None };
        let line = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        server.words = words.map(|word| std::ffi::OsString::from_vec(word.to_vec())).collect();
        server
    }

    fn pid(&self) -> u32 {
        std::fs::read_to_string(self.file()).unwrap().trim().parse().unwrap()
    }

    fn file(&self) -> std::path::PathBuf {
        self.plane.dir.join("pids").join(self.name)
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap().success());
    }

    /// Ends it, as a crash would, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal("KILL");
        if let Some(mut child) = self.again.take() {
            child.wait().unwrap();
        }
        let stat = format!("/proc/{}/stat", self.pid());
        eventually(&format!("{} has ended", self.name), Duration::from_secs(10), async || {
            if std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) { Err(stat.clone()) } else { Ok(()) }
        })
        .await;
    }

    /// Starts it again as it was.
    pub fn start(&mut self) {
        let log = std::fs::OpenOptions::new().append(true).open(self.plane.dir.join(format!("logs/{}.log", self.name))).unwrap();
        let mut command = Command::new(&self.words[0]);
        // The mark by which down.sh knows it.
        command.args(&self.words[1..]).env("BALLAST_CLUSTER_DIR", &self.plane.dir).process_group(0);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        std::fs::write(self.file(), child.id().to_string()).unwrap();
        self.again = Some(child);
    }

    /// Waits until the API server answers that it is ready.
    pub async fn ready(&self) {
        eventually("the API server is ready", Duration::from_secs(60), async || {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            self.plane.client.request_text(request).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }
}
