/**
 * IPv6 addresses as 16 bytes: parse, format, EUI-64, base address + MAC.
 *
 * @module
 */

import { type Mac, NO_MAC, readMac, writeMac } from "./mac.ts";

/** An address as it was written, and its 16 bytes. */
export interface ParsedAddress {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Bytes of an IPv6 address. */
export const IPV6_LENGTH = 16;

/**
 * Parses an IPv6 address (RFC 4291 §2.2, without a zone) into the 16 bytes of
 * `out` from `at`. Returns whether `text` is an address; if not, `out` may be
 * partly overwritten. Allocates nothing without an embedded IPv4 address: it runs
 * for every datagram.
 */
export function parseIpv6Into(
  text: string,
  out: Uint8Array,
  at: number,
): boolean {
  let byteCount = 0;
  let gap = -1;
  let index = 0;
  const end = text.length;
  if (text.charCodeAt(0) === 0x3a) {
    if (text.charCodeAt(1) !== 0x3a) return false;
    gap = 0;
    index = 2;
  }
  while (index < end) {
    if (byteCount === IPV6_LENGTH) return false;
    const groupStart = index;
    let value = 0;
    let digits = 0;
    let code = 0;
    for (; index < end; index++) {
      code = text.charCodeAt(index);
      let digit: number;
      if (code >= 0x30 && code <= 0x39) digit = code - 0x30;
      else if (code >= 0x61 && code <= 0x66) digit = code - 0x57;
      else if (code >= 0x41 && code <= 0x46) digit = code - 0x37;
      else break;
      if (++digits > 4) return false;
      value = value << 4 | digit;
    }
    if (digits === 0) return false;
    if (index < end && code === 0x2e) {
      if (byteCount > IPV6_LENGTH - 4) return false;
      if (!parseIpv4Into(text, groupStart, out, at + byteCount)) return false;
      byteCount += 4;
      break;
    }
    out[at + byteCount] = value >> 8;
    out[at + byteCount + 1] = value;
    byteCount += 2;
    if (index === end) break;
    if (code !== 0x3a) return false;
    index++;
    if (index === end) return false;
    if (text.charCodeAt(index) === 0x3a) {
      if (gap !== -1) return false;
      gap = byteCount;
      index++;
    }
  }
  if (gap === -1) return byteCount === IPV6_LENGTH;
  if (byteCount > IPV6_LENGTH - 2) return false;
  out.copyWithin(
    at + IPV6_LENGTH - (byteCount - gap),
    at + gap,
    at + byteCount,
  );
  out.fill(0, at + gap, at + IPV6_LENGTH - (byteCount - gap));
  return true;
}

function parseIpv4Into(
  text: string,
  start: number,
  out: Uint8Array,
  at: number,
): boolean {
  const parts = text.slice(start).split(".");
  if (parts.length !== 4) return false;
  for (const [index, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return false;
    out[at + index] = Number(part);
  }
  return true;
}

/** The 16 bytes of an IPv6 address without a zone; `undefined` if it is none. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV6_LENGTH);
  return parseIpv6Into(text, bytes, 0) ? bytes : undefined;
}

/** The address in the 16 bytes from `at`, in the form of RFC 5952. */
export function formatIpv6(bytes: Uint8Array, at = 0): string {
  let bestStart = -1;
  let bestLength = 1; // RFC 5952 §4.2.2: a single zero group is not shortened
  let runStart = -1;
  for (let group = 0; group <= 8; group++) {
    const zero = group < 8 && bytes[at + 2 * group] === 0 &&
      bytes[at + 2 * group + 1] === 0;
    if (zero && runStart === -1) runStart = group;
    if (!zero && runStart !== -1) {
      if (group - runStart > bestLength) {
        bestStart = runStart;
        bestLength = group - runStart;
      }
      runStart = -1;
    }
  }
  let text = "";
  for (let group = 0; group < 8; group++) {
    if (group === bestStart) {
      text += "::";
      group += bestLength - 1;
      continue;
    }
    if (text !== "" && !text.endsWith(":")) text += ":";
    text += (bytes[at + 2 * group]! << 8 | bytes[at + 2 * group + 1]!).toString(
      16,
    );
  }
  return text;
}

/** Whether the address from `at` is in fe80::/10 (RFC 4291 §2.4). */
export function isLinkLocal(bytes: Uint8Array, at = 0): boolean {
  return bytes[at] === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80;
}

/** Whether the address from `at` is `::`. */
export function isUnspecified(bytes: Uint8Array, at = 0): boolean {
  for (let index = 0; index < IPV6_LENGTH; index++) {
    if (bytes[at + index] !== 0) return false;
  }
  return true;
}

/** Whether the address from `at` is in ff00::/8 (RFC 4291 §2.7). */
export function isMulticast(bytes: Uint8Array, at = 0): boolean {
  return bytes[at] === 0xff;
}

/** Whether `byteCount` bytes are equal: of `a` from `aAt`, of `b` from `bAt`. */
export function equalBytes(
  a: Uint8Array,
  aAt: number,
  b: Uint8Array,
  bAt: number,
  byteCount: number,
): boolean {
  for (let index = 0; index < byteCount; index++) {
    if (a[aAt + index] !== b[bAt + index]) return false;
  }
  return true;
}

/**
 * The MAC in an EUI-64 interface identifier of a link-local address
 * (RFC 4291 appendix A): fe80::/64 with ff:fe in the middle, the
 * universal/local bit inverted. {@linkcode NO_MAC} for any other address.
 */
export function macOfEui64(bytes: Uint8Array, at = 0): Mac {
  if (bytes[at] !== 0xfe || bytes[at + 1] !== 0x80) return NO_MAC;
  for (let index = 2; index < 8; index++) {
    if (bytes[at + index] !== 0) return NO_MAC;
  }
  return macOfInterfaceId(bytes, at);
}

/**
 * The MAC in an EUI-64 interface identifier under any prefix, as stateless
 * address configuration (RFC 4862) makes it. {@linkcode NO_MAC} if it is of
 * another kind.
 */
export function macOfInterfaceId(bytes: Uint8Array, at = 0): Mac {
  if (bytes[at + 11] !== 0xff || bytes[at + 12] !== 0xfe) return NO_MAC;
  return (((bytes[at + 8]! ^ 2) << 8) | bytes[at + 9]!) * 0x1_0000_0000 +
    ((bytes[at + 10]! << 24 | bytes[at + 13]! << 16 | bytes[at + 14]! << 8 |
      bytes[at + 15]!) >>> 0);
}

/** Bytes of a subnet's /64 prefix. */
export const SUBNET_BYTES = 8;

/** Bytes of the prefix in a base address: 80 bits. */
export const BASE_BYTES = 10;

/** The address of `mac`: the first 80 bits of `base`, then the MAC. */
export function addressOf(base: Uint8Array, mac: Mac): Uint8Array {
  const address = base.slice(0, IPV6_LENGTH);
  writeMac(address, BASE_BYTES, mac);
  return address;
}

/** The MAC in an address made by {@linkcode addressOf}. */
export function macOfAddress(bytes: Uint8Array, at = 0): Mac {
  return readMac(bytes, at + BASE_BYTES);
}
