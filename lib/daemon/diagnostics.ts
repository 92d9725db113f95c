/**
 * What an operator reads when something is not as it should be: what is wrong,
 * why as a rule, and what to do.
 *
 * @module
 */

import { renderTemplate, SAMPLE_VALUES } from "../dhcpv6/reply/url_template.ts";
import { bootAddressesFor, type DaemonConfig } from "./config.ts";
import type { NetworkInterface } from "../net/interface.ts";
import { formatIpv6, parseIpv6 } from "../net/ipv6.ts";

/** Why a daemon cannot start: a sentence for the operator. */
export class StartError extends Error {
  override name = "StartError";
}

/** What to say when somebody else holds a port. */
export function portTakenText(port: number, where: string): string {
  return `UDP port ${port} on ${where} is taken, as a rule by odhcpd, dnsmasq, Kea or a second dhcpv6macd; ` +
    `stop that one, or its DHCPv6 on this link (ss -ulpn "sport = ${port}" names it)`;
}

/** What an operator reads when an address could not be bound. */
export function startError(
  error: unknown,
  port: number,
  protocol: "UDP" | "TCP",
  where: string,
): StartError {
  if (error instanceof Deno.errors.AddrInUse) {
    return new StartError(
      protocol === "UDP"
        ? portTakenText(port, where)
        : `TCP port ${port} is taken, by a second dhcpv6macd for another link perhaps (ss -tlnp "sport = ${port}" names it); --http-listen-addr and --https-listen-addr take another port or address`,
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new StartError(
      `${protocol} port ${port} may not be bound: run as root, or with the capability CAP_NET_BIND_SERVICE`,
    );
  }
  return new StartError(
    `${where} cannot be served: ${(error as Error).message}`,
  );
}

/** What to say of the address that machines are sent to, if it is no good one. */
export function bootAddressNotice(
  config: DaemonConfig,
  iface: NetworkInterface,
): string | undefined {
  const { template, bootAddress, responder } = config;
  if (template === undefined) return undefined;
  const { tftp, isBase } = bootAddressesFor(config, iface);
  const isOwn = iface.addresses.some((address) =>
    formatIpv6(parseIpv6(address)!) === formatIpv6(parseIpv6(tftp)!)
  );
  if (!isOwn) {
    return `machines are sent to ${tftp}, which is no address of ${iface.name} now`;
  }
  return isBase || bootAddress !== undefined
    ? undefined
    : `${iface.name} does not have the base address ${
      responder.subnets[0]!.text
    }; machines are sent to ${tftp} instead`;
}

/** Milliseconds after which a connection to oneself counts as dropped. */
const OWN_ADDRESS_PATIENCE = 2000;

/**
 * Why machines would not reach this daemon at the host of the template, if that
 * is one of its own addresses and nothing answers there.
 */
export async function ownAddressProblem(
  config: DaemonConfig,
  iface: NetworkInterface,
): Promise<string | undefined> {
  const { template, responder, http, https } = config;
  if (template === undefined) return undefined;
  const url = new URL(renderTemplate(template, {
    ...SAMPLE_VALUES,
    BaseAddress: responder.subnets[0]!.text,
    BootAddress: bootAddressesFor(config, iface).http,
  }));
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  const isOwn = iface.addresses.includes(hostname) &&
    (port === http.port || port === https?.port);
  if (!isOwn) return undefined;
  const signal = AbortSignal.timeout(OWN_ADDRESS_PATIENCE);
  try {
    const connection = await Deno.connect({ hostname, port, signal });
    connection.close();
    return undefined;
  } catch (error) {
    if (!signal.aborted && !(error instanceof Deno.errors.TimedOut)) {
      return undefined;
    }
    return `TCP to [${hostname}]:${port}, where the template sends machines, is dropped by this host itself: it takes that address for the link's anycast address. ` +
      `Give the interface another address and put {{.BootAddress}} into the template, or assign ${hostname} before any other`;
  }
}
