// What the parts of the page share: elements, texts, times. Everything that comes from the controller becomes text, never markup.

export const $ = id => document.getElementById(id);

/** An element with a class and a text. */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Sets a text if it is another one; true if it was. */
export function say(at, text) {
  if (at.textContent === text) return false;
  at.textContent = text;
  return true;
}

/**
 * Makes the children of an element those of a list, by their keys: what stays keeps its place in the document, and with it focus and selection.
 * Of several with the same key the first one counts.
 */
export function sync(parent, items, key, make, fill) {
  const old = new Map([...parent.children].map(child => [child.dataset.key, child]));
  const seen = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    if (seen.has(id)) continue;
    seen.add(id);
    let child = old.get(id);
    const fresh = !child;
    if (fresh) {
      child = make(item);
      child.dataset.key = id;
    }
    old.delete(id);
    fill(child, item, fresh);
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
  for (const child of old.values()) child.remove();
}

/** A row of a table: cells by class, the first one its header. `labels` name the cells where they stand one below the other. */
export function row(labels, classes) {
  const made = element("tr");
  // Said, as browsers forget it where a row is shown as a card.
  made.setAttribute("role", "row");
  labels.forEach((label, index) => {
    const cell = element(index ? "td" : "th", classes[index]);
    if (index) cell.dataset.label = label;
    else cell.scope = "row";
    cell.setAttribute("role", index ? "cell" : "rowheader");
    cell.append(element("div"));
    made.append(cell);
  });
  return made;
}

/** The content of a cell. */
export const cell = (row, index) => row.children[index].firstElementChild;

/** Text, and a smaller one below it. */
export function lines(at, text, small) {
  if (!at.firstChild) at.append(element("span"), element("small"));
  const [first, second] = at.children;
  const changed = say(first, text);
  second.hidden = !small;
  return say(second, small || "") || changed;
}

/** Hides a cell without content where cells stand one below the other. */
export function mark(row) {
  for (const cell of row.children) cell.toggleAttribute("data-empty", !cell.textContent);
}

// --- times ---

let offset = 0;

/** The controller's time, in milliseconds. */
export const now = () => Date.now() + offset;

/** The controller said what time it is. */
export function setNow(millis) {
  offset = millis - Date.now();
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });

const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const date = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** A time on an axis from `min` to `max` seconds. */
export function moment(at, { min, max }) {
  return (max - min < 600 ? clock : max - min < 86400 ? minute : date).format(new Date(at));
}

export const time = at => clock.format(new Date(at));
export const fullTime = at => day.format(new Date(at));
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A span of seconds in its largest two units. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
}

/** Shows how long ago a time was, and keeps showing it. Without a time: nothing. */
export function ago(at, when) {
  if (!when) return say(at, "");
  let shown = at.firstElementChild;
  if (!shown || shown.localName !== "time") {
    at.replaceChildren(shown = element("time"));
  }
  const changed = shown.dateTime !== when;
  if (changed) {
    shown.dateTime = when;
    shown.title = fullTime(when);
  }
  tick(shown);
  return changed;
}

function tick(shown) {
  const seconds = (now() - Date.parse(shown.dateTime)) / 1000;
  say(shown, seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`);
}

/** Brings all ages up to date. */
export const tickAll = () => document.querySelectorAll("time").forEach(tick);

// --- numbers ---

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const counts = new Intl.NumberFormat("en");

export const count = number => counts.format(number);

/** A quantity with its unit, as the controller's own texts write it. */
export function quantity(value, unit) {
  if (value === null || value === undefined) return "unknown";
  if (unit === "Cores") return value < 1 ? `${plain.format(value * 1000)}m` : plain.format(value);
  if (unit === "Bytes") {
    const names = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let power = 0;
    while (Math.abs(value) >= 1024 && power < names.length - 1) {
      value /= 1024;
      power += 1;
    }
    return plain.format(value) + names[power];
  }
  return plain.format(value) + (unit === "PerSecond" ? "/s" : "");
}

// --- verdicts ---

const verdicts = {
  ScaleUp: ["move", "▲ ScaleUp"], ScaleDown: ["move", "▼ ScaleDown"], Steady: ["good", "Steady"], Held: ["hold", "Held"],
  Unknown: ["bad", "Unknown"], Disabled: ["", "Disabled"],
};

/** A verdict as a badge. */
export function verdict(at, word) {
  const [kind, text] = verdicts[word] || ["", word || "not decided yet"];
  let badge = at.firstElementChild;
  if (!badge) at.append(badge = element("span", "verdict"));
  badge.dataset.kind = kind;
  return say(badge, text);
}

/** A size and the one before it. */
export const move = (from, to) => from === to || to === undefined || to === null ? `${from ?? "?"}` : `${from ?? "?"} → ${to}`;
