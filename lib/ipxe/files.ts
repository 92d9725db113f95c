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

/** A file as it was when it was read. */
interface Loaded {
  readonly changed: number;
  readonly size: number;
  readonly content: Uint8Array;
}

const ASSETS = new URL("../../assets/ipxe/", import.meta.url);

/** What TFTP serves, read when it is asked for. */
export class IpxeFiles {
  /** The builds that there are. */
  readonly builds: ReadonlySet<IpxeBuild>;

  readonly #paths = new Map<IpxeBuild | "script", string | URL>();
  readonly #loaded = new Map<IpxeBuild | "script", Loaded>();

  constructor(given: GivenIpxeFiles) {
    for (const build of IPXE_BUILDS) {
      const path = given.builds.get(build) ??
        new URL(`ipxe-${build}.efi`, ASSETS);
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
      const known = this.#loaded.get(key);
      if (known?.changed === changed && known.size === size) {
        return known.content;
      }
      if (size > MAX_TFTP_FILE) return undefined;
      const content = await Deno.readFile(path);
      this.#loaded.set(key, { changed, size, content });
      return content;
    } catch {
      return undefined;
    }
  }
}

function isFile(path: string | URL): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
