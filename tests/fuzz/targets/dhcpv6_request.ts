/**
 * A second parser of DHCPv6 requests, to compare with: messages as values, MACs and
 * addresses as hexadecimal digits. The responder works on offsets in the packet;
 * both share only the strict decoder.
 */

import {
  type ClientServerMessage,
  decode,
  isRelayMessage,
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

/** Parses a packet; `undefined` if it is not a message for a server. */
export function readRequest(packet: Uint8Array): Request | undefined {
  const relays: RelayMessage[] = [];
  let bytes = packet;
  while (true) {
    const message = decode(bytes);
    if (typeof message === "string") return undefined;
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

/** The strings in a user or vendor class, from `at` on. */
function stringsIn(data: Uint8Array, at: number): string[] {
  const strings: string[] = [];
  while (at < data.length) {
    const end = at + 2 + (data[at]! << 8 | data[at + 1]!);
    strings.push(String.fromCharCode(...data.subarray(at + 2, end)));
    at = end;
  }
  return strings;
}

/** The boot client that the first string of a vendor class begins with. */
export function vendorOf(
  { options }: ClientServerMessage,
): "PXEClient" | "HTTPClient" | undefined {
  for (const { code, data } of options) {
    const [string] = code === 16 ? stringsIn(data, 4) : [];
    if (string?.startsWith("PXEClient")) return "PXEClient";
    if (string?.startsWith("HTTPClient")) return "HTTPClient";
  }
  return undefined;
}

export function isIpxe({ options }: ClientServerMessage): boolean {
  const data = first(options, 15);
  return data !== undefined && stringsIn(data, 0).includes("iPXE");
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
