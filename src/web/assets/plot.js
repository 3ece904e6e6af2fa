// Plots over time: sizes and demand hold from one decision to the next, so all lines are steps. Drawn by uPlot in the colours of the page.

import { element, moment, say, sync, time } from "./dom.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const SVG = "http://www.w3.org/2000/svg";
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];

/**
 * One plot, drawn anew as its data changes. `series` are lines of `{ label, colour, dash, width, fill, dots }`, `text` writes a value, `whole` says
 * that values are whole numbers.
 */
export class Plot {
  constructor(at, { series, height, text, whole, label }) {
    Object.assign(this, { series, height, text, whole, data: [[]], told: [[]] });
    this.legend = element("ul", "legend");
    this.when = element("li", "muted");
    this.at = element("div", "plot");
    this.at.setAttribute("role", "img");
    this.at.setAttribute("aria-label", label);
    at.replaceChildren(this.legend, this.at);
    this.resized = new ResizeObserver(() => this.plot && this.plot.setSize(this.size()));
    this.resized.observe(this.at);
    this.repaint = () => this.draw();
    dark.addEventListener("change", this.repaint);
  }

  end() {
    this.resized.disconnect();
    dark.removeEventListener("change", this.repaint);
    if (this.plot) this.plot.destroy();
    this.plot = undefined;
  }

  /**
   * Shows columns: times in seconds, then the values of each line; null where they are unknown. `told` has those of the legend, where they are
   * others. What the reader has zoomed to stays.
   */
  show(data, told = data) {
    const before = this.data[0];
    [this.data, this.told] = [data, told];
    if (this.plot) {
      const { min, max } = this.plot.scales.x, all = min <= before[0] && max >= before.at(-1);
      this.plot.setData(data, all);
      if (!all) this.plot.redraw();
    } else {
      this.draw();
    }
    this.tell(null);
  }

  size() {
    return { width: Math.max(this.at.clientWidth, 200), height: this.height };
  }

  draw() {
    if (this.plot) this.plot.destroy();
    this.plot = new uPlot(this.options(), this.data, this.at);
    this.tell(null);
  }

  options() {
    const grid = { stroke: colour("grid"), width: 1 }, text = { stroke: colour("muted"), font: "12px system-ui, sans-serif", grid, ticks: grid };
    const line = ({ label, colour: name, dash, width, fill, dots }) => ({
      label,
      stroke: colour(name),
      width: dots ? 0 : width ?? 2,
      dash,
      fill: fill && colour(fill),
      paths: dots ? () => null : uPlot.paths.stepped({ align: 1 }),
      points: dots ? { show: true, size: 9, fill: colour("page"), stroke: colour(name), width: 2 } : { show: false },
    });
    return {
      ...this.size(),
      cursor: { sync: { key: "policy" }, points: { show: false }, drag: { x: true, y: false } },
      legend: { show: false },
      scales: { y: { range: (plot, low, high) => [0, Math.max(high || 0, this.whole ? 2 : 0) * 1.08 || 1] } },
      axes: [
        { ...text, values: (plot, ticks) => ticks.map(at => moment(at * 1000, plot.scales.x)), space: 72 },
        { ...text, size: 58, values: (plot, ticks) => ticks.map(value => this.text(value)), ...(this.whole ? { incrs: WHOLE } : {}) },
      ],
      series: [{}, ...this.series.map(line)],
      hooks: { setCursor: [plot => this.tell(plot.cursor.idx)] },
    };
  }

  /** Writes the values at a place of the data, or the last ones. */
  tell(index) {
    const [times, ...values] = this.told;
    const at = index ?? times.length - 1;
    sync(this.legend, this.series.filter(({ dots }) => !dots).map((line, number) => [number, line]), ([number]) => String(number), ([, line]) => {
      const item = element("li");
      item.append(swatch(line), element("span"));
      return item;
    }, (item, [number, line]) => {
      const place = this.series.indexOf(line), value = values[place] && values[place][at];
      item.style.color = colour("text");
      say(item.lastElementChild, `${line.label} ${value === null || value === undefined ? "unknown" : this.text(value)}`);
      item.querySelector("line").setAttribute("stroke", colour(line.colour));
    });
    this.legend.append(this.when);
    say(this.when, index === null || index === undefined || !times.length ? "" : `at ${time(times[at] * 1000)}`);
  }
}

/** The line as it is drawn, so that colour is not the only sign. */
function swatch({ dash, width }) {
  const made = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "line");
  made.setAttribute("viewBox", "0 0 22 10");
  made.setAttribute("aria-hidden", "true");
  for (const [name, value] of Object.entries({ x1: 0, x2: 22, y1: 5, y2: 5, "stroke-width": (width ?? 2) + 0.5 })) line.setAttribute(name, value);
  if (dash) line.setAttribute("stroke-dasharray", dash.join(" "));
  made.append(line);
  return made;
}
