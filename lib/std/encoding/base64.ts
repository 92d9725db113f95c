/**
 * `@std/encoding/base64`, on the runtime's own codec.
 *
 * @module
 */

/**
 * `data` in standard base64 with padding (RFC 4648 §4); a string stands for
 * its UTF-8.
 */
export function encodeBase64(data: ArrayBuffer | Uint8Array | string): string {
  const bytes = typeof data === "string"
    ? new TextEncoder().encode(data)
    : data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : data;
  return bytes.toBase64();
}

/**
 * The bytes that standard base64 stands for.
 *
 * @throws {TypeError} if the text is not base64.
 */
export function decodeBase64(b64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.fromBase64(b64);
  } catch (cause) {
    throw new TypeError(`Cannot decode base64: ${(cause as Error).message}`, {
      cause,
    });
  }
}
