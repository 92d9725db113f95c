/**
 * Prefixes of IPv6 and IPv4 addresses.
 *
 * IPv4 addresses are IPv4-mapped IPv6 addresses (RFC 4291 §2.5.5.2), as a
 * dual-stack socket reports them.
 *
 * @module
 */

import {
  formatIpv6,
  IPV6_LENGTH,
  parseIpv6Into,
  SUBNET_BYTES,
} from "./ipv6.ts";

/** Bits before the IPv4 address in an IPv4-mapped address. */
const MAPPED_PREFIX_BITS = 96;

/** A prefix of IPv6 addresses. */
export interface Prefix {
  /** An address in the prefix: 16 bytes, of which bits after the prefix are ignored. */
  readonly bytes: Uint8Array;
  /** Bits of the prefix, 0 to 128. */
  readonly length: number;
}

/**
 * The 16 bytes of an IPv6 or IPv4 address, whose zone is ignored; `undefined` if
 * it is neither.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV6_LENGTH);
  const unzoned = text.replace(/%[^%]+$/, "");
  const isIpv4 = /^[0-9]+(\.[0-9]+){3}$/.test(unzoned);
  return parseIpv6Into(isIpv4 ? `::ffff:${unzoned}` : unzoned, bytes, 0)
    ? bytes
    : undefined;
}

/**
 * The one text of an address that has several; `undefined` if it is no address.
 * An IPv4 address is written as IPv4-mapped.
 */
export function canonicalAddress(text: string): string | undefined {
  const bytes = parseAddress(text);
  return bytes && formatIpv6(bytes);
}

/** The /64 of the address in the 16 bytes from `at`, as text. */
export function formatSubnet(address: Uint8Array, at = 0): string {
  const prefix = new Uint8Array(IPV6_LENGTH);
  prefix.set(address.subarray(at, at + SUBNET_BYTES));
  return `${formatIpv6(prefix)}/${8 * SUBNET_BYTES}`;
}

/** A host of a URL without the brackets that an IPv6 address has there. */
export function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** Whether an address of 16 bytes stands for an IPv4 address. */
export function isMappedIpv4(address: Uint8Array): boolean {
  return isInPrefix(address, MAPPED);
}

/** Parses `address/length` or a single address; `undefined` if it is neither. */
export function parsePrefix(text: string): Prefix | undefined {
  const [address, lengthText, ...rest] = text.split("/");
  const bytes = parseAddress(address!);
  if (bytes === undefined || rest.length > 0) return undefined;
  if (lengthText === undefined) return { bytes, length: 8 * IPV6_LENGTH };
  if (!/^[0-9]{1,3}$/.test(lengthText)) return undefined;
  const offset = address!.includes(":") ? 0 : MAPPED_PREFIX_BITS;
  const length = Number(lengthText) + offset;
  return length <= 8 * IPV6_LENGTH ? { bytes, length } : undefined;
}

/** Whether the address in the 16 bytes from `at` is in a prefix. */
export function isInPrefix(
  address: Uint8Array,
  prefix: Prefix,
  at = 0,
): boolean {
  const { bytes, length } = prefix;
  const whole = length >> 3;
  for (let index = 0; index < whole; index++) {
    if (address[at + index] !== bytes[index]) return false;
  }
  const rest = length & 7;
  return rest === 0 ||
    (address[at + whole]! ^ bytes[whole]!) >> (8 - rest) === 0;
}

const MAPPED = parsePrefix("0.0.0.0/0")!;

/** Whether an address is in any of the prefixes. */
export function isInAny(
  address: Uint8Array,
  prefixes: readonly Prefix[],
): boolean {
  return prefixes.some((prefix) => isInPrefix(address, prefix));
}
