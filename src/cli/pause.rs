//! `ballast pause` and `ballast resume`: a size held by hand.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use jiff::civil::{DateTime, Time as TimeOfDay};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{ResourceExt, discovery};
use serde_json::{Value, json};

use super::access::{AccessArgs, PolicyName, Session, Usage, policy_name};
use super::cluster::block_on;
use super::output::{ended, put};
use crate::api::ScalePolicy;
use crate::api::annotations::{PREFIX, is_annotation_owned, parse_pause, pause_text};
use crate::api::scale_policy::{Pause, PauseDirection};
use crate::clock::Clock;
use crate::report::timestamp;
use crate::trial::span::some_span;

/// Who writes, as managed fields show it.
const MANAGER: &str = "kubectl-ballast";

/// `ballast pause`.
#[derive(Args, Clone, Debug)]
pub struct PauseArgs {
    /// The policy.
    #[arg(value_name = "[NAMESPACE/]NAME", value_parser = policy_name)]
    policy: PolicyName,
    /// Which moves are held: growth, shrinking, or both.
    #[arg(long, value_enum, default_value_t = Direction::All)]
    direction: Direction,
    /// How long, e.g. 90m, 2h or 1d. Default: until `ballast resume`.
    #[arg(long = "for", value_name = "LENGTH", value_parser = some_span, conflicts_with = "until")]
    length: Option<Duration>,
    /// Until when: RFC 3339, or a time such as 18:00 or 2026-12-24T18:00 on the clock of this machine.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why, for those who read status and Events.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who pauses. Default: the user's name, as the API server knows it.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
}

/// `ballast resume`.
#[derive(Args, Clone, Debug)]
pub struct ResumeArgs {
    /// The policy.
    #[arg(value_name = "[NAMESPACE/]NAME", value_parser = policy_name)]
    policy: PolicyName,
    #[command(flatten)]
    write: WriteArgs,
}

#[derive(Args, Clone, Debug)]
struct WriteArgs {
    /// Have the server check the change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    access: AccessArgs,
}

/// Which moves are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Direction {
    Up,
    Down,
    All,
}

/// Runs `ballast pause`.
pub fn pause(args: &PauseArgs) -> ExitCode {
    ended(block_on(pause_it(args)).map(|()| ExitCode::SUCCESS), 1)
}

/// Runs `ballast resume`.
pub fn resume(args: &ResumeArgs) -> ExitCode {
    ended(block_on(change(&args.policy, &args.write, None)).map(|()| ExitCode::SUCCESS), 1)
}

async fn pause_it(args: &PauseArgs) -> Result<()> {
    let now = timestamp(Clock::real().now());
    let until = end(args, now, &TimeZone::system()).map_err(Usage)?;
    let pause = Pause {
        direction: match args.direction {
            Direction::Up => PauseDirection::Up,
            Direction::Down => PauseDirection::Down,
            Direction::All => PauseDirection::All,
        },
        until: until.map(Time),
        // An annotation has one line, and both forms should say the same.
        reason: args.reason.as_ref().map(|reason| reason.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty()),
        by: args.by.as_ref().map(|by| by.split_whitespace().collect::<Vec<_>>().join("_")).filter(|by| !by.is_empty()),
    };
    // As the CRD has them; an annotation is not checked when it is written.
    for (flag, text, longest) in [("--reason", &pause.reason, 1024), ("--by", &pause.by, 253)] {
        if text.as_ref().is_some_and(|text| text.len() > longest) {
            return Err(Usage(format!("{flag}: must be at most {longest} bytes long")).into());
        }
    }
    change(&args.policy, &args.write, Some(pause)).await
}

/// The end of the pause, in whole seconds as the API server keeps it.
fn end(args: &PauseArgs, now: Timestamp, zone: &TimeZone) -> Result<Option<Timestamp>, String> {
    if let Some(length) = args.length {
        let length = SignedDuration::try_from(length).map_err(|error| format!("--for: {error}"))?;
        let end = now.checked_add(length).map_err(|_| "--for: ends beyond the calendar".to_owned())?;
        return Ok(Some(whole(end)));
    }
    let Some(text) = &args.until else { return Ok(None) };
    let end = moment(text, now, zone)
        .ok_or_else(|| format!("--until {text}: must be a time such as 2026-12-24T18:00:00Z, 18:00 or 2026-12-24T18:00"))?;
    if end <= now {
        return Err(format!("--until {text}: lies in the past"));
    }
    Ok(Some(whole(end)))
}

fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// RFC 3339, or a time on the clock of `zone`; a time of day is the next one.
fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let local = |time: DateTime| time.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    if text.contains('-') {
        return local(text.parse().ok()?);
    }
    let today = now.to_zoned(zone.clone()).date();
    let time = today.to_datetime(text.parse::<TimeOfDay>().ok()?);
    local(time).filter(|time| *time > now).or_else(|| local(time.checked_add(1.day()).ok()?))
}

/// Sets the pause, or removes it, where it is written: in the policy, or in the annotations it is made from.
async fn change(policy: &PolicyName, write: &WriteArgs, wanted: Option<Pause>) -> Result<()> {
    let session = write.access.session(Some(policy)).await?;
    let policy = session.policy(&policy.name).await?;
    let mut wanted = wanted;
    if let Some(pause) = wanted.as_mut().filter(|pause| pause.by.is_none()) {
        pause.by = user(&session).await;
    }
    let params = PatchParams { dry_run: write.dry_run, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let said = if is_annotation_owned(&policy) {
        annotate(&session, &policy, wanted.as_ref(), &params).await?
    } else {
        patch(&session, &policy, wanted.as_ref(), &params).await?
    };
    let dry = if write.dry_run { " (dry run)" } else { "" };
    put(&format!("{said}{dry}\n")).context("cannot write the output")
}

/// By a merge patch that names every field of a pause: what an earlier one said must not stay, whoever wrote it.
async fn patch(session: &Session, policy: &ScalePolicy, wanted: Option<&Pause>, params: &PatchParams) -> Result<String> {
    let name = policy.name_any();
    let object = format!("scalepolicy.ballast.dev/{name}");
    if policy.spec.pause.as_ref() == wanted {
        return Ok(unchanged(&object, policy, wanted));
    }
    let spec = match wanted {
        Some(pause) => json!({ "direction": pause.direction, "until": pause.until, "reason": pause.reason, "by": pause.by }),
        None => Value::Null,
    };
    session.ask(session.policies().patch(&name, params, &Patch::Merge(json!({ "spec": { "pause": spec } })))).await?;
    if let Some(other) = applier(policy.managed_fields()) {
        eprintln!("warning: {other} applies spec.pause of this policy, and may undo this with its next sync: change it there too");
    }
    Ok(format!("{object} {}", told(policy, wanted)))
}

/// A policy that was made from annotations follows them, so a change of it would be undone.
async fn annotate(session: &Session, policy: &ScalePolicy, wanted: Option<&Pause>, params: &PatchParams) -> Result<String> {
    let target = &policy.spec.scale_target_ref;
    let (group, version) = target.api_version_or_default().split_once('/').unwrap_or(("", target.api_version_or_default()));
    let kind = GroupVersionKind::gvk(group, version, &target.kind);
    let (resource, _) = session.ask(discovery::pinned_kind(&session.client, &kind)).await?;
    let api: Api<DynamicObject> = Api::namespaced_with(session.client.clone(), &session.namespace, &resource);
    let object = format!("{}/{}", target.kind.to_lowercase(), target.name);
    let key = format!("{PREFIX}pause");
    let workload = session.ask(api.get_metadata(&target.name)).await?;
    let present = workload.annotations().get(&key);
    // What cannot be read is a fault, and replaced like any other value.
    if present.map_or(Some(None), |text| parse_pause(text.trim())) == Some(wanted.cloned()) {
        return Ok(unchanged(&object, policy, wanted));
    }
    let value = wanted.map(pause_text);
    let patch = json!({ "metadata": { "annotations": { (key.as_str()): value } } });
    session.ask(api.patch_metadata(&target.name, params, &Patch::Merge(patch))).await?;
    let change = value.map_or_else(|| format!("{key} removed"), |value| format!("annotated {key}=\"{value}\""));
    Ok(format!("{object} {change}; policy {} follows: {}", policy.name_any(), told(policy, wanted)))
}

fn unchanged(object: &str, policy: &ScalePolicy, wanted: Option<&Pause>) -> String {
    match wanted {
        Some(pause) => format!("{object} unchanged, it is paused already: {}", held(policy, pause)),
        None => format!("{object} unchanged, it is not paused"),
    }
}

/// What follows from it.
fn told(policy: &ScalePolicy, wanted: Option<&Pause>) -> String {
    let Some(pause) = wanted else {
        let was = policy.spec.pause.as_ref().map(|pause| {
            let by = pause.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let reason = pause.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("; it was paused{by}{reason}")
        });
        return format!("resumed{}", was.unwrap_or_default());
    };
    format!("paused: {}", held(policy, pause))
}

fn held(policy: &ScalePolicy, pause: &Pause) -> String {
    let target = &policy.spec.scale_target_ref;
    let workload = format!("{}/{}", target.kind, target.name);
    let size = policy.status.as_ref().and_then(|status| status.current_replicas);
    let stays = match (pause.direction, size) {
        (PauseDirection::All, Some(size)) => format!("{workload} stays at {size} replicas"),
        (PauseDirection::All, None) => format!("{workload} keeps its size"),
        (PauseDirection::Up, _) => format!("{workload} may shrink but not grow"),
        (PauseDirection::Down, _) => format!("{workload} may grow but not shrink"),
    };
    let until = pause.until.as_ref().map_or_else(|| "until it is resumed".to_owned(), |until| format!("until {}", until.0));
    format!("{stays} {until}")
}

/// Who keeps `spec.pause` in a manifest.
fn applier(fields: &[ManagedFieldsEntry]) -> Option<&str> {
    let pauses = |entry: &ManagedFieldsEntry| entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:pause").is_some());
    let applied = |entry: &&ManagedFieldsEntry| entry.operation.as_deref() == Some("Apply") && pauses(entry);
    fields.iter().filter(applied).find_map(|entry| entry.manager.as_deref())
}

/// Whom the API server takes us for; a server that does not say so is no reason not to pause.
async fn user(session: &Session) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(session.client.clone());
    let review = session.ask(api.create(&PostParams::default(), &SelfSubjectReview::default())).await.ok()?;
    let name = review.status?.user_info?.username?;
    Some(name.replace(char::is_whitespace, "_")).filter(|name| (1..=253).contains(&name.len()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(Parser)]
    struct Call {
        #[command(flatten)]
        args: PauseArgs,
    }

    fn ends(args: &[&str]) -> Result<Option<String>, String> {
        let call = Call::try_parse_from([&["pause", "web"], args].concat()).map_err(|error| error.to_string())?;
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let end = end(&call.args, "2026-07-01T12:00:00.5Z".parse().unwrap(), &zone)?;
        Ok(end.map(|end| end.to_string()))
    }

    #[rstest]
    #[case::none(&[], None)]
    #[case::length(&["--for", "2h"], Some("2026-07-01T14:00:00Z"))]
    #[case::absolute(&["--until", "2026-12-24T18:00:00Z"], Some("2026-12-24T18:00:00Z"))]
    #[case::offset(&["--until", "2026-12-24T18:00:00+01:00"], Some("2026-12-24T17:00:00Z"))]
    #[case::local(&["--until", "2026-12-24T18:00"], Some("2026-12-24T17:00:00Z"))]
    #[case::later_today(&["--until", "18:00"], Some("2026-07-01T16:00:00Z"))]
    #[case::tomorrow(&["--until", "08:30"], Some("2026-07-02T06:30:00Z"))]
    fn ends_are_read_as_people_say_them(#[case] args: &[&str], #[case] end: Option<&str>) {
        assert_eq!(ends(args), Ok(end.map(str::to_owned)));
    }

    #[rstest]
    #[case::past(&["--until", "2026-06-30T18:00:00Z"], "lies in the past")]
    #[case::text(&["--until", "soon"], "must be a time such as")]
    #[case::nothing(&["--for", "0s"], "must be above 0")]
    #[case::both(&["--for", "1h", "--until", "18:00"], "cannot be used with")]
    fn ends_that_are_none_are_refused(#[case] args: &[&str], #[case] said: &str) {
        let error = ends(args).unwrap_err();
        assert!(error.contains(said), "{error}");
    }

    fn policy(size: Option<i32>) -> ScalePolicy {
        let spec = json!({ "maxReplicas": 9, "scaleTargetRef": { "kind": "Deployment", "name": "web" } });
        let mut policy = ScalePolicy::new("web", serde_json::from_value(spec).unwrap());
        policy.status = size.map(|size| serde_json::from_value(json!({ "currentReplicas": size })).unwrap());
        policy
    }

    #[test]
    fn what_was_done_is_said_with_what_follows() {
        let mut pause = Pause { until: Some(Time("2026-07-01T14:00:00Z".parse().unwrap())), ..Pause::default() };
        assert_eq!(told(&policy(Some(5)), Some(&pause)), "paused: Deployment/web stays at 5 replicas until 2026-07-01T14:00:00Z");
        (pause.direction, pause.until) = (PauseDirection::Down, None);
        assert_eq!(told(&policy(None), Some(&pause)), "paused: Deployment/web may grow but not shrink until it is resumed");
        let mut paused = policy(None);
        paused.spec.pause = Some(Pause { by: Some("ana".into()), reason: Some("sales week".into()), ..pause });
        assert_eq!(told(&paused, None), "resumed; it was paused by ana (sales week)");
        assert_eq!(unchanged("x/web", &policy(None), None), "x/web unchanged, it is not paused");
        let already = unchanged("x/web", &policy(None), Some(&Pause::default()));
        assert_eq!(already, "x/web unchanged, it is paused already: Deployment/web keeps its size until it is resumed");
    }

    #[test]
    fn who_applies_the_pause_from_a_manifest_is_found() {
        let entry = |manager: &str, operation: &str, field: &str| -> ManagedFieldsEntry {
            let fields = json!({ "f:spec": { field: {} } });
            serde_json::from_value(json!({ "manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields }))
                .unwrap()
        };
        let update = [entry("kubectl-edit", "Update", "f:pause"), entry("argocd-controller", "Apply", "f:metrics")];
        assert_eq!(applier(&update), None);
        assert_eq!(applier(&[entry("argocd-controller", "Apply", "f:pause")]), Some("argocd-controller"));
    }
}
