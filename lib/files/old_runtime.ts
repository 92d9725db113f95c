/**
 * Opens files with Deno before 2.8, which opens them on the thread of the event
 * loop. See docs/deno-workarounds.md.
 *
 * @module
 */

import { FileStalledError } from "./file_work.ts";
import {
  type Descriptor,
  openDescriptor,
  type OpenReply,
} from "./old_runtime_descriptor.ts";
import {
  NotRegularFileError,
  type OpenedFile,
  runtimeError,
} from "./opened_file.ts";

/** File systems of this host: opening a file of theirs does not wait. */
const LOCAL = new Set([
  "bcachefs",
  "btrfs",
  "erofs",
  "exfat",
  "ext2",
  "ext3",
  "ext4",
  "f2fs",
  "iso9660",
  "jffs2",
  "overlay",
  "ramfs",
  "squashfs",
  "tmpfs",
  "ubifs",
  "vfat",
  "xfs",
  "zfs",
]);

/**
 * Opens a file.
 *
 * @param dev The device that the path led to just now.
 */
export async function openWithOldRuntime(
  path: string,
  dev: number,
): Promise<OpenedFile> {
  for (let attempt = 1;; attempt++) {
    try {
      return await openOnce(path, dev);
    } catch (error) {
      // Another thread has opened or closed the same file meanwhile.
      if (!(error instanceof LostDescriptorError)) throw error;
      if (attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function openOnce(path: string, dev: number): Promise<OpenedFile> {
  if (!isLocal(dev)) return await openInWorker(path);
  const [descriptor, close] = withRuntimeErrors(() => openDescriptor(path));
  try {
    return await opened(descriptor);
  } finally {
    close();
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

/** Whether a device is that of a file system of this host. */
function isLocal(dev: number): boolean {
  // As the kernel's makedev() has it.
  const major = Math.floor(dev / 2 ** 8) & 0xfff;
  const minor = dev & 0xff | Math.floor(dev / 2 ** 12) & 0xfff00;
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
  const types = mounts.map((line) => line.split(" "))
    .filter(([, , device]) => device === `${major}:${minor}`)
    .map((fields) => fields[fields.indexOf("-") + 1]!);
  return types.length > 0 && types.every((type) => LOCAL.has(type));
}

/**
 * Opens the file of a descriptor once more.
 *
 * @throws {LostDescriptorError} if the descriptor has become another file's.
 */
async function opened(
  { link, target, dev, ino }: Descriptor,
): Promise<OpenedFile> {
  let handle: Deno.FsFile;
  try {
    handle = await Deno.open(link);
  } catch (error) {
    throw new LostDescriptorError((error as Error).message);
  }
  try {
    const info = await handle.stat();
    if (info.dev !== dev || info.ino !== ino) {
      throw new LostDescriptorError("the descriptor is another file's");
    }
    return { handle, info, path: target };
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** A descriptor was closed, or reused, before its file was opened again. */
class LostDescriptorError extends Error {
  override name = "LostDescriptorError";
}

/** How often a file is opened again for {@linkcode LostDescriptorError}. */
const MAX_ATTEMPTS = 5;

/** Milliseconds after which a worker that does not answer gets no more work. */
const WORKER_STALL_TIME = 500;

/** Workers at once. Each has a thread and 16 MB. */
const MAX_WORKERS = 4;

/** A thread that opens one file after the other. */
class OpeningWorker {
  readonly #worker = new Worker(
    new URL("./old_runtime_worker.ts", import.meta.url).href,
    { type: "module" },
  );
  readonly #pending = new Map<number, (reply: OpenReply) => void>();
  #lastId = 0;
  /** When it last had nothing to do, or answered. */
  #lastAnswer = 0;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<OpenReply>) => {
      this.#lastAnswer = performance.now();
      const resolve = this.#pending.get(data.id);
      this.#pending.delete(data.id);
      resolve?.(data);
    };
  }

  get isStalled(): boolean {
    return this.#pending.size > 0 &&
      performance.now() - this.#lastAnswer >= WORKER_STALL_TIME;
  }

  open(path: string): Promise<OpenReply> {
    if (this.#pending.size === 0) this.#lastAnswer = performance.now();
    return new Promise((resolve) => {
      const id = ++this.#lastId;
      this.#pending.set(id, resolve);
      this.#worker.postMessage({ id, path });
    });
  }

  close(id: number): void {
    this.#worker.postMessage({ id });
  }
}

const workers: OpeningWorker[] = [];

/** Opens a file of a file system that may not answer. */
async function openInWorker(path: string): Promise<OpenedFile> {
  let worker = workers.find(({ isStalled }) => !isStalled);
  if (worker === undefined) {
    if (workers.length === MAX_WORKERS) {
      throw new FileStalledError(`${path}: the file system does not answer`);
    }
    worker = new OpeningWorker();
    workers.push(worker);
  }
  const reply = await worker.open(path);
  if ("message" in reply) {
    throw reply.isNotRegular ? new NotRegularFileError() : runtimeError(reply);
  }
  try {
    return await opened(reply.descriptor);
  } finally {
    worker.close(reply.id);
  }
}
