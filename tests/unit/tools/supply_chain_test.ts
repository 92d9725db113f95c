import { assertEquals, assertMatch } from "@std/assert";
import { COMMIT_FILE } from "../../../tools/commit.ts";
import { DAEMON_FLAGS } from "../../../tools/daemon_flags.ts";

const ROOT = new URL("../../../", import.meta.url);

/**
 * All that runs as root's neighbour besides our own modules. What makes a list
 * longer is a decision: it changes what has to be trusted.
 */
const BUILT_INS = ["node:fs", "node:timers", "node:tls"];

/** Files outside of `lib/` that are part of the program. */
const FILES = [
  "assets/shared/boot_stages.js",
  "assets/shared/boots.js",
  "assets/shared/escape_controls.js",
  "assets/shared/explanation.js",
  "assets/shared/format.js",
  "deno.json",
  "main.ts",
];

/** The equivalents that stand in for packages. */
const EQUIVALENTS = [
  "lib/std/cli/parse_args.ts",
  "lib/std/encoding/base64.ts",
  "lib/std/encoding/hex.ts",
  "lib/std/http/etag.ts",
];

/** The packages themselves, and what they are made of. */
const PACKAGES = ["@std/cli", "@std/encoding", "@std/http", "@std/internal"];

/**
 * The npm package with the sources of `@std`, for the task `test:std` alone: no
 * daemon is started or built with it otherwise.
 */
const NPM_STD = "deno-std@1.4.0";

/** The import map of that task. */
const NPM_IMPORT_MAP = "lib/std/npm_import_map.json";

/** Ways to run what is no module of the graph. */
const LOOPHOLES = [
  /\bimport\((?!")/,
  /\bnew Worker\(/,
  /\bDeno\.(Command|dlopen)\b/,
  /\beval\(/,
  /\bnew Function\(/,
  /\bcreateRequire\b/,
];

/** The modules that may take them, and what for. */
const ALLOWED = new Map([
  // A thread for each file system that may not answer.
  ["lib/files/file_threads.ts", [String.raw`/\bnew Worker\(/`]],
  // The C library, for what the runtime does not have.
  ["lib/net/libc.ts", [String.raw`/\bDeno\.(Command|dlopen)\b/`]],
]);

/** Whether these tests run with the sources of `@std` from npm. */
function isNpmStd(): boolean {
  return Deno.env.get("TEST_DENO")!.split("\n").some((arg) =>
    arg.endsWith(`/${NPM_IMPORT_MAP}`)
  );
}

/** What a module of the graph is, in the words of the lists above. */
function partOf(specifier: string): string {
  if (specifier.startsWith(ROOT.href)) {
    const path = specifier.slice(ROOT.href.length);
    return path.startsWith("lib/") && !path.startsWith("lib/std/")
      ? "lib"
      : path;
  }
  if (isNpmStd() && specifier.startsWith(`npm:/${NPM_STD}/`)) {
    return PACKAGES[0]!;
  }
  const name = /^https:\/\/jsr\.io\/(@[^/]+\/[^/]+)\//.exec(specifier)?.[1];
  return name ?? specifier;
}

/** The parts of what `deno info` has found. */
function partsOf(specifiers: readonly string[]): string[] {
  return [...new Set(specifiers.map(partOf))].filter((part) => part !== "lib")
    .sort();
}

/** The modules of the daemon, with the packages that these tests run with. */
async function runtimeModules(): Promise<string[]> {
  const [program, ...args] = Deno.env.get("TEST_DENO")!.split("\n");
  const packages = args.flatMap((arg, index) =>
    arg === "--config" || arg === "--import-map" ? [arg, args[index + 1]!] : []
  );
  const { success, stdout, stderr } = await new Deno.Command(program!, {
    args: ["info", "--json", ...packages, new URL("main.ts", ROOT).pathname],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { modules, npmPackages } = JSON.parse(
    new TextDecoder().decode(stdout),
  ) as {
    modules: { specifier: string; error?: string }[];
    npmPackages: Record<string, unknown>;
  };
  // Data that a task has written, or not.
  const commit = new URL(COMMIT_FILE, ROOT).href;
  const code = modules.filter(({ specifier }) => specifier !== commit);
  assertEquals(code.filter(({ error }) => error !== undefined), []);
  assertEquals(Object.keys(npmPackages), isNpmStd() ? [NPM_STD] : []);
  return code.map(({ specifier }) => specifier);
}

Deno.test("supply chain", async (t) => {
  await t.step(
    "the daemon consists of its own modules, the named packages and built-ins",
    async () => {
      const parts = partsOf(await runtimeModules());
      const own = [...BUILT_INS, ...FILES];
      const isLocal = parts.some((part) => part.startsWith("lib/std/"));
      assertEquals(
        isLocal ? parts : parts.filter((part) => !PACKAGES.includes(part)),
        (isLocal ? [...own, ...EQUIVALENTS] : own).sort(),
      );
    },
  );

  await t.step("sees whatever else would come in", () => {
    const strangers = [
      "npm:/left-pad@1.3.0",
      "https://example.com/mod.ts",
      "node:child_process",
      "https://jsr.io/@std/path/1.0.0/mod.ts",
      new URL("tests/support/fast_check.ts", ROOT).href,
      "file:///usr/lib/other.ts",
    ];
    assertEquals(
      partsOf([...strangers, new URL("lib/daemon/daemon.ts", ROOT).href]),
      [
        "@std/path",
        "file:///usr/lib/other.ts",
        "https://example.com/mod.ts",
        "node:child_process",
        "npm:/left-pad@1.3.0",
        "tests/support/fast_check.ts",
      ],
    );
  });

  await t.step(
    "no other module starts a program, a worker or code that is no module",
    async () => {
      for (const specifier of await runtimeModules()) {
        if (!specifier.startsWith(ROOT.href)) continue;
        const source = await Deno.readTextFile(new URL(specifier));
        assertEquals(
          LOOPHOLES.filter((loophole) => loophole.test(source)).map(String),
          ALLOWED.get(specifier.slice(ROOT.href.length)) ?? [],
          specifier,
        );
      }
    },
  );

  await t.step(
    "tests and tools need no more than the named packages either",
    async () => {
      const { imports } = JSON.parse(
        await Deno.readTextFile(new URL("deno.json", ROOT)),
      ) as { imports: Record<string, string> };
      assertEquals(Object.keys(imports).sort(), [
        "@std/assert",
        "@std/cli",
        "@std/encoding",
        "@std/http",
        "@std/testing",
      ]);
      for (const [name, source] of Object.entries(imports)) {
        assertEquals(/^jsr:(@std\/[a-z]+)@[0-9.]+$/.exec(source)?.[1], name);
      }
    },
  );
});

Deno.test("least privilege", async (t) => {
  await t.step("the daemon starts with these flags and no other", () => {
    assertEquals(
      DAEMON_FLAGS.filter((flag) => !flag.startsWith("--v8-flags=")),
      ["--unstable-net", "--allow-all", "--no-prompt"],
    );
    // Flags of the engine can lift bounds as well: these only say how memory
    // is collected.
    for (const flag of DAEMON_FLAGS) {
      if (!flag.startsWith("--v8-flags=")) continue;
      assertMatch(
        flag,
        /^--v8-flags=(--(max-semi-space-size|heap-growing-percent|single-threaded-gc|no-allocation-site-pretenuring)(=\d+)?,?)+$/,
      );
    }
  });
});
