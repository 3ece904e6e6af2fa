//! What tests on a real control plane share: `mod plane_support;` in a `tests/plane_*.rs`.
//!
//! One plane (etcd, API server, controller manager, on request the stock autoscaler) serves all tests of a test binary:
//! ```ignore
//! #[test]
//! fn something() {
//!     plane_support::run(async {
//!         let plane = plane_support::plane(Options::default()).await;
//!         …
//!     });
//! }
//! ```
//! There are no nodes: [`Fleet`] plays the kubelet by patching pod status, and [`MetricsApi`] answers for the metrics APIs with what
//! the test put in. Both are started once and shared, as is everything on the plane, so tests keep to namespaces of their own.

// Each test binary uses its own part of this module; to panic is how a test says that something is wrong.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aggregated;
mod ballast;
mod collector;
mod document;
mod exporters;
mod faults;
mod fleet;
pub mod gateway;
mod health;
mod load;
mod loosen;
mod metric;
mod metrics_answers;
mod metrics_api;
mod netns;
mod objects;
mod plane;
mod pods;
mod prometheus;
mod scene;
mod selector;
mod server;
mod story;
mod tunnel;
mod wait;

use std::sync::LazyLock;

pub use aggregated::{Served, aggregate, resource};
pub use ballast::{Ballast, Flags, Launch, free_address};
pub use collector::{Collector, Span};
pub use document::{document, document_part};
pub use exporters::{Exporters, Says};
pub use faults::{FaultRow, FaultTable, Sizes};
pub use fleet::{Fleet, PodState};
pub use gateway::{Gateway, Trouble};
pub use health::Health;
pub use load::{Fault, Load, Source};
pub use loosen::loosen;
pub use metric::{cpu, metric, prometheus};
pub use metrics_api::MetricsApi;
pub use netns::{Netns, OPEN};
pub use objects::{apply, apply_in, kubeconfig_of, objects};
pub use plane::{Options, Plane, plane, wait_established};
pub use pods::{Container, Workload, ensure_namespace, scale};
pub use prometheus::{Level, Scraped};
pub use scene::Scene;
pub use server::Server;
pub use story::{ABLE, ACTIVE, AT_ONCE, SOON, Story};
pub use tunnel::Tunnel;
pub use wait::{eventually, settled};

/// One runtime for the whole test binary: the shared plane's clients and background tasks must outlive each single test.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    // An error means that it is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// Runs a test on the shared runtime.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

/// Now, as an API server writes it.
pub fn now() -> jiff::Timestamp {
    #[expect(clippy::disallowed_methods, reason = "these are the outside world's clocks: a kubelet's and a metrics server's")]
    jiff::Timestamp::now()
}
