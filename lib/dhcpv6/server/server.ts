/**
 * The DHCPv6 server of one interface: receives messages, sends the responder's
 * replies, and counts both.
 *
 * @module
 */

import { MAX_REPLIES_PER_CONFIRMED_SOURCE } from "../../overload/limits.ts";
import type { NetworkInterface } from "../../net/interface.ts";
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
import { ReplyClassifier } from "./reply_classifier.ts";
import { InterfaceSockets, SendQueue } from "./sockets.ts";

/** Whoever wants to know what a server does. Nothing here may wait. */
export interface Dhcpv6Observer {
  /** The interface can be used, and is. */
  onServing(iface: NetworkInterface): void;
  /** The interface cannot be used: absent, down, or without a usable address. */
  onWaiting(): void;
  /** The interface cannot be served; it is tried again. */
  onServeError(error: Error): void;
  /** One answer after the other cannot be sent. */
  onSendError(error: Error): void;
  /** So much comes from this address that not all of it is answered. */
  onSourceRateLimited(hostname: string): void;
  /** Relays are not heard at this address. */
  onAddressRefused(hostname: string, error: Error): void;
  /** A message is about to be answered, or was dropped: the outcome tells. */
  onMessage(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void;
}

/** How a server is set up. */
export interface Dhcpv6ServerOptions {
  readonly interfaceName: string;
  /** UDP port, 547 but for tests. */
  readonly port: number;
  /** What is answered while the interface is as it is now. */
  readonly responderOptionsFor: (iface: NetworkInterface) => ResponderOptions;
  readonly observer: Dhcpv6Observer;
}

/**
 * Messages of one socket that may be read in one turn of the event loop. One
 * would do while there is nothing else to do; next to long work there are few
 * turns in a second. All who wait are woken for each message, so that many of
 * them cost more than they bring.
 */
const RECEIVERS = 2;

/** Codes of failures to reach one address. */
const UNREACHABLE: ReadonlySet<string | undefined> = new Set([
  "ENETUNREACH",
  "EHOSTUNREACH",
]);

/**
 * Answers in a row that could not be sent before that is a problem: one alone
 * is somebody whose address has gone.
 */
const FAILURES_IN_A_ROW = 8;

/** Milliseconds that a socket rests after the kernel refused to read from it. */
const RECEIVE_PAUSE = 100;

/** What one life of an interface is served with. */
interface Service {
  /** The interface at the last refresh. */
  iface: NetworkInterface;
  /** Replaced when the interface's addresses change. */
  responder: Responder;
  readonly sockets: InterfaceSockets;
  readonly classifier: ReplyClassifier;
  readonly loadShedder: LoadShedder;
}

/** Answers DHCPv6 on one interface for as long as it runs. */
export class Dhcpv6Server {
  /** What became of the messages. */
  readonly counters: Dhcpv6Counters = new Dhcpv6Counters();

  readonly #options: Dhcpv6ServerOptions;
  #service: Service | undefined;
  /** Reply buffers that no send uses. */
  readonly #freeBuffers: Uint8Array<ArrayBuffer>[] = [];
  #isRunning = false;
  #isRefreshing = false;
  #failuresInARow = 0;
  #lastFailure = "";
  /** What was told last of why nothing is served. */
  #lastReport: string | undefined;

  constructor(options: Dhcpv6ServerOptions) {
    this.#options = options;
  }

  /** The interface that is served now; `undefined` while none is. */
  get serving(): NetworkInterface | undefined {
    return this.#service?.iface;
  }

  /** Why machines get no answers now; `undefined` if they do. */
  get problem(): string | undefined {
    if (this.#service === undefined) {
      return `DHCPv6 is not served on ${this.#options.interfaceName} now`;
    }
    return this.#failuresInARow < FAILURES_IN_A_ROW
      ? undefined
      : `answers cannot be sent: ${this.#lastFailure}`;
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
   * Adapts to the interface as it is now; call it every few seconds. An address
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
      const { message } = error as Error;
      if (this.#lastReport === message) return;
      this.#lastReport = message;
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
        this.#reportWaiting();
      } else if (before === undefined) {
        await this.#open(iface);
      } else if (before.index !== iface.index || before.mac !== iface.mac) {
        // The kernel frees the port some milliseconds after the old sockets
        // are closed: the next refresh opens new ones.
        this.#close();
      } else this.#update(iface);
    } finally {
      this.#isRefreshing = false;
    }
  }

  #close(): void {
    const service = this.#service;
    this.#service = undefined;
    service?.sockets.close();
  }

  #responderFor(iface: NetworkInterface): Responder {
    return new Responder(
      this.#options.responderOptionsFor(iface),
      linkLayerDuid(iface.mac),
    );
  }

  async #open(iface: NetworkInterface): Promise<void> {
    const { port, observer } = this.#options;
    const responder = this.#responderFor(iface);
    const sockets = await InterfaceSockets.open(iface, port);
    if (sockets === undefined) return this.#reportWaiting();
    // stop() may have been called while the sockets joined their groups.
    if (!this.#isRunning) return sockets.close();
    const service: Service = {
      iface,
      responder,
      sockets,
      classifier: new ReplyClassifier(),
      loadShedder: new LoadShedder(),
    };
    this.#service = service;
    this.#lastReport = undefined;
    this.#failuresInARow = 0;
    observer.onServing(iface);
    sockets.subscribe({
      onOpen: (socket) => this.#serve(socket, service),
      onRefused: (hostname, error) =>
        observer.onAddressRefused(hostname, error),
    });
  }

  #update(iface: NetworkInterface): void {
    const service = this.#service!;
    if (iface !== service.iface) {
      service.iface = iface;
      service.responder = this.#responderFor(iface);
    }
    service.sockets.updateAddresses(iface);
  }

  #reportWaiting(): void {
    if (this.#lastReport === "waiting") return;
    this.#lastReport = "waiting";
    this.#options.observer.onWaiting();
  }

  /** Answers what comes to one socket until it is closed. */
  #serve(socket: Deno.DatagramConn, service: Service): void {
    const { linkScoped, sendQueues } = service.sockets;
    const sendQueue = socket === linkScoped
      ? sendQueues.confirmed
      : new SendQueue(socket);
    for (let count = 0; count < RECEIVERS; count++) {
      void this.#receive(socket, sendQueue, service);
    }
  }

  /** Answers one message after the other. */
  async #receive(
    socket: Deno.DatagramConn,
    unicastQueue: SendQueue,
    service: Service,
  ): Promise<void> {
    // One octet more than is read, so that a longer datagram is seen to be one.
    const buffer = new Uint8Array(MAX_DHCPV6_PACKET + 1);
    const sender = new Uint8Array(IPV6_LENGTH);
    const { sockets, classifier, loadShedder } = service;
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
      // A link-local address means this link on some sockets, and any link on
      // the others.
      const isFromInterface = isLinkScoped || isLinkLocal(sender);
      const isConfirmed = isFromInterface &&
        classifier.isConfirmed(from.hostname);
      const sendQueue = isFromInterface
        ? sendQueueFor(service, sender, isConfirmed, isRelayed, count, readAt)
        : unicastQueue;
      if (sendQueue.isFull) {
        counters.received[datagram[0] ?? 0]!++;
        counters.dropped.send_blocked++;
        continue;
      }
      const { responder } = service;
      const answer = this.#freeBuffers.pop() ??
        new Uint8Array(MAX_DHCPV6_REPLY);
      const outcome = responder.respond(
        buffer,
        datagram.length,
        sender,
        from.port,
        isLinkScoped,
        answer,
      );
      const { drop, length, replyPort } = outcome;
      const { type } = responder.packet;
      counters.received[type]!++;
      observer.onMessage(responder.packet, outcome, from);
      if (drop !== undefined) {
        counters.dropped[drop]++;
        this.#freeBuffers.push(answer);
        continue;
      }
      if (type === MessageType.Solicit && responder.packet.isRetransmission) {
        loadShedder.onRetransmission(sender, readAt);
      }
      if (isFromInterface && !isConfirmed) {
        if (type === MessageType.Request) {
          classifier.confirm(from.hostname);
        } else classifier.addUnconfirmed(from.hostname);
      }
      if (replyPort !== from.port) {
        from = { transport: "udp", hostname: from.hostname, port: replyPort };
      }
      void this.#send(sendQueue, answer, length, from, type, readAt);
    }
  }

  #onSendError(error: Error, { hostname }: Deno.NetAddr): void {
    // A relay that nobody can have, or a port that nobody is at, says nothing
    // of the answers to others.
    const { code } = error as { code?: string };
    if (code === "EINVAL") return;
    if (UNREACHABLE.has(code) && !isLinkLocal(parseIpv6(hostname)!)) return;
    this.#lastFailure = error.message;
    // Told once; a socket that was closed meanwhile is told of otherwise.
    if (++this.#failuresInARow === FAILURES_IN_A_ROW && this.#service) {
      this.#options.observer.onSendError(error);
    }
  }

  /**
   * Sends an answer, whose octets belong to the socket until that has settled.
   * Nobody waits for it: one that cannot be delivered takes its time.
   */
  async #send(
    sendQueue: SendQueue,
    answer: Uint8Array<ArrayBuffer>,
    length: number,
    to: Deno.NetAddr,
    type: number,
    readAt: number,
  ): Promise<void> {
    const { counters } = this;
    sendQueue.pending++;
    try {
      await sendQueue.socket.send(answer.subarray(0, length), to);
      this.#failuresInARow = 0;
      counters.answered[type]!++;
      counters.answerTime.observe((performance.now() - readAt) / 1000);
    } catch (error) {
      counters.dropped.send_failed++;
      this.#onSendError(error as Error, to);
    } finally {
      sendQueue.pending--;
      this.#freeBuffers.push(answer);
    }
  }
}

/** Through what a source on the link is answered, for its latest of `count`. */
function sendQueueFor(
  { classifier, sockets: { sendQueues } }: Service,
  address: Uint8Array,
  isConfirmed: boolean,
  isRelayed: boolean,
  count: number,
  now: number,
): SendQueue {
  if (isConfirmed) {
    if (isRelayed) return sendQueues.relay;
    // Two datagrams make an address known, of a machine that may not be there.
    if (count <= MAX_REPLIES_PER_CONFIRMED_SOURCE) return sendQueues.confirmed;
  }
  // Only who is flooded has to remember who asks.
  if (!sendQueues.unverified.isFull && !classifier.isTracking) {
    return sendQueues.unverified;
  }
  return sendQueues[classifier.classify(address, now)];
}
