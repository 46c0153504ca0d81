// Where a chart's axes put their marks.
import * as f from "./format.js";

// niceTop is the round number at or above v that an axis ends at, and its steps.
export function axis(v, whole) {
  if (!(v > 0)) v = 1;
  const rough = v / 5;
  const size = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 2.5, 5, 10].map((m) => m * size).find((s) => s >= 0.75 * rough);
  if (whole) step = Math.max(1, Math.ceil(step));
  const ticks = [];
  for (let i = 0; i * step < v * 1.0001 || i < 2; i++) ticks.push(i * step);
  return { top: Math.max(v, ticks.at(-1)), ticks };
}

const minute = 60000;
const distances = [5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080].map((m) => m * minute);

// times are the marks of a time axis, on round local times, at most so many.
export function times(from, to, most) {
  const step = distances.find((d) => (to - from) / d <= most) ?? distances.at(-1);
  const offset = new Date(from).getTimezoneOffset() * minute;
  const out = [];
  for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) {
    const midnight = new Date(t).getHours() === 0 && new Date(t).getMinutes() === 0;
    out.push({ t, label: midnight ? f.day(t) : f.clock(t), strong: midnight });
  }
  return out;
}
