/**
 * The answer to a message: a packet in, an answer or a drop reason out. No
 * clock, no socket, no log: what happened is told in an {@linkcode Outcome}.
 *
 * @module
 */

import { type IpxeBuild, ipxeFileName } from "../../boot_files/ipxe_builds.ts";
import {
  BASE_BYTES,
  equalBytes,
  formatIpv6,
  IPV6_LENGTH,
  isLinkLocal,
  isUnspecified,
  macOfAddress,
  type ParsedAddress,
  SUBNET_BYTES,
} from "../../net/ipv6.ts";
import {
  formatMac,
  type Mac,
  type MacPattern,
  matchesMac,
  NO_MAC,
  writeMac,
} from "../../net/mac.ts";
import {
  LONGEST_ARCHITECTURE_NAME,
  MAX_ARCHITECTURES,
} from "./architectures.ts";
import { type BootEvent, bootFactsOf, decideBoot } from "./boot_decision.ts";
import {
  type DropReason,
  IA_ADDRESS_HEADER,
  IA_HEADER,
  IA_TA_HEADER,
  MAX_DHCPV6_REPLY,
  MAX_DUID,
  MAX_RELAY_DEPTH,
  MESSAGE_HEADER,
  MessageType,
  OPTION_HEADER,
  OptionCode,
  RELAY_HEADER,
  SERVER_PORT,
  StatusCode,
} from "../wire/constants.ts";
import {
  type ClientMac,
  findClientMac,
  type MacSource,
  noClientMac,
} from "./client_mac.ts";
import {
  encodeOptions,
  nextAddress,
  type Option,
  optionEnd,
  type OptionTable,
  Packet,
  readUint16,
} from "../wire/packet.ts";
import {
  bootPayload,
  renderTemplate,
  SAMPLE_VALUES,
  type UrlTemplate,
} from "./url_template.ts";
import { Writer } from "../wire/writer.ts";

/** A link whose clients get addresses: the base address that they begin with. */
export type Subnet = ParsedAddress;

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
export interface ResponderOptions {
  /** The direct link first, then those behind relays; at least one. */
  readonly subnets: readonly Subnet[];
  /** Seconds, 1 to 2^32 - 1; the highest means for ever (RFC 8415 §7.7). */
  readonly preferredLifetime: number;
  /** Seconds, not less than `preferredLifetime`. */
  readonly validLifetime: number;
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

/** Lifetimes that mean "for ever" (RFC 8415 §7.7). */
const INFINITY = 0xffff_ffff;

function fractionOf(lifetime: number, factor: number): number {
  return lifetime === INFINITY ? INFINITY : Math.floor(lifetime * factor);
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
  readonly #t1: number;
  readonly #t2: number;
  readonly #onRequest: readonly { code: number; bytes: Uint8Array }[];
  readonly #writer = new Writer();
  /** Where each level's Relay Message begins in the answer. */
  readonly #relayMessages = new Uint16Array(MAX_RELAY_DEPTH);

  /**
   * @param options What it answers with.
   * @param serverDuid What it calls itself: 3 to 130 octets.
   */
  constructor(options: ResponderOptions, serverDuid: Uint8Array) {
    this.#options = options;
    this.#serverDuid = serverDuid;
    this.#t1 = fractionOf(options.preferredLifetime, 0.5);
    this.#t2 = fractionOf(options.preferredLifetime, 0.875);
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
    for (let level = 0; level < packet.depth; level++) {
      this.#relayMessages[level] = this.#beginRelayReply(packet, level);
    }
    const dropped = this.#writeReply(packet, subnet, mac);
    if (dropped !== undefined) return dropped;
    for (let level = packet.depth - 1; level >= 0; level--) {
      writer.end(this.#relayMessages[level]!);
    }
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

  /** Writes all but the inside of a level's Relay Message; where that begins. */
  #beginRelayReply(packet: Packet, level: number): number {
    const writer = this.#writer;
    const { bytes } = packet;
    const relay = packet.relays[level]!;
    const { options } = relay;
    writer.uint8(MessageType.RelayReply);
    // hop-count, link-address and peer-address go back as they came
    writer.copy(bytes, relay.hopCountAt, relay.at + RELAY_HEADER);
    this.#copyOption(bytes, options, options.find(OptionCode.InterfaceId));
    this.#copyOption(bytes, options, options.find(OptionCode.RelaySourcePort));
    const echo = options.find(OptionCode.EchoRequest);
    if (echo !== -1) this.#echo(packet, options, echo);
    return writer.begin(OptionCode.RelayMessage);
  }

  /** The options that a relay wants back (RFC 4994). */
  #echo(packet: Packet, options: OptionTable, echo: number): void {
    const { bytes } = packet;
    const start = options.starts[echo]!;
    const end = options.ends[echo]!;
    // By the options, of which there are few: a list of codes may be long.
    for (let index = 0; index < options.count; index++) {
      const code = options.codes[index]!;
      if (
        code === OptionCode.InterfaceId || code === OptionCode.RelayMessage ||
        code === OptionCode.RelaySourcePort ||
        !listsCode(bytes, start, end, code)
      ) continue;
      this.#copyOption(bytes, options, index);
    }
  }

  #copyOption(bytes: Uint8Array, options: OptionTable, index: number): void {
    if (index === -1) return;
    this.#writer.copy(
      bytes,
      options.starts[index]! - OPTION_HEADER,
      options.ends[index],
    );
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
    this.#copyOption(bytes, options, options.find(OptionCode.ClientId));
    const serverId = writer.begin(OptionCode.ServerId);
    writer.copy(this.#serverDuid);
    writer.end(serverId);
    switch (packet.type) {
      case MessageType.Solicit: {
        const assigned = this.#assign(packet, subnet, mac);
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
        this.#assign(packet, subnet, mac);
        break;
      case MessageType.Confirm:
        return this.#writeConfirmReply(packet, subnet, mac);
      case MessageType.Release:
      case MessageType.Decline:
        this.#writeReleaseReply(packet, subnet, mac);
        return undefined;
    }
    this.#writeRequested(packet);
    // firmware reads the URL to the next zero octet: it must be the last option
    this.#writeBoot(packet, subnet, mac);
    return undefined;
  }

  /** Writes an answer into every IA; whether all of them got what they want. */
  #assign(packet: Packet, subnet: Subnet, mac: Mac): boolean {
    const { options } = packet;
    let isFirst = true;
    let assigned = true;
    for (let index = 0; index < options.count; index++) {
      switch (options.codes[index]) {
        case OptionCode.IaNa: {
          const start = this.#beginIa(packet, index, OptionCode.IaNa);
          if (
            packet.type === MessageType.Request &&
            !this.#addressesAreInSubnet(packet, index, subnet)
          ) {
            this.#status(StatusCode.NotOnLink, "address of another link");
            assigned = false;
          } else if (isFirst) {
            this.#writeAddress(packet, index, subnet, mac, start);
          } else {
            // Renewed or not: a status and addresses do not go together, and
            // what is not renewed ends by itself.
            this.#status(StatusCode.NoAddrsAvail, "one address a machine");
            assigned = false;
          }
          isFirst = false;
          this.#writer.end(start);
          break;
        }
        case OptionCode.IaTa:
          this.#refuse(packet, index, StatusCode.NoAddrsAvail);
          assigned = false;
          break;
        case OptionCode.IaPd:
          this.#refuse(packet, index, StatusCode.NoPrefixAvail);
          assigned = false;
          break;
      }
    }
    return assigned;
  }

  /** Begins an IA with the client's IAID, T1 and T2 of zero where it has them. */
  #beginIa(packet: Packet, index: number, code: number): number {
    const writer = this.#writer;
    const start = writer.begin(code);
    const iaid = packet.options.starts[index]!;
    writer.copy(packet.bytes, iaid, iaid + 4);
    if (code !== OptionCode.IaTa) {
      writer.uint32(0);
      writer.uint32(0);
    }
    return start;
  }

  #refuse(packet: Packet, index: number, status: number): void {
    const start = this.#beginIa(packet, index, packet.options.codes[index]!);
    this.#status(
      status,
      status === StatusCode.NoPrefixAvail
        ? "no prefixes here"
        : "no temporary addresses here",
    );
    this.#writer.end(start);
  }

  #writeAddress(
    packet: Packet,
    index: number,
    subnet: Subnet,
    mac: Mac,
    start: number,
  ): void {
    const writer = this.#writer;
    const { preferredLifetime, validLifetime } = this.#options;
    writer.at = start + 4;
    writer.uint32(this.#t1);
    writer.uint32(this.#t2);
    writer.uint16(OptionCode.IaAddress);
    writer.uint16(IA_ADDRESS_HEADER);
    writer.copy(subnet.bytes, 0, BASE_BYTES);
    writeMac(writer.bytes, writer.at, mac);
    writer.at += IPV6_LENGTH - BASE_BYTES;
    writer.uint32(preferredLifetime);
    writer.uint32(validLifetime);
    if (
      packet.type !== MessageType.Renew && packet.type !== MessageType.Rebind
    ) return;
    // RFC 8415 §18.3.4: an address that is not the client's ends here.
    const { bytes } = packet;
    const end = packet.options.ends[index]!;
    let at = packet.options.starts[index]! + IA_HEADER;
    while ((at = nextAddress(bytes, at, end)) !== -1) {
      if (!isOwn(bytes, at, subnet, mac)) {
        writer.uint16(OptionCode.IaAddress);
        writer.uint16(IA_ADDRESS_HEADER);
        writer.copy(bytes, at, at + IPV6_LENGTH);
        writer.uint32(0);
        writer.uint32(0);
      }
      at = optionEnd(bytes, at);
    }
  }

  #addressesAreInSubnet(
    packet: Packet,
    index: number,
    subnet: Subnet,
  ): boolean {
    const { bytes } = packet;
    const end = packet.options.ends[index]!;
    let at = packet.options.starts[index]! + IA_HEADER;
    while ((at = nextAddress(bytes, at, end)) !== -1) {
      // `::` is how some clients say that any address will do
      if (!isInSubnet(bytes, at, subnet) && !isUnspecified(bytes, at)) {
        return false;
      }
      at = optionEnd(bytes, at);
    }
    return true;
  }

  /** Whose addresses an IA_NA or IA_TA holds: `OWN`, `OTHER`, both or none. */
  #ownersIn(packet: Packet, index: number, subnet: Subnet, mac: Mac): number {
    const { bytes, options } = packet;
    const header = options.codes[index] === OptionCode.IaTa
      ? IA_TA_HEADER
      : IA_HEADER;
    const end = options.ends[index]!;
    let at = options.starts[index]! + header;
    let owners = 0;
    while ((at = nextAddress(bytes, at, end)) !== -1) {
      owners |= isOwn(bytes, at, subnet, mac) ? OWN : OTHER;
      at = optionEnd(bytes, at);
    }
    return owners;
  }

  /** RFC 8415 §18.3.3, but stricter: only the client's own address is right. */
  #writeConfirmReply(
    packet: Packet,
    subnet: Subnet,
    mac: Mac,
  ): DropReason | undefined {
    const { options } = packet;
    let owners = 0;
    for (let index = 0; index < options.count; index++) {
      const code = options.codes[index];
      if (code === OptionCode.IaNa || code === OptionCode.IaTa) {
        owners |= this.#ownersIn(packet, index, subnet, mac);
      }
    }
    if (owners === 0) return "confirm_without_address";
    if (owners === OWN) this.#status(StatusCode.Success, "still yours");
    else this.#status(StatusCode.NotOnLink, "not the address of this machine");
    return undefined;
  }

  /** Release and Decline (RFC 8415 §18.3.7 and §18.3.8): nothing is kept. */
  #writeReleaseReply(packet: Packet, subnet: Subnet, mac: Mac): void {
    const { options } = packet;
    this.#status(StatusCode.Success, "noted");
    for (let index = 0; index < options.count; index++) {
      const code = options.codes[index];
      if (code === OptionCode.IaPd) {
        // No prefix is ever bound to anybody.
        this.#notBound(packet, index);
      } else if (code === OptionCode.IaNa || code === OptionCode.IaTa) {
        const owners = this.#ownersIn(packet, index, subnet, mac);
        if ((owners & OTHER) !== 0) this.#notBound(packet, index);
        if ((owners & OWN) !== 0 && packet.type === MessageType.Decline) {
          this.outcome.note = "address_declined";
        }
      }
    }
  }

  #notBound(packet: Packet, index: number): void {
    const start = this.#beginIa(packet, index, packet.options.codes[index]!);
    this.#status(StatusCode.NoBinding, "not of this machine");
    this.#writer.end(start);
  }

  #status(code: number, text: string): void {
    const writer = this.#writer;
    const start = writer.begin(OptionCode.StatusCode);
    writer.uint16(code);
    writer.ascii(text);
    writer.end(start);
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

/** Whose an address is: the client's, or somebody else's. */
const OWN = 1;
const OTHER = 2;

/** RFC 8357: a relay that says so gets its answer at the port it sends from. */
function relayReplyPort(packet: Packet, senderPort: number): number {
  return packet.relays[0]!.options.find(OptionCode.RelaySourcePort) === -1
    ? SERVER_PORT
    : senderPort;
}

/** Whether the 16-bit codes from `start` to `end` have `code` among them. */
function listsCode(
  bytes: Uint8Array,
  start: number,
  end: number,
  code: number,
): boolean {
  for (let at = start; at < end; at += 2) {
    if (readUint16(bytes, at) === code) return true;
  }
  return false;
}

/** Whether the address at `at` is in the link's /64. */
function isInSubnet(bytes: Uint8Array, at: number, subnet: Subnet): boolean {
  return equalBytes(bytes, at, subnet.bytes, 0, SUBNET_BYTES);
}

/** Whether the address at `at` is the one that the link gives to `mac`. */
function isOwn(
  bytes: Uint8Array,
  at: number,
  subnet: Subnet,
  mac: Mac,
): boolean {
  return equalBytes(bytes, at, subnet.bytes, 0, BASE_BYTES) &&
    macOfAddress(bytes, at) === mac;
}

/** Why every client could not be answered with these settings, if so. */
export function longestAnswerProblem(
  options: Omit<ResponderOptions, "boot">,
  template: UrlTemplate | undefined,
): string | undefined {
  const iaNa = OPTION_HEADER + IA_HEADER + OPTION_HEADER + IA_ADDRESS_HEADER;
  let length = MESSAGE_HEADER + 2 * (OPTION_HEADER + MAX_DUID) + iaNa +
    OPTION_HEADER + 1;
  length += encodeOptions(options.onRequest).length;
  if (template !== undefined) {
    const url = renderTemplate(template, {
      ...SAMPLE_VALUES,
      BaseAddress: longest(options.subnets.map((subnet) => subnet.text)),
      BootAddress: formatIpv6(new Uint8Array(IPV6_LENGTH).fill(0xff)),
      Payload: LONGEST_PAYLOAD,
    });
    length += OPTION_HEADER + 4 + 2 + "HTTPClient".length + OPTION_HEADER +
      url.length;
  }
  return length <= MAX_DHCPV6_REPLY
    ? undefined
    : `--http-boot-url-template, --dns, --domain-search and --ntp together are too long: an answer could need ${length} octets, ` +
      `more than the ${MAX_DHCPV6_REPLY} that one IPv6 packet always carries`;
}

function longest(texts: readonly string[]): string {
  return texts.reduce((a, b) => b.length > a.length ? b : a, "");
}

/** As many as can be of the architecture with the longest name. */
const LONGEST_PAYLOAD = bootPayload(
  new Array(MAX_ARCHITECTURES).fill(LONGEST_ARCHITECTURE_NAME),
);
