// The workloads at a glance: a table to filter, sort and walk with the arrows.
import { attribute, el, text } from "./dom.js";
import * as f from "./format.js";
import { LedgerPanel } from "./ledger.js";
import { Spark } from "./spark.js";

const severity = { network: 0, prior: 0.5, baseline: 1, observed: 2, error: 4 };
const trouble = (w) => severity[w.state] + (w.stale ? 2 : 0);
const attention = (w) => w.error !== null || w.state === "observed" || w.stale;
const ahead = (w) => w.binding === "forecast" || w.binding === "mode";

// A column's value sorts it; those with an order of their own begin with the
// largest, as that is what one looks for.
const columns = [
  { key: "name", label: "Workload", value: (w) => f.title(w), up: true },
  { key: "spark", label: "Last 3 hours, next hour" },
  { key: "observed", label: "Observed", number: true, value: (w) => w.observed ?? -1, title: "The newest known load, requests per second" },
  { key: "predicted", label: "Predicted peak", number: true, value: (w) => w.predicted ?? -1, title: "The largest load until a pod started now would serve, at the workload's quantile, requests per second" },
  { key: "replicas", label: "Replicas", number: true, value: (w) => w.replicas ?? -1, title: "What KEDA's answer comes to, before the ScaledObject's bounds" },
  { key: "binding", label: "Decided by", value: (w) => w.binding ?? "", up: true, title: "Which number was the larger one" },
  { key: "state", label: "State", value: trouble },
];

export class List {
  constructor(host) {
    this.rows = new Map();
    this.segment = "all";
    this.sort = { key: "name", up: true };
    try {
      const kept = JSON.parse(localStorage.getItem("foretide.sort"));
      if (columns.some((c) => c.value && c.key === kept?.key)) this.sort = { key: kept.key, up: !!kept.up };
    } catch { /* what was kept cannot be read: the default will do */ }
    this.ledger = new LedgerPanel();
    this.stats = {};
    this.filterField = el("input", { type: "search", id: "filter", placeholder: "Filter workloads", "aria-label": "Filter workloads", autocomplete: "off", spellcheck: "false", oninput: () => this.arrange(), onkeydown: (e) => this.filterKey(e) });
    this.segments = [["all", "All", () => true], ["ahead", "Scaling ahead", ahead], ["attention", "Needs attention", attention]]
      .map(([key, label, test]) => {
        const count = el("span", { class: "count" });
        const button = el("button", { type: "button", "aria-pressed": String(key === "all"), onclick: () => this.choose(key) }, label, count);
        return { key, test, button, count };
      });
    this.head = columns.map((c) => this.heading(c));
    this.body = el("tbody", { onkeydown: (e) => this.rowKey(e) });
    this.nothing = el("p", { class: "nothing", hidden: true }, "No workload fits the filter. ",
      el("button", { type: "button", class: "link", onclick: () => this.reset() }, "Show all"));
    host.append(
      el("h1", { class: "hidden", tabindex: -1 }, "Workloads"),
      el("dl", { class: "stats" },
        this.stat("workloads", "Workloads"), this.stat("load", "Load now"), this.stat("pods", "Replicas asked for"), this.stat("attention", "Need attention")),
      this.ledger.node,
      el("div", { class: "card table" },
        el("div", { class: "toolbar" },
          el("div", { class: "search" }, this.filterField, el("kbd", { "aria-hidden": "true" }, "/")),
          el("div", { class: "segments", role: "group", "aria-label": "Which workloads" }, this.segments.map((s) => s.button))),
        el("table", { class: "workloads" },
          el("caption", { class: "hidden" }, "Workloads with their load, forecast and decision. Arrow keys move, Enter opens."),
          el("thead", {}, el("tr", {}, this.head)), this.body),
        this.nothing),
      el("p", { class: "hints" }, el("kbd", {}, "/"), " filter ", el("kbd", {}, "↑"), el("kbd", {}, "↓"), " move ", el("kbd", {}, "Enter"), " open ", el("kbd", {}, "Esc"), " back"));
  }

  stat(key, label) {
    this.stats[key] = el("dd", {}, f.none);
    return el("div", {}, el("dt", {}, label), this.stats[key]);
  }

  heading(column) {
    const inner = column.value
      ? el("button", { type: "button", title: column.title, onclick: () => this.order(column) }, column.label, el("i", { "aria-hidden": "true" }))
      : column.label;
    return el("th", { scope: "col", class: "c-" + column.key + (column.number ? " number" : "") }, inner);
  }

  update(answer, ledger) {
    this.stepSeconds = answer.stepSeconds;
    this.ledger.update(ledger);
    const seen = new Set();
    let load = 0, pods = 0, troubled = 0;
    for (const w of answer.workloads) {
      const key = f.route(w);
      seen.add(key);
      let row = this.rows.get(key);
      if (!row) this.rows.set(key, (row = new Row(key)));
      row.update(w, this.stepSeconds);
      load += w.observed ?? 0;
      pods += w.replicas ?? 0;
      if (attention(w)) troubled++;
    }
    for (const [key, row] of this.rows) {
      if (seen.has(key)) continue;
      row.node.remove();
      this.rows.delete(key);
    }
    text(this.stats.workloads, f.count(answer.workloads.length));
    text(this.stats.load, f.perSecond(load));
    text(this.stats.pods, f.count(pods));
    text(this.stats.attention, f.count(troubled));
    this.stats.attention.classList.toggle("bad", troubled > 0);
    for (const s of this.segments) text(s.count, f.count(answer.workloads.filter(s.test).length));
    this.arrange();
  }

  // arrange filters and sorts, and moves only the rows that must move.
  arrange() {
    const words = this.filterField.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { test } = this.segments.find((s) => s.key === this.segment);
    const { value } = columns.find((c) => c.key === this.sort.key);
    const sign = this.sort.up ? 1 : -1;
    const rows = [...this.rows.values()].sort((a, b) => {
      const [x, y] = [value(a.workload), value(b.workload)];
      return (x < y ? -sign : x > y ? sign : 0) || (f.title(a.workload) < f.title(b.workload) ? -1 : 1);
    });
    let place = this.body.firstElementChild, visible = 0;
    for (const row of rows) {
      row.node.hidden = !test(row.workload) || !words.every((w) => row.haystack.includes(w));
      if (!row.node.hidden) visible++;
      if (row.node === place) place = place.nextElementSibling;
      else this.body.insertBefore(row.node, place);
    }
    this.nothing.hidden = visible > 0;
    this.head.forEach((th, i) => attribute(th, "aria-sort", columns[i].key === this.sort.key ? (this.sort.up ? "ascending" : "descending") : null));
    this.rove();
  }

  // rove keeps one row in the tab order: the one last focused, if it shows.
  rove(to) {
    const links = this.links();
    const current = to ?? links.find((a) => a.tabIndex === 0) ?? links[0];
    for (const row of this.rows.values()) row.link.tabIndex = row.link === current ? 0 : -1;
  }

  links() {
    return [...this.body.children].filter((tr) => !tr.hidden).map((tr) => tr.querySelector("a"));
  }

  order(column) {
    this.sort = { key: column.key, up: this.sort.key === column.key ? !this.sort.up : !!column.up };
    localStorage.setItem("foretide.sort", JSON.stringify(this.sort));
    this.arrange();
  }

  choose(segment) {
    this.segment = segment;
    for (const s of this.segments) s.button.setAttribute("aria-pressed", String(s.key === segment));
    this.arrange();
  }

  reset() {
    this.filterField.value = "";
    this.choose("all");
    this.filterField.focus();
  }

  focus(route) {
    const link = this.rows.get(route)?.link ?? this.links()[0];
    link?.focus();
  }

  filterKey(event) {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      this.links()[0]?.focus();
    } else if (event.key === "Escape") {
      this.filterField.value = "";
      this.arrange();
      this.filterField.blur();
    }
  }

  rowKey(event) {
    const links = this.links();
    const i = links.indexOf(document.activeElement);
    const to = { ArrowDown: i + 1, j: i + 1, ArrowUp: i - 1, k: i - 1, Home: 0, End: links.length - 1, PageDown: Math.min(i + 10, links.length - 1), PageUp: Math.max(i - 10, 0) }[event.key];
    if (i < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (to < 0) return this.filterField.focus();
    const link = links[Math.min(to, links.length - 1)];
    this.rove(link);
    link.focus();
  }
}

class Row {
  constructor(route) {
    this.link = el("a", { href: route, tabindex: -1 });
    this.space = el("small", {});
    this.spark = new Spark();
    this.cells = Object.fromEntries(columns.map((c) => [c.key, el("td", { class: "c-" + c.key + (c.number ? " number" : ""), "data-label": c.label })]));
    this.cells.name.append(this.link, this.space);
    this.cells.spark.append(this.spark.node);
    for (const key of ["observed", "predicted", "replicas"]) this.cells[key].append(el("span", {}), el("small", {}));
    this.badge = el("span", {});
    this.old = el("span", { class: "badge warn", hidden: true });
    this.fails = el("span", { class: "badge error", hidden: true }, "trigger fails");
    this.cells.state.append(this.badge, " ", this.old, " ", this.fails);
    this.node = el("tr", { onclick: (e) => e.target.closest("a") || this.link.click() }, Object.values(this.cells));
  }

  update(w, stepSeconds) {
    this.workload = w;
    this.haystack = [f.title(w), w.state, f.states[w.state], w.binding, w.mode, w.stale ? "stale" : ""].join(" ").toLowerCase();
    const { observed, predicted, replicas, binding } = this.cells;
    text(this.link, w.name);
    text(this.space, w.namespace || "no namespace");
    attribute(this.node, "title", w.error ?? w.sentence);
    if (w.spark) this.spark.update(w.spark, 180, stepSeconds);
    pair(observed, f.perSecond(w.observed), "");
    pair(predicted, f.perSecond(w.predicted), w.predicted === null ? "" : f.level(w.quantile) + ", next " + f.span(w.leadTimeSeconds));
    pair(replicas, f.count(w.replicas), w.plannedReplicas !== w.replicas ? "would be " + f.count(w.plannedReplicas) : "");
    replicas.title = w.replicas === null && w.state !== "error" ? "No ScaledObject names a target per pod" : "";
    text(binding, w.binding === null ? f.none : f.bindings[w.binding] ?? w.binding);
    attribute(binding, "data-binding", w.binding);
    badge(this.badge, w);
    this.fails.hidden = w.error === null || w.state === "error";
    this.old.hidden = !w.stale;
    text(this.old, w.stalenessSeconds === null ? "no load known" : f.span(w.stalenessSeconds) + " old");
  }
}

export function badge(node, w) {
  attribute(node, "class", "badge " + w.state);
  attribute(node, "title", f.stateTitles[w.state] ?? null);
  text(node, f.states[w.state] ?? w.state);
}

function pair(cell, main, minor) {
  text(cell.firstChild, main);
  text(cell.lastChild, minor);
}
