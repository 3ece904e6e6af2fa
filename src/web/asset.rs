//! The files of the page, compiled in: it works where nothing else can be reached.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::hashing::fnv1a;

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// Name, type, text.
const FILES: [(&str, &str, &str); 10] = [
    ("page.css", CSS, include_str!("assets/page.css")),
    ("app.js", JS, include_str!("assets/app.js")),
    ("live.js", JS, include_str!("assets/live.js")),
    ("list.js", JS, include_str!("assets/list.js")),
    ("policy.js", JS, include_str!("assets/policy.js")),
    ("plot.js", JS, include_str!("assets/plot.js")),
    ("dom.js", JS, include_str!("assets/dom.js")),
    ("uplot.js", JS, include_str!("assets/uplot/uPlot.iife.min.js")),
    ("uplot.css", CSS, include_str!("assets/uplot/uPlot.min.css")),
    ("uplot-licence.txt", "text/plain; charset=utf-8", include_str!("assets/uplot/LICENSE")),
];

pub(super) async fn index(headers: HeaderMap) -> Response {
    answer(&headers, HTML, include_str!("assets/index.html"))
}

pub(super) async fn file(headers: HeaderMap, Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, text)) => answer(&headers, kind, text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Asked for each time, sent when it has changed: after an upgrade nobody mixes old files with new ones.
fn answer(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let tag = format!("\"{:016x}\"", fnv1a(text.as_bytes()));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let about = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, kind)], text).into_response()
}
