/**
 * Finds the MAC of the client that sent a message.
 *
 * @module
 */

import { macOfEui64 } from "../../net/ipv6.ts";
import { isUnicastMac, type Mac, NO_MAC, readMac } from "../../net/mac.ts";
import { HARDWARE_TYPE_ETHERNET, OptionCode } from "../wire/constants.ts";
import { macOfDuid } from "../wire/duid.ts";
import { type Packet, readUint16 } from "../wire/packet.ts";

/**
 * Sources of a MAC, in the default order: option 79 of the relay, the client's
 * DUID, the EUI-64 interface identifier of its link-local address.
 */
export const MAC_SOURCES = ["relay", "duid", "eui64"] as const;

/** A source of a MAC. */
export type MacSource = typeof MAC_SOURCES[number];

/** The result of {@linkcode findClientMac}; callers reuse one object. */
export interface ClientMac {
  /** The client's MAC, or {@linkcode NO_MAC}. */
  mac: Mac;
  /** Its source; undefined meaning if there is no MAC. */
  source: MacSource;
  /** A different MAC from another source, or {@linkcode NO_MAC}. */
  otherMac: Mac;
  /** The source of `otherMac`; undefined meaning if there is none. */
  otherSource: MacSource;
}

/** A new result without a MAC. */
export function noClientMac(): ClientMac {
  return {
    mac: NO_MAC,
    source: "relay",
    otherMac: NO_MAC,
    otherSource: "relay",
  };
}

/** Bytes of option 79 with an Ethernet address: hardware type and MAC. */
const LINK_LAYER_ADDRESS_LENGTH = 8;

/**
 * Takes the client's MAC from the first source in `order` that has a unicast,
 * non-zero Ethernet address, and the first different MAC from a later one.
 *
 * @param packet The message.
 * @param sender The 16 bytes of its source address.
 * @param order The sources, most trusted first.
 * @param clientMac Set to the result.
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

/** From the client's link-local address: the source, or the relay's peer-address. */
function macOfPeer(packet: Packet, sender: Uint8Array): Mac {
  return packet.depth === 0 ? macOfEui64(sender) : macOfEui64(
    packet.bytes,
    packet.relays[packet.depth - 1]!.peerAddressAt,
  );
}
