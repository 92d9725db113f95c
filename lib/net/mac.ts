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

/** The notations, each with its separator; a group may lack leading zeros. */
const NOTATIONS: readonly (readonly [RegExp, string])[] = [
  [/^[0-9a-f]{12}$/i, ""],
  [/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i, ":"],
  [/^[0-9a-f]{1,2}(-[0-9a-f]{1,2}){5}$/i, "-"],
  [/^[0-9a-f]{1,2}(\.[0-9a-f]{1,2}){5}$/i, "."],
  [/^[0-9a-f]{4}(\.[0-9a-f]{4}){2}$/i, "."],
  [/^[0-9a-f]{4}(-[0-9a-f]{4}){2}$/i, "-"],
  [/^[0-9a-f]{6}-[0-9a-f]{6}$/i, "-"],
];

/**
 * Parses a MAC in a usual notation: 6 bytes with colons, dashes or dots, each with
 * 1 or 2 digits (macOS omits leading zeros), 3 groups of 4 digits with dots or
 * dashes, 2 groups of 6 digits with a dash (as switches print them), or 12
 * digits; upper or lower case. `undefined` for any other text.
 */
export function parseMac(text: string): Mac | undefined {
  for (const [notation, separator] of NOTATIONS) {
    if (notation.test(text)) return parseInt(digitsOf(text, separator), 16);
  }
  return undefined;
}

/** The digits of groups, of which those of bytes are completed to 2 digits. */
function digitsOf(text: string, separator: string): string {
  return separator === ""
    ? text
    : text.split(separator).map((group) => group.padStart(2, "0")).join("");
}

/** A range of MACs with the same leading bytes. */
export interface MacPattern {
  /** The leading bytes as a number. */
  readonly prefix: number;
  /** 2 to the power of the number of remaining bits. */
  readonly divisor: number;
}

/** Leading bytes of a MAC with a `*`, each notation with its separator. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/^((?:[0-9a-f]{1,2}:){1,5})\*$/i, ":"],
  [/^((?:[0-9a-f]{1,2}-){1,5})\*$/i, "-"],
  [/^((?:[0-9a-f]{1,2}\.){1,5})\*$/i, "."],
  [/^((?:[0-9a-f]{4}\.){1,2})\*$/i, "."],
  [/^((?:[0-9a-f]{4}-){1,2})\*$/i, "-"],
  [/^([0-9a-f]{6}-)\*$/i, "-"],
];

/**
 * Parses a MAC, or its leading bytes, a separator and `*` (`02:de:ad:*`), in any
 * notation of {@linkcode parseMac} that has a separator. `undefined` for any
 * other text.
 */
export function parseMacPattern(text: string): MacPattern | undefined {
  const mac = parseMac(text);
  if (mac !== undefined) return { prefix: mac, divisor: 1 };
  for (const [notation, separator] of PATTERNS) {
    const match = notation.exec(text);
    if (match === null) continue;
    const digits = digitsOf(match[1]!.slice(0, -1), separator);
    return {
      prefix: parseInt(digits, 16),
      divisor: 2 ** (48 - 4 * digits.length),
    };
  }
  return undefined;
}

/** Whether `mac` matches any of the patterns. */
export function matchesMac(patterns: readonly MacPattern[], mac: Mac): boolean {
  for (const { prefix, divisor } of patterns) {
    if (Math.floor(mac / divisor) === prefix) return true;
  }
  return false;
}
