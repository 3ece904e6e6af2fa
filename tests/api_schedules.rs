//! Schedules: which bounds hold when, by the clock of a time zone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::needless_pass_by_value)] // Helpers fail as tests do.

mod api_support;

use std::time::Duration;

use api_support::patched;
use ballast::api::{Defaults, ScalePolicy, ScalePolicySpec, compile, join};
use ballast::core::{Fallback, FallbackReplicas, Scheduled, Time};
use ballast::schedule::{self, Schedule, Windows};
use serde_json::{Value, json};

/// Schedules of a policy with 3 to 10 replicas.
fn schedules(list: Value) -> Vec<Schedule> {
    let spec: ScalePolicySpec = serde_json::from_value(patched(&json!({ "schedules": list }))).unwrap();
    compile(&ScalePolicy::new("web", spec), &Defaults::default()).unwrap().schedules
}

/// One schedule of a floor of 8 by a cron expression.
fn cron(cron: &str, seconds: u32, zone: &str) -> Vec<Schedule> {
    schedules(json!([{ "name": "s", "cron": cron, "durationSeconds": seconds, "timeZone": zone, "minReplicas": 8 }]))
}

fn time(text: &str) -> Time {
    let timestamp: jiff::Timestamp = text.parse().unwrap();
    Time::from_millis(timestamp.as_millisecond())
}

fn at(schedules: &[Schedule], now: &str) -> Scheduled {
    schedule::at(schedules, 3, time(now))
}

fn floor(schedules: &[Schedule], now: &str) -> Option<u32> {
    at(schedules, now).floor.map(|bound| bound.replicas)
}

/// Whether the schedule holds, for each of the times.
fn holds<const N: usize>(schedules: &[Schedule], times: [&str; N]) -> [bool; N] {
    times.map(|now| floor(schedules, now).is_some())
}

#[track_caller]
fn next(schedules: &[Schedule], now: &str, expected: &str) {
    assert_eq!(at(schedules, now).next_change, Some(time(expected)), "after {now}");
}

#[test]
fn a_window_holds_from_its_start_to_before_its_end() {
    let office = cron("0 8 * * 1-5", 36000, "Europe/Berlin");
    // A Friday in winter.
    let times =
        ["2026-11-20T07:59:59.999+01:00", "2026-11-20T08:00:00+01:00", "2026-11-20T17:59:59.999+01:00", "2026-11-20T18:00:00+01:00"];
    assert_eq!(holds(&office, times), [false, true, true, false]);
    next(&office, "2026-11-20T07:00:00+01:00", "2026-11-20T08:00:00+01:00");
    next(&office, "2026-11-20T08:00:00+01:00", "2026-11-20T18:00:00+01:00");
    // Over the weekend.
    next(&office, "2026-11-20T18:00:00+01:00", "2026-11-23T08:00:00+01:00");
    assert_eq!(at(&office, "2026-11-20T12:34:56.789+01:00").floor.unwrap().by.to_string(), "by schedule s until 18:00 Europe/Berlin");
}

#[test]
fn the_same_wall_clock_holds_in_summer_and_winter() {
    let office = cron("0 8 * * *", 3600, "Europe/Berlin");
    assert_eq!(holds(&office, ["2026-07-01T06:00:00Z", "2026-07-01T07:00:00Z"]), [true, false]);
    assert_eq!(holds(&office, ["2026-12-01T06:00:00Z", "2026-12-01T07:00:00Z"]), [false, true]);
}

#[test]
fn a_window_over_midnight_names_the_day_of_its_end() {
    let night = cron("0 22 * * *", 28800, "Europe/Berlin");
    assert_eq!(holds(&night, ["2026-11-20T23:00:00+01:00", "2026-11-21T05:59:00+01:00", "2026-11-21T06:00:00+01:00"]), [true, true, false]);
    let span = at(&night, "2026-11-21T01:00:00+01:00").floor.unwrap().by.span;
    assert_eq!(&*span, "until 2026-11-21 06:00 Europe/Berlin");
}

/// Berlin, 2027-03-28: 02:00 becomes 03:00.
#[test]
fn a_start_in_the_gap_of_spring_is_at_its_end() {
    let nightly = cron("30 2 * * *", 3600, "Europe/Berlin");
    let times = ["2027-03-28T01:59:59+01:00", "2027-03-28T03:00:00+02:00", "2027-03-28T03:59:59+02:00", "2027-03-28T04:00:00+02:00"];
    assert_eq!(holds(&nightly, times), [false, true, true, false]);
    next(&nightly, "2027-03-28T01:00:00+01:00", "2027-03-28T03:00:00+02:00");
    next(&nightly, "2027-03-28T05:00:00+02:00", "2027-03-29T02:30:00+02:00");
}

#[test]
fn a_window_over_the_gap_of_spring_keeps_its_length() {
    let nightly = cron("0 1 * * *", 7200, "Europe/Berlin");
    let times = ["2027-03-28T01:00:00+01:00", "2027-03-28T03:59:59+02:00", "2027-03-28T04:00:00+02:00"];
    assert_eq!(holds(&nightly, times), [true, true, false]);
    assert_eq!(&*at(&nightly, times[0]).floor.unwrap().by.span, "until 04:00 Europe/Berlin");
}

/// Berlin, 2026-10-25: 03:00 becomes 02:00, so that 02:30 comes twice.
#[test]
fn a_start_in_the_overlap_of_autumn_counts_once() {
    let nightly = cron("30 2 * * *", 1800, "Europe/Berlin");
    let times = [
        "2026-10-25T02:29:59+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:59:59+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T02:45:00+01:00",
    ];
    assert_eq!(holds(&nightly, times), [false, true, true, false, false, false]);
    next(&nightly, "2026-10-25T02:00:00+01:00", "2026-10-26T02:30:00+01:00");
}

#[test]
fn a_window_over_the_overlap_of_autumn_keeps_its_length() {
    let nightly = cron("0 1 * * *", 7200, "Europe/Berlin");
    let times = ["2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"];
    assert_eq!(holds(&nightly, times), [true, true, false, false]);
    next(&nightly, times[0], "2026-10-25T02:00:00+01:00");
}

#[test]
fn hourly_windows_go_on_through_the_overlap_of_autumn() {
    let hourly = cron("0 * * * *", 600, "Europe/Berlin");
    let times = ["2026-10-25T02:05:00+02:00", "2026-10-25T02:15:00+02:00", "2026-10-25T02:05:00+01:00", "2026-10-25T02:15:00+01:00"];
    assert_eq!(holds(&hourly, times), [true, false, true, false]);
}

#[test]
fn a_zone_half_an_hour_off_holds_on_its_own_clock() {
    let office = cron("0 9 * * *", 3600, "Asia/Kolkata");
    assert_eq!(holds(&office, ["2026-11-20T03:29:59Z", "2026-11-20T03:30:00Z", "2026-11-20T04:30:00Z"]), [false, true, false]);
}

/// Lord Howe Island turns its clocks by half an hour: on 2026-10-04 02:00 becomes 02:30, on 2027-04-04 02:00 becomes 01:30.
#[test]
fn a_change_of_half_an_hour_is_a_gap_and_an_overlap_too() {
    let nightly = cron("15 2 * * *", 900, "Australia/Lord_Howe");
    assert_eq!(
        holds(&nightly, ["2026-10-04T01:59:59+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00"]),
        [false, true, false]
    );
    let twice = cron("45 1 * * *", 600, "Australia/Lord_Howe");
    assert_eq!(
        holds(&twice, ["2027-04-04T01:45:00+11:00", "2027-04-04T01:45:00+10:30", "2027-04-04T02:00:00+10:30"]),
        [true, false, false]
    );
}

#[test]
fn the_leap_day_comes_every_four_years() {
    let leap = cron("0 0 29 2 *", 86400, "UTC");
    assert_eq!(
        holds(&leap, ["2027-02-28T12:00:00Z", "2027-03-01T00:00:00Z", "2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"]),
        [false, false, true, false]
    );
    next(&leap, "2026-11-20T00:00:00Z", "2028-02-29T00:00:00Z");
}

#[test]
fn a_day_that_never_comes_is_refused() {
    assert!(schedule::pattern("0 0 30 2 *").is_err());
    assert!(schedule::pattern("0 0 31 4,6 *").is_err());
}

/// What only the controller can judge is said with value and reason.
#[test]
fn expressions_and_zones_that_mean_nothing_are_refused() {
    let refused = |cron: &str, zone: &str| {
        let schedule = json!({ "name": "s", "cron": cron, "durationSeconds": 60, "timeZone": zone, "minReplicas": 8 });
        let spec: ScalePolicySpec = serde_json::from_value(patched(&json!({ "schedules": [schedule] }))).unwrap();
        join(&compile(&ScalePolicy::new("web", spec), &Defaults::default()).unwrap_err())
    };
    for cron in ["* * * *", "* * * * * *", "61 * * * *", "0 25 * * *", "0 8 * * 9", "0 8 32 * *", "8 o'clock", "0 0 30 2 *", "0 8 * * MON-"]
    {
        let said = refused(cron, "UTC");
        assert!(said.starts_with(&format!("spec.schedules[0].cron: {cron}: must be minute, hour, day of month, month")), "{said}");
    }
    for zone in ["Europe/Atlantis", "CEST-2", "../UTC", "Etc/Unknown", "utc+1"] {
        let said = refused("0 8 * * *", zone);
        assert_eq!(said, format!("spec.schedules[0].timeZone: {zone}: is not a known IANA time zone, such as UTC or Europe/Berlin"));
    }
}

#[test]
fn names_of_days_and_months_and_steps_are_understood() {
    for cron in ["0 8 * * MON-FRI", "0 8 * * mon,wed", "*/15 8-18 * * *", "0 0 1 JAN *", "0 0 L * *", "0 8 * * 5#1", "0 8 * * 7"] {
        assert!(schedule::pattern(cron).is_ok(), "{cron}");
    }
}

#[test]
fn the_example_means_what_it_says() {
    let policy: ScalePolicy = serde_saphyr::from_str(include_str!("../examples/schedules/policy.yaml")).unwrap();
    let compiled = compile(&policy, &Defaults::default()).unwrap();
    let sizes = |now| {
        let Scheduled { floor, ceiling, .. } = schedule::at(&compiled.schedules, 2, time(now));
        (floor.map(|bound| bound.replicas), ceiling.map(|bound| bound.replicas))
    };
    assert_eq!(sizes("2026-11-20T08:00:00+01:00"), (Some(5), None));
    assert_eq!(sizes("2026-11-20T20:00:00+01:00"), (None, None));
    assert_eq!(sizes("2026-11-20T23:00:00+01:00"), (None, Some(10)));
    assert_eq!(sizes("2026-11-27T23:00:00+01:00"), (Some(20), Some(10)));
    assert_eq!(compiled.policy.fallback.replicas, FallbackReplicas::Floor(8));
}

#[test]
fn the_fallback_arrives() {
    let fallback = |patch: Value| {
        let spec: ScalePolicySpec = serde_json::from_value(patched(&json!({ "fallback": patch }))).unwrap();
        compile(&ScalePolicy::new("web", spec), &Defaults::default()).unwrap().policy.fallback
    };
    let of = |seconds, replicas| Fallback { hold: Duration::from_secs(seconds), replicas };
    assert_eq!(fallback(json!(null)), of(300, FallbackReplicas::Current));
    assert_eq!(fallback(json!({ "holdSeconds": 60 })), of(60, FallbackReplicas::Current));
    assert_eq!(fallback(json!({ "replicas": { "floor": 6 } })), of(300, FallbackReplicas::Floor(6)));
    assert_eq!(fallback(json!({ "holdSeconds": 0, "replicas": { "count": 6 } })), of(0, FallbackReplicas::Count(6)));
}

#[test]
fn windows_that_overlap_are_one() {
    let long = cron("0 */6 * * *", 25200, "UTC");
    assert_eq!(holds(&long, ["2026-11-20T05:59:00Z", "2026-11-20T06:30:00Z", "2026-11-20T23:59:00Z"]), [true, true, true]);
    let next = at(&long, "2026-11-20T06:30:00Z").next_change.unwrap();
    assert!(next > time("2026-11-22T00:00:00Z"), "not at the end of one window of many");
}

#[test]
fn one_window_holds_once() {
    let sale = schedules(json!([{ "name": "black-friday", "start": "2026-11-27T00:00:00+01:00", "end": "2026-11-28T00:00:00+01:00",
                                  "timeZone": "Europe/Berlin", "replicas": 9 }]));
    let times = ["2026-11-26T22:59:59Z", "2026-11-26T23:00:00Z", "2026-11-27T22:59:59Z", "2026-11-27T23:00:00Z"];
    assert_eq!(holds(&sale, times), [false, true, true, false]);
    let during = at(&sale, "2026-11-27T12:00:00Z");
    assert_eq!((during.floor.as_ref().unwrap().replicas, during.ceiling.unwrap().replicas), (9, 9));
    assert_eq!(during.floor.unwrap().by.to_string(), "by schedule black-friday until 2026-11-28 00:00 Europe/Berlin");
    assert_eq!(at(&sale, "2026-11-28T00:00:00Z"), Scheduled::default());
}

#[test]
fn of_several_the_highest_floor_and_the_lowest_ceiling_hold() {
    let list = schedules(json!([
        { "name": "a", "cron": "0 8 * * *", "durationSeconds": 36000, "minReplicas": 4, "maxReplicas": 9 },
        { "name": "b", "cron": "0 12 * * *", "durationSeconds": 3600, "minReplicas": 6 },
        { "name": "c", "cron": "30 12 * * *", "durationSeconds": 3600, "maxReplicas": 7 },
    ]));
    let names = |now| {
        let Scheduled { floor, ceiling, .. } = at(&list, now);
        (floor.map(|b| (b.replicas, b.by.name.to_string())), ceiling.map(|b| (b.replicas, b.by.name.to_string())))
    };
    let (a, b, c) = (|n| Some((n, "a".to_owned())), Some((6, "b".to_owned())), Some((7, "c".to_owned())));
    assert_eq!(names("2026-11-20T07:00:00Z"), (None, None));
    assert_eq!(names("2026-11-20T09:00:00Z"), (a(4), a(9)));
    assert_eq!(names("2026-11-20T12:15:00Z"), (b.clone(), a(9)));
    assert_eq!(names("2026-11-20T12:45:00Z"), (b, c.clone()));
    assert_eq!(names("2026-11-20T13:15:00Z"), (a(4), c));
    next(&list, "2026-11-20T12:15:00Z", "2026-11-20T12:30:00Z");
}

#[test]
fn a_ramp_rises_step_by_step_and_is_complete_at_the_start() {
    // From 3 to 8 within 600 s: a step every 120 s.
    let list = schedules(
        json!([{ "name": "day", "cron": "0 8 * * *", "durationSeconds": 3600, "timeZone": "Europe/Berlin", "minReplicas": 8, "rampSeconds": 600 }]),
    );
    let berlin = |clock: &str| format!("2026-11-20T{clock}+01:00");
    for (clock, expected) in [
        ("07:49:59", None),
        ("07:50:00", Some(3)),
        ("07:50:01", Some(4)),
        ("07:52:00", Some(4)),
        ("07:52:01", Some(5)),
        ("07:58:00", Some(7)),
        ("07:58:01", Some(8)),
        ("08:00:00", Some(8)),
        ("08:59:59", Some(8)),
        ("09:00:00", None),
    ] {
        assert_eq!(floor(&list, &berlin(clock)), expected, "{clock}");
    }
    // Each step is announced, so that nobody has to wait for the next regular look.
    next(&list, &berlin("07:00:00"), &berlin("07:50:00"));
    next(&list, &berlin("07:50:00"), &berlin("07:50:00.001"));
    next(&list, &berlin("07:51:00"), &berlin("07:52:00.001"));
    next(&list, &berlin("07:59:00"), &berlin("08:00:00"));
    assert_eq!(at(&list, &berlin("07:53:00")).floor.unwrap().by.to_string(), "by schedule day rising to 8 at 08:00 Europe/Berlin");
}

#[test]
fn a_steep_ramp_steps_once_a_second() {
    let zone = schedule::zone("UTC").unwrap();
    let windows = Windows::Once { start: time("2026-11-20T08:00:00Z"), end: time("2026-11-20T09:00:00Z") };
    let steep = [Schedule { name: "s".into(), windows, zone, floor: Some(1003), ceiling: None, ramp: Duration::from_secs(10) }];
    assert_eq!(floor(&steep, "2026-11-20T07:59:51Z"), Some(103));
    assert_eq!(floor(&steep, "2026-11-20T07:59:51.001Z"), Some(203));
    next(&steep, "2026-11-20T07:59:51.001Z", "2026-11-20T07:59:52.001Z");
    assert_eq!(floor(&steep, "2026-11-20T07:59:59.5Z"), Some(1003));
    next(&steep, "2026-11-20T07:59:59.5Z", "2026-11-20T08:00:00Z");
}

#[test]
fn a_ramp_rises_over_the_gap_of_spring() {
    let list = schedules(
        json!([{ "name": "day", "cron": "0 3 * * *", "durationSeconds": 3600, "timeZone": "Europe/Berlin", "minReplicas": 8, "rampSeconds": 600 }]),
    );
    assert_eq!(floor(&list, "2027-03-28T01:55:00+01:00"), Some(6));
    assert_eq!(floor(&list, "2027-03-28T03:00:00+02:00"), Some(8));
}

#[test]
fn times_beyond_the_calendar_hold_nothing() {
    let list = cron("* * * * *", 60, "UTC");
    for time in [i64::MIN, i64::MAX] {
        assert_eq!(schedule::at(&list, 3, Time::from_millis(time)), Scheduled::default());
    }
}
