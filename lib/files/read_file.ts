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
  try {
    // Some file systems, such as that of /proc, report no size.
    if (info.size > limit) throw tooLong(limit);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for (;;) {
      const chunk = await handle.read(Math.max(info.size - length, MIN_READ));
      if (chunk === undefined) break;
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) throw tooLong(limit);
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  } finally {
    handle.close();
  }
}

/** Bytes that are read at least, to find the end of a file. */
const MIN_READ = 4096;

/** The same as text in UTF-8. */
export async function readText(path: string, limit: number): Promise<string> {
  return new TextDecoder().decode(await readFile(path, limit));
}

function tooLong(limit: number): Error {
  return new Error(`it has more than ${limit} bytes`);
}
