/**
 * Opens regular files, and nothing else, without making the event loop wait.
 *
 * @module
 */

import {
  lookInThread,
  openInThread,
  OtherFileSystemError,
} from "./file_threads.ts";
import { type FilePlace, UNCOUNTED_PLACE } from "./file_work.ts";
import { openByPath, openLocalFile } from "./local_file.ts";
import { mountOf, readMounts, remoteMountOn } from "./mounts.ts";
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

/** File systems that may not answer, on the way to one file. */
const MAX_FILE_SYSTEMS = 8;

/**
 * Opens a file for reading.
 *
 * @param place That of the operation, which is given up while a file system that
 * may not answer is waited for.
 * @throws {NotRegularFileError} if the path leads to anything else.
 * @throws {FileStalledError} if too many file systems do not answer.
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function openFile(
  path: string,
  place: FilePlace = UNCOUNTED_PLACE,
): Promise<OpenedFile> {
  if (!HAS_DESCRIPTOR_LINKS) return await openByPath(path);
  const mounts = readMounts();
  const remote = await remoteMountOn(path, mounts);
  if (remote !== undefined) return await openRemote(path, remote.id, place);
  // Opening a device may have an effect on it.
  if (!(await Deno.stat(path)).isFile) throw new NotRegularFileError();
  const mount = mountOf(await Deno.realPath(path), mounts);
  if (mount === undefined) return await openByPath(path);
  return mount.isLocal
    ? await openLocalFile(path, mount, mounts)
    // The path has changed meanwhile.
    : await openRemote(path, mount.id, place);
}

/** Whether a path leads to a file system that may not answer. */
export async function mayNotAnswer(path: string): Promise<boolean> {
  return HAS_DESCRIPTOR_LINKS &&
    await remoteMountOn(path, readMounts()) !== undefined;
}

/**
 * The status of what a path leads to.
 *
 * @param place That of the operation.
 * @throws {FileStalledError} if too many file systems do not answer.
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function statusOf(
  path: string,
  place: FilePlace,
): Promise<Deno.FileInfo> {
  const remote = HAS_DESCRIPTOR_LINKS
    ? await remoteMountOn(path, readMounts())
    : undefined;
  return remote === undefined
    ? await Deno.stat(path)
    : await place.leaveFor(remote.id, () => lookInThread(path, remote.id));
}

/** @param mountId Of the first mount on the way that may not answer. */
async function openRemote(
  path: string,
  mountId: number,
  place: FilePlace,
): Promise<OpenedFile> {
  let next = mountId;
  for (let attempt = 1;; attempt++) {
    try {
      return await place.leaveFor(next, () => openInThread(path, next));
    } catch (error) {
      const leadsOn = error instanceof OtherFileSystemError &&
        attempt < MAX_FILE_SYSTEMS;
      if (!leadsOn) throw error;
      next = error.mountId;
    }
  }
}
