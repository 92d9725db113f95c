/**
 * The import rules of `lib`: which folder may use which other folder, and which
 * folders may use the `Deno` namespace. A new dependency is a decision: it is
 * made here first.
 */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** What the files directly in a folder may use, besides their own folder. */
interface Rule {
  /** Folders of `lib`, or packages. */
  readonly imports: readonly string[];
  /** Whether its code may name `Deno`; types count as well. */
  readonly deno: boolean;
}

const RULES: Readonly<Record<string, Rule>> = {
  "boot_files": {
    imports: ["files", "net", "overload", "@std/http"],
    deno: true,
  },
  "cli": {
    imports: [
      "assets/shared",
      "boot_files",
      "daemon",
      "dhcpv6/reply",
      "dhcpv6/server",
      "dhcpv6/wire",
      "files",
      "http",
      "machines",
      "net",
      "overload",
      "records",
      "telemetry",
      "telemetry/otlp",
      "watch",
      "@std/cli",
      "@std/encoding",
      "node:fs",
      "node:tls",
    ],
    deno: true,
  },
  "daemon": {
    imports: [
      "assets/shared",
      "boot_files",
      "dhcpv6/reply",
      "dhcpv6/server",
      "dhcpv6/wire",
      "files",
      "http",
      "http/web_ui",
      "machines",
      "net",
      "overload",
      "telemetry",
      "telemetry/otlp",
      "tftp",
    ],
    deno: true,
  },
  "dhcpv6/reply": {
    imports: [
      "assets/shared",
      "boot_files",
      "dhcpv6/wire",
      "net",
      "@std/encoding",
    ],
    deno: false,
  },
  "dhcpv6/server": {
    imports: [
      "dhcpv6/reply",
      "dhcpv6/wire",
      "net",
      "overload",
      "telemetry",
      "@std/encoding",
    ],
    deno: true,
  },
  "dhcpv6/wire": { imports: ["net"], deno: false },
  "files": { imports: ["overload", "node:fs"], deno: true },
  "http": {
    imports: [
      "assets/shared",
      "boot_files",
      "files",
      "http/web_ui",
      "machines",
      "net",
      "overload",
      "records",
      "telemetry",
      "@std/encoding",
      "@std/http",
    ],
    deno: true,
  },
  "http/web_ui": {
    imports: ["assets/shared", "http", "machines", "overload", "@std/encoding"],
    deno: true,
  },
  "machines": { imports: ["files", "net", "overload"], deno: true },
  "net": { imports: [], deno: true },
  "records": { imports: ["net"], deno: false },
  "overload": { imports: ["node:timers"], deno: true },
  "telemetry": { imports: ["deno.json", "overload"], deno: false },
  "telemetry/otlp": {
    imports: ["assets/shared", "machines", "net", "overload", "telemetry"],
    deno: false,
  },
  "tftp": { imports: ["machines", "net", "overload"], deno: true },
  "watch": {
    imports: ["assets/shared", "net", "overload", "telemetry"],
    deno: true,
  },
};

/**
 * The folders from the bottom to the top. A folder may use lower layers, and the
 * folders with the same first name. The three protocols are one layer: they do
 * not know each other.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["net"],
  ["overload"],
  ["files"],
  ["machines", "boot_files", "telemetry", "records"],
  [
    "telemetry/otlp",
    "dhcpv6/wire",
    "dhcpv6/reply",
    "dhcpv6/server",
    "tftp",
    "http",
    "http/web_ui",
  ],
  ["daemon", "watch"],
  ["cli"],
];

/** What is above a folder of the same family, whatever their layer says. */
const ABOVE: readonly (readonly [string, string])[] = [
  ["dhcpv6/wire", "dhcpv6/reply"],
  ["dhcpv6/wire", "dhcpv6/server"],
  ["dhcpv6/reply", "dhcpv6/server"],
];

function layerOf(folder: string): number {
  return LAYERS.findIndex((layer) => layer.includes(folder));
}

/** Our equivalents of `@std` packages follow the packages, not these rules. */
const EXEMPT = "std/";

interface Source {
  /** Below `lib`. */
  readonly path: string;
  readonly folder: string;
  /** The specifiers of its imports and re-exports, as written. */
  readonly specifiers: readonly string[];
  readonly usesDeno: boolean;
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}

async function* pathsBelow(
  directory: URL,
  prefix = "",
): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${prefix}${name}`;
    if (isDirectory) {
      yield* pathsBelow(new URL(`${name}/`, directory), `${path}/`);
    } else if (name.endsWith(".ts")) yield path;
  }
}

/** Source without its comments: those may name what code may not. */
function code(source: string): string {
  return source.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
}

async function sources(): Promise<Source[]> {
  const lib = new URL("lib/", ROOT);
  const found: Source[] = [];
  for await (const path of pathsBelow(lib)) {
    if (path.startsWith(EXEMPT)) continue;
    const text = code(await Deno.readTextFile(new URL(path, lib)));
    found.push({
      path,
      folder: folderOf(path),
      specifiers: Array.from(
        text.matchAll(/\bfrom "([^"]+)"|\bimport\(?\s*"([^"]+)"/g),
        ([, from, direct]) => (from ?? direct)!,
      ),
      usesDeno: /\bDeno\b/.test(text),
    });
  }
  return found.toSorted((a, b) => a.path < b.path ? -1 : 1);
}

/** What a specifier names: a path below the root, or a package. */
function target(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) {
    return specifier.startsWith("@")
      ? specifier.split("/").slice(0, 2).join("/")
      : specifier;
  }
  const url = new URL(specifier, new URL(`lib/${from}`, ROOT));
  return url.href.slice(ROOT.href.length);
}

/** The name in a rule for what an import leads to. */
function placeOf(target: string): string {
  if (target.startsWith("lib/")) return folderOf(target.slice("lib/".length));
  return target.includes("/") && !target.startsWith("@")
    ? folderOf(target)
    : target;
}

/** The first chain of files that leads back to its start; empty if none does. */
function cycleIn(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (file: string, chain: readonly string[]): string[] => {
    if (chain.includes(file)) {
      return [...chain.slice(chain.indexOf(file)), file];
    }
    if (done.has(file)) return [];
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...chain, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

Deno.test("Architecture", async (t) => {
  await t.step(
    "has a rule for every folder, and a folder for every rule",
    async () => {
      const folders = new Set((await sources()).map(({ folder }) => folder));
      assertEquals([...folders].toSorted(), Object.keys(RULES).toSorted());
    },
  );

  await t.step("imports only what the folder's rule names", async () => {
    const violations: string[] = [];
    const used = new Set<string>();
    for (const { path, folder, specifiers } of await sources()) {
      for (const specifier of specifiers) {
        const place = placeOf(target(path, specifier));
        if (place === folder) continue;
        used.add(`${folder} -> ${place}`);
        if (RULES[folder]?.imports.includes(place)) continue;
        violations.push(`lib/${path} imports ${specifier}`);
      }
    }
    assertEquals(violations, []);
    const unused = Object.entries(RULES).flatMap(([folder, { imports }]) =>
      imports.map((place) => `${folder} -> ${place}`)
    ).filter((arrow) => !used.has(arrow));
    assertEquals(unused, [], "permissions that nothing uses");
  });

  await t.step("has rules that follow the layers", () => {
    const upward: string[] = [];
    for (const [folder, { imports }] of Object.entries(RULES)) {
      assert(layerOf(folder) !== -1, `${folder} is in no layer`);
      for (const place of imports) {
        const layer = layerOf(place);
        if (layer === -1) continue; // a package, or assets/shared
        const isFamily = place.split("/")[0] === folder.split("/")[0];
        if (isFamily || layer < layerOf(folder)) continue;
        upward.push(`${folder} -> ${place}`);
      }
      for (const [low, high] of ABOVE) {
        if (folder === low && imports.includes(high)) {
          upward.push(`${low} -> ${high}`);
        }
      }
    }
    assertEquals(upward, []);
    for (const pure of ["dhcpv6/wire", "dhcpv6/reply"]) {
      assertEquals(RULES[pure]!.deno, false, `${pure} is pure`);
    }
    assertEquals(RULES["dhcpv6/wire"]!.imports, ["net"]);
  });

  await t.step(
    "names Deno only where the folder's rule allows it",
    async () => {
      const violations = (await sources()).filter(({ folder, usesDeno }) =>
        usesDeno && !RULES[folder]?.deno
      ).map(({ path }) => path);
      assertEquals(violations, []);
    },
  );

  await t.step("has no import cycle", async () => {
    const graph = new Map(
      (await sources()).map(({ path, specifiers }) => [
        `lib/${path}`,
        specifiers.map((specifier) => target(path, specifier)),
      ]),
    );
    assertEquals(cycleIn(graph), []);
    assertEquals(
      cycleIn(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]])),
      ["b", "c", "b"],
      "the search itself",
    );
  });
});
