//! HPAs of all versions.

use rstest::rstest;
use serde_json::json;

use super::{converted, said, spec, yaml};

fn hpa(version: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web{metadata}}}\nspec:\n  scaleTargetRef: {{kind: Deployment, name: web}}\n  maxReplicas: 5\n{spec}"
    )
}

#[rstest]
#[case::nothing("v1", "", "", "null")]
#[case::percent(
    "v1",
    "",
    "  targetCPUUtilizationPercentage: 60\n",
    "[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]"
)]
#[case::annotation(
    "v1",
    r#", annotations: {autoscaling.alpha.kubernetes.io/metrics: '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"10"}},{"type":"Object","object":{"target":{"kind":"Service","name":"web"},"metricName":"hits","targetValue":"2k"}}]'}"#,
    "  targetCPUUtilizationPercentage: 60\n",
    "[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}},
      {type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: '10'}}},
      {type: Object, object: {metric: {name: hits}, describedObject: {kind: Service, name: web}, target: {type: Value, value: 2k}}}]"
)]
#[case::beta(
    "v2beta1",
    "",
    "  metrics:
  - {type: Resource, resource: {name: memory, targetAverageValue: 1Gi}}
  - {type: ContainerResource, containerResource: {name: cpu, container: app, targetAverageUtilization: 50}}
  - {type: External, external: {metricName: q, metricSelector: {matchLabels: {queue: a}}, targetAverageValue: 30}}
",
    "[{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}},
      {type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: Utilization, averageUtilization: 50}}},
      {type: External, external: {metric: {name: q, selector: {matchLabels: {queue: a}}}, target: {type: AverageValue, averageValue: 30}}}]"
)]
#[case::beta2(
    "v2beta2",
    "",
    "  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]\n",
    "[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]"
)]
fn metrics_of_all_versions_arrive(#[case] version: &str, #[case] metadata: &str, #[case] fields: &str, #[case] metrics: &str) {
    let spec = spec(&hpa(version, metadata, fields)).unwrap();
    assert_eq!(spec.get("metrics").cloned().unwrap_or_default(), yaml(metrics), "{spec:#}");
    assert_eq!((&spec["maxReplicas"], &spec["smoothing"]), (&json!(5), &json!({ "type": "None" })));
}

/// The API server keeps behavior in v1 with the names of its own types.
#[test]
fn behavior_in_an_annotation_arrives() {
    let text = r#", annotations: {note: mine, autoscaling.alpha.kubernetes.io/conditions: '[]', autoscaling.alpha.kubernetes.io/behavior: '{"ScaleUp":{"StabilizationWindowSeconds":60,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null}}'}"#;
    let converted = converted(&hpa("v1", text, "")).unwrap();
    let up = json!({ "stabilizationWindowSeconds": 60, "selectPolicy": "Max", "policies": [{ "type": "Pods", "value": 4, "periodSeconds": 15 }] });
    assert_eq!(converted.objects[0]["spec"]["behavior"], json!({ "scaleUp": up }));
    assert_eq!(converted.objects[0]["metadata"]["annotations"], json!({ "note": "mine" }));
}

#[rstest]
#[case::unknown("v2", "", "  minReplica: 3\n", "spec.minReplica: unknown field; did you mean minReplicas?")]
#[case::deep("v2", "", "  behavior: {scaleDown: {policy: 3}}\n", "spec.behavior.scaleDown.policy: unknown field; did you mean policies?")]
#[case::only_policies("v2", "", "  mode: Recommend\n", "spec.mode: unknown field")]
#[case::no_hpa_type("v2", "", "  metrics: [{type: Prometheus}]\n", "spec.metrics[0].type: Prometheus: must be one of Resource, Cont")]
#[case::bounds("v2", "", "  minReplicas: 9\n", "spec.maxReplicas: 5: must be at least spec.minReplicas (9)")]
#[case::text("v2", "", "  minReplicas: many\n", "spec.minReplicas: \"many\": must be a whole number of 32 bits")]
#[case::zero("v2", "", "  minReplicas: 0\n", "spec.minReplicas: 0: 0 needs a metric of type")]
#[case::of_v2("v1", "", "  metrics: []\n", "spec.metrics: unknown field")]
#[case::percent("v1", "", "  targetCPUUtilizationPercentage: 0\n", "spec.targetCPUUtilizationPercentage: 0: must be a whole number")]
#[case::json(
    "v1",
    ", annotations: {autoscaling.alpha.kubernetes.io/metrics: 'no'}",
    "",
    "metadata.annotations[autoscaling.alpha.kubernetes.io/metrics]: no: must be JSON"
)]
#[case::old_type("v2beta1", "", "  metrics: [{type: Disk}]\n", "spec.metrics[0].type: Disk: must be one of Resource")]
#[case::old_field(
    "v2beta1",
    "",
    "  metrics: [{type: Pods, pods: {name: x}}]\n",
    "spec.metrics[0].pods.name: unknown field; there are metricName, selector, targetAverageValue"
)]
#[case::old_part("v2beta1", "", "  metrics: [{type: Pods}]\n", "spec.metrics[0].pods: must be given with type Pods")]
#[case::version("v3", "", "", "apiVersion: autoscaling/v3: must be autoscaling/v2, v2beta2, v2beta1 or v1")]
fn faults_have_a_path_a_value_and_what_is_allowed(
    #[case] version: &str,
    #[case] metadata: &str,
    #[case] fields: &str,
    #[case] expected: &str,
) {
    let error = converted(&hpa(version, metadata, fields)).unwrap_err();
    assert!(error.starts_with(&format!("in: HorizontalPodAutoscaler/web: {expected}")), "{error}");
}

#[test]
fn an_hpa_that_keda_made_is_left_to_its_maker() {
    let owned = hpa("v2", ", ownerReferences: [{kind: ScaledObject, name: orders, controller: true}]", "");
    let made = super::scaled_object("{min: 1}", "- {type: cpu, metadata: {value: '60'}}");
    let text = format!("{owned}---\n{made}");
    let remarks = said(&text);
    assert!(remarks[0].contains("metadata.ownerReferences: ScaledObject/orders: belongs to this object"), "{remarks:?}");
    assert_eq!(converted(&text).unwrap().policies.len(), 1);
}
