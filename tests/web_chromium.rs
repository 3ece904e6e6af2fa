//! The page of the admin port in a real browser, before policies that the real core decided: ten thousand of them, one with a past, changes
//! that arrive by themselves, a controller that goes away. It asks nobody but the port for anything.
//!
//! `UPDATE=1` writes the screenshots of docs/images.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod browser_support;
mod web_support;

use std::time::Duration;

use ballast::core::{Reading, Sample};
use ballast::source::Query;
use browser_support::looks::{is_readable, keep, picture, scrolls_sideways};
use browser_support::{Browser, Page};
use serde_json::json;
use tokio::runtime::Runtime;
use web_support::{Kept, Policies, Port, cpu, rate, start};

const WIDE: (u32, u32) = (1100, 1180);
const NARROW: (u32, u32) = (400, 900);
const OUTAGE: &str = "source default: http://prometheus.monitoring.svc:9090 answers 503 Service Unavailable";

fn is_quiet(page: &Page<'_>, port: &Port) {
    assert_eq!(page.complaints(), [""; 0]);
    let own = format!("\"http://{}/web/", port.address);
    let outside: Vec<String> = page.requests().into_iter().filter(|url| !url.starts_with(&own)).collect();
    assert_eq!(outside, [""; 0]);
}

/// Requests per second of `shop/web`: an hour with a slow wave, a burst, and a quarter of an hour in which nobody knows.
fn load(look: u32) -> Result<f64, &'static str> {
    let minute = f64::from(look) / 4.0;
    let wave = 480.0 + 260.0 * (minute / 9.5).sin() + 12.0 * f64::from(look * 7919 % 11);
    match look {
        96..110 => Err(OUTAGE),
        _ if (26.0..31.0).contains(&minute) => Ok(wave + 700.0),
        _ => Ok(wave),
    }
}

/// A policy that has been decided for 40 minutes before now; a schedule begins in between.
fn story() -> Kept {
    let more = json!({
        "maxReplicas": 12,
        "metrics": [cpu(), rate("http-requests-per-second")],
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 180 } },
        "schedules": [{ "name": "lunch", "start": "2026-07-01T11:45:00Z", "end": "2026-07-01T14:00:00Z", "timeZone": "UTC", "minReplicas": 4 }],
    });
    let mut kept = Kept::new("shop", "web", &more, 5);
    for look in 0..=160 {
        kept.look(start() - Duration::from_secs(15 * u64::from(160 - look)), load(look));
    }
    kept
}

/// A hundred teams with a hundred services each, and `shop/web`.
fn many() -> Policies {
    let mut policies = Policies::default();
    for number in 0..10_000_u32 {
        let (team, service) = (format!("team-{:02}", number / 100), format!("svc-{:02}", number % 100));
        let more =
            if number % 2500 == 77 { json!({ "pause": { "direction": "All", "reason": "load test", "by": "ann" } }) } else { json!({}) };
        let replicas = 2 + number * 31 % 17;
        let mut kept = Kept::new(&team, &service, &more, replicas);
        let rate = f64::from(replicas) * 100.0;
        match number % 250 {
            3 if number < 500 => kept.look(start(), Err(OUTAGE)),
            4..12 => kept.look(start(), Ok(rate * 1.6)),
            249 => {}
            _ if number % 2500 == 77 => kept.look(start(), Ok(rate * 1.8)),
            _ => kept.look(start(), Ok(rate * 0.97)),
        }
        policies.add(&team, kept);
    }
    policies.add("shop", story());
    policies
}

fn single(kept: Kept) -> Policies {
    let mut policies = Policies::default();
    policies.add("shop", kept);
    policies
}

/// Whether the first cell of the list says so.
fn first_is(name: &str) -> String {
    format!("document.querySelector('#policies tbody a')?.textContent === '{name}'")
}

fn fill(page: &mut Page<'_>, field: &str, value: &str) {
    page.value(&format!(
        "(() => {{ const at = document.getElementById('{field}'); at.value = '{value}'; at.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
    ));
}

#[test]
fn ten_thousand_policies_are_searched_sorted_and_paged() {
    let Some(mut browser) = Browser::start() else { return };
    let runtime = Runtime::new().unwrap();
    let port = runtime.block_on(Port::open(many(), 0, true));
    let mut page = Page::visit(&mut browser, &port.page(""), WIDE, "light");
    page.until("document.querySelectorAll('#policies tbody tr').length === 50");
    page.until("document.getElementById('state').dataset.state === 'live'");
    assert_eq!(page.value("document.getElementById('range').textContent"), "1 to 50 of 10,001");
    page.until("document.getElementById('totals').textContent.includes('10,001 in all')");
    page.until("document.querySelectorAll('#sources tbody tr').length >= 2");
    assert!(page.value("document.querySelector('#sources tbody').textContent.includes('no answer')") == true);

    // Page by page, there and back.
    page.value("document.getElementById('next').click()");
    page.until("document.getElementById('range').textContent.startsWith('51 to 100')");
    page.value("history.back()");
    page.until("document.getElementById('range').textContent.startsWith('1 to 50')");
    fill(&mut page, "search", "team-42/svc-17");
    page.until(&format!("{} && document.querySelectorAll('#policies tbody tr').length === 1", first_is("team-42/svc-17")));
    fill(&mut page, "search", "");
    fill(&mut page, "namespace", "shop");
    page.until(&first_is("shop/web"));
    fill(&mut page, "namespace", "");
    fill(&mut page, "verdict", "Unknown");
    page.until("document.getElementById('range').textContent.endsWith('of 2')");
    page.until("[...document.querySelectorAll('#policies .verdict')].every(badge => badge.textContent === 'Unknown')");
    page.value("[...document.querySelectorAll('#totals button')][0].click()");
    page.until("document.getElementById('verdict').value === '' && document.getElementById('range').textContent.endsWith('of 10,001')");
    fill(&mut page, "sort", "verdict");
    page.until("document.querySelector('#policies .verdict').textContent === 'Unknown'");
    page.value("document.getElementById('descending').click()");
    page.until("document.querySelector('#policies .verdict').textContent !== 'Unknown'");

    // A decision arrives by itself, and is marked.
    page.value("location.hash = '#/?namespace=team-42'");
    page.until(&first_is("team-42/svc-00"));
    page.value("document.querySelector('#policies tbody a').focus()");
    port.clock.advance(Duration::from_secs(15));
    port.policies.lock().get("team-42", "svc-00").look(port.clock.now(), Err(OUTAGE));
    page.until("document.querySelector('#policies tbody tr .verdict').textContent === 'Unknown'");
    page.until("document.querySelector('#policies tbody tr').classList.contains('fresh')");
    assert_eq!(page.value("document.activeElement.textContent"), "team-42/svc-00", "focus stays where it was");

    // Paused, it stands still; going on, it catches up.
    page.value("document.getElementById('pause').click()");
    port.clock.advance(Duration::from_secs(15));
    port.policies.lock().get("team-42", "svc-00").look(port.clock.now(), Ok(100.0));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(page.value("document.querySelector('#policies tbody tr .verdict').textContent"), "Unknown");
    page.value("document.getElementById('pause').click()");
    page.until("document.querySelector('#policies tbody tr .verdict').textContent !== 'Unknown'");
    assert!(page.value("document.querySelectorAll('*').length").as_u64().unwrap() < 2500);
    is_quiet(&page, &port);
}

#[test]
fn a_policy_is_shown_with_its_past_and_followed() {
    let Some(mut browser) = Browser::start() else { return };
    let runtime = Runtime::new().unwrap();
    let port = runtime.block_on(Port::open(single(story()), 0, true));
    let mut page = Page::visit(&mut browser, &port.page(""), WIDE, "light");
    page.until(&first_is("shop/web"));
    // By keyboard: to the link of the policy, and through it.
    for _ in 0..30 {
        page.key("Tab");
        if page.value("document.activeElement.textContent") == "shop/web" {
            break;
        }
    }
    page.key("Enter");
    page.until("document.querySelectorAll('#replicas canvas, #demand canvas').length === 3");
    assert_eq!(page.value("document.activeElement.id"), "main");

    // What is told is what the record says.
    let record = serde_json::to_value(port.policies.lock().get("shop", "web").record()).unwrap();
    let points = record["history"]["points"].as_array().unwrap().len();
    assert!(points > 60, "{points}");
    assert_eq!(page.value("document.getElementById('why').textContent"), record["decision"]["message"]);
    let changes = record["history"]["changes"].as_array().unwrap();
    assert!(changes.len() > 6, "{changes:?}");
    let newest = changes.last().unwrap()["message"].as_str().unwrap();
    assert_eq!(page.value("document.querySelector('#decisions tbody tr .why').textContent"), newest);
    assert!(page.value("document.querySelectorAll('#decisions tbody tr').length").as_u64().unwrap() >= changes.len() as u64);
    assert_eq!(page.value("document.querySelectorAll('#signals tbody tr').length"), 2);
    assert!(page.value("document.querySelectorAll('#conditions tbody tr').length").as_u64().unwrap() >= 2);
    assert!(page.value("document.querySelectorAll('#steps li').length").as_u64().unwrap() >= 1);
    assert_eq!(page.value("document.querySelector('#tiles li:nth-child(4) b').textContent"), "4 to 12");

    // The plots' numbers are there for those who do not see them; what was unknown is no zero.
    page.value("document.querySelector('#numbers summary').click()");
    page.until(&format!("document.querySelectorAll('#points tbody tr').length >= {points}"));
    assert!(page.value("document.querySelector('#points tbody').textContent.includes('unknown')") == true);
    // Something is drawn: pixels of each plot differ from its ground.
    let drawn = "[...document.querySelectorAll('#policy canvas')].map(canvas => new Set(new Uint32Array(canvas.getContext('2d')\
                 .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size)";
    let colours = page.value(drawn);
    assert!(colours.as_array().unwrap().iter().all(|colours| colours.as_u64().unwrap() > 20), "{colours}");
    // The pointer asks for the values of a time.
    let at = page.value("(() => { const box = document.querySelector('#replicas .u-over').getBoundingClientRect(); return [box.left + box.width / 3, box.top + 40]; })()");
    page.mouse("mouseMoved", (at[0].as_f64().unwrap(), at[1].as_f64().unwrap()), false);
    page.until("document.querySelector('#replicas .legend').textContent.includes('at 11:')");

    // The next decision arrives by itself.
    port.clock.advance(Duration::from_secs(15));
    port.policies.lock().get("shop", "web").look(port.clock.now(), Err("source default: it went away"));
    page.until("document.querySelector('#signals').textContent.includes('it went away')");
    let message = serde_json::to_string(&port.policies.lock().get("shop", "web").record().decision.unwrap().message).unwrap();
    page.until(&format!("document.getElementById('why').textContent === {message}"));
    page.value("document.getElementById('back').click()");
    page.until(&first_is("shop/web"));
    is_quiet(&page, &port);
}

/// Half an hour of a Go service whose presets were chosen: it grows with its run queue, its heap keeps it from shrinking, and then its database from
/// growing on.
fn chosen() -> Kept {
    let mut kept = Kept::new("shop", "checkout", &json!({ "metrics": [{ "type": "Preset", "preset": { "name": "auto" } }] }), 4);
    kept.choose(start() - Duration::from_mins(31), 13.0);
    for look in 0..=120_u64 {
        let now = start() - Duration::from_secs(15 * (120 - look));
        // Goroutines that wait over those that may run, of all pods; of each a share of GOMEMLIMIT, and requests that wait for a connection.
        let (queue, heap, waiting) = match look {
            ..40 => (3.2, 0.55, 0.1),
            40..60 => (6.6, 0.7, 0.2),
            60..95 => (2.5, 0.91, 0.1),
            _ => (11.0, 0.86, 3.4),
        };
        let pods = usize::try_from(kept.replicas).unwrap();
        kept.see(now, |query| {
            let Query::Prometheus(query) = query else { panic!("{query:?}") };
            let value = match query.name.as_str() {
                "go-run-queue" => queue / f64::from(u32::try_from(pods).unwrap()),
                "go-memory-headroom" => heap,
                "sql-pool-wait" => waiting,
                other => panic!("{other}"),
            };
            let sample = Sample { value: value * 1000.0, time: now, window: Duration::from_mins(1) };
            Reading::PerPod { samples: vec![Some(sample); pods], requests: vec![], limits: vec![] }
        });
    }
    kept
}

#[test]
fn what_was_chosen_and_what_holds_are_told() {
    let Some(mut browser) = Browser::start() else { return };
    let runtime = Runtime::new().unwrap();
    let port = runtime.block_on(Port::open(single(chosen()), 0, true));
    for (scheme, size) in [("light", WIDE), ("dark", WIDE), ("dark", NARROW)] {
        let mut page = Page::visit(&mut browser, &port.page("#/shop/checkout"), size, scheme);
        page.until("document.querySelectorAll('#replicas canvas, #demand canvas').length === 4");
        page.until("document.getElementById('state').dataset.state === 'live'");
        let row = |name: &str| {
            format!(
                "[...document.querySelectorAll('#signals tbody tr')].find(row => row.textContent.includes('{name}'))?.textContent ?? ''"
            )
        };
        for (name, words) in
            [("go-run-queue", &[][..]), ("go-memory-headroom", &["guard", "no scale-in"]), ("sql-pool-wait", &["brake", "no growth"])]
        {
            let text = page.value(&row(name));
            assert!(words.iter().all(|word| text.as_str().unwrap().contains(word)), "{name}: {text}");
        }
        let notes = page.value("document.getElementById('notes').textContent");
        for words in ["go-run-queue drives", "go-memory-headroom beside as guard", "sql-pool-wait beside as brake"] {
            assert!(notes.as_str().unwrap().contains(words), "{notes}");
        }
        let why = page.value("document.getElementById('why').textContent");
        assert!(why.as_str().unwrap().contains("sql-pool-wait"), "{why}");
        let told = page.value("document.getElementById('conditions').textContent + document.getElementById('decisions').textContent");
        for words in ["ScaleUpBraked", "go-memory-headroom"] {
            assert!(told.as_str().unwrap().contains(words), "{words}: {told}");
        }
        // Guards and brakes have values, if no demand.
        let plots = page.value("[...document.querySelectorAll('#demand > div')].map(part => part.textContent).join('\\n')");
        for words in ["go-memory-headroom (guard)value 0.86", "sql-pool-wait (brake)value 3.4"] {
            assert!(plots.as_str().unwrap().contains(words), "{plots}");
        }
        assert!(!scrolls_sideways(&mut page), "{scheme} {size:?}: the page scrolls sideways");
        is_readable(&mut page);
        page.resize(size.0, 1540);
        let shot = page.screenshot();
        keep(&format!("web-presets-{scheme}-{}", size.0), &shot);
        if size == WIDE {
            picture(&format!("web-presets-{scheme}.png"), &shot);
        }
        is_quiet(&page, &port);
    }
}

#[test]
fn light_and_dark_wide_and_narrow() {
    let Some(mut browser) = Browser::start() else { return };
    let runtime = Runtime::new().unwrap();
    let port = runtime.block_on(Port::open(many(), 0, true));
    for (name, fragment, shown) in [
        (
            "web-list",
            "#/?sort=verdict",
            "document.querySelectorAll('#sources tbody tr').length > 0 && document.querySelectorAll('#policies tbody tr').length === 50",
        ),
        ("web-policy", "#/shop/web", "document.querySelectorAll('#replicas canvas, #demand canvas').length === 3"),
    ] {
        for scheme in ["light", "dark"] {
            for size in [WIDE, NARROW] {
                let mut page = Page::visit(&mut browser, &port.page(fragment), size, scheme);
                page.until(shown);
                page.until("document.getElementById('state').dataset.state === 'live'");
                assert!(!scrolls_sideways(&mut page), "{name} {scheme} {size:?}: the page scrolls sideways");
                is_readable(&mut page);
                let unlabelled = page.value("[...document.querySelectorAll('input, select')].filter(field => !field.labels.length).length");
                assert_eq!(unlabelled, 0);
                let shot = page.screenshot();
                keep(&format!("{name}-{scheme}-{}", size.0), &shot);
                if size == WIDE {
                    picture(&format!("{name}-{scheme}.png"), &shot);
                }
                if std::env::var_os("SCREENSHOTS").is_some() {
                    page.resize(size.0, 2600);
                    keep(&format!("{name}-{scheme}-{}-all", size.0), &page.screenshot());
                }
                is_quiet(&page, &port);
            }
        }
    }
    // A reader who changes their mind.
    let mut page = Page::visit(&mut browser, &port.page("#/shop/web"), WIDE, "light");
    page.until("document.querySelectorAll('#replicas canvas').length === 1");
    let ink = "document.querySelector('#replicas .legend line').getAttribute('stroke')";
    let light = page.value(ink);
    page.prefer("dark");
    page.until(&format!("{ink} !== {light}"));
    is_quiet(&page, &port);
}

/// Texts of tenants are text whatever they say.
#[test]
fn nothing_of_a_tenant_becomes_markup() {
    const HOSTILE: &str = "</script><img src=http://127.0.0.1:9/x onerror=window.broken=1><a href=\"javascript:window.broken=1\">a</a> ${1} \u{202e}\u{2028}\u{0}";
    let Some(mut browser) = Browser::start() else { return };
    let runtime = Runtime::new().unwrap();
    let more = json!({ "metrics": [cpu(), rate(HOSTILE)], "pause": { "direction": "All", "reason": HOSTILE, "by": HOSTILE } });
    let mut kept = Kept::new("shop", "web", &more, 3);
    kept.look(start() - Duration::from_secs(30), Ok(900.0));
    kept.look(start(), Err(HOSTILE));
    let mut wrong = rate("rps");
    wrong["prometheus"]["query"] = HOSTILE.into();
    let faulty = Kept::new("shop", "api", &json!({ "metrics": [wrong] }), 3);
    let mut policies = single(kept);
    policies.add("shop", faulty);
    let port = runtime.block_on(Port::open(policies, 0, true));
    let mut page = Page::visit(&mut browser, &port.page(""), WIDE, "light");
    page.until("document.querySelectorAll('#policies tbody tr').length === 2");
    assert!(page.value("document.querySelector('#policies tbody').textContent.includes('onerror')") == true);
    page.value("location.hash = '#/shop/web'");
    page.until("document.querySelectorAll('#signals tbody tr').length === 2");
    assert!(page.value("document.querySelector('#notes').textContent.includes('<img src=')") == true);
    assert_eq!(page.value("document.querySelectorAll('img, script:not([src]), a[href^=javascript]').length"), 0);
    assert_eq!(page.value("typeof window.broken"), "undefined");
    // And if something did, the policy of the page would stop it.
    let refused = page.value("(() => { try { document.body.innerHTML = '<b>x</b>'; return false; } catch { return true; } })()");
    assert_eq!(refused, true);
}

#[test]
fn a_controller_that_goes_away_and_comes_back_is_noticed() {
    let Some(mut browser) = Browser::start() else { return };
    let runtime = Runtime::new().unwrap();
    let port = runtime.block_on(Port::open(single(story()), 0, true));
    let mut page = Page::visit(&mut browser, &port.page(""), WIDE, "light");
    page.until(&first_is("shop/web"));
    let number = port.address.port();
    port.stop.cancel();
    page.until("document.getElementById('state').dataset.state === 'lost'");
    // A standby says who decides instead of showing nothing.
    let standby = runtime.block_on(reopen(number, false));
    page.until("!document.getElementById('fault').hidden && document.getElementById('fault').textContent.includes('does not lead')");
    standby.stop.cancel();
    let _leader = runtime.block_on(reopen(number, true));
    page.until("document.getElementById('fault').hidden && document.getElementById('state').dataset.state === 'live'");
    page.value("location.hash = '#/shop/nobody'");
    page.until("document.getElementById('fault').textContent.includes('shop/nobody is not known')");
}

/// A port with a number that another one has just let go.
async fn reopen(number: u16, leads: bool) -> Port {
    for _ in 0..600 {
        if tokio::net::TcpListener::bind(("127.0.0.1", number)).await.is_ok() {
            return Port::open(single(story()), number, leads).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("port {number} is not let go");
}
