/**
 * The scripts that iPXE gets, by machine.
 *
 * @module
 */

import { bootScript } from "../boot_files/boot_script.ts";
import type { IpxeBuild } from "../boot_files/ipxe_builds.ts";
import { KNOWN_CLIENTS } from "../dhcpv6/reply/client_kinds.ts";
import { instructionUrl } from "../dhcpv6/reply/instruction_url.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import type { NetworkInterface } from "../net/interface.ts";
import type { Mac } from "../net/mac.ts";
import {
  bootAddressesFor,
  type DaemonConfig,
  scriptLocationOf,
} from "./config.ts";

/** What {@linkcode BootScripts} asks. */
export interface BootScriptsOptions {
  readonly config: DaemonConfig;
  /** The interface; `undefined` while it is absent. */
  readonly iface: () => NetworkInterface | undefined;
  /** The machines of a running daemon. */
  readonly registry: Pick<MachineRegistry, "get"> | undefined;
}

/** Makes scripts. */
export class BootScripts {
  readonly #options: BootScriptsOptions;

  constructor(options: BootScriptsOptions) {
    this.#options = options;
  }

  /** The script for a machine; `undefined` if iPXE gets none. */
  of(mac: Mac): Uint8Array | undefined {
    const urls = this.urlsFor(mac);
    return urls === undefined
      ? undefined
      : new TextEncoder().encode(bootScript(urls));
  }

  /** The URL that the script of a machine loads, for each processor. */
  urlsFor(mac: Mac): Map<IpxeBuild, string> | undefined {
    const { config, registry } = this.#options;
    const { template, responder: { subnets } } = config;
    const iface = this.#options.iface();
    if (
      template === undefined || iface === undefined ||
      scriptLocationOf(config) === undefined
    ) return undefined;
    const { tftp: tftpAddress, http: bootAddress } = bootAddressesFor(
      config,
      iface,
    );
    const { text: baseAddress } =
      subnets[registry?.get(mac)?.subnetIndex ?? 0]!;
    const instruction = { kind: "url", template, httpClient: false } as const;
    // iPXE calls the processor what the firmware does that loads it by PXE.
    return new Map(
      KNOWN_CLIENTS.filter(({ kind }) => kind.startsWith("pxe-")).map((
        { kind, facts: { architectures } },
      ) => [
        kind.slice("pxe-".length) as IpxeBuild,
        instructionUrl(instruction, { tftpAddress, bootAddress }, {
          mac,
          baseAddress,
          architectures,
        }),
      ]),
    );
  }
}
