//! One fault from its begin to its end, and the world it happens in.

#![allow(clippy::unwrap_used, clippy::panic)]

mod cluster;
mod killed;

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::plane_support::{
    Ballast, Fault as ApiFault, FaultRow, FaultTable, Flags, Level, Load, Options, Scene, Scraped, Sizes, Source, eventually, now, plane,
};
use crate::support_faults::{Fault, FaultProxy};
pub use cluster::{contested, stuck};
pub use killed::killed;

/// Many drills run at once on a small machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Proxies in front of Prometheus, each the source of one drill.
const PROXIES: usize = 7;

/// One controller, and all that it asks.
pub struct World {
    pub scene: Scene,
    sizes: Sizes,
    /// For faults that everything in the namespace suffers from.
    apart: (Scene, Sizes),
    pub table: FaultTable,
    scraped: &'static Scraped,
    proxies: Vec<FaultProxy>,
    /// Its configuration, which names the sources.
    config: String,
    ballast: Ballast,
}

/// What is done to the measuring of an app.
pub enum Break {
    /// The exporter goes away.
    Gone,
    /// The exporter says this.
    Says(f64),
    /// The proxy of this number in front of Prometheus fails.
    Proxy(usize, Fault),
    /// A metrics API fails for this metric.
    Api(&'static str, ApiFault),
    /// metrics.k8s.io says this usage.
    Uses(Load),
    /// The same, with samples of ten minutes ago.
    Old(Load),
    /// No fault of measuring: a rollout with this surge, until the end of the fault.
    Rollout(&'static str),
}

/// What comes after the fault.
pub enum After {
    /// All is as before.
    Steady,
    /// First a reason with this code and words.
    Says(&'static str, &'static str),
    /// It stays and is believed after so long, and not before.
    Believed(Duration),
}

/// One fault.
pub struct Drill {
    pub name: &'static str,
    pub fault: &'static str,
    /// Of the policy.
    pub spec: Value,
    pub replicas: i32,
    pub breaks: Break,
    /// Code of the reason by which Ballast holds, and words of the message.
    pub code: &'static str,
    pub words: &'static str,
    /// How long it goes on after Ballast has said so.
    pub lasts: Duration,
    pub after: After,
}

impl World {
    pub async fn begin() -> Self {
        let plane = plane(Options::default()).await;
        let (_, scraped) = tokio::join!(plane.metrics(), plane.prometheus());
        let (scene, apart) = (Scene::new(plane).await, Scene::new(plane).await);
        let proxies = join_all((0..PROXIES).map(|_| FaultProxy::start(&scraped.url))).await;
        let broken =
            proxies.iter().enumerate().map(|(n, proxy)| json!({ "name": format!("proxy-{n}"), "url": proxy.url, "timeoutSeconds": 1 }));
        let sources: Vec<_> = broken.chain([json!({ "name": "default", "url": scraped.url })]).collect();
        let file = plane.dir.join("faults.yaml");
        std::fs::write(&file, json!({ "sources": sources }).to_string()).unwrap();
        let config = file.to_str().unwrap().to_owned();
        let both = format!("{},{}", scene.namespace, apart.namespace);
        let more = ["--config", &config, "--namespaces", &both].map(str::to_owned).to_vec();
        let flags = Flags { downscale_stabilization: "2s", more, ..Flags::default() };
        let sizes = Sizes::watch(&plane.client, &scene.namespace);
        let elsewhere = Sizes::watch(&plane.client, &apart.namespace);
        let ballast = Ballast::start(plane, "faults", &flags).await;
        Self { scene, sizes, apart: (apart, elsewhere), table: FaultTable::default(), scraped, proxies, config, ballast }
    }
}

impl Drill {
    pub async fn run(&self, world: &World) {
        let (scene, sizes) = self.place(world);
        let app = scene.deployment(self.name, self.replicas).await;
        self.heal(world, &app).await;
        self.known(world, &app).await;
        let mut spec = self.spec.clone();
        if let Break::Proxy(n, _) = self.breaks {
            spec["metrics"][0]["prometheus"]["source"] = json!(format!("proxy-{n}"));
        }
        scene.policy(&app, spec).await;
        steady(scene, &app).await;

        let start = now();
        self.inject(world, &app).await;
        let mut did = said(scene, &app, self.code, self.words).await;
        let held = seconds(start);
        tokio::time::sleep(self.lasts).await;

        let end = now();
        let moved = |since| if matches!(self.breaks, Break::Rollout(_)) { sizes.moves(&app, since) } else { sizes.falls(&app, since) };
        let (back, wrong) = if let After::Believed(hold) = self.after {
            let early = eventually(&format!("{app} is believed"), 2 * PATIENCE, async || {
                let sizes = sizes.since(&app, start);
                if sizes.len() > 1 { Ok(seconds(start)) } else { Err(format!("{sizes:?}")) }
            })
            .await;
            // From here on it is no fault: what counts is how long it was not believed.
            (early, usize::from(early < hold.as_secs_f64()))
        } else {
            self.heal(world, &app).await;
            if let After::Says(code, words) = self.after {
                did = format!("{did}; then {}", said(scene, &app, code, words).await);
            }
            steady(scene, &app).await;
            let back = seconds(end);
            // What was wrong may move the size late.
            tokio::time::sleep(Duration::from_secs(4)).await;
            (back, moved(start))
        };
        if wrong > 0 {
            println!("{}: {:?}\n{}", self.fault, sizes.since(&app, start), world.ballast.lines(&app));
        }
        world.table.add(FaultRow { fault: self.fault.to_owned(), did, held, back: Some(back), wrong });
    }

    async fn inject(&self, world: &World, app: &str) {
        let (scene, metrics) = (self.place(world).0, world.scene.plane.metrics().await);
        let usage = |load: &Load| metrics.set(app, Source::Cpu { container: "app" }, load.clone());
        match &self.breaks {
            Break::Gone => world.scraped.remove(&format!("app=\"{app}\"")),
            Break::Says(value) => world.scraped.set(&series("queue", scene, app), Level::At(*value)),
            Break::Proxy(n, fault) => world.proxies[*n].set(*fault).await,
            Break::Api(metric, fault) => metrics.fault(app, metric, Some(*fault)),
            Break::Uses(load) => usage(load),
            Break::Old(load) => {
                metrics.fault(app, "resource", Some(ApiFault::Old(600)));
                usage(load);
            }
            Break::Rollout(surge) => {
                // Longer than the fleet's pods say that they have been ready: the surge stays.
                let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": surge, "maxUnavailable": 0 } });
                let template = json!({ "metadata": { "annotations": { "example.com/version": "2" } } });
                let spec = json!({ "minReadySeconds": 7200, "progressDeadlineSeconds": 7800, "strategy": strategy, "template": template });
                scene.patch("Deployment", app, json!({ "spec": spec })).await;
            }
        }
    }

    /// The load as it is without a fault.
    async fn heal(&self, world: &World, app: &str) {
        let (scene, metrics) = (self.place(world).0, world.scene.plane.metrics().await);
        // Of a target of 50 %; each pod's own, however many there are: what a rollout makes of it is no load.
        let each = if matches!(self.breaks, Break::Rollout(_)) { 44 } else { 50 };
        metrics.set(app, Source::Cpu { container: "app" }, Load::Each(each));
        metrics.set(app, Source::External { metric: "jobs", labels: &[] }, Load::Each(60_000));
        match &self.breaks {
            Break::Gone | Break::Says(_) | Break::Uses(_) => {}
            Break::Proxy(n, _) => world.proxies[*n].set(Fault::Pass).await,
            Break::Api(metric, _) => metrics.fault(app, metric, None),
            Break::Old(_) => metrics.fault(app, "resource", None),
            Break::Rollout(_) => {
                scene.patch("Deployment", app, json!({ "spec": { "minReadySeconds": 0 } })).await;
                scene.ready(app, self.replicas).await;
            }
        }
        if self.asks("hits") {
            world.scraped.set(&series("hits", scene, app), Level::Rising(60.0));
        } else if self.asks("queue") {
            world.scraped.set(&series("queue", scene, app), Level::At(60.0));
        }
    }

    fn place<'a>(&self, world: &'a World) -> (&'a Scene, &'a Sizes) {
        let all = matches!(self.breaks, Break::Api("resource", ApiFault::Status(_)));
        if all { (&world.apart.0, &world.apart.1) } else { (&world.scene, &world.sizes) }
    }

    fn asks(&self, name: &str) -> bool {
        self.spec["metrics"][0]["prometheus"]["name"] == name
    }

    /// Waits until Prometheus has what the policy will ask for.
    async fn known(&self, world: &World, app: &str) {
        if self.asks("hits") {
            let counted = format!("count_over_time({}[12s]) >= bool 52", series("hits", self.place(world).0, app));
            world.scraped.shows(&counted, "1").await;
        } else if self.asks("queue") {
            world.scraped.shows(&series("queue", self.place(world).0, app), "60").await;
        }
    }
}

fn series(name: &str, scene: &Scene, app: &str) -> String {
    format!("{name}{{namespace=\"{}\",app=\"{app}\"}}", scene.namespace)
}

/// Seconds since then.
pub fn seconds(since: Timestamp) -> f64 {
    now().duration_since(since).as_secs_f64()
}

/// Waits until the last decision has a reason of this code and words; gives verdict, size, code, and the message from these words on.
pub async fn said(scene: &Scene, policy: &str, code: &str, words: &str) -> String {
    eventually(&format!("{policy} says {code}: {words}"), PATIENCE, async || {
        let decision = &scene.get("ScalePolicy", policy).await?["status"]["decision"];
        let text = |field: &str| decision[field].as_str().unwrap_or_default();
        let rest = text("message").find(words).map(|at| &text("message")[at..]);
        let rest = rest.filter(|_| text("reason") == code).ok_or_else(|| decision.to_string())?;
        let excerpt: String = rest.chars().take(60).collect();
        Ok(format!("{} at {}, {code}: {excerpt}", text("verdict"), decision["to"]))
    })
    .await
}

/// Waits until a policy's size is known and right, and all pods are counted: those that start later would bring a load of their own.
pub async fn steady(scene: &Scene, policy: &str) {
    eventually(&format!("{policy} is steady"), PATIENCE, async || {
        let status = &scene.get("ScalePolicy", policy).await?["status"];
        let decision = &status["decision"];
        let usual = ["Demand", "WithinTolerance"].map(Value::from).contains(&decision["reason"]);
        let all = !decision["message"].as_str().unwrap_or_default().contains(" starting");
        if decision["verdict"] == "Steady" && usual && all { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}
