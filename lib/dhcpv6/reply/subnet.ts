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

/**
 * A served subnet, named by its base address: the first 80 bits of all addresses
 * of its clients.
 */
export type Subnet = ParsedAddress;

/** Whether the address at `at` is in the /64 of `subnet`. */
export function isInSubnet(
  bytes: Uint8Array,
  at: number,
  subnet: Subnet,
): boolean {
  return equalBytes(bytes, at, subnet.bytes, 0, SUBNET_BYTES);
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
