// One policy: its sizes and demand over time, what was decided and why.

import { $, ago, cell, count, element, fullTime, lines, mark, move, quantity, row, say, sync, time, verdict } from "./dom.js";
import { Plot } from "./plot.js";

let replicas, demand = [], signals, record;

/** Clears what was shown of another policy. */
export function begin(namespace, name) {
  end();
  record = undefined;
  say($("policy-title"), `${namespace}/${name}`);
  say($("about"), "");
  say($("why"), "");
  for (const id of ["tiles", "notes", "steps", "demand", "replicas"]) $(id).replaceChildren();
  for (const id of ["signals", "decisions", "conditions", "points"]) $(id).tBodies[0].replaceChildren();
}

function end() {
  for (const plot of [replicas, ...demand]) if (plot) plot.end();
  [replicas, demand, signals] = [undefined, [], undefined];
}

export function show(told) {
  record = told;
  const decision = record.decision || {};
  say($("about"), [
    record.target,
    record.mode === "Recommend" ? "recommends only" : "",
    record.intervalSeconds ? `decided every ${record.intervalSeconds} s` : "",
    record.tolerance ? `tolerance ${percent(record.tolerance.up)} up, ${percent(record.tolerance.down)} down` : "",
  ].filter(Boolean).join(" · "));
  say($("why"), decision.message || "Nothing was decided yet.");
  tiles(decision);
  notes(decision);
  plots();
  signalRows();
  steps(decision);
  decisions();
  conditions();
  if ($("numbers").open) numbers();
}

const percent = ratio => `${count(Math.round(ratio * 1000) / 10)} %`;

function bounds() {
  const told = (record.history && record.history.bounds) || [];
  return told.at(-1) || { min: record.minReplicas, max: record.maxReplicas };
}

function tiles(decision) {
  const { min, max } = bounds();
  const all = [
    ["Replicas", at => say(at, `${record.currentReplicas ?? "unknown"}`)],
    ["Decided", at => say(at, `${record.desiredReplicas ?? "unknown"}`)],
    ["Wanted by the signals", at => say(at, `${decision.wanted ?? "unknown"}`)],
    ["Bounds in force", at => say(at, `${min} to ${max}`)],
    ["Verdict", at => verdict(at, decision.verdict)],
    ["Last decision", at => ago(at, decision.time)],
  ];
  if (decision.until) all.push([decision.then === undefined ? "Held until" : `To ${decision.then} in`, at => ago(at, decision.until)]);
  sync($("tiles"), all, ([name]) => name.replace(/\d+/, ""), () => {
    const item = element("li");
    item.append(element("small"), element("b"));
    return item;
  }, (item, [name, fill]) => {
    say(item.firstElementChild, name);
    fill(item.lastElementChild);
  });
}

function notes(decision) {
  const { pause, faults = [], problems = [], edited, presets } = record;
  const all = faults.map(text => ["bad", text]);
  if (presets) all.push(["plain", presets]);
  for (const { type, reason, message } of problems) if (message !== decision.message) all.push(["bad", `${type}: ${reason}: ${message}`]);
  if (edited) all.push(["", "The spec was edited after the last decision."]);
  if (pause) {
    const until = pause.until ? `until ${fullTime(pause.until)}` : "until the pause is removed";
    all.push(["", `Paused (${pause.direction}) ${until}${pause.by ? ` by ${pause.by}` : ""}${pause.reason ? `: ${pause.reason}` : ""}`]);
  }
  sync($("notes"), all, ([, text]) => text, ([kind, text]) => element("li", kind, text), () => {});
}

/** What holds at a time: the last of a list in the order of times that is not later. */
function holding(list) {
  let next = 0, at = null;
  return millis => {
    while (next < list.length && Date.parse(list[next].time) <= millis) at = list[next++];
    return at;
  };
}

/** The columns of the plots: at each time when anything changed, all of it. */
function columns() {
  const { points = [], bounds = [], changes = [], end } = record.history || {};
  const first = points.length ? Date.parse(points[0].time) : Infinity;
  // Those of the status go back farther.
  const moves = [...changes.filter(({ from, to }) => from !== to), ...record.scaleEvents];
  const times = [...points, ...bounds, ...moves].map(({ time }) => Date.parse(time)).filter(at => at >= first);
  if (end && points.length) times.push(Date.parse(end));
  const all = [...new Set(times)].sort((a, b) => a - b);
  const [point, bound] = [holding(points), holding(bounds)];
  const moved = new Map(moves.map(({ time, to }) => [Date.parse(time), to]));
  return all.map(at => ({ at, point: point(at), bound: bound(at) || bounds[0] || bounds_of_spec(), moved: moved.get(at) ?? null }));
}

const bounds_of_spec = () => ({ min: record.minReplicas, max: record.maxReplicas });

const LINES = [
  { label: "replicas", colour: "replicas", fill: "replicas-fill", width: 2 },
  { label: "wanted by the signals", colour: "wanted", dash: [7, 4], width: 2 },
  { label: "decided", colour: "desired", dash: [2, 3], width: 2 },
  { label: "minimum", colour: "bound", dash: [1, 4], width: 1.5 },
  { label: "maximum", colour: "bound", dash: [10, 3, 2, 3], width: 1.5 },
  { label: "moves", colour: "desired", dots: true },
];

function plots() {
  const all = columns(), times = all.map(({ at }) => at / 1000);
  if (!times.length) return;
  const names = record.history.signals;
  if (!replicas || JSON.stringify(names) !== signals) {
    end();
    signals = JSON.stringify(names);
    const label = "Replicas, what the signals want, what was decided, and the bounds over time; the table of numbers below has the same";
    replicas = new Plot($("replicas"), { series: LINES, height: 280, text: count, whole: true, label });
    $("demand").replaceChildren();
    demand = names.map((name, index) => {
      // A guard or brake has a value and no demand.
      const part = element("div"), at = element("div"), { role } = record.signals[index] || {};
      part.append(element("h3", "", role ? `${name} (${role.toLowerCase()})` : name), at);
      $("demand").append(part);
      const series = [{ label: role ? "value" : "demand", colour: `series-${index % 6}`, width: 2 }];
      return new Plot(at, { series, height: 170, text: value => quantity(value, unit(index)), label: `${role ? "Value" : "Total demand"} of ${name} over time; the table of numbers below has the same` });
    });
  }
  const column = pick => all.map(entry => pick(entry) ?? null);
  // A ceiling far above would press all lines to the ground: it is drawn where it matters.
  const highest = Math.max(...all.map(({ point, bound }) => Math.max(point.replicas, point.wanted ?? 0, point.desired ?? 0, bound.min)));
  const near = ({ bound }) => bound.max <= Math.max(3 * highest, 10) ? bound.max : null;
  const drawn = maximum => [
    times,
    column(({ point }) => point.replicas),
    column(({ point }) => point.wanted),
    column(({ point }) => point.desired),
    column(({ bound }) => bound.min),
    column(maximum),
    column(({ moved }) => moved),
  ];
  replicas.show(drawn(near), drawn(({ bound }) => bound.max));
  demand.forEach((plot, index) => plot.show([times, column(({ point }) => point.demand[index])]));
}

const unit = index => {
  const estimate = record.signals[index] && record.signals[index].estimate;
  return estimate ? estimate.unit : "Plain";
};

function numbers() {
  const { signals = [] } = record.history || {};
  const names = ["Time", "Replicas", "Wanted", "Decided", "Minimum", "Maximum", ...signals];
  const head = element("tr");
  head.append(...names.map((name, index) => {
    const made = element("th", index ? "number" : "", name);
    made.scope = "col";
    return made;
  }));
  $("points").tHead.replaceChildren(head);
  const text = value => value === null || value === undefined ? "unknown" : count(value);
  $("points").tBodies[0].replaceChildren(...columns().reverse().map(({ at, point, bound }) => {
    const made = element("tr"), values = [point.replicas, point.wanted, point.desired, bound.min, bound.max].map(text);
    const loads = point.demand.map((value, index) => quantity(value, unit(index)));
    made.append(element("td", "time", time(at)), ...[...values, ...loads].map(value => element("td", "number", value)));
    return made;
  }));
}

$("numbers").addEventListener("toggle", () => {
  if ($("numbers").open && record) numbers();
});

function signalRows() {
  const labels = ["Signal", "Value", "Target", "Asks for", "Age", "Changes the size"];
  const decided = record.decision && Date.parse(record.decision.time);
  sync($("signals").tBodies[0], record.signals.entries(), ([index, { name }]) => `${index} ${name}`, () => row(labels, ["", "", "", "number", "time", "why"]), (made, [, signal]) => {
    lines(cell(made, 0), signal.name, signal.role ? signal.role.toLowerCase() : "");
    lines(cell(made, 1), signal.value ?? "unknown", signal.failure || gave(signal.origin));
    lines(cell(made, 2), signal.target, signal.type);
    say(cell(made, 3), wants(signal));
    // The age of the sample now: it is as old as it was at the decision, and the time since.
    const known = signal.ageSeconds !== undefined && decided;
    ago(cell(made, 4), known ? new Date(decided - signal.ageSeconds * 1000).toISOString() : undefined);
    const bounds = [signal.growsAbove && `grows above ${signal.growsAbove}`, signal.shrinksBelow && `shrinks below ${signal.shrinksBelow}`];
    lines(cell(made, 5), bounds.filter(Boolean).join(", "), signal.forecast && `Forecast: ${signal.forecast.message}`);
    mark(made);
  });
}

/** Who gave a value, of signals whose pods are to be asked themselves. */
function gave(origin) {
  if (!origin) return "";
  return origin.from === "Pods" ? origin.message : `asked the source in place of the pods; ${origin.message}`;
}

/** Replicas, or what a guard or brake does. */
function wants({ proposal, role, holds }) {
  if (holds !== undefined) return holds ? { Guard: "no scale-in", Brake: "no growth" }[role] || "holds" : "holds nothing";
  return proposal === undefined ? "" : count(proposal);
}

function steps(decision) {
  const told = (decision.reasons || []).map(({ message }) => message);
  const clamps = (decision.clamps || []).map(({ before, after, message }) => `${before} → ${after}: ${message}`);
  const all = [...told, ...clamps].filter((text, index, list) => list.indexOf(text) === index);
  sync($("steps"), all.length ? all : ["No steps are known: the controller has not decided since it took the lead."], text => text, text => element("li", "", text), () => {});
}

function decisions() {
  const labels = ["Time", "Replicas", "Verdict", "Why"], changes = [...((record.history || {}).changes || [])].reverse();
  // What happened before this process took the lead is known from the moves in the status.
  const first = changes.length ? Date.parse(changes.at(-1).time) : Infinity;
  const older = record.scaleEvents.filter(event => Date.parse(event.time) < first);
  const all = [...changes, ...older.map(event => ({ ...event, verdict: event.to > event.from ? "ScaleUp" : "ScaleDown" }))];
  sync($("decisions").tBodies[0], all, change => change.time + change.verdict, () => row(labels, ["time", "size", "", "why"]), (made, change) => {
    say(cell(made, 0), time(change.time));
    cell(made, 0).title = fullTime(change.time);
    say(cell(made, 1), move(change.from, change.to));
    verdict(cell(made, 2), change.verdict);
    say(cell(made, 3), change.message);
  });
}

function conditions() {
  const labels = ["Condition", "Status", "Since", "Reason"];
  sync($("conditions").tBodies[0], record.conditions || [], condition => condition.type, () => row(labels, ["", "", "time", "why"]), (made, condition) => {
    say(cell(made, 0), condition.type);
    say(cell(made, 1), condition.status);
    ago(cell(made, 2), condition.since);
    lines(cell(made, 3), condition.reason, condition.message);
  });
}
