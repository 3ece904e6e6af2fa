//! Quantities: values as apimachinery's `MilliValue` gives them (the table was made with it), and rounding as a property.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ballast::api::quantity::Quantity;
use proptest::prelude::*;

#[test]
fn thousandths_are_those_of_apimachinery() {
    for (text, milli) in [
        ("0", 0),
        ("1", 1000),
        ("+1", 1000),
        ("-1", -1000),
        ("1.", 1000),
        (".5", 500),
        ("00012", 12_000),
        ("0.0005", 1),
        ("1n", 1),
        ("999999n", 1),
        ("1000001n", 2),
        ("0.0000000001", 1),
        ("350m", 350),
        ("1.5m", 2),
        ("1.5Gi", 1_610_612_736_000),
        ("0.1Ki", 102_400),
        ("0.3Mi", 314_572_800),
        ("1k", 1_000_000),
        ("0.5e3", 500_000),
        ("5e-1", 500),
        ("1E3", 1_000_000),
        ("2E0", 2000),
        ("9223372036854775", 9_223_372_036_854_775_000),
        ("1E", i64::MAX),
        ("9Ei", i64::MAX),
        ("1e99999", i64::MAX),
    ] {
        assert_eq!(Quantity::from(text).milli(), Ok(milli), "{text}");
    }
}

#[test]
fn what_is_not_a_quantity_is_refused() {
    for text in [
        "", ".", "+", "-", "k", "--1", "1..2", "1.2.3", "1 ", " 1", "0x1", "1K", "1mi", "1e", "1e1.5", "1_0", "1,0", "∞", "NaN", "5%",
        "1e5k", "true",
    ] {
        assert!(Quantity::from(text).milli().is_err(), "{text}");
        assert!(Quantity::from(text).ratio().is_err(), "{text}");
    }
}

#[test]
fn ratios_are_exact_to_nine_digits() {
    for (text, ratio) in [("0.05", 0.05), ("50m", 0.05), ("0.1", 0.1), ("0", 0.0), ("1", 1.0), ("5e-2", 0.05), ("-0.1", -0.1)] {
        assert_eq!(Quantity::from(text).ratio(), Ok(ratio), "{text}");
    }
}

#[test]
fn numbers_and_texts_are_read_alike() {
    for json in ["0.05", "\"0.05\"", "\"50m\""] {
        assert_eq!(serde_json::from_str::<Quantity>(json).unwrap().ratio(), Ok(0.05), "{json}");
    }
    for json in ["true", "[1]", "{\"a\":1}", "null"] {
        assert!(serde_json::from_str::<Quantity>(json).unwrap().milli().is_err(), "{json}");
    }
}

#[test]
fn values_are_written_with_the_largest_whole_suffix() {
    for (milli, text) in
        [(0.0, "0"), (412_000.0, "412"), (1500.0, "1500m"), (2_000_000.0, "2k"), (1.4, "1m"), (3.5e15, "3500G"), (-250.0, "-250m")]
    {
        assert_eq!(Quantity::from_milli(milli).0, text);
    }
    for (milli, text) in
        [(0.0, "0"), (1000.0, "1"), (1.0, "1"), (1_048_576_000.0, "1Mi"), (1_537_000.0, "1537"), (1_610_612_736_000.0, "1536Mi")]
    {
        assert_eq!(Quantity::from_milli_bytes(milli).0, text);
    }
}

proptest! {
    /// Away from zero to whole thousandths, against integer arithmetic on the digits.
    #[test]
    fn rounding_is_away_from_zero(negative: bool, whole in 0u64..1_000_000, fraction in "[0-9]{0,12}", exponent in -6i32..6) {
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{whole}.{fraction}e{exponent}");
        let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
        let scale = i32::try_from(fraction.len()).unwrap() - exponent - 3;
        let magnitude = if scale <= 0 {
            digits * 10i128.pow(scale.unsigned_abs())
        } else {
            let divisor = 10i128.pow(scale.unsigned_abs());
            (digits + divisor - 1) / divisor
        };
        let expected = if negative { -magnitude } else { magnitude };
        prop_assert_eq!(Quantity::from(text.as_str()).milli().map(i128::from), Ok(expected));
    }

    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let _ = (Quantity::from(text.as_str()).milli(), Quantity::from(text.as_str()).ratio());
    }

    #[test]
    fn number_like_text_never_panics(text in "[-+]?[0-9.]{0,45}([eE][-+]?[0-9]{0,12}|[numkMGTPE]i?)?") {
        let _ = (Quantity::from(text.as_str()).milli(), Quantity::from(text.as_str()).ratio());
    }

    /// Writing loses nothing.
    #[test]
    fn written_values_read_the_same(milli in -1_000_000_000_000i64..1_000_000_000_000) {
        prop_assert_eq!(Quantity::from_milli(milli as f64).milli(), Ok(milli));
    }
}
