//! A page of one file: text, tables, plots. Nothing in it asks a network for anything.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use plotly::Plot;
use serde::Serialize;

use super::Error;
use super::escape;

const TEMPLATE: &str = include_str!("sheet.html");
const STYLE: &str = include_str!("sheet.css");
const SCRIPT: &str = include_str!("sheet.js");

/// A page in the making. What is added as HTML must be escaped already.
#[derive(Default)]
pub struct Sheet {
    title: String,
    body: String,
    data: String,
    script: &'static str,
}

impl Sheet {
    /// An empty page with this title, which is plain text.
    pub fn new(title: &str) -> Self {
        Self { title: escape::html(title), ..Self::default() }
    }

    /// Adds HTML.
    pub fn html(&mut self, html: &str) -> &mut Self {
        self.body.push_str(html);
        self.body.push('\n');
        self
    }

    /// Adds a plot of this height in CSS pixels; `label` says in plain text what it shows, for those who do not see it.
    ///
    /// Colours are those of the page: the `meta` of a trace names the CSS variable of its colour, without the dashes. Plots whose `link` is the
    /// same show the same part of their x axes.
    pub fn plot(&mut self, id: &str, plot: &Plot, height: u32, label: &str, link: Option<&str>) -> Result<&mut Self, Error> {
        let (id, label, link) = (escape::html(id), escape::html(label), escape::html(link.unwrap_or_default()));
        let _ = writeln!(
            self.body,
            "<div class=\"plot\" id=\"{id}\" data-link=\"{link}\" role=\"img\" aria-label=\"{label}\" style=\"height:{height}px\"></div>"
        );
        let json = escape::json("a plot", plot)?;
        let _ = writeln!(self.data, "<script type=\"application/json\" data-plot=\"{id}\">{json}</script>");
        Ok(self)
    }

    /// Adds data for the page's script, under an id of its own.
    pub fn data(&mut self, id: &'static str, value: &impl Serialize) -> Result<&mut Self, Error> {
        let json = escape::json("data of the page", value)?;
        let _ = writeln!(self.data, "<script type=\"application/json\" id=\"{id}\">{json}</script>");
        Ok(self)
    }

    /// Sets the script that runs after that of all pages.
    pub fn script(&mut self, script: &'static str) -> &mut Self {
        self.script = script;
        self
    }

    /// The whole file.
    pub fn render(&self) -> Result<String, Error> {
        let plotly = library()?;
        let nonce = self.nonce();
        let values = [
            ("title", self.title.as_str()),
            ("nonce", &nonce),
            ("style", STYLE),
            ("body", &self.body),
            ("data", &self.data),
            ("plotly", &plotly),
            ("script", SCRIPT),
            ("own_script", self.script),
        ];
        Ok(fill(TEMPLATE, &values))
    }

    /// Scripts run only if they bear it. It depends on all that users wrote, so nobody can write it down beforehand; and the same trial gives the
    /// same page.
    fn nonce(&self) -> String {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &self.title, &self.body, &self.data).hash(&mut hasher);
            hasher.finish()
        };
        format!("{:016x}{:016x}", half(1), half(2))
    }
}

/// The source of plotly.js. The crate offers it with `MathJax` behind it, which nothing here uses.
fn library() -> Result<String, Error> {
    let scripts = Plot::offline_js_sources();
    let start = scripts.find('>').map(|at| at + 1).ok_or(Error::Library)?;
    let end = scripts.find("</script>").ok_or(Error::Library)?;
    let source = scripts.get(start..end).ok_or(Error::Library)?;
    if source.contains("Plotly") { Ok(source.to_owned()) } else { Err(Error::Library) }
}

/// Puts values for `{{name}}`. Done in one pass: what a value contains stays as it is.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + values.iter().map(|value| value.1.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(values.iter().find(|value| value.0 == name).map_or("", |value| value.1));
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_once() {
        assert_eq!(fill("<{{a}}|{{b}}|{{a}}>", &[("a", "{{b}}"), ("b", "2")]), "<{{b}}|2|{{b}}>");
    }

    #[test]
    fn the_template_names_only_what_is_given() {
        let names: Vec<&str> = TEMPLATE.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name).collect();
        for name in names {
            assert!(["title", "nonce", "style", "body", "data", "plotly", "script", "own_script"].contains(&name), "{name}");
        }
    }

    #[test]
    fn the_library_is_plotly_alone() {
        let source = library().unwrap();
        assert!(source.contains("plotly.js v"));
        assert!(source.len() > 3_000_000 && source.len() < 5_000_000, "{}", source.len());
        assert!(!source.contains("</script"));
    }
}
