//! Bodies of `/api/v1/query` and `/api/v1/query_range`.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::targets::ByName;
use crate::core::Time;
use crate::source::preset::{Labels as Names, Shape};

/// What a query gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One number without labels.
    Scalar(Number),
    /// The elements of an instant vector, and how many more were native histograms, which are not numbers.
    Vector { series: Vec<Series>, histograms: usize },
}

/// One element of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its label `pod`, if it has one that is not empty.
    pub pod: Option<String>,
    /// Its value.
    pub number: Number,
}

/// One series over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its values in order of time, without those that are no numbers (NaN, infinities).
    pub points: Vec<Number>,
}

/// A value as Prometheus has it: NaN and infinities included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// In the query's unit.
    pub value: f64,
    /// When it was evaluated.
    pub time: Time,
}

/// A body without a usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The server says that the query failed.
    #[error("{0}")]
    Server(String),
    /// The body is not an answer, or of a type that is not one number per series.
    #[error("{0}")]
    Invalid(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<D> {
    status: String,
    data: Option<D>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    warnings: Option<Vec<String>>,
    /// `VictoriaMetrics`: some of its storage did not answer.
    #[serde(default)]
    is_partial: bool,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase", bound = "L: Default + Deserialize<'de>")]
enum Data<L> {
    Scalar(Point),
    Vector(Vec<Element<L>>),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

/// The answer to a question about a span of time.
#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Span {
    Matrix(Vec<Stretch>),
    Scalar(IgnoredAny),
    Vector(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Stretch {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// Native histograms have `histograms` instead.
    #[serde(default)]
    values: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(bound = "L: Default + Deserialize<'de>")]
struct Element<L> {
    #[serde(default)]
    metric: L,
    /// Only native histograms have none.
    value: Option<Point>,
}

#[derive(Default, Deserialize)]
struct Labels {
    pod: Option<String>,
}

#[derive(Default, Deserialize)]
struct Both {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    pod: String,
}

/// `[seconds, "value"]`.
#[derive(Deserialize)]
struct Point(f64, String);

/// Reads a body; the second part are the server's warnings.
pub fn decode(body: &[u8]) -> Result<(Answer, Vec<String>), DecodeError> {
    let (data, warnings) = open(body)?;
    let answer = match data {
        Data::Scalar(point) => Answer::Scalar(point.number()?),
        Data::Vector(elements) => vector(elements)?,
        Data::Matrix(_) => return Err(DecodeError::Invalid("the query gives a range of values; one instant is needed".into())),
        Data::String(_) => return Err(DecodeError::Invalid("the query gives a text; a number is needed".into())),
    };
    Ok((answer, warnings))
}

/// Reads a body with one element per namespace and pod, or per name by other labels; the second part are the server's warnings.
pub fn decode_by_name(body: &[u8], shape: Shape) -> Result<(ByName, Vec<String>), DecodeError> {
    match shape {
        Shape::Sum | Shape::PerPod => by_name(body, |Both { namespace, pod }| (namespace, pod)),
        Shape::Named(names) => by_name(body, |labels| names.of(labels)),
    }
}

fn by_name<L: Default + serde::de::DeserializeOwned>(
    body: &[u8],
    name: impl Fn(L) -> (String, String),
) -> Result<(ByName, Vec<String>), DecodeError> {
    let (Data::Vector(elements), warnings) = open(body)? else {
        return Err(DecodeError::Invalid("the query gives no vector".into()));
    };
    let mut answer = ByName { count: elements.len(), ..ByName::default() };
    for Element { metric, value } in elements {
        let (namespace, name) = name(metric);
        let number = value.map(|point| point.number()).transpose()?;
        match answer.elements.entry(namespace).or_default().entry(name) {
            Entry::Vacant(place) => drop(place.insert(number)),
            // Two labels may have said the same name; what a histogram would add is unknown, and so is the sum.
            Entry::Occupied(mut place) => {
                let sum = place.get().zip(number).map(|(sum, more)| Number { value: sum.value + more.value, ..sum });
                place.insert(sum);
            }
        }
    }
    Ok((answer, warnings))
}

/// Reads a body that is about a span of time; the second part are the server's warnings.
pub fn decode_runs(body: &[u8]) -> Result<(Vec<Run>, Vec<String>), DecodeError> {
    let (data, warnings) = open(body)?;
    let Span::Matrix(stretches) = data else { return Err(DecodeError::Invalid("the query gives no range of values".into())) };
    let run = |Stretch { metric, values }| {
        let points: Vec<Number> = values.iter().map(Point::number).collect::<Result<_, _>>()?;
        Ok(Run { labels: metric, points: points.into_iter().filter(|number| number.value.is_finite()).collect() })
    };
    Ok((stretches.into_iter().map(run).collect::<Result<_, _>>()?, warnings))
}

/// The data of a body that counts as a success, and the server's warnings.
fn open<D: serde::de::DeserializeOwned>(body: &[u8]) -> Result<(D, Vec<String>), DecodeError> {
    let body: Body<D> = serde_json::from_slice(body)
        .map_err(|error| DecodeError::Invalid(format!("the answer is not one of a Prometheus API: {error}")))?;
    if body.status != "success" {
        return Err(DecodeError::Server(match (body.error_type.as_str(), body.error.as_str()) {
            ("", "") => format!("status {:?} without an error", body.status),
            ("", error) => error.to_owned(),
            (kind, error) => format!("{kind}: {error}"),
        }));
    }
    let warnings = body.warnings.unwrap_or_default();
    if let Some(why) = partial(&warnings, body.is_partial) {
        return Err(DecodeError::Invalid(format!("the answer is partial, so its numbers may be too low: {why}")));
    }
    let data = body.data.ok_or_else(|| DecodeError::Invalid("the answer has no data".into()))?;
    Ok((data, warnings))
}

/// Why parts of the data are not in an answer that counts as a success. A partial sum looks like less load.
fn partial(warnings: &[String], flagged: bool) -> Option<&str> {
    let tells = |warning: &&String| ["partial", "truncated"].iter().any(|word| warning.to_ascii_lowercase().contains(word));
    let warning = warnings.iter().find(tells).map(String::as_str);
    warning.or_else(|| flagged.then_some("the server could not read all of its data"))
}

fn vector(elements: Vec<Element<Labels>>) -> Result<Answer, DecodeError> {
    let all = elements.len();
    let mut series = Vec::with_capacity(all);
    for Element { metric, value } in elements {
        if let Some(point) = value {
            series.push(Series { pod: metric.pod.filter(|pod| !pod.is_empty()), number: point.number()? });
        }
    }
    Ok(Answer::Vector { histograms: all - series.len(), series })
}

// === impl Point ===

impl Point {
    fn number(&self) -> Result<Number, DecodeError> {
        let value =
            self.1.parse().map_err(|_| DecodeError::Invalid(format!("{:?} is not a number", super::super::failure::quote(&self.1))))?;
        // Saturates where no calendar reaches.
        #[allow(clippy::cast_possible_truncation)]
        let millis = (self.0 * 1000.0).round() as i64;
        Ok(Number { value, time: Time::from_millis(millis) })
    }
}

// === impl Names ===

impl Names {
    fn of(&self, mut labels: BTreeMap<String, String>) -> (String, String) {
        let mut first =
            |keys: &[&str]| keys.iter().filter_map(|key| labels.remove(*key)).find(|value| !value.is_empty()).unwrap_or_default();
        (first(self.namespace), first(self.name))
    }
}
