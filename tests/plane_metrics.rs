//! The controller on a real control plane decides from real values of every type of metric: exact sizes, what it says about them, and
//! what it does when a source fails. Prometheus is the real one; the metrics APIs stand behind real `APIService`s.

// Helpers fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod measured;
mod plane_support;
mod support_faults;

use futures::future::join_all;
use measured::{ACTIVE, Row, at_most, begin, cpu, metric, prometheus};
use plane_support::{Container, Level, Load, Source, Workload, run};
use serde_json::{Value, json};

#[test]
fn every_type_of_the_metrics_apis_gives_its_size() {
    run(async {
        let (scene, _, _) = begin().await;
        let object =
            |name: &str| json!({ "metric": { "name": "depth" }, "describedObject": { "kind": "Service", "name": scene.name(name) } });
        let external =
            |name: &str, labels: Value| json!({ "metric": { "name": format!("jobs.{}", scene.name(name)), "selector": labels } });
        let container = |name: &str, container: &str| json!({ "name": name, "container": container });
        let app = Source::Cpu { container: "app" };
        let memory = Source::Memory { container: "app" };
        let depth = Source::Object { metric: "depth" };
        let orders = Source::External { metric: "jobs", labels: &[("queue", "orders")] };
        let mails = Source::External { metric: "jobs", labels: &[("queue", "mails")] };
        // While there are two pods the value asks for four times as many; then it is what it should be.
        let once = Load::At { pods: 2, value: 40_000, otherwise: 10_000 };
        let row = |name, metric, size, why, table, pointer, value: Value| Row { name, metric, size, why, table, current: (pointer, value) };
        #[rustfmt::skip]
        let rows = [
            (row("cpu-percent", cpu(50), 6, "cpu 150% of request, target 50%", "cpu: 50%/50%", "resource/current/averageUtilization", json!(50)),
                vec![(app.clone(), Load::Total(300))]),
            (row("cpu-amount", metric("Resource", json!({ "name": "cpu" }), ("averageValue", json!("60m"))), 5,
                "cpu 150m per pod, target 60m", "cpu: 60m/60m", "resource/current/averageValue", json!("60m")),
                vec![(app.clone(), Load::Total(300))]),
            (row("mem-percent", metric("Resource", json!({ "name": "memory" }), ("averageUtilization", json!(60))), 6,
                "memory 180% of request, target 60%", "memory: 60%/60%", "resource/current/averageValue", json!("60Mi")),
                vec![(memory.clone(), Load::Total(360))]),
            (row("mem-amount", metric("Resource", json!({ "name": "memory" }), ("averageValue", json!("50Mi"))), 7,
                "memory 175Mi per pod, target 50Mi", "memory: 50Mi/50Mi", "resource/current/averageValue", json!("50Mi")),
                vec![(memory, Load::Total(350))]),
            // The sidecar's own load is none of this metric's business.
            (row("container-cpu", metric("ContainerResource", container("cpu", "app"), ("averageUtilization", json!(50))), 6,
                "cpu of container app 150% of request, target 50%", "cpu of container app: 50%/50%",
                "containerResource/current/averageUtilization", json!(50)),
                vec![(app.clone(), Load::Total(300)), (Source::Cpu { container: "side" }, Load::Each(900))]),
            (row("container-mem", metric("ContainerResource", container("memory", "side"), ("averageValue", json!("25Mi"))), 8,
                "memory of container side 100Mi per pod, target 25Mi", "memory of container side: 25Mi/25Mi",
                "containerResource/current/averageValue", json!("25Mi")),
                vec![(Source::Memory { container: "side" }, Load::Total(200)), (Source::Memory { container: "app" }, Load::Each(900))]),
            (row("pods", metric("Pods", json!({ "metric": { "name": "hits_rps" } }), ("averageValue", json!(10))), 9,
                "hits_rps 45/s per pod, target 10/s", "hits_rps: 10/10", "pods/current/averageValue", json!("10")),
                vec![(Source::Pods { metric: "hits_rps" }, Load::Total(90_000))]),
            (row("object", metric("Object", object("object"), ("value", json!(10))), 8,
                "depth of Service/{name} 40, target 10", "depth of Service/{name}: 10/10", "object/current/value", json!("10")),
                vec![(depth.clone(), once.clone())]),
            (row("object-mean", metric("Object", object("object-mean"), ("averageValue", json!("20"))), 5,
                "depth of Service/{name} 100 in all, target 20 per replica", "depth of Service/{name}: 20/20 (avg)",
                "object/current/averageValue", json!("20")),
                vec![(depth, Load::Each(100_000))]),
            // The other queue is not selected.
            (row("external", metric("External", external("external", json!({ "matchLabels": { "queue": "orders" } })), ("value", json!(10))), 8,
                "jobs.{name}{queue=orders} 40, target 10", "jobs.{name}{queue=orders}: 10/10", "external/current/value", json!("10")),
                vec![(orders.clone(), once), (mails.clone(), Load::Each(5_000_000))]),
            (row("external-sum", metric("External", external("external-sum", json!({})), ("averageValue", json!(10))), 7,
                "jobs.{name} 70 in all, target 10 per replica", "jobs.{name}: 10/10 (avg)", "external/current/averageValue", json!("10")),
                vec![(orders, Load::Each(30_000)), (mails, Load::Each(40_000))]),
        ];
        let metrics = scene.plane.metrics().await;
        let create = async |name: &str| {
            let mut workload = Workload::deployment(&scene.namespace, &scene.name(name), 2);
            if name.starts_with("container") {
                workload.containers.push(Container { name: "side", cpu: None, memory: None });
            }
            scene.create(&workload, &[]).await;
            scene.ready(&workload.name, 2).await;
        };
        join_all(rows.iter().map(|(row, _)| create(row.name))).await;
        for (row, loads) in &rows {
            for (source, load) in loads {
                metrics.set(&scene.name(row.name), source.clone(), load.clone());
            }
            scene.policy(&scene.name(row.name), json!({ "metrics": [row.metric] })).await;
        }
        join_all(rows.iter().map(|(row, _)| row.check(&scene))).await;
        let described = scene.plane.kubectl_ok(&["describe", "sp", &scene.name("pods"), "--namespace", &scene.namespace]).await;
        assert!(described.contains("New size: 9 (was 2): hits_rps 45/s per pod, target 10/s: needs 9"), "{described}");
    });
}

#[test]
fn every_shape_of_a_prometheus_answer_gives_its_size() {
    run(async {
        let (scene, scraped, _) = begin().await;
        let space = format!("namespace=\"{}\"", scene.namespace);
        let average = |value| ("AverageValue", value);
        let all = r#"namespace="${namespace}",app="${name}",pod=~"${pods}""#;
        let row = |name, query: &str, target, size, why, table, pointer, value: Value| Row {
            name,
            metric: prometheus(name, query, target),
            size,
            why,
            table,
            current: (pointer, value),
        };
        let (value, mean) = ("prometheus/current/value", "prometheus/current/averageValue");
        #[rustfmt::skip]
        let rows = [
            row("scalar", r#"scalar(depth{namespace="${namespace}"})"#, ("Value", "10"), 8,
                "scalar 40, target 10", "scalar: 40/10", value, json!("40")),
            row("sum", r#"sum(queue{namespace="${namespace}"})"#, average("6"), 7,
                "sum 42 in all, target 6 per replica", "sum: 6/6 (avg)", mean, json!("6")),
            // The pods that come have no series: unknown, not idle.
            row("vector", r#"load{namespace="${namespace}",pod=~"${pods}"}"#, average("10"), 6,
                "vector 30 per pod, target 10", "vector: 30/10", mean, json!("30")),
            // One pod's value is NaN: unknown, and taken as nothing before growth.
            row("partly", r#"some{namespace="${namespace}",pod=~"${pods}"}"#, average("10"), 3,
                "partly 30 per pod, target 10", "partly: 30/10", mean, json!("30")),
            row("filled", &format!("sum(hits{{{all}}})"), average("5"), 5,
                "filled 25 in all, target 5 per replica", "filled: 5/5 (avg)", mean, json!("5")),
            row("capacity", r#"sum(work{namespace="${namespace}"})"#, ("Capacity", "2"), 10,
                "capacity 16 in all, capacity 2 per replica", "capacity: 1.6/2 (capacity)", mean, json!("1600m")),
            row("bears", r#"share{namespace="${namespace}",pod=~"${pods}"}"#, ("Capacity", "4"), 5,
                "bears 16 in all, capacity 4 per replica", "bears: 8/4 (capacity)", mean, json!("8")),
        ];
        join_all(rows.iter().map(|row| scene.deployment(row.name, 2))).await;
        for (series, level) in [("depth", 40.0), ("queue", 42.0), ("work", 16.0)] {
            scraped.set(&format!("{series}{{{space}}}"), Level::At(level));
        }
        for (row, series, levels) in [
            ("vector", "load", [40.0, 20.0]),
            ("filled", "hits", [12.0, 13.0]),
            ("bears", "share", [9.0, 7.0]),
            ("partly", "some", [30.0, f64::NAN]),
        ] {
            for (pod, level) in scene.pods(&scene.name(row)).await.iter().zip(levels) {
                let app = scene.name(row);
                scraped.set(&format!("{series}{{{space},app=\"{app}\",pod=\"{pod}\"}}"), Level::At(level));
                // What a placeholder that is not filled in, or too widely, would count.
                scraped.set(&format!("{series}{{namespace=\"elsewhere\",app=\"{app}\",pod=\"{pod}\"}}"), Level::At(1000.0));
                scraped.set(&format!("{series}{{{space},app=\"else\",pod=\"{pod}x\"}}"), Level::At(1000.0));
            }
        }
        scraped.shows(&format!("count({{__name__=~\"depth|queue|work|load|hits|share|some\",{space}}})"), "19").await;
        for row in &rows {
            // A value with a target of its own does not fall when pods come.
            let behavior = at_most(if row.name == "scalar" { 6 } else { 100 });
            scene.policy(&scene.name(row.name), json!({ "metrics": [row.metric], "behavior": behavior })).await;
        }
        join_all(rows.iter().map(|row| row.check(&scene))).await;
    });
}

#[test]
fn the_rate_of_a_rising_counter_is_followed_through_a_reset() {
    run(async {
        let (scene, scraped, _) = begin().await;
        let counter = format!("requests_total{{namespace=\"{}\"}}", scene.namespace);
        let rate = r#"sum(rate(requests_total{namespace="${namespace}"}[4s]))"#;
        scraped.set(&counter, Level::Rising(90.0));
        let web = scene.deployment("web", 2).await;
        scraped.shows(&format!("count_over_time({counter}[10s]) >= bool 25"), "1").await;
        let exact = json!({ "scaleUp": { "tolerance": "0.01", "policies": [{ "type": "Pods", "value": 100, "periodSeconds": 1 }] } });
        let metric = prometheus("web_rps", rate, ("AverageValue", "20"));
        scene.policy(&web, json!({ "metrics": [metric], "smoothing": { "type": "None" }, "behavior": exact })).await;
        scene.moved(&web, &[(2, 5)]).await;
        scene
            .event(
                "ScalePolicy",
                &web,
                "SuccessfulRescale",
                &["New size: 5 (was 2): web_rps", "/s in all, target 20/s per replica: needs 5"],
            )
            .await;
        // The process behind it restarts and counts from 0, twice as fast: growth, and not a drop in between.
        scraped.set(&counter, Level::Rising(210.0));
        scene.size("Deployment", &web, 11).await;
        let policy = scene.get("ScalePolicy", &web).await.unwrap();
        let sizes: Vec<i64> =
            policy["status"]["scaleEvents"].as_array().unwrap().iter().map(|event| event["to"].as_i64().unwrap()).collect();
        assert!(sizes.is_sorted_by(|later, earlier| later > earlier), "never less: {sizes:?}");
    });
}

#[test]
fn an_answer_that_is_no_number_holds_the_size_and_is_named() {
    run(async {
        let (scene, scraped, _) = begin().await;
        let series = |more: &str| format!("answers{{namespace=\"{}\"{more}}}", scene.namespace);
        scraped.set(&series(",zone=\"a\""), Level::At(42.0));
        scraped.set(&series(",zone=\"b\""), Level::At(43.0));
        scraped.set(&series(",zone=\"c\",pod=\"of-others\""), Level::At(44.0));
        scraped.shows(&format!("count({})", series("")), "3").await;
        let all = r#"answers{namespace="${namespace}"}"#;
        let one = r#"answers{namespace="${namespace}",zone="a"}"#;
        let (prom, pods, object, external) =
            ("FailedGetPrometheusMetric", "FailedGetPodsMetric", "FailedGetObjectMetric", "FailedGetExternalMetric");
        let ask = |query: &str| prometheus("load", query, ("AverageValue", "10"));
        let mut elsewhere = ask(one);
        elsewhere["prometheus"]["source"] = json!("nobody");
        let name = json!({ "name": "nothing" });
        let service = json!({ "kind": "Service", "name": "nothing" });
        #[rustfmt::skip]
        let rows = [
            ("empty", ask("nothing"), prom, "query nothing: source default: returned no series"),
            ("nan", ask(&format!("0 * {one} / 0")), prom, "returned NaN, which is not a usable number"),
            ("infinite", ask(&format!("{one} / 0")), prom, "returned inf, which is not a usable number"),
            ("negative", ask(&format!("-{one}")), prom, "the value -42 is not a quantity"),
            ("many", ask(r#"answers{namespace="${namespace}",pod=""}"#), prom,
                "returned 2 series, one is needed (or one per pod, with a label pod)"),
            ("mixed", ask(all), prom, "returned 3 series of which 2 have no label pod; all or none must have it"),
            ("others", ask(r#"answers{namespace="${namespace}",pod!=""}"#), prom, "no pod has a usable sample (3 without"),
            ("range", ask(&format!("{one}[1m]")), prom, "the query gives a range of values; one instant is needed"),
            ("text", ask("\"many\""), prom, "the query gives a text; a number is needed"),
            ("no-promql", ask("sum(answers"), prom, "source default: 400 Bad Request: bad_data:"),
            ("no-source", elsewhere, prom, "source nobody is unknown: there is no MetricSource"),
            ("no-pods", metric("Pods", json!({ "metric": name }), ("averageValue", json!(1))), pods,
                "nothing: custom.metrics.k8s.io: no pod has it"),
            ("no-object", metric("Object", json!({ "metric": name, "describedObject": service }), ("value", json!(1))), object,
                "nothing of Service/nothing: custom.metrics.k8s.io: 404"),
            ("no-external", metric("External", json!({ "metric": name }), ("value", json!(1))), external,
                "nothing: external.metrics.k8s.io: no series"),
            ("no-usage", cpu(50), "FailedGetResourceMetric", "cpu: metrics.k8s.io: no pod of"),
        ];
        join_all(rows.iter().map(|(name, ..)| scene.deployment(name, 3))).await;
        for (name, metric, ..) in &rows {
            scene.policy(&scene.name(name), json!({ "metrics": [metric] })).await;
        }
        let suspect = "spec.metrics[0].prometheus.query: sum(answers: may not be PromQL";
        scene.event("ScalePolicy", &scene.name("no-promql"), "SuspectSpec", &[suspect]).await;
        let check = async |name: &str, reason: &str, why: &str| {
            let name = scene.name(name);
            scene.condition(&name, ACTIVE, "False", reason, &["no size can be computed", why]).await;
            for kind in ["ScalePolicy", "Deployment"] {
                scene.event(kind, &name, reason, &[why]).await;
            }
            scene.shows(&name, "/status/decision/message", "size unknown, kept at 3").await;
            scene.shows(&name, "/status/decision/verdict", "Unknown").await;
            scene.shows(&name, "/status/metricsText", "<unknown>").await;
            scene.size("Deployment", &name, 3).await;
            scene
                .until("no move", "ScalePolicy", &name, |policy| match &policy["status"]["scaleEvents"] {
                    Value::Null => Ok(()),
                    moves => Err(moves.to_string()),
                })
                .await;
        };
        join_all(rows.iter().map(|(name, _, reason, why)| check(name, reason, why))).await;
    });
}

#[test]
fn no_series_is_no_load_only_where_the_policy_says_so() {
    run(async {
        let (scene, scraped, _) = begin().await;
        let (absent, zero) = (scene.deployment("absent", 2).await, scene.deployment("zero", 2).await);
        let mut metric = prometheus("backlog", r#"sum(backlog{namespace="${namespace}"})"#, ("AverageValue", "10"));
        scene.policy(&absent, json!({ "minReplicas": 0, "metrics": [metric] })).await;
        metric["prometheus"]["whenEmpty"] = json!("Zero");
        scene.policy(&zero, json!({ "minReplicas": 0, "metrics": [metric] })).await;
        scene.moved(&zero, &[(2, 0)]).await;
        scene.condition(&zero, "ScaledToZero", "True", "ScaledToZero", &["scaled from 2 to 0"]).await;
        scene.shows(&zero, "/status/metricsText", "backlog: 0/10 (avg)").await;
        scene.condition(&absent, ACTIVE, "False", "FailedGetPrometheusMetric", &["returned no series"]).await;
        scene.size("Deployment", &absent, 2).await;
        scraped.set(&format!("backlog{{namespace=\"{}\"}}", scene.namespace), Level::At(25.0));
        scene.moved(&zero, &[(2, 0), (0, 3)]).await;
        scene.condition(&zero, "ScaledToZero", "False", "NotScaledToZero", &[]).await;
        scene.moved(&absent, &[(2, 3)]).await;
    });
}

#[test]
fn the_highest_metric_wins_and_an_unknown_one_stops_shrinking_only() {
    run(async {
        let (scene, scraped, _) = begin().await;
        let metrics = scene.plane.metrics().await;
        let space = format!("namespace=\"{}\"", scene.namespace);
        scraped.set(&format!("queue{{{space}}}"), Level::At(42.0));
        scraped.shows(&format!("queue{{{space}}}"), "42").await;
        let (queue, late) = (r#"sum(queue{namespace="${namespace}"})"#, r#"sum(late{namespace="${namespace}"})"#);
        let backlog = prometheus("backlog", queue, ("AverageValue", "6"));
        let missing = prometheus("missing", late, ("AverageValue", "1"));
        let (best, grows, held) = tokio::join!(scene.deployment("best", 2), scene.deployment("grows", 2), scene.deployment("held", 4));
        for (app, load) in [(&best, 300), (&grows, 300), (&held, 40)] {
            metrics.set(app, Source::Cpu { container: "app" }, Load::Total(load));
        }
        metrics.set(&best, Source::External { metric: "jobs", labels: &[] }, Load::Each(30_000));
        let jobs = metric("External", json!({ "metric": { "name": format!("jobs.{best}") } }), ("averageValue", json!(10)));

        scene.policy(&best, json!({ "metrics": [cpu(50), backlog, jobs] })).await;
        scene.policy(&grows, json!({ "metrics": [missing, cpu(50)] })).await;
        scene.policy(&held, json!({ "metrics": [cpu(50), missing] })).await;

        scene.moved(&best, &[(2, 7)]).await;
        scene
            .event("Deployment", &best, "SuccessfulRescale", &["New size: 7 (was 2): backlog 42 in all, target 6 per replica: needs 7"])
            .await;
        scene.condition(&best, ACTIVE, "True", "ValidMetricFound", &["the size was computed from 3 of 3 signals; backlog decides"]).await;
        scene.shows(&best, "/status/metricsText", "backlog: 6/6 (avg) + 1 more").await;

        scene.moved(&grows, &[(2, 6)]).await;
        scene.event("Deployment", &grows, "FailedGetPrometheusMetric", &["missing: query", "returned no series"]).await;
        scene.event("ScalePolicy", &grows, "SuccessfulRescale", &["New size: 6 (was 2): cpu 150% of request, target 50%: needs 6"]).await;
        scene.condition(&grows, ACTIVE, "True", "ValidMetricFound", &["the size was computed from 1 of 2 signals; cpu decides"]).await;

        scene.condition(&held, ACTIVE, "False", "FailedGetPrometheusMetric", &["missing: query", "returned no series"]).await;
        scene.event("ScalePolicy", &held, "FailedComputeMetricsReplicas", &["1 of 2 signals unusable, the first: missing: query"]).await;
        scene.shows(&held, "/status/decision/message", "the others need 1, but without the rest the size is not reduced").await;
        scene.shows(&held, "/status/metricsText", "cpu: 10%/50%, missing: <unknown>/1 (avg)").await;
        scene.size("Deployment", &held, 4).await;
        // Once all is known it shrinks, as far as the higher of the two allows.
        scraped.set(&format!("late{{{space}}}"), Level::At(2.0));
        scene.moved(&held, &[(4, 2)]).await;
        scene.condition(&held, ACTIVE, "True", "ValidMetricFound", &["2 of 2 signals; missing decides"]).await;
    });
}
