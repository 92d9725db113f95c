/**
 * DNS records of machines: a machine's addresses follow from its MAC, so that a
 * DNS server needs no leases to know them.
 *
 * @module
 */

import { addressOf, type ParsedAddress } from "../net/ipv6.ts";
import { formatMac, isUnicastMac, type Mac } from "../net/mac.ts";
import { hostNameFor } from "./host_name.ts";

/** A machine with a name in DNS. */
export interface MachineRecord {
  readonly mac: Mac;
  /** Its name as people write it. */
  readonly name: string;
  /** Its complete name in DNS, without a final dot. */
  readonly host: string;
  /**
   * What stands before the domain; `undefined` if it is not in the domain, or is a
   * number.
   */
  readonly shortName: string | undefined;
  /** One address for each base address, 16 bytes each. */
  readonly addresses: readonly Uint8Array[];
}

/** Why records of a machine are missing or have another name than people gave. */
export interface RecordProblem {
  readonly kind: "no_host_name" | "changed" | "shared" | "no_unicast_mac";
  readonly name: string;
  /** The name in DNS, where there is one. */
  readonly host?: string;
}

/** What records are made of. */
export interface RecordSources {
  readonly bases: readonly ParsedAddress[];
  /**
   * In lower case, without a final dot; `undefined`: names are used as they are.
   */
  readonly domain: string | undefined;
  /** Names by MAC. */
  readonly names: Iterable<readonly [Mac, string]>;
  /** MACs that get a name of their own unless they have one. */
  readonly macs?: readonly Mac[];
}

/**
 * The records of machines, one machine at a time; `undefined` for one that has
 * none, so that many of them can be interrupted.
 *
 * @param onProblem Without it, names are not compared with each other.
 */
export function* recordsOf(
  sources: RecordSources,
  onProblem?: (problem: RecordProblem) => void,
): Generator<MachineRecord | undefined> {
  const { bases, domain, names, macs = [] } = sources;
  const comparison = onProblem && new NameComparison(onProblem);
  const named = new Set<Mac>();
  for (const [mac, name] of names) {
    if (macs.length > 0) named.add(mac);
    const host = isUnicastMac(mac) ? hostNameFor(name, domain) : undefined;
    if (host === undefined) {
      const kind = isUnicastMac(mac) ? "no_host_name" : "no_unicast_mac";
      onProblem?.({ kind, name });
      yield undefined;
      continue;
    }
    comparison?.compare(name, host);
    yield recordOf(mac, name, host, bases, domain);
  }
  for (const mac of macs.toSorted((a, b) => a - b)) {
    if (named.has(mac) || !isUnicastMac(mac)) continue;
    named.add(mac);
    const name = formatMac(mac).replaceAll(":", "-");
    const host = hostNameFor(name, domain)!;
    comparison?.compare(name, host);
    yield recordOf(mac, name, host, bases, domain);
  }
}

/** Compares the names of machines with their host names, and with each other. */
class NameComparison {
  readonly #onProblem: (problem: RecordProblem) => void;
  /** The host names so far, and whether they are reported as shared. */
  readonly #hosts = new Map<string, boolean>();
  /** The names that are reported with the host name that they make. */
  readonly #reported = new Set<string>();

  constructor(onProblem: (problem: RecordProblem) => void) {
    this.#onProblem = onProblem;
  }

  /** Compares the name of one more machine. */
  compare(name: string, host: string): void {
    const isShared = this.#hosts.get(host);
    // Once per host name. Two network cards of one machine count as machines: a
    // file of names does not say that they are in one.
    this.#hosts.set(host, isShared !== undefined);
    if (isShared === false) this.#report("shared", name, host);
    else if (isChanged(name, host) && !this.#reported.has(name)) {
      this.#report("changed", name, host);
    }
  }

  #report(kind: RecordProblem["kind"], name: string, host: string): void {
    this.#reported.add(name);
    this.#onProblem({ kind, name, host });
  }
}

function recordOf(
  mac: Mac,
  name: string,
  host: string,
  bases: readonly ParsedAddress[],
  domain: string | undefined,
): MachineRecord {
  const isBelow = domain !== undefined && host.endsWith(`.${domain}`);
  return {
    mac,
    name,
    host,
    shortName: shortNameOf(isBelow ? host.slice(0, -domain.length - 1) : ""),
    addresses: bases.map(({ bytes }) => addressOf(bytes, mac)),
  };
}

/** Servers and resolvers take a number for an IPv4 address or a time. */
function shortNameOf(name: string): string | undefined {
  return name === "" || /(?:^|\.)[0-9]+$/.test(name) ? undefined : name;
}

/**
 * Whether a name had to be changed, but for its case, which host names do not
 * have, its final dot and the domain.
 */
function isChanged(name: string, host: string): boolean {
  const text = name.trim().toLowerCase().replace(/\.$/, "");
  return host !== text && !host.startsWith(`${text}.`);
}

/** The name at which DNS has the PTR record of an address (RFC 3596 section 2.5). */
export function reverseNameOf(
  address: Uint8Array,
  bytes = address.length,
): string {
  let name = "ip6.arpa";
  for (let index = 0; index < bytes; index++) {
    const byte = address[index]!;
    name = `${(byte & 0x0f).toString(16)}.${(byte >> 4).toString(16)}.${name}`;
  }
  return name;
}
