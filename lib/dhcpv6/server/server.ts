/**
 * The DHCPv6 server of one interface: receives messages, sends the responder's
 * replies, and counts both.
 *
 * @module
 */

import type { NetworkInterface } from "../../net/interface.ts";
import { isUnicastMac } from "../../net/mac.ts";
import {
  IPV6_LENGTH,
  isLinkLocal,
  parseIpv6,
  parseIpv6Into,
} from "../../net/ipv6.ts";
import {
  MAX_DHCPV6_PACKET,
  MAX_DHCPV6_REPLY,
  MessageType,
} from "../wire/constants.ts";
import { delay } from "../../overload/timeout.ts";
import { Dhcpv6Counters } from "./counters.ts";
import { linkLayerDuid } from "../wire/duid.ts";
import { LoadShedder } from "./load_shedder.ts";
import type { Packet } from "../wire/packet.ts";
import {
  type Outcome,
  Responder,
  type ResponderOptions,
} from "../reply/responder.ts";
import { neighbours } from "../../net/neighbours.ts";
import { NextHops } from "./next_hops.ts";
import { SourceTable } from "./source_table.ts";
import { InterfaceSockets, SendQueue } from "./sockets.ts";

/** Receives the notifications of a server. The methods are synchronous. */
export interface Dhcpv6Observer {
  /** The server serves the interface, or serves it on with another MAC. */
  onServing(iface: NetworkInterface, serverDuid: Uint8Array): void;
  /** The interface is absent, down, or without a usable link-local address. */
  onWaiting(): void;
  /** The server cannot bind its sockets; the next refresh retries. */
  onServeError(error: Error): void;
  /** The server cannot send replies: several in a row failed. */
  onSendError(error: Error): void;
  /** The rate limit dropped a message of this source. */
  onSourceRateLimited(hostname: string): void;
  /** The server cannot bind this address, so relays cannot reach it there. */
  onAddressRefused(hostname: string, error: Error): void;
  /** A message was dropped, or its reply is about to be sent. */
  onMessage(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void;
}

/** The configuration of a server. */
export interface Dhcpv6ServerOptions {
  readonly interfaceName: string;
  /** UDP port: 547, except in tests. */
  readonly port: number;
  /** The DUID of the server; `undefined`: a DUID-LL of the interface. */
  readonly serverDuid: Uint8Array | undefined;
  /** The responder's configuration for the current state of the interface. */
  readonly responderOptionsFor: (iface: NetworkInterface) => ResponderOptions;
  readonly observer: Dhcpv6Observer;
}

/**
 * Pending receive calls of a socket. One is enough while the event loop is idle;
 * beside long tasks, 2 receive 2 messages per turn of the event loop. The runtime
 * wakes all pending calls for each message, so more of them cost more than they
 * gain.
 */
const RECEIVERS = 2;

/**
 * Error codes that concern the destination of a reply only. `EACCES`: a route
 * prohibits it; a firewall that drops replies gives `EPERM`.
 */
const UNREACHABLE: ReadonlySet<string | undefined> = new Set([
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EACCES",
]);

/**
 * Failed sends in a row that are a problem of the host. A single one is a client
 * that has gone.
 */
const SEND_FAILURE_LIMIT = 8;

/** Milliseconds until the next receive call after one has failed. */
const RECEIVE_PAUSE = 100;

/** The state of one life of an interface. */
interface Service {
  /** The interface at the last refresh. */
  iface: NetworkInterface;
  /** Replaced when the interface's addresses change. */
  responder: Responder;
  readonly sockets: InterfaceSockets;
  readonly nextHops: NextHops;
  /** The sources on the link that may not be reachable. */
  readonly sources: SourceTable;
  readonly loadShedder: LoadShedder;
}

/** Serves DHCPv6 on one interface, from start to stop. */
export class Dhcpv6Server {
  /** Counters since the daemon has started. */
  readonly counters: Dhcpv6Counters = new Dhcpv6Counters();

  readonly #options: Dhcpv6ServerOptions;
  /** Does not change once it is known, whatever happens to the interface. */
  #duid: Uint8Array | undefined;
  #service: Service | undefined;
  /** Reply buffers that no send uses. */
  readonly #freeBuffers: Uint8Array<ArrayBuffer>[] = [];
  #isRunning = false;
  #isRefreshing = false;
  #sendFailures = 0;
  #lastSendError = "";

  constructor(options: Dhcpv6ServerOptions) {
    this.#options = options;
    this.#duid = options.serverDuid;
  }

  /** The interface; `undefined` while the server does not serve it. */
  get serving(): NetworkInterface | undefined {
    return this.#service?.iface;
  }

  /** Why clients get no replies now; `undefined` if they do. */
  get problem(): string | undefined {
    if (this.#service === undefined) {
      return `DHCPv6 is not served on ${this.#options.interfaceName} now`;
    }
    return this.#sendFailures < SEND_FAILURE_LIMIT
      ? undefined
      : `DHCPv6 replies cannot be sent: ${this.#lastSendError}`;
  }

  /**
   * Serves the interface from now on, if it can be used already.
   *
   * @param iface The interface; `undefined` while it cannot be used.
   * @throws {Deno.errors.AddrInUse} if another program has bound the port.
   * @throws {Deno.errors.PermissionDenied} if the daemon may not bind the port.
   */
  async start(iface: NetworkInterface | undefined): Promise<void> {
    this.#isRunning = true;
    try {
      await this.#refresh(iface);
    } catch (error) {
      this.#isRunning = false;
      throw error;
    }
  }

  /**
   * Applies changes of the interface; call it every few seconds. An address
   * in duplicate address detection, or a port that another program has bound, may
   * be free at the next call. Reports errors to the observer, throws none.
   *
   * @param iface The interface; `undefined` while it cannot be used.
   */
  async refresh(iface: NetworkInterface | undefined): Promise<void> {
    if (!this.#isRunning || this.#isRefreshing) return;
    try {
      await this.#refresh(iface);
    } catch (error) {
      this.#options.observer.onServeError(error as Error);
    }
  }

  /** Closes all sockets. */
  stop(): void {
    this.#isRunning = false;
    this.#close();
  }

  async #refresh(iface: NetworkInterface | undefined): Promise<void> {
    this.#isRefreshing = true;
    try {
      const before = this.#service?.iface;
      if (iface === undefined) {
        this.#close();
        this.#options.observer.onWaiting();
      } else if (before === undefined) {
        await this.#open(iface);
      } else if (before.index !== iface.index) {
        // The kernel frees the port some milliseconds after the old sockets
        // are closed: the next refresh opens new ones.
        this.#close();
      } else await this.#update(iface);
    } finally {
      this.#isRefreshing = false;
    }
  }

  #close(): void {
    const service = this.#service;
    this.#service = undefined;
    service?.sockets.close();
  }

  /**
   * The DUID of this server. It is that of the first usable MAC for the whole run:
   * clients send it in Request, Renew and Release, and would get no reply from a
   * server with another one (RFC 8415 §16). A bridge changes its MAC with its
   * ports.
   */
  #duidFor({ mac }: NetworkInterface): Uint8Array {
    if (this.#duid !== undefined) return this.#duid;
    const duid = linkLayerDuid(mac);
    if (isUnicastMac(mac)) this.#duid = duid;
    return duid;
  }

  #responderFor(iface: NetworkInterface): Responder {
    return new Responder(
      this.#options.responderOptionsFor(iface),
      this.#duidFor(iface),
    );
  }

  async #open(iface: NetworkInterface): Promise<void> {
    const { port, observer } = this.#options;
    const responder = this.#responderFor(iface);
    const sockets = await InterfaceSockets.open(iface, port);
    if (sockets === undefined) return observer.onWaiting();
    // stop() may have been called while the sockets joined their groups.
    if (!this.#isRunning) return sockets.close();
    const service: Service = {
      iface,
      responder,
      sockets,
      nextHops: new NextHops(neighbours),
      sources: new SourceTable(),
      loadShedder: new LoadShedder(),
    };
    this.#service = service;
    this.#sendFailures = 0;
    observer.onServing(iface, this.#duidFor(iface));
    sockets.subscribe({
      onOpen: (socket) => this.#serve(socket, service),
      onRefused: (hostname, error) =>
        observer.onAddressRefused(hostname, error),
    });
  }

  async #update(iface: NetworkInterface): Promise<void> {
    const service = this.#service!;
    const { mac } = service.iface;
    if (iface !== service.iface) {
      service.iface = iface;
      service.responder = this.#responderFor(iface);
    }
    service.sockets.updateAddresses(iface);
    // With another MAC, it may be a new interface that was created with the index
    // of the old one.
    if (mac === iface.mac && service.sockets.areJoined(iface)) return;
    try {
      await service.sockets.rejoin(iface);
    } catch {
      // The interface has gone again. The next refresh opens new sockets.
      if (this.#service === service) this.#close();
    }
    if (this.#service !== service) return;
    this.#options.observer.onServing(iface, this.#duidFor(iface));
  }

  /** Receives from a socket until it is closed. */
  #serve(socket: Deno.DatagramConn, service: Service): void {
    const { linkScoped, sendQueues } = service.sockets;
    const sendQueue = socket === linkScoped
      ? sendQueues.client
      : new SendQueue(socket);
    for (let count = 0; count < RECEIVERS; count++) {
      void this.#receive(socket, sendQueue, service);
    }
  }

  /** Receives and answers one message at a time. */
  async #receive(
    socket: Deno.DatagramConn,
    unicastQueue: SendQueue,
    service: Service,
  ): Promise<void> {
    // The runtime truncates datagrams silently. With 1 byte more than the limit,
    // the responder recognizes those that are too long.
    const buffer = new Uint8Array(MAX_DHCPV6_PACKET + 1);
    const sender = new Uint8Array(IPV6_LENGTH);
    const { sockets, nextHops, sources, loadShedder } = service;
    const { hostname } = socket.addr as Deno.NetAddr;
    const unicastAddress = new Uint8Array(IPV6_LENGTH);
    parseIpv6Into(hostname.split("%")[0]!, unicastAddress, 0);
    const isLinkScoped = socket === sockets.linkScoped;
    const { observer } = this.#options;
    const { counters } = this;
    while (true) {
      let datagram: Uint8Array;
      let from: Deno.NetAddr;
      try {
        const received = await socket.receive(buffer);
        datagram = received[0];
        from = received[1] as Deno.NetAddr;
      } catch {
        if (!sockets.isReceiving(socket)) return;
        await delay(RECEIVE_PAUSE);
        continue;
      }
      const readAt = performance.now();
      parseIpv6Into(from.hostname, sender, 0);
      const isRelayed = datagram[0] === MessageType.RelayForward;
      const count = loadShedder.count(sender, readAt);
      if (loadShedder.shouldDrop(count, isRelayed, readAt)) {
        counters.received[datagram[0] ?? 0]!++;
        counters.dropped.source_too_loud++;
        observer.onSourceRateLimited(from.hostname);
        continue;
      }
      // Replies to link-local addresses leave through a socket that is bound to
      // the interface: from any other socket they may leave on another link.
      const isFromInterface = isLinkScoped || isLinkLocal(sender);
      let sendQueue = unicastQueue;
      let isBlocked = false;
      if (isFromInterface) {
        sendQueue = sendQueueFor(service, sender, isRelayed, readAt);
      } else if (
        isRelayed && !nextHops.isReachable(sender, unicastAddress, readAt)
      ) {
        // Others are not answered by unicast.
        const { unresolved, unresolvedAgain } = sendQueue;
        const bucket = sources.isRetransmitting(sender, readAt)
          ? unresolvedAgain
          : unresolved;
        isBlocked = !bucket.tryTake(readAt);
      }
      if (isBlocked || sendQueue.isFull) {
        counters.received[datagram[0] ?? 0]!++;
        counters.dropped.send_blocked++;
        continue;
      }
      const { responder } = service;
      const reply = this.#freeBuffers.pop() ??
        new Uint8Array(MAX_DHCPV6_REPLY);
      const outcome = responder.respond(
        buffer,
        datagram.length,
        sender,
        from.port,
        isLinkScoped,
        reply,
      );
      const { drop, length, replyPort } = outcome;
      const { type } = responder.packet;
      counters.received[type]!++;
      counters.addMalformed(responder.packet.malformed);
      observer.onMessage(responder.packet, outcome, from);
      if (drop !== undefined) {
        counters.dropped[drop]++;
        this.#freeBuffers.push(reply);
        continue;
      }
      if (type === MessageType.Solicit && responder.packet.isRetransmission) {
        loadShedder.onRetransmission(sender, readAt);
      }
      if (replyPort !== from.port) {
        from = { transport: "udp", hostname: from.hostname, port: replyPort };
      }
      void this.#send(sendQueue, reply, length, from, type, readAt);
    }
  }

  #onSendError(error: Error, { hostname }: Deno.NetAddr): void {
    // A forged port 0 (EINVAL), or a relay without a route to it, does not affect
    // other replies.
    const { code } = error as { code?: string };
    if (code === "EINVAL") return;
    if (UNREACHABLE.has(code) && !isLinkLocal(parseIpv6(hostname)!)) return;
    this.#lastSendError = error.message;
    // Once per series. After stop() the error is that the socket is closed.
    if (++this.#sendFailures === SEND_FAILURE_LIMIT && this.#service) {
      this.#options.observer.onSendError(error);
    }
  }

  /**
   * Sends a reply. The buffer is free again when the send has settled: with Deno
   * 2.6.8, a buffer that is reused earlier corrupts replies that wait for a slow
   * link. The receive loop does not wait, because a send to an address without a
   * host may take seconds.
   */
  async #send(
    sendQueue: SendQueue,
    reply: Uint8Array<ArrayBuffer>,
    length: number,
    to: Deno.NetAddr,
    type: number,
    readAt: number,
  ): Promise<void> {
    const { counters } = this;
    sendQueue.pending++;
    try {
      await sendQueue.socket.send(reply.subarray(0, length), to);
      this.#sendFailures = 0;
      counters.answered[type]!++;
      counters.answerTime.observe((performance.now() - readAt) / 1000);
    } catch (error) {
      counters.dropped.send_failed++;
      this.#onSendError(error as Error, to);
    } finally {
      sendQueue.pending--;
      this.#freeBuffers.push(reply);
    }
  }
}

/** The send queue for the reply to a source on the link. */
function sendQueueFor(
  { iface, nextHops, sources, sockets: { sendQueues } }: Service,
  address: Uint8Array,
  isRelayed: boolean,
  now: number,
): SendQueue {
  if (nextHops.isNeighbour(address, iface.index, now)) {
    return isRelayed ? sendQueues.relay : sendQueues.client;
  }
  const { unverified, retransmitting } = sendQueues;
  if (!sources.isUsed && !unverified.isFull) return unverified;
  return sources.isRetransmitting(address, now) ? retransmitting : unverified;
}
