// Which part of the page is shown: the fragment of the address says it, so that it can be kept and sent.

import { $, say, tickAll, zone } from "./dom.js";
import { check, follow, isPaused, pause } from "./live.js";
import * as list from "./list.js";
import * as policy from "./policy.js";

function fault(told) {
  const at = $("fault");
  at.hidden = !told;
  if (told) say(at, told.error + (told.leader ? `. Its page is that of the pod ${told.leader.split("_")[0]}.` : ""));
}

/** The parts of the fragment: `#/NAMESPACE/NAME` or `#/?QUERY`. */
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [namespace, name] = path.split("/").map(part => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return namespace && name ? { namespace, name } : { query: new URLSearchParams(query) };
}

let shown;

function show() {
  const { namespace, name, query } = route();
  const part = name ? "policy" : "list";
  const key = name ? `${namespace}/${name}` : "";
  $("list").hidden = part !== "list";
  $("policy").hidden = part !== "policy";
  fault(null);
  if (name) {
    document.title = `${namespace}/${name} · Ballast`;
    policy.begin(namespace, name);
    const path = `live/policies/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
    follow(path, { fault, policy: policy.show });
  } else {
    document.title = "Ballast";
    follow(`live/policies?${list.begin(query)}`, { fault, totals: list.totals, rows: list.rows, sources: list.sources, process: list.process });
  }
  // A reader of the screen is told that the page is another one; one who filters stays where they are.
  if (shown !== undefined && shown !== key) {
    $("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  shown = key;
}

document.querySelector(".skip").addEventListener("click", event => {
  event.preventDefault();
  $("main").focus();
});
$("pause").addEventListener("click", () => pause(!isPaused()));
say($("zone"), zone());
addEventListener("hashchange", show);
setInterval(() => {
  if (!isPaused()) tickAll();
  check();
}, 1000);
list.start();
show();
