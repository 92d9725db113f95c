/**
 * The wiring of the daemon: which services exist, their dependencies, and the
 * order in which they start and stop.
 *
 * @module
 */

import type { IpxeFiles } from "../boot_files/ipxe.ts";
import { Dhcpv6Server } from "../dhcpv6/server/server.ts";
import { MachineWriter } from "../machines/json.ts";
import { Names } from "../machines/names_file.ts";
import { MachineRegistry } from "../machines/registry.ts";
import { AccessList } from "../net/access.ts";
import { CooperativeScheduler } from "../overload/scheduler.ts";
import { waitAtMost } from "../overload/timeout.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metric } from "../telemetry/metrics.ts";
import type { OtlpExporter } from "../telemetry/otlp/exporter.ts";
import { exporterOf } from "./collector.ts";
import { type DaemonConfig, responderOptionsFor } from "./config.ts";
import { fdSharesFor } from "./descriptors.ts";
import { DaemonDhcpv6Observer, logTotals } from "./dhcpv6_observer.ts";
import { warnIfUnreachable, withListenErrors } from "./diagnostics.ts";
import { bootListOf } from "./boot_list.ts";
import { BootScripts } from "./boot_scripts.ts";
import { ipxeFilesOf, logStalledFiles } from "./file_log.ts";
import { FloodMonitor } from "./flood_monitor.ts";
import { HttpStack } from "./http_stack.ts";
import { InterfacePoller } from "./interface_poller.ts";
import { MachineLog } from "./machine_log.ts";
import { MachineTracker } from "./machine_tracker.ts";
import { metricsOf } from "./metrics.ts";
import { logStart, NamesLog } from "./operator_log.ts";
import type { Service } from "./service.ts";
import { TftpService } from "./tftp_service.ts";

/** Milliseconds for the last log lines to be written. */
const LOG_FLUSH_TIMEOUT = 500;

/** Milliseconds for all services to stop; TFTP transfers get 5 s of them. */
const STOP_TIMEOUT = 5200;

/** A daemon for one link. */
export class Daemon implements Service {
  readonly #config: DaemonConfig;
  readonly #log: Log;
  readonly #dhcpv6: Dhcpv6Server;
  readonly #ipxe: IpxeFiles;
  readonly #otlp: OtlpExporter | undefined;
  /** In the order in which they start. */
  readonly #services: readonly Service[];

  constructor(config: DaemonConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    const { interfaceName, responder: { subnets, validLifetime } } = config;
    const fdShares = fdSharesFor(config);
    const scheduler = new CooperativeScheduler();
    const access = new AccessList(config.allowed);
    const allows = (hostname: string) => access.allows(hostname);

    const names = new Names(
      config.namesFile,
      new NamesLog(log, config.namesFile),
    );
    const registry = new MachineRegistry(
      { machines: config.maxMachines, events: config.maxEvents },
      {
        onEvent: (machine, event, repeat, detail) => {
          machineLog.onEvent(machine, event, repeat, detail);
          http.eventStream.notify();
          this.#otlp?.notify();
        },
      },
    );
    const writer = new MachineWriter(registry, subnets, validLifetime);
    const machineLog = new MachineLog(log, names, writer);
    const bootList = bootListOf(config, log);
    const tracker = new MachineTracker(registry, subnets, machineLog, bootList);
    const ipxe = this.#ipxe = ipxeFilesOf(config, log);
    const iface = () => dhcpv6.serving;
    const scripts = new BootScripts({ config, iface, registry });
    const base = { config, iface, registry, writer, tracker, scheduler, log };
    const shared = { ...base, ipxe, bootList, scripts, names };

    const dhcpv6Observer = new DaemonDhcpv6Observer({ ...base, machineLog });
    const dhcpv6 = this.#dhcpv6 = new Dhcpv6Server({
      interfaceName,
      port: config.port,
      serverDuid: config.serverDuid,
      responderOptionsFor: (iface) =>
        responderOptionsFor(config, iface, {
          builds: ipxe.builds,
          shims: ipxe.shims,
          isListed: (mac) => bootList!.isListed(mac),
        }),
      observer: dhcpv6Observer,
    });
    const tftp = new TftpService({
      ...shared,
      maxDescriptors: fdShares.tftp,
      allows,
    });

    const metrics = (): Metric[] =>
      metricsOf({
        dhcpv6: dhcpv6.counters,
        isServing: dhcpv6.serving !== undefined,
        hasBasePrefix: dhcpv6Observer.hasBasePrefix,
        ...shared,
        tftp: tftp.server,
        http,
        otlp: this.#otlp,
        validLifetime,
      });
    const http: HttpStack = new HttpStack({
      ...shared,
      fdShares,
      allows,
      metrics,
      unserved: () => dhcpv6Observer.unserved.json(),
      problem: () => dhcpv6.problem,
      tftp: () => tftp.server.hostnames,
    });
    this.#otlp = exporterOf(config, {
      ...shared,
      run: http.eventStream.run,
      events: registry.history,
      metrics,
    });

    const flood = new FloodMonitor(log);
    const poller = new InterfacePoller({
      interfaceName,
      log,
      onStart: (iface) => dhcpv6.start(iface),
      onChange: (iface) => {
        access.update(iface);
        dhcpv6Observer.onInterface(iface);
        tftp.onInterface(iface);
      },
      onPoll: (iface) => {
        logStalledFiles(log);
        flood.check(dhcpv6.counters.dropped.send_blocked, tracker.rejected);
        void dhcpv6.refresh(iface);
        tftp.bind();
      },
    });
    this.#services = [
      ipxe,
      names,
      ...bootList === undefined ? [] : [bootList],
      dhcpv6Observer,
      { stop: () => dhcpv6.stop() },
      tftp,
      withListenErrors(poller, config.port, "UDP", interfaceName),
      ...http.services,
    ];
  }

  /**
   * Starts every service, in order.
   *
   * @throws {StartError} if a port cannot be bound or the certificate cannot be
   * used.
   */
  async start(): Promise<void> {
    logStart(this.#config, this.#ipxe, this.#log);
    for (const service of this.#services) await service.start?.();
    this.#otlp?.start();
    void warnIfUnreachable(this.#config, this.#dhcpv6.serving, this.#log);
  }

  /** Reads all files again that can change while the daemon runs. */
  async reload(): Promise<void> {
    this.#log.info("reloading", "SIGHUP: reading all files again");
    const parts = [...this.#services, this.#otlp];
    await Promise.all(parts.map((part) => part?.reload?.()));
  }

  /** Stops every service. Work in progress gets 5 s to finish. */
  async stop(): Promise<void> {
    const stopping = this.#services.toReversed().map((service) =>
      service.stop()
    );
    await waitAtMost(STOP_TIMEOUT, Promise.all(stopping));
    // Last, so that it exports the events recorded while the others stopped.
    await this.#otlp?.stop();
    logTotals(this.#dhcpv6.counters, this.#log);
    await this.#log.flush(LOG_FLUSH_TIMEOUT);
  }
}
