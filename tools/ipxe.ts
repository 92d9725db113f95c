/**
 * Writes iPXE for four architectures to `assets/ipxe/`, compressed.
 *
 * Usage: `deno task ipxe [OPTION...]`
 *
 * - without an option: from a fixed version of Debian's package
 * - `--if-missing`: does nothing if all four exist; a failure is not an error
 * - `--from DIR`: from `ipxe-ARCHITECTURE.efi` in a directory
 * - `--source IPXE_CHECKOUT [--trust CA.pem] [--script FILE]`: builds it with
 *   IPv6, HTTPS and an embedded script, for each architecture that this machine
 *   has a compiler for; the CA is the only one that it trusts
 * - `--dry-run`: with `--source`, only prints the commands
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { IPXE_BUILDS, type IpxeBuild } from "../lib/boot_files/ipxe_builds.ts";
import { packedBuild } from "../lib/boot_files/ipxe.ts";
import {
  type ArchivedPackage,
  ArchiveError,
  unpackFromArchive,
} from "./debian.ts";

/** iPXE of Debian trixie; it runs without the rest of that release. */
const DEBIAN_IPXE: ArchivedPackage = {
  path: "pool/main/i/ipxe/ipxe_1.21.1+git20250501.dad20602+dfsg-1_all.deb",
  sha256: "eeaca79dbde0fb86c102bf1d362c6f6a67ed0ddab38b3dd12e1b332339f5dd99",
};

/** The names of an architecture in Debian, iPXE's makefile and GCC. */
const NAMES: Record<
  IpxeBuild,
  { debian: string; make: string; compiler: string }
> = {
  "x86-64": { debian: "amd64", make: "x86_64", compiler: "x86_64-linux-gnu-" },
  arm64: { debian: "arm64", make: "arm64", compiler: "aarch64-linux-gnu-" },
  riscv64: {
    debian: "riscv64",
    make: "riscv64",
    compiler: "riscv64-linux-gnu-",
  },
  loong64: {
    debian: "loong64",
    make: "loong64",
    compiler: "loongarch64-linux-gnu-",
  },
};

const ASSETS = new URL("../assets/ipxe/", import.meta.url);

/** The name of our configuration in an iPXE checkout. */
const CONFIG = "dhcpv6macd";

/** Options that iPXE is always built with. */
const CONFIG_HEADER = `#define NET_PROTO_IPV6
#define DOWNLOAD_PROTO_HTTPS
`;

/** An error for the user; its message is one sentence. */
class ToolError extends Error {}

function say(text: string): void {
  console.error(`tools/ipxe.ts: ${text}`);
}

/** Writes a build to the assets, compressed. */
async function put(build: IpxeBuild, path: string): Promise<void> {
  const { body } = new Response(await Deno.readFile(path));
  const packed = body!.pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(packedBuild(build), packed);
}

async function exists(path: string | URL): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** Copies the builds that exist; returns which. */
async function copy(
  pathOf: (build: IpxeBuild) => string,
): Promise<IpxeBuild[]> {
  const copied: IpxeBuild[] = [];
  for (const build of IPXE_BUILDS) {
    const path = pathOf(build);
    if (!await exists(path)) continue;
    await put(build, path);
    copied.push(build);
  }
  return copied;
}

async function fromDebian(): Promise<IpxeBuild[]> {
  say(`fetching ${DEBIAN_IPXE.path} from this machine's Debian mirror`);
  const directory = await Deno.makeTempDir();
  try {
    await unpackFromArchive(DEBIAN_IPXE, directory);
    return await copy((build) =>
      `${directory}/usr/lib/ipxe/ipxe-${NAMES[build].debian}.efi`
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

interface BuildOptions {
  readonly source: string;
  readonly trust: string | undefined;
  readonly script: string;
}

/** The command that builds iPXE for an architecture. */
function makeCommand(
  build: IpxeBuild,
  { source, trust, script }: BuildOptions,
  isNative: boolean,
): string[] {
  const { make, compiler } = NAMES[build];
  return [
    "make",
    `-j${navigator.hardwareConcurrency}`,
    "-C",
    `${source}/src`,
    `CONFIG=${CONFIG}`,
    ...(isNative ? [] : [`CROSS=${compiler}`]),
    `EMBED=${script}`,
    ...(trust === undefined ? [] : [`CERT=${trust}`, `TRUST=${trust}`]),
    `bin-${make}-efi/ipxe.efi`,
  ];
}

async function fromSource(
  options: BuildOptions,
  dryRun: boolean,
): Promise<IpxeBuild[]> {
  for (const path of [`${options.source}/src/Makefile`, options.script]) {
    if (!await exists(path)) throw new ToolError(`${path} does not exist`);
  }
  if (options.trust !== undefined && !await exists(options.trust)) {
    throw new ToolError(`${options.trust} does not exist`);
  }
  const native = Deno.build.arch === "x86_64" ? "x86-64" : "arm64";
  const built: IpxeBuild[] = [];
  for (const build of IPXE_BUILDS) {
    const command = makeCommand(build, options, build === native);
    if (dryRun) {
      console.log(command.join(" "));
      continue;
    }
    const compiler = build === native ? "gcc" : `${NAMES[build].compiler}gcc`;
    if (!await runs(compiler, "--version")) {
      say(`${compiler} is not installed: ${build} is not built`);
      continue;
    }
    const header = `${options.source}/src/config/local/${CONFIG}`;
    await Deno.mkdir(header, { recursive: true });
    await Deno.writeTextFile(`${header}/general.h`, CONFIG_HEADER);
    say(`building ${build}: ${command.join(" ")}`);
    const { success } = await new Deno.Command(command[0]!, {
      args: command.slice(1),
      stdin: "null",
      stdout: "null",
    }).spawn().status;
    if (!success) throw new ToolError(`building ${build} failed`);
    await put(
      build,
      `${options.source}/src/bin-${NAMES[build].make}-efi/ipxe.efi`,
    );
    built.push(build);
  }
  return built;
}

async function runs(program: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args }).output();
    return success;
  } catch {
    return false;
  }
}

async function run(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["from", "source", "trust", "script"],
    boolean: ["if-missing", "dry-run"],
    unknown: (arg: string) => {
      throw new ToolError(`unknown argument ${arg}`);
    },
  }) as Record<string, unknown>;
  const text = (name: string) => args[name] as string | undefined;
  await Deno.mkdir(ASSETS, { recursive: true });
  if (args["if-missing"]) {
    const there = await Promise.all(
      IPXE_BUILDS.map((build) => exists(packedBuild(build))),
    );
    if (there.every((is) => is)) return;
  }
  const from = text("from");
  const source = text("source");
  const done = from !== undefined
    ? await copy((build) => `${from}/ipxe-${build}.efi`)
    : source !== undefined
    ? await fromSource({
      source: await absolute(source),
      trust: text("trust") && await absolute(text("trust")!),
      script: await absolute(
        text("script") ?? `${import.meta.dirname}/../assets/ipxe/autoexec.ipxe`,
      ),
    }, args["dry-run"] === true)
    : await fromDebian();
  if (done.length > 0) say(`assets/ipxe has ${done.join(", ")}`);
  else if (!args["dry-run"]) throw new ToolError("found no iPXE build");
}

async function absolute(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch {
    throw new ToolError(`${path} does not exist`);
  }
}

try {
  await run();
} catch (error) {
  if (!(error instanceof ToolError) && !(error instanceof ArchiveError)) {
    throw error;
  }
  say(error.message);
  if (Deno.args.includes("--if-missing")) {
    say("continuing without iPXE: PXE clients will get no boot file");
  } else Deno.exit(1);
}
