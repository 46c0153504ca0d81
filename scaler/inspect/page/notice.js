// What stands in the place of workloads where there are none to show, and
// what to do next.
import { el } from "./dom.js";
import * as f from "./format.js";

const example = `apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: checkout
  namespace: shop
spec:
  scaleTargetRef:
    name: checkout
  triggers:
    - type: external
      metricType: AverageValue
      metadata:
        scalerAddress: foretide.foretide.svc:9090
        workload: checkout
        targetPerPod: "50"`;

// problem fills host; kind is empty, starting or refused.
export function problem(host, { kind, answer, error, workload }) {
  const key = JSON.stringify([kind, answer?.source.error, error?.message, location.hash]);
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  host.replaceChildren(...{ empty, starting, refused }[kind](answer, error, workload));
}

const heading = (words) => el("h1", { tabindex: -1 }, words);

function empty(answer) {
  const source = answer.source.error
    ? el("li", {}, "The metrics store does not answer: ", el("q", {}, answer.source.error), ". Check the address and credentials that Foretide was started with.")
    : el("li", {}, "The metrics store answers, but no workload of the mesh has requests yet. Check that the mesh's metrics are scraped, and that the preset fits the mesh.");
  return [
    heading("No workloads yet"),
    el("p", {}, "Foretide shows each workload that a ScaledObject names, and each whose load the metrics store knows."),
    el("ol", {}, source,
      el("li", {}, "Add a ScaledObject that asks Foretide. It appears here as soon as KEDA has asked once:")),
    el("pre", { tabindex: 0, "aria-label": "An example of a ScaledObject" }, el("code", {}, example)),
  ];
}

function starting(_, error) {
  return [heading("Starting up"), el("p", {}, error.message + "."),
    el("p", {}, "Nothing needs to be done. If this lasts for minutes, the log says which address was asked and how it answered.")];
}

function refused(_, error, workload) {
  return [heading(workload && error.status === 404 ? "No workload " + f.title(workload) : "That cannot be shown"),
    el("p", {}, error.message),
    el("p", {}, el("a", { class: "button", href: "#/" }, "All workloads"))];
}
