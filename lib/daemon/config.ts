/**
 * The configuration of a daemon, and the addresses that follow from it.
 *
 * @module
 */

import {
  type BootAddresses,
  bootAddressesOf,
} from "../dhcpv6/reply/boot_address.ts";
import type { ScriptLocation } from "../dhcpv6/reply/boot_decision.ts";
import type { BootUrls } from "../dhcpv6/reply/boot_urls.ts";
import type { ResponderOptions } from "../dhcpv6/reply/responder.ts";
import type { UrlTemplate } from "../dhcpv6/reply/url_template.ts";
import type { KeyPairFiles } from "../http/tls_reload.ts";
import type { ListenAddress } from "../http/listener.ts";
import { BootDirectory } from "../boot_files/directory.ts";
import type { IpxePaths } from "../boot_files/ipxe.ts";
import type { IpxeBuild, ShimBuild } from "../boot_files/ipxe_builds.ts";
import type { CollectorOptions } from "../telemetry/otlp/exporter.ts";
import { hostnamesOf, type NetworkInterface } from "../net/interface.ts";
import type { ParsedAddress } from "../net/ipv6.ts";
import type { Mac } from "../net/mac.ts";
import type { Prefix } from "../net/prefix.ts";

/** The configuration of a daemon. */
export interface DaemonConfig {
  readonly interfaceName: string;
  /** The UDP port of DHCPv6. */
  readonly port: number;
  /** The DUID of the server; `undefined`: made from the interface's MAC. */
  readonly serverDuid: Uint8Array | undefined;
  readonly responder: Omit<ResponderOptions, "boot">;
  /** The URL that machines boot from; `undefined`: only `bootUrls` are used. */
  readonly template: UrlTemplate | undefined;
  /** The URLs of kinds of clients that have others. */
  readonly bootUrls: BootUrls;
  /** `script`: iPXE loads the template's URL by a script of this daemon. */
  readonly ipxeChain: "script" | "direct";
  /** This daemon's address in boot URLs; `undefined`: chosen by the interface. */
  readonly bootAddress: ParsedAddress | undefined;
  /**
   * `listed`: only machines with a directory get boot instructions. `once`: only
   * those that have not booted since their directory was changed.
   */
  readonly bootPolicy: "always" | "listed" | "once";
  readonly netbootDirectory: string | undefined;
  /** Directories that links in the netboot directory may lead to. */
  readonly netbootFollow: readonly string[];
  /** No host name: every address of the interface. `undefined`: no TFTP. */
  readonly tftp:
    | { readonly hostname: string | undefined; readonly port: number }
    | "boot address"
    | undefined;
  /** Whether TFTP transfers use the port of the requests. */
  readonly isTftpSinglePort: boolean;
  /** Where HTTP is served; may be empty. */
  readonly http: readonly ListenAddress[];
  readonly https: {
    readonly addresses: readonly ListenAddress[];
    readonly files: KeyPairFiles;
  } | undefined;
  /** Prefixes that HTTP and TFTP serve besides those of the interface. */
  readonly allowed: readonly Prefix[] | "any";
  readonly ipxe: IpxePaths;
  /** Host names that the API accepts besides address literals. */
  readonly hosts: readonly string[];
  /** The domain of DNS records, in lower case and without a final dot. */
  readonly domain: string | undefined;
  /** A file of machine names. */
  readonly namesFile: string | undefined;
  readonly maxMachines: number;
  readonly maxEvents: number;
  /** File descriptors that the daemon may count on. */
  readonly maxOpenFiles: number;
  /** The OTLP collector; `undefined`: nothing is pushed. */
  readonly collector: CollectorOptions | undefined;
  /** Certificates in PEM that are trusted besides the usual ones. */
  readonly caCerts: readonly string[];
  /** The file that they are in; `undefined`: there are none. */
  readonly caFile: string | undefined;
  /** Warnings about the configuration, for the log. */
  readonly notices: readonly string[];
}

/** The boot files of machines; `undefined`: there are none. */
export function bootDirectoryOf(
  { netbootDirectory, netbootFollow }: DaemonConfig,
): BootDirectory | undefined {
  return netbootDirectory === undefined
    ? undefined
    : new BootDirectory(netbootDirectory, netbootFollow);
}

/** The well-known port of TFTP (RFC 1350 §4). */
const TFTP_PORT = 69;

/** The addresses of this daemon in boot URLs. */
export function bootAddressesFor(
  { responder, bootAddress }: DaemonConfig,
  iface: NetworkInterface,
): BootAddresses {
  if (bootAddress !== undefined) {
    return { tftp: bootAddress.text, http: bootAddress.text, isBase: true };
  }
  return bootAddressesOf(responder.subnets[0]!, iface);
}

/** The templates of all boot URLs. */
export function templatesOf(
  { template, bootUrls }: DaemonConfig,
): UrlTemplate[] {
  return [...template === undefined ? [] : [template], ...bootUrls.values()];
}

/** Whether a boot URL is one of TFTP. */
function leadsToTftp(config: DaemonConfig): boolean {
  return templatesOf(config).some(({ text }) => text.startsWith("tftp:"));
}

/** The addresses at which TFTP is served while the interface is as it is. */
export function tftpAddressesFor(
  config: DaemonConfig,
  iface: NetworkInterface,
): string[] {
  const { tftp } = config;
  if (tftp === undefined) return [];
  if (tftp === "boot address") {
    const { tftp, http } = bootAddressesFor(config, iface);
    // The template's {{.BootAddress}} may be another than that of iPXE's URL.
    return leadsToTftp(config) && http !== tftp ? [tftp, http] : [tftp];
  }
  return tftp.hostname === undefined ? hostnamesOf(iface) : [tftp.hostname];
}

/** The UDP port of TFTP, also if it is not served. */
export function tftpPortOf({ tftp }: DaemonConfig): number {
  return typeof tftp === "object" ? tftp.port : TFTP_PORT;
}

/** Where HTTP and HTTPS are served, HTTP first. */
export function tcpAddressesOf(
  { http, https }: DaemonConfig,
): ListenAddress[] {
  return [...http, ...https?.addresses ?? []];
}

/** Where iPXE loads the daemon's script from; `undefined`: it gets none. */
export function scriptLocationOf(
  { ipxeChain, tftp, http: [listener] }: DaemonConfig,
): ScriptLocation | undefined {
  if (ipxeChain === "direct") return undefined;
  // Where iPXE came from by TFTP, no firewall is in the way of that.
  if (tftp !== undefined) return { protocol: "tftp" };
  return listener && { protocol: "http", port: listener.port };
}

/** What boot instructions depend on besides the configuration. */
export interface BootSources {
  /** The iPXE builds that can be served. */
  readonly builds: ReadonlySet<IpxeBuild>;
  /** The shims that are given. */
  readonly shims: ReadonlySet<ShimBuild>;
  /** Whether the boot policy, unless it is `always`, lets a machine boot now. */
  readonly isListed: (mac: Mac) => boolean;
}

/** What clients are answered while the interface is as it is. */
export function responderOptionsFor(
  config: DaemonConfig,
  iface: NetworkInterface,
  { builds, shims, isListed }: BootSources,
): ResponderOptions {
  const { responder, template, bootUrls, bootPolicy, tftp } = config;
  if (templatesOf(config).length === 0) {
    return { ...responder, boot: undefined };
  }
  const addresses = bootAddressesFor(config, iface);
  return {
    ...responder,
    boot: {
      template,
      urls: bootUrls,
      hasFiles: config.netbootDirectory !== undefined,
      script: scriptLocationOf(config),
      tftpAddress: addresses.tftp,
      bootAddress: addresses.http,
      builds: tftp === undefined ? undefined : builds,
      shims,
      isBootAllowed: bootPolicy === "always" ? () => true : isListed,
    },
  };
}
