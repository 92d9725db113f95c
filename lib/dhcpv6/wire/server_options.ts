/**
 * Options that the operator configures, encoded when the daemon starts.
 *
 * @module
 */

import { joined } from "../../net/bytes.ts";
import { isMulticast, parseIpv6 } from "../../net/ipv6.ts";
import { OptionCode } from "./constants.ts";
import { encodeOptions, type Option } from "./packet.ts";

/** Sub-options of the NTP server option (RFC 5908 §4). */
const NTP_SERVER_ADDRESS = 1;
const NTP_MULTICAST_ADDRESS = 2;
const NTP_SERVER_NAME = 3;

/** Bytes of an encoded name (RFC 1035 §2.3.4). */
const MAX_NAME = 255;

/**
 * Encodes a name by RFC 1035 §3.1 without compression (RFC 8415 §10); `undefined`
 * if it is not a host or domain name of at most 255 bytes.
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

/** An NTP server. */
export interface NtpServer {
  /** For clients that support RFC 5908: one option per server. */
  readonly option: Option;
  /** Its unicast address, the only kind of server that RFC 4075 has. */
  readonly unicast: Uint8Array | undefined;
}

/**
 * An NTP server by unicast address, multicast address or name; `undefined` if
 * `server` is neither an IPv6 address nor a name.
 */
export function ntpServer(server: string): NtpServer | undefined {
  const address = parseIpv6(server);
  const data = address ?? encodeName(server);
  if (data === undefined) return undefined;
  const code = address === undefined
    ? NTP_SERVER_NAME
    : isMulticast(address)
    ? NTP_MULTICAST_ADDRESS
    : NTP_SERVER_ADDRESS;
  return {
    option: {
      code: OptionCode.NtpServer,
      data: encodeOptions([{ code, data }]),
    },
    unicast: code === NTP_SERVER_ADDRESS ? data : undefined,
  };
}
