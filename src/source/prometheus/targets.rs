//! The answer to one query about the pods of many targets, and in it the answer that each target's own query would have had.

use std::collections::HashMap;
use std::sync::Arc;

use super::decode::{Answer, Number, Series};
use crate::source::Ask;
use crate::source::preset::Shape;

/// Elements by namespace and pod.
#[derive(Debug, Default)]
pub struct ByPod {
    /// `None`: a native histogram, which is no number.
    pub(super) pods: HashMap<String, HashMap<String, Option<Number>>>,
    /// How many elements there were.
    pub(super) elements: usize,
}

// === impl ByPod ===

impl ByPod {
    /// What the target of `ask` would have been answered by itself. Elements of other pods, which the alternatives of namespaces and pods
    /// match as well, are nobody's.
    pub fn of(&self, ask: &Ask, shape: Shape) -> Answer {
        let pods = self.pods.get(&*ask.namespace);
        let element = |pod: &Arc<str>| pods.and_then(|pods| pods.get(&**pod)).map(|number| (Arc::clone(pod), *number));
        let elements: Vec<(Arc<str>, Option<Number>)> = ask.pods.iter().filter_map(element).collect();
        let numbers = || elements.iter().filter_map(|(pod, number)| Some((pod, (*number)?)));
        let histograms = elements.len() - numbers().count();
        let series = match shape {
            Shape::PerPod => numbers().map(|(pod, number)| Series { pod: Some(pod.to_string()), number }).collect(),
            // What a histogram would add is unknown, and so is the sum.
            Shape::Sum if histograms > 0 => Vec::new(),
            Shape::Sum => {
                let sum = numbers().map(|(_, number)| number).reduce(|sum, next| Number { value: sum.value + next.value, ..sum });
                sum.map(|number| Series { pod: None, number }).into_iter().collect()
            }
        };
        Answer::Vector { series, histograms }
    }
}
