/**
 * Writes iPXE for four architectures to `assets/ipxe/`, compressed.
 *
 * Usage: `deno task ipxe [OPTION...]`
 *
 * - without an option: from a fixed version of Debian's package
 * - `--if-missing`: does nothing if all four exist; a failure is not an error
 * - `--from DIR`: from `ipxe-ARCHITECTURE.efi` in a directory
 * - `--source IPXE_CHECKOUT`: builds it with IPv6, HTTPS and an embedded script,
 *   for each architecture that this machine has a compiler for
 * - `--pinned`: the same, from a fixed commit of iPXE's repository
 *
 * The last two take these:
 *
 * - `--trust BUNDLE.pem`: the only certificates that it trusts as roots
 * - `--script FILE`: another script
 * - `--snponly`: with the firmware's network driver only, a quarter of the size
 * - `--dry-run`: only prints the commands
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { IPXE_BUILDS, type IpxeBuild } from "../lib/boot_files/ipxe_builds.ts";
import { packedBuild } from "../lib/boot_files/ipxe.ts";
import {
  buildFromSource,
  checkOutPinned,
  printBuilds,
  type SourceOptions,
  ToolError,
} from "./ipxe_source.ts";
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

/** The names of an architecture in Debian. */
const DEBIAN_NAMES: Record<IpxeBuild, string> = {
  "x86-64": "amd64",
  arm64: "arm64",
  riscv64: "riscv64",
  loong64: "loong64",
};

const ASSETS = new URL("../assets/ipxe/", import.meta.url);

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
      `${directory}/usr/lib/ipxe/ipxe-${DEBIAN_NAMES[build]}.efi`
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Builds it, or only prints how. */
async function fromSource(
  options: SourceOptions,
  isDryRun: boolean,
): Promise<void> {
  if (isDryRun) return await printBuilds(options);
  tell(await buildFromSource(options, put));
}

/** Says what there is now. */
function tell(builds: readonly IpxeBuild[]): void {
  if (builds.length === 0) throw new ToolError("found no iPXE build");
  say(`assets/ipxe has ${builds.join(", ")}`);
}

async function run(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["from", "source", "trust", "script"],
    boolean: ["if-missing", "dry-run", "pinned", "snponly"],
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
  if (from !== undefined) {
    return tell(await copy((build) => `${from}/ipxe-${build}.efi`));
  }
  const source = text("source");
  if (source === undefined && !args.pinned) return tell(await fromDebian());
  const trust = text("trust");
  const options = {
    trust: trust && await absolute(trust),
    script: await absolute(
      text("script") ?? `${import.meta.dirname}/../assets/ipxe/autoexec.ipxe`,
    ),
    isSnpOnly: args.snponly === true,
    say,
  };
  const isDryRun = args["dry-run"] === true;
  if (source !== undefined) {
    const directory = await absolute(source);
    return await fromSource({ ...options, source: directory }, isDryRun);
  }
  const directory = await Deno.makeTempDir();
  try {
    await checkOutPinned(directory);
    await fromSource({ ...options, source: directory }, isDryRun);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
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
