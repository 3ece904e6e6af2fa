//! Bodies of `/api/v1/query`.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::core::Time;

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
struct Body {
    status: String,
    data: Option<Data>,
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
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Point),
    Vector(Vec<Element>),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Element {
    #[serde(default)]
    metric: Labels,
    value: Option<Point>,
}

#[derive(Default, Deserialize)]
struct Labels {
    pod: Option<String>,
}

/// `[seconds, "value"]`.
#[derive(Deserialize)]
struct Point(f64, String);

/// Reads a body; the second part are the server's warnings.
pub fn decode(body: &[u8]) -> Result<(Answer, Vec<String>), DecodeError> {
    let body: Body = serde_json::from_slice(body)
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
    let answer = match body.data {
        Some(Data::Scalar(point)) => Answer::Scalar(point.number()?),
        Some(Data::Vector(elements)) => vector(elements)?,
        Some(Data::Matrix(_)) => return Err(DecodeError::Invalid("the query gives a range of values; one instant is needed".into())),
        Some(Data::String(_)) => return Err(DecodeError::Invalid("the query gives a text; a number is needed".into())),
        None => return Err(DecodeError::Invalid("the answer has no data".into())),
    };
    Ok((answer, warnings))
}

/// Why parts of the data are not in an answer that counts as a success. A partial sum looks like less load.
fn partial(warnings: &[String], flagged: bool) -> Option<&str> {
    let tells = |warning: &&String| ["partial", "truncated"].iter().any(|word| warning.to_ascii_lowercase().contains(word));
    let warning = warnings.iter().find(tells).map(String::as_str);
    warning.or_else(|| flagged.then_some("the server could not read all of its data"))
}

fn vector(elements: Vec<Element>) -> Result<Answer, DecodeError> {
    let all = elements.len();
    let mut series = Vec::with_capacity(all);
    for Element { metric, value } in elements {
        // Only native histograms have no `value`.
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
