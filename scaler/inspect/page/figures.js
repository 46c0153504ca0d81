// What the three charts of a workload show, from the API's answer.
import * as f from "./format.js";

const millis = (text) => Date.parse(text);

// quantile names the levels of the API by their places in its arrays.
const p10 = 0, p25 = 1, median = 2, p75 = 3, p90 = 4, p95 = 5, p99 = 6;

const load = [
  { label: "observed", class: "actual", dot: true, write: f.perSecond },
  { label: "median", class: "median", dot: true, write: f.perSecond },
  { label: "p10", class: "b80", write: f.perSecond },
  { label: "p25", class: "b50", write: f.perSecond },
  { label: "p75", class: "b50", write: f.perSecond },
  { label: "p90", class: "b80", write: f.perSecond },
  { label: "p95", class: "b99", write: f.perSecond },
  { label: "p99", class: "b99", write: f.perSecond },
];
const columns = (q) => [q[median], q[p10], q[p25], q[p75], q[p90], q[p95], q[p99]];
const most = (values) => values.reduce((a, b) => (b > a ? b : a), 0);

// observed is the history as points of time and rate.
function observed({ history, stepSeconds }) {
  const start = millis(history.start ?? 0);
  return history.values.map((v, i) => [start + 1000 * stepSeconds * i, v]);
}

export function fan(answer, hours) {
  const step = 1000 * answer.stepSeconds;
  const now = millis(answer.at);
  const w = answer.workload;
  const known = observed(answer);
  const layers = [];
  const readouts = known.map(([t, v]) => ({ t, values: [v] }));
  let to = now + 60 * step;
  let top = most(known.map(([, v]) => v ?? 0));
  let summary = f.title(w) + ": observed " + f.perSecond(w.observed);
  if (answer.forecast) {
    const { steps, origin } = answer.forecast;
    const begin = millis(origin);
    const at = (h) => begin + h * step;
    const seed = known.find(([t, v]) => t === begin && v !== null);
    const edge = (low, high) => [[...(seed ? [[begin, seed[1], seed[1]]] : []), ...steps.map((q, i) => [at(i + 1), q[low], q[high]])]];
    if (w.windowSteps) layers.push({ kind: "span", class: "lead", from: at(0.5), to: at(w.windowSteps + 0.5) });
    layers.push(
      { kind: "band", class: "b99", runs: edge(p90, p99) },
      { kind: "band", class: "b95", runs: edge(p90, p95) },
      { kind: "band", class: "b80", runs: edge(p10, p90) },
      { kind: "band", class: "b50", runs: edge(p25, p75) },
      { kind: "line", class: "median", points: [...(seed ? [seed] : []), ...steps.map((q, i) => [at(i + 1), q[median]])] });
    readouts.push(...steps.map((q, i) => ({ t: at(i + 1), values: [null, ...columns(q)] })).filter((r) => !known.some(([t, v]) => t === r.t && v !== null)));
    to = at(steps.length);
    top = Math.max(top, most(steps.map((q) => q[p95])), w.predicted ?? 0);
    // The far tail may leave the chart: it must not press all else flat.
    top = Math.min(Math.max(top, most(steps.map((q) => q[p99]))), 1.35 * top);
    const last = steps.at(-1);
    summary += `, median ${f.perSecond(last[median])} in an hour, 80 % band ${f.rate(last[p10])} to ${f.perSecond(last[p90])}`;
    if (w.predicted !== null && w.windowSteps) {
      layers.push({ kind: "rule", class: "peak", from: at(0.5), to: at(w.windowSteps + 0.5), value: w.predicted, label: f.level(w.quantile) + " peak " + f.perSecond(w.predicted) });
      summary += `; the peak of the lead window at ${f.level(w.quantile)} is ${f.perSecond(w.predicted)}`;
    }
  }
  layers.push({ kind: "line", class: "actual", points: known }, { kind: "mark", class: "now", t: now });
  const nothing = answer.forecast || known.some(([, v]) => v !== null) ? "" : "Nothing is known of its load in these hours";
  return { from: now - 3600000 * hours, to, now, nothing, top: top * 1.06, layers, columns: load, readouts, summary: summary + ".",
    note: answer.forecast ? `Forecast by ${answer.forecast.by} from ${f.clock(millis(answer.forecast.origin))}, the next hour` : "No forecast can be used at present" };
}

export function against(answer, hours) {
  const { steps, leadSteps, coverage } = answer.past;
  const step = 1000 * answer.stepSeconds;
  const now = millis(answer.at);
  const known = observed(answer);
  const past = steps.map((p) => ({ ...p, t: millis(p.at) }));
  const runs = unbroken(past, step);
  const edge = (low, high) => runs.map((run) => run.map((p) => [p.t, p.quantiles[low], p.quantiles[high]]));
  const outside = past.filter((p) => p.actual !== null && (p.actual < p.quantiles[p10] || p.actual > p.quantiles[p90]));
  const note = coverage
    ? `Made ${leadSteps} minutes ahead: ${f.percent(coverage.insideP10P90)} inside the 80 % band, ${f.percent(coverage.belowP95)} below p95`
    : `Forecasts are kept as they are made; the first can be compared ${leadSteps} minutes later`;
  return {
    from: now - 3600000 * hours, to: Math.max(now, past.at(-1)?.t ?? now), now, note,
    nothing: past.length ? "" : "No forecast was made for these hours",
    top: 1.06 * Math.max(most(known.map(([, v]) => v ?? 0)), most(past.map((p) => p.quantiles[p90]))),
    layers: [
      { kind: "band", class: "b80", runs: edge(p10, p90) },
      { kind: "band", class: "b50", runs: edge(p25, p75) },
      { kind: "line", class: "median", points: runs.flatMap((run) => [...run.map((p) => [p.t, p.quantiles[median]]), [run.at(-1).t, null]]) },
      { kind: "line", class: "actual", points: known },
      { kind: "dots", class: "miss", points: outside.map((p) => [p.t, p.actual]) },
    ],
    columns: load,
    readouts: past.map((p) => ({ t: p.t, values: [p.actual, ...columns(p.quantiles)] })),
    summary: f.title(answer.workload) + ": " + note + ".",
  };
}

export function pods(answer, hours) {
  const step = 1000 * answer.stepSeconds;
  const now = millis(answer.at);
  const w = answer.workload;
  const need = (v) => (v === null ? null : Math.ceil(v / w.targetPerPod - 1e-9));
  const past = answer.past.steps.map((p) => ({ t: millis(p.at), asked: p.replicas, needed: need(p.actual) })).filter((p) => p.t <= now);
  const asked = unbroken(past, step).flatMap((run) => [...run.map((p) => [p.t, p.asked]), [run.at(-1).t + step, null]]);
  const latest = millis(answer.decisions[0]?.at ?? answer.at);
  if (asked.length && latest - past.at(-1).t < 2.5 * step) asked.pop();
  asked.push([Math.max(latest, past.at(-1)?.t ?? 0), w.replicas], [Math.max(now, latest) + step, null]);
  const needed = observed(answer).map(([t, v]) => [t, need(v)]);
  const short = past.filter((p) => p.needed !== null && p.asked < p.needed).length;
  const compared = past.filter((p) => p.needed !== null).length;
  const note = compared ? `Fewer were asked for than needed in ${f.count(short)} of ${f.count(compared)} minutes` : "Nothing to compare yet";
  return {
    from: now - 3600000 * hours, to: now + step, now, note,
    top: 1.1 * Math.max(1, w.replicas ?? 0, most(past.map((p) => p.asked)), most(needed.map(([, v]) => v ?? 0))),
    layers: [{ kind: "stairs", class: "actual", points: needed }, { kind: "stairs", class: "median", points: asked }],
    columns: [
      { label: "asked for", class: "median", dot: true, write: f.count },
      { label: "needed by what came", class: "actual", dot: true, write: f.count },
    ],
    readouts: past.map((p) => ({ t: p.t, values: [p.asked, p.needed] })),
    summary: f.title(w) + ": " + f.count(w.replicas) + " replicas asked for; " + note + ".",
  };
}

// unbroken splits points where steps are missing between them, so that no
// line is drawn over what was never forecast.
function unbroken(points, step) {
  const runs = [];
  for (const p of points) {
    const run = runs.at(-1);
    if (run && p.t - run.at(-1).t < 1.5 * step) run.push(p);
    else runs.push([p]);
  }
  return runs;
}
