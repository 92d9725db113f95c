/**
 * HTTP and HTTPS: the listeners, what answers requests behind them, and the
 * quotas that these share.
 *
 * @module
 */

import type { IpxeFiles } from "../boot_files/ipxe.ts";
import { fileWork } from "../files/file_work.ts";
import { Api } from "../http/api.ts";
import { BootFileHandler } from "../http/boot_files.ts";
import { ConnectionGuard } from "../http/connection_guard.ts";
import { Connections } from "../http/connections.ts";
import { Downloads } from "../http/download.ts";
import { EventStream } from "../http/event_stream.ts";
import { HostNames } from "../http/host_check.ts";
import {
  authorityOf,
  HttpServer,
  type ListenAddress,
} from "../http/listener.ts";
import { Router } from "../http/router.ts";
import { SendWindows } from "../http/send_window.ts";
import { WebUi } from "../http/web_ui/responses.ts";
import type { MachineWriter, UnservedJson } from "../machines/json.ts";
import type { Names } from "../machines/names_file.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import type { NetworkInterface } from "../net/interface.ts";
import { tcpSockets } from "../net/tcp_sockets.ts";
import type { FdShares } from "../overload/fd_budget.ts";
import type { CooperativeScheduler } from "../overload/scheduler.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metric } from "../telemetry/metrics.ts";
import { bootPathsOf } from "./boot_paths.ts";
import type { BootScripts } from "./boot_scripts.ts";
import { bootDirectoryOf, type DaemonConfig, templatesOf } from "./config.ts";
import { withListenErrors } from "./diagnostics.ts";
import { explainerOf } from "./explainer.ts";
import { HttpsService } from "./https_service.ts";
import {
  type BootList,
  FETCHING,
  type MachineTracker,
} from "./machine_tracker.ts";
import { ConnectionGuardLog, HttpLog } from "./operator_log.ts";
import type { Service } from "./service.ts";
import { statusOf } from "./status.ts";

/** What the stack is made of. */
export interface HttpStackOptions {
  readonly config: DaemonConfig;
  readonly log: Log;
  readonly fdShares: FdShares;
  readonly registry: MachineRegistry;
  readonly writer: MachineWriter;
  readonly names: Names;
  readonly tracker: MachineTracker;
  readonly scheduler: CooperativeScheduler;
  readonly allows: (hostname: string) => boolean;
  readonly metrics: () => Iterable<Metric>;
  readonly unserved: () => readonly UnservedJson[];
  readonly ipxe: IpxeFiles;
  readonly scripts: BootScripts;
  readonly bootList: BootList | undefined;
  /** The interface; `undefined` while DHCPv6 is not served. */
  readonly iface: () => NetworkInterface | undefined;
  /** The addresses at which TFTP is served now. */
  readonly tftp: () => Iterable<string>;
  /** Why clients get no reply now; `undefined` if they do. */
  readonly problem: () => string | undefined;
}

/** HTTP and HTTPS of a daemon. */
export class HttpStack {
  /** What starts and stops, in the order of the start. */
  readonly services: readonly Service[];
  readonly connections: Connections = new Connections(tcpSockets);
  readonly connectionGuard: ConnectionGuard;
  readonly downloads: Downloads;
  readonly eventStream: EventStream;
  readonly router: Router;

  constructor(options: HttpStackOptions) {
    const { config, fdShares, registry, writer, names, scheduler } = options;
    const { log } = options;
    const observer = new HttpLog(log);
    const load = () => this.fdsInUse / fdShares.responses;
    this.downloads = new Downloads(load, tcpSockets !== undefined);
    this.eventStream = new EventStream(registry, writer, scheduler, {
      total: fdShares.eventReaders,
      perClient: fdShares.eventReadersPerClient,
      load,
    });
    const explainer = explainerOf(options);
    const shared = { registry, writer, names, scheduler };
    this.router = new Router({
      bootFiles: new BootFileHandler(
        bootDirectoryOf(config),
        (mac, client, detail, transfer) =>
          options.tracker.onTransfer(
            { mac, client, detail, transfer, stages: FETCHING },
            performance.now(),
          ),
        this.downloads,
        {
          isBootPath: bootPathsOf(templatesOf(config)),
          macOf: (client) => options.tracker.macOf(client),
          isMachine: (client) => options.tracker.isMachine(client),
          scriptOf: (mac) => options.scripts.of(mac),
          onRefused: (refusal) =>
            options.tracker.onRefused(refusal, performance.now()),
        },
      ),
      api: new Api({
        ...shared,
        records: { bases: config.responder.subnets, domain: config.domain },
        eventStream: this.eventStream,
        metrics: options.metrics,
        unserved: options.unserved,
        status: () => statusOf(options),
        explain: (mac, client) => explainer.explain(mac, client),
        problem: options.problem,
        stalledFiles: () => fileWork.stalled(),
      }),
      page: new WebUi({
        ...shared,
        interfaceName: config.interfaceName,
        baseAddress: config.responder.subnets[0]!.text,
      }),
      allows: options.allows,
      hosts: new HostNames(config.hosts),
      load,
      observer,
    });

    const listener = {
      router: this.router,
      connections: this.connections,
      sendWindows: tcpSockets && new SendWindows(this.connections),
      observer,
    };
    const http = config.http.map((address) =>
      new HttpServer({ address, ...listener })
    );
    const https = config.https && new HttpsService({
      listeners: config.https.addresses.map((address) => ({
        address,
        ...listener,
      })),
      files: config.https.files,
      log,
    });
    for (const { port } of [...config.http, ...config.https?.addresses ?? []]) {
      this.connections.listenAt(port);
    }
    const openListeners = () => [...http, ...https?.servers ?? []];
    this.connectionGuard = new ConnectionGuard({
      connections: this.connections,
      maxIdle: fdShares.idleConnections,
      places: fdShares.responses,
      servers: () =>
        openListeners().filter(({ isListening }) => isListening).length,
      pressure: () =>
        Math.max(
          this.router.quota.load,
          this.downloads.quota.load,
          this.eventStream.quota.load,
        ),
      memory: () => {
        const { rss, heapTotal, external } = Deno.memoryUsage();
        return rss - heapTotal - external;
      },
      observer: new ConnectionGuardLog(log, openListeners),
    });
    this.services = [
      ...http.map((server, index) =>
        withTcpErrors(server, config.http[index]!)
      ),
      ...https === undefined ? [] : [https],
      this.eventStream,
      this.connectionGuard,
    ];
  }

  /** File descriptors of connections with a response in flight, and of files. */
  get fdsInUse(): number {
    return this.connections.answering + this.downloads.active;
  }
}

function withTcpErrors(service: Service, address: ListenAddress): Service {
  return withListenErrors(service, address.port, "TCP", authorityOf(address));
}
