/**
 * Descriptors of files that Deno before 2.8 opens, and how a worker is asked for
 * them.
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
import { NotRegularFileError, pathOfDescriptor } from "./opened_file.ts";

/** A file that the process has open. */
export interface Descriptor {
  /** The path of the descriptor in `/proc`. */
  readonly link: string;
  /** What that leads to. */
  readonly target: string;
  readonly dev: number;
  readonly ino: number | null;
}

/**
 * Opens a file for reading; a FIFO without waiting until another process opens
 * it. The event loop of this thread waits meanwhile.
 *
 * @returns The descriptor, and what closes it.
 * @throws {NotRegularFileError} if it is no regular file.
 * @throws {Error} of `node:fs`.
 */
export function openDescriptor(path: string): [Descriptor, () => void] {
  const resource = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const close = () => closeSync(resource);
  try {
    const { dev, ino } = fstatSync(resource);
    return [descriptorOf(path, dev, ino), close];
  } catch (error) {
    close();
    throw error;
  }
}

/** Where the last descriptor was found: the lowest free one is used next. */
let lastLink = "/proc/self/fd/0";

/**
 * A descriptor of an open file: `node:fs` has numbers of its own. The file may be
 * open more than once, under several names: that of the path comes first.
 */
function descriptorOf(path: string, dev: number, ino: number): Descriptor {
  let other = descriptorAt(lastLink, dev, ino);
  if (other?.target === path) return other;
  for (const name of readdirSync("/proc/self/fd")) {
    const link = `/proc/self/fd/${name}`;
    const found = descriptorAt(link, dev, ino);
    if (found === undefined) continue;
    lastLink = link;
    if (found.target === path) return found;
    other ??= found;
  }
  if (other !== undefined) return other;
  throw new Deno.errors.NotFound("the file is not open");
}

function descriptorAt(
  link: string,
  dev: number,
  ino: number,
): Descriptor | undefined {
  const info = () => {
    const info = Deno.statSync(link);
    return info.dev === dev && info.ino === ino ? info : undefined;
  };
  try {
    if (info() === undefined) return undefined;
    const text = Deno.readLinkSync(link);
    // Again: another thread may have closed it, and opened something else.
    const found = info();
    if (found === undefined) return undefined;
    if (!found.isFile) throw new NotRegularFileError();
    return { link, target: pathOfDescriptor(text, found), dev, ino };
  } catch (error) {
    if (error instanceof NotRegularFileError) throw error;
    return undefined; // It is closed.
  }
}

/** Opens a file, or closes it again if there is no path. */
export interface OpenRequest {
  readonly id: number;
  readonly path?: string;
}

/** The open file, or the error. */
export type OpenReply = { readonly id: number } & (Opened | Failed);

interface Opened {
  readonly descriptor: Descriptor;
}

interface Failed {
  /** Of POSIX, if it has one. */
  readonly code?: string;
  readonly message: string;
  /** Whether the path leads to no regular file. */
  readonly isNotRegular: boolean;
}
