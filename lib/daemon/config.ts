/**
 * What a daemon is set up with, and the addresses that follow from it.
 *
 * @module
 */

import {
  type BootAddresses,
  bootAddressesOf,
} from "../dhcpv6/reply/boot_address.ts";
import type { ResponderOptions } from "../dhcpv6/reply/responder.ts";
import type { UrlTemplate } from "../dhcpv6/reply/url_template.ts";
import type { KeyPairFiles } from "../http/tls_reload.ts";
import type { ListenAddress } from "../http/listener.ts";
import type { IpxeFilesOptions } from "../boot_files/ipxe.ts";
import { hostnamesOf, type NetworkInterface } from "../net/interface.ts";
import type { ParsedAddress } from "../net/ipv6.ts";
import type { Prefix } from "../net/prefix.ts";

/** What a daemon is set up with. */
export interface DaemonConfig {
  readonly interfaceName: string;
  /** The UDP port of DHCPv6. */
  readonly port: number;
  readonly responder: Omit<ResponderOptions, "boot">;
  /** Where machines boot from; `undefined`: they get no instructions. */
  readonly template: UrlTemplate | undefined;
  /** This daemon's address in URLs, where it is not to be found out. */
  readonly bootAddress: ParsedAddress | undefined;
  /** `listed`: instructions for machines with a netboot directory only. */
  readonly bootPolicy: "always" | "listed";
  readonly netbootDirectory: string | undefined;
  /** Without a host: at every address of the interface. */
  readonly tftp:
    | { readonly hostname: string | undefined; readonly port: number }
    | "boot address"
    | undefined;
  readonly http: ListenAddress;
  readonly https: ListenAddress & { readonly files: KeyPairFiles } | undefined;
  /** Prefixes that HTTP and TFTP answer besides the interface's own. */
  readonly allowed: readonly Prefix[] | "any";
  readonly ipxe: IpxeFilesOptions;
  /** Names under which the API answers, besides address literals. */
  readonly hosts: readonly string[];
  /** The names that people have given to machines. */
  readonly namesFile: string | undefined;
  readonly maxMachines: number;
  readonly maxEvents: number;
  /** Where metrics and events are pushed to. */
  readonly otlpEndpoint: URL | undefined;
  /** What the operator should know, but need not change. */
  readonly notices: readonly string[];
}

/** The well-known port of TFTP (RFC 1350 §4). */
const TFTP_PORT = 69;

/** The addresses under which machines are sent to this daemon. */
export function bootAddressesFor(
  { responder, bootAddress }: DaemonConfig,
  iface: NetworkInterface,
): BootAddresses {
  return bootAddress === undefined
    ? bootAddressesOf(responder.subnets[0]!, iface.addresses)
    : { tftp: bootAddress.text, http: bootAddress.text, isBase: true };
}

/** Where TFTP is served while the interface is as it is, and on which port. */
export function tftpAddressesFor(
  config: DaemonConfig,
  iface: NetworkInterface,
): string[] {
  const { tftp } = config;
  if (tftp === undefined) return [];
  if (tftp === "boot address") return [bootAddressesFor(config, iface).tftp];
  return tftp.hostname === undefined ? hostnamesOf(iface) : [tftp.hostname];
}

/** The port of TFTP, whether it is served or not. */
export function tftpPortOf({ tftp }: DaemonConfig): number {
  return typeof tftp === "object" ? tftp.port : TFTP_PORT;
}
