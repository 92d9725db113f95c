/**
 * The command `check`: what would be served, and what stands in the way.
 *
 * @module
 */

import {
  type DaemonSettings,
  portTakenText,
  responderSettingsFor,
} from "../daemon.ts";
import { ALL_RELAYS_AND_SERVERS, ALL_SERVERS } from "../dhcpv6/codes.ts";
import { linkLayerDuid } from "../dhcpv6/duid.ts";
import { findInterface, type Interface } from "../net/interface.ts";
import { addressOf, formatIpv6 } from "../net/ipv6.ts";
import { formatMac } from "../net/mac.ts";
import { encodeHex } from "@std/encoding/hex";

/** An Ethernet address of those kept for documentation (RFC 7042 §2.1.2). */
const SAMPLE_MAC = 0x0000_5e00_5301;

/** What a check found. */
export interface CheckReport {
  readonly lines: readonly string[];
  /** How many of the lines name something that must be changed. */
  readonly problems: number;
}

/** Looks at everything that serving would need, and leaves it as it was. */
export function check(settings: DaemonSettings): CheckReport {
  const { interfaceName, answers, port, notices } = settings;
  const lines = notices.map((notice) => `warning: ${notice}`);
  let problems = 0;
  for (const { text, base } of answers.links) {
    lines.push(
      `addresses: ${text} gives ${formatMac(SAMPLE_MAC)} the address ${
        formatIpv6(addressOf(base, SAMPLE_MAC))
      }`,
    );
  }
  const link = findInterface(interfaceName);
  if (link === undefined) {
    problems++;
    lines.push(
      `problem: ${interfaceName} is absent, down or has no IPv6 link-local address`,
    );
  } else {
    lines.push(
      `interface: ${link.name}, index ${link.index}, ${link.linkLocal}${
        link.addresses.map((address) => `, ${address}`).join("")
      }`,
      `server DUID: ${encodeHex(linkLayerDuid(link.mac))}`,
    );
    lines.push(...describePorts(link, port));
    const { boot } = responderSettingsFor(settings, link);
    lines.push(
      boot === undefined
        ? "boot instructions: none, for no --http-boot-url-template is given"
        : `boot instructions: ${boot.template.text}, TFTP from ${boot.tftpAddress}`,
    );
  }
  lines.push(
    `firewall: let UDP port ${port} in on ${interfaceName}, and out from it`,
  );
  return { lines, problems };
}

function describePorts(link: Interface, port: number): string[] {
  const zone = `%${link.name}`;
  const wanted = [
    `${ALL_RELAYS_AND_SERVERS}${zone}`,
    `${link.linkLocal}${zone}`,
    ...link.addresses,
  ];
  const lines: string[] = [];
  for (const hostname of [...wanted, ALL_SERVERS]) {
    try {
      Deno.listenDatagram({
        transport: "udp",
        hostname,
        port,
        reuseAddress: hostname === ALL_SERVERS,
      }).close();
      lines.push(`DHCPv6: [${hostname}]:${port}`);
    } catch (error) {
      lines.push(
        `warning: ${
          error instanceof Deno.errors.AddrInUse
            ? portTakenText(port, hostname)
            : `[${hostname}]:${port} cannot be bound: ${
              (error as Error).message
            }`
        }`,
      );
    }
  }
  return lines;
}
