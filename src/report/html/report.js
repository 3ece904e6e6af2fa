"use strict";
// The decisions of the policy: reasons at the markers of the plot, and a table to search.
(() => {
  const decisions = JSON.parse(document.getElementById("decisions").textContent);
  const PAGE = 100;
  const HALF_AN_HOUR = 1800e3;

  // plotly.js takes some tags in labels as formatting.
  const plain = text => text.replace(/[&<>]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  function wrap(text, width) {
    const lines = [""];
    for (const word of text.split(/\s+/)) {
      const line = lines[lines.length - 1];
      if (line && line.length + 1 + word.length > width) lines.push(word);
      else lines[lines.length - 1] = line ? line + " " + word : word;
    }
    return lines.map(line => plain(line.length > 200 ? line.slice(0, 199) + "…" : line)).join("<br>");
  }
  const size = d => d.from === d.to ? String(d.to) : d.from + " → " + d.to;

  const width = innerWidth < 700 ? 38 : 64;
  for (const { figure } of sheet.plots) {
    for (const trace of figure.data) {
      if (!trace.ids) continue;
      trace.text = trace.ids.map(id => {
        const d = decisions[Number(id)];
        return "<b>" + size(d) + "</b> at " + d.time + (d.reason ? "<br>" + wrap(d.reason, width) : "");
      });
    }
  }

  const [verdict, contains, count, more] = ["verdict", "contains", "count", "more"].map(id => document.getElementById(id));
  const body = document.querySelector("#decisions-table tbody");
  const numbers = new Map();
  for (const d of decisions) numbers.set(d.verdict, (numbers.get(d.verdict) || 0) + 1);
  verdict.append(new Option("All (" + decisions.length + ")", ""));
  for (const [name, number] of numbers) verdict.append(new Option(name + " (" + number + ")", name));

  let shown = PAGE;
  function cell(row, name, text) {
    const cell = row.insertCell();
    cell.className = name;
    cell.textContent = text;
    return cell;
  }
  function fill() {
    const text = contains.value.toLowerCase();
    const found = decisions.filter(d => (!verdict.value || d.verdict === verdict.value) && (!text || d.reason.toLowerCase().includes(text)));
    body.replaceChildren();
    for (const d of found.slice(0, shown)) {
      const row = body.insertRow();
      const time = document.createElement("button");
      time.type = "button";
      time.textContent = d.time;
      time.addEventListener("click", () => {
        sheet.show("time", [d.at - HALF_AN_HOUR, d.at + HALF_AN_HOUR]);
        document.getElementById("load").scrollIntoView({ behavior: "smooth", block: "center" });
      });
      cell(row, "time", "").append(time);
      cell(row, "size number", size(d));
      cell(row, "verdict", d.verdict);
      cell(row, "why", d.reason);
    }
    const rest = found.length - Math.min(shown, found.length);
    count.textContent = found.length + " decisions" + (rest ? ", the first " + shown + " shown" : "");
    more.hidden = !rest;
  }
  verdict.addEventListener("change", () => { shown = PAGE; fill(); });
  contains.addEventListener("input", () => { shown = PAGE; fill(); });
  more.addEventListener("click", () => { shown += 5 * PAGE; fill(); });
  fill();
})();
