/**
 * TFTP: a server for boot files and iPXE, at the addresses that the interface has.
 *
 * @module
 */

import type { IpxeFiles } from "../boot_files/ipxe.ts";
import type { PathProblem } from "../boot_files/served_roots.ts";
import { TftpFiles } from "../boot_files/tftp_files.ts";
import type { NetworkInterface } from "../net/interface.ts";
import type { Log } from "../telemetry/log.ts";
import { TftpServer } from "../tftp/server.ts";
import { bootPathsOf } from "./boot_paths.ts";
import type { BootScripts } from "./boot_scripts.ts";
import {
  bootDirectoryOf,
  type DaemonConfig,
  templatesOf,
  tftpAddressesFor,
  tftpPortOf,
} from "./config.ts";
import type { MachineTracker } from "./machine_tracker.ts";
import { DaemonTftpObserver } from "./operator_log.ts";
import type { Service } from "./service.ts";

/** What the service works with. */
export interface TftpServiceOptions {
  readonly config: DaemonConfig;
  readonly maxDescriptors: number;
  readonly ipxe: IpxeFiles;
  readonly scripts: BootScripts;
  readonly allows: (hostname: string) => boolean;
  readonly tracker: MachineTracker;
  readonly log: Log;
}

/** Milliseconds for transfers in progress to finish. */
const STOP_GRACE = 5000;

/** Serves the files of machines and the iPXE files over TFTP. */
export class TftpService implements Service {
  readonly server: TftpServer;
  readonly #config: DaemonConfig;
  #addresses: readonly string[] = [];

  constructor(
    { config, maxDescriptors, allows, tracker, log, ...options }:
      TftpServiceOptions,
  ) {
    this.#config = config;
    const port = tftpPortOf(config);
    const isBootPath = bootPathsOf(templatesOf(config));
    const observer = new DaemonTftpObserver(port, tracker, isBootPath, log);
    const { ipxe, scripts } = options;
    const files = new TftpFiles(
      bootDirectoryOf(config),
      ipxe,
      (mac) => scripts.of(mac),
    );
    this.server = new TftpServer({
      port,
      isSinglePort: config.isTftpSinglePort,
      interfaceName: config.interfaceName,
      maxDescriptors,
      open: async (request) => {
        const { mac, name, client } = request;
        const problems: PathProblem[] = [];
        const file = await files.open(mac, name, client, problems);
        if (file === undefined) observer.onNoFile(request, problems);
        return file;
      },
      macOf: (client) => tracker.macOf(client),
      allows,
      observer,
    });
  }

  start(): void {
    this.server.start();
  }

  /** Takes the addresses of an interface; `undefined` while it is absent. */
  onInterface(iface: NetworkInterface | undefined): void {
    this.#addresses = iface ? tftpAddressesFor(this.#config, iface) : [];
  }

  /** Binds the sockets of addresses that could not be bound before. */
  bind(): void {
    this.server.bind(this.#addresses);
  }

  async stop(): Promise<void> {
    await this.server.stop(STOP_GRACE);
  }
}
