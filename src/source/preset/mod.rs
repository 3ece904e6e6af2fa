//! Named, ready queries for what Go services, their databases, meshes and ingresses export.

pub mod auto;
pub(crate) mod parameter;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use parameter::{Form, Parameter};
pub use table::PRESETS;

use super::Ask;
use super::direct::{Recipe, Want};
use crate::core::Role;

/// A query that works for any workload for which the named metrics exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Name as written in a policy or annotation.
    pub name: &'static str,
    /// The metric whose series tell whether the preset fits a workload.
    pub metric: &'static str,
    /// `PromQL` with placeholders, those of parameters included.
    one: &'static str,
    /// The same for many targets at once: `${namespace}`, `${pods}` and `${name}` are then alternatives.
    many: &'static str,
    /// How a target's answer to `one` is made of the elements of `many`.
    pub shape: Shape,
    /// What it measures as each pod has it; `None` where pods do not have it themselves, or not as a sum.
    pub direct: Option<Recipe>,
    /// Roles it may have; the first one is the default.
    pub roles: &'static [Role],
    /// Mean per replica to aim at, as a quantity; `None` where no number fits most services, so that one must be given.
    pub default_target: Option<&'static str>,
    /// What can be set besides the target.
    pub parameters: &'static [Parameter],
    /// What is measured, and in which unit.
    pub measures: &'static str,
    /// Why the default is what it is, or why there is none.
    pub reason: &'static str,
    /// What an answer without series means.
    pub empty: &'static str,
}

/// What a preset's query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The sum over the pods.
    Sum,
    /// A value of each pod.
    PerPod,
    /// A value of the whole, found by names instead of pods.
    Named(&'static Labels),
}

/// The labels that say whose an element is. Of each list the first one counts that is there and not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Its namespace.
    pub namespace: &'static [&'static str],
    /// Its name.
    pub name: &'static [&'static str],
}

/// A preset with its parameters filled in, as far as it is needed to ask for many targets at once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filled {
    /// Name of the preset.
    pub name: &'static str,
    /// The query for many targets.
    pub many: String,
    /// Of its elements.
    pub shape: Shape,
    /// The name by which the target is found, where that is not its own.
    pub known_as: Option<Arc<str>>,
    /// What is wanted of each pod, if the pods themselves are asked first.
    pub direct: Option<Arc<[Want]>>,
    /// What an answer without series means.
    pub empty: &'static str,
}

/// What stands for a choice among presets, see [`auto`].
pub const AUTO: &str = "auto";

/// The preset called `name`.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The preset whose query, with all parameters at their defaults, this is.
pub fn of(query: &str) -> Option<Arc<Filled>> {
    PRESETS.iter().map(|preset| preset.fill(&BTreeMap::new())).find_map(|(text, filled)| (text == query).then(|| Arc::new(filled)))
}

/// The same, where pods can be asked for it themselves.
pub fn direct_of(query: &str) -> Option<Arc<Filled>> {
    PRESETS
        .iter()
        .filter_map(|preset| preset.fill_direct(&BTreeMap::new()))
        .find_map(|(text, filled)| (text == query).then(|| Arc::new(filled)))
}

/// All names, for messages.
pub fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

// === impl Preset ===

impl Preset {
    /// The query for one target with all parameters at their defaults.
    pub fn query(&self) -> String {
        self.fill(&BTreeMap::new()).0
    }

    /// The query for one target with these parameters, which were checked, and what is needed to ask for many.
    pub fn fill(&self, given: &BTreeMap<String, String>) -> (String, Filled) {
        let (mut one, mut many, mut known_as) = (self.one.to_owned(), self.many.to_owned(), None);
        for parameter in self.parameters {
            let placeholder = format!("${{{}}}", parameter.name);
            let value = given.get(parameter.name).map(String::as_str);
            if parameter.form == Form::Target {
                one = one.replace(&placeholder, value.unwrap_or("${name}"));
                many = many.replace(&placeholder, "${name}");
                known_as = value.map(Arc::from);
            } else {
                let value = value.unwrap_or(parameter.default);
                (one, many) = (one.replace(&placeholder, value), many.replace(&placeholder, value));
            }
        }
        (one, Filled { name: self.name, many, shape: self.shape, known_as, direct: None, empty: self.empty })
    }

    /// The same for pods that are asked themselves first; `None` where they cannot be.
    pub fn fill_direct(&self, given: &BTreeMap<String, String>) -> Option<(String, Filled)> {
        let recipe = self.direct?;
        let value = |name: &str| {
            let parameter = parameter::find(self.parameters, name).ok()?;
            given.get(name).map(String::as_str).filter(|value| *value != parameter.default)
        };
        let (one, filled) = self.fill(given);
        Some((one, Filled { direct: Some(recipe.wants(value)), ..filled }))
    }

    /// Its role where none is given.
    pub fn default_role(&self) -> Role {
        self.roles.first().copied().unwrap_or_default()
    }

    /// Whether it can have a value while the workload has no pods.
    pub const fn works_without_pods(&self) -> bool {
        matches!(self.shape, Shape::Named(_))
    }
}

// === impl Filled ===

impl Filled {
    /// The names by which the target of an ask is found: those of its pods, or one.
    pub fn names<'a>(&'a self, ask: &'a Ask) -> &'a [Arc<str>] {
        match self.shape {
            Shape::Named(_) => std::slice::from_ref(self.known_as.as_ref().unwrap_or(&ask.target)),
            Shape::Sum | Shape::PerPod => &ask.pods,
        }
    }
}

/// Short: the query of one target stands beside it.
impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.known_as.as_ref().map_or(Ok(()), |name| write!(f, " of {name}"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_preset_says_what_it_is_and_leaves_only_known_placeholders() {
        for preset in PRESETS {
            let (one, filled) = preset.fill(&BTreeMap::new());
            for text in [&one, &filled.many] {
                let rest = super::super::PLACEHOLDERS.iter().fold(text.clone(), |text, known| text.replace(known, "x"));
                assert!(!rest.contains("${"), "{}: {text}", preset.name);
                promql_parser::parser::parse(&rest).unwrap_or_else(|error| panic!("{}: {error}: {text}", preset.name));
            }
            assert!(one.contains(preset.metric), "{}", preset.name);
            assert!(!preset.measures.is_empty() && !preset.reason.is_empty() && !preset.empty.is_empty() && !preset.roles.is_empty());
            assert_eq!(of(&one).map(|filled| filled.name), Some(preset.name));
            for parameter in preset.parameters {
                assert!(parameter.form == Form::Target || parameter.check(parameter.default).is_ok(), "{}", parameter.name);
            }
        }
    }

    #[rstest]
    #[case::window("http-requests", &[("window", "5m")], "[5m]", None)]
    #[case::reporter("istio-requests", &[("reporter", "source")], "reporter=\"source\"", None)]
    #[case::workload("istio-requests", &[("workload", "web-v2")], "destination_workload=\"web-v2\"", Some("web-v2"))]
    #[case::service("ingress-nginx-requests", &[("service", "web.front")], "service=\"web.front\"", Some("web.front"))]
    #[case::database("sql-pool-wait", &[("database", "orders")], "db_name=~\"orders\"", None)]
    fn parameters_stand_in_the_query(
        #[case] name: &str,
        #[case] pairs: &[(&str, &str)],
        #[case] part: &str,
        #[case] known_as: Option<&str>,
    ) {
        let (one, filled) = find(name).unwrap().fill(&given(pairs));
        assert!(one.contains(part), "{one}");
        assert_eq!(filled.known_as.as_deref(), known_as);
    }
}
