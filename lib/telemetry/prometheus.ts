/**
 * The Prometheus text format 0.0.4.
 *
 * @module
 */

import type { Labels, Metric } from "./metrics.ts";

/** The media type. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Metrics as text: HELP, TYPE and a line for each sample. */
export function prometheusText(metrics: Iterable<Metric>): string {
  let text = "";
  for (const metric of metrics) {
    const { name, help, type } = metric;
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    if (metric.type !== "histogram") {
      for (const { labels, value } of metric.samples) {
        text += `${name}${labelText(labels)} ${value}\n`;
      }
      continue;
    }
    const { bounds, counts, sum } = metric.histogram;
    let count = 0;
    counts.forEach((inClass, index) => {
      count += inClass;
      const le = String(bounds[index] ?? "+Inf");
      text += `${name}_bucket${labelText({ le })} ${count}\n`;
    });
    text += `${name}_sum ${sum}\n${name}_count ${count}\n`;
  }
  return text;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
