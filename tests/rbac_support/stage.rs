//! A release in a namespace of its own, which is also the only one it works in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::deploy_support::Release;
use crate::plane_support::{Ballast, Plane, apply, ensure_namespace, kubeconfig_of, objects};

/// Name of the release.
pub const RELEASE: &str = "rbac-ballast";
/// Stands for the namespace in what is rendered.
const NAMESPACE: &str = "rbac-namespace";

/// A running Ballast and what can be seen of it.
pub struct Stage {
    /// The plane.
    pub plane: &'static Plane,
    /// Its namespace.
    pub namespace: String,
    ballast: Ballast,
}

impl Stage {
    /// What the chart makes for one namespace, with every value that adds a right.
    pub fn rendered() -> Release {
        Self::logging("info")
    }

    /// The same with another level of the log.
    pub fn logging(level: &str) -> Release {
        let set = format!(
            "log.level={level},fullnameOverride={RELEASE},watchNamespaces={{{NAMESPACE}}},syncPeriod=1s,checkpointInterval=1s,cpuInitializationPeriod=0s,\
             downscaleStabilization=0s,rbac.extraScaleResources[0].apiGroup=twin.test,rbac.extraScaleResources[0].resource=widgets,\
             rbac.secrets[0].namespace={NAMESPACE},rbac.secrets[0].names={{token}},\
             rbac.configMaps[0].namespace={NAMESPACE},rbac.configMaps[0].names={{ca}}"
        );
        Release::new(None, &["--namespace", NAMESPACE, "--set", &set])
    }

    /// Installs these objects and starts Ballast as their `ServiceAccount` with the release's flags.
    pub async fn start(plane: &'static Plane, namespace: String, release: &Release, parts: &[Value]) -> Self {
        ensure_namespace(&plane.client, &namespace).await;
        for object in parts.iter().filter(|object| ["Role", "RoleBinding", "ServiceAccount"].iter().any(|kind| object["kind"] == *kind)) {
            let text = object.to_string().replace(NAMESPACE, &namespace);
            apply(plane, &serde_json::from_str(&text).unwrap()).await;
        }
        let kubeconfig = kubeconfig_of(plane, &namespace, RELEASE).await;
        let of_pod = |flag: &&str| ["--admin-address=", "--config="].iter().any(|start| flag.starts_with(start));
        let mut flags: Vec<String> =
            release.flags().into_iter().filter(|flag| !of_pod(flag)).map(|flag| flag.replace(NAMESPACE, &namespace)).collect();
        flags.push("--allow-loopback-sources".into());
        let ballast = Ballast::spawn_as(plane, &namespace, &kubeconfig, &flags).await;
        Self { plane, namespace, ballast }
    }

    /// Waits until Ballast is ready, or says what it waits for because it was refused.
    pub async fn settle(&self) {
        crate::plane_support::eventually("ready or refused", Duration::from_secs(60), async || match self.ballast.readyz().await? {
            (true, _) => Ok(()),
            (false, text) if text.contains("forbidden") => Ok(()),
            (false, text) => Err(format!("{text}\n{}", self.ballast.tail())),
        })
        .await;
    }

    /// Whether it is ready, and if not, why.
    pub async fn ready(&self) -> Result<(), String> {
        match self.ballast.readyz().await? {
            (true, _) => Ok(()),
            (false, text) => Err(text),
        }
    }

    /// Everything Ballast says: log, readiness, statuses and Events, in one text.
    pub async fn says(&self) -> String {
        let mut text = std::fs::read_to_string(&self.ballast.log).unwrap_or_default();
        text.extend(self.ready().await.err());
        for (api_version, kind) in [("ballast.dev/v1alpha1", "ScalePolicy"), ("ballast.dev/v1alpha1", "MetricSource"), ("v1", "Event")] {
            for object in self.list(api_version, kind).await {
                text.push_str(&json!([object["status"]["conditions"], object["message"]]).to_string());
            }
        }
        text.replace("\\\"", "\"")
    }

    /// What the admin port answers.
    pub async fn admin(&self, path: &str) -> String {
        reqwest::get(format!("http://{}{path}", self.ballast.admin)).await.unwrap().text().await.unwrap()
    }

    /// The end of the log.
    pub fn tail(&self) -> String {
        self.ballast.tail()
    }

    /// All objects of a kind in the namespace.
    pub async fn list(&self, api_version: &str, kind: &str) -> Vec<Value> {
        let list = objects(self.plane, &self.namespace, api_version, kind).list(&kube::api::ListParams::default()).await.unwrap();
        list.items.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
    }

    /// One object, or why there is none.
    pub async fn get(&self, api_version: &str, kind: &str, name: &str) -> Result<Value, String> {
        let object = objects(self.plane, &self.namespace, api_version, kind).get(name).await.map_err(|error| error.to_string())?;
        serde_json::to_value(object).map_err(|error| error.to_string())
    }

    /// Lines of the log that tell of a call that may not be made.
    pub fn refusals(&self) -> String {
        [self.ballast.lines("orbidden"), self.ballast.lines("not permitted")].concat()
    }
}
