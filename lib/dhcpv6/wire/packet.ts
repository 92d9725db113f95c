/**
 * The wire format of DHCPv6 messages (RFC 8415 §8, §9 and §21).
 *
 * {@linkcode Packet} is a checked view: `read` validates all lengths once, keeps
 * positions and copies nothing, so that one `Packet` serves every datagram of a
 * socket. After `read` has returned `undefined`, callers use lengths without
 * checking them again. {@linkcode Message} is a message as a value, for code
 * outside the packet path.
 *
 * A malformed option makes a message invalid only if the reply depends on it:
 * Client ID, Server ID and the IAs of a client (RFC 8415 §16 and §18.3), the
 * Relay Message, the Interface-ID and the client's link-layer address (RFC 6939)
 * of a relay. `read` leaves every other malformed option out, or reads as much
 * of it as can be read, and counts it in {@linkcode Packet.malformed}.
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
  OPTION_LABELS,
  OptionCode,
  optionLabel,
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
// Flags, and a name of at most 255 bytes (RFC 4704 §4).
lengthOf(OptionCode.ClientFqdn, 1, 256);
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

/** The malformed options of a message that do not make it invalid. */
export class MalformedOptions {
  /** How many there are, by their {@linkcode optionLabel}. */
  readonly counts: Uint16Array = new Uint16Array(OPTION_LABELS.length);
  /** How many there are. */
  total = 0;

  /** Counts an option; code 0 for bytes that form no option. */
  add(code: number): void {
    this.counts[optionLabel(code)]!++;
    this.total++;
  }

  /** Forgets them. */
  clear(): void {
    if (this.total === 0) return;
    this.counts.fill(0);
    this.total = 0;
  }

  /** The names of the options, each once. */
  get names(): string[] {
    return OPTION_LABELS.filter((_, label) => this.counts[label]! > 0);
  }
}

/** Bytes before the options inside an option; -1 if it contains no options. */
function nestedOptionsAt(code: number): number {
  switch (code) {
    case OptionCode.IaNa:
    case OptionCode.IaPd:
      return IA_HEADER;
    case OptionCode.IaTa:
      return IA_TA_HEADER;
    case OptionCode.IaAddress:
      return IA_ADDRESS_HEADER;
    case OptionCode.IaPrefix:
      return IA_PREFIX_HEADER;
    default:
      return -1;
  }
}

/** Counts a malformed option, or those inside it if it is one that has some. */
function countMalformed(
  bytes: Uint8Array,
  code: number,
  start: number,
  end: number,
  malformed: MalformedOptions,
): void {
  const header = nestedOptionsAt(code);
  if (header === -1 || end - start < header) return malformed.add(code);
  let at = start + header;
  while (at < end) {
    if (end - at < OPTION_HEADER) return malformed.add(0);
    const inner = readUint16(bytes, at);
    const innerStart = at + OPTION_HEADER;
    at = innerStart + readUint16(bytes, at + 2);
    if (at > end) return malformed.add(inner);
    if (
      nestedOptionsAt(inner) !== -1 ||
      !isOptionValid(bytes, inner, innerStart, at)
    ) countMalformed(bytes, inner, innerStart, at, malformed);
  }
}

/** Whether each IA Address among the options from `at` to `end` is complete. */
function areAddressesWhole(
  bytes: Uint8Array,
  at: number,
  end: number,
): boolean {
  while (end - at >= OPTION_HEADER) {
    const code = readUint16(bytes, at);
    const start = at + OPTION_HEADER;
    at = start + readUint16(bytes, at + 2);
    if (
      code === OptionCode.IaAddress &&
      (at > end || at - start < IA_ADDRESS_HEADER)
    ) return false;
  }
  return true;
}

/** Who has written the options of one level of a message. */
type Author = "client" | "relay";

/** Whether a message is invalid if this option reaches beyond its end. */
function isEssential(author: Author, code: number): boolean {
  switch (code) {
    case OptionCode.ClientId:
    case OptionCode.ServerId:
    case OptionCode.IaNa:
    case OptionCode.IaTa:
    case OptionCode.IaPd:
      return author === "client";
    case OptionCode.RelayMessage:
    // The reply must contain it (RFC 8415 §21.18).
    case OptionCode.InterfaceId:
    case OptionCode.ClientLinkLayerAddress:
      return author === "relay";
    default:
      return false;
  }
}

const INVALID = -1;
const LEFT_OUT = -2;

/**
 * What can be read of a malformed option: its end (exclusive) if that is
 * something, {@linkcode LEFT_OUT} if not, {@linkcode INVALID} if the message is
 * invalid without it.
 */
function readableEnd(
  bytes: Uint8Array,
  author: Author,
  code: number,
  start: number,
  end: number,
): number {
  const length = end - start;
  switch (code) {
    case OptionCode.IaNa:
    case OptionCode.IaTa: {
      if (author === "relay") return LEFT_OUT;
      const header = nestedOptionsAt(code);
      return length >= header && areAddressesWhole(bytes, start + header, end)
        ? end
        : INVALID;
    }
    case OptionCode.IaPd:
      // No prefix is delegated: the reply depends on nothing inside.
      if (author === "relay") return LEFT_OUT;
      return length >= IA_HEADER ? end : INVALID;
    case OptionCode.OptionRequest:
    case OptionCode.EchoRequest:
    case OptionCode.ClientArchitecture:
      // Whole numbers of 16 bits.
      return length >= 2 ? end - length % 2 : LEFT_OUT;
    case OptionCode.UserClass:
      return end;
    case OptionCode.VendorClass:
      return length >= 4 ? end : LEFT_OUT;
    default:
      return isEssential(author, code) ? INVALID : LEFT_OUT;
  }
}

/**
 * The offset of the address in the first IA Address from `at` on; -1 if none.
 * Other options, and bytes behind the last one, may be malformed.
 */
export function nextAddress(
  bytes: Uint8Array,
  at: number,
  end: number,
): number {
  while (end - at >= OPTION_HEADER) {
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

  /**
   * Reads the options from `at` to `end`. A malformed one makes the message
   * invalid only if the reply depends on it and there is no earlier one with the
   * same code.
   *
   * @param author Who has written them.
   * @param malformed Counts those that were left out, or read in part.
   * @returns The reason if the message is invalid.
   */
  read(
    bytes: Uint8Array,
    at: number,
    end: number,
    author: Author,
    malformed: MalformedOptions,
  ): DropReason | undefined {
    let count = 0;
    while (at < end) {
      if (end - at < OPTION_HEADER) {
        malformed.add(0);
        break;
      }
      const code = readUint16(bytes, at);
      const start = at + OPTION_HEADER;
      at = start + readUint16(bytes, at + 2);
      let readable = at;
      if (at > end) {
        if (isEssential(author, code) && !this.#has(code, count)) {
          return "option_malformed";
        }
        malformed.add(code);
        break;
      }
      if (code === 0) {
        // Padding, of any length: it takes no room in the table.
        malformed.add(0);
        continue;
      }
      if (!isOptionValid(bytes, code, start, at)) {
        readable = readableEnd(bytes, author, code, start, at);
        if (readable === INVALID) {
          if (!this.#has(code, count)) return "option_malformed";
          malformed.add(code);
          continue;
        }
        countMalformed(bytes, code, start, at, malformed);
        if (readable === LEFT_OUT) continue;
      }
      if (count === MAX_OPTIONS) return "too_many_options";
      this.codes[count] = code;
      this.starts[count] = start;
      this.ends[count] = readable;
      count++;
    }
    this.count = count;
    return undefined;
  }

  /** Whether one of the first `count` options, which are read, has `code`. */
  #has(code: number, count: number): boolean {
    for (let index = 0; index < count; index++) {
      if (this.codes[index] === code) return true;
    }
    return false;
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
  /** Malformed options at all levels. */
  readonly malformed: MalformedOptions = new MalformedOptions();

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
    this.type = bytes[0] ?? 0;
    this.malformed.clear();
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
      const reason = relay.options.read(
        bytes,
        at + RELAY_HEADER,
        end,
        "relay",
        this.malformed,
      );
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
    return this.options.read(
      bytes,
      at + MESSAGE_HEADER,
      end,
      "client",
      this.malformed,
    );
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
 * invalid. It accepts no malformed option. The data of options is not decoded: pass that of a Relay Message to
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

/** Reads the options in `bytes` from offset `at` on; all must be well-formed. */
export function decodeOptions(
  bytes: Uint8Array,
  at: number,
): Option[] | DropReason {
  const table = new OptionTable();
  const malformed = new MalformedOptions();
  const reason = table.read(bytes, at, bytes.length, "client", malformed);
  if (reason !== undefined) return reason;
  if (malformed.total > 0) return "option_malformed";
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
