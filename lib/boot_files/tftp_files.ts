/**
 * What TFTP serves for a path: a file of the machine, as HTTP serves it, else an
 * iPXE or its script.
 *
 * @module
 */

import { fileWork } from "../files/file_work.ts";
import { FileStalledError } from "../files/operation_places.ts";
import type { Mac } from "../net/mac.ts";
import { type BootDirectory, type BootFile, pathNames } from "./directory.ts";
import { BOOT_SCRIPT_NAME } from "./boot_script.ts";
import { isSameContent } from "./file_version.ts";
import { IpxeFiles, isIpxeName } from "./ipxe.ts";
import { isOutOfDescriptors, type PathProblem } from "./served_roots.ts";

/** A file that TFTP serves. */
export interface FoundTftpFile {
  readonly content: Uint8Array | BootFileSource;
  /** Whether it is an iPXE or a script for it, and no file of the machine. */
  readonly isIpxe: boolean;
}

/** The script that a machine's iPXE loads; `undefined` if there is none. */
export type BootScriptOf = (mac: Mac) => Uint8Array | undefined;

/** Finds the files. */
export class TftpFiles {
  readonly #directory: BootDirectory | undefined;
  readonly #ipxe: IpxeFiles;
  readonly #scriptOf: BootScriptOf;

  /** @param directory `undefined`: machines have no files. */
  constructor(
    directory: BootDirectory | undefined,
    ipxe: IpxeFiles,
    scriptOf: BootScriptOf = () => undefined,
  ) {
    this.#directory = directory;
    this.#ipxe = ipxe;
    this.#scriptOf = scriptOf;
  }

  /**
   * Opens the file of a machine.
   *
   * @param path Below the machine's directory.
   * @param client The client's address.
   * @param problems Gets why each path that was tried is not served.
   * @returns `undefined` if there is none.
   * @throws {Error} if no file descriptor is left: there may be one a second later,
   * when the client asks again.
   */
  async open(
    mac: Mac,
    path: string,
    client: string,
    problems: PathProblem[],
  ): Promise<FoundTftpFile | undefined> {
    const file = await this.#openOwn(mac, path, client, problems);
    if (file !== undefined) {
      return { content: new BootFileSource(file, client), isIpxe: false };
    }
    if (path === BOOT_SCRIPT_NAME && mayBeIpxe(path, problems)) {
      const content = this.#scriptOf(mac);
      if (content !== undefined) return { content, isIpxe: true };
    }
    const key = this.#ipxe.keyFor(path);
    if (key === undefined || !mayBeIpxe(path, problems)) return undefined;
    const content = await this.#ipxe.read(key);
    if (content !== undefined) return { content, isIpxe: true };
    const problem = this.#ipxe.problem(key);
    if (problem !== undefined) problems.unshift(problem);
    return undefined;
  }

  async #openOwn(
    mac: Mac,
    path: string,
    client: string,
    problems: PathProblem[],
  ): Promise<BootFile | undefined> {
    const directory = this.#directory;
    if (directory === undefined) return undefined;
    try {
      return await directory.open(client, path, mac, pathNames(path), problems);
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      problems.push({
        kind: error instanceof FileStalledError ? "stalled" : "unreadable",
        path: directory.directory,
        detail: (error as Error).message,
      });
      return undefined;
    }
  }
}

/**
 * Whether an iPXE may be served for a path of which there is no file. One that
 * cannot be read is not replaced by it; but a file system that does not answer, or
 * a directory that cannot be entered, must not keep machines from the iPXE that
 * they are sent to.
 */
function mayBeIpxe(path: string, problems: readonly PathProblem[]): boolean {
  const isOfFile = (problem: PathProblem) =>
    problem.kind !== "stalled" && problem.path.endsWith(`/${path}`);
  return problems.every((problem) =>
    problem.kind === "not_found" || isIpxeName(path) && !isOfFile(problem)
  );
}

/** A file of a machine, read from any place. */
export class BootFileSource {
  readonly #file: BootFile;
  readonly #client: string;

  /** @param client The address of the client that it is read for. */
  constructor(file: BootFile, client: string) {
    this.#file = file;
    this.#client = client;
  }

  /** Its absolute path, without symbolic links. */
  get path(): string {
    return this.#file.path;
  }

  get size(): number {
    return this.#file.size;
  }

  /**
   * Reads `length` bytes from `start` on.
   *
   * @throws {Error} if they are not there, or the file has changed.
   */
  async read(start: number, length: number): Promise<Uint8Array> {
    const { path, handle: { fileSystem } } = this.#file;
    const read = () => this.#read(start, length);
    return await fileWork.run(this.#client, path, read, {
      fileSystem,
      isPatient: true,
    });
  }

  close(): void {
    this.#file.handle.close();
  }

  async #read(start: number, length: number): Promise<Uint8Array> {
    const { handle, info } = this.#file;
    const bytes = new Uint8Array(length);
    await handle.seek(start);
    for (let at = 0; at < length;) {
      const chunk = await handle.read(length - at);
      if (chunk === undefined) throw new Error("the file has changed");
      bytes.set(chunk, at);
      at += chunk.length;
    }
    // After reading: what is sent was read before any change.
    if (!isSameContent(info, await handle.stat())) {
      throw new Error("the file has changed");
    }
    return bytes;
  }
}
