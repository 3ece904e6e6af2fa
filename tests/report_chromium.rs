//! The page of a trial in a real browser: what is drawn, what can be done with it, and that it asks nobody for anything.
//!
//! `UPDATE=1` writes the screenshots of docs/images.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod browser_support;
mod report_support;

use std::path::PathBuf;

use ballast::report::html;
use ballast::sim::Trial;
use browser_support::looks::{is_readable, keep, picture, scrolls_sideways};
use browser_support::{Browser, Page};
use report_support::{HOSTILE, hostile, long, recorded};
use tempfile::TempDir;

const WIDE: (u32, u32) = (1000, 1120);
const NARROW: (u32, u32) = (400, 900);
const DRAWN: &str = "document.documentElement.dataset.drawn !== undefined";

/// The page of a trial, as a file.
fn written(trial: &Trial) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, html::page(trial).unwrap()).unwrap();
    (folder, file)
}

fn is_quiet(page: &Page<'_>) {
    assert_eq!(page.complaints(), [""; 0]);
    assert_eq!(page.requests(), [""; 0]);
}

/// Where a time and a number are in the plot `load`, in the window.
fn point(page: &mut Page<'_>, x: &str, y: &str) -> (f64, f64) {
    let at = page.value(&format!(
        "(() => {{ const at = document.getElementById('load'), box = at.getBoundingClientRect(), {{ xaxis: x, yaxis: y }} = at._fullLayout; \
         return [box.left + x._offset + x.d2p({x}), box.top + y._offset + y.d2p({y})]; }})()"
    ));
    (at[0].as_f64().unwrap(), at[1].as_f64().unwrap())
}

#[test]
fn a_recorded_day_is_drawn_and_can_be_explored() {
    let Some(mut browser) = Browser::start() else { return };
    let trial = recorded();
    let (_folder, file) = written(&trial);
    let mut page = Page::open(&mut browser, &file, WIDE, "light");
    page.until(DRAWN);

    assert!(page.value("document.body.textContent.includes('thinned')") == false);
    // Lines of the first plot, by name, with as many points as there is to tell.
    let lines = page.value("Object.fromEntries(document.getElementById('load').data.map(t => [t.name, t.x.length]))");
    for (name, least) in
        [("Load", trial.load.len()), ("Ready", 500), ("Ordered", 500), ("Wanted", 500), ("Short", 2), ("Scale up", 5), ("Scale down", 5)]
    {
        let points = usize::try_from(lines[name].as_u64().unwrap_or_default()).unwrap();
        assert!((least..=4000).contains(&points), "{name}: {lines}");
    }
    let contenders = trial.contenders.len() as u64;
    for (plot, least) in [("load", 4), ("rivals", contenders + 1), ("short", contenders)] {
        let drawn = page.value(&format!(
            "[...document.querySelectorAll('#{plot} .scatterlayer path.js-line')].filter(p => p.getAttribute('d').length > 20 && p.getBBox().width > 0).length"
        ));
        assert!(drawn.as_u64().unwrap() >= least, "{plot}: {drawn}");
    }
    let markers = page.value("document.querySelectorAll('#load .scatterlayer .points path').length");
    let moves = trial.contenders[0].decisions.iter().filter(|told| told.from != told.to).count();
    assert!(markers.as_u64().unwrap() >= moves as u64, "{markers} of {moves}");

    // The pointer at a decision shows its reason.
    let told = &trial.contenders[0].decisions.iter().rfind(|told| told.from != told.to).unwrap();
    let unix = (trial.start.unwrap() + i64::try_from(told.second).unwrap()) * 1000;
    let at = point(&mut page, &unix.to_string(), &told.to.to_string());
    page.mouse("mouseMoved", at, false);
    page.until("document.querySelectorAll('#load .hoverlayer text').length > 0");
    let hover = page.value("document.querySelector('#load .hoverlayer').textContent");
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    assert!(squeezed(hover.as_str().unwrap()).contains(&squeezed(&told.reason)), "{hover}\nnot with: {}", told.reason);

    // A drag zooms, and the other plots follow; a double click shows all.
    let all = page.value("document.getElementById('load').layout.xaxis.range");
    let hour = |hour: i64| ((trial.start.unwrap() + hour * 3600) * 1000).to_string();
    let (from, to) = (point(&mut page, &hour(6), "20"), point(&mut page, &hour(9), "20"));
    page.drag(from, to);
    let narrow = "['load', 'rivals', 'short'].every(id => { const [a, b] = document.getElementById(id).layout.xaxis.range.map(x => +new Date(x)); \
                  return b - a < 3.3 * 3600e3 && b - a > 2.7 * 3600e3; })";
    page.until(narrow);
    page.value("document.getElementById('theme').click()");
    page.until("document.documentElement.dataset.theme === 'dark'");
    page.until(narrow);
    page.value("document.getElementById('theme').click()");
    page.value("document.querySelector('#load [data-title=\"Show all\"]').click()");
    page.until(&format!("JSON.stringify(document.getElementById('rivals').layout.xaxis.range) === JSON.stringify({all})"));
    page.drag(from, to);
    page.until(narrow);
    let everything = format!("JSON.stringify(document.getElementById('short').layout.xaxis.range) === JSON.stringify({all})");
    // On a busy machine two clicks may be too far apart to count as one.
    for _ in 0..30 {
        for kind in ["mousePressed", "mouseReleased", "mousePressed", "mouseReleased"] {
            page.mouse(kind, from, kind == "mousePressed");
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        if page.value(&everything) == true {
            break;
        }
    }
    page.until(&everything);

    // The table: by verdict, by text, and its times lead to the plots.
    let rows = "document.querySelectorAll('#decisions-table tbody tr').length";
    assert_eq!(page.value(rows), trial.contenders[0].decisions.len().min(100));
    page.value("(() => { const v = document.getElementById('verdict'); v.value = 'Scale up'; v.dispatchEvent(new Event('change')); })()");
    let shown = page.value("[...new Set([...document.querySelectorAll('#decisions-table td.verdict')].map(c => c.textContent))].join()");
    assert_eq!(shown, "Scale up");
    page.value(
        "(() => { const c = document.getElementById('contains'); c.value = 'no such reason'; c.dispatchEvent(new Event('input')); })()",
    );
    assert_eq!(page.value(rows), 0);
    page.value("(() => { const c = document.getElementById('contains'); c.value = ''; c.dispatchEvent(new Event('input')); })()");
    page.value("document.querySelector('#decisions-table td.time button').click()");
    page.until(
        "(() => { const [a, b] = document.getElementById('short').layout.xaxis.range.map(x => +new Date(x)); return b - a === 3600e3; })()",
    );
    is_quiet(&page);
}

#[test]
fn light_and_dark_wide_and_narrow() {
    let Some(mut browser) = Browser::start() else { return };
    let trial = recorded();
    let (_folder, file) = written(&trial);
    for scheme in ["light", "dark"] {
        for size in [WIDE, NARROW] {
            let mut page = Page::open(&mut browser, &file, size, scheme);
            page.until(DRAWN);
            assert_eq!(page.value("document.documentElement.dataset.theme"), scheme);
            assert!(!scrolls_sideways(&mut page), "{scheme} {size:?}: the page scrolls sideways");
            is_readable(&mut page);
            let shot = page.screenshot();
            is_quiet(&page);
            if std::env::var_os("SCREENSHOTS").is_some() {
                let height = page.value("document.documentElement.scrollHeight").as_u64().unwrap();
                page.resize(size.0, u32::try_from(height.min(6000)).unwrap());
                keep(&format!("{scheme}-{}", size.0), &page.screenshot());
            }
            if size == WIDE {
                picture(&format!("report-{scheme}.png"), &shot);
            }
        }
    }
    // A reader who changes their mind.
    let mut page = Page::open(&mut browser, &file, WIDE, "light");
    page.until(DRAWN);
    let text = "document.querySelector('#load .xtick text').style.fill";
    let light = page.value(text);
    page.prefer("dark");
    page.until(&format!("{text} !== {light}"));
    is_quiet(&page);
}

#[test]
fn names_and_reasons_are_text_whatever_they_say() {
    let trial = hostile();
    let text = html::page(&trial).unwrap();
    for hostile in HOSTILE {
        assert!(!text.contains(hostile), "{hostile}");
    }
    let Some(mut browser) = Browser::start() else { return };
    let (_folder, file) = written(&trial);
    let mut page = Page::open(&mut browser, &file, WIDE, "light");
    page.until(DRAWN);
    assert_eq!(page.value("document.querySelectorAll('img, b[onmouseover], a:not(.modebar-btn)').length"), 0);
    let head = page.value("document.querySelector('h1').textContent");
    assert!(head.as_str().unwrap().contains(HOSTILE[0]) && head.as_str().unwrap().contains(HOSTILE[1]), "{head}");
    let reasons = page.value("[...document.querySelectorAll('td.why')].map(c => c.textContent).join('\\n')");
    assert!(reasons.as_str().unwrap().contains(HOSTILE[0]), "{reasons}");
    let legend = page.value("[...document.querySelectorAll('#rivals .legendtext')].map(t => t.textContent).join('\\n')");
    assert!(legend.as_str().unwrap().contains(HOSTILE[1]), "{legend}");
    for told in &trial.contenders[0].decisions {
        let at = point(&mut page, &(told.second * 1000).to_string(), &told.to.to_string());
        page.mouse("mouseMoved", at, false);
    }
    page.until("document.querySelectorAll('#load .hoverlayer text').length > 0");
    assert_eq!(page.value("document.querySelectorAll('svg a').length"), 0);
    assert_eq!(page.value("typeof window.broken"), "undefined");
    // The step was too much for a while.
    let shaded = page.value("document.getElementById('load').data.find(trace => trace.name === 'Short').x.length");
    assert!(shaded.as_u64().unwrap() >= 4, "{shaded}");
    is_quiet(&page);
}

#[test]
fn sixty_days_stay_usable() {
    let Some(mut browser) = Browser::start() else { return };
    let trial = long();
    let (_folder, file) = written(&trial);
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size < 12_000_000, "{size} bytes");
    let mut page = Page::open(&mut browser, &file, WIDE, "light");
    page.until(DRAWN);
    let most = page.value(
        "Math.max(...['load', 'rivals', 'short'].flatMap(id => document.getElementById(id).data.filter(t => !t.ids).map(t => t.x.length)))",
    );
    assert!(most.as_u64().unwrap() <= 4000, "{most}");
    assert!(page.value("document.body.textContent.includes('thinned to at most')") == true);
    assert!(page.value("document.body.textContent.includes('the page holds 5000')") == true);
    eprintln!("sixty days: {size} bytes, drawn after {} ms", page.value("document.documentElement.dataset.drawn"));
    keep("long", &page.screenshot());
    is_quiet(&page);
}

#[test]
fn a_trial_without_load_or_contenders_is_an_error() {
    let mut trial = hostile();
    trial.load.clear();
    assert!(html::page(&trial).unwrap_err().to_string().contains("no load"));
    trial.contenders.clear();
    assert!(html::page(&trial).unwrap_err().to_string().contains("no contenders"));
}
