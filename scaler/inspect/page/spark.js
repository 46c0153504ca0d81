// The small chart of a row: the last hours, and the forecast with its band.
import { svg } from "./dom.js";

const width = 168, height = 36, margin = 3;

export class Spark {
  constructor() {
    this.band = svg("path", { class: "band b80" });
    this.past = svg("path", { class: "line actual" });
    this.ahead = svg("path", { class: "line median" });
    this.node = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true", preserveAspectRatio: "none" },
      this.band, this.past, this.ahead);
  }

  // update draws minutes of history up to the forecast's end.
  update(spark, minutes, stepSeconds) {
    const key = spark.start + spark.observed.length + (spark.forecast?.start ?? "") + spark.observed.at(-1);
    if (key === this.key) return;
    this.key = key;
    const step = 1000 * stepSeconds;
    const ahead = spark.forecast;
    const begin = Date.parse(spark.start ?? 0);
    const end = ahead ? Date.parse(ahead.start) + step * ahead.median.length : begin + step * spark.observed.length;
    const from = end - 60000 * minutes - (ahead ? step * ahead.median.length : 0);
    let top = 0, low = Infinity;
    for (const v of [...spark.observed, ...(ahead?.high ?? []), ...(ahead?.low ?? [])]) {
      if (v === null) continue;
      if (v > top) top = v;
      if (v < low) low = v;
    }
    // The shape is what counts here, so the axis need not begin at zero; but
    // a steady load must not look like a storm.
    const floor = Math.max(0, Math.min(low, 0.55 * top));
    const x = (t) => ((t - from) / (end - from)) * width;
    const y = (v) => height - margin - ((v - floor) / (top - floor || 1)) * (height - 2 * margin);
    const at = (t, v) => x(t).toFixed(1) + " " + y(v).toFixed(1);
    this.past.setAttribute("d", line(spark.observed, (v, i) => at(begin + i * step, v)));
    if (!ahead) {
      this.band.setAttribute("d", "");
      this.ahead.setAttribute("d", "");
      return;
    }
    const start = Date.parse(ahead.start);
    const upper = ahead.high.map((v, i) => at(start + i * step, v));
    const lower = ahead.low.map((v, i) => at(start + i * step, v)).reverse();
    this.band.setAttribute("d", "M" + [...upper, ...lower].join("L") + "Z");
    this.ahead.setAttribute("d", line(ahead.median, (v, i) => at(start + i * step, v)));
  }
}

// line is a path through values, broken where one is missing.
export function line(values, place) {
  let d = "", pen = false;
  values.forEach((v, i) => {
    if (v !== null) d += (pen ? "L" : "M") + place(v, i);
    pen = v !== null;
  });
  return d;
}
