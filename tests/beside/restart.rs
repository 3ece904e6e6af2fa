//! kill -9 of the controller in the middle of a scale-in window, and while a rate budget is used up.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::pair::{Pair, Stage, decision, says};
use super::stock;
use super::table::Row;
use crate::plane_support::{Ballast, Flags, now};
use crate::twin::{Scenario, behaving, external, spec};

/// Of both autoscalers' flags.
const WINDOW: f64 = 20.0;
/// When in the window the kill comes: what is left is far shorter than a new window, even on a slow machine.
const KILL: Duration = Duration::from_secs(12);

fn queue() -> [Value; 1] {
    [external("queue", "AverageValue", "100")]
}

/// Six pods that have enough to do. Ballast runs it without smoothing, so that both follow the same rule.
async fn window<'a>(stage: &'a Stage, name: &'static str) -> Pair<'a> {
    stage.load(name, "queue", 600);
    stage.pair(Scenario::new(name, 6, spec(1, 20, &queue()))).await
}

/// The load falls to what two pods can do.
fn fall(pair: &mut Pair<'_>) {
    pair.stage.load(pair.name, "queue", 200);
    pair.zero = now();
}

/// For comparison: nobody is killed.
pub async fn without(stage: &Stage) -> Row {
    let mut pair = window(stage, "window").await;
    fall(&mut pair);
    let said = async |side| says(&pair.until(side, "holds", |_, policy| held(policy)).await, "AbleToScale");
    let (stock, _) = tokio::join!(said(&stage.stock), said(&stage.ballast));
    let ballast = decision(&pair.policy(&stage.ballast).await.unwrap());
    for side in pair.sides() {
        pair.size(side, 2).await;
        let seconds = pair.moved_after(side).unwrap();
        // The last look before the fall is a sync period back, on a busy machine more.
        assert!(seconds > WINDOW / 2.0, "{:?} after {seconds} s", side.autoscaler);
    }
    pair.row("scale-in window of 20 s, no restart", stock, ballast)
}

fn held(policy: &Value) -> bool {
    says(policy, "AbleToScale").contains("ScaleDownStabilized")
}

/// The pairs that live through the kill.
pub struct Prepared<'a> {
    window: Pair<'a>,
    budget: Pair<'a>,
}

/// Sets them up.
pub async fn prepare(stage: &Stage) -> Prepared<'_> {
    let one = json!({"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 600}]}});
    stage.load("budget", "queue", 800);
    let budget = Scenario::new("budget", 8, behaving(1, 20, &queue(), &one));
    let (window, budget) = tokio::join!(window(stage, "restarted"), stage.pair(budget));
    Prepared { window, budget }
}

/// Kills both controllers in the middle of the window, and once the pod of ten minutes has gone.
pub async fn with(stage: &Stage, prepared: Prepared<'_>, ballast: Ballast, flags: &Flags, hpa_flags: &str) -> [Row; 2] {
    let Prepared { mut window, mut budget } = prepared;
    fall(&mut budget);
    for side in budget.sides() {
        budget.size(side, 7).await;
    }
    fall(&mut window);
    let stock_said = says(&window.until(&stage.stock, "holds", |_, policy| held(policy)).await, "AbleToScale");
    let announced = window.until(&stage.ballast, "holds", |_, policy| held(policy)).await;
    // The record has the exact time; the status has whole seconds.
    let until: Timestamp = window.recorded(&ballast).await.unwrap()["until"].as_str().unwrap_or_default().parse().unwrap();
    tokio::time::sleep(KILL.saturating_sub(now().duration_since(window.zero).unsigned_abs())).await;

    tokio::join!(ballast.crash(), stock::crash(stage.plane));
    let killed = now();
    let (ballast, ()) = tokio::join!(Ballast::start(stage.plane, "beside-2", flags), stock::start(stage.plane, hpa_flags));

    for side in window.sides() {
        window.size(side, 2).await;
    }
    let again = window.moved_after(&stage.ballast).unwrap();
    let stock_again = window.moved_after(&stage.stock).unwrap();
    let (kill, end) = (window.seconds(killed), window.seconds(until));
    println!(
        "killed after {kill:.1} s; Ballast had announced {end:.1} s and shrank after {again:.1} s, the stock one after {stock_again:.1} s"
    );
    assert!(end > kill, "killed when the window had ended: the machine is too slow for this test");
    assert!(again >= end, "earlier than without the kill: {again} s\n{}", ballast.tail());
    assert!(again < kill + WINDOW, "the window began anew: {again} s\n{}", ballast.tail());
    // A new process takes the present size for a proposal of its first sync and holds it for a whole window.
    assert!(stock_again > kill + WINDOW, "stock after {stock_again} s");

    // A new process knows of no pod that went.
    budget.until(&stage.stock, "takes one more", |sizes, _| sizes == [8, 7, 6]).await;
    let policy = budget.until(&stage.ballast, "is held by the rate", |_, policy| policy["status"]["decision"]["heldBy"] == "RateLimited");
    let policy = policy.await;
    assert_eq!(budget.sizes(&stage.ballast), [8, 7], "{}", ballast.tail());
    let story = format!("scale-in window of 20 s, kill -9 after {kill:.0} s");
    [
        window.row(&story, stock_said, decision(&announced)),
        budget.row("one pod per 10 min, kill -9 after the first", budget.rescale(&stage.stock, 6).await, decision(&policy)),
    ]
}
