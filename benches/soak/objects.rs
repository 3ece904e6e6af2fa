//! The objects of the soak: what a policy of each kind consists of, and how it is made, changed and removed.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, Error, ResourceExt};
use serde_json::{Value, json};

use crate::plane_support::{Workload, cpu, prometheus};

/// How a policy gets its numbers. Each kind leaves other traces in the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CPU from the metrics API.
    Cpu,
    /// A query to the controller's own Prometheus source.
    Query,
    /// A query through a `MetricSource` of its own, with a Secret.
    Source,
    /// Annotations on the Deployment, CPU.
    Annotated,
    /// Annotations on the Deployment, a preset.
    Preset,
    /// CPU and a query, with a forecast.
    Forecast,
    /// A target of a kind that nobody knows, another one each time.
    Unknown,
}

/// In turn; the kinds without a fault come first, so that a short run has them.
pub const KINDS: [Kind; 7] = [Kind::Cpu, Kind::Query, Kind::Source, Kind::Annotated, Kind::Preset, Kind::Forecast, Kind::Unknown];

/// What the gauge of a query is called in Prometheus.
pub const QUEUE: &str = "queue";

/// One policy with all that belongs to it.
#[derive(Clone, Debug)]
pub struct Slot {
    pub namespace: String,
    pub name: String,
    pub kind: Kind,
    /// Of edits so far.
    pub edits: u32,
    /// Annotations are there.
    pub annotated: bool,
}

/// The API server as a user of the cluster writes to it.
pub struct Cluster {
    pub client: Client,
    /// Where `MetricSource`s lead.
    pub source_url: String,
}

// === impl Slot ===

impl Slot {
    pub fn new(namespace: String, kind: Kind, number: u64) -> Self {
        let name = format!("{}-{number}", format!("{kind:?}").to_lowercase());
        Self { namespace, name, kind, edits: 0, annotated: true }
    }

    /// Whether its policy is made by Ballast from annotations.
    pub fn is_annotated(&self) -> bool {
        matches!(self.kind, Kind::Annotated | Kind::Preset)
    }

    /// Load that asks for so many replicas.
    pub fn series(&self) -> String {
        format!("{QUEUE}{{namespace=\"{}\",app=\"{}\"}}", self.namespace, self.name)
    }

    fn most(&self) -> u32 {
        4 + self.edits % 2
    }

    fn annotations(&self) -> Value {
        let most = self.most().to_string();
        match self.kind {
            Kind::Preset => {
                json!({ "ballast.dev/max-replicas": most, "ballast.dev/preset": "http-requests", "ballast.dev/preset-target": "10" })
            }
            _ => json!({ "ballast.dev/max-replicas": most, "ballast.dev/target-cpu": "50%" }),
        }
    }

    fn policy(&self) -> Value {
        let query = format!("{QUEUE}{{namespace=\"${{namespace}}\",app=\"${{name}}\"}}");
        let queue = || prometheus("queue", &query, ("AverageValue", "10"));
        let own = || {
            let mut queue = queue();
            queue["prometheus"]["source"] = json!(self.name);
            queue
        };
        let metrics = match self.kind {
            Kind::Query => vec![queue()],
            Kind::Source => vec![own()],
            Kind::Forecast => vec![cpu(50), queue()],
            _ => vec![cpu(50)],
        };
        let target = match self.kind {
            Kind::Unknown => json!({ "apiVersion": format!("{}.example/v1", self.name), "kind": "Widget", "name": self.name }),
            _ => json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": self.name }),
        };
        let mut spec = json!({
            "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": self.most(), "metrics": metrics,
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 30 } },
        });
        if self.kind == Kind::Forecast {
            spec["forecast"] = json!({ "mode": "On" });
        }
        // A few are decided more often.
        if self.name.ends_with('3') {
            spec["intervalSeconds"] = json!(5);
        }
        json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "ScalePolicy", "spec": spec })
    }

    fn source(&self, url: &str) -> Value {
        let token = json!({ "secretKeyRef": { "name": self.name, "key": "token" } });
        json!({ "apiVersion": "ballast.dev/v1alpha1", "kind": "MetricSource",
            "spec": { "url": url, "timeoutSeconds": 2 + self.edits % 2, "auth": { "bearerToken": token } } })
    }

    fn secret(&self) -> Value {
        json!({ "apiVersion": "v1", "kind": "Secret", "stringData": { "token": format!("token-{}", self.edits) } })
    }
}

// === impl Cluster ===

impl Cluster {
    /// Makes all objects of a slot.
    pub async fn create(&self, slot: &Slot) -> Result<(), Error> {
        if slot.kind != Kind::Unknown {
            let mut deployment = Workload::deployment(&slot.namespace, &slot.name, 1).manifest();
            if slot.is_annotated() {
                deployment["metadata"]["annotations"] = slot.annotations();
            }
            self.apply("Deployment", slot, deployment).await?;
        }
        if slot.kind == Kind::Source {
            self.apply("Secret", slot, slot.secret()).await?;
            self.apply("MetricSource", slot, slot.source(&self.source_url)).await?;
        }
        if !slot.is_annotated() {
            self.apply("ScalePolicy", slot, slot.policy()).await?;
        }
        Ok(())
    }

    /// Removes them.
    pub async fn delete(&self, slot: &Slot) -> Result<(), Error> {
        let mut kinds = vec!["Deployment"];
        if slot.kind == Kind::Source {
            kinds.extend(["MetricSource", "Secret"]);
        }
        if !slot.is_annotated() {
            kinds.push("ScalePolicy");
        }
        for kind in kinds {
            match self.api(kind, &slot.namespace).delete(&slot.name, &DeleteParams::background()).await {
                Err(Error::Api(status)) if status.is_not_found() => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Edits the policy, or the annotations that stand for it.
    pub async fn edit(&self, slot: &mut Slot) -> Result<(), Error> {
        slot.edits += 1;
        if slot.is_annotated() { self.annotate(slot, true).await } else { self.apply("ScalePolicy", slot, slot.policy()).await }
    }

    /// Switches annotations on or off.
    pub async fn annotate(&self, slot: &mut Slot, on: bool) -> Result<(), Error> {
        slot.annotated = on;
        let mut annotations = slot.annotations();
        if !on {
            annotations.as_object_mut().into_iter().flat_map(|all| all.values_mut()).for_each(|value| *value = Value::Null);
        }
        self.merge("Deployment", slot, json!({ "metadata": { "annotations": annotations } })).await
    }

    /// Edits the `MetricSource`, or its Secret.
    pub async fn edit_source(&self, slot: &mut Slot) -> Result<(), Error> {
        slot.edits += 1;
        if slot.edits % 4 < 2 {
            self.apply("MetricSource", slot, slot.source(&self.source_url)).await
        } else {
            self.apply("Secret", slot, slot.secret()).await
        }
    }

    /// A label that means nothing to anybody.
    pub async fn touch(&self, slot: &mut Slot) -> Result<(), Error> {
        slot.edits += 2;
        let kind = if slot.kind == Kind::Unknown { "ScalePolicy" } else { "Deployment" };
        self.merge(kind, slot, json!({ "metadata": { "labels": { "touched": slot.edits.to_string() } } })).await
    }

    /// Deletes a pod.
    pub async fn delete_pod(&self, namespace: &str, name: &str) -> Result<(), Error> {
        match self.api("Pod", namespace).delete(name, &DeleteParams::default()).await {
            Err(Error::Api(status)) if status.is_not_found() => Ok(()),
            other => other.map(drop),
        }
    }

    /// Names of all objects of a kind, as `namespace/name`.
    pub async fn names(&self, kind: &str) -> Result<Vec<String>, Error> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource(kind));
        let list = api.list_metadata(&ListParams::default().match_any()).await?;
        Ok(list.items.into_iter().map(|object| format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())).collect())
    }

    /// Number of objects of a kind, without reading them.
    pub async fn count(&self, kind: &str) -> Result<i64, Error> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource(kind));
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        Ok(i64::try_from(list.items.len()).unwrap_or_default() + list.metadata.remaining_item_count.unwrap_or_default())
    }

    async fn apply(&self, kind: &str, slot: &Slot, mut object: Value) -> Result<(), Error> {
        object["metadata"]["name"] = json!(slot.name);
        object["metadata"]["namespace"] = json!(slot.namespace);
        let params = PatchParams::apply("soak").force();
        self.api(kind, &slot.namespace).patch(&slot.name, &params, &Patch::Apply(&object)).await.map(drop)
    }

    async fn merge(&self, kind: &str, slot: &Slot, patch: Value) -> Result<(), Error> {
        self.api(kind, &slot.namespace).patch(&slot.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }
}

fn resource(kind: &str) -> ApiResource {
    let (group, version, plural) = match kind {
        "ScalePolicy" => ("ballast.dev", "v1alpha1", "scalepolicies"),
        "MetricSource" => ("ballast.dev", "v1alpha1", "metricsources"),
        "Deployment" => ("apps", "v1", "deployments"),
        "Secret" => ("", "v1", "secrets"),
        _ => ("", "v1", "pods"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}
