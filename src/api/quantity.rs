//! Kubernetes quantities (`350m`, `1.5Gi`, `2e3`, `0.05`), exact where the decision needs it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// Largest number of digits in front of the suffix that is read; more cannot be a sensible quantity.
const MAX_DIGITS: usize = 36;

/// A quantity as it was written: a number or a text with a suffix.
///
/// Text that is not a quantity is kept as it is, so that validation can name it together with its field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// The text is not a Kubernetes quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a quantity such as 100, 0.5, 350m, 2k or 1.5Gi")]
pub struct QuantityError;

impl Quantity {
    /// The value in thousandths of the unit, rounded away from zero and capped at ±(2^63-1) as `MilliValue` of apimachinery does.
    pub fn milli(&self) -> Result<i64, QuantityError> {
        milli(&self.0)
    }

    /// The value as a ratio, exact to 1e-9, as `AsApproximateFloat64` of apimachinery has it after its own rounding to nano.
    pub fn ratio(&self) -> Result<f64, QuantityError> {
        Decimal::parse(&self.0).map(|decimal| decimal.scaled(9) as f64 / 1e9)
    }

    /// Thousandths of the unit in the form Kubernetes writes: the largest decimal suffix that leaves a whole number, so `412000` gives `412`,
    /// `1500` gives `1500m` and `2000000` gives `2k`. A fraction of a thousandth is rounded to the nearest.
    #[must_use]
    pub fn from_milli(milli: f64) -> Self {
        Self::canonical(whole(milli), 1000, &["m", "", "k", "M", "G", "T", "P", "E"])
    }

    /// Thousandths of bytes in the form the stock autoscaler shows memory: whole bytes, rounded up, with the largest binary suffix that leaves
    /// a whole number.
    #[must_use]
    pub fn from_milli_bytes(milli: f64) -> Self {
        Self::canonical(whole((milli / 1000.0).ceil()), 1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
    }

    fn canonical(mut value: i64, step: i64, suffixes: &[&str]) -> Self {
        if value == 0 {
            return Self("0".to_owned());
        }
        let mut suffix = 0;
        while value % step == 0 && suffix + 1 < suffixes.len() {
            (value, suffix) = (value / step, suffix + 1);
        }
        Self(format!("{value}{}", suffixes[suffix]))
    }
}

/// [`Quantity::milli`] of a text.
pub(crate) fn milli(text: &str) -> Result<i64, QuantityError> {
    Decimal::parse(text).map(|decimal| decimal.scaled(3))
}

// The cast saturates, and turns NaN, which no source lets through, into 0.
#[allow(clippy::cast_possible_truncation)]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Self(text),
            other => Self(other.to_string()),
        })
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    // The stock API takes numbers with a fraction (`tolerance: 0.05`), which int-or-string refuses; so the type stays open, and
    // pattern (texts) and minimum (numbers) bound it.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-preserve-unknown-fields": true, "pattern": PATTERN, "minimum": 0 })
    }
}

/// Texts that are quantities and not negative.
const PATTERN: &str = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";

/// Texts that are quantities above zero: some digit in front of the suffix is not 0.
pub(crate) const POSITIVE_PATTERN: &str =
    r"^\+?([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";

/// Schema of a quantity that must be above zero; for `#[schemars(schema_with)]`.
pub(crate) fn positive(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-preserve-unknown-fields": true, "pattern": POSITIVE_PATTERN, "minimum": 0, "exclusiveMinimum": true,
    })
}

/// `± digits × 10^-places × 2^shift`.
struct Decimal {
    negative: bool,
    digits: u128,
    places: i32,
    shift: u32,
}

impl Decimal {
    fn parse(text: &str) -> Result<Self, QuantityError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let number_end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(number_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > MAX_DIGITS || fraction.contains('.') {
            return Err(QuantityError);
        }
        let digits = [whole, fraction].concat().parse().map_err(|_| QuantityError)?;
        let (exponent, shift) = suffix_scale(suffix).ok_or(QuantityError)?;
        let places = i32::try_from(fraction.len()).map_err(|_| QuantityError)?.saturating_sub(exponent);
        Ok(Self { negative, digits, places, shift })
    }

    /// The value times 10^`scale`, rounded away from zero, saturating.
    fn scaled(&self, scale: i32) -> i64 {
        let down = self.places.saturating_sub(scale);
        let magnitude = self.digits.saturating_mul(1u128 << self.shift);
        let magnitude = match (magnitude, 10u128.checked_pow(down.unsigned_abs())) {
            (0, _) => 0,
            (some, Some(factor)) if down <= 0 => some.saturating_mul(factor),
            (some, Some(factor)) => some.div_ceil(factor),
            (_, None) if down <= 0 => u128::MAX,
            (_, None) => 1,
        };
        let capped = i64::try_from(magnitude).unwrap_or(i64::MAX);
        if self.negative { -capped } else { capped }
    }
}

/// Power of ten and power of two of a suffix.
fn suffix_scale(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        other => {
            let exponent = other.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (plain.then(|| exponent.parse().ok())??, 0)
        }
    })
}
