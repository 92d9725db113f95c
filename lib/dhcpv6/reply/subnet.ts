/**
 * The subnets whose clients get addresses, and which address a client gets.
 *
 * @module
 */

import {
  BASE_BYTES,
  equalBytes,
  macOfAddress,
  type ParsedAddress,
  SUBNET_BYTES,
} from "../../net/ipv6.ts";
import type { Mac } from "../../net/mac.ts";
import { isInPrefix, type Prefix } from "../../net/prefix.ts";

/**
 * A served subnet, named by its base address: the first 80 bits of all addresses
 * of its clients.
 */
export type Subnet = ParsedAddress;

/** Link-addresses of relays that are on the link of a subnet. */
export interface LinkPrefix {
  readonly prefix: Prefix;
  readonly subnet: Subnet;
}

/** Whether the address at `at` is in the /64 of `subnet`. */
export function isInSubnet(
  bytes: Uint8Array,
  at: number,
  subnet: Subnet,
): boolean {
  return equalBytes(bytes, at, subnet.bytes, 0, SUBNET_BYTES);
}

/**
 * The subnet of the link-address at `at`: the one whose /64 has it, else that of
 * the first prefix that has it. `undefined` if none has.
 */
export function subnetOfLinkAddress(
  bytes: Uint8Array,
  at: number,
  subnets: readonly Subnet[],
  linkPrefixes: readonly LinkPrefix[],
): Subnet | undefined {
  for (const subnet of subnets) {
    if (isInSubnet(bytes, at, subnet)) return subnet;
  }
  for (const { prefix, subnet } of linkPrefixes) {
    if (isInPrefix(bytes, prefix, at)) return subnet;
  }
  return undefined;
}

/** Whether the address at `at` is the one that `mac` gets in `subnet`. */
export function isAssignedAddress(
  bytes: Uint8Array,
  at: number,
  subnet: Subnet,
  mac: Mac,
): boolean {
  return equalBytes(bytes, at, subnet.bytes, 0, BASE_BYTES) &&
    macOfAddress(bytes, at) === mac;
}
