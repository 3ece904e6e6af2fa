//! Crash and restart of the stock autoscaler, which is a kube-controller-manager of its own on the plane.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::plane_support::{Plane, eventually};

/// SIGKILL by process id.
pub async fn crash(plane: &Plane) {
    let pid = std::fs::read_to_string(plane.dir.join("pids/hpa")).unwrap();
    let pid = pid.trim();
    assert!(Command::new("kill").args(["-KILL", pid]).status().await.unwrap().success());
    eventually("the stock autoscaler is gone", Duration::from_secs(10), async || {
        // A zombie has no environment.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if environment.is_empty() { Ok(()) } else { Err(pid.to_owned()) }
    })
    .await;
}

/// Starts it again and waits until it is healthy.
pub async fn start(plane: &Plane, flags: &str) {
    let up = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/up.sh");
    let mut command = Command::new(up);
    command.args(["hpa", "--dir"]).arg(&plane.dir).args(["--hpa-flags", flags]).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "tests/cluster/up.sh hpa failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
