//! The protobuf format: messages `io.prometheus.client.MetricFamily`, each with its length in front. Families that are not wanted are passed
//! over without being kept or decoded.
//!
//! The fields are those of Prometheus' `client_model`'s `metrics.proto`, which cannot change any more. A family is walked by hand, metric by
//! metric: decoded as a whole, two bytes of an empty metric would become a hundred in memory.

use prost::Message;

use super::take::{Family, LONGEST_LINE, Taker, Unreadable};

/// Largest message of a wanted family: [`MOST_SERIES`](super::take::MOST_SERIES) of a hundred bytes.
const LARGEST: usize = 512 << 10;
/// So many bytes hold the length of a message and the name in it, if it is that of a wanted family.
const HEAD: usize = 128;
/// Key of a family's metrics: field 4, a message.
const METRIC: u64 = (4 << 3) | 2;

/// `io.prometheus.client.Metric`, without summaries, and of histograms their sum.
#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "5")]
    untyped: Option<Number>,
    #[prost(int64, optional, tag = "6")]
    timestamp_ms: Option<i64>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Sum>,
}

/// `Histogram`, without its buckets.
#[derive(Clone, Copy, PartialEq, Message)]
struct Sum {
    #[prost(double, tag = "2")]
    sample_sum: f64,
}

/// `io.prometheus.client.LabelPair`.
#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `Gauge`, `Counter` and `Untyped`, which agree in this.
#[derive(Clone, Copy, PartialEq, Message)]
struct Number {
    #[prost(double, tag = "1")]
    value: f64,
}

/// Reads messages as they arrive.
pub(super) struct Protobuf {
    taker: Taker,
    /// What has arrived of a message that is or may be wanted.
    partial: Vec<u8>,
    /// Bytes still to come of one that is not.
    skip: usize,
}

/// What the beginning of a message says.
enum Head {
    /// More of it is needed.
    Unknown,
    /// It is of no interest, and has so many bytes, its length included.
    Skip(usize),
    /// It is of the family at this place, and its body is there.
    Whole { family: usize, body: std::ops::Range<usize> },
}

// === impl Protobuf ===

impl Protobuf {
    pub fn new(taker: Taker) -> Self {
        Self { taker, partial: Vec::new(), skip: 0 }
    }

    /// Takes what has arrived.
    pub fn feed(&mut self, mut chunk: &[u8]) -> Result<(), Unreadable> {
        while !chunk.is_empty() {
            let passed = self.skip.min(chunk.len());
            self.skip -= passed;
            chunk = &chunk[passed..];
            // A little at a time, so that only what is wanted is ever kept.
            let (taken, rest) = chunk.split_at(chunk.len().min(LONGEST_LINE));
            self.partial.extend_from_slice(taken);
            chunk = rest;
            self.read()?;
        }
        Ok(())
    }

    /// Everything has arrived.
    pub fn finish(self) -> Result<Vec<Family>, Unreadable> {
        if self.partial.is_empty() && self.skip == 0 { Ok(self.taker.finish()) } else { Err(Unreadable::Cut) }
    }

    /// Reads the messages that are whole.
    fn read(&mut self) -> Result<(), Unreadable> {
        let mut at = 0;
        while at < self.partial.len() {
            match self.head(&self.partial[at..])? {
                Head::Unknown => break,
                Head::Skip(length) => {
                    let there = length.min(self.partial.len() - at);
                    self.skip = length - there;
                    at += there;
                }
                Head::Whole { family, body } => {
                    let (start, end) = (at + body.start, at + body.end);
                    family_of(&mut self.taker, family, &self.partial[start..end])?;
                    at = end;
                }
            }
        }
        self.partial.drain(..at);
        Ok(())
    }

    fn head(&self, bytes: &[u8]) -> Result<Head, Unreadable> {
        let mut rest = bytes;
        let Some(length) = varint(&mut rest)? else { return Ok(Head::Unknown) };
        let start = bytes.len() - rest.len();
        let length = usize::try_from(length).map_err(|_| Unreadable::Message("a message has no sensible length"))?;
        let end = start.checked_add(length).ok_or(Unreadable::Message("a message has no sensible length"))?;
        // Every known library writes the name first; a message that begins otherwise is passed over, and its family missing.
        let known = rest.get(..length.min(HEAD)).unwrap_or(rest);
        if known.len() < length.min(HEAD) {
            return Ok(Head::Unknown);
        }
        let name = name(known);
        let is_it =
            |wanted: &str| name.is_some_and(|name| wanted.as_bytes() == name || sum_of(wanted).is_some_and(|of| of.as_bytes() == name));
        let Some(family) = self.taker.names().position(is_it) else { return Ok(Head::Skip(end)) };
        if length > LARGEST {
            return Err(Unreadable::TooMany);
        }
        Ok(if bytes.len() < end { Head::Unknown } else { Head::Whole { family, body: start..end } })
    }
}

/// The histogram whose sum this series is, by its name.
fn sum_of(series: &str) -> Option<&str> {
    series.strip_suffix("_sum")
}

/// The name at the beginning of a family.
fn name(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(&[0x0a])?;
    let length = usize::try_from(varint(&mut rest).ok()??).ok()?;
    rest.get(..length)
}

/// Takes the metrics of a family.
fn family_of(taker: &mut Taker, family: usize, mut body: &[u8]) -> Result<(), Unreadable> {
    while !body.is_empty() {
        let Some(key) = varint(&mut body)? else { return Err(Unreadable::Message("a field is cut off")) };
        let length = match key & 7 {
            0 => {
                varint(&mut body)?;
                0
            }
            1 => 8,
            2 => varint(&mut body)?.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX),
            5 => 4,
            _ => return Err(Unreadable::Message("a field has no known type")),
        };
        let (field, rest) = body.split_at_checked(length).ok_or(Unreadable::Message("a field is longer than its message"))?;
        body = rest;
        if key == METRIC {
            metric(taker, family, field)?;
        }
    }
    Ok(())
}

fn metric(taker: &mut Taker, family: usize, bytes: &[u8]) -> Result<(), Unreadable> {
    if bytes.len() > LONGEST_LINE {
        return Err(Unreadable::TooLong);
    }
    let metric = Metric::decode(bytes).map_err(|_| Unreadable::Message("a metric is not one"))?;
    // Summaries have other series than this, and so have histograms but for their sum.
    let sum = || metric.histogram.filter(|_| taker.names().nth(family).and_then(sum_of).is_some()).map(|sum| sum.sample_sum);
    let number = metric.counter.or(metric.gauge).or(metric.untyped).map(|number| number.value);
    let Some(value) = number.or_else(sum) else { return Ok(()) };
    let mut taking = taker.begin(family);
    for LabelPair { name, value } in &metric.label {
        taker.label(&mut taking, name.as_bytes(), value.as_bytes());
    }
    // 0 is what libraries write for none.
    taker.end(&taking, value, metric.timestamp_ms.is_some_and(|time| time != 0))
}

/// A number at the beginning of `bytes`, which are moved behind it; `None` while more is needed.
fn varint(bytes: &mut &[u8]) -> Result<Option<u64>, Unreadable> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Ok(Some(value));
        }
    }
    if bytes.len() < 10 { Ok(None) } else { Err(Unreadable::Message("a number is too long")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::take::{MOST_SERIES, wants};
    use super::*;

    const NAME: &str = "http_requests_total";

    /// As a server writes it.
    #[derive(Clone, PartialEq, Message)]
    struct MetricFamily {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        help: String,
        #[prost(int32, tag = "3")]
        kind: i32,
        #[prost(message, repeated, tag = "4")]
        metric: Vec<Metric>,
    }

    fn counter(label: &str, value: f64) -> Metric {
        let label = vec![LabelPair { name: "path".to_owned(), value: label.to_owned() }];
        Metric { label, counter: Some(Number { value }), ..Metric::default() }
    }

    fn family(name: &str, metric: Vec<Metric>) -> Vec<u8> {
        MetricFamily { name: name.to_owned(), help: "h".repeat(200), kind: 0, metric }.encode_length_delimited_to_vec()
    }

    fn read(bytes: &[u8], cut: usize) -> Result<Family, Unreadable> {
        let mut reader = Protobuf::new(Taker::new(wants(&[NAME])));
        for chunk in bytes.chunks(cut) {
            reader.feed(chunk)?;
        }
        Ok(reader.finish()?.remove(0))
    }

    #[test]
    fn wanted_families_are_read_and_others_passed_over() {
        let many = (0..2000).map(|n| counter(&n.to_string(), 1.0)).collect::<Vec<_>>();
        let stream =
            [family("go_info", many.clone()), family(NAME, vec![counter("/a", 3.0), counter("/b", 4.0)]), family("up", many)].concat();
        for cut in [1, 7, 1000, stream.len()] {
            let family = read(&stream, cut).unwrap();
            assert_eq!(family.series.len(), 2, "{cut}");
            assert!((family.series.iter().map(|(_, value)| value).sum::<f64>() - 7.0).abs() < 1e-9);
        }
        assert_eq!(read(&stream[..stream.len() - 1], 4096), Err(Unreadable::Cut));
    }

    #[test]
    fn gauges_untyped_and_times() {
        let number = Some(Number { value: 2.0 });
        let metrics = vec![
            Metric { gauge: number, label: counter("g", 0.0).label, ..Metric::default() },
            Metric { untyped: number, timestamp_ms: Some(0), ..Metric::default() },
        ];
        let plain = read(&family(NAME, metrics), 64).unwrap();
        assert_eq!((plain.series.len(), plain.broken), (2, false));
        let stamped = Metric { timestamp_ms: Some(1), ..counter("/", 1.0) };
        assert!(read(&family(NAME, vec![stamped]), 64).unwrap().broken);
        // A summary has no value of its own.
        assert_eq!(read(&family(NAME, vec![Metric::default()]), 64).unwrap().series.len(), 0);
    }

    #[test]
    fn of_a_histogram_the_sum_is_read_where_it_is_wanted() {
        let histogram = Metric { histogram: Some(Sum { sample_sum: 2.5 }), ..counter("/", 0.0) };
        let histogram = family("wait_seconds", vec![Metric { counter: None, ..histogram }]);
        let values = |wanted| {
            let mut reader = Protobuf::new(Taker::new(wants(&[wanted])));
            reader.feed(&histogram).unwrap();
            reader.finish().unwrap().remove(0).series.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(values("wait_seconds_sum"), [2.5]);
        assert_eq!(values("wait_seconds"), [0.0; 0], "there is no such series");
        assert_eq!(values("wait_seconds_sum_sum"), [0.0; 0]);
    }

    #[test]
    fn a_pod_cannot_fill_the_memory() {
        let many = (0..=MOST_SERIES).map(|n| counter(&n.to_string(), 1.0)).collect::<Vec<_>>();
        assert_eq!(read(&family(NAME, many), 4096), Err(Unreadable::TooMany));
        let long = vec![counter(&"x".repeat(LONGEST_LINE), 1.0)];
        assert_eq!(read(&family(NAME, long), 4096), Err(Unreadable::TooLong));
        // A length that no memory holds, of a family that is wanted and of one that is not.
        let mut head = vec![0xff, 0xff, 0xff, 0xff, 0x7f, 0x0a, u8::try_from(NAME.len()).unwrap()];
        head.extend(NAME.bytes());
        head.resize(HEAD + 16, 0);
        assert_eq!(read(&head, 4096), Err(Unreadable::TooMany));
        assert_eq!(read(&[0xff; 11], 11), Err(Unreadable::Message("a number is too long")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(
            values in proptest::collection::btree_map("[ -~]{0,12}", 0.0..1e12, 0..20), cut in 1..300_usize,
        ) {
            let metrics = values.iter().map(|(label, value)| counter(label, *value)).collect();
            let stream = [family("a", vec![]), family(NAME, metrics), family("b", vec![counter("x", 1.0)])].concat();
            let mut read: Vec<f64> = read(&stream, cut).unwrap().series.into_iter().map(|(_, value)| value).collect();
            let mut written: Vec<f64> = values.into_values().collect();
            read.sort_by(f64::total_cmp);
            written.sort_by(f64::total_cmp);
            prop_assert_eq!(read, written);
        }

        #[test]
        fn anything_at_all_ends_well(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1..64_usize) {
            let _ = read(&bytes, cut);
            let length = bytes.len() + NAME.len() + 2;
            let mut led = vec![u8::try_from(length % 128).unwrap() | 0x80, u8::try_from(length / 128).unwrap(), 0x0a, u8::try_from(NAME.len()).unwrap()];
            led.extend(NAME.bytes());
            led.extend(bytes);
            let _ = read(&led, cut);
        }
    }
}
