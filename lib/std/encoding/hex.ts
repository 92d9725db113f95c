/**
 * `@std/encoding/hex`, on the runtime's own codec.
 *
 * @module
 */

function bytesOf(data: string | Uint8Array | ArrayBuffer): Uint8Array {
  if (typeof data === "string") return new TextEncoder().encode(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** `data` as hexadecimal digits in lower case; a string stands for its UTF-8. */
export function encodeHex(src: string | Uint8Array | ArrayBuffer): string {
  return bytesOf(src).toHex();
}

/**
 * The bytes that hexadecimal digits stand for.
 *
 * @throws {RangeError} if the number of characters is odd.
 * @throws {TypeError} if a character is no hexadecimal digit.
 */
export function decodeHex(src: string): Uint8Array<ArrayBuffer> {
  if (src.length % 2 === 1) {
    throw new RangeError(`Cannot decode hex: odd length (${src.length})`);
  }
  try {
    return Uint8Array.fromHex(src);
  } catch (cause) {
    throw new TypeError(`Cannot decode hex: ${(cause as Error).message}`, {
      cause,
    });
  }
}
