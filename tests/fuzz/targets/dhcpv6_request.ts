/**
 * A second parser of DHCPv6 requests, to compare with: messages as values, MACs and
 * addresses as hexadecimal digits. The responder works on offsets in the packet;
 * both share only the strict decoder.
 */

import {
  type ClientServerMessage,
  decode,
  decodeOptions,
  encode,
  encodeOptions,
  isRelayMessage,
  type Message,
  type Option,
  type RelayMessage,
} from "../../../lib/dhcpv6/wire/packet.ts";
import type { ResponderOptions } from "../../../lib/dhcpv6/reply/responder.ts";
import { parseIpv6 } from "../../../lib/net/ipv6.ts";
import type { Arrival } from "./dhcpv6_messages.ts";

/** The message of a client, and the relay levels around it, outermost first. */
export interface Request {
  readonly relays: readonly RelayMessage[];
  readonly client: ClientServerMessage;
}

const MAX_LEVELS = 9;
const MAX_OPTIONS = 64;

/** Options without which there is no reply, of a client and of a relay. */
const ESSENTIAL = { client: [1, 2, 3, 4, 25], relay: [9, 18, 79] };

/** The 16-bit number at an offset. */
function numberAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 8 | bytes[at + 1]!;
}

/** Code, data and end of each option in an area; the last may be truncated. */
function* areas(
  bytes: Uint8Array,
): Generator<{ option: Option; isTruncated: boolean }> {
  for (let at = 0; at + 4 <= bytes.length;) {
    const end = at + 4 + numberAt(bytes, at + 2);
    yield {
      option: { code: numberAt(bytes, at), data: bytes.slice(at + 4, end) },
      isTruncated: end > bytes.length,
    };
    at = end;
  }
}

/** The part of a malformed option that counts; `undefined` if none does. */
function salvaged({ code, data }: Option): Option | undefined {
  switch (code) {
    case 6:
    case 43:
    case 61:
      return data.length < 2
        ? undefined
        : { code, data: data.slice(0, 2 * (data.length >> 1)) };
    case 15:
      return { code, data };
    case 16:
      return data.length < 4 ? undefined : { code, data };
    default:
      return undefined;
  }
}

/** Whether a reply can be made from a malformed IA of a client. */
function isUsableIa({ code, data }: Option): boolean {
  const header = code === 4 ? 4 : 12;
  return data.length >= header &&
    (code === 25 ||
      areas(data.subarray(header)).every(({ option, isTruncated }) =>
        option.code !== 5 || (!isTruncated && option.data.length >= 24)
      ));
}

/** The options that count; `undefined` if the message is invalid. */
function readOptions(
  bytes: Uint8Array,
  author: "client" | "relay",
): Option[] | undefined {
  const options: Option[] = [];
  const isEssential = ({ code }: Option) => ESSENTIAL[author].includes(code);
  const isFirst = ({ code }: Option) =>
    !options.some((other) => other.code === code);
  for (const { option, isTruncated } of areas(bytes)) {
    if (isTruncated) {
      if (isEssential(option) && isFirst(option)) return undefined;
      break;
    }
    if (option.code === 0) continue;
    let counts: Option | undefined = option;
    if (typeof decodeOptions(encodeOptions([option]), 0) === "string") {
      if (isEssential(option)) {
        if (option.code <= 2 || option.code === 79 || !isUsableIa(option)) {
          if (isFirst(option)) return undefined;
          counts = undefined;
        }
      } else counts = salvaged(option);
    }
    if (counts !== undefined) options.push(counts);
    if (options.length > MAX_OPTIONS) return undefined;
  }
  return options;
}

/** Parses one level of a message. */
function readLevel(bytes: Uint8Array): Message | undefined {
  const isRelay = bytes[0] === 12 || bytes[0] === 13;
  const header = isRelay ? 34 : 4;
  // The header alone is a message without options.
  const message = decode(bytes.subarray(0, header));
  if (typeof message === "string") return undefined;
  const options = readOptions(
    bytes.subarray(header),
    isRelay ? "relay" : "client",
  );
  return options && { ...message, options };
}

/** The packet of a request, without options that do not count. */
export function wellFormed({ relays, client }: Request): Uint8Array {
  return relays.reduceRight((inner, relay) => {
    const nearest = relay.options.find(({ code }) => code === 9);
    return encode({
      ...relay,
      options: relay.options.map((option) =>
        option === nearest ? { code: 9, data: inner } : option
      ),
    });
  }, encode(client));
}

/** Parses a packet; `undefined` if it is not a message for a server. */
export function readRequest(packet: Uint8Array): Request | undefined {
  const relays: RelayMessage[] = [];
  let bytes = packet;
  while (true) {
    const message = readLevel(bytes);
    if (message === undefined) return undefined;
    if (!isRelayMessage(message)) {
      return [1, 3, 4, 5, 6, 8, 9, 11].includes(message.type)
        ? { relays, client: message }
        : undefined;
    }
    const inner = first(message.options, 9);
    if (
      message.type !== 12 || inner === undefined || relays.length === MAX_LEVELS
    ) return undefined;
    relays.push(message);
    bytes = inner;
  }
}

/** The data of the first option with a code. */
export function first(
  options: readonly Option[],
  code: number,
): Uint8Array | undefined {
  return options.find((option) => option.code === code)?.data;
}

/** The 16-bit numbers in an option's data. */
export function codesIn(data: Uint8Array | undefined): number[] {
  if (data === undefined) return [];
  return Array.from(
    { length: data.length >> 1 },
    (_, index) => data[2 * index]! << 8 | data[2 * index + 1]!,
  );
}

/**
 * What each string in a user or vendor class may be, from `at` on: one text, or
 * two if the client wrote no valid length before it.
 */
function stringsIn(data: Uint8Array, at: number): string[][] {
  const text = (from: number, to: number) =>
    String.fromCharCode(...data.subarray(from, to));
  const strings: string[][] = [];
  while (at + 2 <= data.length) {
    const length = numberAt(data, at);
    const end = at + 2 + length;
    if (end <= data.length) {
      strings.push([text(at + 2, end)]);
      at = end;
      continue;
    }
    const swapped = (length & 255) * 256 + (length >> 8);
    const next = Math.min(at + 2 + swapped, data.length);
    strings.push([text(at + 2, next), text(at, data.length)]);
    at = next;
  }
  return strings;
}

/** The boot client that the first string of a vendor class begins with. */
export function vendorOf(
  { options }: ClientServerMessage,
): "PXEClient" | "HTTPClient" | "U-Boot" | undefined {
  for (const { code, data } of options) {
    const [texts = []] = code === 16 ? stringsIn(data, 4) : [];
    for (const vendor of ["PXEClient", "HTTPClient", "U-Boot"] as const) {
      if (texts.some((text) => text.startsWith(vendor))) return vendor;
    }
  }
  return undefined;
}

export function isIpxe({ options }: ClientServerMessage): boolean {
  return options.some(({ code, data }) =>
    code === 15 &&
    stringsIn(data, 0).flat().some((text) => text.startsWith("iPXE"))
  );
}

/** A MAC as 12 digits, if it is a unicast address. */
function unicast(digits: string | undefined): string | undefined {
  return digits === undefined || /^0+$/.test(digits) ||
      (parseInt(digits.slice(0, 2), 16) & 1) === 1
    ? undefined
    : digits;
}

function macOfOption79(data: Uint8Array | undefined): string | undefined {
  return /^0001([0-9a-f]{12})$/.exec(data?.toHex() ?? "")?.[1];
}

function macOfDuid(data: Uint8Array | undefined): string | undefined {
  return /^(?:00010001.{8}|00030001)([0-9a-f]{12})$/.exec(data?.toHex() ?? "")
    ?.[1];
}

function macOfLinkLocal(address: string): string | undefined {
  const match = /^fe80000000000000(..)(....)fffe(.{6})$/.exec(address);
  if (match === null) return undefined;
  const [, byte, middle, end] = match as unknown as string[];
  const flipped = (parseInt(byte!, 16) ^ 2).toString(16).padStart(2, "0");
  return `${flipped}${middle}${end}`;
}

/** The client's MAC as 12 digits, and whether another source has a different one. */
export function macOf(
  { relays, client }: Request,
  { sender }: Arrival,
  { macSources }: ResponderOptions,
): { mac: string | undefined; isDisputed: boolean } {
  const nearest = relays.at(-1);
  const found = {
    relay: macOfOption79(nearest && first(nearest.options, 79)),
    duid: macOfDuid(first(client.options, 1)),
    eui64: macOfLinkLocal(
      nearest === undefined
        ? sender.toHex()
        : parseIpv6(nearest.peerAddress)!.toHex(),
    ),
  };
  const macs = macSources.map((source) => unicast(found[source]))
    .filter((mac) => mac !== undefined);
  return { mac: macs[0], isDisputed: new Set(macs).size > 1 };
}

/** The first 80 bits of the client's subnet, as digits; `undefined` if none. */
export function baseOf(
  { relays }: Request,
  { isLinkScoped }: Arrival,
  { subnets }: ResponderOptions,
): string | undefined {
  const bases = subnets.map(({ bytes }) => bytes.toHex().slice(0, 20));
  for (const { linkAddress } of relays.toReversed()) {
    const address = parseIpv6(linkAddress)!.toHex();
    if (/^0{32}$|^fe[89ab]/.test(address)) continue;
    return bases.find((base) => address.startsWith(base.slice(0, 16)));
  }
  return isLinkScoped ? bases[0] : undefined;
}

/** Whether Client ID and Server ID are valid by RFC 8415 §16. */
export function hasValidIds(
  { type, options }: ClientServerMessage,
  serverDuid: Uint8Array,
): boolean {
  const client = first(options, 1);
  const server = first(options, 2)?.toHex();
  if (client?.length === 0) return false;
  switch (type) {
    case 1:
    case 4:
    case 6:
      return client !== undefined && server === undefined;
    case 11:
      return !options.some(({ code }) => [3, 4, 25].includes(code)) &&
        (server === undefined || server === serverDuid.toHex());
    default:
      return client !== undefined && server === serverDuid.toHex();
  }
}
