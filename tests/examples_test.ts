/** The files in docs/examples fit what the daemon exports. */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);
const EXAMPLES = new URL("docs/examples/", ROOT);

/** Metrics that Prometheus makes itself. */
const OF_PROMETHEUS = ["up"];

function textOf(path: string | URL): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

/** The metrics of a daemon with their labels, as its exact output has them. */
function exported(): Map<string, Set<string>> {
  const metrics = new Map<string, Set<string>>();
  for (const line of textOf("tests/unit/daemon/metrics.txt").split("\n")) {
    const [, name, labels = ""] = /^(\w+)(?:\{([^}]*)\})? /.exec(line) ?? [];
    if (name === undefined) continue;
    const known = metrics.get(name) ?? new Set();
    for (const [label] of labels.matchAll(/\w+="[^"]*"/g)) known.add(label!);
    metrics.set(name, known);
  }
  return metrics;
}

/** The expressions of the alerts and of the dashboard. */
function expressions(): string[] {
  const alerts = [
    ...textOf(new URL("alerts.yml", EXAMPLES)).matchAll(/^ *expr: (.*)$/gm),
  ].map(([, text]) => text!);
  const { panels } = JSON.parse(textOf(new URL("grafana.json", EXAMPLES))) as {
    panels: { targets: { expr: string }[] }[];
  };
  const dashboard = panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => expr)
  );
  return [...alerts, ...dashboard];
}

Deno.test("examples name what the daemon exports", () => {
  const metrics = exported();
  assert(metrics.size > 30);
  const all = expressions();
  assert(all.length >= 18);
  for (const expression of all) {
    const selectors = [
      ...expression.matchAll(/\b((?:dhcpv6macd|process)_\w+)(?:\{([^}]*)\})?/g),
    ];
    assert(
      selectors.length > 0 ||
        OF_PROMETHEUS.some((name) => expression.startsWith(name)),
      expression,
    );
    for (const [, name, matchers = ""] of selectors) {
      const labels = metrics.get(name!);
      assert(labels !== undefined, `${name} in ${expression}`);
      for (const [, label, value] of matchers.matchAll(/(\w+)="([^"]*)"/g)) {
        assert(labels.has(`${label}="${value}"`), `${label} in ${expression}`);
      }
      for (const [, label, values] of matchers.matchAll(/(\w+)=~"([^"$]*)"/g)) {
        for (const value of values!.split("|").filter((one) => one !== "")) {
          assert(
            labels.has(`${label}="${value}"`),
            `${value} in ${expression}`,
          );
        }
      }
    }
  }
});

Deno.test("each panel of the dashboard has a place of its own", () => {
  const { panels } = JSON.parse(textOf(new URL("grafana.json", EXAMPLES))) as {
    panels: { id: number; gridPos: { x: number; y: number } }[];
  };
  const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
  assertEquals(new Set(places).size, panels.length);
  assertEquals(new Set(panels.map(({ id }) => id)).size, panels.length);
});
