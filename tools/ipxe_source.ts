/**
 * Builds iPXE from its source, with IPv6, HTTPS and this project's script.
 *
 * @module
 */

import { IPXE_BUILDS, type IpxeBuild } from "../lib/boot_files/ipxe_builds.ts";

/** iPXE's repository, and its release 2.0.0 in it. */
export const PINNED = {
  repository: "https://github.com/ipxe/ipxe",
  commit: "12798ec29aa8a64d8675c4378b99f5fe28447afb",
} as const;

/** The names of an architecture in iPXE's makefile, and of its compiler. */
const NAMES: Record<IpxeBuild, { make: string; compiler: string }> = {
  "x86-64": { make: "x86_64", compiler: "x86_64-linux-gnu-" },
  arm64: { make: "arm64", compiler: "aarch64-linux-gnu-" },
  riscv64: { make: "riscv64", compiler: "riscv64-linux-gnu-" },
  loong64: { make: "loong64", compiler: "loongarch64-linux-gnu-" },
};

/** The name of our configuration in an iPXE checkout. */
const CONFIG = "dhcpv6macd";

/** Options that iPXE is always built with. */
const CONFIG_HEADER = `#define NET_PROTO_IPV6
#define DOWNLOAD_PROTO_HTTPS
`;

/** Milliseconds between two lines about a build in progress. */
const PROGRESS_INTERVAL = 10_000;

/** An error for the user; its message is one sentence. */
export class ToolError extends Error {}

/** How iPXE is built. */
export interface SourceOptions {
  /** A checkout. */
  readonly source: string;
  /** A file of certificates in PEM: the only ones that it trusts as roots. */
  readonly trust: string | undefined;
  /** The script inside. */
  readonly script: string;
  /** Whether it uses the firmware's network driver, and has none of its own. */
  readonly isSnpOnly: boolean;
  /** Prints a line about the state of the build. */
  readonly say: (text: string) => void;
}

/** A command that builds iPXE for an architecture. */
interface Build {
  readonly build: IpxeBuild;
  readonly command: readonly string[];
  readonly compiler: string;
  /** The file that it makes. */
  readonly made: string;
}

/**
 * The commands that build iPXE for each architecture.
 *
 * @throws {ToolError} if a file is missing, or has no certificate.
 */
async function builds(
  { source, trust, script, isSnpOnly }: SourceOptions,
  directory: string,
): Promise<Build[]> {
  for (const path of [`${source}/src/Makefile`, script]) {
    await mustExist(path);
  }
  const roots = trust === undefined
    ? ""
    : (await rootsOf(trust, directory)).join();
  const native = Deno.build.arch === "x86_64" ? "x86-64" : "arm64";
  return IPXE_BUILDS.map((build) => {
    const { make, compiler } = NAMES[build];
    const target = `bin-${make}-efi/${isSnpOnly ? "snponly" : "ipxe"}.efi`;
    return {
      build,
      command: [
        "make",
        `-j${navigator.hardwareConcurrency}`,
        "-C",
        `${source}/src`,
        `CONFIG=${CONFIG}`,
        ...(build === native ? [] : [`CROSS=${compiler}`]),
        `EMBED=${script}`,
        ...(roots === "" ? [] : [`CERT=${roots}`, `TRUST=${roots}`]),
        target,
      ],
      compiler: build === native ? "gcc" : `${compiler}gcc`,
      made: `${source}/src/${target}`,
    };
  });
}

async function mustExist(path: string): Promise<void> {
  try {
    await Deno.stat(path);
  } catch {
    throw new ToolError(`${path} does not exist`);
  }
}

/** A file for each certificate: iPXE's makefile reads the first of a file only. */
async function rootsOf(bundle: string, directory: string): Promise<string[]> {
  const text = await Deno.readTextFile(bundle);
  const certificates = text.match(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
  );
  if (certificates === null) {
    throw new ToolError(`${bundle} has no certificate in PEM`);
  }
  return await Promise.all(certificates.map(async (certificate, index) => {
    const path = `${directory}/root-${index + 1}.pem`;
    await Deno.writeTextFile(path, `${certificate}\n`);
    return path;
  }));
}

/** Prints the commands that build iPXE. */
export async function printBuilds(options: SourceOptions): Promise<void> {
  await inTemporary(async (directory) => {
    for (const { command } of await builds(options, directory)) {
      console.log(command.join(" "));
    }
  });
}

/**
 * Builds iPXE for each architecture that this machine has a compiler for.
 *
 * @param put Takes what was built.
 * @throws {ToolError} if a build fails, or what it needs is not there.
 */
export async function buildFromSource(
  options: SourceOptions,
  put: (build: IpxeBuild, path: string) => Promise<void>,
): Promise<IpxeBuild[]> {
  const { source, say } = options;
  if (!await runs("make", "--version")) {
    throw new ToolError("make is not installed");
  }
  return await inTemporary(async (directory) => {
    const built: IpxeBuild[] = [];
    const all = await builds(options, directory);
    const config = `${source}/src/config/local/${CONFIG}`;
    await Deno.mkdir(config, { recursive: true });
    await Deno.writeTextFile(`${config}/general.h`, CONFIG_HEADER);
    for (const { build, command, compiler, made } of all) {
      if (!await runs(compiler, "--version")) {
        say(`${compiler} is not installed: ${build} is not built`);
        continue;
      }
      say(`building ${build}: ${command.join(" ")}`);
      await make(build, command, say);
      await put(build, made);
      built.push(build);
    }
    return built;
  });
}

async function inTemporary<T>(
  use: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await Deno.makeTempDir();
  try {
    return await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs make, and tells every few seconds how far it has come. */
async function make(
  build: IpxeBuild,
  [program, ...args]: readonly string[],
  say: SourceOptions["say"],
): Promise<void> {
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const start = Date.now();
  let count = 0;
  const progress = setInterval(() => {
    const seconds = Math.round((Date.now() - start) / 1000);
    say(`building ${build}: ${count} lines of make after ${seconds} s`);
  }, PROGRESS_INTERVAL);
  try {
    const text = child.stdout.pipeThrough(new TextDecoderStream());
    for await (const part of text) count += part.split("\n").length - 1;
    const { success } = await child.status;
    if (!success) throw new ToolError(`building ${build} failed`);
  } finally {
    clearInterval(progress);
  }
}

async function runs(program: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args }).output();
    return success;
  } catch {
    return false;
  }
}

/**
 * Gets the pinned source into a directory, which is empty.
 *
 * @throws {ToolError} if it cannot be had.
 */
export async function checkOutPinned(directory: string): Promise<void> {
  const { repository, commit } = PINNED;
  const steps = [
    ["init", "--quiet"],
    ["fetch", "--quiet", "--depth=1", repository, commit],
    ["checkout", "--quiet", commit],
  ];
  for (const step of steps) {
    const args = ["-C", directory, ...step];
    if (await runs("git", ...args)) continue;
    throw new ToolError(
      `git ${step.join(" ")} failed: iPXE's source is not available`,
    );
  }
}
