/**
 * Opens files with `node:fs`, which has the flags for it, and finds the
 * descriptors that the kernel gave them. A file system that does not answer makes
 * the thread wait.
 *
 * @module
 */

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
} from "node:fs";
import type { Mount } from "./mounts.ts";
import { NotRegularFileError, pathOfDescriptor } from "./opened_file.ts";

/** Opening a FIFO does not wait until another process opens it. */
export const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Since 2.8, the runtime opens files in a thread, and descriptors of `node:fs`
 * are those of the system. Before, they are numbers of its own.
 */
export const HAS_SYSTEM_DESCRIPTORS: boolean = !/^2\.[0-7]\./.test(
  Deno.version.deno,
);

/** A file that was opened with `node:fs`. */
export interface Descriptor {
  /** What `node:fs` calls it. */
  readonly number: number;
  /** The path of the descriptor in `/proc`. */
  readonly link: string;
  /** Where the file is. */
  readonly path: string;
  readonly info: Deno.FileInfo;
}

/**
 * Opens a file for reading.
 *
 * @param mount What the path led to just now. No descriptor of a file on another
 * mount than this and those of this host is looked at, which might make the
 * thread wait.
 * @param mounts All mounts.
 * @throws {NotRegularFileError} if it is no regular file.
 * @throws {Error} of `node:fs`.
 */
export function openDescriptor(
  path: string,
  mount: Mount,
  mounts: readonly Mount[],
): Descriptor {
  const number = openSync(path, OPEN_FLAGS);
  try {
    if (HAS_SYSTEM_DESCRIPTORS) return describe(number, String(number));
    const { dev, ino } = fstatSync(number);
    const isSafe = (id: number) =>
      id === mount.id || mounts.some((one) => one.isLocal && one.id === id);
    return describe(number, find(path, { dev, ino, isSafe }));
  } catch (error) {
    closeSync(number);
    throw error;
  }
}

/** @param name Of the descriptor in `/proc/self/fd`. */
function describe(number: number, name: string): Descriptor {
  const link = linkOf(name);
  const info = Deno.statSync(link);
  if (!info.isFile) throw new NotRegularFileError();
  const path = pathOfDescriptor(Deno.readLinkSync(link), info);
  return { number, link, path, info };
}

function linkOf(name: string): string {
  return `/proc/self/fd/${name}`;
}

/** What a descriptor is looked for by. */
interface Sought {
  readonly dev: number;
  readonly ino: number;
  /** Whether files of a mount may be looked at. */
  readonly isSafe: (mountId: number) => boolean;
}

/** Where the last descriptor was found: the lowest free one is used next. */
let lastName = "0";

/**
 * The name of a file's descriptor. The file may be open more than once, under
 * several names: that of the path comes first.
 */
function find(path: string, sought: Sought): string {
  if (targetIfSought(lastName, sought) === path) return lastName;
  let found: string | undefined;
  for (const name of readdirSync("/proc/self/fd")) {
    const target = targetIfSought(name, sought);
    if (target === undefined) continue;
    found ??= name;
    if (target !== path) continue;
    found = name;
    break;
  }
  if (found === undefined) throw new LostDescriptorError();
  return lastName = found;
}

/** Where a descriptor leads to; `undefined` if it is not the one sought. */
function targetIfSought(
  name: string,
  { dev, ino, isSafe }: Sought,
): string | undefined {
  try {
    const mountId = /^mnt_id:\s*(\d+)$/m.exec(
      Deno.readTextFileSync(`/proc/self/fdinfo/${name}`),
    )?.[1];
    if (mountId === undefined || !isSafe(Number(mountId))) return undefined;
    const link = linkOf(name);
    const info = Deno.statSync(link);
    if (info.dev !== dev || info.ino !== ino) return undefined;
    return Deno.readLinkSync(link);
  } catch {
    return undefined; // It is closed.
  }
}

/** A descriptor was closed, or reused, before its file was opened again. */
export class LostDescriptorError extends Error {
  override name = "LostDescriptorError";

  constructor() {
    super("the descriptor is another file's");
  }
}
