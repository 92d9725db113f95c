/**
 * Which files of this host are served: those below the netboot directory, and
 * what symbolic links in it lead to below the directories of
 * `--netboot-follow`. The same rule decides which machines
 * `--boot-policy listed` counts.
 *
 * @module
 */

import { type FilePlace, UNCOUNTED_PLACE } from "../files/file_work.ts";
import { mountOf, readMounts, remoteMountOn } from "../files/mounts.ts";
import { openFile } from "../files/open_file.ts";
import { FileStalledError } from "../files/operation_places.ts";
import {
  isAbsent,
  NotRegularFileError,
  type OpenedFile,
} from "../files/opened_file.ts";

/**
 * Why a path leads to nothing that is served. `no_file`: to a directory or a
 * device. `stalled`: the file system does not answer. `unreadable`: any other
 * error of the file system.
 */
export type PathProblemKind =
  | "not_found"
  | "broken_link"
  | "link_leads_out"
  | "permission_denied"
  | "no_file"
  | "stalled"
  | "unreadable";

/** Why a path is not served. */
export interface PathProblem {
  readonly kind: PathProblemKind;
  /**
   * A path of this host: that of the file, of the link, or of the directory that
   * the daemon may not enter.
   */
  readonly path: string;
  /** What a link leads to, or the message of an error. */
  readonly detail?: string;
}

/** A path that is served. */
export interface ServedPath {
  /** Without symbolic links. */
  readonly path: string;
  readonly info: Deno.FileInfo;
}

/** Codes of errors that say that no file descriptor is left. */
const OUT_OF_DESCRIPTORS = new Set(["EMFILE", "ENFILE"]);

/** Links that are followed to find the cause of an error, as in Linux. */
const MAX_LINKS = 40;

/** The netboot directory, and the directories that links in it may lead to. */
export class ServedRoots {
  /**
   * @param directory The netboot directory; it may be absent.
   * @param follow Each may be absent, or be a link itself.
   */
  constructor(
    readonly directory: string,
    readonly follow: readonly string[] = [],
  ) {}

  /**
   * What a path below the directory leads to. Neither a change of the directory
   * nor an error of the file system makes this throw.
   *
   * @param relativePath Without empty names and dot segments.
   */
  async resolve(relativePath: string): Promise<ServedPath | PathProblem> {
    let at = this.directory;
    try {
      const root = await Deno.realPath(this.directory);
      at = `${root}/${relativePath}`;
      const path = await Deno.realPath(at);
      if (!isBelow(path, root) && !await this.#isFollowed(path)) {
        return { kind: "link_leads_out", path: at, detail: path };
      }
      return { path, info: await Deno.stat(path) };
    } catch (error) {
      return await problemAt(at, error as Error);
    }
  }

  /**
   * Opens a file that a path below the directory leads to. What is checked is
   * where the opened file is: the path may change meanwhile.
   *
   * @param relativePath Without empty names and dot segments.
   * @param place That of the operation.
   * @throws {FileStalledError} if the file system does not answer.
   * @throws {Error} if no file descriptor is left.
   */
  async open(
    relativePath: string,
    place: FilePlace = UNCOUNTED_PLACE,
  ): Promise<OpenedFile | PathProblem> {
    let at = this.directory;
    try {
      const root = await Deno.realPath(this.directory);
      at = `${root}/${relativePath}`;
      const file = await openFile(at, place);
      if (isBelow(file.path, root) || await this.#isFollowed(file.path)) {
        return file;
      }
      file.handle.close();
      return { kind: "link_leads_out", path: at, detail: file.path };
    } catch (error) {
      if (isTemporary(error)) throw error;
      return await problemAt(at, error as Error);
    }
  }

  /** Whether links may lead to a path without links outside of the directory. */
  async #isFollowed(path: string): Promise<boolean> {
    // What a path without links begins with is without links, too.
    if (this.follow.some((directory) => isBelow(path, directory))) return true;
    for (const directory of this.follow) {
      try {
        if (!await isAnswering(directory, path)) continue;
        if (isBelow(path, await Deno.realPath(directory))) return true;
      } catch {
        // Nothing leads to a directory that is absent.
      }
    }
    return false;
  }
}

/**
 * Whether a directory may be asked for: it is on a file system of this host, or on
 * that of a file which was just opened.
 *
 * @param path The file's, without links.
 */
async function isAnswering(directory: string, path: string): Promise<boolean> {
  const mounts = readMounts();
  const remote = await remoteMountOn(directory, mounts);
  return remote === undefined || mountOf(path, mounts)?.id === remote.id;
}

function isTemporary(error: unknown): boolean {
  return error instanceof FileStalledError || isOutOfDescriptors(error);
}

/** Whether an error says that no file descriptor is left. */
export function isOutOfDescriptors(error: unknown): boolean {
  return OUT_OF_DESCRIPTORS.has((error as { code?: string }).code ?? "");
}

/** Whether `path` is `directory` or below it. Both are without links. */
function isBelow(path: string, directory: string): boolean {
  return path === directory ||
    path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

/** The problem that an error at a path means. */
export async function problemAt(
  path: string,
  error: Error,
): Promise<PathProblem> {
  if (error instanceof NotRegularFileError) return { kind: "no_file", path };
  if (error instanceof FileStalledError) return { kind: "stalled", path };
  if (error instanceof Deno.errors.PermissionDenied) {
    return { kind: "permission_denied", path: await deniedAt(path) };
  }
  if (isAbsent(error)) {
    const link = await brokenLinkIn(path);
    return link === undefined
      ? { kind: "not_found", path }
      : { kind: "broken_link", ...link };
  }
  return { kind: "unreadable", path, detail: error.message };
}

/**
 * Of the problems of several paths, that which the operator can mend: any other
 * than an absent file comes first.
 */
export function mainProblem(
  problems: readonly PathProblem[],
): PathProblem | undefined {
  return problems.find(({ kind }) => kind !== "not_found") ?? problems[0];
}

/** The directory that may not be entered, or the file that may not be read. */
async function deniedAt(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const failing = await firstFailing(at);
    if (failing === undefined) return at;
    const target = await readLink(failing);
    if (target === undefined) return parentOf(failing);
    at = absolute(target, failing);
  }
  return path;
}

/** The link in a path whose target is absent. */
async function brokenLinkIn(
  path: string,
): Promise<{ path: string; detail: string } | undefined> {
  const failing = await firstFailing(path);
  const target = failing && await readLink(failing);
  return target === undefined
    ? undefined
    : { path: failing!, detail: absolute(target, failing!) };
}

/** The shortest beginning of a path that leads to nothing. */
async function firstFailing(path: string): Promise<string | undefined> {
  for (let end = path.indexOf("/", 1); true; end = path.indexOf("/", end + 1)) {
    const beginning = end === -1 ? path : path.slice(0, end);
    try {
      await Deno.stat(beginning);
    } catch {
      return beginning;
    }
    if (end === -1) return undefined;
  }
}

async function readLink(path: string): Promise<string | undefined> {
  try {
    return await Deno.readLink(path);
  } catch {
    return undefined;
  }
}

function parentOf(path: string): string {
  const end = path.lastIndexOf("/");
  return end > 0 ? path.slice(0, end) : end === 0 ? "/" : ".";
}

/** The target of a link as a path of this host. */
function absolute(target: string, link: string): string {
  return target.startsWith("/") ? target : `${parentOf(link)}/${target}`;
}
