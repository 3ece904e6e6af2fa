//! Looks decided again, for people.

use std::fmt::Write;

use jiff::tz::TimeZone;

use crate::replay::open::{Decided, OpenLoop, Outcome};

/// Rows shown; the JSON form has all.
const ROWS: usize = 100;

/// A summary, then the looks that differ and those that moved the size.
pub fn table(result: &OpenLoop, zone: &TimeZone) -> String {
    let mut text = String::new();
    let time = |look: &Decided| look.time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let span = result.looks.first().zip(result.looks.last()).map(|(first, last)| format!(" from {} to {}", time(first), time(last)));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}: {} looks{} decided again", result.policy, result.looks.len(), span.unwrap_or_default());
    let _ = writeln!(text, "  decisions that differ   {}", result.differing);
    let _ = writeln!(text, "  moves of the size       {} as it was, {} as it would be", result.moves_then, result.moves_now);
    if result.missed > 0 {
        let _ = writeln!(text, "  looks not recorded      {} (more of them are kept with a higher --record-looks)", result.missed);
    }
    if result.uncertain > 0 {
        let _ = writeln!(
            text,
            "  looks not compared      {}: what the controller remembered then is not known, as the record begins or has a hole shortly before",
            result.uncertain
        );
    }
    if result.generations.len() > 1 {
        let list: Vec<String> = result.generations.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  the policy was edited   generations {} were in force", list.join(", "));
    }
    if result.differing > 0 {
        let _ = writeln!(text, "  if none was expected    were the controller's flags the same, e.g. --downscale-stabilization?");
    }
    let shown = |look: &&Decided| look.differs() || look.then.to != look.from || look.now.to != look.from;
    let rows: Vec<&Decided> = result.looks.iter().filter(shown).collect();
    if rows.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\n{:19}  {:>4}  {:14} {:14}    why it would be so", "time", "size", "as it was", "as it would be");
    for look in rows.iter().take(ROWS) {
        let mark = match (look.differs(), look.certain) {
            (false, _) => ' ',
            (true, true) => '!',
            (true, false) => '?',
        };
        let (then, now) = (outcome(look.then), outcome(look.now));
        let _ = writeln!(text, "{}  {:>4}  {then:14} {now:14} {mark}  {}", time(look), look.from, look.reason);
    }
    if rows.len() > ROWS {
        let _ = writeln!(text, "and {} more (-o json has all)", rows.len() - ROWS);
    }
    text
}

fn outcome(outcome: Outcome) -> String {
    format!("{} {}", outcome.to, outcome.verdict.word())
}
