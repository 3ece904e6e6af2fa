//! The answer to one query about many targets, and in it the answer that each target's own query would have had.

use std::collections::HashMap;
use std::sync::Arc;

use super::decode::{Answer, Number, Series};
use crate::source::Ask;
use crate::source::preset::{Filled, Shape};

/// Elements by namespace and pod, or another name.
#[derive(Debug, Default)]
pub struct ByName {
    /// `None`: a native histogram, which is no number.
    pub(super) elements: HashMap<String, HashMap<String, Option<Number>>>,
    /// How many elements there were.
    pub(super) count: usize,
}

// === impl ByName ===

impl ByName {
    /// What the target of `ask` would have been answered by itself. Elements of other pods, which the alternatives of namespaces and pods
    /// match as well, are nobody's.
    pub fn of(&self, ask: &Ask, preset: &Filled) -> Answer {
        let named = self.elements.get(&*ask.namespace);
        let element = |name: &Arc<str>| named.and_then(|named| named.get(&**name)).map(|number| (Arc::clone(name), *number));
        let elements: Vec<(Arc<str>, Option<Number>)> = preset.names(ask).iter().filter_map(element).collect();
        let numbers = || elements.iter().filter_map(|(pod, number)| Some((pod, (*number)?)));
        let histograms = elements.len() - numbers().count();
        let series = match preset.shape {
            Shape::PerPod => numbers().map(|(pod, number)| Series { pod: Some(pod.to_string()), number }).collect(),
            // What a histogram would add is unknown, and so is the sum.
            Shape::Sum | Shape::Named(_) if histograms > 0 => Vec::new(),
            Shape::Sum | Shape::Named(_) => {
                let sum = numbers().map(|(_, number)| number).reduce(|sum, next| Number { value: sum.value + next.value, ..sum });
                sum.map(|number| Series { pod: None, number }).into_iter().collect()
            }
        };
        Answer::Vector { series, histograms }
    }
}
