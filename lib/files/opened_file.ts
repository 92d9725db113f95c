/**
 * What opening a file gives, however it is opened.
 *
 * @module
 */

/** A path leads to a directory, a FIFO or a device. */
export class NotRegularFileError extends Error {
  override name = "NotRegularFileError";

  constructor() {
    super("it is no regular file");
  }
}

/** Reads an open file. None of its operations makes the event loop wait. */
export interface FileHandle {
  /**
   * The number of the mount whose thread its operations wait for; `undefined`:
   * they use threads of the runtime.
   */
  readonly fileSystem: number | undefined;
  /**
   * Reads on behind what was read last, into memory of the caller's own.
   *
   * @param length The most bytes to read, at least 1.
   * @returns `undefined` at the end of the file.
   */
  read(length: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Goes to the byte to read next, counted from 0. */
  seek(position: number): Promise<void>;
  /** The file's status now. */
  stat(): Promise<Deno.FileInfo>;
  /** What is in progress still ends. */
  close(): void;
}

/** An open regular file. */
export interface OpenedFile {
  /** At its first byte. The caller that gets it closes it. */
  readonly handle: FileHandle;
  readonly info: Deno.FileInfo;
  /**
   * Where the file is, without symbolic links: what its path led to when it was
   * opened, whatever it leads to now.
   */
  readonly path: string;
}

/** Whether a path leads nowhere, by the error of looking there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/** The errors of the runtime that callers distinguish, by those of POSIX. */
const ERRORS: Readonly<
  Record<string, new (message: string) => Error>
> = {
  ENOENT: Deno.errors.NotFound,
  ENOTDIR: Deno.errors.NotADirectory,
  EACCES: Deno.errors.PermissionDenied,
  EPERM: Deno.errors.PermissionDenied,
  ELOOP: Deno.errors.FilesystemLoop,
};

/** The error of the runtime for one of `node:fs`, which has a code. */
export function runtimeError(
  { code = "", message }: { code?: string; message: string },
): Error {
  const error = new (ERRORS[code] ?? Error)(message);
  return Object.assign(error, { code });
}

/**
 * The text of a link in `/proc/self/fd` as a path. The kernel marks files that
 * were removed or replaced meanwhile.
 */
export function pathOfDescriptor(
  link: string,
  { nlink }: Deno.FileInfo,
): string {
  return nlink === 0 ? link.replace(/ \(deleted\)$/, "") : link;
}
