/**
 * The netascii mode of TFTP (RFC 1350 §1, RFC 764).
 *
 * @module
 */

const CR = 13;
const LF = 10;

/** `bytes` with LF as CR LF, and CR as CR NUL. */
export function toNetascii(bytes: Uint8Array): Uint8Array {
  let extra = 0;
  for (const octet of bytes) if (octet === CR || octet === LF) extra++;
  if (extra === 0) return bytes;
  const converted = new Uint8Array(bytes.length + extra);
  let at = 0;
  for (const octet of bytes) {
    if (octet === LF) converted[at++] = CR;
    converted[at++] = octet;
    if (octet === CR) converted[at++] = 0;
  }
  return converted;
}
