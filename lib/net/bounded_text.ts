/**
 * Answers of other servers, which may be of any length.
 *
 * @module
 */

/**
 * The text of a body; `undefined` if it has more octets than `limit`: the rest
 * is not read.
 *
 * @throws what reading throws.
 */
export async function readBoundedText(
  { body }: Response,
  limit: number,
): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  // Leaving the loop cancels what has not been read.
  for await (const bytes of body ?? []) {
    length += bytes.length;
    if (length > limit) return undefined;
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}
