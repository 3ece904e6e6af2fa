//! What a score must be like: `violation_seconds<60`, `pod_hours<1.2*hpa.pod_hours`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::error::TrialError;
use crate::api::nearest::hint;
use crate::sim::{Figures, Score, Trial};

/// One condition on the figures of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// As it was written.
    text: String,
    left: Operand,
    comparison: Comparison,
    /// What the right side is multiplied with, or the right side itself where there is no figure.
    factor: f64,
    right: Option<Operand>,
}

/// A figure of a contender.
#[derive(Clone, Debug, PartialEq)]
struct Operand {
    /// `None`: the policy in question.
    contender: Option<String>,
    figure: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
}

/// What became of an assertion.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Whether it holds.
    pub holds: bool,
    /// The assertion with the figures, for people.
    pub text: String,
}

/// Longer ones first: `<=` begins with `<`.
const COMPARISONS: [(&str, Comparison); 5] =
    [("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("==", Comparison::Equal), ("<", Comparison::Less), (">", Comparison::More)];

/// The names that figures have in assertions, those of [`Figures`].
pub fn names() -> Vec<String> {
    values(&Score::new(1).figures()).keys().cloned().collect()
}

/// What `--help` says of assertions.
pub fn help() -> String {
    format!(
        "Conditions that the score must meet, separated by commas, such as 'violation_seconds<60,pod_hours<1.2*hpa.pod_hours'. Each is \
         [CONTENDER.]FIGURE, one of < <= > >= ==, then a number, or [NUMBER*][CONTENDER.]FIGURE; without a contender the policy itself is \
         meant. What does not hold is printed, and the exit code is 1. May be repeated.\n\nFigures: {}",
        names().join(", ")
    )
}

/// Reads a list of assertions.
///
/// # Errors
/// A text for the user.
pub fn list(text: &str) -> Result<Vec<Assertion>, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err("must be at least one condition such as violation_seconds<60".to_owned());
    }
    parts.into_iter().map(str::parse).collect()
}

impl FromStr for Assertion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "must be a condition such as violation_seconds<60 or pod_hours<=1.2*hpa.pod_hours";
        let found = COMPARISONS.iter().filter_map(|(sign, comparison)| Some((text.find(sign)?, sign.len(), *comparison)));
        // The first in the text; of two that begin there the longer one.
        let (at, length, comparison) =
            found.min_by_key(|(at, length, _)| (*at, usize::MAX - length)).ok_or(format!("{text}: {allowed}"))?;
        let (left, right) = (text[..at].trim(), text[at + length..].trim());
        let left = left.parse()?;
        let (factor, right) = match right.parse::<f64>() {
            Ok(number) => (number, None),
            Err(_) => match right.split_once('*') {
                Some((factor, right)) => {
                    let factor = factor.trim().parse().map_err(|_| format!("{text}: {}: must be a number; {allowed}", factor.trim()))?;
                    (factor, Some(right.trim().parse()?))
                }
                None => (1.0, Some(right.parse()?)),
            },
        };
        if !factor.is_finite() {
            return Err(format!("{text}: {factor}: must be a finite number"));
        }
        Ok(Self { text: text.to_owned(), left, comparison, factor, right })
    }
}

impl FromStr for Operand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (contender, figure) = match text.rsplit_once('.') {
            Some((contender, figure)) => (Some(contender.to_owned()), figure),
            None => (None, text),
        };
        let names = names();
        if !names.iter().any(|name| name == figure) {
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            let hint = hint(figure, &known);
            let list = if hint.starts_with("did") { format!("; there are {}", names.join(", ")) } else { String::new() };
            return Err(format!("{figure:?} is not a figure; {hint}{list}"));
        }
        Ok(Self { contender, figure: figure.to_owned() })
    }
}

impl Assertion {
    /// Refuses contenders that will not take part, before anything is run.
    ///
    /// # Errors
    /// The first of them.
    pub fn validate(&self, contenders: &[&str]) -> Result<(), TrialError> {
        for name in [Some(&self.left), self.right.as_ref()].into_iter().flatten().filter_map(|operand| operand.contender.as_deref()) {
            if !contenders.contains(&name) {
                let message = format!("{}: {name} does not take part (--against); {}", self.text, hint(name, contenders));
                return Err(TrialError::option("--assert", message));
            }
        }
        Ok(())
    }

    /// Compares the figures of a trial.
    ///
    /// # Errors
    /// A contender that did not take part.
    pub fn check(&self, trial: &Trial) -> Result<Checked, TrialError> {
        let names: Vec<&str> = trial.contenders.iter().map(|outcome| outcome.name.as_str()).collect();
        self.validate(&names)?;
        let left = self.left.value(trial);
        let (right, from) = match &self.right {
            None => (self.factor, String::new()),
            Some(operand) => {
                let right = operand.value(trial);
                let value = self.factor * right;
                let times = if self.text.contains('*') { format!("{} * {} = ", Shown(self.factor), Shown(right)) } else { String::new() };
                (value, format!(", the limit is {times}{}", Shown(value)))
            }
        };
        let holds = self.comparison.holds(left, right);
        Ok(Checked { holds, text: format!("{}: {} is {}{from}", self.text, self.left.figure, Shown(left)) })
    }
}

impl Operand {
    /// NaN, with which no comparison holds, where there is no such figure.
    fn value(&self, trial: &Trial) -> f64 {
        let mut outcomes = trial.contenders.iter();
        let outcome = match &self.contender {
            None => outcomes.next(),
            Some(name) => outcomes.find(|outcome| outcome.name == *name),
        };
        outcome.and_then(|outcome| values(&outcome.score).get(&self.figure)?.as_f64()).unwrap_or(f64::NAN)
    }
}

impl Comparison {
    #[allow(clippy::float_cmp)] // Asked for.
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Equal => left == right,
        }
    }
}

fn values(figures: &Figures) -> Map<String, Value> {
    match serde_json::to_value(figures) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A figure for people: whole, or with three places.
pub(crate) struct Shown(pub f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.fract() == 0.0 {
            return write!(f, "{}", self.0);
        }
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Load, Outcome, Second, Shape};

    fn outcome(name: &str, ready: u32) -> Outcome {
        let mut score = Score::new(1);
        for _ in 0..3600 {
            score.add(&Second { load: 10.0, waiting: 0.0, lost: 0.0, ready, ordered: ready });
        }
        Outcome { name: name.to_owned(), score: score.figures(), states: Vec::new(), decisions: Vec::new() }
    }

    fn trial() -> Trial {
        let mut trial = Trial::new("load", &Load::of_shape(Shape::Constant(10.0), 1.0), 0);
        trial.contenders = vec![outcome("web", 12), outcome("hpa", 9), outcome("web.v2", 20)];
        trial
    }

    fn check(text: &str) -> Checked {
        list(text).unwrap()[0].check(&trial()).unwrap()
    }

    #[test]
    fn figures_are_compared_with_numbers_and_rivals() {
        for (text, holds) in [
            ("violation_seconds<60", true),
            ("violation_seconds == 0", true),
            ("pod_hours>12", false),
            ("pod_hours>=12", true),
            ("hpa.violation_seconds<=3599", false),
            ("pod_hours<1.3*hpa.pod_hours", false),
            ("pod_hours<1.4*hpa.pod_hours", true),
            ("pod_hours<web.v2.pod_hours", true),
        ] {
            assert_eq!(check(text).holds, holds, "{text}");
        }
        assert_eq!(check("pod_hours<1.3*hpa.pod_hours").text, "pod_hours<1.3*hpa.pod_hours: pod_hours is 12, the limit is 1.3 * 9 = 11.7");
        assert_eq!(check("violation_seconds<60").text, "violation_seconds<60: violation_seconds is 0");
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_is_known() {
        for (text, said) in [
            ("violaton_seconds<60", "\"violaton_seconds\" is not a figure; did you mean violation_seconds?"),
            ("x<60", "\"x\" is not a figure; there are "),
            ("pod_hours", "must be a condition such as"),
            ("pod_hours<x*hpa.pod_hours", "x: must be a number"),
            ("pod_hours<inf", "finite"),
            (" , ", "at least one"),
        ] {
            let error = list(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let error = list("pod_hours<hpaa.pod_hours").unwrap()[0].validate(&["web", "hpa"]).unwrap_err().to_string();
        assert!(error.starts_with("--assert: pod_hours<hpaa.pod_hours: hpaa does not take part (--against); did you mean hpa?"), "{error}");
        assert_eq!(list("pod_hours<1, actions<2").unwrap().len(), 2);
    }
}
