"use strict";
// Draws the plots of the page in its colours, and keeps linked plots at the same part of their x axes.
const sheet = (() => {
  const root = document.documentElement;
  const colour = name => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const plots = [...document.querySelectorAll("script[data-plot]")].map(source => ({
    at: document.getElementById(source.dataset.plot),
    figure: JSON.parse(source.textContent),
  }));

  function paint({ data, layout }) {
    for (const trace of data) {
      const own = colour(trace.meta);
      if (trace.line) trace.line.color = own;
      if (trace.marker) {
        trace.marker.color = own;
        if (trace.marker.line) trace.marker.line.color = colour("page");
      }
      if (trace.fill) trace.fillcolor = colour(trace.meta + "-fill");
    }
    layout.font = { ...layout.font, color: colour("text"), family: getComputedStyle(root).fontFamily, size: 12 };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.hoverlabel = { align: "left", namelength: -1, bgcolor: colour("label"), bordercolor: colour("line"), font: { color: colour("text"), size: 12 } };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("muted"), activecolor: colour("text") };
    for (const name in layout) {
      if (!/^[xy]axis/.test(name)) continue;
      Object.assign(layout[name], { gridcolor: colour("grid"), linecolor: colour("line"), tickcolor: colour("line"), zerolinecolor: colour("line"), spikecolor: colour("muted") });
    }
  }

  function draw() {
    return Promise.all(plots.map(({ at, figure }) => {
      paint(figure);
      // What the reader has zoomed to stays.
      if (at.layout) for (const name in figure.layout) {
        if (/^[xy]axis/.test(name) && at.layout[name]) {
          figure.layout[name].range = at.layout[name].range;
          figure.layout[name].autorange = at.layout[name].autorange;
        }
      }
      return Plotly.react(at, figure.data, figure.layout, figure.config);
    }));
  }

  function link() {
    let following = false;
    for (const { at } of plots) {
      if (!at.dataset.link) continue;
      at.on("plotly_relayout", async change => {
        if (following || !Object.keys(change).some(key => key.startsWith("xaxis."))) return;
        following = true;
        await show(at.dataset.link, at.layout.xaxis.autorange ? null : at.layout.xaxis.range, at);
        following = false;
      });
    }
  }

  // Shows a part of the x axis, or all of it, in all plots of a link.
  function show(link, range, but) {
    const change = range ? { "xaxis.range": [...range], "xaxis.autorange": false } : { "xaxis.autorange": true };
    const others = plots.filter(({ at }) => at.dataset.link === link && at !== but);
    return Promise.all(others.map(({ at }) => Plotly.relayout(at, change)));
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  function set(theme) {
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", "Switch to " + (theme === "dark" ? "light" : "dark") + " colours");
  }
  let chosen = false;
  set(dark.matches ? "dark" : "light");
  button.addEventListener("click", () => { chosen = true; set(root.dataset.theme === "dark" ? "light" : "dark"); draw(); });
  dark.addEventListener("change", () => { if (!chosen) { set(dark.matches ? "dark" : "light"); draw(); } });

  // The page's own script may add to the plots before they are drawn.
  const drawn = new Promise(done => addEventListener("load", async () => { await draw(); link(); root.dataset.drawn = Math.round(performance.now()); done(); }));
  return { plots, show, drawn };
})();
