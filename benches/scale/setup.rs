//! Prepares the cluster and goes through the rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::config::Kubeconfig;

use crate::audit::Audit;
use crate::contender::{Ground, cluster_script, succeed};
use crate::fleet::Fleet;
use crate::helper::Helper;
use crate::machine::Machine;
use crate::options::{Contender, Options, Signal};
use crate::plane_support::{self, Plane};
use crate::process::Processes;
use crate::prometheus::Prometheus;
use crate::results::{Report, Row};
use crate::tables;
use crate::trial::Trials;

/// Runs every row that is asked for.
pub async fn run(options: &Options) -> Result<Report> {
    let wanted: Vec<_> = options.targets.iter().flat_map(|&targets| options.rows(targets)).collect();
    if wanted.iter().any(|&(contender, _)| contender == Contender::Keda) {
        eprintln!("KEDA is built first, which takes a quarter of an hour if it never was");
        let mut build = cluster_script("build.sh");
        build.arg("keda");
        succeed(build).await?;
    }
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scale-audit-{}.log", std::process::id()));
    let flags: &'static str = Box::leak(Audit::flags(&log).into_boxed_str());
    let plane = plane_support::plane(plane_support::Options { api_server: flags, ..Default::default() }).await;
    let result = measured(options, plane, &log).await;
    if let Some(logs) = &options.logs {
        std::fs::create_dir_all(logs).with_context(|| logs.display().to_string())?;
        succeed({
            let mut copy = tokio::process::Command::new("cp");
            copy.arg("-r").arg(plane.dir.join("logs")).arg(&log).arg(logs);
            copy
        })
        .await?;
    }
    // Not there if the API server never was.
    let _ = std::fs::remove_file(&log);
    result
}

async fn measured(options: &Options, plane: &Plane, log: &Path) -> Result<Report> {
    let env = std::fs::read_to_string(plane.dir.join("env"))?;
    let bin = env.lines().find_map(|line| line.strip_prefix("CLUSTER_BIN=")).context("no CLUSTER_BIN")?;
    let machine = Machine::here(Path::new(bin), &options.ballast)?;
    let mut report = Report { date: format!("{:.0}", plane_support::now()), machine, noise: options.noise, ..Report::default() };
    let client = plane.client.clone();
    let fleet = Fleet::new(client.clone()).await;
    // That of the metrics API, which starts later and would wait for a service account too.
    plane_support::ensure_namespace(&client, "fake-metrics").await;
    // From here on nobody but the contender may act on Deployments: 40,000 new pods would be another test.
    let mut down = cluster_script("down.sh");
    down.args(["--only", "kube-controller-manager", "--dir"]).arg(&plane.dir);
    succeed(down).await?;
    let ground = Ground { options, plane: &plane.dir, ballast: ballast_account(plane).await?, prometheus: None };
    let mut trials = Trials { ground, client, fleet, audit: Audit::new(log), metrics: BTreeMap::new(), quiet: 0.0 };
    if options.signals.contains(&Signal::Prometheus) {
        trials.ground.prometheus = Some(Prometheus::start(&plane.dir).await?);
    }
    let mut sizes = options.targets.clone();
    sizes.sort_unstable();
    for targets in sizes {
        let time = trials.fleet.grow(targets).await?;
        eprintln!("{targets} targets after {:.0} s more", time.as_secs_f64());
        report.setup_seconds.insert(targets, time.as_secs_f64());
        start_metrics(&mut trials, options, targets).await?;
        trials.measure_quiet().await?;
        for (contender, signal) in options.rows(targets) {
            let what = format!("{}, {targets} targets, {}", contender.title(), signal.title());
            let row = trials.row(contender, signal).await.with_context(|| what.clone())?;
            eprintln!("\n{what}: {:.0} s\n{}\n{}", row.seconds, tables::steps(&[&row]), tables::steady(&[&row]));
            report.rows.push(row);
            // What is measured is kept, whatever comes after it.
            if let Some(file) = &options.json {
                std::fs::write(file, serde_json::to_vec(&report)?).with_context(|| file.display().to_string())?;
            }
        }
    }
    report.rows.sort_by_key(Row::key);
    Ok(report)
}

/// New helpers for a new number of targets.
async fn start_metrics(trials: &mut Trials<'_>, options: &Options, targets: usize) -> Result<()> {
    trials.metrics.clear();
    let (number, noise) = (targets.to_string(), options.noise.to_string());
    let plane = trials.ground.plane;
    let kubeconfig = plane.join("kubeconfig").display().to_string();
    for &signal in &options.signals {
        let entry = match signal {
            Signal::Cpu => {
                let helper =
                    Helper::start(plane, &["metrics-api", "--kubeconfig", &kubeconfig, "--targets", &number, "--noise", &noise]).await?;
                let processes = Processes(helper.id().into_iter().collect());
                (helper, processes)
            }
            Signal::Prometheus => {
                let helper = Helper::start(plane, &["exporter", "--targets", &number]).await?;
                Prometheus::scrape(plane, &helper.ready)?;
                (helper, Processes::of_plane(plane, &["prometheus"])?)
            }
        };
        trials.metrics.insert(signal, entry);
    }
    Ok(())
}

/// Installs Ballast as its manifests do, and gives a kubeconfig with the token of its service account: its rights, and a name of its own
/// in the audit log. Its Deployment stays without pods.
async fn ballast_account(plane: &Plane) -> Result<PathBuf> {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifests/ballast.yaml");
    plane.kubectl_ok(&["apply", "--server-side", "--force-conflicts", "-f", manifests]).await;
    let token = plane.kubectl_ok(&["create", "token", "ballast", "--namespace", "ballast-system", "--duration", "12h"]).await;
    let mut kubeconfig = Kubeconfig::read_from(&plane.kubeconfig)?;
    for user in &mut kubeconfig.auth_infos {
        user.auth_info = Some(kube::config::AuthInfo { token: Some(token.trim().to_owned().into()), ..Default::default() });
    }
    let file = plane.dir.join("ballast.kubeconfig");
    std::fs::write(&file, serde_json::to_vec(&kubeconfig)?).with_context(|| file.display().to_string())?;
    Ok(file)
}
