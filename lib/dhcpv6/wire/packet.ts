/**
 * The wire format of DHCPv6 messages (RFC 8415 §8, §9 and §21).
 *
 * {@linkcode Packet} is a checked view: `read` validates all lengths once, keeps
 * positions and copies nothing, so that one `Packet` serves every datagram of a
 * socket. After `read` has returned `undefined`, callers use lengths without
 * checking them again. {@linkcode Message} is a message as a value, for code
 * outside the packet path.
 *
 * @module
 */

import { formatIpv6, IPV6_LENGTH, parseIpv6Into } from "../../net/ipv6.ts";
import {
  type DropReason,
  IA_ADDRESS_HEADER,
  IA_HEADER,
  IA_PREFIX_HEADER,
  IA_TA_HEADER,
  MAX_DHCPV6_PACKET,
  MAX_DUID,
  MAX_OPTIONS,
  MAX_RELAY_DEPTH,
  MESSAGE_HEADER,
  MessageType,
  MIN_DUID,
  OPTION_HEADER,
  OptionCode,
  RELAY_HEADER,
} from "./constants.ts";

/** The unsigned 16-bit number at offset `at`. */
export function readUint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 8 | bytes[at + 1]!;
}

/** The unsigned 32-bit number at offset `at`. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
    bytes[at + 3]!) >>> 0;
}

/** Limits of the bytes of an option, by code. */
const MIN_LENGTH = new Uint16Array(256);
const MAX_LENGTH = new Uint16Array(256).fill(0xffff);

function lengthOf(code: number, min: number, max = 0xffff): void {
  MIN_LENGTH[code] = min;
  MAX_LENGTH[code] = max;
}

// Length 0 is accepted here: an empty Client ID has its own drop reason.
lengthOf(OptionCode.ClientId, 0, MAX_DUID);
lengthOf(OptionCode.ServerId, MIN_DUID, MAX_DUID);
lengthOf(OptionCode.IaNa, IA_HEADER);
lengthOf(OptionCode.IaTa, IA_TA_HEADER);
lengthOf(OptionCode.IaAddress, IA_ADDRESS_HEADER);
lengthOf(OptionCode.Preference, 1, 1);
lengthOf(OptionCode.ElapsedTime, 2, 2);
lengthOf(OptionCode.Authentication, 11);
lengthOf(OptionCode.ServerUnicast, 16, 16);
lengthOf(OptionCode.StatusCode, 2);
lengthOf(OptionCode.RapidCommit, 0, 0);
lengthOf(OptionCode.VendorClass, 4);
lengthOf(OptionCode.ReconfigureMessage, 1, 1);
lengthOf(OptionCode.ReconfigureAccept, 0, 0);
lengthOf(OptionCode.IaPd, IA_HEADER);
lengthOf(OptionCode.IaPrefix, IA_PREFIX_HEADER);
lengthOf(OptionCode.InformationRefreshTime, 4, 4);
lengthOf(OptionCode.ClientFqdn, 1);
lengthOf(OptionCode.ClientArchitecture, 2);
lengthOf(OptionCode.NetworkInterfaceId, 3, 3);
lengthOf(OptionCode.ClientLinkLayerAddress, 2);
lengthOf(OptionCode.SolMaxRt, 4, 4);
lengthOf(OptionCode.InfMaxRt, 4, 4);
lengthOf(OptionCode.RelaySourcePort, 2, 2);

/** Whether the options from `at` to `end` are complete, nested ones as well. */
function areOptionsValid(
  bytes: Uint8Array,
  at: number,
  end: number,
): boolean {
  while (at < end) {
    if (end - at < OPTION_HEADER) return false;
    const code = readUint16(bytes, at);
    const start = at + OPTION_HEADER;
    at = start + readUint16(bytes, at + 2);
    if (at > end || !isOptionValid(bytes, code, start, at)) return false;
  }
  return true;
}

function isOptionValid(
  bytes: Uint8Array,
  code: number,
  start: number,
  end: number,
): boolean {
  if (code > 255) return true;
  const length = end - start;
  if (length < MIN_LENGTH[code]! || length > MAX_LENGTH[code]!) return false;
  switch (code) {
    case OptionCode.ClientId:
      return length === 0 || length >= MIN_DUID;
    case OptionCode.IaNa:
    case OptionCode.IaPd:
      return areOptionsValid(bytes, start + IA_HEADER, end);
    case OptionCode.IaTa:
      return areOptionsValid(bytes, start + IA_TA_HEADER, end);
    case OptionCode.IaAddress:
      return areOptionsValid(bytes, start + IA_ADDRESS_HEADER, end);
    case OptionCode.IaPrefix:
      return areOptionsValid(bytes, start + IA_PREFIX_HEADER, end);
    case OptionCode.OptionRequest:
    case OptionCode.EchoRequest:
    case OptionCode.ClientArchitecture:
      return length % 2 === 0;
    case OptionCode.UserClass:
      return areStringsValid(bytes, start, end);
    case OptionCode.VendorClass:
      return areStringsValid(bytes, start + 4, end);
    default:
      return true;
  }
}

/** User and vendor classes contain strings with a 16-bit length each. */
function areStringsValid(bytes: Uint8Array, at: number, end: number): boolean {
  while (at < end) {
    if (end - at < 2) return false;
    at += 2 + readUint16(bytes, at);
  }
  return at === end;
}

/** The offset of the address in the first IA Address from `at` on; -1 if none. */
export function nextAddress(
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  while (at < end) {
    const data = at + OPTION_HEADER;
    if (readUint16(bytes, at) === OptionCode.IaAddress) return data;
    at = optionEnd(bytes, data);
  }
  return -1;
}

/** Whether the 16-bit option codes from `start` to `end` include `code`. */
export function listsCode(
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

/** The end (exclusive) of the option whose data begins at `data`. */
export function optionEnd(bytes: Uint8Array, data: number): number {
  return data + readUint16(bytes, data - 2);
}

/** The options of one level of a message, as offsets in its bytes. */
export class OptionTable {
  /** The number of options. */
  count = 0;
  /** Their codes. */
  readonly codes: Uint16Array = new Uint16Array(MAX_OPTIONS);
  /** The offsets of their data. */
  readonly starts: Uint16Array = new Uint16Array(MAX_OPTIONS);
  /** The ends (exclusive) of their data. */
  readonly ends: Uint16Array = new Uint16Array(MAX_OPTIONS);

  /**
   * The index of the first option with `code` at or after `from`; -1 if there
   * is none.
   */
  find(code: number, from = 0): number {
    for (let index = from; index < this.count; index++) {
      if (this.codes[index] === code) return index;
    }
    return -1;
  }

  /** Reads the options from `at` to `end`; returns the reason if they are invalid. */
  read(bytes: Uint8Array, at: number, end: number): DropReason | undefined {
    let count = 0;
    while (at < end) {
      if (end - at < OPTION_HEADER) return "option_malformed";
      if (count === MAX_OPTIONS) return "too_many_options";
      const code = readUint16(bytes, at);
      const start = at + OPTION_HEADER;
      at = start + readUint16(bytes, at + 2);
      if (at > end || !isOptionValid(bytes, code, start, at)) {
        return "option_malformed";
      }
      this.codes[count] = code;
      this.starts[count] = start;
      this.ends[count] = at;
      count++;
    }
    this.count = count;
    return undefined;
  }
}

/** One Relay-forward around a client's message (RFC 8415 §9.1). */
export class RelayLevel {
  /** The offset of its header. */
  at = 0;
  /** Its options, the Relay Message among them. */
  readonly options: OptionTable = new OptionTable();

  /** The offset of its hop-count. */
  get hopCountAt(): number {
    return this.at + 1;
  }

  /** The offset of its link-address. */
  get linkAddressAt(): number {
    return this.at + 2;
  }

  /** The offset of its peer-address. */
  get peerAddressAt(): number {
    return this.at + 2 + IPV6_LENGTH;
  }
}

/** A view of one datagram: a client's message and the relays around it. */
export class Packet {
  /** The datagram. */
  bytes: Uint8Array = new Uint8Array(0);
  /** The number of relay levels. */
  depth = 0;
  /** The relay levels, outermost first; only the first `depth` are valid. */
  readonly relays: readonly RelayLevel[] = Array.from(
    { length: MAX_RELAY_DEPTH },
    () => new RelayLevel(),
  );
  /** The client's message type. */
  type = 0;
  /** The offset of the client's message. */
  at = 0;
  /** The client's options. */
  readonly options: OptionTable = new OptionTable();

  /** The client's transaction ID, 24 bits. */
  get transactionId(): number {
    return readUint32(this.bytes, this.at) & 0xff_ffff;
  }

  /**
   * Whether the Elapsed Time option (RFC 8415 §21.9) is above 0. A Solicit is a
   * retransmission then.
   */
  get isRetransmission(): boolean {
    const index = this.options.find(OptionCode.ElapsedTime);
    return index !== -1 &&
      readUint16(this.bytes, this.options.starts[index]!) > 0;
  }

  /**
   * Reads the first `length` bytes of `bytes`.
   *
   * @returns Why they are no message for a server; `undefined` if they are one.
   * In both cases `type` is the innermost message type that was read, 0 if none.
   */
  read(bytes: Uint8Array, length = bytes.length): DropReason | undefined {
    this.bytes = bytes;
    this.depth = 0;
    this.type = 0;
    if (length > MAX_DHCPV6_PACKET) return "packet_too_long";
    let at = 0;
    let end = length;
    while (true) {
      if (end - at < MESSAGE_HEADER) return "packet_too_short";
      this.type = bytes[at]!;
      if (this.type !== MessageType.RelayForward) break;
      if (this.depth === MAX_RELAY_DEPTH) return "relay_too_deep";
      if (end - at < RELAY_HEADER) return "packet_too_short";
      const relay = this.relays[this.depth]!;
      this.depth++;
      relay.at = at;
      const reason = relay.options.read(bytes, at + RELAY_HEADER, end);
      if (reason !== undefined) return reason;
      const inner = relay.options.find(OptionCode.RelayMessage);
      if (inner === -1) return "relay_message_missing";
      at = relay.options.starts[inner]!;
      end = relay.options.ends[inner]!;
    }
    switch (this.type) {
      case MessageType.Solicit:
      case MessageType.Request:
      case MessageType.Confirm:
      case MessageType.Renew:
      case MessageType.Rebind:
      case MessageType.Release:
      case MessageType.Decline:
      case MessageType.InformationRequest:
        break;
      case MessageType.Advertise:
      case MessageType.Reply:
      case MessageType.Reconfigure:
      case MessageType.RelayReply:
        return "not_for_servers";
      default:
        return "unknown_message_type";
    }
    this.at = at;
    return this.options.read(bytes, at + MESSAGE_HEADER, end);
  }
}

/** An option as a value. */
export interface Option {
  /** 0 to 65535 */
  readonly code: number;
  /** At most 65535 bytes. */
  readonly data: Uint8Array;
}

/** A message between a client and a server (RFC 8415 §8). */
export interface ClientServerMessage {
  /** Any type but Relay-forward and Relay-reply. */
  readonly type: number;
  /** 24 bits */
  readonly transactionId: number;
  readonly options: readonly Option[];
}

/** A Relay-forward or Relay-reply (RFC 8415 §9). */
export interface RelayMessage {
  readonly type:
    | typeof MessageType.RelayForward
    | typeof MessageType.RelayReply;
  readonly hopCount: number;
  readonly linkAddress: string;
  readonly peerAddress: string;
  readonly options: readonly Option[];
}

/** Any DHCPv6 message as a value. */
export type Message = ClientServerMessage | RelayMessage;

/** Whether `message` is a Relay-forward or Relay-reply. */
export function isRelayMessage(message: Message): message is RelayMessage {
  return "hopCount" in message;
}

/**
 * Reads any DHCPv6 message, of clients, relays and servers, or returns why it is
 * invalid. The data of options is not decoded: pass that of a Relay Message to
 * {@linkcode decode} and that of an IA to {@linkcode decodeOptions}.
 */
export function decode(bytes: Uint8Array): Message | DropReason {
  if (bytes.length > MAX_DHCPV6_PACKET) return "packet_too_long";
  if (bytes.length < MESSAGE_HEADER) return "packet_too_short";
  const type = bytes[0]!;
  if (type === 0 || type > MessageType.RelayReply) {
    return "unknown_message_type";
  }
  if (type === MessageType.RelayForward || type === MessageType.RelayReply) {
    if (bytes.length < RELAY_HEADER) return "packet_too_short";
    const options = decodeOptions(bytes, RELAY_HEADER);
    if (typeof options === "string") return options;
    return {
      type,
      hopCount: bytes[1]!,
      linkAddress: formatIpv6(bytes, 2),
      peerAddress: formatIpv6(bytes, 2 + IPV6_LENGTH),
      options,
    };
  }
  const options = decodeOptions(bytes, MESSAGE_HEADER);
  if (typeof options === "string") return options;
  return { type, transactionId: readUint32(bytes, 0) & 0xff_ffff, options };
}

/** Reads the options in `bytes` from offset `at` on. */
export function decodeOptions(
  bytes: Uint8Array,
  at: number,
): Option[] | DropReason {
  const table = new OptionTable();
  const reason = table.read(bytes, at, bytes.length);
  if (reason !== undefined) return reason;
  const options: Option[] = [];
  for (let index = 0; index < table.count; index++) {
    options.push({
      code: table.codes[index]!,
      data: bytes.slice(table.starts[index]!, table.ends[index]!),
    });
  }
  return options;
}

/**
 * The bytes of `message`.
 *
 * @throws {RangeError} if a relay's address is not an IPv6 address or an option
 * is longer than 65535 bytes.
 */
export function encode(message: Message): Uint8Array {
  const options = encodeOptions(message.options);
  if (isRelayMessage(message)) {
    const bytes = new Uint8Array(RELAY_HEADER + options.length);
    bytes[0] = message.type;
    bytes[1] = message.hopCount;
    if (
      !parseIpv6Into(message.linkAddress, bytes, 2) ||
      !parseIpv6Into(message.peerAddress, bytes, 2 + IPV6_LENGTH)
    ) {
      throw new RangeError(
        `cannot encode a relay message: ${message.linkAddress} or ${message.peerAddress} is not an IPv6 address`,
      );
    }
    bytes.set(options, RELAY_HEADER);
    return bytes;
  }
  const bytes = new Uint8Array(MESSAGE_HEADER + options.length);
  new DataView(bytes.buffer).setUint32(0, message.transactionId);
  bytes[0] = message.type;
  bytes.set(options, MESSAGE_HEADER);
  return bytes;
}

/**
 * The bytes of `options`, concatenated.
 *
 * @throws {RangeError} if an option is longer than 65535 bytes.
 */
export function encodeOptions(options: readonly Option[]): Uint8Array {
  let length = 0;
  for (const { data } of options) length += OPTION_HEADER + data.length;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { code, data } of options) {
    if (data.length > 0xffff) {
      throw new RangeError(
        `cannot encode option ${code}: ${data.length} bytes, at most 65535 fit`,
      );
    }
    view.setUint16(at, code);
    view.setUint16(at + 2, data.length);
    bytes.set(data, at + OPTION_HEADER);
    at += OPTION_HEADER + data.length;
  }
  return bytes;
}
