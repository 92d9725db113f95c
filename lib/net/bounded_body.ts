/**
 * Bodies of HTTP responses of other servers, which may be of any length.
 *
 * @module
 */

import { joined } from "./bytes.ts";

/**
 * Reads a body as UTF-8; `undefined` if it has more than `limit` bytes. Then the
 * rest is canceled.
 *
 * @throws what reading the body throws.
 */
export async function readBoundedText(
  response: Response,
  limit: number,
): Promise<string | undefined> {
  const bytes = await readBoundedBytes(response, limit);
  return bytes && new TextDecoder().decode(bytes);
}

/** The same as bytes. */
export async function readBoundedBytes(
  { body }: Response,
  limit: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the stream.
  for await (const bytes of body ?? []) {
    length += bytes.length;
    if (length > limit) return undefined;
    chunks.push(bytes);
  }
  return joined(chunks);
}
