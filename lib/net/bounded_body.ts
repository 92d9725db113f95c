/**
 * Bodies of HTTP responses of other servers, which may be of any length.
 *
 * @module
 */

/**
 * Reads a body as UTF-8; `undefined` if it has more than `limit` bytes. Then the
 * rest is canceled.
 *
 * @throws what reading the body throws.
 */
export async function readBoundedText(
  { body }: Response,
  limit: number,
): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  // Leaving the loop cancels the stream.
  for await (const bytes of body ?? []) {
    length += bytes.length;
    if (length > limit) return undefined;
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}
