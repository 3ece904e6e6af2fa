//! What a pod requests of a resource (the denominator of a utilization), and how much CPU it can use at most.

use super::slim::PodRow;
use crate::core::Request;

/// Requests of `resource` by one pod: of the named container, or else the sum over its containers and restartable init containers.
/// Requests of the pod as a whole replace the sum where they are set (KEP-2837).
pub fn request_of(row: &PodRow, resource: &str, container: Option<&str>) -> Request {
    let unset = |name: &str| Request::Unset { container: name.to_owned() };
    if let Some(wanted) = container {
        // A sidecar may be named like a plain container.
        let Some((name, requests)) = row.resources.containers.iter().find(|(name, _)| name == wanted) else {
            return Request::NoContainer { container: wanted.to_owned() };
        };
        return requests.get(resource).map_or_else(|| unset(name), |&milli| Request::Milli(milli as f64));
    }
    if let Some(&milli) = row.resources.pod_requests.get(resource) {
        return Request::Milli(milli as f64);
    }
    let mut sum = 0_i64;
    for (name, requests) in &row.resources.containers {
        match requests.get(resource) {
            Some(&milli) => sum = sum.saturating_add(milli),
            None => return unset(name),
        }
    }
    Request::Milli(sum as f64)
}

/// CPU limit of one pod, or of the named container, in thousandths of a core; `None` where a container may use what the node has.
pub fn cpu_limit_of(row: &PodRow, container: Option<&str>) -> Option<f64> {
    let limits = row.resources.containers.iter().zip(&row.resources.cpu_limits);
    let containers = match container {
        Some(wanted) => limits.clone().find(|((name, _), _)| name == wanted).and_then(|(_, limit)| *limit),
        None => limits.clone().map(|(_, limit)| *limit).sum(),
    };
    match (containers, row.resources.pod_cpu_limit) {
        (Some(sum), Some(pod)) => Some(sum.min(pod) as f64),
        (limit, pod) => limit.or(pod).map(|limit| limit as f64),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::super::slim::SlimPod;
    use super::*;

    fn pod(spec: &Value) -> PodRow {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec});
        serde_json::from_value::<SlimPod>(pod).unwrap().into()
    }

    fn container(name: &str, cpu: &str) -> Value {
        json!({"name": name, "resources": {"requests": {"cpu": cpu}}})
    }

    fn limited(name: &str, cpu: &str) -> Value {
        json!({"name": name, "resources": {"limits": {"cpu": cpu}}})
    }

    #[rstest]
    #[case::sum(json!({"containers": [container("a", "100m"), container("b", "0.2")]}), None, Request::Milli(300.0))]
    #[case::sidecars_count(
        json!({"containers": [container("a", "100m")], "initContainers": [
            {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}}, container("once", "9")]}),
        None, Request::Milli(150.0))]
    #[case::one_container_without(
        json!({"containers": [container("a", "100m"), {"name": "b"}]}), None, Request::Unset { container: "b".to_owned() })]
    #[case::named_container(json!({"containers": [container("a", "100m"), {"name": "b"}]}), Some("a"), Request::Milli(100.0))]
    #[case::named_without(json!({"containers": [{"name": "b"}]}), Some("b"), Request::Unset { container: "b".to_owned() })]
    #[case::named_absent(json!({"containers": [{"name": "b"}]}), Some("x"), Request::NoContainer { container: "x".to_owned() })]
    #[case::pod_level_replaces_the_sum(
        json!({"containers": [{"name": "b"}], "resources": {"requests": {"cpu": "2"}}}), None, Request::Milli(2000.0))]
    fn requests(#[case] spec: Value, #[case] container: Option<&str>, #[case] expected: Request) {
        assert_eq!(request_of(&pod(&spec), "cpu", container), expected);
    }

    #[rstest]
    #[case::sum(json!({"containers": [limited("a", "100m"), limited("b", "1")]}), None, Some(1100.0))]
    #[case::one_container_without(json!({"containers": [limited("a", "100m"), {"name": "b"}]}), None, None)]
    #[case::named(json!({"containers": [limited("a", "100m"), {"name": "b"}]}), Some("a"), Some(100.0))]
    #[case::named_without(json!({"containers": [limited("a", "100m"), {"name": "b"}]}), Some("b"), None)]
    #[case::pod_level(json!({"containers": [{"name": "b"}], "resources": {"limits": {"cpu": "2"}}}), None, Some(2000.0))]
    #[case::lower_of_both(json!({"containers": [limited("a", "3")], "resources": {"limits": {"cpu": "2"}}}), Some("a"), Some(2000.0))]
    fn limits(#[case] spec: Value, #[case] container: Option<&str>, #[case] expected: Option<f64>) {
        assert_eq!(cpu_limit_of(&pod(&spec), container), expected);
    }
}
