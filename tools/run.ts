/**
 * Runs the project's tasks with Deno, with the `@std` packages from jsr.io where
 * it answers, and with the equivalents in `lib/std/` where it does not.
 *
 * Usage: `deno run --no-config --allow-all tools/run.ts TASK [ARGUMENT...]`
 *
 * @module
 */

import { commitOf, writeCommit } from "./commit.ts";
import { DAEMON_FLAGS } from "./daemon_flags.ts";
import {
  KNOWN_RANGE,
  OLDEST,
  sanitizerFlags,
  supportOf,
} from "./deno_versions.ts";
import { pageCheck } from "./page_check.ts";
import { countTests, printReport } from "./test_report.ts";

/** Milliseconds within which jsr.io has to answer. */
const JSR_TIMEOUT = 1000;

const ROOT = `${import.meta.dirname}/..`;
const IMPORT_MAP = "lib/std/import_map.json";
const NPM_IMPORT_MAP = "lib/std/npm_import_map.json";

/**
 * Tests in `tests/system/NAME` that `test:NAME` runs, and `test` does not: they need
 * root, network namespaces and Debian packages.
 */
const SLOW_SUITES = [
  "abuse",
  "bench",
  "boot",
  "build",
  "clients",
  "field",
  "nix",
  "page",
];

const CODE = ["main.ts", "lib", "tools", "tests"];

function path(relative: string): string {
  return `${ROOT}/${relative}`;
}

function suitePath(name: string): string {
  return path(`tests/system/${name}`);
}

/**
 * Deno's arguments for the `@std` packages: none where jsr.io answers, else the
 * import map of the equivalents.
 */
async function standardLibrary(): Promise<string[]> {
  const registry = Deno.env.get("JSR_URL") ?? "https://jsr.io/";
  const signal = AbortSignal.timeout(JSR_TIMEOUT);
  try {
    const url = new URL("@std/cli/meta.json", registry);
    const response = await fetch(url, { signal });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`status ${response.status}`);
    say(`@std from ${registry}`);
    return [];
  } catch {
    say(`@std from lib/std: ${registry} does not answer`);
    return ["--import-map", path(IMPORT_MAP)];
  }
}

/** Deno's arguments for the sources of `@std` from npm, which have no types. */
function npmStandardLibrary(): string[] {
  say("@std from npm, not type-checked");
  return ["--import-map", path(NPM_IMPORT_MAP)];
}

function say(text: string): void {
  console.error(`tools/run.ts: ${text}`);
}

/** The arguments with which Deno runs the daemon. */
function daemon(std: string[]): string[] {
  return [
    "run",
    "--config",
    path("deno.json"),
    ...std,
    ...DAEMON_FLAGS,
    path("main.ts"),
  ];
}

/** Lets daemons from this tree say their commit, until it is disposed of. */
function announceCommit(): Disposable {
  try {
    return writeCommit(ROOT, commitOf(ROOT));
  } catch (error) {
    say(`--version names no commit: ${(error as Error).message}`);
    return { [Symbol.dispose]() {} };
  }
}

/** Runs one of the project's tools. */
async function tool(
  std: string[],
  name: string,
  args: string[],
): Promise<number> {
  return await deno([
    "run",
    "--quiet",
    "--config",
    path("deno.json"),
    ...std,
    "--allow-all",
    path(name),
    ...args,
  ]);
}

/** Runs Deno; its exit code. */
async function deno(args: string[]): Promise<number> {
  return await ended(
    new Deno.Command(Deno.execPath(), { args, env: environment() }).spawn(),
  );
}

/** The environment of every Deno that a task starts. */
function environment(): Record<string, string> {
  return {
    // npm may be behind a certificate that only the system knows
    DENO_TLS_CA_STORE: "mozilla,system",
    ...Deno.env.toObject(),
  };
}

/** Passes signals on to a program until it ends; its exit code. */
async function ended(child: Deno.ChildProcess): Promise<number> {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      try {
        child.kill(signal);
      } catch {
        // It has ended by itself.
      }
    });
  }
  return (await child.status).code;
}

/** Runs a command that must succeed for the task to succeed. */
async function all(...commands: string[][]): Promise<number> {
  for (const command of commands) {
    const code = await deno(command);
    if (code !== 0) return code;
  }
  return 0;
}

/** Runs tests and ends with a line that counts them. */
async function test(std: string[], args: string[]): Promise<number> {
  using _commit = announceCommit();
  const isVerbose = args.includes("--verbose");
  const work = await Deno.makeTempDir();
  const junit = `${work}/junit.xml`, progress = `${work}/progress`;
  try {
    const command = new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--config",
        path("deno.json"),
        ...std,
        "--allow-all",
        ...sanitizerFlags(Deno.version.deno),
        `--junit-path=${junit}`,
        `--preload=${path("tools/test_progress.ts")}`,
        ...args.filter((arg) => arg !== "--verbose"),
      ],
      env: {
        ...environment(),
        // Much of a file's time is waiting.
        DENO_JOBS: Deno.env.get("DENO_JOBS") ??
          String(2 * navigator.hardwareConcurrency),
        // The command that starts the daemon: the sources, unless it is given.
        DAEMON_COMMAND: Deno.env.get("DAEMON_COMMAND") ??
          JSON.stringify([Deno.execPath(), ...daemon(std)]),
        // The command that runs programs of the tests.
        TEST_DENO: [
          Deno.execPath(),
          "run",
          "--config",
          path("deno.json"),
          ...std,
          "--unstable-net",
          "--allow-all",
        ].join("\n"),
        TEST_PROGRESS: progress,
      },
      stdout: isVerbose ? "inherit" : "piped",
      stderr: isVerbose ? "inherit" : "piped",
    });
    const child = command.spawn();
    const [code] = await Promise.all([
      ended(child),
      isVerbose ? undefined : printReport(child, progress),
    ]);
    const xml = await Deno.readTextFile(junit).catch(() => "");
    const { passed, failed, skipped } = countTests(xml);
    const failures = code !== 0 && failed === 0 ? 1 : failed;
    console.log(
      `${passed} passed, ${failures} failed` +
        (skipped > 0 ? `, ${skipped} skipped` : ""),
    );
    return code;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Arguments of `deno test` that name what to run, which is all of a directory at first. */
function filesOr(directory: string, args: string[]): string[] {
  return args.some((arg) => !arg.startsWith("-")) ? args : [...args, directory];
}

/** Says what to expect of the running Deno; whether the task may go on. */
function checkDeno(): boolean {
  const version = Deno.version.deno;
  const support = supportOf(version);
  if (support === "too old") {
    say(`Deno ${version} is too old: install Deno ${OLDEST} or newer`);
    return false;
  }
  if (support === "newer") {
    say(`warning: Deno ${version} is untested, known to work: ${KNOWN_RANGE}`);
  }
  return true;
}

async function run(task: string, args: string[]): Promise<number> {
  if (!checkDeno()) return 1;
  const std = task === "test:std"
    ? npmStandardLibrary()
    : await standardLibrary();
  switch (task) {
    case "ipxe":
      return await tool(std, "tools/ipxe.ts", args);
    case "docs":
      return await tool(std, "tools/docs.ts", args);
    case "build":
      await tool(std, "tools/ipxe.ts", ["--if-missing"]);
      return await tool(std, "tools/build.ts", args);
    case "package":
      return await tool(std, "tools/package.ts", args);
    case "fuzz":
      return await tool(std, "tests/fuzz/main.ts", args);
    case "bench":
      return await tool(std, "tools/bench.ts", args);
    case "start": {
      await tool(std, "tools/ipxe.ts", ["--if-missing"]);
      using _commit = announceCommit();
      return await deno([...daemon(std), ...args]);
    }
    case "check":
      return await all(
        ["fmt", "--check", "--config", path("deno.json"), path(".")],
        ["lint", "--config", path("deno.json"), path(".")],
        ["check", "--config", path("deno.json"), ...std, ...CODE.map(path)],
        pageCheck(ROOT),
      );
    case "test":
    case "test:std":
      await tool(std, "tools/ipxe.ts", ["--if-missing"]);
      return await test(std, [
        `--ignore=${path("tests/system")}`,
        "--parallel",
        // Types are the task of `check`.
        "--no-check",
        ...filesOr(path("tests"), args),
      ]);
  }
  const suite = SLOW_SUITES.find((name) => task === `test:${name}`);
  if (suite === undefined) {
    say(`there is no task ${task}`);
    return 2;
  }
  await tool(std, "tools/ipxe.ts", ["--if-missing"]);
  return await test(std, filesOr(suitePath(suite), args));
}

const [task = "", ...args] = Deno.args;
Deno.exit(await run(task, args));
