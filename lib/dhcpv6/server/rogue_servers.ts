/**
 * Other DHCPv6 servers on the link, as far as clients tell of them: what a
 * client asks of another server is heard here as well (RFC 8415 §18.2), and
 * says which server that is and what address it has given.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { MAX_ROGUE_SERVERS } from "../../overload/limits.ts";
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

/** What was heard of another server. */
export interface RogueServer {
  /** Its DUID in hexadecimal digits. */
  readonly duid: string;
  /** The MAC in its DUID, or {@linkcode NO_MAC}. */
  readonly mac: Mac;
  /** A machine that has another address from it than it should have. */
  readonly misaddressedClient: MisaddressedClient | undefined;
}

/** A machine with an address of another server. */
export interface MisaddressedClient {
  readonly mac: Mac;
  readonly address: string;
  /** What it gets from here. */
  readonly ownAddress: string;
}

/** What was told of a server. */
interface Report {
  /** Whether it was that it gives other addresses. */
  readonly isHarmful: boolean;
  /** When, in milliseconds of a clock that is never set. */
  readonly at: number;
}

/** Milliseconds for which whoever was told of keeps out further ones. */
const REPORT_TTL = 60_000;

/** Remembers what was told of which server, so that each is told of once. */
export class RogueServerDetector {
  readonly #subnets: readonly Subnet[];
  readonly #macSources: readonly MacSource[];
  /** By DUID, oldest first. */
  readonly #reported = new Map<string, Report>();
  readonly #clientMac = noClientMac();

  constructor(subnets: readonly Subnet[], macSources: readonly MacSource[]) {
    this.#subnets = subnets;
    this.#macSources = macSources;
  }

  /**
   * A client's message names another server.
   *
   * @param sender The 16 octets of the address it came from.
   * @param now Milliseconds of a clock that is never set.
   * @returns What is new about that server, if anything is.
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
    const told = this.#reported.get(duid);
    if (told?.isHarmful) return undefined;
    if (told === undefined && !this.#hasCapacity(now)) return undefined;
    const misaddressedClient = this.#misaddressedClientOf(packet, sender);
    if (told !== undefined && misaddressedClient === undefined) {
      return undefined;
    }
    this.#reported.delete(duid);
    this.#reported.set(duid, {
      isHarmful: misaddressedClient !== undefined,
      at: now,
    });
    return { duid, mac: macOfDuid(bytes, start, end), misaddressedClient };
  }

  /** Servers that somebody has made up shall hide a real one for a while only. */
  #hasCapacity(now: number): boolean {
    if (this.#reported.size < MAX_ROGUE_SERVERS) return true;
    for (const [duid, { at }] of this.#reported) {
      if (now - at < REPORT_TTL) break;
      this.#reported.delete(duid);
    }
    return this.#reported.size < MAX_ROGUE_SERVERS;
  }

  /** The client, if it has an address that it would not get from here. */
  #misaddressedClientOf(
    packet: Packet,
    sender: Uint8Array,
  ): MisaddressedClient | undefined {
    findClientMac(packet, sender, this.#macSources, this.#clientMac);
    const { mac } = this.#clientMac;
    const address = firstAddress(packet.bytes, packet.options);
    if (mac === NO_MAC || address === undefined) return undefined;
    const own = this.#subnets.map(({ bytes }) => addressOf(bytes, mac));
    if (own.some((right) => equalBytes(right, 0, address, 0, IPV6_LENGTH))) {
      return undefined;
    }
    return {
      mac,
      address: formatIpv6(address),
      ownAddress: formatIpv6(own[0]!),
    };
  }
}

/** The first address in the IA_NAs of a message. */
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
