/**
 * Reads files on file systems that may not answer, such as those of a server that
 * is gone: each file system has a thread of its own, which waits in place of the
 * event loop and of other file systems.
 *
 * @module
 */

import { FILE_THREAD_IDLE_TIME, MAX_FILE_THREADS } from "../overload/limits.ts";
import { fileWork } from "./file_work.ts";
import { FileStalledError } from "./operation_places.ts";
import type {
  Failure,
  FileReply,
  FileRequest,
  FileResults,
} from "./file_requests.ts";
import {
  type FileHandle,
  NotRegularFileError,
  type OpenedFile,
  runtimeError,
} from "./opened_file.ts";

/** A request without what the thread adds. */
type Request = FileRequest extends infer Each
  ? Each extends FileRequest ? Omit<Each, "id"> : never
  : never;

/** Called with the outcome of a request. */
type OnReply = (reply: FileReply) => void;

/** A path leads to another file system that may not answer. */
export class OtherFileSystemError extends Error {
  override name = "OtherFileSystemError";

  /** @param mountId The number of its mount. */
  constructor(readonly mountId: number) {
    super("it leads to another file system");
  }
}

/** One thread. It works on one request after the other. */
class FileThread {
  readonly #worker = new Worker(
    new URL("./file_thread_worker.ts", import.meta.url).href,
    { type: "module" },
  );
  readonly #pending = new Map<number, OnReply>();
  readonly #onUnused: () => void;
  #lastRequest = 0;
  #lastFile = 0;
  #openFiles = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #failure: Failure | undefined;

  /**
   * @param onUnused Called when it has had nothing to do for a minute, and when it
   * has failed.
   */
  constructor(onUnused: () => void) {
    this.#onUnused = onUnused;
    this.#worker.onmessage = ({ data }: MessageEvent<FileReply>) => {
      const resolve = this.#pending.get(data.id);
      this.#pending.delete(data.id);
      resolve?.(data);
      this.#restartIdleTimer();
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const { message } = event;
      const failure = this.#failure = {
        name: "Error",
        message,
        isNotRegular: false,
      };
      for (const [id, resolve] of this.#pending) resolve({ id, failure });
      this.#pending.clear();
      this.#onUnused();
    };
  }

  get isIdle(): boolean {
    return this.#pending.size === 0 && this.#openFiles === 0;
  }

  end(): void {
    clearTimeout(this.#idleTimer);
    this.#worker.terminate();
  }

  /** Opens a file. The thread is not idle until it is closed. */
  async open(path: string, mountId: number): Promise<OpenedFile> {
    const file = ++this.#lastFile;
    this.#openFiles++;
    try {
      const opened = await this.ask({ kind: "open", file, path, mountId });
      const handle = new FileOfThread(this, file, opened.path, mountId);
      return { ...opened, handle };
    } catch (error) {
      this.#openFiles--;
      throw error;
    }
  }

  close(file: number, path: string): void {
    this.#openFiles--;
    const closing = () => this.ask({ kind: "close", file });
    // A file system may report an error of an earlier operation.
    fileWork.runUnlimited(path, closing).catch(() => {});
  }

  /** @throws what the operation throws in the thread. */
  ask<Asked extends Request>(
    request: Asked,
  ): Promise<FileResults[Asked["kind"]]> {
    const id = ++this.#lastRequest;
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(errorOf(this.#failure));
      this.#pending.set(id, (reply) => {
        if ("failure" in reply) reject(errorOf(reply.failure));
        else resolve(reply.result as FileResults[Asked["kind"]]);
      });
      this.#worker.postMessage({ ...request, id });
    });
  }

  #restartIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      if (this.isIdle) this.#onUnused();
    }, FILE_THREAD_IDLE_TIME);
  }
}

/** A file that is open in a thread. */
class FileOfThread implements FileHandle {
  readonly #thread: FileThread;
  readonly #file: number;
  readonly #path: string;
  #position = 0;

  constructor(
    thread: FileThread,
    file: number,
    path: string,
    readonly fileSystem: number,
  ) {
    this.#thread = thread;
    this.#file = file;
    this.#path = path;
  }

  async read(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = await this.#thread.ask({
      kind: "read",
      file: this.#file,
      position: this.#position,
      length,
    });
    this.#position += bytes?.length ?? 0;
    return bytes;
  }

  seek(position: number): Promise<void> {
    this.#position = position;
    return Promise.resolve();
  }

  stat(): Promise<Deno.FileInfo> {
    return this.#thread.ask({ kind: "stat", file: this.#file });
  }

  close(): void {
    this.#thread.close(this.#file, this.#path);
  }
}

function errorOf(failure: Failure): Error {
  if (failure.isNotRegular) return new NotRegularFileError();
  if (failure.mountId !== undefined) {
    return new OtherFileSystemError(failure.mountId);
  }
  if (failure.name === "NotFound") {
    return new Deno.errors.NotFound(failure.message);
  }
  return runtimeError(failure);
}

/** By the number of the mount. */
const threads = new Map<number, FileThread>();

/**
 * Opens a file of a file system that may not answer.
 *
 * @throws {FileStalledError} if all threads are at work on other file systems.
 * @throws {OtherFileSystemError} if the path leads on to one of them.
 */
export async function openInThread(
  path: string,
  mountId: number,
): Promise<OpenedFile> {
  return await threadOf(path, mountId).open(path, mountId);
}

/**
 * The status of what a path leads to on a file system that may not answer.
 *
 * @throws {FileStalledError} if all threads are at work on other file systems.
 */
export async function lookInThread(
  path: string,
  mountId: number,
): Promise<Deno.FileInfo> {
  const request = { kind: "look", file: 0, path } as const;
  return await threadOf(path, mountId).ask(request);
}

function threadOf(path: string, mountId: number): FileThread {
  const present = threads.get(mountId);
  if (present !== undefined) return present;
  if (threads.size === MAX_FILE_THREADS) endOneIdle();
  if (threads.size === MAX_FILE_THREADS) {
    throw new FileStalledError(
      `${path}: ${MAX_FILE_THREADS} other file systems are at work`,
    );
  }
  const thread = new FileThread(() => endThread(mountId, thread));
  threads.set(mountId, thread);
  return thread;
}

function endOneIdle(): void {
  for (const [mountId, thread] of threads) {
    if (thread.isIdle) return endThread(mountId, thread);
  }
}

function endThread(mountId: number, thread: FileThread): void {
  if (threads.get(mountId) === thread) threads.delete(mountId);
  thread.end();
}
