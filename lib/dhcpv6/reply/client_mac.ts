/**
 * Which MAC a client's message speaks of.
 *
 * @module
 */

import { macOfEui64 } from "../../net/ipv6.ts";
import { isUnicastMac, type Mac, NO_MAC, readMac } from "../../net/mac.ts";
import { HARDWARE_TYPE_ETHERNET, OptionCode } from "../wire/constants.ts";
import { macOfDuid } from "../wire/duid.ts";
import { type Packet, readUint16 } from "../wire/packet.ts";

/** Where a MAC can come from, in the default order. */
export const MAC_SOURCES = ["relay", "duid", "eui64"] as const;

/** Where a MAC came from. */
export type MacSource = typeof MAC_SOURCES[number];

/** The outcome of {@linkcode findClientMac}; one object serves every packet. */
export interface ClientMac {
  /** The client's MAC, or {@linkcode NO_MAC}. */
  mac: Mac;
  /** Where it came from; without meaning when there is none. */
  source: MacSource;
  /** A different MAC that another source named, or {@linkcode NO_MAC}. */
  otherMac: Mac;
  /** Where that came from; without meaning when there is none. */
  otherSource: MacSource;
}

/** An identity of nobody. */
export function noClientMac(): ClientMac {
  return {
    mac: NO_MAC,
    source: "relay",
    otherMac: NO_MAC,
    otherSource: "relay",
  };
}

/** Octets of option 79 with an Ethernet address: hardware type and MAC. */
const LINK_LAYER_ADDRESS_LENGTH = 8;

/**
 * Finds the client's MAC in the first of `order` that yields a unicast,
 * non-zero Ethernet address, and the first that contradicts it.
 *
 * @param packet What came.
 * @param sender The 16 octets of the address it came from.
 * @param order The sources to ask, the most trusted one first.
 * @param clientMac Takes the outcome.
 */
export function findClientMac(
  packet: Packet,
  sender: Uint8Array,
  order: readonly MacSource[],
  clientMac: ClientMac,
): void {
  clientMac.mac = NO_MAC;
  clientMac.otherMac = NO_MAC;
  for (const source of order) {
    const mac = source === "relay"
      ? macOfRelay(packet)
      : source === "duid"
      ? macOfClientId(packet)
      : macOfPeer(packet, sender);
    if (!isUnicastMac(mac)) continue;
    if (clientMac.mac === NO_MAC) {
      clientMac.mac = mac;
      clientMac.source = source;
    } else if (mac !== clientMac.mac) {
      clientMac.otherMac = mac;
      clientMac.otherSource = source;
      return;
    }
  }
}

/** Client Link-Layer Address (RFC 6939) of the relay nearest to the client. */
function macOfRelay(packet: Packet): Mac {
  if (packet.depth === 0) return NO_MAC;
  const { options } = packet.relays[packet.depth - 1]!;
  const index = options.find(OptionCode.ClientLinkLayerAddress);
  if (index === -1) return NO_MAC;
  const start = options.starts[index]!;
  if (
    options.ends[index]! - start !== LINK_LAYER_ADDRESS_LENGTH ||
    readUint16(packet.bytes, start) !== HARDWARE_TYPE_ETHERNET
  ) return NO_MAC;
  return readMac(packet.bytes, start + 2);
}

function macOfClientId(packet: Packet): Mac {
  const { options } = packet;
  const index = options.find(OptionCode.ClientId);
  return index === -1
    ? NO_MAC
    : macOfDuid(packet.bytes, options.starts[index]!, options.ends[index]!);
}

/** The client's own link-local address: the sender's, or what a relay saw. */
function macOfPeer(packet: Packet, sender: Uint8Array): Mac {
  return packet.depth === 0 ? macOfEui64(sender) : macOfEui64(
    packet.bytes,
    packet.relays[packet.depth - 1]!.peerAddressAt,
  );
}
