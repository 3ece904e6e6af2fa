//! What the targets are called. The bench, the metrics API and the exporter derive the same names from a target's number.

/// Namespaces over which targets are spread.
pub const NAMESPACES: usize = 100;
/// Pods per target.
pub const PODS: usize = 2;
/// CPU request of a pod, in thousandths of a core.
pub const REQUEST: u32 = 100;

/// A Deployment with its `ReplicaSet` and its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target(pub usize);

impl Target {
    /// Namespace.
    pub fn namespace(self) -> String {
        namespace(self.0 % NAMESPACES)
    }

    /// Name of the Deployment, of what scales it, and the pods' label `app.kubernetes.io/name`.
    pub fn name(self) -> String {
        format!("service-{:05}", self.0)
    }

    /// Name of the `ReplicaSet`; ends with the pod template's hash.
    pub fn replica_set(self) -> String {
        format!("{}-{}", self.name(), self.hash())
    }

    /// The pod template's hash.
    pub fn hash(self) -> String {
        letters(self.0 as u64, 10)
    }

    /// Names of the pods.
    pub fn pods(self) -> [String; PODS] {
        std::array::from_fn(|pod| format!("{}-{}", self.replica_set(), letters((self.0 * PODS + pod) as u64 + 1_000_003, 5)))
    }

    /// The target of a Deployment's name.
    pub fn parse(name: &str) -> Option<Self> {
        name.strip_prefix("service-")?.parse().ok().map(Self)
    }
}

/// One of the namespaces.
pub fn namespace(number: usize) -> String {
    format!("team-{number:03}")
}

/// Letters as Kubernetes makes names of, mixed from a number.
fn letters(number: u64, length: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03;
    let mut next = || {
        state ^= state >> 29;
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(17);
        char::from(LETTERS[(state >> 33) as usize % LETTERS.len()])
    };
    (0..length).map(|_| next()).collect()
}
