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
  /** Its link-local address, without a zone. */
  readonly linkLocal: string;
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
    const linkLocal = ipv6.find(hasLinkLocal);
    const mac = parseMac(infos[0]!.mac);
    if (linkLocal?.scopeid == null || mac === undefined) continue;
    found.push({
      name,
      index: linkLocal.scopeid,
      mac,
      linkLocal: withoutZone(linkLocal.address),
      addresses: ipv6.filter((info) => !hasLinkLocal(info)).map((info) =>
        withoutZone(info.address)
      ),
      prefixes: infos.map(({ cidr }) => cidr),
    });
  }
  return found;
}

function withoutZone(address: string): string {
  return address.split("%", 1)[0]!;
}

function hasLinkLocal(info: Deno.NetworkInterfaceInfo): boolean {
  const address = parseIpv6(withoutZone(info.address));
  return address !== undefined && isLinkLocal(address);
}
