// The list of policies and the sources. Filters, order and page go to the controller, which sends one page.

import { $, ago, cell, count, element, lines, mark, move, row, say, sync, verdict } from "./dom.js";

const LABELS = ["Policy", "Replicas", "Verdict", "Metrics", "Why", "Last change"];
const CLASSES = ["", "size", "", "", "why", "time"];
const FIELDS = ["search", "namespace", "verdict", "sort"];
/** Typing is waited out for so long. */
const TYPING = 250;

let asked = new URLSearchParams(), size = 50, typing;

/** Shows what the address asks for; the query for the controller. */
export function begin(query) {
  asked = query;
  for (const id of FIELDS) {
    const field = $(id), value = query.get(id) || (id === "sort" ? "name" : "");
    if (document.activeElement !== field) field.value = value;
  }
  $("descending").checked = query.get("descending") === "true";
  return query;
}

function ask(changes) {
  const next = new URLSearchParams(asked);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  if (!("offset" in changes)) next.delete("offset");
  if (next.get("sort") === "name") next.delete("sort");
  const query = next.toString();
  location.hash = `#/${query && `?${query}`}`;
}

/** Listens to the reader. */
export function start() {
  const fields = () => ask({ ...Object.fromEntries(FIELDS.map(id => [id, $(id).value.trim()])), descending: $("descending").checked && "true" });
  $("filter").addEventListener("input", event => {
    clearTimeout(typing);
    typing = setTimeout(fields, event.target.type === "search" || event.target.id === "namespace" ? TYPING : 0);
  });
  $("filter").addEventListener("submit", event => {
    event.preventDefault();
    fields();
  });
  $("previous").addEventListener("click", () => ask({ offset: String(Math.max(0, Number($("range").dataset.offset) - size)) }));
  $("next").addEventListener("click", () => ask({ offset: String(Number($("range").dataset.offset) + size) }));
}

export function process({ shards, led, version }) {
  say($("version"), `Ballast ${version}.`);
  const some = led < shards;
  $("process").hidden = !some;
  if (some) say($("process"), `This pod decides ${led} of ${shards} shards, and shows the policies of these; the others are on the pages of the other pods.`);
}

export function totals({ policies, problems, verdicts, namespaces }) {
  const chips = [["", `${count(policies)} in all`], ["Problem", `${count(problems)} with a problem`]];
  for (const word of ["ScaleUp", "ScaleDown", "Held", "Unknown", "Steady", "Disabled", "New"]) {
    if (verdicts[word]) chips.push([word, `${count(verdicts[word])} ${word === "New" ? "not decided yet" : word}`]);
  }
  const chosen = asked.get("verdict") || "";
  sync($("totals"), chips, ([word]) => word, ([word]) => {
    const item = element("li"), button = element("button");
    button.type = "button";
    button.addEventListener("click", () => ask({ verdict: word }));
    item.append(button);
    return item;
  }, (item, [word, text]) => {
    say(item.firstElementChild, text);
    item.firstElementChild.setAttribute("aria-pressed", String(word === chosen));
  });
  sync($("namespaces"), namespaces, name => name, name => {
    const option = element("option");
    option.value = name;
    return option;
  }, () => {});
}

export function rows({ matched, offset, rows }) {
  const body = $("policies").tBodies[0], first = !body.children.length;
  sync(body, rows, policy => `${policy.namespace}/${policy.name}`, policy => {
    const made = row(LABELS, CLASSES), link = element("a");
    link.href = `#/${encodeURIComponent(policy.namespace)}/${encodeURIComponent(policy.name)}`;
    link.textContent = `${policy.namespace}/${policy.name}`;
    cell(made, 0).append(link, element("small"));
    return made;
  }, (made, policy, fresh) => {
    const about = policy.mode === "Recommend" ? `${policy.target}, recommends only` : policy.target;
    say(cell(made, 0).lastElementChild, about);
    const sizes = lines(cell(made, 1), move(policy.currentReplicas, policy.desiredReplicas), `${policy.minReplicas} to ${policy.maxReplicas}`);
    const changed = verdict(cell(made, 2), policy.verdict);
    say(cell(made, 3), policy.metrics || "");
    // Of an unknown size the message itself tells the problem.
    lines(cell(made, 4), policy.message || policy.problem || "", policy.message && policy.verdict !== "Unknown" ? policy.problem : "");
    ago(cell(made, 5), policy.lastScaleTime);
    mark(made);
    if ((sizes || changed) && !fresh && !first) flash(made);
  });
  $("none").hidden = matched > 0;
  if (rows.length) size = Math.max(rows.length, Number(asked.get("limit")) || 50);
  const range = $("range");
  range.dataset.offset = String(offset);
  say(range, matched ? `${count(offset + 1)} to ${count(offset + rows.length)} of ${count(matched)}` : "");
  $("previous").disabled = offset === 0;
  $("next").disabled = offset + rows.length >= matched;
}

function flash(at) {
  at.classList.remove("fresh");
  // Starts the animation anew.
  void at.offsetWidth;
  at.classList.add("fresh");
}

export function sources({ total, down, rows }) {
  const more = rows.length < total ? ` The ${rows.length} that matter most are shown.` : "";
  say($("sources-total"), `${count(total)} in all, ${down ? `${count(down)} without an answer` : "none without an answer"}.${more}`);
  const labels = ["Source", "State", "Questions", "Requests", "Failed", "Answer time", "Last answer", "Last failure"];
  const classes = ["", "", "number", "number", "number", "number", "time", "why"];
  sync($("sources").tBodies[0], rows, source => source.name, () => row(labels, classes), (made, source) => {
    say(cell(made, 0), source.name);
    const state = cell(made, 1);
    if (!state.firstElementChild) state.append(element("span", "verdict"));
    const [kind, text] = source.up === null ? ["", "not asked yet"] : source.up ? ["good", "answers"] : ["bad", "no answer"];
    state.firstElementChild.dataset.kind = kind;
    say(state.firstElementChild, text);
    say(cell(made, 2), count(source.asks));
    say(cell(made, 3), count(source.requests));
    say(cell(made, 4), count(source.failures));
    const millis = seconds => `${count(Math.round(seconds * 1000))} ms`;
    say(cell(made, 5), source.meanSeconds === null ? "" : millis(source.meanSeconds));
    ago(cell(made, 6), source.lastSuccess);
    const failure = cell(made, 7);
    if (!failure.firstElementChild && source.lastFailure) failure.append(element("span"), element("small"));
    if (source.lastFailure) {
      ago(failure.firstElementChild, source.lastFailure);
      say(failure.lastElementChild, source.met || "");
    }
    mark(made);
  });
}
