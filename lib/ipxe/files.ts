/**
 * The files that TFTP serves: iPXE for each architecture, and its script.
 *
 * @module
 */

import { MAX_TFTP_FILE } from "../limits.ts";
import { IPXE_BUILDS, type IpxeBuild } from "./builds.ts";

/** The name under which iPXE asks for its script. */
export const SCRIPT_NAME = "autoexec.ipxe";

/** Files to serve instead of what is compiled in. */
export interface GivenIpxeFiles {
  readonly builds: ReadonlyMap<IpxeBuild, string>;
  readonly script: string | undefined;
}

/** A file as it was when it was read; whoever asks meanwhile waits for it. */
interface Loaded {
  readonly changed: number;
  readonly size: number;
  readonly content: Promise<Uint8Array>;
}

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
      const { size, mtime } = await Deno.stat(path);
      const changed = mtime?.getTime() ?? 0;
      let loaded = this.#loaded.get(key);
      if (loaded?.changed !== changed || loaded.size !== size) {
        if (size > MAX_TFTP_FILE) return undefined;
        loaded = { changed, size, content: contentOf(path) };
        this.#loaded.set(key, loaded);
      }
      return await loaded.content;
    } catch {
      this.#loaded.delete(key);
      return undefined;
    }
  }
}

async function contentOf(path: string | URL): Promise<Uint8Array> {
  const octets = await Deno.readFile(path);
  return path instanceof URL && path.pathname.endsWith(".gz")
    ? await unpacked(octets)
    : octets;
}

async function unpacked(octets: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const unpacking = new DecompressionStream("gzip");
  return await new Response(new Blob([octets]).stream().pipeThrough(unpacking))
    .bytes();
}

function isFile(path: string | URL): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
