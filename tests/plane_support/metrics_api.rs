//! metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io from a table that the test fills: an injector of faults and
//! exact numbers. (The node tests use the real metrics-server.)

use std::sync::Arc;

use kube::Client;
use parking_lot::Mutex;
use serde_json::json;

use super::aggregated::{aggregate, resource};
use super::load::{Fault, Load, Source, Table};
use super::{Fleet, metrics_answers};

/// The running API.
pub struct MetricsApi {
    table: Arc<Mutex<Table>>,
}

impl MetricsApi {
    /// Serves them, and waits until the API server does.
    pub async fn start(client: Client, fleet: Fleet) -> Self {
        let table = Arc::<Mutex<Table>>::default();
        let apis = [
            ("metrics.k8s.io", "v1beta1", json!([resource("pods", "PodMetrics", &["get", "list"])])),
            ("custom.metrics.k8s.io", "v1beta2", json!([])),
            ("external.metrics.k8s.io", "v1beta1", json!([])),
        ];
        aggregate(&client, &apis, metrics_answers::router(fleet, table.clone())).await;
        Self { table }
    }

    /// Sets a load of an app.
    pub fn set(&self, app: &str, source: Source, load: Load) {
        self.table.lock().set(app, source, load);
    }

    /// Sets a fault of an app's metric (`resource`, or the name of a custom or external metric), or ends it with `None`.
    pub fn fault(&self, app: &str, metric: &str, fault: Option<Fault>) {
        self.table.lock().fault(app, metric, fault);
    }
}
