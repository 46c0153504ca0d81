// Asks the API at an interval and shows what it says: the list of workloads,
// or one of them after #/namespace/name.
import { el, text } from "./dom.js";
import * as f from "./format.js";
import { List } from "./list.js";
import { Detail } from "./detail.js";
import { problem } from "./notice.js";

const $ = (id) => document.getElementById(id);
const list = new List($("list"));
const detail = new Detail($("detail"), refresh);
const interval = refreshInterval();

let timer = 0;
let asking = null;
let answered = 0; // when the last good answer came, by this machine's clock
let shown = null; // the route that the page shows

// refreshInterval is 5 s, or ?refresh= in seconds, from a quarter second on.
function refreshInterval() {
  const wanted = parseFloat(new URLSearchParams(location.search).get("refresh"));
  return 1000 * (wanted > 0 ? Math.min(Math.max(wanted, 0.25), 300) : 5);
}

// target is the workload that the address names, null for the list.
function target() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  try {
    const [name, namespace = ""] = parts.map(decodeURIComponent).reverse();
    return name && parts.length <= 2 ? { namespace, name } : null;
  } catch {
    return null; // a stray % in the address
  }
}

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function get(url, signal) {
  const response = await fetch(url, { signal, headers: { Accept: "application/json" } });
  const body = await response.json();
  if (!response.ok) throw new Refused(response.status, body.error);
  return body;
}

async function refresh() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(10000)]);
  const workload = target();
  try {
    if (workload) {
      const answer = await get(f.path(workload) + "?hours=" + detail.hours, signal);
      if (mine !== asking) return;
      header(answer);
      show("detail");
      detail.update(answer);
    } else {
      const answer = await get("api/v1/workloads?spark=180", signal);
      const ledger = answer.ledger ? await get("api/v1/ledger", signal) : null;
      if (mine !== asking) return;
      header(answer);
      if (answer.workloads.length) {
        show("list");
        list.update(answer, ledger);
      } else {
        problem($("notice"), { kind: "empty", answer });
        show("notice");
      }
    }
    connected();
  } catch (error) {
    if (mine !== asking) return;
    failed(error, workload);
  }
  if (!document.hidden) timer = setTimeout(refresh, interval);
}

function failed(error, workload) {
  if (error instanceof Refused) {
    connected();
    problem($("notice"), { kind: error.status === 503 ? "starting" : "refused", error, workload });
    show("notice");
    return;
  }
  $("live").className = "chip live lost";
  text($("live"), "Connection lost");
  document.body.classList.add("lost");
  $("banner").hidden = false;
  text($("banner"), answered
    ? "The connection to Foretide is lost. What you see is from " + f.seconds(answered) + "; trying again."
    : "Foretide does not answer. Trying again.");
}

function connected() {
  answered = Date.now();
  $("live").className = "chip live";
  text($("live"), "Live");
  document.body.classList.remove("lost");
  $("banner").hidden = true;
}

function header(answer) {
  text($("program"), answer.program);
  const now = new Date(answer.now);
  text($("clock"), f.day(now) + ", " + f.seconds(now));
  $("clock").dateTime = answer.now;
  $("clock").title = f.long(now);
  const { source } = answer;
  chip($("source"), source.error ? "bad" : source.leftOut ? "warn" : "good", "Metrics",
    source.error ? "not answering" : source.leftOut ? f.count(source.leftOut) + " workloads left out" : f.span(source.stalenessSeconds) + " ago",
    [source.error ?? "The metrics store answered " + f.span(source.stalenessSeconds) + " ago",
      source.leftOut && "There are more workloads than Foretide looks at: name the ones that matter in ScaledObjects",
      source.since && "The history reaches back to " + f.long(new Date(source.since)) + (source.filled ? "" : " and is still being read")].filter(Boolean).join(". "));
  const { version, prior, ageSeconds, error } = answer.model;
  chip($("model"), error ? "warn" : version ? "good" : "warn", "Model",
    version ? short(version) + (ageSeconds === null ? "" : ", " + f.span(ageSeconds) + " old") : "none",
    [error, version && (prior ? "The prior that Foretide brings, " : "Version ") + version, !version && !error && "No model serves: baselines forecast"].filter(Boolean).join(". "));
}

const short = (version) => (version.length > 20 ? version.slice(0, 19) + "…" : version);

function chip(node, kind, name, value, explained) {
  node.hidden = false;
  node.className = "chip " + kind;
  node.title = explained;
  if (node.dataset.value === value) return;
  node.dataset.value = value;
  node.replaceChildren(el("b", {}, name), " " + value);
}

// show brings one section up, and moves the focus only when the address has
// changed: a refresh must not take it from where the user is.
function show(section) {
  for (const id of ["notice", "list", "detail"]) $(id).hidden = id !== section;
  const moved = shown !== null && shown !== location.hash;
  const before = shown;
  shown = location.hash;
  if (section !== "detail") document.title = "Foretide";
  if (!moved) return;
  window.scrollTo(0, 0);
  if (section === "list") list.focus(before);
  else $(section).querySelector("h1")?.focus({ preventScroll: true });
}

addEventListener("hashchange", refresh);
addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing && !$("list").hidden) {
    event.preventDefault();
    list.filterField.select();
  } else if (event.key === "Escape" && !typing && target()) {
    location.hash = "#/";
  }
});
$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address holds the route, not an anchor
  $("main").focus();
});
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("foretide.theme", root.dataset.theme);
});
refresh();
