// How numbers, times and ages are written. Missing is always an en dash.

export const none = "–";

const units = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

// rate writes requests per second with three digits or so: 0.42, 8.1, 312, 1.24k.
export function rate(v) {
  if (v === null || v === undefined) return none;
  const size = Math.abs(v);
  for (const [unit, letter] of units) {
    if (size >= 0.9995 * unit) return digits(v / unit) + letter;
  }
  return digits(v);
}

// tick is rate without idle zeros, for axes: 5, 12.5, 1.5k.
export const tick = (v) => rate(v).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");

// setting is a rate that somebody has chosen, as it was written.
export const setting = (v) => (v === null || v === undefined ? none : tick(v) + "/s");

export const perSecond = (v) => (v === null || v === undefined ? none : rate(v) + "/s");

function digits(v) {
  const size = Math.abs(v);
  if (size === 0) return "0";
  if (size < 0.01) return v.toPrecision(1);
  return v.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

export const count = (v) => (v === null || v === undefined ? none : v.toLocaleString("en-US"));

export const hours = (v) => (v < 99.95 ? v.toFixed(1) : Math.round(v).toLocaleString("en-US"));

export function percent(v) {
  return v === null || v === undefined ? none : Math.round(100 * v) + " %";
}

// level writes a quantile as p95.
export const level = (q) => "p" + +(100 * q).toFixed(2);

export function span(seconds) {
  if (seconds === null || seconds === undefined) return none;
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return s + " s";
  if (s < 5400) return Math.round(s / 60) + " min";
  if (s < 48 * 3600) return Math.round(s / 3600) + " h";
  return Math.round(s / 86400) + " days";
}

const parts = (options) => new Intl.DateTimeFormat("en-GB", options);
const clockFormat = parts({ hour: "2-digit", minute: "2-digit" });
const secondFormat = parts({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = parts({ weekday: "short", day: "numeric", month: "short" });
const longFormat = parts({ weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });

export const clock = (t) => clockFormat.format(t);
export const seconds = (t) => secondFormat.format(t);
export const day = (t) => dayFormat.format(t);
export const long = (t) => longFormat.format(t);

export const title = (w) => (w.namespace ? w.namespace + "/" + w.name : w.name);

// route is a workload's place after the # of the page, and path its place in
// the API: both escape the slashes that a namespace may hold.
export function route(w) {
  return "#/" + (w.namespace ? encodeURIComponent(w.namespace) + "/" : "") + encodeURIComponent(w.name);
}

export const path = (w) => "api/v1/workloads" + route(w).slice(1);

export const bindings = {
  forecast: "forecast",
  observed: "observed",
  mode: "mode",
};

export const states = {
  network: "network",
  prior: "prior",
  baseline: "baseline",
  observed: "observed only",
  error: "no answer",
};

export const stateTitles = {
  network: "The trained network's forecast decides",
  prior: "The network that Foretide brings forecasts, as no trained one can be used",
  baseline: "A baseline forecasts, as the network cannot be used",
  observed: "No forecast can be used: the observed load alone decides",
  error: "Nothing is known: KEDA is answered with an error, and the HPA holds",
};
