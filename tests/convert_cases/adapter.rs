//! Rules of prometheus-adapter beside HPAs.

use rstest::rstest;
use serde_json::json;

use super::{converted, said, spec};

const RULES: &str = r#"
rules:
- seriesQuery: 'http_requests_total{namespace!="",pod!=""}'
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)'
- seriesQuery: '{__name__=~"^kube_.*"}'
  resources: {template: "kubernetes_<<.Resource>>"}
  metricsQuery: 'max(<< .Series >>{<< .LabelMatchers >>}) by (<< .GroupBy >>)'
- seriesQuery: 'ingress_hits_total'
  resources: {overrides: {exported_namespace: {resource: namespaces}, ingress: {group: networking.k8s.io, resource: ingresses}}}
  name: {as: hits}
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'
- seriesQuery: 'clever_metric'
  resources: {template: "<<.Resource>>"}
  metricsQuery: 'sum(<<.Series>>{ns="<<index .LabelValuesByName "namespace">>"})'
externalRules:
- seriesQuery: 'queue_depth{namespace!=""}'
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: 'max(<<.Series>>{<<.LabelMatchers>>}) by (queue)'
- seriesQuery: 'broker_lag'
  resources: {namespaced: false}
  metricsQuery: '<<.Series>>{<<.LabelMatchers>>,topic="a"}'
"#;

fn hpa(metric: &str) -> String {
    format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web}}\nspec:\n  scaleTargetRef: {{kind: Deployment, name: web}}\n  maxReplicas: 5\n  metrics:\n  - {metric}\n"
    )
}

#[rstest]
#[case::pods(
    "{type: Pods, pods: {metric: {name: http_requests_per_second, selector: {matchLabels: {code: '200'}}}, target: {type: AverageValue, averageValue: '20'}}}",
    r#"sum(rate(http_requests_total{namespace="${namespace}",pod=~"${pods}",code="200"}[2m])) by (pod)"#,
    json!({ "type": "AverageValue", "averageValue": "20" })
)]
#[case::other_label(
    "{type: Pods, pods: {metric: {name: kube_queue}, target: {type: AverageValue, averageValue: 500m}}}",
    r#"label_replace(max(kube_queue{kubernetes_namespace="${namespace}",kubernetes_pod=~"${pods}"}) by (kubernetes_pod), "pod", "$1", "kubernetes_pod", "(.+)")"#,
    json!({ "type": "AverageValue", "averageValue": "500m" })
)]
#[case::object(
    "{type: Object, object: {metric: {name: hits}, describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: main}, target: {type: Value, value: 2k}}}",
    r#"sum(rate(ingress_hits_total{exported_namespace="${namespace}",ingress="main"}[1m])) by (ingress)"#,
    json!({ "type": "Value", "value": "2k" })
)]
#[case::external(
    "{type: External, external: {metric: {name: queue_depth, selector: {matchExpressions: [{key: queue, operator: In, values: [a, b.c]}, {key: dead, operator: DoesNotExist}]}}, target: {type: AverageValue, averageValue: '30'}}}",
    r#"sum(max(queue_depth{namespace="${namespace}",queue=~"a|b\\.c",dead=""}) by (queue))"#,
    json!({ "type": "AverageValue", "averageValue": "30" })
)]
#[case::cluster_wide(
    "{type: External, external: {metric: {name: broker_lag}, target: {type: Value, value: '100'}}}",
    r#"sum(broker_lag{topic="a"})"#,
    json!({ "type": "Value", "value": "100" })
)]
fn served_metrics_become_queries(#[case] metric: &str, #[case] query: &str, #[case] target: serde_json::Value) {
    let text = format!("{}---{RULES}", hpa(metric));
    let spec = spec(&text).unwrap();
    let prometheus = &spec["metrics"][0]["prometheus"];
    assert_eq!((prometheus["query"].as_str().unwrap(), &prometheus["target"]), (query, &target));
    assert_eq!(prometheus["source"], "default");
    // Nothing but where it comes from is said: the query is PromQL.
    let said = said(&text);
    assert!(
        said.len() == 1 && said[0].contains(".metric.name: ") && said[0].contains("asked of Prometheus itself, by the rule "),
        "{said:?}"
    );
}

#[test]
fn what_no_rule_serves_stays() {
    let text =
        format!("{}---{RULES}", hpa("{type: Pods, pods: {metric: {name: other}, target: {type: AverageValue, averageValue: '20'}}}"));
    assert_eq!(spec(&text).unwrap()["metrics"][0]["type"], "Pods");
    assert!(said(&text)[0].ends_with("spec.metrics[0].pods.metric.name: other: no rule serves it: it is still asked of the metrics API"));
}

#[test]
fn templates_that_are_not_known_are_said() {
    let text = format!(
        "{}---{RULES}",
        hpa("{type: Pods, pods: {metric: {name: clever_metric}, target: {type: AverageValue, averageValue: '20'}}}")
    );
    let said = said(&text);
    assert!(said[0].contains("not supported: spec.metrics[0].pods.metric.name: clever_metric: its rule rules[3] of in"), "{said:?}");
    assert!(said[0].contains("its metricsQuery has <<index .LabelValuesByName \"namespace\">>"), "{said:?}");
    assert!(converted(&text).unwrap().is_partial());
}

#[rstest]
#[case::config_map(|rules: &str| format!("kind: ConfigMap\napiVersion: v1\nmetadata: {{name: adapter}}\ndata:\n  config.yaml: |\n{}", indented(rules, 4)))]
#[case::chart(|rules: &str| format!("rules:\n  default: false\n{}", indented(&rules.replace("externalRules:", "external:").replace("rules:", "custom:"), 2)))]
fn rules_are_found_where_they_are_kept(#[case] kept: fn(&str) -> String) {
    let metric = "{type: Pods, pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: '20'}}}";
    let text = format!("{}---\n{}", hpa(metric), kept(RULES));
    assert_eq!(spec(&text).unwrap()["metrics"][0]["type"], "Prometheus", "{text}");
}

fn indented(text: &str, by: usize) -> String {
    text.lines().flat_map(|line| [" ".repeat(by), line.to_owned(), "\n".to_owned()]).collect()
}

#[test]
fn rules_alone_and_wrong_rules_are_refused() {
    let error = converted(RULES).unwrap_err();
    assert!(error.contains("rules of prometheus-adapter alone name no workload"), "{error}");
    let error = converted("rules: [{seriesQuery: a, metricQuery: b}]").unwrap_err();
    assert!(error.starts_with("in: rules[0].metricQuery: unknown field; did you mean metricsQuery?"), "{error}");
    let error = converted("rules: [{seriesQuery: a}]").unwrap_err();
    assert!(error.starts_with("in: rules[0].metricsQuery: must be given"), "{error}");
}
