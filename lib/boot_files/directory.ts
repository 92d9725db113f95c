/**
 * The netboot directory, whose files HTTP serves by MAC: `<directory>/<mac>/...`
 * and, for all machines, `<directory>/default/...`.
 *
 * @module
 */

import { eTag } from "@std/http/etag";
import { fileVersion, isRecorded } from "./file_version.ts";
import {
  type FilePlace,
  fileWork,
  UNCOUNTED_PLACE,
} from "../files/file_work.ts";
import type { FileHandle } from "../files/opened_file.ts";
import { MacDirectories } from "./mac_directories.ts";
import { formatMac, type Mac } from "../net/mac.ts";
import {
  isOutOfDescriptors,
  type PathProblem,
  ServedRoots,
} from "./served_roots.ts";

/** An open file of the netboot directory. */
export interface BootFile {
  /** At its first byte. The caller that gets it closes it. */
  readonly handle: FileHandle;
  /** Its absolute path, without symbolic links. */
  readonly path: string;
  /** Its length in bytes. */
  readonly size: number;
  /** Its status when it was opened. */
  readonly info: Deno.FileInfo;
  /**
   * A strong entity tag (RFC 9110 §8.8.3), in quotes. Another one each time if the
   * file's status does not tell its content.
   */
  readonly etag: string;
  /** When it was last changed; `undefined` if that is not known. */
  readonly modified: Date | undefined;
  /** Its media type, by the extension in the requested path. */
  readonly type: string;
}

/** Media types by file extension; firmware needs those of `efi`, `iso` and `img`. */
const TYPES: ReadonlyMap<string, string> = new Map(Object.entries({
  efi: "application/efi",
  iso: "application/vnd.efi-iso",
  img: "application/vnd.efi-img",
  ipxe: "text/plain; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  cfg: "text/plain; charset=utf-8",
  json: "application/json",
  xml: "application/xml",
  html: "text/html; charset=utf-8",
  gz: "application/gzip",
  xz: "application/x-xz",
  zst: "application/zstd",
}));

function typeOf(path: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return TYPES.get(extension) ?? "application/octet-stream";
}

/** Names of EFI programs and of images that firmware boots. */
const BOOTABLE = /\.(?:efi|img|iso)$/i;

/** Whether a file is an EFI program or an image that firmware boots, by its name. */
export function isBootable(name: string): boolean {
  return BOOTABLE.test(name);
}

/**
 * The names in a path. Several slashes are one: loaders put one behind a directory
 * that ends in one. `undefined` if the path could lead to anything but a file
 * below a directory: dot segments, a slash at the end, and names with a backslash
 * or a NUL.
 */
export function pathNames(path: string): string[] | undefined {
  const names = path.split("/");
  const isFile = names.at(-1) !== "";
  const given = names.filter((name) => name !== "");
  const isSafe = (name: string) =>
    name !== "." && name !== ".." && !/[\\\0]/.test(name);
  return isFile && given.every(isSafe) ? given : undefined;
}

/** The same of the path of a URL, with percent escapes decoded. */
export function urlPathNames(escaped: string): string[] | undefined {
  let names: string[];
  try {
    names = escaped.split("/").map(decodeURIComponent);
  } catch {
    return undefined;
  }
  // An escaped slash is none that divides names.
  return names.some((name) => name.includes("/"))
    ? undefined
    : pathNames(names.join("/"));
}

/**
 * When a file was last changed, if its modification time says that. A time in
 * the future does not (RFC 9110 §8.8.2.1), nor does the current second: the file
 * may change again in it, and a client's date would then name two contents
 * (§8.8.2.2).
 */
export function lastModified(
  mtime: Date | null,
  now: number,
): Date | undefined {
  const isPast = (time: Date) =>
    Math.floor(time.getTime() / 1000) < Math.floor(now / 1000);
  return mtime !== null && isRecorded(mtime) && isPast(mtime)
    ? mtime
    : undefined;
}

/** Finds the files of machines. The directory may be absent, and may change. */
export class BootDirectory {
  readonly #roots: ServedRoots;
  readonly #macDirectories: MacDirectories;

  /** @param follow Directories that links in `directory` may lead to. */
  constructor(readonly directory: string, follow: readonly string[] = []) {
    this.#roots = new ServedRoots(directory, follow);
    this.#macDirectories = new MacDirectories(directory);
  }

  /**
   * Opens the file of a machine, else the one for all machines; `undefined` if
   * there is neither. A file of the machine that is not served is not replaced by
   * the one for all: what boots then would be another system.
   *
   * @param names Of the path below the machine's directory; `undefined`: no path.
   * @param problems Gets why each path that was tried is not served.
   * @param place That of the operation.
   * @throws {FileStalledError} if the file system does not answer.
   * @throws {Error} if no file descriptor is left.
   */
  async find(
    mac: Mac,
    names: readonly string[] | undefined,
    problems: PathProblem[] = [],
    place: FilePlace = UNCOUNTED_PLACE,
  ): Promise<BootFile | undefined> {
    if (names === undefined) return undefined;
    for await (const folder of this.#foldersOf(mac)) {
      const file = await this.#fileAt([folder, ...names].join("/"), place);
      if ("etag" in file) return file;
      problems.push(file);
      if (file.kind !== "not_found") return undefined;
    }
    return undefined;
  }

  /**
   * The same as one of the file operations of a client, which have a limit.
   *
   * @param client The client's address.
   * @param path What was requested, for the messages.
   */
  async open(
    client: string,
    path: string,
    mac: Mac,
    names: readonly string[] | undefined,
    problems: PathProblem[],
  ): Promise<BootFile | undefined> {
    return await fileWork.run(
      client,
      `${this.directory}: ${path}`,
      (place) => this.find(mac, names, problems, place),
      { dispose: (late) => late?.handle.close() },
    );
  }

  /** The folders in which a machine's files are looked for, in this order. */
  async *#foldersOf(mac: Mac): AsyncGenerator<string> {
    yield formatMac(mac);
    try {
      yield* await this.#macDirectories.of(mac);
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      // The directory is absent or must not be listed; its files may be read.
    }
    yield "default";
  }

  async #fileAt(
    relativePath: string,
    place: FilePlace,
  ): Promise<BootFile | PathProblem> {
    const found = await this.#roots.open(relativePath, place);
    if ("kind" in found) return found;
    const { path, handle, info } = found;
    // Read-only images, such as squashfs, have no times but those that they were
    // made with: two of them may have files of the same status and other content,
    // so that a tag must not be used twice.
    const content = isRecorded(info.ctime)
      ? fileVersion(info)
      : `${fileVersion(info)} ${crypto.randomUUID()}`;
    return {
      handle,
      path,
      size: info.size,
      info,
      etag: await eTag(content),
      modified: lastModified(info.mtime, Date.now()),
      type: typeOf(relativePath),
    };
  }
}
