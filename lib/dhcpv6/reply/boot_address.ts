/**
 * Under which of its addresses this daemon sends machines to itself.
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

/** Addresses of this daemon, as URLs write them. */
export interface BootAddresses {
  /** For TFTP. */
  readonly tftp: string;
  /** For HTTP: the template's `{{.BootAddress}}`. */
  readonly http: string;
  /** Whether `tftp` is the base address, as everybody expects. */
  readonly isBase: boolean;
}

/**
 * The addresses in use while the interface has `addresses`.
 *
 * The base address itself serves for TFTP when the interface has it. Over TCP
 * it may not work: with host bits of zero it is the link's subnet-router
 * anycast address (RFC 4291 §2.6.1), and Linux drops TCP to those.
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
