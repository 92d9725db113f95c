/** The files in docs/examples fit what the daemon exports. */

import { assert, assertEquals } from "@std/assert";
import { parseYaml } from "./support/yaml.ts";

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

Deno.test("examples of configurations", async (t) => {
  await t.step("YAML can be read", () => {
    const names = [...Deno.readDirSync(EXAMPLES)].map(({ name }) => name)
      .filter((name) => name.endsWith(".yml"));
    assert(names.length >= 3, `${names}`);
    for (const name of names) parseYaml(textOf(new URL(name, EXAMPLES)));
  });

  await t.step("the collector takes what the daemon sends", () => {
    const { receivers, exporters, processors, service } = parseYaml(
      textOf(new URL("otel-collector.yml", EXAMPLES)),
    ) as Record<string, Record<string, never>>;
    const { pipelines } = service as unknown as {
      pipelines: Record<string, Record<string, string[]>>;
    };
    // What the daemon sends, and where each part of a pipeline is declared.
    assertEquals(Object.keys(pipelines).toSorted(), ["logs", "metrics"]);
    const declared = { receivers, exporters, processors } as Record<
      string,
      Record<string, unknown>
    >;
    for (const pipeline of Object.values(pipelines)) {
      for (const [kind, names] of Object.entries(pipeline)) {
        for (const name of names) {
          assert(name in declared[kind]!, `${kind}: ${name}`);
        }
      }
    }
    const { endpoint } = (receivers as never as {
      otlp: { protocols: { http: { endpoint: string } } };
    }).otlp.protocols.http;
    const [port] = /:\d+$/.exec(endpoint)!;
    assert(
      textOf("docs/monitoring.md").includes(
        `--otlp-endpoint 'http://[2001:db8::5]${port}'`,
      ),
      port,
    );
  });

  await t.step("documents show the files as they are", () => {
    const pages = ["router", "firewall", "monitoring"].map((name) =>
      textOf(`docs/${name}.md`)
    ).join("");
    for (
      const name of [
        "50-lab.network",
        "90-forwarding.conf",
        "nftables.conf",
        "otel-collector.yml",
        "radvd.conf",
      ]
    ) {
      assert(
        pages.includes(`\n${textOf(new URL(name, EXAMPLES))}\`\`\`\n`),
        name,
      );
    }
  });

  await t.step("documents lead to each of them", () => {
    const pages = [...Deno.readDirSync(new URL("docs/", ROOT))].filter((
      { name },
    ) => name.endsWith(".md")).map(({ name }) => textOf(`docs/${name}`)).join(
      "",
    );
    for (const { name, isFile } of Deno.readDirSync(EXAMPLES)) {
      if (isFile) assert(pages.includes(name), name);
    }
  });
});

Deno.test("netboot-tree.sh makes a netboot directory", async () => {
  const directory = await Deno.makeTempDir();
  try {
    for (const name of ["all", "some"]) {
      await Deno.writeTextFile(`${directory}/${name}.efi`, name);
    }
    const run = async (...args: string[]) => {
      const { success } = await new Deno.Command(
        new URL("netboot-tree.sh", EXAMPLES),
        { args, cwd: directory },
      ).output();
      assert(success, `${args}`);
    };
    const mac = "02:00:5e:00:53:01";
    await run("tree", "all.efi");
    await run("tree", "all.efi", "some.efi", mac, "02-00-5e-00-53-02");
    const tree = `${directory}/tree`;
    const read = (path: string) => Deno.readTextFileSync(`${tree}/${path}`);
    assertEquals(read("default/boot.efi"), "all");
    assertEquals(read(`${mac}/boot.efi`), "some");
    assertEquals(read("02-00-5e-00-53-02/boot.efi"), "some");
    const left = [...Deno.readDirSync(`${tree}/${mac}`)].map(({ name }) =>
      name
    );
    assertEquals(left, ["boot.efi"]);
    const { mode } = Deno.statSync(`${tree}/${mac}/boot.efi`);
    assertEquals(mode! & 0o777, 0o644);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
