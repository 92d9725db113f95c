/**
 * Opens files on file systems of this host, which always answer.
 *
 * @module
 */

import { close, closeSync, open } from "node:fs";
import {
  HAS_SYSTEM_DESCRIPTORS,
  LostDescriptorError,
  OPEN_FLAGS,
  openDescriptor,
} from "./descriptors.ts";
import type { Mount } from "./mounts.ts";
import {
  type FileHandle,
  NotRegularFileError,
  type OpenedFile,
  pathOfDescriptor,
  runtimeError,
} from "./opened_file.ts";

/** A file of the runtime. */
class LocalFile implements FileHandle {
  readonly fileSystem = undefined;
  readonly #file: Deno.FsFile;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  async read(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const buffer = new Uint8Array(length);
    const count = await this.#file.read(buffer);
    return count === null ? undefined : buffer.subarray(0, count);
  }

  async seek(position: number): Promise<void> {
    await this.#file.seek(position, Deno.SeekMode.Start);
  }

  stat(): Promise<Deno.FileInfo> {
    return this.#file.stat();
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * Opens a file.
 *
 * @param mount What the path led to just now.
 * @param mounts All mounts.
 */
export async function openLocalFile(
  path: string,
  mount: Mount,
  mounts: readonly Mount[],
): Promise<OpenedFile> {
  if (HAS_SYSTEM_DESCRIPTORS) return await openInRuntimeThread(path);
  for (let attempt = 1;; attempt++) {
    try {
      return await openOnEventLoop(path, mount, mounts);
    } catch (error) {
      // Another thread has opened or closed the same file meanwhile.
      if (!(error instanceof LostDescriptorError)) throw error;
      if (attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** How often a file is opened again that changes meanwhile. */
const MAX_ATTEMPTS = 5;

/** Opens a file, and asks the kernel what was opened. */
async function openInRuntimeThread(path: string): Promise<OpenedFile> {
  const descriptor = await openFlagged(path);
  try {
    const link = `/proc/self/fd/${descriptor}`;
    const info = await Deno.stat(link);
    if (!info.isFile) throw new NotRegularFileError();
    const target = await Deno.readLink(link);
    return {
      handle: new LocalFile(await Deno.open(link)),
      info,
      path: pathOfDescriptor(target, info),
    };
  } finally {
    close(descriptor, () => {});
  }
}

function openFlagged(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, OPEN_FLAGS, (error, descriptor) => {
      if (error) reject(runtimeError(error as { code?: string } & Error));
      else resolve(descriptor);
    });
  });
}

/**
 * The same with Deno before 2.8, which opens files on the event loop. That waits if
 * the path has come to lead to another file system just now, which does not answer.
 */
async function openOnEventLoop(
  path: string,
  mount: Mount,
  mounts: readonly Mount[],
): Promise<OpenedFile> {
  const descriptor = withRuntimeErrors(() =>
    openDescriptor(path, mount, mounts)
  );
  try {
    return await openAgain(descriptor.link, descriptor.path, descriptor.info);
  } finally {
    closeSync(descriptor.number);
  }
}

function withRuntimeErrors<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw "code" in (error as Error)
      ? runtimeError(error as Error & { code: string })
      : error;
  }
}

/**
 * Opens the file of a descriptor once more, as one of the runtime.
 *
 * @throws {LostDescriptorError} if the descriptor has become another file's.
 */
async function openAgain(
  link: string,
  path: string,
  { dev, ino }: Deno.FileInfo,
): Promise<OpenedFile> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(link);
  } catch {
    throw new LostDescriptorError();
  }
  try {
    const info = await file.stat();
    if (info.dev !== dev || info.ino !== ino) throw new LostDescriptorError();
    return { handle: new LocalFile(file), info, path };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Opens a file where the kernel does not tell where it is. */
export async function openByPath(path: string): Promise<OpenedFile> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    // Opening a device may have an effect on it.
    if (!(await Deno.stat(path)).isFile) throw new NotRegularFileError();
    const file = await Deno.open(path);
    try {
      const info = await file.stat();
      if (!info.isFile) throw new NotRegularFileError();
      const realPath = await Deno.realPath(path);
      const { dev, ino } = await Deno.stat(realPath);
      if (dev === info.dev && ino === info.ino) {
        return { handle: new LocalFile(file), info, path: realPath };
      }
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
  throw new Deno.errors.NotFound(`${path} is replaced again and again`);
}
