//! Somebody else who sets the size: as the API server names them, and what to do about it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Who set a size that the policy did not write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writer {
    /// A field manager, as the target's `metadata.managedFields` name it.
    Manager {
        /// Its name.
        name: Arc<str>,
        /// How it wrote.
        way: Way,
    },
    /// It cannot be told who.
    Unknown {
        /// Why not.
        why: Arc<str>,
    },
    /// Nobody: the one who owned the field has let it go, and the API server filled in the default.
    Nobody,
}

/// How a field was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// By server-side apply of the object: it will be written again.
    Apply,
    /// By an update or patch of the object.
    Update,
    /// Through the scale subresource.
    Scale,
}

/// What to do about writers by the beginning of their name; the first that fits.
const REMEDIES: &[(&str, &str)] = &[
    (
        "argocd",
        "list /spec/replicas under ignoreDifferences of the Argo CD Application (with RespectIgnoreDifferences=true), or remove replicas from the manifest",
    ),
    ("kustomize-controller", "remove replicas from the manifest that Flux applies"),
    ("helm", "have the chart leave replicas out"),
    ("kube-controller-manager", "delete the HorizontalPodAutoscaler of the target"),
    ("keda", "delete the ScaledObject of the target"),
    (
        "kubectl-client-side-apply",
        "remove replicas from the manifest, after `kubectl apply edit-last-applied` has removed it from the annotation",
    ),
];

impl Writer {
    /// What to do when it writes again and again.
    pub fn remedy(&self) -> &'static str {
        let Self::Manager { name, way } = self else { return "find out who else writes spec.replicas, and stop it" };
        match REMEDIES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
            Some((_, remedy)) => remedy,
            None if *way == Way::Apply => "remove replicas from the manifest that it applies",
            None if *way == Way::Scale => "change minReplicas and maxReplicas, or pause the policy, instead of scaling the target",
            None => "have it leave spec.replicas alone, or pause the policy",
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager { name, way: Way::Apply } => write!(f, "{name} (apply)"),
            Self::Manager { name, way: Way::Update } => write!(f, "{name} (update)"),
            Self::Manager { name, way: Way::Scale } => write!(f, "{name} (scale)"),
            Self::Nobody => f.write_str("default, since its owner removed the field"),
            Self::Unknown { why } => write!(f, "somebody else (field manager unknown: {why})"),
        }
    }
}
