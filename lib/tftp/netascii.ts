/**
 * The netascii mode of TFTP (RFC 1350 §1, RFC 764).
 *
 * @module
 */

const CR = 13;
const LF = 10;

/** What files have become, while somebody has them. */
const conversions = new WeakMap<Uint8Array, Uint8Array>();

/**
 * `bytes` with LF as CR LF, and CR as CR NUL. The same ones are converted once:
 * whoever asks for a file again and again shall not cost more than a lookup.
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
  let at = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!;
    if (byte === LF) converted[at++] = CR;
    converted[at++] = byte;
    if (byte === CR) converted[at++] = 0;
  }
  return converted;
}
