/**
 * The sockets of one interface: opened when it can be used, closed when it
 * cannot, opened anew when it was made anew.
 *
 * @module
 */

import {
  MAX_PENDING_REPLIES,
  MAX_REPLIES_PER_CONFIRMED_SOURCE,
} from "../../overload/limits.ts";
import { UdpSockets } from "../../net/udp_sockets.ts";
import { hostnamesOf, type NetworkInterface } from "../../net/interface.ts";
import {
  IPV6_LENGTH,
  isLinkLocal,
  parseIpv6,
  parseIpv6Into,
} from "../../net/ipv6.ts";
import {
  ALL_RELAYS_AND_SERVERS,
  ALL_SERVERS,
  MAX_DHCPV6_PACKET,
  MAX_DHCPV6_REPLY,
  MessageType,
  SENDING_GROUPS,
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
import { ReplyClassifier, type SourceClass } from "./reply_classifier.ts";

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

/** A socket that answers leave through, and how many wait for it. */
class SendQueue {
  pending = 0;

  constructor(readonly socket: Deno.DatagramConn) {}

  /** Whether one more would only come late. */
  get isFull(): boolean {
    return this.pending >= MAX_PENDING_REPLIES;
  }
}

/** The sockets that were opened for one life of an interface. */
interface OpenSockets {
  /** The interface as it was at the last look. */
  iface: NetworkInterface;
  /** Made anew when the interface's addresses change. */
  responder: Responder;
  /** ff02::1:2, tied to the interface by the kernel. */
  readonly linkScoped: Deno.DatagramConn;
  /** ff05::1:3; it hears every link on which this host joined the group. */
  readonly siteScoped: Deno.DatagramConn;
  /** The interface's own addresses, for relays. */
  readonly unicast: UdpSockets;
  readonly classifier: ReplyClassifier;
  readonly loadShedder: LoadShedder;
  /**
   * Through what clients and relays on the link are answered, by how far it is
   * to be believed that somebody is there. Relays that are known have one of
   * their own, for they ask without a bound.
   */
  readonly sendQueues: Record<SourceClass | "relay", SendQueue>;
}

/** The groups that are listened to on an interface, as a socket binds them. */
export function groupsOf(
  { name }: NetworkInterface,
): { linkScoped: string; siteScoped: string } {
  return {
    linkScoped: `${ALL_RELAYS_AND_SERVERS}%${name}`,
    siteScoped: ALL_SERVERS,
  };
}

/** Answers DHCPv6 on one interface for as long as it runs. */
export class Dhcpv6Server {
  /** What became of the messages. */
  readonly counters: Dhcpv6Counters = new Dhcpv6Counters();

  readonly #options: Dhcpv6ServerOptions;
  #sockets: OpenSockets | undefined;
  /** Room for answers that nothing is sent from. */
  readonly #freeBuffers: Uint8Array<ArrayBuffer>[] = [];
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
    return this.#sockets?.iface;
  }

  /** Why machines get no answers now; `undefined` if they do. */
  get problem(): string | undefined {
    if (this.#sockets === undefined) {
      return `DHCPv6 is not served on ${this.#options.interfaceName} now`;
    }
    return this.#failuresInARow < FAILURES_IN_A_ROW
      ? undefined
      : `answers cannot be sent: ${this.#lastFailure}`;
  }

  /**
   * Serves the interface as it is now: to be called again and again. An address
   * that is in duplicate address detection, or a port that somebody holds, may
   * be free the next time.
   *
   * @param iface The interface; `undefined` while it cannot be used.
   */
  async refresh(iface: NetworkInterface | undefined): Promise<void> {
    if (this.#isRefreshing) return;
    try {
      await this.open(iface);
    } catch (error) {
      const { message } = error as Error;
      if (this.#lastReport === message) return;
      this.#lastReport = message;
      this.#options.observer.onServeError(error as Error);
    }
  }

  /**
   * The same, at the start, when somebody is there to be told.
   *
   * @throws {Deno.errors.AddrInUse} if somebody else holds the port.
   * @throws {Deno.errors.PermissionDenied} if the port may not be bound.
   */
  async open(iface: NetworkInterface | undefined): Promise<void> {
    this.#isRefreshing = true;
    try {
      const before = this.#sockets?.iface;
      if (iface === undefined) {
        this.stop();
        this.#reportWaiting();
      } else if (before === undefined) {
        await this.#openSockets(iface);
      } else if (before.index !== iface.index || before.mac !== iface.mac) {
        // The kernel frees the old sockets' port a moment after they are
        // closed: the next look opens new ones.
        this.stop();
      } else this.#updateAddresses(iface);
    } finally {
      this.#isRefreshing = false;
    }
  }

  /** Closes all sockets. */
  stop(): void {
    const opened = this.#sockets;
    if (opened === undefined) return;
    this.#sockets = undefined;
    close(opened);
  }

  #responderFor(iface: NetworkInterface): Responder {
    return new Responder(
      this.#options.responderOptionsFor(iface),
      linkLayerDuid(iface.mac),
    );
  }

  async #openSockets(iface: NetworkInterface): Promise<void> {
    const { port, observer } = this.#options;
    const groups = groupsOf(iface);
    const refusals = new Map<string, Error>();
    let opened: OpenSockets | undefined;
    const waiting: Deno.DatagramConn[] = [];
    // First the interface's own addresses: while no link-local one can be
    // bound, no answer can be sent to a client either.
    const unicast = new UdpSockets({
      port,
      onOpen: (socket) => {
        if (opened === undefined) waiting.push(socket);
        else this.#serve(socket, opened);
      },
      onRefused: (hostname, error) => {
        if (opened === undefined) refusals.set(hostname, error);
        else observer.onAddressRefused(hostname, error);
      },
    });
    unicast.bind(hostnamesOf(iface));
    const isLinkLocalOf = (hostname: string) => hostname.includes("%");
    if (!unicast.hostnames.some(isLinkLocalOf)) {
      unicast.close();
      const refusal = [...refusals].find(([hostname]) =>
        isLinkLocalOf(hostname)
      );
      if (refusal !== undefined) throw refusal[1];
      return this.#reportWaiting();
    }
    const sockets: Deno.DatagramConn[] = [];
    try {
      const listen = (hostname: string, reuseAddress: boolean) => {
        const socket = Deno.listenDatagram({
          transport: "udp",
          hostname,
          port,
          reuseAddress,
        });
        sockets.push(socket);
        return socket;
      };
      const linkScoped = listen(groups.linkScoped, false);
      const siteScoped = listen(groups.siteScoped, true);
      const [again, fresh, relay] = SENDING_GROUPS.map((group) =>
        listen(`${group}%${iface.name}`, false)
      );
      await linkScoped.joinMulticastV6(ALL_RELAYS_AND_SERVERS, iface.index);
      await siteScoped.joinMulticastV6(ALL_SERVERS, iface.index);
      const responder = this.#responderFor(iface);
      opened = {
        iface,
        responder,
        linkScoped,
        siteScoped,
        unicast,
        classifier: new ReplyClassifier(),
        loadShedder: new LoadShedder(),
        sendQueues: {
          known: new SendQueue(linkScoped),
          again: new SendQueue(again!),
          new: new SendQueue(fresh!),
          relay: new SendQueue(relay!),
        },
      };
    } catch (error) {
      unicast.close();
      for (const socket of sockets) socket.close();
      throw error;
    }
    this.#sockets = opened;
    this.#lastReport = undefined;
    this.#failuresInARow = 0;
    observer.onServing(iface);
    for (const socket of [opened.linkScoped, opened.siteScoped, ...waiting]) {
      this.#serve(socket, opened);
    }
    for (const [hostname, error] of refusals) {
      observer.onAddressRefused(hostname, error);
    }
  }

  #updateAddresses(iface: NetworkInterface): void {
    const opened = this.#sockets!;
    if (iface !== opened.iface) {
      opened.iface = iface;
      opened.responder = this.#responderFor(iface);
    }
    opened.unicast.bind(hostnamesOf(iface));
  }

  #reportWaiting(): void {
    if (this.#lastReport === "waiting") return;
    this.#lastReport = "waiting";
    this.#options.observer.onWaiting();
  }

  /** Answers what comes to one socket until it is closed. */
  #serve(socket: Deno.DatagramConn, opened: OpenSockets): void {
    const sendQueue = socket === opened.linkScoped
      ? opened.sendQueues.known
      : new SendQueue(socket);
    for (let count = 0; count < RECEIVERS; count++) {
      void this.#receive(socket, sendQueue, opened);
    }
  }

  /** Answers one message after the other. */
  async #receive(
    socket: Deno.DatagramConn,
    unicastQueue: SendQueue,
    opened: OpenSockets,
  ): Promise<void> {
    // One octet more than is read, so that a longer datagram is seen to be one.
    const buffer = new Uint8Array(MAX_DHCPV6_PACKET + 1);
    const sender = new Uint8Array(IPV6_LENGTH);
    const isLinkScoped = socket === opened.linkScoped;
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
        const isBound = socket === opened.linkScoped ||
          socket === opened.siteScoped ||
          opened.unicast.has(socket);
        if (this.#sockets !== opened || !isBound) return;
        await delay(RECEIVE_PAUSE);
        continue;
      }
      const readAt = performance.now();
      parseIpv6Into(from.hostname, sender, 0);
      const isRelayed = datagram[0] === MessageType.RelayForward;
      const count = opened.loadShedder.count(sender, readAt);
      if (opened.loadShedder.shouldDrop(count, isRelayed, readAt)) {
        counters.received[datagram[0] ?? 0]!++;
        counters.dropped.source_too_loud++;
        observer.onSourceRateLimited(from.hostname);
        continue;
      }
      // A link-local address means this link on some sockets, and any link on
      // the others.
      const isFromInterface = isLinkScoped || isLinkLocal(sender);
      const isConfirmed = isFromInterface &&
        opened.classifier.isConfirmed(from.hostname);
      const sendQueue = isFromInterface
        ? sendQueueFor(opened, sender, isConfirmed, isRelayed, count, readAt)
        : unicastQueue;
      if (sendQueue.isFull) {
        counters.received[datagram[0] ?? 0]!++;
        counters.dropped.send_blocked++;
        continue;
      }
      const { responder } = opened;
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
        opened.loadShedder.onRetransmission(sender, readAt);
      }
      if (isFromInterface && !isConfirmed) {
        if (type === MessageType.Request) {
          opened.classifier.confirm(from.hostname);
        } else opened.classifier.addUnconfirmed(from.hostname);
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
    if (++this.#failuresInARow === FAILURES_IN_A_ROW && this.#sockets) {
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
  { classifier, sendQueues }: OpenSockets,
  address: Uint8Array,
  isConfirmed: boolean,
  isRelayed: boolean,
  count: number,
  now: number,
): SendQueue {
  if (isConfirmed) {
    if (isRelayed) return sendQueues.relay;
    // Two datagrams make an address known, of a machine that may not be there.
    if (count <= MAX_REPLIES_PER_CONFIRMED_SOURCE) return sendQueues.known;
  }
  // Only who is flooded has to remember who asks.
  if (!sendQueues.new.isFull && !classifier.isTracking) return sendQueues.new;
  return sendQueues[classifier.classify(address, now)];
}

function close(
  { linkScoped, siteScoped, unicast, sendQueues }: OpenSockets,
): void {
  linkScoped.close();
  siteScoped.close();
  unicast.close();
  for (
    const sendQueue of [sendQueues.again, sendQueues.new, sendQueues.relay]
  ) {
    sendQueue.socket.close();
  }
}
