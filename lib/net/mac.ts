/**
 * Ethernet addresses as numbers.
 *
 * A JavaScript number holds 48 bits exactly, so that a MAC is compared, hashed and
 * stored without an object or a string for each packet.
 *
 * @module
 */

/** A 48-bit MAC, 0 to 2^48 - 1: the first byte on the wire is the highest. */
export type Mac = number;

/** Stands for "no MAC is known". */
export const NO_MAC: Mac = -1;

const HIGH = 0x1_0000_0000;

/** The MAC in the 6 bytes from `at`. */
export function readMac(bytes: Uint8Array, at: number): Mac {
  return (bytes[at]! << 8 | bytes[at + 1]!) * HIGH +
    ((bytes[at + 2]! << 24 | bytes[at + 3]! << 16 | bytes[at + 4]! << 8 |
      bytes[at + 5]!) >>> 0);
}

/** Writes `mac` into the 6 bytes from `at`. */
export function writeMac(bytes: Uint8Array, at: number, mac: Mac): void {
  const high = Math.floor(mac / HIGH);
  const low = mac >>> 0;
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  bytes[at + 2] = low >>> 24;
  bytes[at + 3] = low >>> 16;
  bytes[at + 4] = low >>> 8;
  bytes[at + 5] = low;
}

/** Whether `mac` can identify an interface: not zero, group bit clear. */
export function isUnicastMac(mac: Mac): boolean {
  return mac > 0 && (Math.floor(mac / 0x100_0000_0000) & 1) === 0;
}

const HEX = "0123456789abcdef";

/** Formats a MAC in lower case with colons: `02:00:5e:00:53:01`. */
export function formatMac(mac: Mac): string {
  let text = "";
  for (let divisor = 0x100_0000_0000; divisor >= 1; divisor /= 256) {
    const byte = Math.floor(mac / divisor) & 0xff;
    if (text !== "") text += ":";
    text += HEX[byte >> 4]! + HEX[byte & 15]!;
  }
  return text;
}

const NOTATIONS = [
  /^[0-9a-f]{12}$/i,
  /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i,
  /^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/i,
  /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$/i,
];

/**
 * Parses a MAC in a usual notation: 6 bytes with colons or dashes, 3 groups with
 * dots, or 12 digits; upper or lower case. `undefined` for any other text.
 */
export function parseMac(text: string): Mac | undefined {
  if (!NOTATIONS.some((notation) => notation.test(text))) return undefined;
  return parseInt(text.replace(/[:.-]/g, ""), 16);
}

/** A range of MACs with the same leading bytes. */
export interface MacPattern {
  /** The leading bytes as a number. */
  readonly prefix: number;
  /** 2 to the power of the number of remaining bits. */
  readonly divisor: number;
}

/**
 * Parses a MAC, or 1 to 5 leading bytes followed by `*` (`02:de:ad:*`).
 * `undefined` for any other text.
 */
export function parseMacPattern(text: string): MacPattern | undefined {
  const mac = parseMac(text);
  if (mac !== undefined) return { prefix: mac, divisor: 1 };
  const match = /^((?:[0-9a-f]{2}[:-]){1,5})\*$/i.exec(text);
  if (match === null) return undefined;
  const digits = match[1]!.replace(/[:-]/g, "");
  return {
    prefix: parseInt(digits, 16),
    divisor: 2 ** (48 - 4 * digits.length),
  };
}

/** Whether `mac` matches any of the patterns. */
export function matchesMac(patterns: readonly MacPattern[], mac: Mac): boolean {
  for (const { prefix, divisor } of patterns) {
    if (Math.floor(mac / divisor) === prefix) return true;
  }
  return false;
}
