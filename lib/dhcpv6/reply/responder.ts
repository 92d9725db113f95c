/**
 * The answer to a message: a packet in, an answer or a drop reason out. No
 * clock, no socket, no log: what happened is told in an {@linkcode Outcome}.
 *
 * @module
 */

import { type IpxeBuild, ipxeFileName } from "../../boot_files/ipxe_builds.ts";
import { equalBytes, isLinkLocal, isUnspecified } from "../../net/ipv6.ts";
import {
  formatMac,
  type Mac,
  type MacPattern,
  matchesMac,
  NO_MAC,
} from "../../net/mac.ts";
import {
  type DropReason,
  MAX_DHCPV6_REPLY,
  MESSAGE_HEADER,
  MessageType,
  OptionCode,
} from "../wire/constants.ts";
import {
  encodeOptions,
  listsCode,
  type Option,
  Packet,
} from "../wire/packet.ts";
import { Writer } from "../wire/writer.ts";
import { type BootEvent, bootFactsOf, decideBoot } from "./boot_decision.ts";
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
import { isInSubnet, type Subnet } from "./subnet.ts";
import {
  bootPayload,
  renderTemplate,
  type UrlTemplate,
} from "./url_template.ts";

/** What boot instructions are made of. */
export interface BootOptions {
  readonly template: UrlTemplate;
  /** The address in URLs that name this daemon over TFTP. */
  readonly tftpAddress: string;
  /** `{{.BootAddress}}` */
  readonly bootAddress: string;
  /** The iPXE builds that can be served; `undefined`: TFTP is not served. */
  readonly builds: ReadonlySet<IpxeBuild> | undefined;
  /** Whether a machine gets instructions now. */
  readonly isBootAllowed: (mac: Mac) => boolean;
}

/** What a responder answers with. */
export interface ResponderOptions extends Lifetimes {
  /** The direct link first, then those behind relays; at least one. */
  readonly subnets: readonly Subnet[];
  /** 0 to 255 (RFC 8415 §21.8). */
  readonly preference: number;
  readonly macSources: readonly MacSource[];
  /** Machines that are answered; none: all. */
  readonly allow: readonly MacPattern[];
  /** Machines that are not answered, whatever `allow` says. */
  readonly deny: readonly MacPattern[];
  /** Options that clients get when they ask for their codes. */
  readonly onRequest: readonly Option[];
  readonly boot: BootOptions | undefined;
}

/** What became of one message. One object serves every message in turn. */
export interface Outcome {
  /** Why it gets no answer; `undefined`: it gets one. */
  drop: DropReason | undefined;
  /** Octets of the answer. */
  length: number;
  /** The UDP port that the answer goes to, at the address it came from. */
  replyPort: number;
  /** The client's link, if the message got as far. */
  subnet: Subnet | undefined;
  readonly clientMac: ClientMac;
  /** The stage of a boot that the message marks. */
  event: BootEvent | undefined;
  /** What an operator should know besides. */
  note: "unsupported_architecture" | "address_declined" | undefined;
}

/** The IANA number under which PXE's vendor classes are (Intel; RFC 5970). */
const PXE_ENTERPRISE = 343;

/** Answers DHCPv6 messages for the links of one interface. */
export class Responder {
  /** The message last given to {@linkcode respond}. */
  readonly packet: Packet = new Packet();

  /** What became of it. */
  readonly outcome: Outcome = {
    drop: undefined,
    length: 0,
    replyPort: 0,
    subnet: undefined,
    clientMac: noClientMac(),
    event: undefined,
    note: undefined,
  };

  readonly #options: ResponderOptions;
  readonly #serverDuid: Uint8Array;
  readonly #onRequest: readonly { code: number; bytes: Uint8Array }[];
  readonly #writer = new Writer();
  readonly #relayReply = new RelayReplyWriter(this.#writer);
  readonly #identityAssociations: IdentityAssociationWriter;

  /**
   * @param options What it answers with.
   * @param serverDuid What it calls itself: 3 to 130 octets.
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
   * Answers the datagram in the first `length` octets of `bytes`.
   *
   * @param sender The 16 octets of the address it came from.
   * @param senderPort The UDP port it came from.
   * @param isLinkScoped Whether it came to ff02::1:2 on the interface: the only way
   * on which clients themselves are heard (RFC 9915 took unicast away).
   * @param answer Takes the answer: {@linkcode MAX_DHCPV6_REPLY} octets.
   */
  respond(
    bytes: Uint8Array,
    length: number,
    sender: Uint8Array,
    senderPort: number,
    isLinkScoped: boolean,
    answer: Uint8Array,
  ): Outcome {
    const { outcome, packet } = this;
    outcome.length = 0;
    outcome.subnet = undefined;
    outcome.clientMac.mac = NO_MAC;
    outcome.clientMac.otherMac = NO_MAC;
    outcome.event = undefined;
    outcome.note = undefined;
    outcome.drop = packet.read(bytes, length);
    if (outcome.drop !== undefined) return outcome;
    outcome.replyPort = packet.depth === 0
      ? senderPort
      : relayReplyPort(packet, senderPort);
    outcome.drop = this.#respond(packet, sender, isLinkScoped, answer);
    return outcome;
  }

  #respond(
    packet: Packet,
    sender: Uint8Array,
    isLinkScoped: boolean,
    answer: Uint8Array,
  ): DropReason | undefined {
    const { outcome } = this;
    if (packet.depth === 0) {
      if (!isLinkScoped) return "client_message_not_multicast";
      if (!isLinkLocal(sender)) return "source_not_link_local";
    }
    const invalid = this.#validate(packet);
    if (invalid !== undefined) return invalid;
    const subnet = this.#subnetOf(packet, isLinkScoped);
    if (subnet === undefined) return "link_unknown";
    outcome.subnet = subnet;
    const { macSources, allow, deny } = this.#options;
    findClientMac(packet, sender, macSources, outcome.clientMac);
    const { mac } = outcome.clientMac;
    if (mac === NO_MAC) {
      if (packet.type !== MessageType.InformationRequest) return "no_mac";
    } else if (
      (deny.length > 0 && matchesMac(deny, mac)) ||
      (allow.length > 0 && !matchesMac(allow, mac))
    ) return "mac_not_allowed";

    const writer = this.#writer;
    writer.reset(answer);
    this.#relayReply.begin(packet);
    const dropped = this.#writeReply(packet, subnet, mac);
    if (dropped !== undefined) return dropped;
    this.#relayReply.end(packet);
    if (writer.at > MAX_DHCPV6_REPLY) return "answer_too_long";
    outcome.length = writer.at;
    return undefined;
  }

  /** RFC 8415 §16, message by message. */
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

  /** The link that a message belongs to. */
  #subnetOf(packet: Packet, isLinkScoped: boolean): Subnet | undefined {
    const { subnets } = this.#options;
    for (let level = packet.depth - 1; level >= 0; level--) {
      const at = packet.relays[level]!.linkAddressAt;
      if (isUnspecified(packet.bytes, at) || isLinkLocal(packet.bytes, at)) {
        continue;
      }
      for (const subnet of subnets) {
        if (isInSubnet(packet.bytes, at, subnet)) return subnet;
      }
      return undefined;
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
    const commits = packet.type === MessageType.Solicit &&
      options.find(OptionCode.RapidCommit) !== -1;
    writer.uint8(
      packet.type === MessageType.Solicit && !commits
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
        if (commits) {
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
        this.#identityAssociations.release(packet, subnet, mac);
        return undefined;
      case MessageType.Decline:
        if (this.#identityAssociations.release(packet, subnet, mac)) {
          this.outcome.note = "address_declined";
        }
        return undefined;
    }
    this.#writeRequested(packet);
    // firmware reads the URL to the next zero octet: it must be the last option
    this.#writeBoot(packet, subnet, mac);
    return undefined;
  }

  /** Options that the client asks for (option 6). */
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

  /** RFC 4704 §6: the name comes back; this server updates no DNS. */
  #writeFqdn(packet: Packet): void {
    const { bytes, options } = packet;
    const index = options.find(OptionCode.ClientFqdn);
    if (index === -1) return;
    const asked = options.starts[index]!;
    const S = 1, O = 2, N = 4;
    const start = this.#writer.begin(OptionCode.ClientFqdn);
    this.#writer.uint8((bytes[asked]! & S) !== 0 ? N | O : N);
    this.#writer.copy(bytes, asked + 1, options.ends[index]);
    this.#writer.end(start);
  }

  #writeBoot(packet: Packet, subnet: Subnet, mac: Mac): void {
    if (mac === NO_MAC) return;
    const { boot } = this.#options;
    const facts = bootFactsOf(packet);
    const decision = decideBoot(
      facts,
      boot !== undefined && facts.vendor !== undefined &&
        boot.isBootAllowed(mac),
      boot?.builds,
    );
    if (packet.type !== MessageType.InformationRequest) {
      this.outcome.event = decision.event;
      this.outcome.note = decision.note;
    }
    const { instruction } = decision;
    if (boot === undefined || instruction.kind === "none") return;
    const writer = this.#writer;
    if (instruction.kind === "template" && instruction.httpClient) {
      const start = writer.begin(OptionCode.VendorClass);
      writer.uint32(PXE_ENTERPRISE);
      writer.uint16("HTTPClient".length);
      writer.ascii("HTTPClient");
      writer.end(start);
    }
    const start = writer.begin(OptionCode.BootFileUrl);
    writer.ascii(
      instruction.kind === "ipxe"
        ? `tftp://[${boot.tftpAddress}]/${formatMac(mac)}/${
          ipxeFileName(instruction.build)
        }`
        : renderTemplate(boot.template, {
          MAC: formatMac(mac),
          BaseAddress: subnet.text,
          BootAddress: boot.bootAddress,
          Payload: bootPayload(facts.architectures),
        }),
    );
    writer.end(start);
  }
}
