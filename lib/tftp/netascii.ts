/**
 * The netascii mode of TFTP (RFC 1350 §1, RFC 764).
 *
 * @module
 */

const CR = 13;
const LF = 10;

/** Converted files, for as long as the original is in memory. */
const conversions = new WeakMap<Uint8Array, Uint8Array>();

/**
 * Converts LF to CR LF, and CR to CR NUL. The result is cached by the identity of
 * `bytes`, so that repeated requests for a file do not convert it again.
 */
export function toNetascii(bytes: Uint8Array): Uint8Array {
  let converted = conversions.get(bytes);
  if (converted === undefined) {
    conversions.set(bytes, converted = convert(bytes));
  }
  return converted;
}

function convert(bytes: Uint8Array): Uint8Array {
  let extra = 0;
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] === CR || bytes[index] === LF) extra++;
  }
  if (extra === 0) return bytes;
  const converted = new Uint8Array(bytes.length + extra);
  let length = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!;
    if (byte === LF) converted[length++] = CR;
    converted[length++] = byte;
    if (byte === CR) converted[length++] = 0;
  }
  return converted;
}
