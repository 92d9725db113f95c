/**
 * Which clients the daemon does not serve, or serves in vain: by cause and link,
 * for the log, the API and the page.
 *
 * @module
 */

import {
  MAX_DHCPV6_PACKET,
  MAX_DHCPV6_REPLY,
  MAX_OPTIONS,
  MAX_RELAY_DEPTH,
} from "../dhcpv6/wire/constants.ts";
import type { UnservedCause, UnservedJson } from "../machines/json.ts";
import { equalBytes, IPV6_LENGTH, SUBNET_BYTES } from "../net/ipv6.ts";
import { formatMac, type Mac, NO_MAC } from "../net/mac.ts";
import { formatSubnet } from "../net/prefix.ts";
import { MAX_UNSERVED } from "../overload/limits.ts";

/** A cause on one link. */
export interface Unserved {
  readonly cause: UnservedCause;
  /** The link's prefix of {@linkcode SUBNET_BYTES} bytes. */
  readonly prefix: Uint8Array;
  /** The prefix as text; `undefined` if the message names no link. */
  readonly link: string | undefined;
  /** Messages so far. */
  count: number;
  /** The MAC of the latest message, or {@linkcode NO_MAC}. */
  mac: Mac;
  /** The source address of the latest message; `undefined` if there is none. */
  source: string | undefined;
  /** The client's address, where its relay tells it. */
  peer: string | undefined;
  /**
   * When the latest message arrived, in milliseconds of a monotonic clock;
   * `undefined` if there is none. The clock of the host may be set.
   */
  seenAt: number | undefined;
  /** Whether --deny-mac matches the MAC: of `mac_not_allowed`. */
  isDenied: boolean;
  /** What the interface lacks: of `prefix_absent`. */
  problem: string;
}

/** Stands for the link of a message that names none. */
const NO_LINK: Uint8Array = new Uint8Array(IPV6_LENGTH);

/** Remembers at most {@linkcode MAX_UNSERVED} causes and links. */
export class UnservedClients {
  readonly #entries: Unserved[] = [];

  /**
   * The entry of a cause on the link that the address at `at` is on. Allocates
   * only for a new one: an attacker can send such messages at any rate.
   *
   * @param bytes `undefined` if the message names no link.
   */
  entry(cause: UnservedCause, bytes = NO_LINK, at = 0): Unserved {
    const hasLink = bytes !== NO_LINK;
    for (const entry of this.#entries) {
      if (
        entry.cause === cause && (entry.link !== undefined) === hasLink &&
        equalBytes(entry.prefix, 0, bytes, at, SUBNET_BYTES)
      ) return entry;
    }
    const prefix = new Uint8Array(IPV6_LENGTH);
    prefix.set(bytes.subarray(at, at + SUBNET_BYTES));
    const entry: Unserved = {
      cause,
      prefix,
      link: hasLink ? formatSubnet(bytes, at) : undefined,
      count: 0,
      mac: NO_MAC,
      source: undefined,
      peer: undefined,
      seenAt: undefined,
      isDenied: false,
      problem: "",
    };
    if (this.#entries.length >= MAX_UNSERVED) this.#evict();
    this.#entries.push(entry);
    return entry;
  }

  /** Forgets a cause that is over. */
  clear(cause: UnservedCause): void {
    for (let index = this.#entries.length - 1; index >= 0; index--) {
      if (this.#entries[index]!.cause === cause) this.#entries.splice(index, 1);
    }
  }

  /** All entries, the latest first. */
  json(): UnservedJson[] {
    const since1970 = Date.now() - performance.now();
    const latestFirst = this.#entries.toSorted((a, b) =>
      (b.seenAt ?? 0) - (a.seenAt ?? 0)
    );
    return latestFirst.map((entry) => ({
      cause: entry.cause,
      link: entry.link ?? null,
      count: entry.count,
      mac: entry.mac === NO_MAC ? null : formatMac(entry.mac),
      source: entry.source ?? null,
      timestamp: entry.seenAt === undefined
        ? null
        : new Date(since1970 + entry.seenAt).toISOString(),
      message: describeUnserved(entry),
    }));
  }

  /**
   * Removes the entry with the fewest messages, of several the oldest: forged
   * link-addresses displace each other and not what goes on.
   */
  #evict(): void {
    let victim = 0;
    this.#entries.forEach(({ count }, index) => {
      if (count < this.#entries[victim]!.count) victim = index;
    });
    this.#entries.splice(victim, 1);
  }
}

/** What is wrong, and the remedy. */
export function describeUnserved(
  { cause, link, mac, source, peer, isDenied, problem }: Unserved,
): string {
  switch (cause) {
    case "link_unknown":
      return link === undefined
        ? `relay ${source} is not on this link and sends no link-address of a link: ` +
          "configure one on the relay, or let it send to ff02::1:2"
        : `relay ${source} is on link ${link}, which no base address covers: ` +
          `add a --base-address in it, or --link-prefix ${link}=BASE`;
    case "no_mac":
      return `no MAC in a message from ${
        peer === undefined ? source : `${peer} behind relay ${source}`
      }: its DUID has none and its link-local address is not EUI-64; ` +
        "set its DUID to link-layer (DUID-LL), or let a relay add option 79";
    case "mac_not_allowed":
      return `client ${formatMac(mac)} is refused: it matches ` +
        (isDenied
          ? "--deny-mac; remove that to serve it"
          : `no --allow-mac; add --allow-mac ${formatMac(mac)} to serve it`);
    case "answer_too_long":
      return `client ${
        mac === NO_MAC ? source : formatMac(mac)
      } gets no reply: it would have more than ` +
        `${MAX_DHCPV6_REPLY} bytes with the options of ` +
        (peer === undefined
          ? "this daemon and of the client; send fewer --dns and --domain-search"
          : "this daemon, of the client and of its relays; send fewer --dns and " +
            "--domain-search, or let relays send shorter Interface-IDs");
    case "packet_too_long":
      return `a message from ${source} is ignored: it has more than ` +
        `${MAX_DHCPV6_PACKET} bytes; look what relays add to it`;
    case "relay_too_deep":
      return `a message from ${source} is ignored: it comes through more than ` +
        `${MAX_RELAY_DEPTH} relays; look whether they send in a circle`;
    case "too_many_options":
      return `a message from ${source} is ignored: it has more than ` +
        `${MAX_OPTIONS} options; look what the client requests`;
    case "prefix_absent":
      return problem;
  }
}
