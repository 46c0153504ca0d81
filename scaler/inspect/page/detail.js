// One workload: why it has the pods it has, its forecast, how earlier
// forecasts met what came, and the pods that were asked for.
import { attribute, el, text } from "./dom.js";
import * as f from "./format.js";
import { Chart } from "./chart.js";
import { against, fan, pods } from "./figures.js";
import { badge } from "./list.js";
import { CalibrationPanel } from "./calibration.js";

const ranges = [1, 3, 6, 12, 24];

export class Detail {
  constructor(host, refresh) {
    const kept = Number(localStorage.getItem("foretide.hours"));
    this.hours = ranges.includes(kept) ? kept : 3;
    this.ranges = ranges.map((h) => el("button", { type: "button", "aria-pressed": String(h === this.hours), onclick: () => {
      this.hours = h;
      localStorage.setItem("foretide.hours", h);
      this.ranges.forEach((b, i) => b.setAttribute("aria-pressed", String(ranges[i] === h)));
      refresh();
    } }, h + " h"));
    this.name = el("span", {});
    this.space = el("small", {});
    this.badge = el("span", {});
    this.old = el("span", { class: "badge warn", hidden: true });
    this.sentence = el("p", { class: "sentence", id: "sentence" });
    this.error = el("p", { class: "muted", hidden: true });
    this.stats = {};
    this.fan = new Chart({ title: "Load and forecast", height: 320, unit: "requests per second",
      tools: el("div", { class: "segments", role: "group", "aria-label": "Hours of history" }, this.ranges),
      legend: [["actual", "observed"], ["median", "median"], ["b50", "25–75 %"], ["b80", "10–90 %"], ["b99", "up to 99 %"], ["lead", "lead window"]] });
    this.against = new Chart({ title: "Forecast against what came", height: 230, unit: "requests per second",
      legend: [["actual", "what came"], ["median", "forecast"], ["b50", "25–75 %"], ["b80", "10–90 %"], ["miss", "outside"]] });
    this.pods = new Chart({ title: "Replicas", height: 230, unit: "replicas", whole: true,
      legend: [["median", "asked for"], ["actual", "needed by what came"]] });
    this.podless = el("p", { class: "card nothing", hidden: true });
    this.calibration = new CalibrationPanel();
    this.triggers = el("section", { class: "triggers", "aria-label": "Decisions" });
    host.append(
      el("nav", { "aria-label": "Breadcrumb" }, el("a", { href: "#/", class: "back" }, "Workloads")),
      el("header", { class: "headline" }, el("h1", { tabindex: -1 }, this.space, this.name), el("div", {}, this.badge, " ", this.old)),
      this.sentence, this.error,
      el("dl", { class: "stats" }, this.stat("observed", "Observed"), this.stat("predicted", "Predicted peak"), this.stat("replicas", "Replicas asked for"), this.stat("target", "One pod carries")),
      this.fan.node,
      el("div", { class: "two" }, this.against.node, el("div", {}, this.pods.node, this.podless)),
      this.calibration.node,
      this.triggers);
  }

  stat(key, label) {
    this.stats[key] = [el("span", {}, f.none), el("small", {})];
    return el("div", {}, el("dt", {}, label), el("dd", {}, this.stats[key]));
  }

  update(answer) {
    const w = answer.workload;
    document.title = f.title(w) + " · Foretide";
    text(this.name, w.name);
    text(this.space, w.namespace ? w.namespace + " / " : "");
    badge(this.badge, w);
    this.old.hidden = !w.stale;
    text(this.old, w.stalenessSeconds === null ? "no load known" : "load is " + f.span(w.stalenessSeconds) + " old");
    text(this.sentence, w.sentence ?? "KEDA gets an error for an answer, so the HPA holds the replicas it has.");
    this.error.hidden = !w.error;
    text(this.error, w.error ?? "");
    attribute(this.sentence, "data-state", w.state);
    const put = (key, main, minor) => [main, minor].forEach((v, i) => text(this.stats[key][i], v));
    put("observed", f.perSecond(w.observed), w.stalenessSeconds === null ? "" : f.span(w.stalenessSeconds) + " ago");
    put("predicted", f.perSecond(w.predicted), w.predicted === null ? "no forecast" : f.level(w.quantile) + ", next " + f.span(w.leadTimeSeconds));
    put("replicas", f.count(w.replicas), w.plannedReplicas !== w.replicas ? "would be " + f.count(w.plannedReplicas) : w.binding ? "decided by " + (f.bindings[w.binding] ?? w.binding) : "");
    put("target", f.setting(w.targetPerPod), w.mode === null ? "" : "mode " + w.mode);
    this.fan.update(fan(answer, this.hours));
    this.against.update(against(answer, this.hours));
    this.pods.node.hidden = w.targetPerPod === null;
    this.podless.hidden = w.targetPerPod !== null;
    text(this.podless, w.state === "error"
      ? "There is no decision, so there are no replicas to show."
      : "No trigger names a target per pod for this workload, so there are no replicas to count. Foretide forecasts it with its default policy.");
    if (w.targetPerPod !== null) this.pods.update(pods(answer, this.hours));
    this.calibration.update(answer.calibration, answer.levels);
    this.decisions(answer);
  }

  decisions(answer) {
    const key = JSON.stringify([answer.workload.name, answer.decisions, answer.model.version]);
    if (key === this.shown) return;
    this.shown = key;
    this.triggers.replaceChildren(...answer.decisions.map((d) => el("article", { class: "card" },
      el("h2", {}, d.scaledObject ? "ScaledObject " + f.title(d.scaledObject) : "Default policy"),
      d.sentence && answer.decisions.length > 1 ? el("p", {}, d.sentence) : null,
      el("dl", { class: "facts" }, facts(d, answer).filter(([, value]) => value !== null).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))))));
  }
}

function facts(d, answer) {
  return [
    ["Answer to KEDA", f.perSecond(d.value) + (d.active ? "" : ", inactive")],
    ["Replicas", d.replicas === null ? null : f.count(d.replicas)],
    ["Without the mode", d.planned !== d.value ? f.perSecond(d.planned) + (d.plannedReplicas === null ? "" : ", " + f.count(d.plannedReplicas) + " replicas") : null],
    ["Decided by", f.bindings[d.binding] ?? d.binding],
    ["Quantile", f.level(d.policy.quantile)],
    ["Lead time", f.span(d.policy.leadTimeSeconds)],
    ["Lead window", d.windowSteps === null ? null : d.windowSteps + (d.windowSteps === 1 ? " step" : " steps")],
    ["Target per pod", f.setting(d.policy.targetPerPod)],
    ["Mode", d.policy.mode],
    ["Active above", f.setting(d.policy.activationThreshold)],
    ["Forecaster", answer.forecast && d.rung !== "observed" ? answer.forecast.by : null],
    ["Model", d.model],
    ["Metric", d.metric],
    ["Why not better", d.why],
    ["Decided at", f.day(new Date(d.at)) + ", " + f.seconds(new Date(d.at))],
  ];
}
