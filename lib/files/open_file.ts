/**
 * Opens regular files, and nothing else, without making the event loop wait.
 *
 * @module
 */

import { openInThread } from "./file_threads.ts";
import { openByPath, openLocalFile } from "./local_file.ts";
import { mountOf, readMounts } from "./mounts.ts";
import { NotRegularFileError, type OpenedFile } from "./opened_file.ts";

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
 * @throws {FileStalledError} if too many file systems do not answer.
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function openFile(path: string): Promise<OpenedFile> {
  // Opening a device may have an effect on it.
  if (!(await Deno.stat(path)).isFile) throw new NotRegularFileError();
  if (!HAS_DESCRIPTOR_LINKS) return await openByPath(path);
  const realPath = await Deno.realPath(path);
  const mounts = readMounts();
  const mount = mountOf(realPath, mounts);
  if (mount === undefined) return await openByPath(path);
  return mount.isLocal
    ? await openLocalFile(path, mount, mounts)
    : await openInThread(path, mount.id);
}
