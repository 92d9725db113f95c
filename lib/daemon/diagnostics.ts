/**
 * Messages for an operator about a configuration or a host that is not right:
 * what is wrong, the likely cause, the remedy.
 *
 * @module
 */

import { isInSubnet } from "../dhcpv6/reply/subnet.ts";
import { renderTemplate, SAMPLE_VALUES } from "../dhcpv6/reply/url_template.ts";
import {
  bootAddressesFor,
  type DaemonConfig,
  tcpAddressesOf,
  tftpAddressesFor,
  tftpPortOf,
} from "./config.ts";
import { authorityOf, type ListenAddress } from "../http/listener.ts";
import type { NetworkInterface } from "../net/interface.ts";
import { formatIpv6, parseIpv6 } from "../net/ipv6.ts";
import type { Log } from "../telemetry/log.ts";
import { foreignVrfOf } from "../net/vrf.ts";
import type { Service } from "./service.ts";
import {
  canonicalAddress,
  formatSubnet,
  withoutBrackets,
} from "../net/prefix.ts";

/** Why the daemon cannot start, in one sentence for the operator. */
export class StartError extends Error {
  override name = "StartError";
}

/** The message for a UDP port that another process has bound. */
export function portInUseText(port: number, where: string): string {
  return `UDP port ${port} on ${where} is already in use, usually by odhcpd, dnsmasq, Kea or another dhcpv6macd; ` +
    `stop it, or disable its DHCPv6 on this link (ss -ulpn "sport = ${port}" shows it)`;
}

/** The error for an address that could not be bound. */
export function listenError(
  error: unknown,
  port: number,
  protocol: "UDP" | "TCP",
  where: string,
): StartError {
  if (error instanceof StartError) return error;
  if (error instanceof Deno.errors.AddrInUse) {
    return new StartError(
      protocol === "UDP"
        ? portInUseText(port, where)
        : `TCP port ${port} is already in use, possibly by another dhcpv6macd (ss -tlnp "sport = ${port}" shows it); set another with --http-listen-addr or --https-listen-addr`,
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new StartError(
      `cannot bind ${protocol} port ${port}: permission denied (run as root or with the capability CAP_NET_BIND_SERVICE)`,
    );
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return new StartError(
      `cannot bind ${protocol} port ${port} on ${where}: this host does not have the address, duplicate address detection failed, ` +
        "or the interface is in a VRF (then run the daemon with ip vrf exec)",
    );
  }
  return new StartError(
    `cannot serve ${where}: ${(error as Error).message}`,
  );
}

/**
 * Where people and machines reach what the daemon serves besides DHCPv6, in one
 * line; `undefined` if that is nothing.
 */
export function servedText(
  config: DaemonConfig,
  iface: NetworkInterface,
): string | undefined {
  const urlOf = (scheme: string, address: ListenAddress) => {
    const isAny = /^(?:::|0\.0\.0\.0)$/.test(address.hostname);
    const hostname = isAny
      ? bootAddressesFor(config, iface).http
      : address.hostname;
    return `${scheme}://${authorityOf({ ...address, hostname })}/`;
  };
  const pages = [
    ...config.http.map((address) => urlOf("http", address)),
    ...config.https?.addresses.map((address) => urlOf("https", address)) ?? [],
  ];
  const tftp = tftpAddressesFor(config, iface).map((hostname) =>
    authorityOf({ hostname, port: tftpPortOf(config) })
  );
  const parts = [
    ...pages.length === 0 ? [] : [`page and API: ${pages.join(", ")}`],
    ...tftp.length === 0 ? [] : [`TFTP: ${tftp.join(", ")}`],
  ];
  return parts.length === 0 ? undefined : parts.join("; ");
}

/** Whether an interface of this host has an address, usable or not. */
export function isOwnAddress(hostname: string): boolean {
  const wanted = canonicalAddress(hostname);
  return Deno.networkInterfaces().some(({ address }) =>
    canonicalAddress(address) === wanted
  );
}

/** Why the address of --boot-address leads elsewhere; `undefined` if it does not. */
export function bootAddressProblem(
  { bootAddress }: Pick<DaemonConfig, "bootAddress">,
  { name, addresses }: NetworkInterface,
): string | undefined {
  // An interface without any global address may get this one later.
  if (bootAddress === undefined || addresses.length === 0) return undefined;
  const { text } = bootAddress;
  return isOwnAddress(text)
    ? undefined
    : `boot URLs use ${text}, but this host does not have this address: correct ` +
      `--boot-address, or give it to ${name}`;
}

/** A notice about the address in boot URLs; `undefined` if it is a good one. */
export function bootAddressNotice(
  config: DaemonConfig,
  iface: NetworkInterface,
): string | undefined {
  const { template, bootAddress, responder } = config;
  if (template === undefined) return undefined;
  const { tftp, isBase } = bootAddressesFor(config, iface);
  const index = iface.addresses.findIndex((address) =>
    formatIpv6(parseIpv6(address)!) === formatIpv6(parseIpv6(tftp)!)
  );
  if (index === -1) {
    return `boot URLs use ${tftp}, which is not an address of ${iface.name}`;
  }
  const state = iface.states[index]!;
  if (state === "temporary" || state === "expiring") {
    return `boot URLs use ${tftp}, which ${
      state === "temporary" ? "is a temporary address" : "is deprecated"
    }: ${iface.name} has no lasting address in that prefix`;
  }
  return isBase || bootAddress !== undefined
    ? undefined
    : `${iface.name} does not have the base address ${
      responder.subnets[0]!.text
    }; boot URLs use ${tftp} instead`;
}

/**
 * What an interface without an address in the base prefix means, or with
 * addresses whose lifetime ends; `undefined` if it has another one.
 */
export function basePrefixProblem(
  { responder }: Pick<DaemonConfig, "responder">,
  { name, addresses, states }: NetworkInterface,
): string | undefined {
  const base = responder.subnets[0]!;
  const prefix = formatSubnet(base.bytes);
  const own = addresses.filter((text) => isInSubnet(parseIpv6(text)!, 0, base));
  if (own.some((text) => states[addresses.indexOf(text)] !== "expiring")) {
    return undefined;
  }
  if (own.length > 0) {
    return `all addresses of ${name} in ${prefix} are deprecated (${
      own.join(", ")
    }): the prefix is about to leave this link, and clients get addresses of it; ` +
      "set --base-address to the prefix that replaces it";
  }
  return `${name} has no address in ${prefix} (${
    addresses.length === 0
      ? "it has link-local ones only"
      : `it has ${addresses.join(", ")}`
  }): clients get addresses of a prefix that is not on this link; ` +
    `correct --base-address, or give ${name} an address in it`;
}

/** Milliseconds after which a connection to this host counts as dropped. */
const CONNECT_TIMEOUT = 2000;

/** The template's URL for a sample client; `undefined` if there is none. */
export function sampleUrl(
  config: DaemonConfig,
  iface: NetworkInterface,
): URL | undefined {
  const { template, responder } = config;
  if (template === undefined) return undefined;
  const text = renderTemplate(template, {
    ...SAMPLE_VALUES,
    BaseAddress: responder.subnets[0]!.text,
    BootAddress: bootAddressesFor(config, iface).http,
  });
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** The port of a URL with http or https. */
export function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === "https:" ? 443 : 80);
}

/**
 * Why clients cannot reach this daemon at the template's host. `undefined` if
 * they can, or if that host is none of the interface's addresses. On a router,
 * Linux drops TCP to the subnet-router anycast address (RFC 4291 section 2.6.1).
 */
export async function ownAddressProblem(
  config: DaemonConfig,
  iface: NetworkInterface,
): Promise<string | undefined> {
  const url = sampleUrl(config, iface);
  if (url === undefined) return undefined;
  const hostname = withoutBrackets(url.hostname);
  const port = portOf(url);
  const isOwn = iface.addresses.includes(hostname) &&
    tcpAddressesOf(config).some((address) => port === address.port);
  if (!isOwn) return undefined;
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT);
  try {
    const connection = await Deno.connect({ hostname, port, signal });
    connection.close();
    return undefined;
  } catch (error) {
    if (!signal.aborted && !(error instanceof Deno.errors.TimedOut)) {
      return undefined;
    }
    return `this host drops TCP to [${hostname}]:${port}, the address in the URL template: it is the subnet's anycast address. ` +
      `Give the interface another address and use {{.BootAddress}} in the template, or assign ${hostname} before any other`;
  }
}

/** What is not served when the interface is in a VRF; `undefined` if it is not. */
export function vrfProblem(interfaceName: string): string | undefined {
  const vrf = foreignVrfOf(interfaceName);
  return vrf === undefined ? undefined : (
    `${interfaceName} is in the VRF ${vrf}: relays, TFTP and HTTP are served there only by a daemon that runs in it (ip vrf exec ${vrf} dhcpv6macd ...)`
  );
}

/**
 * A service whose errors at the start name the address and the cause.
 *
 * @param where The interface or the address that is bound.
 */
export function withListenErrors(
  service: Service,
  port: number,
  protocol: "UDP" | "TCP",
  where: string,
): Service {
  return {
    start: async () => {
      try {
        await service.start?.();
      } catch (error) {
        throw listenError(error, port, protocol, where);
      }
    },
    reload: () => service.reload?.(),
    stop: () => service.stop(),
  };
}

/** Logs it when clients would not reach this daemon at the template's host. */
export async function warnIfUnreachable(
  config: DaemonConfig,
  iface: NetworkInterface | undefined,
  log: Log,
): Promise<void> {
  const vrf = vrfProblem(config.interfaceName);
  if (vrf !== undefined) log.warning("vrf", vrf);
  if (iface === undefined) return;
  const problem = await ownAddressProblem(config, iface);
  if (problem !== undefined) log.warning("unreachable", problem);
}
