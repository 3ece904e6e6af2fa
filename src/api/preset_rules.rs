//! What the API server checks of presets, made of their table.

use crate::core::Role;
use crate::source::preset::{PRESETS, Preset};

/// Within a preset: those without a default need a target.
pub(super) fn has_target() -> String {
    format!("has(self.target) || self.name == 'auto' || self.name in [{}]", list(|preset| preset.default_target.is_some()))
}

/// Within a preset: only what pods show can be asked of them.
pub(super) fn can_be_direct() -> String {
    format!(
        "!has(self.freshness) || self.freshness != 'Direct' || self.name == 'auto' || self.name in [{}]",
        list(|preset| preset.direct.is_some())
    )
}

/// Within a metric: a preset's role is one of its own.
pub(super) fn role_fits() -> String {
    let narrow = PRESETS.iter().filter(|preset| preset.roles.len() == 1);
    let fits = narrow.map(|preset| format!("(self.preset.name != '{}' || self.role == '{}')", preset.name, preset.default_role().word()));
    format!("!has(self.preset) || !has(self.role) || ({})", fits.collect::<Vec<_>>().join(" && "))
}

/// Within a policy: something drives.
pub(super) fn has_driver() -> String {
    format!(
        "!has(self.metrics) || size(self.metrics) == 0 || self.metrics.exists(m, has(m.role) ? m.role == 'Driver' : \
        !(has(m.preset) && m.preset.name in [{}]))",
        list(|preset| preset.default_role() != Role::Driver)
    )
}

/// Within a policy: at 0 replicas something can still be measured.
pub(super) fn sees_zero() -> String {
    format!(
        "!has(self.minReplicas) || self.minReplicas != 0 || (has(self.metrics) && \
        self.metrics.exists(m, m.type in ['Object', 'External', 'Prometheus'] || (has(m.preset) && m.preset.name in [{}])))",
        list(Preset::works_without_pods)
    )
}

fn list(wanted: impl Fn(&Preset) -> bool) -> String {
    let names = PRESETS.iter().filter(|preset| wanted(preset)).map(|preset| format!("'{}'", preset.name));
    names.collect::<Vec<_>>().join(", ")
}
