//! Text from users in a page: as text, inside scripts, inside plots.

use std::fmt::Write as _;

use serde::Serialize;

use super::Error;

/// Text as HTML, for elements and for attributes in double quotes. plotly.js reads the same few entities in names and labels, where it
/// would take tags as formatting.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters have no meaning in a page, and some are not allowed there.
            c if c.is_control() && c != '\n' && c != '\t' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A value as JSON that can stand between script tags: no `<` at all, so neither `</script>` nor `<!--`.
pub fn json(what: &'static str, value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string(value).map_err(|source| Error::Json { what, source })?;
    Ok(text.replace('<', "\\u003c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_entities_quotes_and_control_characters_are_text() {
        assert_eq!(html("a<b>&\"'\u{0}\u{1b}é"), "a&lt;b&gt;&amp;&quot;&#39;\\u{0}\\u{1b}é");
    }

    #[test]
    fn json_never_ends_its_script() {
        let text = "</script><!--<script>\u{2028}";
        let escaped = json("it", &text).unwrap();
        assert!(!escaped.contains('<'), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
    }
}
