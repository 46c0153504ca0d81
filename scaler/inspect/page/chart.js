// A chart over time, drawn in SVG at the size it has on the screen. It is
// given layers to draw and readouts to tell: the same values serve the
// crosshair, a screen reader and the table.
import { attribute, el, svg, text } from "./dom.js";
import * as f from "./format.js";
import { axis, times } from "./scale.js";

const margin = { left: 52, right: 14, top: 14, bottom: 26 };

export class Chart {
  // legend is pairs of a layer's class and its name; unit is what the upright
  // axis counts.
  constructor({ title, height, legend, unit, tools, whole }) {
    this.height = height;
    this.whole = whole;
    this.id = "clip-" + title.toLowerCase().replace(/\W+/g, "-");
    this.note = el("p", { class: "muted" });
    this.frame = svg("g", { class: "frame" });
    this.clip = svg("rect", {});
    this.layers = svg("g", { "clip-path": `url(#${this.id})` });
    this.over = svg("g", { class: "over" });
    this.cross = svg("g", { class: "cross", visibility: "hidden" });
    this.picture = svg("svg", { role: "img", height },
      svg("defs", {}, svg("clipPath", { id: this.id }, this.clip)), this.frame, this.layers, this.over, this.cross);
    this.tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.spoken = el("p", { class: "hidden", "aria-live": "polite" });
    this.plot = el("div", { class: "plot", tabindex: 0, role: "group", "aria-label": title + ": arrow keys read the values",
      onpointermove: (e) => this.point(e), onpointerleave: () => this.hide(), onkeydown: (e) => this.key(e), onblur: () => this.hide() },
      this.picture, this.tip);
    this.table = el("details", { class: "data", ontoggle: () => this.tabulate() }, el("summary", {}, "Data"),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title + ": data" }, el("table", { class: "plain" })));
    this.node = el("section", { class: "card chart" },
      el("header", {}, el("div", {}, el("h2", {}, title), this.note), tools),
      this.plot, this.spoken,
      el("footer", {},
        el("ul", { class: "legend", "aria-label": "Legend" }, legend.map(([kind, label]) => el("li", {}, el("i", { class: "key " + kind, "aria-hidden": "true" }), label)), el("li", { class: "unit" }, unit)),
        this.table));
    this.width = 0;
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.width) return;
      this.width = width;
      if (this.data) this.draw();
    }).observe(this.plot);
  }

  // update takes { from, to, now, top, layers, columns, readouts, note,
  // summary, nothing }: times in milliseconds; columns say how to write a
  // readout's values, which stand in their order behind its time t; nothing
  // is what to say where there is nothing to draw.
  update(data) {
    this.data = data;
    text(this.note, data.note);
    attribute(this.picture, "aria-label", data.summary);
    if (this.width) this.draw();
    if (this.table.open) this.tabulate();
  }

  draw() {
    const { from, to, layers } = this.data;
    const { top, ticks } = axis(this.data.top, this.whole);
    const right = this.width - margin.right, base = this.height - margin.bottom;
    this.x = (t) => margin.left + ((t - from) / (to - from)) * (right - margin.left);
    this.y = (v) => base - (v / top) * (base - margin.top);
    attribute(this.picture, "width", String(this.width));
    attribute(this.picture, "viewBox", `0 0 ${this.width} ${this.height}`);
    for (const [k, v] of Object.entries({ x: margin.left, y: margin.top - 4, width: Math.max(0, right - margin.left), height: base - margin.top + 5 })) this.clip.setAttribute(k, v);
    this.frame.replaceChildren(
      ...ticks.flatMap((v) => [
        svg("line", { class: v ? "grid" : "base", x1: margin.left, x2: right, y1: round(this.y(v)), y2: round(this.y(v)) }),
        svg("text", { x: margin.left - 8, y: round(this.y(v)) + 4, "text-anchor": "end" }, f.tick(v)),
      ]),
      ...times(from, to, (right - margin.left) / 76).map(({ t, label, strong }) =>
        svg("text", { x: Math.min(round(this.x(t)), this.width - 20), y: this.height - 7, "text-anchor": "middle", class: strong ? "strong" : null }, label)));
    this.over.replaceChildren();
    if (this.data.nothing) this.over.append(svg("text", { class: "nothing", x: (margin.left + right) / 2, y: (margin.top + base) / 2, "text-anchor": "middle" }, this.data.nothing));
    this.layers.replaceChildren(...layers.map((l) => this[l.kind](l, base, right)).filter(Boolean));
    if (this.at !== undefined) this.show(this.at);
  }

  line({ points, kind, class: name }) {
    let d = "", pen = false;
    for (const [t, v] of points) {
      if (v !== null) d += (pen ? "L" : "M") + round(this.x(t)) + " " + round(this.y(v));
      pen = v !== null;
    }
    return svg("path", { class: kind + " " + name, d });
  }

  // stairs hold each value until the next point.
  stairs({ points, class: name }) {
    let d = "", pen = false;
    for (const [t, v] of points) {
      const x = round(this.x(t));
      if (pen) d += "H" + x;
      if (v !== null) d += (pen ? "V" : "M" + x + " ") + round(this.y(v));
      pen = v !== null;
    }
    return svg("path", { class: "line " + name, d });
  }

  band({ runs, class: name }) {
    const d = runs.map((points) => "M" + [
      ...points.map(([t, , high]) => round(this.x(t)) + " " + round(this.y(high))),
      ...points.map(([t, low]) => round(this.x(t)) + " " + round(this.y(low))).reverse(),
    ].join("L") + "Z").join("");
    return svg("path", { class: "band " + name, d });
  }

  dots({ points, class: name }) {
    return svg("g", { class: name }, points.map(([t, v]) => svg("circle", { cx: round(this.x(t)), cy: round(this.y(v)), r: 2.5 })));
  }

  // span shades a stretch of time from top to bottom.
  span({ from, to, label, class: name }, base) {
    const [a, b] = [round(this.x(from)), round(this.x(to))];
    if (label) this.over.append(svg("text", { class: name, x: a + 4, y: margin.top + 8 }, label));
    return svg("g", { class: name },
      svg("rect", { x: a, y: margin.top - 4, width: Math.max(0, b - a), height: base - margin.top + 4 }),
      svg("line", { x1: b, x2: b, y1: margin.top - 4, y2: base }));
  }

  mark({ t, class: name }, base) {
    return svg("line", { class: name, x1: round(this.x(t)), x2: round(this.x(t)), y1: margin.top - 4, y2: base });
  }

  // rule is a level over a stretch of time, named at its end.
  rule({ from, to, value, label, class: name }, base, right) {
    const [a, b, y] = [round(this.x(from)), round(this.x(to)), round(this.y(value))];
    const late = b > right - 110;
    this.over.append(svg("text", { class: name, x: late ? a - 6 : b + 6, y: y + 4, "text-anchor": late ? "end" : "start" }, label));
    return svg("line", { class: name, x1: a, x2: b, y1: y, y2: y });
  }

  point(event) {
    if (!this.x || !this.data.readouts.length) return;
    const x = event.clientX - this.picture.getBoundingClientRect().left;
    const { readouts } = this.data;
    this.show(readouts.reduce((best, r) => (Math.abs(this.x(r.t) - x) < Math.abs(this.x(best.t) - x) ? r : best)).t);
  }

  key(event) {
    if (event.target !== this.plot || !this.x || !this.data.readouts.length) return;
    const { readouts, now } = this.data;
    const last = readouts.length - 1;
    let i = readouts.findIndex((r) => r.t >= (this.at ?? now));
    if (i < 0) i = last;
    const far = event.shiftKey ? 10 : 1;
    const to = { ArrowRight: this.at === undefined ? i : i + far, ArrowLeft: this.at === undefined ? i : i - far, Home: 0, End: last, PageDown: i + 15, PageUp: i - 15 }[event.key];
    if (event.key === "Escape" && this.at !== undefined) {
      event.preventDefault();
      this.hide();
      return;
    }
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const r = readouts[Math.min(Math.max(to, 0), last)];
    this.show(r.t);
    text(this.spoken, f.clock(r.t) + ". " + this.told(r).map(([label, value]) => label + " " + value).join(", "));
  }

  told(readout) {
    return this.data.columns.map((c, i) => [c.label, readout.values[i], c]).filter(([, v]) => v !== null && v !== undefined).map(([label, v, c]) => [label, c.write(v), c.class]);
  }

  // show puts the crosshair on the readout at t, or the nearest one after it.
  show(t) {
    const readout = this.data.readouts.find((r) => r.t >= t);
    if (!readout) return this.hide();
    this.at = readout.t;
    const x = round(this.x(readout.t));
    this.cross.replaceChildren(
      svg("line", { x1: x, x2: x, y1: margin.top - 4, y2: this.height - margin.bottom }),
      ...this.data.columns.map((c, i) => {
        const v = readout.values[i];
        return c.dot && v !== null && v !== undefined ? svg("circle", { class: c.class, cx: x, cy: round(this.y(v)), r: 4 }) : null;
      }).filter(Boolean));
    this.cross.setAttribute("visibility", "visible");
    this.tip.replaceChildren(el("b", {}, f.day(readout.t) + ", " + f.clock(readout.t)),
      el("dl", {}, this.told(readout).map(([label, value, name]) => el("div", {}, el("dt", {}, el("i", { class: "key " + (name ?? "") }), label), el("dd", {}, value)))));
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    this.tip.style.left = Math.max(0, x + 14 + width > this.width ? x - 14 - width : x + 14) + "px";
  }

  hide() {
    this.at = undefined;
    this.cross.setAttribute("visibility", "hidden");
    this.tip.hidden = true;
  }

  // tabulate fills the table while it is open: hundreds of rows are not worth
  // making for nobody.
  tabulate() {
    const table = this.table.querySelector("table");
    if (!this.table.open || !this.data) return table.replaceChildren();
    const { columns, readouts } = this.data;
    table.replaceChildren(
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"), columns.map((c) => el("th", { scope: "col", class: "number" }, c.label)))),
      el("tbody", {}, readouts.map((r) => el("tr", {}, el("th", { scope: "row" }, f.clock(r.t)),
        columns.map((c, i) => el("td", { class: "number" }, r.values[i] === null || r.values[i] === undefined ? f.none : c.write(r.values[i])))))));
  }
}

const round = (v) => Math.round(10 * v) / 10;
