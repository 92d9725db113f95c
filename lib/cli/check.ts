/**
 * The command `check`: what would be served, and what prevents it.
 *
 * @module
 */

import {
  bootAddressNotice,
  ownAddressProblem,
  portInUseText,
} from "../daemon/diagnostics.ts";
import {
  type DaemonConfig,
  tcpAddressesOf,
  tftpAddressesFor,
  tftpPortOf,
} from "../daemon/config.ts";
import { linkLayerDuid } from "../dhcpv6/wire/duid.ts";
import { groupsOf } from "../dhcpv6/server/sockets.ts";
import { readKeyPair } from "../http/tls_reload.ts";
import { authorityOf } from "../http/listener.ts";
import { IpxeFiles } from "../boot_files/ipxe.ts";
import { hostnamesOf, type NetworkInterface } from "../net/interface.ts";
import { InterfaceMonitor } from "../net/interface_monitor.ts";
import { addressOf, formatIpv6 } from "../net/ipv6.ts";
import { formatMac } from "../net/mac.ts";
import { encodeHex } from "@std/encoding/hex";

/** An Ethernet address for documentation (RFC 7042 section 2.1.2). */
const SAMPLE_MAC = 0x0000_5e00_5301;

/** The result of a check. */
export interface CheckReport {
  readonly lines: readonly string[];
  /** How many lines are problems that prevent serving. */
  readonly problems: number;
}

/** Checks what serving needs, without leaving anything changed. */
export async function check(config: DaemonConfig): Promise<CheckReport> {
  const { interfaceName, responder, port, notices, https } = config;
  const lines = notices.map((notice) => `warning: ${notice}`);
  let problems = 0;
  for (const { text, bytes } of responder.subnets) {
    lines.push(
      `addresses: ${text} gives client ${formatMac(SAMPLE_MAC)} ${
        formatIpv6(addressOf(bytes, SAMPLE_MAC))
      }`,
    );
  }
  const iface = new InterfaceMonitor(interfaceName).find();
  if (iface === undefined) {
    problems++;
    lines.push(
      `problem: ${interfaceName} is absent, down or has no IPv6 link-local address`,
    );
  } else {
    lines.push(
      `interface: ${iface.name}, index ${iface.index}, ${
        [...iface.linkLocals, ...iface.addresses].join(", ")
      }`,
      `server DUID: ${encodeHex(linkLayerDuid(iface.mac))}`,
    );
    const ports = describePorts(iface, port);
    lines.push(...ports.lines);
    problems += ports.problems;
    lines.push(...describeBoot(config, iface));
    const unreachable = await ownAddressProblem(config, iface);
    if (unreachable !== undefined) lines.push(`warning: ${unreachable}`);
  }
  lines.push(...describeHttp(config));
  if (https !== undefined) {
    try {
      await readKeyPair(https.files);
    } catch (error) {
      problems++;
      lines.push(
        `problem: cannot read the TLS certificate or its key: ${
          (error as Error).message
        }`,
      );
    }
  }
  const tcp = new Set(tcpAddressesOf(config).map((address) => address.port));
  lines.push(
    `firewall: open UDP port ${port}${
      config.tftp === undefined
        ? ""
        : `, UDP port ${
          tftpPortOf(config)
        } and the UDP ports above 1023 of its transfers`
    }${
      tcp.size === 0 ? "" : ` and TCP port ${[...tcp].join(" and ")}`
    } on ${interfaceName}`,
  );
  return { lines, problems };
}

function describeBoot(
  config: DaemonConfig,
  iface: NetworkInterface,
): string[] {
  const { template, bootPolicy, ipxe, netbootDirectory } = config;
  const lines = [
    template === undefined
      ? "boot instructions: none (no --http-boot-url-template)"
      : `boot instructions: ${template.text}, for ${
        bootPolicy === "always"
          ? "every client"
          : `clients with a directory in ${netbootDirectory}`
      }`,
  ];
  const notice = bootAddressNotice(config, iface);
  if (notice !== undefined) lines.push(`warning: ${notice}`);
  const builds = [...new IpxeFiles(ipxe).builds];
  for (const hostname of tftpAddressesFor(config, iface)) {
    lines.push(
      `TFTP: [${hostname}]:${tftpPortOf(config)}, iPXE for ${
        builds.join(", ") ||
        "no architecture, PXE clients get no boot file"
      }`,
    );
  }
  return lines;
}

/** Where HTTP and HTTPS would be served, or why they cannot be. */
function describeHttp(
  { http, https, netbootDirectory }: DaemonConfig,
): string[] {
  const lines: string[] = [];
  const all = [
    ...http.map((address) => ["HTTP", address] as const),
    ...(https?.addresses ?? []).map((address) => ["HTTPS", address] as const),
  ];
  if (all.length === 0) lines.push("HTTP: off");
  for (const [name, address] of all) {
    try {
      Deno.listen({ hostname: address.hostname, port: address.port }).close();
      lines.push(
        `${name}: ${authorityOf(address)}, ${
          netbootDirectory === undefined
            ? "without files"
            : `files of ${netbootDirectory}`
        }`,
      );
    } catch (error) {
      lines.push(
        `warning: cannot listen on ${authorityOf(address)}: ${
          (error as Error).message
        }`,
      );
    }
  }
  return lines;
}

/** Tries to bind every socket of DHCPv6: one line for each. */
function describePorts(iface: NetworkInterface, port: number): CheckReport {
  const { linkScoped, siteScoped } = groupsOf(iface);
  const lines: string[] = [];
  let problems = 0;
  for (const hostname of [linkScoped, ...hostnamesOf(iface), siteScoped]) {
    const reuseAddress = hostname === siteScoped;
    try {
      Deno.listenDatagram({ transport: "udp", hostname, port, reuseAddress })
        .close();
      lines.push(`DHCPv6: [${hostname}]:${port}`);
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) {
        lines.push(`warning: ${portInUseText(port, hostname)}`);
      } else {
        problems++;
        lines.push(
          `problem: cannot bind [${hostname}]:${port}: ${
            (error as Error).message
          }`,
        );
      }
    }
  }
  return { lines, problems };
}
