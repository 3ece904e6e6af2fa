//! The wall clock is set, forth and back. What waits for a time must neither wait less for it, nor for ever.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::table::Row;
use super::{INTERVAL, PATIENCE, Place, Signal, World, long, queue, seconds};
use crate::plane_support::{Fault, Level, Load, Plane, Source, cpu, eventually, now, prometheus};

/// A clock of its own for one process.
struct WallClock {
    shim: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// Compiles what is preloaded.
    fn new(plane: &Plane, name: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outages/wallclock.c");
        let clock = Self { shim: plane.dir.join(format!("{name}.so")), file: plane.dir.join(format!("{name}.ahead")) };
        let out = std::process::Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.shim).arg(source).output().unwrap();
        assert!(out.status.success(), "cc: {}", String::from_utf8_lossy(&out.stderr));
        std::fs::write(&clock.file, 0_i64.to_ne_bytes()).unwrap();
        clock
    }

    /// Sets it so many seconds ahead of the machine's.
    fn set(&self, seconds: i64) {
        // In place: the process reads the page.
        std::fs::File::options().write(true).open(&self.file).unwrap().write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

/// Demand falls, a signal goes away, a slow scale-in is under way; then the clock is set, and some time later back.
pub async fn stepped(world: &World, name: &'static str, step: i64) {
    let mut place = Place::begin(world, name, Signal::Queue).await;
    // Long enough that each step falls into it.
    let wait: u32 = if long() { 60 } else { 20 };
    let plain = json!({ "type": "None" });
    let slowly = |window: u32, pods: i32, period: u32| {
        let policies = json!([{ "type": "Pods", "value": pods, "periodSeconds": period }]);
        json!({ "scaleDown": { "stabilizationWindowSeconds": window, "policies": policies } })
    };
    // The clock of the pods' node is set as well.
    let metrics = world.plane.metrics().await;
    let usage = |app: &str, size: i64| metrics.set(app, Source::Cpu { container: "app" }, Load::Total(50 * size));
    let node = |ahead: i64, apps: [&String; 2]| apps.iter().for_each(|app| metrics.fault(app, "resource", Some(Fault::Old(-ahead))));
    let window = json!({ "metrics": [cpu(50)], "smoothing": plain, "behavior": slowly(wait, 100, 1) });
    usage(&place.scene.name(&format!("{name}-window")), 8);
    let window = place.app(&format!("{name}-window"), 8, window).await;
    let rate = json!({ "metrics": [cpu(50)], "smoothing": plain, "behavior": slowly(0, 1, wait) });
    usage(&place.scene.name(&format!("{name}-rate")), 8);
    let rate = place.app(&format!("{name}-rate"), 8, rate).await;
    let lone = prometheus("queue", r#"queue{namespace="${namespace}",app="${name}"}"#, ("AverageValue", "10"));
    let fallback = json!({ "holdSeconds": wait, "replicas": { "count": 2 } });
    let outage = json!({ "metrics": [lone], "smoothing": plain, "fallback": fallback });
    let outage = place.app(&format!("{name}-outage"), 8, outage).await;
    let collapse = json!({ "metrics": [queue()], "smoothing": { "type": "Smooth", "collapseHoldSeconds": wait } });
    let collapse = place.app(&format!("{name}-collapse"), 8, collapse).await;
    let apart = place.apps.split_off(2);

    let clock = WallClock::new(world.plane, name);
    let env = [("LD_PRELOAD", clock.shim.to_str().unwrap()), ("WALL_CLOCK_AHEAD", clock.file.to_str().unwrap())];
    place.start(&world.plane.kubeconfig, &env).await;
    for app in &apart {
        eventually(&format!("{app} is steady"), PATIENCE, async || {
            let decision = &place.scene.get("ScalePolicy", app).await?["status"]["decision"];
            if decision["verdict"] == "Steady" { Ok(()) } else { Err(decision.to_string()) }
        })
        .await;
    }

    world.gate.wait().await;
    let (start, said) = (now(), place.complaints());
    usage(&window, 4);
    usage(&rate, 4);
    world.scraped.remove(&format!("app=\"{outage}\""));
    world.scraped.set(&place.series(&collapse), Level::At(0.0));
    // The first move of the slow one is made.
    place.scene.size("Deployment", &rate, 7).await;
    for app in [&window, &outage, &collapse] {
        eventually(&format!("{app} is held"), PATIENCE, async || {
            let decision = &place.scene.get("ScalePolicy", app).await?["status"]["decision"];
            if decision["verdict"] == "Steady" { Err(decision.to_string()) } else { Ok(()) }
        })
        .await;
    }
    let set = now();
    clock.set(step);
    node(step, [&window, &rate]);
    let (after, missing) = place.answered(place.grow(), Duration::from_secs(u64::from(2 * INTERVAL))).await;
    let meanwhile = if missing == 0 { format!("answered after {after:.1} s") } else { "held".to_owned() };
    // The last look at the old load may have been an interval before it changed.
    let earliest = f64::from(wait - INTERVAL);
    tokio::time::sleep(Duration::from_secs_f64((earliest - 2.0 - seconds(start)).max(0.0))).await;
    clock.set(0);
    node(0, [&window, &rate]);
    let lasted = seconds(set);
    let (back, lost) = place.answered(place.grow(), PATIENCE).await;
    // And in the end what waited comes.
    for (app, size) in [(&window, 4), (&rate, 6), (&outage, 2)] {
        place
            .scene
            .until("it shrinks in the end", "Deployment", app, |object| {
                let found = object["spec"]["replicas"].as_i64().unwrap_or_default();
                if found <= size { Ok(()) } else { Err(found.to_string()) }
            })
            .await;
    }
    let first = |app: &str| place.sizes.changes(app, start).into_iter().next();
    let mut early: Vec<_> =
        [&window, &outage, &collapse].into_iter().filter_map(|app| first(app).filter(|(at, _)| *at < earliest)).collect();
    let slow = place.sizes.changes(&rate, start);
    early.extend(slow.windows(2).filter(|pair| pair[1].0 - pair[0].0 < f64::from(wait) - 1.0).map(|pair| pair[1]));
    println!("{name}: early: {early:?}");
    let fault = format!("clock: set {step:+} s, and back");
    let wrong = early.len();
    place.row(Row { fault, lasted, meanwhile, back, lost, wrong, ..Row::default() }, said).await;
}
