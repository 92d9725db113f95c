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
 *
 * Of several, the one that looks the least like a temporary address is used: a
 * URL must be good for longer than that (RFC 8981).
 *
 * @param unusable Those of `addresses` that no socket can be bound to. They are
 * used only if there is no other.
 */
export function bootAddressesOf(
  subnet: Subnet,
  addresses: readonly string[],
  unusable: readonly string[] = [],
): BootAddresses {
  const inSubnet = addresses.map((text) => ({ text, bytes: parseIpv6(text)! }))
    .filter(({ bytes }) => equalBytes(bytes, 0, subnet.bytes, 0, SUBNET_BYTES))
    .toSorted((a, b) => randomnessOf(a.bytes) - randomnessOf(b.bytes));
  const usable = inSubnet.filter(({ text }) => !unusable.includes(text));
  const candidates = usable.length > 0 ? usable : inSubnet;
  const base = candidates.find(({ bytes }) =>
    equalBytes(bytes, 0, subnet.bytes, 0, IPV6_LENGTH)
  );
  const host = candidates.find(({ bytes }) =>
    bytes.subarray(SUBNET_BYTES).some((byte) => byte !== 0)
  );
  const tftp = base === undefined
    ? candidates[0]?.text ?? subnet.text
    : subnet.text;
  return {
    tftp,
    http: host?.text ?? tftp,
    isBase: base !== undefined,
  };
}

/**
 * How random an interface identifier looks: 0 for one that a person wrote, such
 * as ::1; 1 for one with a MAC, as EUI-64 or as this daemon derives it; 2 for
 * any other, temporary or stable (RFC 7217).
 */
function randomnessOf(bytes: Uint8Array): 0 | 1 | 2 {
  const id = bytes.subarray(SUBNET_BYTES);
  // 4 zero bytes by chance: one in 4 billion temporary addresses.
  if (id.subarray(0, 4).every((byte) => byte === 0)) return 0;
  const isEui64 = id[3] === 0xff && id[4] === 0xfe;
  return isEui64 || (id[0] === 0 && id[1] === 0) ? 1 : 2;
}
