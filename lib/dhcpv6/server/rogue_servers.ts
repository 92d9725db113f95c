/**
 * Detects other DHCPv6 servers on the link. Clients send to a multicast group
 * (RFC 8415 §18.2), so this daemon also receives messages that are meant for
 * another server. They contain that server's DUID and the address it assigned.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { MAX_OWN_DUIDS, MAX_ROGUE_SERVERS } from "../../overload/limits.ts";
import {
  addressOf,
  equalBytes,
  formatIpv6,
  IPV6_LENGTH,
} from "../../net/ipv6.ts";
import { type Mac, NO_MAC } from "../../net/mac.ts";
import { IA_HEADER, OptionCode } from "../wire/constants.ts";
import { macOfDuid } from "../wire/duid.ts";
import {
  findClientMac,
  type MacSource,
  noClientMac,
} from "../reply/client_mac.ts";
import { nextAddress, type OptionTable, type Packet } from "../wire/packet.ts";
import { type Subnet } from "../reply/subnet.ts";

/** Another server that was detected. */
export interface RogueServer {
  /** Its DUID in hexadecimal digits. */
  readonly duid: string;
  /** The MAC in its DUID, or {@linkcode NO_MAC}. */
  readonly mac: Mac;
  /** A client to which it has assigned a wrong address. */
  readonly misaddressedClient: MisaddressedClient | undefined;
}

/** A client with an address of another server. */
export interface MisaddressedClient {
  readonly mac: Mac;
  readonly address: string;
  /** The address that this daemon assigns to it. */
  readonly ownAddress: string;
}

/** The last report about a server. */
interface Report {
  /** Whether it named a misaddressed client. */
  readonly isHarmful: boolean;
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
}

/** Milliseconds after which a server may be evicted for another one. */
const REPORT_TTL = 60_000;

/** Remembers which servers were reported, so that each is reported once. */
export class RogueServerDetector {
  readonly #subnets: readonly Subnet[];
  readonly #macSources: readonly MacSource[];
  /** By DUID, oldest first. */
  readonly #reports = new Map<string, Report>();
  readonly #clientMac = noClientMac();
  /** DUIDs of this server, also earlier ones, oldest first. */
  readonly #own = new Set<string>();

  constructor(subnets: readonly Subnet[], macSources: readonly MacSource[]) {
    this.#subnets = subnets;
    this.#macSources = macSources;
  }

  /**
   * Adds a DUID that this server has or had, maybe before it was started again:
   * it is never reported.
   *
   * @returns The DUID in hexadecimal.
   */
  addOwn(duid: Uint8Array): string {
    const digits = encodeHex(duid);
    this.#own.delete(digits);
    for (const oldest of this.#own) {
      if (this.#own.size < MAX_OWN_DUIDS) break;
      this.#own.delete(oldest);
    }
    this.#own.add(digits);
    return digits;
  }

  /**
   * Examines a client's message whose Server ID is that of another server.
   *
   * @param sender The 16 bytes of its source address.
   * @param now Milliseconds of a monotonic clock.
   * @returns The server, if it was not reported before or has a first
   * misaddressed client; otherwise `undefined`.
   */
  observe(
    packet: Packet,
    sender: Uint8Array,
    now: number,
  ): RogueServer | undefined {
    const { bytes, options } = packet;
    const index = options.find(OptionCode.ServerId);
    const start = options.starts[index]!;
    const end = options.ends[index]!;
    const duid = encodeHex(bytes.subarray(start, end));
    if (this.#own.has(duid)) return undefined;
    const report = this.#reports.get(duid);
    if (report?.isHarmful) return undefined;
    if (report === undefined && !this.#hasCapacity(now)) return undefined;
    const misaddressedClient = this.#misaddressedClientOf(packet, sender);
    if (report !== undefined && misaddressedClient === undefined) {
      return undefined;
    }
    this.#reports.delete(duid);
    this.#reports.set(duid, {
      isHarmful: misaddressedClient !== undefined,
      at: now,
    });
    return { duid, mac: macOfDuid(bytes, start, end), misaddressedClient };
  }

  /**
   * Whether there is room for another server. Reports expire, so that forged
   * Server IDs hide a real server for {@linkcode REPORT_TTL} only.
   */
  #hasCapacity(now: number): boolean {
    if (this.#reports.size < MAX_ROGUE_SERVERS) return true;
    for (const [duid, { at }] of this.#reports) {
      if (now - at < REPORT_TTL) break;
      this.#reports.delete(duid);
    }
    return this.#reports.size < MAX_ROGUE_SERVERS;
  }

  /** The client, if its address is none that this daemon assigns to it. */
  #misaddressedClientOf(
    packet: Packet,
    sender: Uint8Array,
  ): MisaddressedClient | undefined {
    findClientMac(packet, sender, this.#macSources, this.#clientMac);
    const { mac } = this.#clientMac;
    const address = firstAddress(packet.bytes, packet.options);
    if (mac === NO_MAC || address === undefined) return undefined;
    const ownAddresses = this.#subnets.map(({ bytes }) =>
      addressOf(bytes, mac)
    );
    if (
      ownAddresses.some((own) => equalBytes(own, 0, address, 0, IPV6_LENGTH))
    ) {
      return undefined;
    }
    return {
      mac,
      address: formatIpv6(address),
      ownAddress: formatIpv6(ownAddresses[0]!),
    };
  }
}

/** The first address in the IA_NA options of a message. */
function firstAddress(
  bytes: Uint8Array,
  options: OptionTable,
): Uint8Array | undefined {
  for (let index = 0; index < options.count; index++) {
    if (options.codes[index] !== OptionCode.IaNa) continue;
    const start = options.starts[index]! + IA_HEADER;
    const at = nextAddress(bytes, start, options.ends[index]!);
    if (at !== -1) return bytes.slice(at, at + IPV6_LENGTH);
  }
  return undefined;
}
