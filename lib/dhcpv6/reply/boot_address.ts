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
import { ADDRESS_STATES, type AddressState } from "../../net/address_states.ts";
import { type Subnet } from "./subnet.ts";

/** The last of {@linkcode ADDRESS_STATES} that stands for a lasting address. */
const LASTING = ADDRESS_STATES.indexOf("dynamic");

/** Addresses of this daemon, as text without brackets. */
export interface BootAddresses {
  /** The address in TFTP URLs. */
  readonly tftp: string;
  /** The address in HTTP URLs, `{{.BootAddress}}` in the template. */
  readonly http: string;
  /** Whether `tftp` is the base address. */
  readonly isBase: boolean;
}

/** The addresses of an interface. */
export interface OwnAddresses {
  readonly addresses: readonly string[];
  /** The states of `addresses`, in the same order. */
  readonly states: readonly AddressState[];
}

/**
 * The addresses for boot URLs while the interface has these addresses.
 *
 * TFTP uses the base address if the interface has it. HTTP prefers an address with
 * host bits: with host bits of 0, the base address is the subnet-router anycast
 * address (RFC 4291 §2.6.1), and Linux drops TCP to anycast addresses.
 *
 * A URL must be good for as long as a machine boots, and the next time: an
 * address that is temporary, deprecated or not usable is in it only if there is
 * no better one in the subnet. Of several, the permanent ones come first, and of
 * those the one that looks the least like a temporary address (RFC 8981), and of
 * those the lowest: the order of the interface changes when it gets one more.
 */
export function bootAddressesOf(
  subnet: Subnet,
  { addresses, states }: OwnAddresses,
): BootAddresses {
  const inSubnet = addresses.map((text, index) => {
    const bytes = parseIpv6(text)!;
    const state = ADDRESS_STATES.indexOf(states[index]!);
    return { text, bytes, state, randomness: randomnessOf(bytes) };
  }).filter(({ bytes }) => equalBytes(bytes, 0, subnet.bytes, 0, SUBNET_BYTES))
    .toSorted((a, b) =>
      a.state - b.state || a.randomness - b.randomness ||
      compareBytes(a.bytes, b.bytes)
    );
  const lasting = inSubnet.filter(({ state }) => state <= LASTING);
  const best = inSubnet.filter(({ state }) => state === inSubnet[0]!.state);
  const candidates = lasting.length > 0 ? lasting : best;
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

/** Orders two addresses by their numbers. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const index = a.findIndex((byte, at) => byte !== b[at]);
  return index === -1 ? 0 : a[index]! - b[index]!;
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
