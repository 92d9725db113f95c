/**
 * The files that TFTP serves: an iPXE build for each architecture, and the iPXE
 * script.
 *
 * @module
 */

import { fileVersion } from "./file_version.ts";
import { type PathProblem, problemAt } from "./served_roots.ts";
import { MAX_TFTP_FILE } from "../overload/limits.ts";
import { delay } from "../overload/timeout.ts";
import { IPXE_BUILDS, type IpxeBuild } from "./ipxe_builds.ts";

/** The name under which iPXE requests its script. */
export const SCRIPT_NAME = "autoexec.ipxe";

/** Paths of files that replace the embedded ones. */
export interface IpxeFilesOptions {
  readonly builds: ReadonlyMap<IpxeBuild, string>;
  readonly script: string | undefined;
}

/** A file that was read, or is being read for all requests of this time. */
interface LoadedFile {
  readonly version: string;
  /** `undefined` if the file changed while it was read. */
  readonly content: Promise<Uint8Array | undefined>;
}

/** How often a file is read again that changes while it is read. */
const MAX_ATTEMPTS = 5;

/**
 * Milliseconds without a change after which a file counts as complete: programs
 * that copy files pause between writes, and the kernel's clock for files
 * advances in steps of up to 10 ms.
 */
const SETTLING_TIME = 200;

const ASSETS = new URL("../../assets/ipxe/", import.meta.url);

/**
 * The embedded file of a build. It is compressed with gzip, because embedded
 * files stay in memory.
 */
export function packedBuild(build: IpxeBuild): URL {
  return new URL(`ipxe-${build}.efi.gz`, ASSETS);
}

/** The iPXE files, each read when it is requested and again when it changes. */
export class IpxeFiles {
  /** The builds that are available; `reload` may change the set. */
  readonly builds: ReadonlySet<IpxeBuild>;

  readonly #builds = new Set<IpxeBuild>();
  readonly #paths = new Map<IpxeBuild | "script", string | URL>();
  readonly #loaded = new Map<IpxeBuild | "script", LoadedFile>();
  /** Why the last attempt to read a file gave nothing. */
  readonly #problems = new Map<IpxeBuild | "script", PathProblem>();

  constructor({ builds, script }: IpxeFilesOptions) {
    for (const build of IPXE_BUILDS) {
      this.#paths.set(build, builds.get(build) ?? packedBuild(build));
    }
    this.builds = this.#builds;
    this.#paths.set("script", script ?? new URL(SCRIPT_NAME, ASSETS));
    this.reload();
  }

  /** Looks again which builds there are, and reads files when requested next. */
  reload(): void {
    this.#loaded.clear();
    for (const build of IPXE_BUILDS) {
      if (isFile(this.#paths.get(build)!)) this.#builds.add(build);
      else this.#builds.delete(build);
    }
  }

  /**
   * The file for a requested name. Only the end of the name counts, so that no
   * name leads to a file of the host.
   */
  static fileFor(name: string): IpxeBuild | "script" {
    if (name === SCRIPT_NAME) return "script";
    return IPXE_BUILDS.find((build) => name.endsWith(`-${build}.efi`)) ??
      "x86-64";
  }

  /**
   * The content of the file for a requested name; `undefined` if it is absent,
   * longer than {@linkcode MAX_TFTP_FILE} or changes all the time.
   */
  async read(name: string): Promise<Uint8Array | undefined> {
    const key = IpxeFiles.fileFor(name);
    const path = this.#paths.get(key);
    if (path === undefined) return undefined;
    this.#problems.delete(key);
    const text = path instanceof URL ? path.pathname : path;
    const unreadable = (detail: string) => {
      this.#problems.set(key, { kind: "unreadable", path: text, detail });
      return undefined;
    };
    try {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const info = await Deno.stat(path);
        if (info.size > MAX_TFTP_FILE) return unreadable("it is too large");
        if (isBeingWritten(info)) {
          await delay(SETTLING_TIME);
          continue;
        }
        const content = await this.#load(key, path, fileVersion(info));
        if (content !== undefined) return content;
      }
    } catch (error) {
      this.#loaded.delete(key);
      this.#problems.set(key, await problemAt(text, error as Error));
      return undefined;
    }
    return unreadable("it changes while it is read");
  }

  /**
   * Why {@linkcode read} had nothing for a name; `undefined` if there is no such
   * file.
   */
  problem(name: string): PathProblem | undefined {
    return this.#problems.get(IpxeFiles.fileFor(name));
  }

  /** The content of a version; `undefined` if the file has changed since. */
  #load(
    key: IpxeBuild | "script",
    path: string | URL,
    version: string,
  ): Promise<Uint8Array | undefined> {
    let loaded = this.#loaded.get(key);
    if (loaded?.version !== version) {
      loaded = { version, content: contentOfVersion(path, version) };
      this.#loaded.set(key, loaded);
    }
    return loaded.content;
  }
}

/** Whether a file was changed so recently that it may be incomplete. */
function isBeingWritten({ mtime }: Deno.FileInfo): boolean {
  return mtime !== null &&
    Math.abs(Date.now() - mtime.getTime()) < SETTLING_TIME;
}

/** Checks the version after reading: a mixture of two versions is not served. */
async function contentOfVersion(
  path: string | URL,
  version: string,
): Promise<Uint8Array | undefined> {
  const content = await contentOf(path);
  return fileVersion(await Deno.stat(path)) === version ? content : undefined;
}

async function contentOf(path: string | URL): Promise<Uint8Array> {
  const bytes = await Deno.readFile(path);
  return path instanceof URL && path.pathname.endsWith(".gz")
    ? await decompress(bytes)
    : bytes;
}

async function decompress(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const gzip = new DecompressionStream("gzip");
  return await new Response(new Blob([bytes]).stream().pipeThrough(gzip))
    .bytes();
}

function isFile(path: string | URL): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
