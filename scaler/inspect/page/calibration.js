// How well calibrated a workload's forecasts are: what share of rates each
// quantile has covered, and which forecasters the forecast is mixed from.
import { attribute, el, text } from "./dom.js";
import * as f from "./format.js";

// off is by how much a share may miss its level and still be called right: two
// hundredths, or half of what lies beyond the level where that is less.
const right = (share, level) => Math.abs(share - level) <= Math.max(0.01, Math.min(0.03, (1 - level) / 2));

const names = { network: "network", "last-value": "last value", "seasonal-naive-day": "a day before", "seasonal-naive-week": "a week before" };
const ahead = (bucket) => (bucket.startsWith("peak ") ? "Peak of " + bucket.slice(5) + " min" : bucket + " min");

export class CalibrationPanel {
  constructor() {
    this.note = el("span", { class: "muted" });
    this.levels = el("tr", {});
    this.covered = el("tbody", {});
    this.legend = el("ul", { class: "experts" });
    this.mixes = el("div", { class: "mixes" });
    this.node = el("section", { class: "card calibration", hidden: true, "aria-label": "Calibration" },
      el("header", {}, el("h2", {}, "Calibration"), this.note),
      el("div", { class: "pairs" },
        el("div", {}, el("h3", {}, "Share of rates below each quantile"),
          el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Coverage" },
            el("table", { class: "plain" }, el("thead", {}, this.levels), this.covered))),
        el("div", {}, el("h3", {}, "What the forecast is mixed from"), this.mixes, this.legend)));
  }

  update(calibration, levels) {
    this.node.hidden = !calibration;
    if (!calibration) return;
    const verified = calibration.buckets.reduce((sum, b) => sum + b.verified, 0);
    text(this.note, f.count(Math.round(verified)) + " forecasts verified, the last day counting most; each quantile is corrected by what came");
    const key = JSON.stringify([levels, calibration.experts, calibration.buckets.map((b) => b.bucket)]);
    if (key !== this.built) this.build(calibration, levels, key);
    calibration.buckets.forEach((b, i) => {
      const cells = [...this.covered.children[i].children].slice(1);
      cells.forEach((cell, j) => {
        const share = b.coverage[j];
        text(cell, share === null ? f.none : (100 * share).toFixed(1) + " %");
        attribute(cell, "class", "number " + (share === null ? "" : right(share, levels[j]) ? "good" : "more"));
        attribute(cell, "title", "moved by " + b.corrections[j].toFixed(2) + " standard deviations");
      });
      const row = this.mixes.children[i];
      const parts = [...row.querySelectorAll(".part")];
      parts.forEach((part, k) => { part.style.width = 100 * b.weights[k] + "%"; });
      const written = calibration.experts.map((e, k) => (names[e] ?? e) + " " + f.percent(b.weights[k])).join(", ");
      attribute(row.querySelector(".track"), "title", written);
      attribute(row.querySelector(".track"), "aria-label", written);
    });
  }

  build(calibration, levels, key) {
    this.built = key;
    this.levels.replaceChildren(el("th", { scope: "col" }, "Ahead"), ...levels.map((l) => el("th", { scope: "col", class: "number" }, f.level(l))));
    this.covered.replaceChildren(...calibration.buckets.map((b) =>
      el("tr", {}, el("th", { scope: "row" }, ahead(b.bucket)), levels.map(() => el("td", { class: "number" })))));
    this.mixes.replaceChildren(...calibration.buckets.map((b) =>
      el("div", { class: "mix" }, el("span", {}, ahead(b.bucket)),
        el("span", { class: "track", role: "img" }, calibration.experts.map((_, k) => el("span", { class: "part e" + k }))))));
    this.legend.replaceChildren(...calibration.experts.map((e, k) => el("li", {}, el("i", { class: "part e" + k }), names[e] ?? e)));
  }
}
