/** Builds DHCPv6 messages for tests, and formats them. */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { OptionCode } from "../../lib/dhcpv6/wire/constants.ts";
import {
  decode,
  encode,
  encodeOptions,
  isRelayMessage,
  type Message,
  type Option,
} from "../../lib/dhcpv6/wire/packet.ts";
import { formatIpv6, parseIpv6 } from "../../lib/net/ipv6.ts";

/** The bytes of hexadecimal digits; ignores white space. */
export function hex(digits: string): Uint8Array {
  return decodeHex(digits.replace(/\s/g, ""));
}

/** An option with data in hexadecimal digits. */
export function opt(code: number, digits = ""): Option {
  return { code, data: hex(digits) };
}

/** Numbers of `width` bytes each, as hexadecimal digits. */
export function numbers(width: 2 | 4, ...values: number[]): string {
  return values.map((value) => value.toString(16).padStart(2 * width, "0"))
    .join("");
}

/** An IPv6 address as hexadecimal digits. */
export function ip(text: string): string {
  return encodeHex(parseIpv6(text)!);
}

/** ASCII text as hexadecimal digits. */
export function ascii(text: string): string {
  return encodeHex(text);
}

/** An option that contains a header and other options. */
export function nest(code: number, header: string, ...inner: Option[]): Option {
  return opt(code, header + encodeHex(encodeOptions(inner)));
}

export function iaAddress(address: string, preferred = 0, valid = 0): Option {
  return opt(
    OptionCode.IaAddress,
    ip(address) + numbers(4, preferred, valid),
  );
}

/** An IA_NA with these addresses, as a client sends it. */
export function iaNa(iaid: number, ...addresses: string[]): Option {
  return nest(
    OptionCode.IaNa,
    numbers(4, iaid, 0, 0),
    ...addresses.map((address) => iaAddress(address)),
  );
}

export function iaTa(iaid: number, ...addresses: string[]): Option {
  return nest(
    OptionCode.IaTa,
    numbers(4, iaid),
    ...addresses.map((address) => iaAddress(address)),
  );
}

export function iaPd(iaid: number): Option {
  return nest(OptionCode.IaPd, numbers(4, iaid, 0, 0));
}

export function status(code: number, text: string): Option {
  return opt(OptionCode.StatusCode, numbers(2, code) + ascii(text));
}

/** An option request (option 6). */
export function oro(...codes: number[]): Option {
  return opt(OptionCode.OptionRequest, numbers(2, ...codes));
}

/** A message of a client or a server. */
export function message(type: number, ...options: Option[]): Uint8Array {
  return encode({ type, transactionId: 0xabcdef, options });
}

/** A Relay-forward around `inner`. */
export function relayed(
  inner: Uint8Array,
  {
    link = "::",
    peer = "fe80::1",
    hops = 0,
    type = 12 as 12 | 13,
  },
  ...options: Option[]
): Uint8Array {
  return encode({
    type,
    hopCount: hops,
    linkAddress: link,
    peerAddress: peer,
    options: [...options, { code: OptionCode.RelayMessage, data: inner }],
  });
}

/** A message as text, with one line for each option. */
export function pretty(bytes: Uint8Array): string[] {
  const message = decode(bytes);
  return typeof message === "string" ? [message] : prettyMessage(message);
}

function prettyMessage(message: Message): string[] {
  const head = isRelayMessage(message)
    ? `relay ${message.type} hops ${message.hopCount} link ${message.linkAddress} peer ${message.peerAddress}`
    : `message ${message.type} xid ${message.transactionId.toString(16)}`;
  return [head, ...message.options.flatMap(prettyOption)];
}

const HEADERS: Record<number, number> = { 3: 12, 4: 4, 5: 24, 25: 12, 26: 25 };

function prettyOption({ code, data }: Option): string[] {
  if (code === OptionCode.RelayMessage) {
    return pretty(data).map((line) => `  ${line}`);
  }
  const header = HEADERS[code];
  if (header === undefined) {
    const text = code === 13 || code === 59
      ? ` ${data[0]! < 32 ? `${data[1]} ` : ""}${
        new TextDecoder().decode(data.subarray(code === 13 ? 2 : 0))
      }`
      : data.length === 0
      ? ""
      : ` ${encodeHex(data)}`;
    return [`${code}${text}`];
  }
  const shown = code === 5
    ? `${formatIpv6(data)} ${
      [16, 20].map((at) => new DataView(data.buffer).getUint32(at)).join(" ")
    }`
    : [...Array(header / 4).keys()].map((index) =>
      new DataView(data.buffer).getUint32(4 * index)
    ).join(" ");
  const inner: Option[] = [];
  for (let at = header; at < data.length;) {
    const length = data[at + 2]! << 8 | data[at + 3]!;
    inner.push({
      code: data[at]! << 8 | data[at + 1]!,
      data: data.slice(at + 4, at + 4 + length),
    });
    at += 4 + length;
  }
  return [
    `${code} ${shown}`,
    ...inner.flatMap(prettyOption).map((line) => `  ${line}`),
  ];
}
