/**
 * The files that TFTP serves: iPXE for each architecture, and its script.
 *
 * @module
 */

import { fileVersion } from "./file_version.ts";
import { MAX_TFTP_FILE } from "../overload/limits.ts";
import { delay } from "../overload/timeout.ts";
import { IPXE_BUILDS, type IpxeBuild } from "./ipxe_builds.ts";

/** The name under which iPXE asks for its script. */
export const SCRIPT_NAME = "autoexec.ipxe";

/** Files to serve instead of what is compiled in. */
export interface GivenIpxeFiles {
  readonly builds: ReadonlyMap<IpxeBuild, string>;
  readonly script: string | undefined;
}

/** A file as it was when it was read; whoever asks meanwhile waits for it. */
interface Loaded {
  readonly version: string;
  /** `undefined` if it became another one while it was read. */
  readonly content: Promise<Uint8Array | undefined>;
}

/** Times that a file is looked at which is being written meanwhile. */
const READINGS = 5;

/**
 * Milliseconds without a change after which a file counts as written: whoever
 * copies one halts now and then, and the kernel's clock for files goes in steps.
 */
const QUIET = 200;

const ASSETS = new URL("../../assets/ipxe/", import.meta.url);

/**
 * A build that is compiled in. It is packed by gzip, for all that is compiled
 * in stays in memory.
 */
export function packedBuild(build: IpxeBuild): URL {
  return new URL(`ipxe-${build}.efi.gz`, ASSETS);
}

/** What TFTP serves, read when it is asked for. */
export class IpxeFiles {
  /** The builds that there are. */
  readonly builds: ReadonlySet<IpxeBuild>;

  readonly #paths = new Map<IpxeBuild | "script", string | URL>();
  readonly #loaded = new Map<IpxeBuild | "script", Loaded>();

  constructor(given: GivenIpxeFiles) {
    for (const build of IPXE_BUILDS) {
      const path = given.builds.get(build) ?? packedBuild(build);
      if (isFile(path)) this.#paths.set(build, path);
    }
    this.builds = new Set(
      IPXE_BUILDS.filter((build) => this.#paths.has(build)),
    );
    this.#paths.set("script", given.script ?? new URL(SCRIPT_NAME, ASSETS));
  }

  /** Which of the files a name stands for. */
  static fileFor(name: string): IpxeBuild | "script" {
    if (name === SCRIPT_NAME) return "script";
    return IPXE_BUILDS.find((build) => name.endsWith(`-${build}.efi`)) ??
      "x86-64";
  }

  /** The content of the file that a name stands for, if there is one. */
  async open(name: string): Promise<Uint8Array | undefined> {
    const key = IpxeFiles.fileFor(name);
    const path = this.#paths.get(key);
    if (path === undefined) return undefined;
    try {
      for (let count = 0; count < READINGS; count++) {
        const info = await Deno.stat(path);
        if (info.size > MAX_TFTP_FILE) return undefined;
        if (isBeingWritten(info)) {
          await delay(QUIET);
          continue;
        }
        const content = await this.#load(key, path, fileVersion(info));
        if (content !== undefined) return content;
      }
    } catch {
      this.#loaded.delete(key);
    }
    return undefined;
  }

  /** A file with this fingerprint; `undefined` if it has none by now. */
  #load(
    key: IpxeBuild | "script",
    path: string | URL,
    version: string,
  ): Promise<Uint8Array | undefined> {
    let loaded = this.#loaded.get(key);
    if (loaded?.version !== version) {
      loaded = { version, content: contentAt(path, version) };
      this.#loaded.set(key, loaded);
    }
    return loaded.content;
  }
}

/** Whether a file was changed so recently that it may not be whole. */
function isBeingWritten({ mtime }: Deno.FileInfo): boolean {
  return mtime !== null && Math.abs(Date.now() - mtime.getTime()) < QUIET;
}

/** Looked at after reading as well: what is served was never half another. */
async function contentAt(
  path: string | URL,
  version: string,
): Promise<Uint8Array | undefined> {
  const content = await contentOf(path);
  return fileVersion(await Deno.stat(path)) === version ? content : undefined;
}

async function contentOf(path: string | URL): Promise<Uint8Array> {
  const packed = await Deno.readFile(path);
  return path instanceof URL && path.pathname.endsWith(".gz")
    ? await unpacked(packed)
    : packed;
}

async function unpacked(packed: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const unpacking = new DecompressionStream("gzip");
  return await new Response(new Blob([packed]).stream().pipeThrough(unpacking))
    .bytes();
}

function isFile(path: string | URL): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
