/**
 * What the daemon does when its DHCPv6 server handled a message or changed its
 * state: log it, track the machine, look for rogue servers.
 *
 * @module
 */

import type { Dhcpv6Observer } from "../dhcpv6/server/server.ts";
import type { Dhcpv6Counters } from "../dhcpv6/server/counters.ts";
import { RogueServerDetector } from "../dhcpv6/server/rogue_servers.ts";
import type { Outcome } from "../dhcpv6/reply/responder.ts";
import { messageName } from "../dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../dhcpv6/wire/duid.ts";
import type { Packet } from "../dhcpv6/wire/packet.ts";
import type { NetworkInterface } from "../net/interface.ts";
import {
  formatIpv6,
  isLinkLocal,
  isMulticast,
  parseIpv6,
} from "../net/ipv6.ts";
import { formatMac, matchesMac, NO_MAC } from "../net/mac.ts";
import type { Log } from "../telemetry/log.ts";
import type { DaemonConfig } from "./config.ts";
import {
  basePrefixProblem,
  bootAddressNotice,
  listenError,
  servedText,
} from "./diagnostics.ts";
import type { MachineLog } from "./machine_log.ts";
import type { MachineTracker } from "./machine_tracker.ts";
import type { Service } from "./service.ts";
import {
  describeUnserved,
  type Unserved,
  UnservedClients,
} from "./unserved.ts";
import { MINUTE } from "../telemetry/throttle.ts";

/** Milliseconds without a message after which the log names likely causes. */
const NO_MESSAGE_TIMEOUT = 5 * MINUTE;

/** What the observer works with. */
export interface DaemonDhcpv6ObserverOptions {
  readonly config: DaemonConfig;
  readonly log: Log;
  readonly machineLog: MachineLog;
  readonly tracker: MachineTracker;
}

/** Observes the DHCPv6 server of a daemon. */
export class DaemonDhcpv6Observer implements Dhcpv6Observer, Service {
  /** The clients that are not served. */
  readonly unserved: UnservedClients = new UnservedClients();

  readonly #options: DaemonDhcpv6ObserverOptions;
  readonly #rogueServers: RogueServerDetector;
  #noMessageTimer: ReturnType<typeof setTimeout> | undefined;
  #hasMessages = false;
  /** Why addresses of the base prefix are of no use; `undefined` if they are. */
  #prefixProblem: string | undefined;

  constructor(options: DaemonDhcpv6ObserverOptions) {
    this.#options = options;
    const { subnets, macSources } = options.config.responder;
    this.#rogueServers = new RogueServerDetector(subnets, macSources);
  }

  /** Cancels the warning that {@linkcode onServing} has scheduled. */
  stop(): void {
    clearTimeout(this.#noMessageTimer);
  }

  /** Whether the interface has an address in the base prefix. */
  get hasBasePrefix(): boolean {
    return this.#prefixProblem === undefined;
  }

  /**
   * Logs it when the interface loses its address in the base prefix, such as
   * after the provider has assigned another, and when it has one again.
   */
  onInterface(iface: NetworkInterface | undefined): void {
    if (iface === undefined) return;
    const { config, log } = this.#options;
    const problem = basePrefixProblem(config, iface);
    this.#prefixProblem = problem;
    const state = problem === undefined ? undefined : "absent";
    const hasChanged = log.hasChanged("base_prefix", state);
    if (problem !== undefined) {
      this.#warnUnserved(this.#prefixEntry(problem));
    } else if (hasChanged) {
      this.unserved.clear("prefix_absent");
      log.info(
        "prefix_present",
        `${iface.name} has an address in the base prefix again`,
        { interface: iface.name },
      );
    }
  }

  #prefixEntry(problem: string): Unserved {
    const { bytes } = this.#options.config.responder.subnets[0]!;
    const entry = this.unserved.entry("prefix_absent", bytes);
    entry.problem = problem;
    return entry;
  }

  onServing(iface: NetworkInterface, serverDuid: Uint8Array): void {
    const { config, log } = this.#options;
    // Clients may still have a DUID-LL of any MAC that the interface had.
    this.#rogueServers.addOwn(linkLayerDuid(iface.mac));
    const digits = this.#rogueServers.addOwn(serverDuid);
    log.hasChanged("dhcpv6", "serving");
    const base = config.responder.subnets[0]!.text;
    log.info(
      "serving",
      `serving DHCPv6 on ${iface.name}: each client gets the first 80 bits of ${base} followed by its MAC`,
      {
        interface: iface.name,
        index: iface.index,
        mac: formatMac(iface.mac),
        server_duid: digits,
        base_address: base,
        port: config.port,
      },
    );
    const served = servedText(config, iface);
    if (served !== undefined) log.info("served_at", served);
    this.#noMessageTimer ??= setTimeout(
      () => this.#warnIfNoMessages(),
      NO_MESSAGE_TIMEOUT,
    );
    const notice = bootAddressNotice(config, iface);
    if (notice !== undefined) log.warning("notice", notice);
  }

  onWaiting(): void {
    const { config: { interfaceName }, log } = this.#options;
    if (!log.hasChanged("dhcpv6", "waiting")) return;
    log.warning(
      "waiting",
      `waiting for ${interfaceName}: it is absent, down or has no usable link-local address`,
      { interface: interfaceName },
    );
  }

  onServeError(error: Error): void {
    const { config: { interfaceName, port }, log } = this.#options;
    const { message } = listenError(error, port, "UDP", interfaceName);
    if (!log.hasChanged("dhcpv6", message)) return;
    log.error("cannot_serve", `${message}; retrying`, {
      interface: interfaceName,
      port,
    });
  }

  onSendError(error: Error): void {
    const { config: { port }, log } = this.#options;
    const hint = error instanceof Deno.errors.PermissionDenied
      ? ` (check whether a firewall blocks outgoing UDP from port ${port})`
      : "";
    log.error(
      "cannot_send",
      `cannot send DHCPv6 replies: ${error.message}${hint}`,
      { port },
    );
  }

  onSourceRateLimited(source: string): void {
    this.#options.log.warning(
      "source_too_loud",
      `rate limit: dropping some DHCPv6 messages from ${source}, which sends too many while other clients retransmit`,
      { source },
      { key: source, every: MINUTE },
    );
  }

  onAddressRefused(hostname: string, error: Error): void {
    const { config: { port }, log } = this.#options;
    const { message } = listenError(error, port, "UDP", hostname);
    log.warning(
      "address_refused",
      `cannot listen for relays at ${hostname}: ${message}`,
      { address: hostname, port },
    );
  }

  onMessage(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void {
    const { log, tracker } = this.#options;
    this.#hasMessages = true;
    if (log.isEnabled("debug")) this.#logPacket(packet, outcome, sender);
    if (outcome.drop === "server_id_foreign") {
      this.#detectRogueServer(packet, sender);
    } else this.#recordUnserved(packet, outcome, sender);
    tracker.onMessage(packet.type, outcome, performance.now());
  }

  /** A client has sent a message to another server. */
  #detectRogueServer(packet: Packet, { hostname }: Deno.NetAddr): void {
    const { config, machineLog } = this.#options;
    const sender = parseIpv6(hostname);
    const rogueServer = sender &&
      this.#rogueServers.observe(packet, sender, performance.now());
    if (rogueServer !== undefined) {
      machineLog.onRogueServer(rogueServer, config.interfaceName);
    }
  }

  /** Records a client that is not served, or is served in vain. */
  #recordUnserved(
    { bytes, depth, relays }: Packet,
    { drop, subnet, clientMac: { mac }, linkAddressAt }: Outcome,
    { hostname }: Deno.NetAddr,
  ): void {
    const { unserved } = this;
    const { responder } = this.#options.config;
    let entry: Unserved;
    if (drop === "link_unknown") {
      entry = linkAddressAt === -1 || !namesLink(bytes, linkAddressAt)
        ? unserved.entry(drop)
        : unserved.entry(drop, bytes, linkAddressAt);
    } else if (
      drop === "packet_too_long" || drop === "relay_too_deep" ||
      drop === "too_many_options"
    ) {
      // It was not read to the end.
      entry = unserved.entry(drop);
    } else if (drop === "no_mac" || drop === "answer_too_long") {
      entry = unserved.entry(drop, subnet!.bytes);
      entry.peer = depth === 0
        ? undefined
        : formatIpv6(bytes, relays[depth - 1]!.peerAddressAt);
    } else if (drop === "mac_not_allowed") {
      entry = unserved.entry(drop, subnet!.bytes);
      entry.isDenied = matchesMac(responder.deny, mac);
    } else if (
      drop === undefined && this.#prefixProblem !== undefined &&
      subnet === responder.subnets[0]
    ) {
      entry = this.#prefixEntry(this.#prefixProblem);
    } else return;
    entry.count++;
    entry.mac = mac;
    entry.source = hostname;
    entry.seenAt = performance.now();
    this.#warnUnserved(entry);
  }

  /** Logs an entry once a minute. */
  #warnUnserved(entry: Unserved): void {
    const { cause, link, count, mac, source } = entry;
    const { log } = this.#options;
    if (!log.isDue(cause, { key: link, every: MINUTE })) return;
    log.warning(
      cause,
      describeUnserved(entry),
      {
        link,
        source,
        mac: mac === NO_MAC ? undefined : formatMac(mac),
        messages: count,
      },
    );
  }

  #warnIfNoMessages(): void {
    const { config: { interfaceName, port }, log } = this.#options;
    if (this.#hasMessages) return;
    log.warning(
      "silence",
      `no DHCPv6 message in 5 minutes: check the M flag of router advertisements on ${interfaceName} and UDP port ${port} in the firewall`,
      { interface: interfaceName, port },
    );
  }

  #logPacket(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void {
    const { clientMac, drop, length } = outcome;
    const message = messageName(packet.type);
    const mac = clientMac.mac === NO_MAC ? undefined : formatMac(clientMac.mac);
    const ignored = packet.malformed.total === 0
      ? undefined
      : packet.malformed.names.join(", ");
    this.#options.log.debug(
      "packet",
      `${message} from ${sender.hostname} port ${sender.port}` +
        (packet.depth === 0 ? "" : ` through ${packet.depth} relays`) +
        (mac === undefined ? "" : `, MAC ${mac}`) +
        (drop === undefined
          ? `: replied with ${length} bytes`
          : `: dropped, ${drop}`) +
        (ignored === undefined ? "" : `; malformed, so ignored: ${ignored}`),
      {
        type: message,
        source: sender.hostname,
        port: sender.port,
        relays: packet.depth,
        mac,
        drop,
        answer_octets: drop === undefined ? length : undefined,
        ignored_options: ignored,
      },
    );
  }
}

/**
 * Whether a relay's link-address can stand for a link: a unicast address outside
 * of 0000::/8, as `::1` is, and of fe80::/10 (RFC 4291 section 2.4).
 */
function namesLink(bytes: Uint8Array, at: number): boolean {
  return bytes[at] !== 0 && !isMulticast(bytes, at) && !isLinkLocal(bytes, at);
}

/** The log line of the daemon's end: how many messages got which outcome. */
export function logTotals(
  { totalReceived, totalAnswered, dropped }: Dhcpv6Counters,
  log: Log,
): void {
  const drops = Object.entries(dropped).filter(([, count]) => count > 0);
  const reasons = drops.map(([reason, count]) => `${count} ${reason}`);
  log.info(
    "stopped",
    `stopped: received ${totalReceived} DHCPv6 messages, answered ${totalAnswered}` +
      (drops.length === 0 ? "" : `, dropped ${reasons.join(", ")}`),
    {
      received: totalReceived,
      answered: totalAnswered,
      ...Object.fromEntries(drops),
    },
  );
}
