//! KEDA's objects.

use ballast::convert::Level;
use rstest::rstest;
use serde_json::{Value, json};

use super::{converted, said, scaled_object, spec, yaml};

const CPU: &str = "- {type: cpu, metricType: Utilization, metadata: {value: '60'}}";
const RPS: &str =
    "- {type: prometheus, name: rps, metadata: {serverAddress: 'http://prom.mon.svc:9090/', query: 'sum(rate(r[1m]))', threshold: '20'}}";
const OFFICE: &str =
    "- {type: cron, name: office, metadata: {timezone: Europe/Berlin, start: 0 8 * * 1-5, end: 0 18 * * 1-5, desiredReplicas: '6'}}";

fn lost(text: &str) -> Vec<String> {
    let remarks = converted(text).unwrap().remarks;
    remarks.iter().filter(|remark| remark.level == Level::Lost).map(ToString::to_string).collect()
}

#[rstest]
#[case::percent(
    "{type: cpu, metricType: Utilization, metadata: {value: '60'}}",
    "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}"
)]
#[case::default(
    "{type: memory, metadata: {value: '70'}}",
    "{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 70}}}"
)]
#[case::average(
    "{type: memory, metricType: AverageValue, metadata: {value: 1Gi}}",
    "{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}"
)]
#[case::old(
    "{type: cpu, metadata: {type: AverageValue, value: 500m}}",
    "{type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: 500m}}}"
)]
#[case::container(
    "{type: cpu, metadata: {value: '60', containerName: app}}",
    "{type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: Utilization, averageUtilization: 60}}}"
)]
#[case::prometheus(
    "{type: prometheus, name: rps, metadata: {serverAddress: 'http://p', query: up, threshold: '20'}}",
    "{type: Prometheus, prometheus: {name: rps, query: up, source: p, target: {type: AverageValue, averageValue: '20'}, whenEmpty: Zero}}"
)]
#[case::strict(
    "{type: prometheus, metricType: Value, metadata: {serverAddress: 'http://p', query: up, threshold: '0.5', ignoreNullValues: 'false'}}",
    "{type: Prometheus, prometheus: {name: trigger-0, query: up, source: p, target: {type: Value, value: '0.5'}}}"
)]
fn triggers_become_metrics(#[case] trigger: &str, #[case] metric: &str) {
    let text = scaled_object("{min: 1}", &format!("- {trigger}"));
    assert_eq!(spec(&text).unwrap()["metrics"], json!([yaml(metric)]));
    assert_eq!(lost(&text), [""; 0]);
}

#[test]
fn a_server_becomes_a_source_of_the_same_namespace() {
    let more = "- {type: prometheus, name: lag, metadata: {serverAddress: 'http://prom.mon.svc:9090/', query: lag, threshold: '5'}}";
    let headers = "- {type: prometheus, name: x, metadata: {serverAddress: 'https://mimir/prom', query: x, threshold: '5', customHeaders: 'a=b', cortexOrgID: t, unsafeSsl: 'true'}}";
    let made = converted(&scaled_object("{min: 1}", &format!("{RPS}\n{more}\n{headers}"))).unwrap();
    let sources: Vec<&Value> = made.objects.iter().filter(|object| object["kind"] == "MetricSource").collect();
    assert_eq!(sources.len(), 2, "{:#?}", made.objects);
    assert_eq!(sources[0]["metadata"], json!({ "name": "prom-mon-svc", "namespace": "shop" }));
    assert_eq!(sources[0]["spec"], json!({ "url": "http://prom.mon.svc:9090" }));
    assert_eq!(
        sources[1]["spec"],
        yaml("{url: https://mimir/prom, headers: [{name: a, value: b}, {name: X-Scope-OrgID, value: t}], tls: {insecureSkipVerify: true}}")
    );
    for source in sources {
        serde_json::from_value::<ballast::api::MetricSource>(source.clone()).unwrap();
    }
    assert_eq!(made.objects[2]["kind"], "ScalePolicy", "the policy stands after its sources");
}

#[rstest]
#[case::defaults("{}", CPU, 1, 100)]
#[case::to_zero("{max: 10}", RPS, 0, 10)]
#[case::bounds("{min: 2; max: 10}", RPS, 2, 10)]
#[case::idle("{min: 3; idle: 0; max: 10}", RPS, 0, 10)]
fn bounds_are_kedas(#[case] fields: &str, #[case] trigger: &str, #[case] min: i64, #[case] max: i64) {
    let text = scaled_object(fields, trigger);
    let spec = spec(&text).unwrap();
    assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(min), &json!(max)));
    assert_eq!(lost(&text), [""; 0]);
}

#[test]
fn activation_is_part_of_the_query_where_zero_can_be_reached() {
    let trigger = RPS.replace("threshold: '20'", "threshold: '20', activationThreshold: '5'");
    let query = |fields: &str, trigger: &str| spec(&scaled_object(fields, trigger)).unwrap()["metrics"][0]["prometheus"]["query"].clone();
    assert_eq!(query("{min: 0}", RPS), "sum(rate(r[1m]))");
    assert_eq!(query("{min: 1}", &trigger), "sum(rate(r[1m]))");
    assert_eq!(query("{min: 0}", &trigger), "(sum(rate(r[1m]))) * ((sum(rate(r[1m]))) > bool 5)");
    assert_eq!(query("{min: 3; idle: 0}", &trigger), "clamp_min(sum(rate(r[1m])), 60) * ((sum(rate(r[1m]))) > bool 5)");
}

#[test]
fn cron_becomes_a_schedule() {
    let text = scaled_object("{min: 1; max: 10}", &format!("{CPU}\n{OFFICE}"));
    let office = "{name: office, cron: 0 8 * * 1-5, durationSeconds: 36000, timeZone: Europe/Berlin, minReplicas: 6}";
    assert_eq!(spec(&text).unwrap()["schedules"], json!([yaml(office)]));
    assert_eq!(lost(&text), [""; 0]);
    // Alone it has no metric beside it, and CPU, the default, must have no say.
    let alone = spec(&scaled_object("{min: 1; max: 10}", OFFICE)).unwrap();
    let otherwise = "{name: otherwise, cron: 0 0 * * *, durationSeconds: 86400, maxReplicas: 1}";
    assert_eq!(alone["schedules"], json!([yaml(office), yaml(otherwise)]));
    assert_eq!(alone.get("metrics"), None);
    let daily = OFFICE.replace("0 8 * * 1-5", "'@daily'").replace("0 18 * * 1-5", "0 6 * * *");
    assert_eq!(spec(&scaled_object("{min: 1}", &daily)).unwrap()["schedules"][0]["cron"], "0 0 * * *");
    let uneven = OFFICE.replace("end: 0 18 * * 1-5", "end: 0 18 * * *");
    assert!(
        lost(&scaled_object("{min: 1}", &format!("{CPU}\n{uneven}")))[0]
            .contains("spec.triggers[1].metadata.end: 0 18 * * *: windows of different")
    );
}

#[rstest]
#[case::window("cooldownPeriod: 600", "{scaleDown: {stabilizationWindowSeconds: 600}}", "becomes the scale-in window, 600 s")]
#[case::short("cooldownPeriod: 60", "null", "goes after the scale-in window, 300 s")]
#[case::capped("cooldownPeriod: 7200", "{scaleDown: {stabilizationWindowSeconds: 3600}}", "becomes the scale-in window, 3600 s")]
#[case::given(
    "cooldownPeriod: 300; advanced: {horizontalPodAutoscalerConfig: {name: x, behavior: {scaleDown: {stabilizationWindowSeconds: 30}}}}",
    "{scaleDown: {stabilizationWindowSeconds: 300}}",
    "holds for all scale-ins"
)]
fn the_cooldown_is_a_window(#[case] fields: &str, #[case] behavior: &str, #[case] remark: &str) {
    let text = scaled_object(&format!("{{{fields}}}"), RPS);
    assert_eq!(spec(&text).unwrap().get("behavior").cloned().unwrap_or_default(), yaml(behavior));
    assert!(said(&text).iter().any(|said| said.contains("spec.cooldownPeriod: ") && said.contains(remark)), "{:?}", said(&text));
}

#[test]
fn polling_is_the_interval_where_it_was_that_of_the_hpa_too() {
    let interval = |fields: &str, trigger: &str| spec(&scaled_object(fields, trigger)).unwrap().get("intervalSeconds").cloned();
    assert_eq!(interval("{pollingInterval: 60; min: 1}", RPS), None);
    assert_eq!(interval("{pollingInterval: 5; min: 0}", RPS), Some(json!(5)));
    let cached = RPS.replace("name: rps", "name: rps, useCachedMetrics: true");
    assert_eq!(interval("{pollingInterval: 60; min: 1}", &cached), Some(json!(60)));
}

#[rstest]
#[case("{failureThreshold: 3, replicas: 6}", "{holdSeconds: 90, replicas: {count: 6}}")]
#[case("{failureThreshold: 3, replicas: 600}", "{holdSeconds: 90, replicas: {count: 10}}")]
#[case("{failureThreshold: 0, replicas: 6, behavior: currentReplicasIfHigher}", "{holdSeconds: 0, replicas: {floor: 6}}")]
#[case("{failureThreshold: 3, replicas: 6, behavior: currentReplicas}", "null")]
fn a_fallback_waits_as_long(#[case] fallback: &str, #[case] expected: &str) {
    let text = scaled_object(&format!("{{min: 1; max: 10; fallback: {fallback}}}"), RPS);
    assert_eq!(spec(&text).unwrap().get("fallback").cloned().unwrap_or_default(), yaml(expected));
    assert_eq!(lost(&text), [""; 0]);
}

#[rstest]
#[case("paused: 'true'", Some("All"), "")]
#[case("paused: 'false'", None, "")]
#[case("paused-scale-in: 'true'", Some("Down"), "")]
#[case("paused-scale-out: 'true'", Some("Up"), "")]
#[case("paused-replicas: '3'", Some("All"), "paused-replicas]: 3: a pause holds the size that is there")]
fn pauses_are_kept(#[case] annotation: &str, #[case] direction: Option<&str>, #[case] said: &str) {
    let annotations = format!("namespace: shop, annotations: {{autoscaling.keda.sh/{annotation}}}}}");
    let text = scaled_object("{min: 1}", CPU).replace("namespace: shop}", &annotations);
    let pause = spec(&text).unwrap().get("pause").cloned();
    assert_eq!(pause.map(|pause| pause["direction"].clone()), direction.map(|direction| json!(direction)));
    let lost = lost(&text);
    assert!(if said.is_empty() { lost.is_empty() } else { lost[0].contains(said) }, "{lost:?}");
}

#[rstest]
#[case::push("", "- {type: external-push, metadata: {scalerAddress: x}}", "spec.triggers[1].type: external-push: it is a gRPC service")]
#[case::kafka("", "- {type: kafka, metadata: {topic: x}}", "spec.triggers[1].type: kafka: Ballast asks no queue or broker itself")]
#[case::other("", "- {type: datadog}", "spec.triggers[1].type: datadog: Ballast asks Prometheus and")]
#[case::field(
    "",
    "- {type: cpu, metadata: {value: '60', valeu: '7'}}",
    "spec.triggers[1].metadata.valeu: 7: unknown field of this trigger; did you mean value?"
)]
#[case::login(
    "",
    "- {type: prometheus, authenticationRef: {name: x}, metadata: {serverAddress: 'http://p', query: up, threshold: '20', authModes: bearer}}",
    "spec.triggers[1].authenticationRef: bearer: credentials are not copied"
)]
#[case::tenant(
    "",
    "- {type: prometheus, metadata: {serverAddress: 'http://p', query: up, threshold: '20', namespace: shop}}",
    "spec.triggers[1].metadata.namespace: shop: a MetricSource sends no further parameters"
)]
#[case::formula(
    "; advanced: {scalingModifiers: {formula: a + b, target: '5'}}",
    "",
    "spec.advanced.scalingModifiers: a + b: the largest proposal"
)]
#[case::restore("; advanced: {restoreToOriginalReplicaCount: true}", "", "spec.advanced.restoreToOriginalReplicaCount: true: a policy")]
#[case::lower(
    "; fallback: {failureThreshold: 3, replicas: 6, behavior: currentReplicasIfLower}",
    "",
    "spec.fallback.behavior: currentReplicasIfLower: an outage is no reason"
)]
fn what_has_no_place_is_named(#[case] fields: &str, #[case] trigger: &str, #[case] expected: &str) {
    let text = scaled_object(&format!("{{min: 1{fields}}}"), &format!("{CPU}\n{trigger}"));
    let lost = lost(&text);
    assert!(lost.len() == 1 && lost[0].starts_with(&format!("# in: ScaledObject/orders: not supported: {expected}")), "{lost:?}");
}

#[test]
fn zero_beside_cpu_is_not_reached_and_said() {
    let text = scaled_object("{min: 0}", &format!("{CPU}\n{RPS}"));
    assert!(lost(&text)[0].contains("spec.minReplicaCount: 0: pods that use any CPU"), "{:?}", lost(&text));
    let text = scaled_object("{min: 0}", OFFICE);
    assert!(lost(&text)[0].contains("0 needs a prometheus trigger"), "{:?}", lost(&text));
}

#[rstest]
#[case::field("{min: 1; maxReplicas: 3}", CPU, "spec.maxReplicas: unknown field; did you mean maxReplicaCount?")]
#[case::bounds("{min: 5; max: 3}", CPU, "spec.maxReplicaCount: 3: must be at least 1 and spec.minReplicaCount (5)")]
#[case::idle("{min: 1; idle: 1}", RPS, "spec.idleReplicaCount: 1: must be at least 0 and below spec.minReplicaCount (1)")]
#[case::number("{min: 1}", "- {type: cpu, metadata: {value: much}}", "spec.triggers[0].metadata.value: much: must be a whole number")]
#[case::missing("{min: 1}", "- {type: cpu}", "spec.triggers[0].metadata.value: must be given")]
#[case::kind(
    "{min: 1}",
    "- {type: cpu, metricType: Value, metadata: {value: '5'}}",
    "spec.triggers[0].metricType: Value: must be Utilization or"
)]
#[case::threshold(
    "{min: 1}",
    "- {type: prometheus, metadata: {serverAddress: 'http://p', query: up, threshold: '0'}}",
    "spec.triggers[0].metadata.threshold: 0: must be a number above 0"
)]
#[case::address(
    "{min: 1}",
    "- {type: prometheus, metadata: {serverAddress: p, query: up, threshold: '5'}}",
    "spec.triggers[0].metadata.serverAddress: p: must begin with http://"
)]
#[case::zone(
    "{min: 1}",
    "- {type: cron, metadata: {timezone: Mars, start: 0 8 * * *, end: 0 9 * * *, desiredReplicas: '6'}}",
    "spec.triggers[0].metadata.timezone: Mars: is not a known IANA time zone"
)]
#[case::cron(
    "{min: 1}",
    "- {type: cron, metadata: {timezone: UTC, start: 0 25 * * *, end: 0 9 * * *, desiredReplicas: '6'}}",
    "spec.triggers[0].metadata.start: 0 25 * * *: must be minute, hour"
)]
#[case::fallback(
    "{min: 1; fallback: {failureThreshold: 3, replicas: 6, behavior: x}}",
    RPS,
    "spec.fallback.behavior: x: must be one of static"
)]
fn faults_have_a_path_a_value_and_what_is_allowed(#[case] fields: &str, #[case] triggers: &str, #[case] expected: &str) {
    let error = converted(&scaled_object(fields, triggers)).unwrap_err();
    assert!(error.starts_with(&format!("in: ScaledObject/orders: {expected}")), "{error}");
}

#[test]
fn jobs_stay_with_keda() {
    let remarks = said("{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {name: x}}");
    assert!(remarks[0].starts_with("# in: ScaledJob/x: not supported: kind: ScaledJob: starts Jobs"), "{remarks:?}");
}
