/**
 * Reads whole files of a limited size.
 *
 * @module
 */

import { openFile } from "./open_file.ts";

/** The content of a file, with its status when it was read. */
export interface ReadFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly info: Deno.FileInfo;
}

/**
 * Reads a regular file.
 *
 * @param limit Bytes.
 * @throws {Error} if it is longer.
 * @throws {NotRegularFileError} if the path leads to anything but a file.
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function readFile(path: string, limit: number): Promise<ReadFile> {
  const { handle, info } = await openFile(path);
  using _handle = handle;
  // Some file systems, such as that of /proc, report no size.
  if (info.size > limit) throw tooLong(limit);
  let bytes = new Uint8Array(info.size + 1);
  let length = 0;
  for (;;) {
    const count = await handle.read(bytes.subarray(length));
    if (count === null) return { bytes: bytes.subarray(0, length), info };
    length += count;
    if (length > limit) throw tooLong(limit);
    if (length < bytes.length) continue;
    const longer = new Uint8Array(Math.min(2 * length, limit + 1));
    longer.set(bytes);
    bytes = longer;
  }
}

/** The same as text in UTF-8. */
export async function readText(path: string, limit: number): Promise<string> {
  const { bytes } = await readFile(path, limit);
  return new TextDecoder().decode(bytes);
}

function tooLong(limit: number): Error {
  return new Error(`it has more than ${limit} bytes`);
}
