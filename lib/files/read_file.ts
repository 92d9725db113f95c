/**
 * Reads whole files of a limited size.
 *
 * @module
 */

import { openFile } from "./open_file.ts";

/**
 * The content of a regular file.
 *
 * @param limit Bytes.
 * @throws {Error} if it is longer.
 * @throws {NotRegularFileError} if the path leads to anything but a file.
 * @throws {Deno.errors.NotFound} and other errors of the file system.
 */
export async function readFile(
  path: string,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { handle, info } = await openFile(path);
  using _handle = handle;
  // Some file systems, such as that of /proc, report no size.
  if (info.size > limit) throw tooLong(limit);
  let bytes = new Uint8Array(info.size + 1);
  let length = 0;
  for (;;) {
    const count = await handle.read(bytes.subarray(length));
    if (count === null) return bytes.subarray(0, length);
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
  return new TextDecoder().decode(await readFile(path, limit));
}

function tooLong(limit: number): Error {
  return new Error(`it has more than ${limit} bytes`);
}
