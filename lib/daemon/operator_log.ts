/**
 * The log lines of the daemon's parts: one small observer for each.
 *
 * @module
 */

import { isBootable } from "../boot_files/directory.ts";
import type { IpxeFiles } from "../boot_files/ipxe.ts";
import { mainProblem, type PathProblem } from "../boot_files/served_roots.ts";
import type { ConnectionGuardObserver } from "../http/connection_guard.ts";
import type { Connection } from "../http/connections.ts";
import {
  authorityOf,
  type HttpObserver,
  type ListenAddress,
} from "../http/listener.ts";
import type { RouterObserver } from "../http/router.ts";
import type { BootRefusal, RefusalCause } from "../machines/boot_refusal.ts";
import type { NamesObserver, NamesProblem } from "../machines/names_file.ts";
import type {
  ReportedTransfer,
  TransferDetail,
} from "../machines/transfer_progress.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import { formatMac, type Mac } from "../net/mac.ts";
import { formatSubnet, isMappedIpv4, parseAddress } from "../net/prefix.ts";
import type { Log } from "../telemetry/log.ts";
import { MINUTE } from "../telemetry/throttle.ts";
import { VERSION } from "../telemetry/version.ts";
import { parseRequestPath } from "../tftp/request_path.ts";
import type {
  FileRequest,
  TftpObserver,
  TftpRefusalReason,
} from "../tftp/server.ts";
import type { IsBootPath } from "./boot_paths.ts";
import type { DaemonConfig } from "./config.ts";
import { warnOfFewDescriptors } from "./descriptors.ts";
import { listenError } from "./diagnostics.ts";
import { type MachineTracker, tftpStagesOf } from "./machine_tracker.ts";

/**
 * Logs what happens to HTTP listeners, and which clients are refused without
 * an option: each once, and no more than the log throttles keys.
 */
export class HttpLog implements HttpObserver, RouterObserver {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  httpUnavailable(address: ListenAddress, error: Error): void {
    const { port } = address;
    const { message } = listenError(error, port, "TCP", authorityOf(address));
    this.#log.error("http_unavailable", `${message}; retrying`, { port });
  }

  onHostRefused(name: string, client: string): void {
    this.#log.warning(
      "host_refused",
      `refused HTTP for the host name ${name}, requested by ${client}: not a name of this daemon; --http-host ${name} adds it`,
      { host: name, client },
      { key: name, every: Infinity },
    );
  }

  onClientRefused(client: string): void {
    const prefix = prefixOf(client);
    this.#log.warning(
      "client_refused",
      `refused HTTP to ${client}: client address not allowed; --http-allow ${prefix} allows it`,
      { client },
      { key: prefix, every: Infinity },
    );
  }

  httpRestarted({ port }: ListenAddress): void {
    this.#log.warning(
      "http_restarted",
      `restarted the HTTP listener on port ${port}, which had stopped (out of file descriptors); responses in flight continue`,
      { port },
    );
  }
}

/** The prefix that allows a client: its /64, or its IPv4 address. */
function prefixOf(client: string): string {
  const bytes = parseAddress(client);
  if (bytes === undefined) return client;
  if (isMappedIpv4(bytes)) return bytes.subarray(12).join(".");
  return formatSubnet(bytes);
}

/** Closes HTTP connections for the guard, and logs that. */
export class ConnectionGuardLog implements ConnectionGuardObserver {
  readonly #log: Log;
  readonly #listeners: () => readonly EndableListener[];
  /** Connections closed since the last line of each event. */
  readonly #closed = new Map<string, number>();

  constructor(log: Log, listeners: () => readonly EndableListener[]) {
    this.#log = log;
    this.#listeners = listeners;
  }

  onIdle(closed: readonly Connection[]): void {
    this.#report("connections_closed", closed, [
      "idle HTTP connections",
      "there were too many",
    ]);
  }

  onStalled(closed: readonly Connection[]): void {
    this.#report("connections_stalled", closed, [
      "HTTP connections",
      "their clients do not read the response",
    ]);
  }

  onExcess(closed: readonly Connection[]): void {
    this.#report("connections_excessive", closed, [
      "HTTP connections",
      "their clients send much more than requests",
    ]);
  }

  #report(
    event: string,
    connections: readonly Connection[],
    [what, why]: readonly [string, string],
  ): void {
    const closed = (this.#closed.get(event) ?? 0) + connections.length;
    this.#closed.set(event, closed);
    if (!this.#log.isDue(event, { every: MINUTE })) return;
    const [{ client }] = connections as [Connection];
    this.#log.warning(
      event,
      `closed ${closed} ${what}, such as one of ${client}: ${why}`,
      { connections: closed, address: client },
    );
    this.#closed.set(event, 0);
  }

  onStuck(): void {
    this.#log.warning(
      "responses_stuck",
      "HTTP/2 clients have left responses that the runtime does not end: connections that ask for several at once are closed until the daemon is restarted",
      {},
      { every: MINUTE },
    );
  }

  onListenerLost(): void {
    for (const listener of this.#listeners()) void listener.ensureListening();
  }
}

/** A listener that the runtime may have ended. */
export interface EndableListener {
  ensureListening(): Promise<void>;
}

/** Logs what happens to the file of machine names. */
export class NamesLog implements NamesObserver {
  readonly #log: Log;
  readonly #path: string | undefined;

  /** @param path The file. */
  constructor(log: Log, path: string | undefined) {
    this.#log = log;
    this.#path = path;
  }

  namesRead(count: number, problems: readonly NamesProblem[]): void {
    this.#log.info("names_read", `read ${count} names from ${this.#path}`, {
      names: count,
    });
    const [first] = problems;
    if (first === undefined) return;
    this.#log.warning(
      "names_malformed",
      `ignored ${problems.length} malformed lines of ${this.#path} (expected MAC NAME), first line ${first.line}: ${
        escapeControls(first.text)
      }`,
    );
  }

  namesUnreadable(error: Error): void {
    this.#log.error(
      "names_unreadable",
      `cannot read ${this.#path}: ${error.message}; keeping the names read before`,
    );
  }
}

/** The cause of a TFTP refusal; `undefined`: it is not reported. */
const TFTP_CAUSES: Record<TftpRefusalReason, RefusalCause | undefined> = {
  no_request: "malformed_request",
  source_not_allowed: "address_not_allowed",
  write_request: "wrong_method",
  no_mac: "no_mac",
  // `onNoFile` reports it, with the cause.
  file_not_found: undefined,
  file_too_long: "too_long",
  too_many_transfers: "too_many_transfers",
  other_transfer: undefined,
  unknown_transfer_id: undefined,
  unanswered: undefined,
};

/** Logs where TFTP cannot be served, and tracks transfers. */
export class DaemonTftpObserver implements TftpObserver {
  readonly #port: number;
  readonly #tracker: MachineTracker;
  readonly #isBootPath: IsBootPath;
  readonly #log: Log;

  constructor(
    port: number,
    tracker: MachineTracker,
    isBootPath: IsBootPath,
    log: Log,
  ) {
    this.#port = port;
    this.#tracker = tracker;
    this.#isBootPath = isBootPath;
    this.#log = log;
  }

  onBindError(hostname: string, error: Error): void {
    const port = this.#port;
    this.#log.error(
      "tftp_refused",
      error instanceof Deno.errors.AddrInUse
        ? `cannot serve TFTP: UDP port ${port} on ${hostname} is in use, usually by tftpd-hpa, atftpd or dnsmasq; retrying`
        : `cannot serve TFTP: ${
          listenError(error, port, "UDP", hostname).message
        }; retrying`,
      { address: hostname, port },
    );
  }

  onTransfer(
    mac: Mac,
    client: string,
    detail: TransferDetail,
    transfer: ReportedTransfer,
    { isIpxe, name }: { readonly isIpxe: boolean; readonly name: string },
  ): void {
    const paths = [`/${formatMac(mac)}/${name}`, `/${name}`];
    const isBoot = isBootable(name) ||
      paths.some((path) => this.#isBootPath(path, mac));
    const { state } = detail;
    const stages = tftpStagesOf({ file_name: name, state }, isIpxe, isBoot);
    this.#tracker.onTransfer(
      { mac, client, detail, transfer, stages },
      performance.now(),
    );
  }

  onRefused(reason: TftpRefusalReason, client: string, path: string): void {
    const cause = TFTP_CAUSES[reason];
    if (cause === undefined) return;
    const mac = parseRequestPath(path, this.#tracker.macOf(client))?.mac;
    this.#refuse({ cause, client, path, mac });
  }

  /**
   * There is no file for a request.
   *
   * @param problems Why each path that was tried is not served.
   */
  onNoFile(
    { mac, client, path }: FileRequest,
    problems: readonly PathProblem[],
  ): void {
    const problem = mainProblem(problems);
    this.#refuse({
      cause: problem?.kind ?? "not_found",
      client,
      path,
      mac,
      file: problem?.path,
      problem: problem?.detail,
    });
  }

  #refuse(refusal: Omit<BootRefusal, "protocol">): void {
    this.#tracker.onRefused(
      { ...refusal, protocol: "tftp" },
      performance.now(),
    );
  }
}

/** The first lines of the log: the version, and what the operator should know. */
export function logStart(
  config: DaemonConfig,
  { builds, shims }: IpxeFiles,
  log: Log,
): void {
  const { notices, template } = config;
  log.info("starting", `dhcpv6macd ${VERSION}`, { version: VERSION });
  warnOfFewDescriptors(config, log);
  for (const notice of notices) log.warning("notice", notice);
  if (template === undefined || builds.size + shims.size > 0) return;
  log.warning(
    "no_ipxe",
    "no iPXE is compiled in or given: PXE clients get no boot file",
  );
}
