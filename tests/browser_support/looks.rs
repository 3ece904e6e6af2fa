//! How a page looks: what is asked of every page, and pictures of it.

use std::path::Path;

use super::Page;

/// Screenshots load with the README.
const LARGEST: usize = 300 * 1024;

/// Whether the page is wider than its window.
pub fn scrolls_sideways(page: &mut Page<'_>) -> bool {
    page.value("document.documentElement.scrollWidth > innerWidth") == true
}

/// Contrast after WCAG 2 of the text of an element with the first background behind it.
const CONTRAST: &str = r"(element => {
    const rgb = text => text.match(/[\d.]+/g).map(Number);
    const light = text => { const [r, g, b] = rgb(text).slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b; };
    let behind = element;
    while (behind && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const [a, b] = [light(getComputedStyle(element).color), light(getComputedStyle(behind).backgroundColor)].sort((a, b) => b - a);
    return (a + .05) / (b + .05);
})";

/// Every text has the contrast that WCAG 2 demands (AA).
pub fn is_readable(page: &mut Page<'_>) {
    let worst = page.value(&format!(
        "Math.min(...[...document.querySelectorAll('h1, h2, h3, p, a, b, li, span, small, summary, th, td, button:not(:disabled), label, .muted')]\
         .filter(e => e.textContent.trim() && e.checkVisibility() && !e.closest('svg')).map({CONTRAST}))"
    ));
    assert!(worst.as_f64().unwrap() >= 4.5, "contrast {worst}");
}

/// A screenshot of the README: written on demand, else there.
pub fn picture(name: &str, shot: &[u8]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images").join(name);
    if std::env::var_os("UPDATE").is_some() {
        assert!(shot.len() <= LARGEST, "{name}: {} bytes", shot.len());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, shot).unwrap();
    }
    let there = std::fs::read(&file).unwrap_or_else(|error| panic!("{name}: {error}; UPDATE=1 writes it"));
    assert!(there.starts_with(b"\x89PNG") && there.len() <= LARGEST, "{name}");
}

/// For eyes: `SCREENSHOTS=FOLDER` keeps all of them.
pub fn keep(name: &str, shot: &[u8]) {
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), shot).unwrap();
    }
}
