/**
 * The reply to a message: a packet in, a reply or a drop reason out. It uses no
 * clock, socket or log: an {@linkcode Outcome} describes the result.
 *
 * @module
 */

import {
  BASE_BYTES,
  equalBytes,
  isLinkLocal,
  isUnspecified,
  macOfAddress,
} from "../../net/ipv6.ts";
import {
  type Mac,
  type MacPattern,
  matchesMac,
  NO_MAC,
} from "../../net/mac.ts";
import {
  type DropReason,
  IA_ADDRESS_HEADER,
  MAX_DHCPV6_REPLY,
  MESSAGE_HEADER,
  MessageType,
  OPTION_HEADER,
  OptionCode,
} from "../wire/constants.ts";
import {
  encodeOptions,
  listsCode,
  type Option,
  Packet,
} from "../wire/packet.ts";
import { Writer } from "../wire/writer.ts";
import {
  type BootChoices,
  type BootEvent,
  bootFactsOf,
  decideBoot,
  describeLoader,
} from "./boot_decision.ts";
import { instructionUrl, type UrlAddresses } from "./instruction_url.ts";
import {
  type ClientMac,
  findClientMac,
  type MacSource,
  noClientMac,
} from "./client_mac.ts";
import {
  IdentityAssociationWriter,
  type Lifetimes,
} from "./identity_associations.ts";
import { relayReplyPort, RelayReplyWriter } from "./relay_reply.ts";
import { type LinkPrefix, type Subnet, subnetOfLinkAddress } from "./subnet.ts";

/** What boot URLs contain, and which clients get them. */
export interface BootOptions extends BootChoices, UrlAddresses {
  /** Whether the boot policy lets this client boot now. */
  readonly isBootAllowed: (mac: Mac) => boolean;
}

/** The configuration of a responder. */
export interface ResponderOptions extends Lifetimes {
  /** The subnet of the interface, then those behind relays; at least 1. */
  readonly subnets: readonly Subnet[];
  /** Further link-addresses of relays on these subnets, the longest first. */
  readonly linkPrefixes?: readonly LinkPrefix[];
  /** 0 to 255 (RFC 8415 §21.8); 0 omits the option. */
  readonly preference: number;
  /** Sources of the client's MAC, most trusted first. */
  readonly macSources: readonly MacSource[];
  /** Clients that get replies; empty for all. */
  readonly allow: readonly MacPattern[];
  /** Clients that get no reply; takes precedence over `allow`. */
  readonly deny: readonly MacPattern[];
  /** Options for clients that request their codes (option 6). */
  readonly onRequest: readonly Option[];
  readonly boot: BootOptions | undefined;
}

/** The result for one message. The responder reuses one object. */
export interface Outcome {
  /** Why the message is dropped; `undefined` if there is a reply. */
  drop: DropReason | undefined;
  /** Bytes of the reply, 0 if there is none. */
  length: number;
  /** The UDP port to send the reply to, at the source address. */
  replyPort: number;
  /** The client's subnet, if the message was valid so far. */
  subnet: Subnet | undefined;
  /**
   * Where the relay's link-address that decides about the subnet is in the
   * message; -1 if there is none.
   */
  linkAddressAt: number;
  readonly clientMac: ClientMac;
  /** The boot stage that the message shows. */
  event: BootEvent | undefined;
  /** What the operator should know about the client. */
  note: "unsupported_architecture" | "address_declined" | undefined;
  /** A boot loader that gets no boot URL, in words; `undefined`: there is none. */
  loader?: string;
  /** Whether a Release holds the client's own address. */
  hasReleased?: boolean;
}

/** Bytes of an address in an IA, with the header of its option. */
const IA_ADDRESS_LENGTH = OPTION_HEADER + IA_ADDRESS_HEADER;

/** The enterprise number of PXE vendor classes: Intel's (RFC 5970 §3). */
const PXE_ENTERPRISE = 343;

/** Writes the replies for the subnets of one interface. */
export class Responder {
  /** The last message passed to {@linkcode respond}. */
  readonly packet: Packet = new Packet();

  /** The result for {@linkcode packet}. */
  readonly outcome: Outcome = {
    drop: undefined,
    length: 0,
    replyPort: 0,
    subnet: undefined,
    linkAddressAt: -1,
    clientMac: noClientMac(),
    event: undefined,
    note: undefined,
    loader: undefined,
    hasReleased: false,
  };

  readonly #options: ResponderOptions;
  readonly #serverDuid: Uint8Array;
  readonly #onRequest: readonly { code: number; bytes: Uint8Array }[];
  readonly #writer = new Writer();
  readonly #relayReply = new RelayReplyWriter(this.#writer);
  readonly #identityAssociations: IdentityAssociationWriter;

  /**
   * @param options Its configuration.
   * @param serverDuid The DUID in its Server ID, 3 to 130 bytes.
   */
  constructor(options: ResponderOptions, serverDuid: Uint8Array) {
    this.#options = options;
    this.#serverDuid = serverDuid;
    this.#identityAssociations = new IdentityAssociationWriter(
      this.#writer,
      options,
    );
    this.#onRequest = options.onRequest.map((option) => ({
      code: option.code,
      bytes: encodeOptions([option]),
    }));
  }

  /**
   * Writes the reply to the datagram in the first `length` bytes of `bytes`.
   *
   * @param sender The 16 bytes of the source address.
   * @param senderPort The UDP source port.
   * @param isLinkScoped Whether the destination was ff02::1:2 on the interface.
   * Clients that are not behind a relay have no other (RFC 9915 removed unicast).
   * @param reply A buffer of {@linkcode MAX_DHCPV6_REPLY} bytes for the reply.
   */
  respond(
    bytes: Uint8Array,
    length: number,
    sender: Uint8Array,
    senderPort: number,
    isLinkScoped: boolean,
    reply: Uint8Array,
  ): Outcome {
    const { outcome, packet } = this;
    outcome.length = 0;
    outcome.subnet = undefined;
    outcome.linkAddressAt = -1;
    outcome.clientMac.mac = NO_MAC;
    outcome.clientMac.otherMac = NO_MAC;
    outcome.event = undefined;
    outcome.note = undefined;
    outcome.loader = undefined;
    outcome.hasReleased = false;
    outcome.drop = packet.read(bytes, length);
    if (outcome.drop !== undefined) return outcome;
    outcome.replyPort = packet.depth === 0
      ? senderPort
      : relayReplyPort(packet, senderPort);
    outcome.drop = this.#respond(packet, sender, isLinkScoped, reply);
    return outcome;
  }

  #respond(
    packet: Packet,
    sender: Uint8Array,
    isLinkScoped: boolean,
    reply: Uint8Array,
  ): DropReason | undefined {
    const { outcome } = this;
    if (packet.depth === 0) {
      if (!isLinkScoped) return "client_message_not_multicast";
      // U-Boot asks again from the address that it has got.
      if (!isLinkLocal(sender) && !this.#isOwnAddress(packet, sender)) {
        return "source_not_link_local";
      }
    }
    const invalid = this.#validate(packet);
    if (invalid !== undefined) return invalid;
    const { macSources, allow, deny } = this.#options;
    findClientMac(packet, sender, macSources, outcome.clientMac);
    const subnet = this.#subnetOf(packet, isLinkScoped);
    if (subnet === undefined) return "link_unknown";
    outcome.subnet = subnet;
    const { mac } = outcome.clientMac;
    if (mac === NO_MAC) {
      if (packet.type !== MessageType.InformationRequest) return "no_mac";
    } else if (
      (deny.length > 0 && matchesMac(deny, mac)) ||
      (allow.length > 0 && !matchesMac(allow, mac))
    ) return "mac_not_allowed";

    const associations = this.#identityAssociations;
    associations.foreign = 0;
    associations.maxForeign = Infinity;
    let dropped = this.#write(packet, subnet, mac, reply);
    const excess = this.#writer.at - MAX_DHCPV6_REPLY;
    if (dropped === undefined && excess > 0) {
      // The addresses that the client is to drop give way to all else.
      associations.maxForeign = associations.foreign -
        Math.ceil(excess / IA_ADDRESS_LENGTH);
      if (associations.maxForeign < 0) return "answer_too_long";
      dropped = this.#write(packet, subnet, mac, reply);
    }
    if (dropped !== undefined) return dropped;
    outcome.length = this.#writer.at;
    return undefined;
  }

  /** Whether a client on the link sends from the address that it gets. */
  #isOwnAddress(packet: Packet, sender: Uint8Array): boolean {
    const { subnets, macSources } = this.#options;
    if (!equalBytes(sender, 0, subnets[0]!.bytes, 0, BASE_BYTES)) return false;
    const { clientMac } = this.outcome;
    findClientMac(packet, sender, macSources, clientMac);
    return clientMac.mac === macOfAddress(sender);
  }

  /** Writes the reply, with the headers of relays around it. */
  #write(
    packet: Packet,
    subnet: Subnet,
    mac: Mac,
    reply: Uint8Array,
  ): DropReason | undefined {
    this.#writer.reset(reply);
    this.#relayReply.begin(packet);
    const dropped = this.#writeReply(packet, subnet, mac);
    if (dropped === undefined) this.#relayReply.end(packet);
    return dropped;
  }

  /** Validates the message by RFC 8415 §16. */
  #validate(packet: Packet): DropReason | undefined {
    const { options, type } = packet;
    const clientId = options.find(OptionCode.ClientId);
    if (clientId === -1) {
      if (type !== MessageType.InformationRequest) return "client_id_missing";
    } else if (options.starts[clientId] === options.ends[clientId]) {
      return "client_id_empty";
    }
    const serverId = options.find(OptionCode.ServerId);
    switch (type) {
      case MessageType.Solicit:
      case MessageType.Confirm:
      case MessageType.Rebind:
        if (serverId !== -1) return "server_id_unexpected";
        return undefined;
      case MessageType.InformationRequest:
        if (
          options.find(OptionCode.IaNa) !== -1 ||
          options.find(OptionCode.IaTa) !== -1 ||
          options.find(OptionCode.IaPd) !== -1
        ) return "ia_unexpected";
        if (serverId === -1) return undefined;
        break;
      default:
        if (serverId === -1) return "server_id_missing";
    }
    const start = options.starts[serverId]!;
    const length = options.ends[serverId]! - start;
    return length === this.#serverDuid.length &&
        equalBytes(packet.bytes, start, this.#serverDuid, 0, length)
      ? undefined
      : "server_id_foreign";
  }

  /**
   * The subnet of the client: by the link-address of the relay nearest to it that
   * has one (RFC 8415 §13.1), or that of the interface.
   */
  #subnetOf(packet: Packet, isLinkScoped: boolean): Subnet | undefined {
    const { subnets, linkPrefixes = [] } = this.#options;
    for (let level = packet.depth - 1; level >= 0; level--) {
      const at = packet.relays[level]!.linkAddressAt;
      if (isUnspecified(packet.bytes, at) || isLinkLocal(packet.bytes, at)) {
        continue;
      }
      this.outcome.linkAddressAt = at;
      return subnetOfLinkAddress(packet.bytes, at, subnets, linkPrefixes);
    }
    return isLinkScoped ? subnets[0] : undefined;
  }

  #writeReply(
    packet: Packet,
    subnet: Subnet,
    mac: Mac,
  ): DropReason | undefined {
    const { options, bytes } = packet;
    const writer = this.#writer;
    const isRapidCommit = packet.type === MessageType.Solicit &&
      options.find(OptionCode.RapidCommit) !== -1;
    writer.uint8(
      packet.type === MessageType.Solicit && !isRapidCommit
        ? MessageType.Advertise
        : MessageType.Reply,
    );
    writer.copy(bytes, packet.at + 1, packet.at + MESSAGE_HEADER);
    writer.copyOption(bytes, options, options.find(OptionCode.ClientId));
    const serverId = writer.begin(OptionCode.ServerId);
    writer.copy(this.#serverDuid);
    writer.end(serverId);
    switch (packet.type) {
      case MessageType.Solicit: {
        const assigned = this.#identityAssociations.assign(packet, subnet, mac);
        if (isRapidCommit) {
          writer.end(writer.begin(OptionCode.RapidCommit));
        } else if (assigned && this.#options.preference > 0) {
          const start = writer.begin(OptionCode.Preference);
          writer.uint8(this.#options.preference);
          writer.end(start);
        }
        break;
      }
      case MessageType.Request:
      case MessageType.Renew:
      case MessageType.Rebind:
        this.#identityAssociations.assign(packet, subnet, mac);
        break;
      case MessageType.Confirm:
        return this.#identityAssociations.confirm(packet, subnet, mac);
      case MessageType.Release:
        this.outcome.hasReleased = this.#identityAssociations.release(
          packet,
          subnet,
          mac,
        );
        return undefined;
      case MessageType.Decline:
        if (this.#identityAssociations.release(packet, subnet, mac)) {
          this.outcome.note = "address_declined";
        }
        return undefined;
    }
    this.#writeRequested(packet);
    // Some firmware reads the URL up to the next zero byte: this is the last option.
    this.#writeBoot(packet, subnet, mac);
    return undefined;
  }

  /** Writes the options that the client requests (option 6). */
  #writeRequested(packet: Packet): void {
    const { bytes, options } = packet;
    const request = options.find(OptionCode.OptionRequest);
    if (request === -1) return;
    const start = options.starts[request]!;
    const end = options.ends[request]!;
    for (const option of this.#onRequest) {
      if (listsCode(bytes, start, end, option.code)) {
        this.#writer.copy(option.bytes);
      }
    }
    if (listsCode(bytes, start, end, OptionCode.ClientFqdn)) {
      this.#writeFqdn(packet);
    }
  }

  /** Returns the client's name; the daemon updates no DNS (RFC 4704 §6). */
  #writeFqdn(packet: Packet): void {
    const { bytes, options } = packet;
    const index = options.find(OptionCode.ClientFqdn);
    if (index === -1) return;
    const data = options.starts[index]!;
    const S = 1, O = 2, N = 4;
    const start = this.#writer.begin(OptionCode.ClientFqdn);
    this.#writer.uint8((bytes[data]! & S) !== 0 ? N | O : N);
    this.#writer.copy(bytes, data + 1, options.ends[index]);
    this.#writer.end(start);
  }

  #writeBoot(packet: Packet, subnet: Subnet, mac: Mac): void {
    if (mac === NO_MAC) return;
    const { boot } = this.#options;
    const facts = bootFactsOf(packet);
    const mayBoot = boot !== undefined &&
      (facts.vendor !== undefined || facts.requestsBootFile) &&
      boot.isBootAllowed(mac);
    const { event, note, loader, instruction } = decideBoot(
      facts,
      mayBoot ? boot : undefined,
    );
    const { outcome } = this;
    if (packet.type !== MessageType.InformationRequest) {
      outcome.event = event;
      if (note === "unsupported_architecture") outcome.note = note;
      if (loader !== undefined) {
        outcome.loader = describeLoader(packet, loader, facts);
      }
    }
    if (boot === undefined || instruction.kind === "none") return;
    const writer = this.#writer;
    if (instruction.kind === "url" && instruction.httpClient) {
      const start = writer.begin(OptionCode.VendorClass);
      writer.uint32(PXE_ENTERPRISE);
      writer.uint16("HTTPClient".length);
      writer.ascii("HTTPClient");
      writer.end(start);
    }
    const start = writer.begin(OptionCode.BootFileUrl);
    writer.ascii(instructionUrl(instruction, boot, {
      mac,
      baseAddress: subnet.text,
      architectures: facts.architectures,
    }));
    writer.end(start);
  }
}
