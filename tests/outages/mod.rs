//! Faults around Ballast, rather than in what it measures: one controller per drill, with workloads of its own, and what becomes of it.

// Each test binary uses its own part of this module.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub mod clock;
pub mod network;
pub mod process;
pub mod server;
pub mod table;

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::plane_support::{
    Ballast, Gateway, Launch, Level, Load, Options, Plane, Scene, Scraped, Sizes, Source, Trouble, cpu, eventually, free_address, now,
    plane, prometheus,
};
use table::{Row, Table};

/// Each policy is decided every so many seconds.
pub const INTERVAL: u32 = 5;
/// Workloads of a drill.
const APPS: usize = 2;
/// Many drills run at once on a small machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What all drills share.
pub struct World {
    pub plane: &'static Plane,
    pub scraped: &'static Scraped,
    pub table: Table,
    /// All faults begin together, so that the begin of one drill is not a load on another.
    pub gate: Barrier,
}

/// What the workloads of a drill are scaled by.
#[derive(Clone, Copy, PartialEq)]
pub enum Signal {
    /// A Prometheus query.
    Queue,
    /// Usage by metrics.k8s.io.
    Cpu,
}

/// Workloads, their policies, and who scales them.
pub struct Place<'a> {
    world: &'a World,
    signal: Signal,
    pub name: &'static str,
    pub scene: Scene,
    pub sizes: Sizes,
    pub apps: Vec<String>,
    pub ballasts: Vec<Ballast>,
    /// The size that all need.
    size: Cell<i32>,
    /// Load grows twice after the fault, as what is broken for good may answer once.
    pub twice: bool,
    /// Other namespaces of its controller.
    neighbours: Vec<String>,
    /// Policies that it has to do with besides these.
    pub bad: Cell<usize>,
}

/// `BALLAST_FAULTS=long` makes outages that last, the short form is for every run of the tests.
pub fn long() -> bool {
    std::env::var_os("BALLAST_FAULTS").is_some_and(|form| form == "long")
}

/// How long a fault lasts.
pub fn lasts() -> Duration {
    Duration::from_secs(if long() { 60 } else { 8 })
}

/// Seconds since then.
pub fn seconds(since: jiff::Timestamp) -> f64 {
    now().duration_since(since).as_secs_f64()
}

impl World {
    /// For so many drills at once.
    pub async fn begin(drills: usize) -> Self {
        let plane = plane(Options::default()).await;
        let (_, scraped) = tokio::join!(plane.metrics(), plane.prometheus());
        Self { plane, scraped, table: Table::default(), gate: Barrier::new(drills) }
    }

    /// A drill in which requests fail in a gateway in front of the API server.
    pub async fn gateway(&self, name: &'static str, fault: &str, signal: Signal, trouble: Trouble) {
        let mut place = Place::begin(self, name, signal).await;
        let gateway = Gateway::start(self.plane, name).await;
        place.start(&gateway.kubeconfig, &[]).await;
        self.gate.wait().await;
        place.drill(fault, lasts(), async || gateway.set(trouble), async || gateway.set(Trouble::None)).await;
    }
}

impl<'a> Place<'a> {
    /// Workloads of 2 replicas that need 2, and a policy for each; nobody scales them yet.
    pub async fn begin(world: &'a World, name: &'static str, signal: Signal) -> Self {
        let scene = Scene::new(world.plane).await;
        let sizes = Sizes::watch(&world.plane.client, &scene.namespace);
        let mut place = Self {
            world,
            signal,
            name,
            scene,
            sizes,
            apps: Vec::new(),
            ballasts: Vec::new(),
            size: Cell::new(2),
            twice: long(),
            bad: Cell::new(0),
            neighbours: Vec::new(),
        };
        for number in 0..APPS {
            let spec = match signal {
                Signal::Queue => json!({ "metrics": [queue()] }),
                Signal::Cpu => json!({ "metrics": [cpu(50)] }),
            };
            place.app(&format!("{name}-{number}"), 2, spec).await;
        }
        place
    }

    /// One more workload that needs as many replicas as it has, with a policy of its own.
    pub async fn app(&mut self, name: &str, size: i32, mut spec: Value) -> String {
        let app = self.scene.deployment(name, size).await;
        self.demand_of(&app, size);
        if self.signal == Signal::Queue {
            self.world.scraped.shows(&self.series(&app), &(10 * size).to_string()).await;
        }
        spec["intervalSeconds"] = json!(INTERVAL);
        if spec["smoothing"].is_null() {
            // No filter holds a size or looks ahead: each move is what the last look asked for.
            spec["smoothing"] = json!({ "type": "None" });
        }
        self.scene.policy(&app, spec).await;
        self.apps.push(app.clone());
        app
    }

    /// Flags of a controller of these workloads alone. The windows are short, so that nothing but the rule for the fault keeps a size.
    pub fn flags(&self, prometheus: &str) -> Vec<String> {
        let watched = [std::slice::from_ref(&self.scene.namespace), &self.neighbours].concat().join(",");
        let scope = ["--namespaces", &watched, "--lease-namespace", &self.scene.namespace, "--prometheus-url", prometheus];
        let short = ["--sync-period", "5s", "--downscale-stabilization", "2s", "--checkpoint-interval", "5s"];
        scope.into_iter().chain(short).map(str::to_owned).collect()
    }

    /// Lets the controller, which is to be started, see another namespace too.
    pub fn beside(&mut self, other: &Scene) {
        self.neighbours.push(other.namespace.clone());
    }

    /// Starts a controller without election, and waits until it has decided all sizes.
    pub async fn start(&mut self, kubeconfig: &Path, env: &[(&str, &str)]) {
        let mut flags = self.flags(&self.world.scraped.url);
        flags.extend(["--leader-elect", "false"].map(str::to_owned));
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let launch = Launch { admin: free_address().await, env, ..Launch::default() };
        let mut ballast = Ballast::launch(self.world.plane, &format!("outage-{}", self.name), kubeconfig, &flags, launch);
        ballast.wait_ready().await;
        self.ballasts.push(ballast);
        self.steady().await;
    }

    /// Waits until all sizes are decided, and are as they should be.
    pub async fn steady(&self) {
        for app in &self.apps {
            eventually(&format!("{app} is steady"), PATIENCE, async || {
                let status = &self.scene.get("ScalePolicy", app).await?["status"];
                if status["decision"]["verdict"] == "Steady" { Ok(()) } else { Err(format!("{status}\n{}", self.ballasts[0].tail())) }
            })
            .await;
        }
    }

    /// The load of all workloads grows by a replica, and gives the size that they need now.
    pub fn grow(&self) -> i32 {
        self.size.set(self.size.get() + 1);
        self.apps.iter().for_each(|app| self.demand_of(app, self.size.get()));
        self.size.get()
    }

    pub fn demand_of(&self, app: &str, size: i32) {
        match self.signal {
            Signal::Queue => self.world.scraped.set(&self.series(app), Level::At(f64::from(10 * size))),
            Signal::Cpu => {
                let usage = &self.world.plane;
                let (app, load) = (app.to_owned(), Load::Total(50 * i64::from(size)));
                // Started before the first drill.
                futures::executor::block_on(usage.metrics()).set(&app, Source::Cpu { container: "app" }, load);
            }
        }
    }

    pub fn series(&self, app: &str) -> String {
        format!("queue{{namespace=\"{}\",app=\"{app}\"}}", self.scene.namespace)
    }

    /// Seconds until all workloads have this size, and how many do not have it in the end.
    pub async fn answered(&self, size: i32, limit: Duration) -> (f64, usize) {
        let start = now();
        let mut left = self.apps.clone();
        while !left.is_empty() && seconds(start) < limit.as_secs_f64() {
            let mut rest = Vec::new();
            for app in left {
                // While the API server is away nobody knows.
                let found = self.scene.get("Deployment", &app).await.map(|object| object["spec"]["replicas"].clone());
                if !found.is_ok_and(|found| found == size) {
                    rest.push(app);
                }
            }
            left = rest;
            if !left.is_empty() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        (seconds(start), left.len())
    }

    /// A fault from begin to end: the load grows when it is there, and again when it ends. Tells whether the first was answered at once.
    pub async fn drill(&self, fault: &str, lasts: Duration, inject: impl AsyncFnOnce(), heal: impl AsyncFnOnce()) -> bool {
        let (start, said) = (now(), self.complaints());
        inject().await;
        let left = || lasts.saturating_sub(Duration::from_secs_f64(seconds(start)));
        // One that takes long to begin goes on for two intervals.
        let limit = if left().is_zero() { 2 * Duration::from_secs(INTERVAL.into()) } else { left() };
        let (after, missing) = self.answered(self.grow(), limit).await;
        let meanwhile = if missing == 0 { format!("answered after {after:.1} s") } else { "held".to_owned() };
        tokio::time::sleep(left()).await;
        heal().await;
        let lasted = seconds(start);
        let (mut back, mut lost) = self.answered(self.grow(), PATIENCE).await;
        if self.twice {
            let again = self.answered(self.grow(), PATIENCE).await;
            (back, lost) = (back.max(again.0), lost.max(again.1));
        }
        // What was wrong may move the size late.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let wrong = self.falls(start);
        self.row(Row { fault: fault.to_owned(), lasted, meanwhile, back, lost, wrong, ..Row::default() }, said).await;
        missing == 0
    }

    /// Adds a row; what was logged before is given.
    pub async fn row(&self, row: Row, said: usize) {
        let mut writes = Vec::new();
        for ballast in &self.ballasts {
            writes.extend(written(&ballast.metrics().await));
        }
        let row = Row { policies: self.apps.len() + self.bad.get(), writes: writes.join(", "), errors: self.complaints() - said, ..row };
        if row.is_bad(0.0) {
            let sizes: Vec<_> = self.apps.iter().map(|app| self.sizes.since(app, jiff::Timestamp::UNIX_EPOCH)).collect();
            println!("{}: {sizes:?}", row.fault);
            self.ballasts.iter().for_each(|ballast| println!("{}\n", ballast.tail()));
        }
        self.world.table.add(row);
    }

    /// Replicas lost, by what was seen and by what the controllers say.
    pub fn falls(&self, start: jiff::Timestamp) -> usize {
        let seen: usize = self.apps.iter().map(|app| self.sizes.falls(app, start)).sum();
        let told = self.ballasts.iter().flat_map(|ballast| scaled(&ballast.lines(" scaled "))).filter(|(from, to)| from > to).count();
        seen.max(told)
    }

    /// Warnings and errors in the logs.
    pub fn complaints(&self) -> usize {
        let count = |ballast: &Ballast| [" WARN ", " ERROR "].map(|level| ballast.lines(level).lines().count()).iter().sum::<usize>();
        self.ballasts.iter().map(count).sum()
    }
}

/// A replica for each 10. A scrape that is missed on a busy machine is none of these faults.
pub fn queue() -> Value {
    prometheus("queue", r#"last_over_time(queue{namespace="${namespace}",app="${name}"}[30s])"#, ("AverageValue", "10"))
}

/// Moves as the log tells them.
fn scaled(lines: &str) -> Vec<(u32, u32)> {
    let number = |line: &str, key: &str| line.split(key).nth(1)?.split_whitespace().next()?.parse().ok();
    lines.lines().filter_map(|line| Some((number(line, " from=")?, number(line, " to=")?))).collect()
}

/// Writes by outcome, such as `4 written`.
fn written(metrics: &str) -> Vec<String> {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix("ballast_scale_writes_total{outcome=\""));
    let mut writes: Vec<_> = lines.filter_map(|line| line.split_once("\"} ")).map(|(outcome, n)| format!("{n} {outcome}")).collect();
    writes.sort();
    writes
}
