/**
 * Network interfaces, as the runtime shows them.
 *
 * @module
 */

import { isLinkLocal, parseIpv6 } from "./ipv6.ts";
import { type Mac, parseMac } from "./mac.ts";

/** An interface that has an IPv6 address. */
export interface Interface {
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

/**
 * The interface of this name; `undefined` while it is absent, down or without
 * an IPv6 link-local address.
 */
export function findInterface(name: string): Interface | undefined {
  return interfaces().find((candidate) => candidate.name === name);
}

/** All interfaces that have an IPv6 link-local address. */
export function interfaces(): Interface[] {
  const byName = new Map<string, Deno.NetworkInterfaceInfo[]>();
  for (const info of Deno.networkInterfaces()) {
    const infos = byName.get(info.name);
    if (infos === undefined) byName.set(info.name, [info]);
    else infos.push(info);
  }
  const found: Interface[] = [];
  for (const [name, infos] of byName) {
    const ipv6 = infos.filter(({ family }) => family === "IPv6");
    const linkLocals = ipv6.filter(hasLinkLocal);
    const mac = parseMac(infos[0]!.mac);
    const index = linkLocals[0]?.scopeid;
    if (index == null || mac === undefined) continue;
    found.push({
      name,
      index,
      mac,
      linkLocals: linkLocals.map((info) => withoutZone(info.address)),
      addresses: ipv6.filter((info) => !hasLinkLocal(info)).map((info) =>
        withoutZone(info.address)
      ),
      prefixes: infos.map(({ cidr }) => cidr),
    });
  }
  return found;
}

/** All IPv6 addresses of an interface, as a socket of that interface binds them. */
export function hostnamesOf(
  { name, linkLocals, addresses }: Interface,
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
