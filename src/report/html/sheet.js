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
        // Symbols without an area are all line.
        if (trace.marker.line) trace.marker.line.color = /^line-/.test(trace.marker.symbol) ? own : colour("page");
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

  // plotly.js works on the figure itself: what the reader has zoomed to or switched off is in it.
  function draw() {
    return Promise.all(plots.map(({ at, figure }) => {
      paint(figure);
      return Plotly.react(at, figure.data, figure.layout, figure.config);
    }));
  }

  // Shows a part of the x axis in all plots of a link.
  function show(link, range, but) {
    const others = plots.filter(({ at }) => at.dataset.link === link && at !== but);
    return Promise.all(others.map(({ at }) => Plotly.relayout(at, { "xaxis.range": [...range] })));
  }

  // plotly.js forgets where a plot began once it is painted anew.
  function begin(plot) {
    const { at, figure } = plot;
    const all = {};
    for (const name of ["xaxis", "yaxis"]) {
      const range = figure.layout[name] && figure.layout[name].range;
      if (range) all[name + ".range"] = [...range];
      else all[name + ".autorange"] = true;
    }
    // A copy of all: plotly.js writes into the ranges it is given.
    const home = () => Plotly.relayout(at, structuredClone(all));
    figure.config.doubleClick = false;
    figure.config.modeBarButtonsToAdd = [{ name: "all", title: "Show all", icon: Plotly.Icons.home, click: home }];
    return home;
  }

  function listen({ at, home }) {
    at.on("plotly_doubleclick", () => { home(); });
    if (!at.dataset.link) return;
    at.on("plotly_relayout", async change => {
      if (following || !Object.keys(change).some(key => key.startsWith("xaxis."))) return;
      following = true;
      await show(at.dataset.link, at.layout.xaxis.range, at);
      following = false;
    });
  }
  let following = false;

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
  const drawn = new Promise(done => addEventListener("load", async () => { 
    for (const plot of plots) plot.home = begin(plot);
    await draw();
    plots.forEach(listen);
    root.dataset.drawn = Math.round(performance.now());
    done();
  }));
  return { plots, show, drawn };
})();
