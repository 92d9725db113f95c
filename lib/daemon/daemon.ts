/**
 * The one place that knows all the parts: starts them, tells the operator what
 * they do, stops them.
 *
 * @module
 */

import {
  bootAddressNotice,
  ownAddressProblem,
  StartError,
  startError,
} from "./diagnostics.ts";
import {
  bootAddressesFor,
  type DaemonConfig,
  tftpAddressesFor,
  tftpPortOf,
} from "./config.ts";
import { metricsOf } from "./metrics.ts";
import { messageName, MessageType } from "../dhcpv6/wire/constants.ts";
import type { Packet } from "../dhcpv6/wire/packet.ts";
import { RogueServerDetector } from "../dhcpv6/server/rogue_servers.ts";
import type { Outcome, ResponderOptions } from "../dhcpv6/reply/responder.ts";
import { type Dhcpv6Observer, Dhcpv6Server } from "../dhcpv6/server/server.ts";
import { KeyPairWatch, readKeyPair } from "../http/tls_reload.ts";
import { Api } from "../http/api.ts";
import { ActiveConnections } from "../http/active_connections.ts";
import {
  ConnectionGuard,
  type ConnectionGuardObserver,
  fdLimit,
  fdSharesOf,
} from "../overload/fd_budget.ts";
import { Downloads } from "../http/download.ts";
import { Router } from "../http/router.ts";
import { HostNames } from "../http/host_check.ts";
import { BootFileHandler } from "../http/boot_files.ts";
import { BootDirectory } from "../boot_files/directory.ts";
import { ListedMacs } from "../boot_files/listed_macs.ts";
import { WebUi } from "../http/web_ui/responses.ts";
import {
  authorityOf,
  type HttpObserver,
  HttpServer,
  type KeyPair,
  type ListenAddress,
} from "../http/listener.ts";
import { IpxeFiles, SCRIPT_NAME } from "../boot_files/ipxe.ts";
import {
  NEW_MACHINE_BURST,
  NEW_MACHINE_BURST_WITHOUT_SOLICIT,
} from "../overload/limits.ts";
import { escapeControls, type Log } from "../telemetry/log.ts";
import { MachineLog } from "./machine_log.ts";
import { EventStream } from "../http/event_stream.ts";
import { MachineWriter } from "../machines/json.ts";
import { TokenBucket } from "../overload/token_bucket.ts";
import {
  Names,
  type NamesObserver,
  type NamesProblem,
} from "../machines/names_file.ts";
import {
  type Machine,
  MachineRegistry,
  type RegistryObserver,
} from "../machines/registry.ts";
import type { EventName } from "../machines/boot_stages.ts";
import type { TransferDetail } from "../machines/transfer_progress.ts";
import type { Metric } from "../telemetry/metrics.ts";
import { AccessList } from "../net/access.ts";
import type { NetworkInterface } from "../net/interface.ts";
import { InterfaceMonitor } from "../net/interface_monitor.ts";
import {
  addressOf,
  equalBytes,
  IPV6_LENGTH,
  isLinkLocal,
  macOfEui64,
  type ParsedAddress,
  parseIpv6,
} from "../net/ipv6.ts";
import { formatMac, type Mac, NO_MAC } from "../net/mac.ts";
import { OnceAMinute } from "../telemetry/once_a_minute.ts";
import { OtlpExporter } from "../telemetry/otlp/exporter.ts";
import { waitAtMost } from "../overload/timeout.ts";
import type { RequestedFile } from "../tftp/request_path.ts";
import { type TftpObserver, TftpServer } from "../tftp/server.ts";
import { CooperativeScheduler } from "../overload/scheduler.ts";
import { VERSION } from "../telemetry/version.ts";

const MINUTE = 60_000;

/** Milliseconds without a message after which the operator is told why. */
const SILENCE = 5 * MINUTE;

/** Milliseconds that the last log lines get to be written. */
const LOG_FLUSH = 500;

/**
 * Milliseconds between two looks at the interface. A look costs 0.05 ms, and
 * an interface shall be served within a second of being usable.
 */
const POLL_INTERVAL = 250;

/** Messages between two looks that are too many for a lab to have sent. */
const MIN_FLOOD = 100;

/** Milliseconds that transfers get to end when the daemon stops. */
const LAST_TRANSFERS = 5000;

/** A running daemon. */
export class Daemon
  implements
    Dhcpv6Observer,
    TftpObserver,
    HttpObserver,
    RegistryObserver,
    NamesObserver,
    ConnectionGuardObserver {
  readonly #config: DaemonConfig;
  readonly #log: Log;
  readonly #machines: MachineRegistry;
  readonly #solicitBucket = new TokenBucket(NEW_MACHINE_BURST);
  /** Those whose first message is no Solicit. */
  readonly #otherMessageBucket = new TokenBucket(
    NEW_MACHINE_BURST_WITHOUT_SOLICIT,
  );
  readonly #rogueServers: RogueServerDetector;
  readonly #machineLog: MachineLog;
  readonly #names: Names;
  readonly #eventStream: EventStream;
  readonly #otlp: OtlpExporter | undefined;
  readonly #access: AccessList;
  readonly #ipxe: IpxeFiles;
  readonly #files: BootDirectory | undefined;
  /** The machines that get boot instructions; `undefined`: all of them. */
  readonly #listedMacs: ListedMacs | undefined;
  readonly #bootFiles: BootFileHandler;
  readonly #connections = new ActiveConnections();
  readonly #fdShares = fdSharesOf(fdLimit());
  readonly #router: Router;
  readonly #dhcpv6: Dhcpv6Server;
  readonly #tftp: TftpServer;
  readonly #http: HttpServer;
  #https: HttpServer | undefined;
  #keyPairWatch: KeyPairWatch | undefined;
  #connectionGuard: ConnectionGuard | undefined;
  readonly #toldOfNoMac = new OnceAMinute();
  readonly #toldOfLoud = new OnceAMinute();
  readonly #toldOfFlood = new OnceAMinute();
  /** Messages not answered, and machines not remembered, at the last look. */
  #unanswered = 0;
  #notRemembered = 0;
  readonly #finder: InterfaceMonitor;
  /** The interface at the last look, and where TFTP is served on it. */
  #iface: NetworkInterface | undefined;
  #tftpAddresses: readonly string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Whether the last look at the interfaces failed. */
  #isBlind = false;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(config: DaemonConfig, log: Log) {
    this.#config = config;
    this.#log = log;
    this.#finder = new InterfaceMonitor(config.interfaceName);
    const { maxMachines, maxEvents, responder, namesFile } = config;
    this.#machines = new MachineRegistry({
      machines: maxMachines,
      events: maxEvents,
    }, this);
    const writer = new MachineWriter(this.#machines, responder.subnets);
    const scheduler = new CooperativeScheduler();
    const hasCapacity = () => this.#answersInUse < this.#fdShares.answers;
    this.#names = new Names(namesFile, this);
    this.#eventStream = new EventStream(this.#machines, writer, scheduler, {
      total: this.#fdShares.eventReaders,
      perClient: this.#fdShares.eventReadersOfOne,
      hasCapacity,
    });
    this.#otlp = config.otlpEndpoint && new OtlpExporter({
      endpoint: config.otlpEndpoint,
      run: this.#eventStream.run,
      interfaceName: config.interfaceName,
      baseAddress: responder.subnets[0]!.text,
      events: this.#machines.history,
      writer,
      names: this.#names,
      metrics: () => this.#metrics(),
      scheduler,
      log,
    });
    this.#machineLog = new MachineLog(log, this.#names, writer);
    this.#access = new AccessList(config.allowed);
    this.#ipxe = new IpxeFiles(config.ipxe);
    this.#files = config.netbootDirectory === undefined
      ? undefined
      : new BootDirectory(config.netbootDirectory);
    this.#listedMacs = config.bootPolicy === "listed"
      ? new ListedMacs(config.netbootDirectory!)
      : undefined;
    this.#rogueServers = new RogueServerDetector(
      responder.subnets,
      responder.macSources,
    );
    this.#dhcpv6 = new Dhcpv6Server({
      interfaceName: config.interfaceName,
      port: config.port,
      responderOptionsFor: (iface) => this.#responderSettings(iface),
      observer: this,
    });
    const allows = (hostname: string) => this.#access.allows(hostname);
    this.#tftp = new TftpServer({
      port: tftpPortOf(config),
      interfaceName: config.interfaceName,
      maxTransfers: this.#fdShares.tftpTransfers,
      open: ({ name }: RequestedFile) => this.#ipxe.read(name),
      allows,
      observer: this,
    });
    this.#bootFiles = new BootFileHandler(
      this.#files,
      (mac, client, detail) => {
        const machine = this.#machineOf(mac, client);
        if (machine === undefined) return;
        this.#machines.reach(machine, "http_fetch_uki", detail);
      },
      new Downloads(hasCapacity),
    );
    this.#router = new Router({
      bootFiles: this.#bootFiles,
      api: new Api({
        registry: this.#machines,
        writer,
        eventStream: this.#eventStream,
        names: this.#names,
        scheduler,
        metrics: () => this.#metrics(),
        problem: () => this.#dhcpv6.problem,
      }),
      page: new WebUi({
        registry: this.#machines,
        writer,
        names: this.#names,
        scheduler,
        interfaceName: config.interfaceName,
        baseAddress: responder.subnets[0]!.text,
      }),
      allows,
      hosts: new HostNames(config.hosts),
      hasCapacity,
    });
    this.#http = new HttpServer({
      address: config.http,
      router: this.#router,
      connections: this.#connections,
      observer: this,
    });
  }

  /**
   * Starts everything.
   *
   * @throws {StartError} if a port cannot be had, or the certificate be used.
   */
  async start(): Promise<void> {
    const { interfaceName, port, notices, template, http } = this.#config;
    this.#log.info("starting", `dhcpv6macd ${VERSION}`, { version: VERSION });
    for (const notice of notices) this.#log.warning("notice", notice);
    if (template !== undefined && this.#ipxe.builds.size === 0) {
      this.#log.warning(
        "no_ipxe",
        "no iPXE is compiled in or given: machines that boot by PXE get nothing, all else is served",
      );
    }
    await this.#names.start();
    await this.#listedMacs?.start();
    try {
      const iface = this.#finder.find();
      await this.#dhcpv6.open(iface);
      this.#tftp.start();
      this.#refresh(iface);
    } catch (error) {
      throw startError(error, port, "UDP", interfaceName);
    }
    try {
      this.#http.start();
    } catch (error) {
      throw startError(error, http.port, "TCP", authorityOf(http));
    }
    await this.#startHttps();
    this.#connectionGuard = new ConnectionGuard({
      bound: this.#fdShares.silent,
      accounted: () => this.#answersInUse + this.#tftp.transfers,
      observer: this,
    });
    this.#timer = setInterval(() => this.#poll(), POLL_INTERVAL);
    this.#otlp?.start();
    void this.#tryOwnAddress();
  }

  /** Stops everything; transfers that go on get some seconds. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#silence);
    this.#keyPairWatch?.stop();
    this.#connectionGuard?.stop();
    this.#names.stop();
    this.#listedMacs?.stop();
    this.#eventStream.close();
    this.#dhcpv6.stop();
    await Promise.all([
      this.#tftp.stop(LAST_TRANSFERS),
      waitAtMost(
        LAST_TRANSFERS,
        Promise.all([this.#http.shutdown(), this.#https?.shutdown()]),
      ),
    ]);
    await this.#otlp?.stop();
    const {
      totalReceived: receivedInAll,
      totalAnswered: answeredInAll,
      dropped,
    } = this.#dhcpv6.counters;
    const drops = Object.entries(dropped).filter(([, count]) => count > 0);
    this.#log.info(
      "stopped",
      `stopped; of ${receivedInAll} DHCPv6 messages ${answeredInAll} were answered` +
        (drops.length === 0
          ? ""
          : `, and dropped: ${
            drops.map(([reason, count]) => `${count} ${reason}`).join(", ")
          }`),
      {
        received: receivedInAll,
        answered: answeredInAll,
        ...Object.fromEntries(drops),
      },
    );
    await this.#log.flush(LOG_FLUSH);
  }

  #poll(): void {
    this.#sayIfFlooded();
    let iface: NetworkInterface | undefined;
    try {
      iface = this.#finder.find();
    } catch (error) {
      // Out of descriptors, as a rule: what is open goes on.
      if (!this.#isBlind) {
        this.#isBlind = true;
        this.#log.error(
          "interfaces_unreadable",
          `the interfaces cannot be looked at: ${(error as Error).message}`,
        );
      }
      return;
    }
    this.#isBlind = false;
    this.#refresh(iface);
  }

  /** Descriptors of connections that are being answered, and of files. */
  get #answersInUse(): number {
    return this.#connections.answering + this.#bootFiles.downloads.active;
  }

  onIdle(connections: number): void {
    this.#log.warning(
      "connections_closed",
      `about ${connections} HTTP connections said nothing and are closed; responses go on`,
      { connections },
    );
    void this.#http.closeIdle();
    void this.#https?.closeIdle();
  }

  onStalled(connections: number): void {
    this.#log.warning(
      "connections_broken_off",
      `about ${connections} HTTP connections ask and take no answer: they are closed with all others`,
      { connections },
    );
    this.#http.abortAll();
    this.#https?.abortAll();
  }

  #refresh(iface: NetworkInterface | undefined): void {
    void this.#dhcpv6.refresh(iface);
    if (iface !== this.#iface) {
      this.#iface = iface;
      this.#access.update(iface);
      this.#tftpAddresses = iface === undefined
        ? []
        : tftpAddressesFor(this.#config, iface);
    }
    this.#tftp.bind(this.#tftpAddresses);
  }

  #responderSettings(iface: NetworkInterface): ResponderOptions {
    const { responder, template } = this.#config;
    if (template === undefined) return { ...responder, boot: undefined };
    const addresses = bootAddressesFor(this.#config, iface);
    return {
      ...responder,
      boot: {
        template,
        tftpAddress: addresses.tftp,
        bootAddress: addresses.http,
        builds: this.#config.tftp === undefined ? undefined : this.#ipxe.builds,
        isBootAllowed: (mac) => this.#listedMacs?.isListed(mac) ?? true,
      },
    };
  }

  async #startHttps(): Promise<void> {
    const { https } = this.#config;
    if (https === undefined) return;
    let keyPair: KeyPair;
    try {
      keyPair = await readKeyPair(https.files);
    } catch (error) {
      throw new StartError(
        `the certificate or its key cannot be read: ${
          (error as Error).message
        }`,
      );
    }
    const server = new HttpServer({
      address: https,
      router: this.#router,
      connections: this.#connections,
      observer: this,
      keyPair,
    });
    try {
      server.start();
    } catch (error) {
      throw startError(error, https.port, "TCP", authorityOf(https));
    }
    this.#https = server;
    this.#keyPairWatch = new KeyPairWatch(
      https.files,
      keyPair,
      (changed) => {
        server.replaceKeyPair(changed);
        this.#log.info(
          "certificate_replaced",
          `${https.files.certFile} has changed and is in use`,
        );
      },
      (error) =>
        this.#log.error(
          "certificate_refused",
          `${https.files.certFile} and ${https.files.keyFile} have changed, but are no pair that can be used; the one before stays: ${error.message}`,
        ),
    );
  }

  /**
   * Tries the address that machines are sent to, if it is this daemon's: over
   * TCP, Linux drops what comes to an address that it takes for anycast.
   */
  async #tryOwnAddress(): Promise<void> {
    const iface = this.#dhcpv6.serving;
    const problem = iface && await ownAddressProblem(this.#config, iface);
    if (problem !== undefined) this.#log.warning("unreachable", problem);
  }

  onServing(iface: NetworkInterface): void {
    const { responder, port } = this.#config;
    const base = responder.subnets[0]!.text;
    this.#log.info(
      "serving",
      `serving ${iface.name}: every machine gets the first 80 bits of ${base} and its MAC`,
      {
        interface: iface.name,
        index: iface.index,
        mac: formatMac(iface.mac),
        base_address: base,
        port,
      },
    );
    this.#silence ??= setTimeout(() => this.#sayIfSilent(), SILENCE);
    const notice = bootAddressNotice(this.#config, iface);
    if (notice !== undefined) this.#log.warning("notice", notice);
  }

  onWaiting(): void {
    const { interfaceName } = this.#config;
    this.#log.warning(
      "waiting",
      `${interfaceName} is absent, down or has no usable link-local address yet; waiting for it`,
      { interface: interfaceName },
    );
  }

  onServeError(error: Error): void {
    const { interfaceName, port } = this.#config;
    const { message } = startError(error, port, "UDP", interfaceName);
    this.#log.error("cannot_serve", `${message}; trying again`, {
      interface: interfaceName,
      port,
    });
  }

  onSendError(error: Error): void {
    const { port } = this.#config;
    const why = error instanceof Deno.errors.PermissionDenied
      ? `, by a firewall perhaps that lets no UDP from port ${port} out`
      : "";
    this.#log.error(
      "cannot_send",
      `answers cannot be sent${why}: ${error.message}`,
      { port },
    );
  }

  onSourceRateLimited(source: string): void {
    if (!this.#toldOfLoud.isDue(source, performance.now())) return;
    this.#log.warning(
      "source_too_loud",
      `${source} sends more DHCPv6 messages than are answered next to those of others`,
      { source },
    );
  }

  onAddressRefused(hostname: string, error: Error): void {
    const { port } = this.#config;
    const { message } = startError(error, port, "UDP", hostname);
    this.#log.warning(
      "address_refused",
      `relays are not heard at ${hostname}: ${message}`,
      { address: hostname, port },
    );
  }

  onMessage(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void {
    const { clientMac, drop, subnet } = outcome;
    if (this.#log.writes("debug")) this.#logPacket(packet, outcome, sender);
    if (drop === "server_id_foreign") this.#detectRogueServer(packet, sender);
    if (clientMac.mac === NO_MAC) {
      if (drop === "no_mac") this.#sayNoMac(sender.hostname);
      return;
    }
    if (drop !== undefined) return;
    // Who only asks for information has no address from here.
    if (packet.type === MessageType.InformationRequest) return;
    const { subnets } = this.#config.responder;
    const at = subnets.indexOf(subnet as ParsedAddress);
    const known = this.#machines.see(clientMac.mac);
    if (known === undefined) {
      const bound = packet.type === MessageType.Solicit
        ? this.#solicitBucket
        : this.#otherMessageBucket;
      if (!bound.tryTake(performance.now())) return;
    }
    const machine = known ??
      this.#machines.add(clientMac.mac, at, clientMac.source);
    if (machine.subnetIndex !== at) {
      machine.subnetIndex = at;
      this.#machineLog.moved(machine);
    }
    if (clientMac.otherMac !== NO_MAC && !machine.twoMacsReported) {
      machine.twoMacsReported = true;
      this.#machineLog.twoMacs(clientMac);
    }
    if (outcome.event !== undefined) {
      this.#machines.reach(machine, outcome.event);
    }
    if (outcome.note !== undefined) this.#machines.note(machine, outcome.note);
  }

  onEvent(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: TransferDetail | null,
  ): void {
    this.#machineLog.onEvent(machine, event, repeat, detail);
    this.#eventStream.notify();
    this.#otlp?.notify();
  }

  namesRead(count: number, problems: readonly NamesProblem[]): void {
    const { namesFile } = this.#config;
    this.#log.info("names_read", `${count} names read from ${namesFile}`, {
      names: count,
    });
    const [first] = problems;
    if (first === undefined) return;
    this.#log.warning(
      "names_malformed",
      `${problems.length} lines of ${namesFile} are no MAC and name; the first is line ${first.line}: ${
        escapeControls(first.text)
      }`,
    );
  }

  namesUnreadable(error: Error): void {
    this.#log.error(
      "names_unreadable",
      `${this.#config.namesFile} cannot be read, the names known before stay: ${error.message}`,
    );
  }

  onTftpRefused(hostname: string, error: Error): void {
    const port = tftpPortOf(this.#config);
    this.#log.error(
      "tftp_refused",
      error instanceof Deno.errors.AddrInUse
        ? `UDP port ${port} on ${hostname} is taken, as a rule by tftpd-hpa, atftpd or dnsmasq: machines that boot by PXE get nothing from here until it is free`
        : startError(error, port, "UDP", hostname).message,
      { address: hostname, port },
    );
  }

  onTransfer(mac: Mac, client: string, detail: TransferDetail): void {
    if (detail.file_name === SCRIPT_NAME) return;
    const machine = this.#machineOf(mac, client);
    if (machine === undefined) return;
    this.#machines.reach(machine, "serve_ipxe_over_tftp", detail);
    if (detail.state === "complete") {
      this.#machines.reach(machine, "served_ipxe_over_tftp");
    }
  }

  httpUnavailable(address: ListenAddress, error: Error): void {
    const { message } = startError(
      error,
      address.port,
      "TCP",
      authorityOf(address),
    );
    this.#log.error("http_unavailable", `${message}; trying again`, {
      port: address.port,
    });
  }

  httpRestarted({ port }: ListenAddress): void {
    this.#log.warning(
      "http_restarted",
      `connections to TCP port ${port} were refused, for want of descriptors as a rule: it listens again, connections that said nothing are closed, responses go on`,
      { port },
    );
  }

  /**
   * The machine of a request that names a MAC. One that DHCPv6 has never seen
   * is taken for real only when it asks from its own address.
   */
  #machineOf(mac: Mac, client: string): Machine | undefined {
    const known = this.#machines.see(mac);
    if (known !== undefined) return known;
    const address = parseIpv6(client);
    if (address === undefined) return undefined;
    const { subnets } = this.#config.responder;
    const subnetIndex = isLinkLocal(address)
      ? macOfEui64(address) === mac ? 0 : -1
      : subnets.findIndex(({ bytes }) =>
        equalBytes(addressOf(bytes, mac), 0, address, 0, IPV6_LENGTH)
      );
    return subnetIndex === -1 ||
        !this.#otherMessageBucket.tryTake(performance.now())
      ? undefined
      : this.#machines.add(mac, subnetIndex);
  }

  #metrics(): Metric[] {
    return metricsOf({
      dhcpv6: this.#dhcpv6.counters,
      isServing: this.#dhcpv6.serving !== undefined,
      tftp: this.#tftp,
      downloads: this.#bootFiles.downloads,
      answering: this.#connections.answering,
      closedConnections: this.#connectionGuard?.closed ?? 0,
      router: this.#router,
      registry: this.#machines,
      notRemembered: this.#solicitBucket.refused +
        this.#otherMessageBucket.refused,
      eventStream: this.#eventStream,
      log: this.#log,
      otlp: this.#otlp,
    });
  }

  /** A client asks something of another server. */
  #detectRogueServer(packet: Packet, { hostname }: Deno.NetAddr): void {
    const sender = parseIpv6(hostname);
    const other = sender &&
      this.#rogueServers.observe(packet, sender, performance.now());
    if (other !== undefined) {
      this.#machineLog.rogueServer(other, this.#config.interfaceName);
    }
  }

  /** Says why machines may have to ask more than once, if they are many. */
  #sayIfFlooded(): void {
    const unanswered = this.#dhcpv6.counters.dropped.send_blocked;
    const notRemembered = this.#solicitBucket.refused +
      this.#otherMessageBucket.refused;
    const isFlood = unanswered - this.#unanswered >= MIN_FLOOD ||
      notRemembered - this.#notRemembered >= MIN_FLOOD;
    this.#unanswered = unanswered;
    this.#notRemembered = notRemembered;
    if (!isFlood || !this.#toldOfFlood.isDue("", performance.now())) return;
    this.#log.warning(
      "flood",
      "far more DHCPv6 messages come than machines send: addresses that ask for the first time are answered when they ask again, and not all new machines are remembered",
      { unanswered, not_remembered: notRemembered },
    );
  }

  #sayNoMac(source: string): void {
    if (!this.#toldOfNoMac.isDue(source, performance.now())) return;
    this.#log.warning(
      "no_mac",
      `a message from ${source} names no MAC: its DUID holds none, and its link-local address is not made from one`,
      { source },
    );
  }

  #sayIfSilent(): void {
    if (this.#dhcpv6.counters.totalReceived > 0) return;
    const { interfaceName, port } = this.#config;
    this.#log.warning(
      "silence",
      `no DHCPv6 message in 5 minutes: machines ask only if router advertisements on ${interfaceName} have the M flag, and a firewall must let UDP port ${port} in`,
      { interface: interfaceName, port },
    );
  }

  #logPacket(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void {
    const { clientMac, drop, length } = outcome;
    const message = messageName(packet.type);
    const mac = clientMac.mac === NO_MAC ? undefined : formatMac(clientMac.mac);
    this.#log.debug(
      "packet",
      `${message} from ${sender.hostname} port ${sender.port}` +
        (packet.depth === 0 ? "" : ` through ${packet.depth} relays`) +
        (mac === undefined ? "" : `, MAC ${mac}`) +
        (drop === undefined ? `: ${length} octets back` : `: ${drop}`),
      {
        type: message,
        source: sender.hostname,
        port: sender.port,
        relays: packet.depth,
        mac,
        drop,
        answer_octets: drop === undefined ? length : undefined,
      },
    );
  }
}
