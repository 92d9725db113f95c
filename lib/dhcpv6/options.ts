/**
 * Options that an operator configures, encoded once at the start.
 *
 * @module
 */

import { IPV6_LENGTH, parseIpv6 } from "../net/ipv6.ts";
import { OptionCode } from "./codes.ts";
import { encodeOptions, type Option } from "./message.ts";

/** Sub-options of the NTP server option (RFC 5908 §4). */
const NTP_SERVER_ADDRESS = 1;
const NTP_MULTICAST_ADDRESS = 2;
const NTP_SERVER_NAME = 3;

/** Octets of a name on the wire (RFC 1035 §2.3.4). */
const MAX_NAME = 255;

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * `name` as RFC 1035 §3.1 writes it, without compression (RFC 8415 §10);
 * `undefined` if it is no host or domain name.
 */
export function encodeName(name: string): Uint8Array | undefined {
  const labels = name.replace(/\.$/, "").split(".");
  const bytes: number[] = [];
  for (const label of labels) {
    if (!/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) {
      return undefined;
    }
    bytes.push(label.length, ...new TextEncoder().encode(label));
  }
  bytes.push(0);
  return bytes.length > MAX_NAME ? undefined : Uint8Array.from(bytes);
}

/** DNS Recursive Name Server (RFC 3646 §3) with these addresses. */
export function dnsServersOption(addresses: readonly Uint8Array[]): Option {
  return { code: OptionCode.DnsServers, data: joined(addresses) };
}

/** Domain Search List (RFC 3646 §4) with these encoded names. */
export function domainListOption(names: readonly Uint8Array[]): Option {
  return { code: OptionCode.DomainList, data: joined(names) };
}

/** SNTP servers (RFC 4075) with these addresses. */
export function sntpServersOption(addresses: readonly Uint8Array[]): Option {
  return { code: OptionCode.SntpServers, data: joined(addresses) };
}

/**
 * NTP servers (RFC 5908): one option for each, by unicast address, multicast
 * address or name. `undefined` if `server` is neither address nor name.
 */
export function ntpServerOption(server: string): Option | undefined {
  const address = parseIpv6(server);
  const data = address ?? encodeName(server);
  if (data === undefined) return undefined;
  const code = address === undefined
    ? NTP_SERVER_NAME
    : address[0] === 0xff
    ? NTP_MULTICAST_ADDRESS
    : NTP_SERVER_ADDRESS;
  return {
    code: OptionCode.NtpServer,
    data: encodeOptions([{ code, data }]),
  };
}

/** The unicast addresses among `servers`, which is all that SNTP can name. */
export function unicastAddresses(servers: readonly string[]): Uint8Array[] {
  return servers.map(parseIpv6).filter((address) =>
    address !== undefined && address.length === IPV6_LENGTH &&
    address[0] !== 0xff
  ) as Uint8Array[];
}
