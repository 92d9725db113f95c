/**
 * Opens regular files, and nothing else, without making the event loop wait.
 *
 * @module
 */

import { close, constants, open } from "node:fs";
import { openWithOldRuntime } from "./old_runtime.ts";
import {
  NotRegularFileError,
  type OpenedFile,
  pathOfDescriptor,
  runtimeError,
} from "./opened_file.ts";

/** Opening a FIFO does not wait until another process opens it. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Since 2.8, the runtime opens files in a thread, and descriptors of `node:fs`
 * are those of the system.
 */
const IS_OLD_RUNTIME = /^2\.[0-7]\./.test(Deno.version.deno);

const HAS_DESCRIPTOR_LINKS = hasDescriptorLinks();

function hasDescriptorLinks(): boolean {
  try {
    return Deno.build.os === "linux" &&
      Deno.statSync("/proc/self/fd").isDirectory;
  } catch {
    return false;
  }
}

/**
 * Opens a file for reading.
 *
 * @throws {NotRegularFileError} if the path leads to anything else.
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function openFile(path: string): Promise<OpenedFile> {
  // Opening a device may have an effect on it.
  const before = await Deno.stat(path);
  if (!before.isFile) throw new NotRegularFileError();
  if (!HAS_DESCRIPTOR_LINKS) return await openByPath(path);
  if (!IS_OLD_RUNTIME) return await openByDescriptor(path);
  return await openWithOldRuntime(path, before.dev);
}

/** Opens a file, and asks the kernel what was opened. */
async function openByDescriptor(path: string): Promise<OpenedFile> {
  const descriptor = await openDescriptor(path);
  try {
    const link = `/proc/self/fd/${descriptor}`;
    const info = await Deno.stat(link);
    if (!info.isFile) throw new NotRegularFileError();
    const target = await Deno.readLink(link);
    return {
      handle: await Deno.open(link),
      info,
      path: pathOfDescriptor(target, info),
    };
  } finally {
    close(descriptor, () => {});
  }
}

function openDescriptor(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, FLAGS, (error, descriptor) => {
      if (error) reject(runtimeError(error as { code?: string } & Error));
      else resolve(descriptor);
    });
  });
}

/** How often a path is resolved again that changes meanwhile. */
const MAX_ATTEMPTS = 5;

/** Opens a file where the kernel does not tell where it is. */
async function openByPath(path: string): Promise<OpenedFile> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const handle = await Deno.open(path);
    try {
      const info = await handle.stat();
      if (!info.isFile) throw new NotRegularFileError();
      const realPath = await Deno.realPath(path);
      const { dev, ino } = await Deno.stat(realPath);
      if (dev === info.dev && ino === info.ino) {
        return { handle, info, path: realPath };
      }
    } catch (error) {
      handle.close();
      throw error;
    }
    handle.close();
  }
  throw new Deno.errors.NotFound(`${path} is replaced again and again`);
}
