/**
 * Network interfaces, as the runtime reports them.
 *
 * @module
 */

import { type AddressState, addressStatesOf } from "./address_states.ts";
import { isLinkLocal, parseIpv6 } from "./ipv6.ts";
import { type Mac, parseMac } from "./mac.ts";

/** An interface with an IPv6 link-local address. */
export interface NetworkInterface {
  readonly name: string;
  /** The kernel's index; a different one after the interface was recreated. */
  readonly index: number;
  readonly mac: Mac;
  /** Its IPv6 link-local addresses, without a zone; at least one. */
  readonly linkLocals: readonly string[];
  /** Its other IPv6 addresses. */
  readonly addresses: readonly string[];
  /** The states of `addresses`, in the same order. */
  readonly states: readonly AddressState[];
  /** The prefixes of all its addresses, IPv6 and IPv4, as `address/length`. */
  readonly prefixes: readonly string[];
}

/** All interfaces that are up and have an IPv6 link-local address. */
export function listInterfaces(): NetworkInterface[] {
  const byName = Map.groupBy(Deno.networkInterfaces(), ({ name }) => name);
  return [...byName.values()].map(interfaceOf).filter((iface) =>
    iface !== undefined
  );
}

/**
 * An interface from the runtime's entries, of which each is for one address;
 * `undefined` if none is an IPv6 link-local address.
 */
export function interfaceOf(
  entries: readonly Deno.NetworkInterfaceInfo[],
): NetworkInterface | undefined {
  const ipv6 = entries.filter(({ family }) => family === "IPv6");
  const linkLocals = ipv6.filter(hasLinkLocal);
  const index = linkLocals[0]?.scopeid;
  const mac = parseMac(entries[0]?.mac ?? "");
  if (index == null || mac === undefined) return undefined;
  const addresses = ipv6.filter((entry) => !hasLinkLocal(entry)).map((
    { address },
  ) => withoutZone(address));
  return {
    name: entries[0]!.name,
    index,
    mac,
    linkLocals: linkLocals.map(({ address }) => withoutZone(address)),
    addresses,
    states: addressStatesOf(index, addresses),
    prefixes: entries.map(({ cidr }) => cidr),
  };
}

/** All IPv6 addresses of an interface, as sockets bind them: with their zone. */
export function hostnamesOf(
  { name, linkLocals, addresses }: NetworkInterface,
): string[] {
  return [...linkLocals.map((address) => `${address}%${name}`), ...addresses];
}

function withoutZone(address: string): string {
  return address.split("%", 1)[0]!;
}

function hasLinkLocal(entry: Deno.NetworkInterfaceInfo): boolean {
  const address = parseIpv6(withoutZone(entry.address));
  return address !== undefined && isLinkLocal(address);
}
