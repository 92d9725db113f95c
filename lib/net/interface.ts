/**
 * Network interfaces, as the runtime shows them.
 *
 * @module
 */

import { isLinkLocal, parseIpv6 } from "./ipv6.ts";
import { type Mac, parseMac } from "./mac.ts";

/** An interface that has an IPv6 address. */
export interface NetworkInterface {
  readonly name: string;
  /** The kernel's number for it; another one when it was made anew. */
  readonly index: number;
  readonly mac: Mac;
  /** Its link-local addresses, without a zone; at least one. */
  readonly linkLocals: readonly string[];
  /** Its other IPv6 addresses. */
  readonly addresses: readonly string[];
  /** The prefixes of all its addresses, of both families. */
  readonly prefixes: readonly string[];
}

/** Finds one interface again and again. */
export class InterfaceMonitor {
  readonly #name: string;
  #seen: string | undefined;
  #found: NetworkInterface | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * The interface; `undefined` while it is absent, down or without an IPv6
   * link-local address. It is the same object until something of it changes.
   */
  find(): NetworkInterface | undefined {
    const infos = Deno.networkInterfaces().filter(({ name }) =>
      name === this.#name
    );
    const seen = JSON.stringify(infos);
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#found = interfaceOf(infos);
    }
    return this.#found;
  }
}

/** All interfaces that have an IPv6 link-local address. */
export function listInterfaces(): NetworkInterface[] {
  const byName = Map.groupBy(Deno.networkInterfaces(), ({ name }) => name);
  return [...byName.values()].map(interfaceOf).filter((iface) =>
    iface !== undefined
  );
}

/** What the runtime says of one interface, in an entry for each address. */
function interfaceOf(
  infos: readonly Deno.NetworkInterfaceInfo[],
): NetworkInterface | undefined {
  const ipv6 = infos.filter(({ family }) => family === "IPv6");
  const linkLocals = ipv6.filter(hasLinkLocal);
  const index = linkLocals[0]?.scopeid;
  const mac = parseMac(infos[0]?.mac ?? "");
  if (index == null || mac === undefined) return undefined;
  return {
    name: infos[0]!.name,
    index,
    mac,
    linkLocals: linkLocals.map((info) => withoutZone(info.address)),
    addresses: ipv6.filter((info) => !hasLinkLocal(info)).map((info) =>
      withoutZone(info.address)
    ),
    prefixes: infos.map(({ cidr }) => cidr),
  };
}

/** All IPv6 addresses of an interface, as a socket of that interface binds them. */
export function hostnamesOf(
  { name, linkLocals, addresses }: NetworkInterface,
): string[] {
  return [...linkLocals.map((address) => `${address}%${name}`), ...addresses];
}

function withoutZone(address: string): string {
  return address.split("%", 1)[0]!;
}

function hasLinkLocal(info: Deno.NetworkInterfaceInfo): boolean {
  const address = parseIpv6(withoutZone(info.address));
  return address !== undefined && isLinkLocal(address);
}
