/**
 * Chooses the addresses of this daemon that boot URLs contain.
 *
 * @module
 */

import {
  equalBytes,
  IPV6_LENGTH,
  parseIpv6,
  SUBNET_BYTES,
} from "../../net/ipv6.ts";
import { type Subnet } from "./subnet.ts";

/** Addresses of this daemon, as text without brackets. */
export interface BootAddresses {
  /** The address in TFTP URLs. */
  readonly tftp: string;
  /** The address in HTTP URLs, `{{.BootAddress}}` in the template. */
  readonly http: string;
  /** Whether `tftp` is the base address. */
  readonly isBase: boolean;
}

/**
 * The addresses for boot URLs while the interface has `addresses`.
 *
 * TFTP uses the base address if the interface has it. HTTP prefers an address with
 * host bits: with host bits of 0, the base address is the subnet-router anycast
 * address (RFC 4291 §2.6.1), and Linux drops TCP to anycast addresses.
 */
export function bootAddressesOf(
  subnet: Subnet,
  addresses: readonly string[],
): BootAddresses {
  const inSubnet = addresses.map((text) => ({ text, bytes: parseIpv6(text)! }))
    .filter(({ bytes }) => equalBytes(bytes, 0, subnet.bytes, 0, SUBNET_BYTES));
  const base = inSubnet.find(({ bytes }) =>
    equalBytes(bytes, 0, subnet.bytes, 0, IPV6_LENGTH)
  );
  const host = inSubnet.find(({ bytes }) =>
    bytes.subarray(SUBNET_BYTES).some((byte) => byte !== 0)
  );
  const tftp = base === undefined
    ? inSubnet[0]?.text ?? subnet.text
    : subnet.text;
  return {
    tftp,
    http: host?.text ?? tftp,
    isBase: base !== undefined,
  };
}
