//! The text formats: Prometheus' own (0.0.4, 1.0.0) and `OpenMetrics` (1.0.0), read line by line as they arrive, and only the lines of wanted
//! families.
//!
//! Written here rather than taken from a library: those that are free to use read whole bodies with regular expressions, keep every label of
//! every series, end a label set at a `}` inside of a value and pass over what they cannot read, where a line of a wanted family that cannot be
//! read has to make the scrape unusable. What Prometheus reads of a wanted family is read alike (`tests/prom_direct.rs`), but for three things
//! that no client library writes: names in quotes before the braces' labels, line breaks inside of label values, and lines above 64 KiB.

use super::take::{Family, LONGEST_LINE, Taker, Unreadable};

/// Reads text as it arrives.
pub(super) struct Text {
    taker: Taker,
    /// `OpenMetrics`, which says where it ends.
    open_metrics: bool,
    ended: bool,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// Of the line being read, from 1.
    line: usize,
}

// === impl Text ===

impl Text {
    pub fn new(taker: Taker, open_metrics: bool) -> Self {
        Self { taker, open_metrics, ended: false, partial: Vec::new(), line: 0 }
    }

    /// Takes what has arrived.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Unreadable> {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.partial.len() + piece.len() > LONGEST_LINE {
                return Err(Unreadable::TooLong);
            }
            match piece.strip_suffix(b"\n") {
                Some(end) if self.partial.is_empty() => self.read(end)?,
                Some(end) => {
                    let mut line = std::mem::take(&mut self.partial);
                    line.extend_from_slice(end);
                    self.read(&line)?;
                    line.clear();
                    self.partial = line;
                }
                None => self.partial.extend_from_slice(piece),
            }
        }
        Ok(())
    }

    /// Everything has arrived.
    pub fn finish(mut self) -> Result<Vec<Family>, Unreadable> {
        let last = std::mem::take(&mut self.partial);
        if !last.is_empty() {
            self.read(&last)?;
        }
        if self.open_metrics && !self.ended {
            return Err(Unreadable::Cut);
        }
        Ok(self.taker.finish())
    }

    fn read(&mut self, line: &[u8]) -> Result<(), Unreadable> {
        self.line += 1;
        if self.ended {
            return Err(Unreadable::Line(self.line, "there is something after the end"));
        }
        if self.open_metrics && line == b"# EOF" {
            self.ended = true;
            return Ok(());
        }
        let line = line.trim_ascii_start();
        // Names that begin like a wanted one are another's.
        let wanted = self.taker.names().position(|name| line.strip_prefix(name.as_bytes()).is_some_and(|rest| !goes_on(rest)));
        let Some(family) = wanted else { return Ok(()) };
        let length = self.taker.names().nth(family).map_or(0, str::len);
        self.sample(family, &line[length..]).map_err(|why| why.at(self.line))
    }

    /// Labels, value, and what may follow it.
    fn sample(&mut self, family: usize, rest: &[u8]) -> Result<(), Why> {
        let mut taking = self.taker.begin(family);
        let mut rest = rest.trim_ascii_start();
        if let Some(labels) = rest.strip_prefix(b"{") {
            let mut scan = labels;
            while let Some((name, value)) = label(&mut scan)? {
                self.taker.label(&mut taking, name, value);
            }
            rest = scan.trim_ascii_start();
        }
        let (value, rest) = word(rest);
        let value = number(value).ok_or(Why::Line("the value is not a number"))?;
        let (stamp, rest) = word(rest);
        let stamped = !stamp.is_empty() && !stamp.starts_with(b"#");
        if stamped && number(stamp).is_none() {
            return Err(Why::Line("the time is not a number"));
        }
        let (more, _) = word(rest);
        // OpenMetrics has an exemplar after it.
        let exemplar = stamp.starts_with(b"#") || more.starts_with(b"#");
        if exemplar && !self.open_metrics || !exemplar && !more.is_empty() {
            return Err(Why::Line("there is something after value and time"));
        }
        self.taker.end(&taking, value, stamped).map_err(Why::Other)
    }
}

/// Name and value, as they are written.
type Label<'a> = (&'a [u8], &'a [u8]);

/// Why a line cannot be read.
enum Why {
    Line(&'static str),
    Other(Unreadable),
}

impl Why {
    fn at(self, line: usize) -> Unreadable {
        match self {
            Self::Line(why) => Unreadable::Line(line, why),
            Self::Other(unreadable) => unreadable,
        }
    }
}

/// Whether a metric's name goes on.
fn goes_on(rest: &[u8]) -> bool {
    rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
}

/// The next label of a set, as it is written; `None` at its end. `scan` is moved behind it.
fn label<'a>(scan: &mut &'a [u8]) -> Result<Option<Label<'a>>, Why> {
    let rest = scan.trim_ascii_start();
    if let Some(rest) = rest.strip_prefix(b"}") {
        *scan = rest;
        return Ok(None);
    }
    let (name, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => quoted_end(quoted)?,
        None => rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()),
    };
    if name.is_empty() {
        return Err(Why::Line("a label has no name"));
    }
    let rest = rest.trim_ascii_start().strip_prefix(b"=").ok_or(Why::Line("a label has no value"))?;
    let rest = rest.trim_ascii_start().strip_prefix(b"\"").ok_or(Why::Line("a label's value is not in quotes"))?;
    let (value, rest) = quoted_end(rest)?;
    let rest = rest.trim_ascii_start();
    *scan = match rest.first() {
        Some(b',') => &rest[1..],
        Some(b'}') => rest,
        _ => return Err(Why::Line("labels are not separated by commas")),
    };
    Ok(Some((name, value)))
}

/// What stands before the closing quote, as it is written, and what comes after.
fn quoted_end(text: &[u8]) -> Result<(&[u8], &[u8]), Why> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    Err(Why::Line("a quote is not closed"))
}

/// The next word, and what comes after.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii_start();
    text.split_at(text.iter().take_while(|byte| !matches!(byte, b' ' | b'\t')).count())
}

fn number(word: &[u8]) -> Option<f64> {
    str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::take::wants;
    use super::*;

    const NAME: &str = "http_requests_total";

    fn read(text: &[u8], open_metrics: bool) -> Result<Family, Unreadable> {
        let mut reader = Text::new(Taker::new(wants(&[NAME])), open_metrics);
        reader.feed(text)?;
        Ok(reader.finish()?.remove(0))
    }

    fn values(text: &str) -> Vec<f64> {
        let mut values: Vec<f64> = read(text.as_bytes(), false).unwrap().series.into_iter().map(|(_, value)| value).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn only_the_wanted_family_is_read() {
        let text = "# HELP http_requests_total All.\n# TYPE http_requests_total counter\n\
            http_requests_total{code=\"200\",path=\"/a b\"} 3\nhttp_requests_total{code=\"500\",path=\"}\\\"{\"} 4.5e1\n\
            http_requests_total_created 17\nhttp_requests_totals{} 9\nxhttp_requests_total 8\nnonsense ]]\n\n\
            \t http_requests_total { code = \"404\" , } \t 7 \n";
        assert_eq!(values(text), [3.0, 7.0, 45.0]);
        assert_eq!(values("http_requests_total 1"), [1.0], "the last line needs no end");
        assert_eq!(values("http_requests_total{} 0\n"), [0.0]);
        assert_eq!(values(""), [0.0; 0]);
    }

    #[rstest]
    #[case::no_value("http_requests_total{a=\"b\"}")]
    #[case::no_number("http_requests_total many")]
    #[case::carriage_return("http_requests_total 1\r")]
    #[case::open_quote("http_requests_total{a=\"b} 1")]
    #[case::open_set("http_requests_total{a=\"b\"")]
    #[case::no_quotes("http_requests_total{a=b} 1")]
    #[case::no_comma("http_requests_total{a=\"b\" c=\"d\"} 1")]
    #[case::no_name("http_requests_total{=\"d\"} 1")]
    #[case::two_commas("http_requests_total{a=\"b\",,} 1")]
    #[case::three_words("http_requests_total 1 2 3")]
    #[case::no_time("http_requests_total 1 now")]
    #[case::exemplar("http_requests_total 1 # {a=\"b\"} 1")]
    fn a_wanted_line_that_cannot_be_read_makes_all_unusable(#[case] line: &str) {
        let text = format!("up 1\n{line}\nhttp_requests_total{{ok=\"1\"}} 1\n");
        assert!(matches!(read(text.as_bytes(), false), Err(Unreadable::Line(2, _))), "{line}");
    }

    #[test]
    fn values_with_a_time_of_their_own_are_not_of_now() {
        assert!(read(b"http_requests_total 1 1700000000000\n", false).unwrap().broken);
        assert!(read(b"http_requests_total 1 1700000000.1 # {id=\"7\"} 1\n# EOF\n", true).unwrap().broken);
        assert!(read(b"http_requests_total NaN\n", false).unwrap().broken);
    }

    #[test]
    fn open_metrics_says_where_it_ends() {
        let whole = b"http_requests_total{a=\"b\"} 5 # {trace=\"x y\"} 1 1.5\n# EOF\n";
        assert_eq!(read(whole, true).unwrap().series.len(), 1);
        assert_eq!(read(&whole[..whole.len() - 6], true), Err(Unreadable::Cut));
        assert_eq!(read(b"# EOF\nup 1\n", true), Err(Unreadable::Line(2, "there is something after the end")));
        assert!(read(b"http_requests_total 1\n# EOF", true).is_ok());
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut reader = Text::new(Taker::new(wants(&[NAME])), false);
        let fed = (0..100).try_for_each(|_| reader.feed(&[b'x'; 1 << 10]));
        assert_eq!(fed, Err(Unreadable::TooLong));
        assert!(reader.partial.len() <= LONGEST_LINE);
    }

    fn label_text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z]{0,5}", "[ -~]{0,8}".prop_map(|text| text.replace('\\', "\\\\").replace('"', "\\\"")), Just("é\\n".to_owned())]
    }

    fn lines() -> impl Strategy<Value = Vec<(String, f64)>> {
        let labels = proptest::collection::btree_map("[a-z_]{1,6}", label_text(), 0..4);
        let labels =
            labels.prop_map(|labels| labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(","));
        proptest::collection::btree_map(labels, 0.0..1e12, 0..20).prop_map(|lines| lines.into_iter().collect())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(lines in lines(), cut in 1..64_usize) {
            let text = lines.iter().map(|(labels, value)| format!("other 1\n{NAME}{{{labels}}} {value:?}\n")).collect::<Vec<_>>().concat();
            let mut reader = Text::new(Taker::new(wants(&[NAME])), false);
            for chunk in text.as_bytes().chunks(cut) {
                reader.feed(chunk).unwrap();
            }
            let mut read: Vec<f64> = reader.finish().unwrap().remove(0).series.into_iter().map(|(_, value)| value).collect();
            let mut written: Vec<f64> = lines.into_iter().map(|(_, value)| value).collect();
            read.sort_by(f64::total_cmp);
            written.sort_by(f64::total_cmp);
            prop_assert_eq!(read, written);
        }

        #[test]
        fn anything_at_all_ends_well(bytes in proptest::collection::vec(any::<u8>(), 0..400), open in any::<bool>()) {
            let _ = read(&bytes, open);
            let mut led = b"http_requests_total".to_vec();
            led.extend(bytes);
            let _ = read(&led, open);
        }

        #[test]
        fn near_misses_end_well(text in r#"http_requests_total[ {}=,"a\\n#0-9.eE+ \t-]{0,60}"#, open in any::<bool>()) {
            let _ = read(text.as_bytes(), open);
        }
    }
}
