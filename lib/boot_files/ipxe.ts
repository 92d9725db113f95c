/**
 * The files that TFTP serves: an iPXE build for each architecture, shims that load
 * it, and the iPXE script.
 *
 * @module
 */

import { fileWork } from "../files/file_work.ts";
import { readFile } from "../files/read_file.ts";
import { BOOT_SCRIPT_NAME } from "./boot_script.ts";
import { fileVersion } from "./file_version.ts";
import { type PathProblem, problemAt } from "./served_roots.ts";
import { FILE_TIMEOUT, MAX_TFTP_FILE } from "../overload/limits.ts";
import { delay, waitAtMost } from "../overload/timeout.ts";
import {
  IPXE_BUILDS,
  type IpxeBuild,
  ipxeFileName,
  SHIM_BUILDS,
  type ShimBuild,
  shimFileName,
  shimNamed,
} from "./ipxe_builds.ts";

/** The name under which iPXE requests its script. */
export const SCRIPT_NAME = "autoexec.ipxe";

/** Which of the files. */
export type IpxeFileKey = IpxeBuild | `shim-${ShimBuild}` | "script";

/** All that there can be. */
export const IPXE_FILE_KEYS: readonly IpxeFileKey[] = [
  ...IPXE_BUILDS,
  ...SHIM_BUILDS.map((build) => `shim-${build}` as const),
  "script",
];

/** Names that a shim requests: its second stage, lists and certificates. */
const OF_SHIM = /^(?:revocations|shim_certificate|mm|fb|grub)[^/]*\.efi$/i;

/** Of these names, those that it looks for each time, and that hardly anybody has. */
const OPTIONAL = /(?:revocations|shim_certificate)[^/]*\.efi$/i;

/** Whether a shim asks for a path, and goes on without the file. */
export function isOptional(path: string): boolean {
  return OPTIONAL.test(path);
}

/** Whether a name is that of a script for iPXE. */
export function isScriptName(name: string): boolean {
  return name === SCRIPT_NAME || name === BOOT_SCRIPT_NAME;
}

/** Whether machines are sent to a name, or request it in iPXE by themselves. */
export function isIpxeName(name: string): boolean {
  return isScriptName(name) ||
    IPXE_BUILDS.some((build) => name === ipxeFileName(build)) ||
    SHIM_BUILDS.some((build) => name === shimFileName(build));
}

/** Paths of files that replace the embedded ones, and of shims. */
export type IpxePaths = ReadonlyMap<IpxeFileKey, string>;

/** A file that was read. */
interface LoadedFile {
  readonly version: string;
  readonly content: Uint8Array;
}

/** Called when a file cannot be read, and the last known content is served. */
export type OnStale = (problem: PathProblem) => void;

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

/**
 * Milliseconds that a request waits for a file to be read while its last known
 * content can be served: firmware retransmits after a second or more.
 */
const FRESH_TIMEOUT = 2000;

/** The iPXE files, each read when it is requested and again when it changes. */
export class IpxeFiles {
  /** The builds that are available; `reload` may change the set. */
  readonly builds: ReadonlySet<IpxeBuild>;
  /** The shims that are given. */
  readonly shims: ReadonlySet<ShimBuild>;

  readonly #builds = new Set<IpxeBuild>();
  readonly #files = new Map<IpxeFileKey, IpxeFile>();

  /** Files that replace the embedded ones count as available until `reload`. */
  constructor(
    paths: IpxePaths,
    onStale: OnStale = () => {},
  ) {
    const add = (key: IpxeFileKey, place: string | URL) => {
      const file = new IpxeFile(place, onStale);
      this.#files.set(key, file);
      return file;
    };
    for (const build of IPXE_BUILDS) {
      const path = paths.get(build);
      const file = add(build, path ?? packedBuild(build));
      if (path !== undefined || file.isEmbedded()) this.#builds.add(build);
    }
    this.builds = this.#builds;
    this.shims = new Set(
      SHIM_BUILDS.filter((build) => {
        const path = paths.get(`shim-${build}`);
        return path !== undefined && add(`shim-${build}`, path);
      }),
    );
    add("script", paths.get("script") ?? new URL(SCRIPT_NAME, ASSETS));
  }

  /** Begins to read the files that replace embedded ones. */
  start(): void {
    for (const file of this.#files.values()) {
      if (!file.isEmbedded()) void file.refresh();
    }
  }

  /** Looks again which builds there are, and reads changed files. */
  async reload(): Promise<void> {
    await Promise.all(IPXE_BUILDS.map(async (build) => {
      const file = this.#files.get(build)!;
      if (file.isEmbedded()) return;
      await file.read();
      if (file.isAbsent) this.#builds.delete(build);
      else this.#builds.add(build);
    }));
  }

  /** A file that is being read is no work in progress. */
  stop(): void {}

  /**
   * The file for a requested path; `undefined` if none is meant. Only the end of
   * the path counts, so that no path leads to a file of the host. Any name of an
   * EFI program gets an iPXE, but those that a shim requests for itself: it would
   * take what it gets for that.
   */
  keyFor(path: string): IpxeFileKey | undefined {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (name === SCRIPT_NAME) return "script";
    if (!/\.efi$/i.test(name) || OF_SHIM.test(name)) return undefined;
    const shim = shimNamed(name);
    if (shim !== undefined && this.shims.has(shim)) return `shim-${shim}`;
    return IPXE_BUILDS.find((build) => name.endsWith(`-${build}.efi`)) ??
      "x86-64";
  }

  /**
   * The content of a file; the last known one if the file cannot be read.
   * `undefined` if it is absent, or was never read.
   */
  async read(key: IpxeFileKey): Promise<Uint8Array | undefined> {
    return await this.#files.get(key)!.read();
  }

  /** Why {@linkcode read} had nothing; `undefined` if there is no such file. */
  problem(key: IpxeFileKey): PathProblem | undefined {
    return this.#files.get(key)!.problem;
  }
}

/** One of the files. */
class IpxeFile {
  /** Why the last attempt to read it gave nothing. */
  problem: PathProblem | undefined;
  /** Whether the last attempt has found no such file. */
  isAbsent = false;

  readonly #path: string | URL;
  readonly #onStale: OnStale;
  #loaded: LoadedFile | undefined;
  /** The only attempt in progress, for all requests of this time. */
  #refreshing: Promise<void> | undefined;

  constructor(path: string | URL, onStale: OnStale) {
    this.#path = path;
    this.#onStale = onStale;
  }

  /** Whether it is compiled in. One that could be, and is not, is none. */
  isEmbedded(): boolean {
    return this.#path instanceof URL && isFile(this.#path);
  }

  /** See {@linkcode IpxeFiles.read}. */
  async read(): Promise<Uint8Array | undefined> {
    const isOver = await waitAtMost(
      this.#loaded === undefined ? FILE_TIMEOUT : FRESH_TIMEOUT,
      this.refresh(),
    );
    if (!isOver) this.problem = { kind: "stalled", path: this.#text };
    if (this.#loaded !== undefined && this.problem !== undefined) {
      this.#onStale(this.problem);
    }
    return this.#loaded?.content;
  }

  /** Reads it if it has changed. Is never rejected. */
  refresh(): Promise<void> {
    return this.#refreshing ??= this.#refresh().finally(() =>
      this.#refreshing = undefined
    );
  }

  get #text(): string {
    return this.#path instanceof URL ? this.#path.pathname : this.#path;
  }

  async #refresh(): Promise<void> {
    try {
      // An embedded file is in memory: it waits for nothing.
      const problem = this.#path instanceof URL
        ? await this.#load()
        : await fileWork.run(
          `iPXE ${this.#text}`,
          this.#text,
          () => this.#load(),
          { isPatient: true },
        );
      this.isAbsent = false;
      this.problem = problem === undefined
        ? undefined
        : { kind: "unreadable", path: this.#text, detail: problem };
    } catch (error) {
      this.problem = await problemAt(this.#text, error as Error);
      this.isAbsent = this.problem.kind === "not_found" ||
        this.problem.kind === "broken_link";
      if (this.isAbsent) this.#loaded = undefined;
    }
  }

  /** Reads it if it has changed; gives why it cannot be served as it is. */
  async #load(): Promise<string | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const info = await Deno.stat(this.#path);
      if (info.size > MAX_TFTP_FILE) return "it is too large";
      if (isBeingWritten(info)) {
        await delay(SETTLING_TIME);
        continue;
      }
      const version = fileVersion(info);
      if (this.#loaded?.version === version) return undefined;
      const content = await contentOf(this.#path);
      // Checked after reading: a mixture of two versions is not served.
      if (fileVersion(await Deno.stat(this.#path)) !== version) continue;
      this.#loaded = { version, content };
      return undefined;
    }
    return "it changes while it is read";
  }
}

/** Whether a file was changed so recently that it may be incomplete. */
function isBeingWritten({ mtime }: Deno.FileInfo): boolean {
  return mtime !== null &&
    Math.abs(Date.now() - mtime.getTime()) < SETTLING_TIME;
}

async function contentOf(path: string | URL): Promise<Uint8Array> {
  if (typeof path === "string") {
    return await readFile(path, MAX_TFTP_FILE);
  }
  const bytes = await Deno.readFile(path);
  return path.pathname.endsWith(".gz") ? await decompress(bytes) : bytes;
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
