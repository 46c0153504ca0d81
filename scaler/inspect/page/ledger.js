// The score of a replay: what the load cost under Foretide and under a
// reactive HPA on the same load.
import { attribute, el, text } from "./dom.js";
import * as f from "./format.js";

const measures = [
  { label: "Minutes with too few pods", of: (side) => side.shortMinutes, write: f.count },
  { label: "Pod hours", of: (side) => side.podHours, write: f.hours },
];

export class LedgerPanel {
  constructor() {
    this.played = el("span", { class: "muted" });
    this.bars = measures.map((m) => new Pair(m));
    this.body = el("tbody", {});
    this.rows = new Map();
    this.node = el("section", { class: "card ledger", hidden: true, "aria-label": "Foretide beside a reactive HPA" },
      el("header", {}, el("h2", {}, "Beside a reactive HPA"), this.played),
      el("div", { class: "pairs" }, this.bars.map((b) => b.node)),
      el("details", {}, el("summary", {}, "By workload"),
        el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Ledger by workload" },
          el("table", { class: "plain" },
            el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Workload"),
              ["Short minutes", "reactive HPA", "Pod hours", "reactive HPA"].map((t) => el("th", { scope: "col", class: "number" }, t)))),
            this.body))));
  }

  update(ledger) {
    this.node.hidden = !ledger || ledger.workloads.length === 0;
    if (this.node.hidden) return;
    const longest = Math.max(...ledger.workloads.map((w) => w.minutes));
    text(this.played, f.span(60 * longest) + " played, " + f.count(ledger.workloads.length) + " workloads");
    for (const bar of this.bars) bar.update(ledger.total);
    for (const w of ledger.workloads) {
      const key = f.route(w);
      let row = this.rows.get(key);
      if (!row) {
        row = el("tr", {}, el("th", { scope: "row" }, el("a", { href: key }, f.title(w))), [0, 1, 2, 3].map(() => el("td", { class: "number" })));
        this.rows.set(key, row);
        this.body.append(row);
      }
      measures.forEach((m, i) => {
        text(row.children[1 + 2 * i], m.write(m.of(w.foretide)));
        text(row.children[2 + 2 * i], m.write(m.of(w.reactive)));
      });
    }
  }
}

class Pair {
  constructor(measure) {
    this.measure = measure;
    this.change = el("span", { class: "change" });
    this.sides = ["foretide", "reactive"].map((key) => {
      const side = { key, value: el("b", {}), bar: el("span", { class: "bar " + key }) };
      side.node = el("div", { class: "side" }, el("span", { class: "who" }, key === "foretide" ? "Foretide" : "Reactive HPA"), el("span", { class: "track", "aria-hidden": "true" }, side.bar), side.value);
      return side;
    });
    this.node = el("div", { class: "pair" }, el("h3", {}, measure.label, this.change), this.sides.map((s) => s.node));
  }

  update(total) {
    const [ours, theirs] = [this.measure.of(total.foretide), this.measure.of(total.reactive)];
    const top = Math.max(ours, theirs) || 1;
    for (const side of this.sides) {
      const v = this.measure.of(total[side.key]);
      text(side.value, this.measure.write(v));
      side.bar.style.width = (100 * v) / top + "%";
    }
    const change = theirs > 0 ? Math.round((100 * (ours - theirs)) / theirs) : null;
    text(this.change, change === null ? "" : change === 0 ? "equal" : (change > 0 ? "+" : "−") + Math.abs(change) + " %");
    attribute(this.change, "class", "change " + (change < 0 ? "good" : change > 0 ? "more" : ""));
  }
}
