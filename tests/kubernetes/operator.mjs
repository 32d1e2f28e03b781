// Checks manifests, one JSON array on stdin, against the schemas of the Prometheus operator's own resources; prints what is wrong.
import * as v1 from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { readFileSync } from "node:fs";

let checked = 0;
for (const manifest of JSON.parse(readFileSync(0, "utf8"))) {
  if (manifest.apiVersion !== "monitoring.coreos.com/v1") continue;
  new v1[manifest.kind](manifest).validate();
  checked += 1;
}
console.log(checked);
