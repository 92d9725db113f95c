/**
 * The sockets of one interface: opened when it can be used, closed when it
 * cannot, opened anew when it was made anew.
 *
 * @module
 */

import { MAX_DHCPV6_ANSWER, MAX_DHCPV6_PACKET } from "../limits.ts";
import { findInterface, type Interface } from "../net/interface.ts";
import { IPV6_LENGTH, isLinkLocal, parseIpv6Into } from "../net/ipv6.ts";
import { ALL_RELAYS_AND_SERVERS, ALL_SERVERS } from "./codes.ts";
import { Dhcpv6Counters } from "./counters.ts";
import { linkLayerDuid } from "./duid.ts";
import type { Packet } from "./message.ts";
import {
  type Outcome,
  Responder,
  type ResponderSettings,
} from "./responder.ts";

/** Whoever wants to know what a server does. Nothing here may wait. */
export interface Dhcpv6Observer {
  /** The interface can be used, and is. */
  serving(link: Interface): void;
  /** The interface cannot be used: absent, down, or without a usable address. */
  waiting(): void;
  /** An address's port is taken, so that relays are not heard there. */
  addressTaken(address: string): void;
  /** The port is taken; it is tried again. */
  portTaken(): void;
  /** A message is about to be answered, or was dropped: the outcome tells. */
  handled(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void;
}

/** How a server is set up. */
export interface Dhcpv6ServerOptions {
  readonly interfaceName: string;
  /** UDP port, 547 but for tests. */
  readonly port: number;
  /** What is answered while the interface is as it is now. */
  readonly settingsFor: (link: Interface) => ResponderSettings;
  readonly observer: Dhcpv6Observer;
}

/**
 * Milliseconds between two looks at the interface. A look costs 0.05 ms, and
 * an interface shall be served within a second of being usable.
 */
const LOOK_INTERVAL = 250;

/** Milliseconds that a socket rests after the kernel refused to read from it. */
const RECEIVE_PAUSE = 100;

/** The sockets that were opened for one life of an interface. */
interface Opened {
  /** The interface as it was at the last look. */
  link: Interface;
  /** Made anew when the interface's addresses change. */
  responder: Responder;
  /** ff02::1:2, tied to the interface by the kernel. */
  readonly onLink: Deno.DatagramConn;
  /** ff05::1:3; it hears every link on which this host joined the group. */
  readonly site: Deno.DatagramConn;
  /** The interface's own addresses, for relays. */
  readonly unicast: Map<string, Deno.DatagramConn>;
}

/** Answers DHCPv6 on one interface for as long as it runs. */
export class Dhcpv6Server {
  /** What became of the messages. */
  readonly counters: Dhcpv6Counters = new Dhcpv6Counters();

  readonly #options: Dhcpv6ServerOptions;
  readonly #taken = new Set<string>();
  #opened: Opened | undefined;
  #timer: number | undefined;
  #told: "waiting" | "taken" | undefined;

  constructor(options: Dhcpv6ServerOptions) {
    this.#options = options;
  }

  /** The interface that is served now; `undefined` while none is. */
  get serving(): Interface | undefined {
    return this.#opened?.link;
  }

  /**
   * Begins to serve, now or as soon as the interface can be used.
   *
   * @throws {Deno.errors.AddrInUse} if somebody else holds the port now.
   * @throws {Deno.errors.PermissionDenied} if the port may not be bound.
   */
  start(): void {
    this.#look(true);
    this.#timer = setInterval(() => this.#look(false), LOOK_INTERVAL);
  }

  /** Ends serving. */
  stop(): void {
    clearInterval(this.#timer);
    this.#close();
  }

  #look(isFirst: boolean): void {
    const link = findInterface(this.#options.interfaceName);
    const opened = this.#opened;
    if (
      opened !== undefined &&
      (link === undefined || link.index !== opened.link.index ||
        link.mac !== opened.link.mac ||
        link.linkLocal !== opened.link.linkLocal)
    ) this.#close();
    if (link === undefined) return this.#wait();
    if (this.#opened === undefined) {
      try {
        this.#open(link);
      } catch (error) {
        // Duplicate address detection is not done yet, or it vanished again.
        if (error instanceof Deno.errors.AddrNotAvailable) return this.#wait();
        if (isFirst) throw error;
        if (error instanceof Deno.errors.AddrInUse) return this.#sayTaken();
        return this.#wait();
      }
    }
    this.#followAddresses(link);
  }

  #responderFor(link: Interface): Responder {
    return new Responder(
      this.#options.settingsFor(link),
      linkLayerDuid(link.mac),
    );
  }

  #open(link: Interface): void {
    const { port, observer } = this.#options;
    const sockets: Deno.DatagramConn[] = [];
    const listen = (hostname: string, reuseAddress = false) => {
      const socket = Deno.listenDatagram({
        transport: "udp",
        hostname,
        port,
        reuseAddress,
      });
      sockets.push(socket);
      return socket;
    };
    try {
      const zoned = `${link.linkLocal}%${link.name}`;
      // First the link-local address: it cannot be bound before answers can
      // be sent from it.
      const unicast = new Map([[link.linkLocal, listen(zoned)]]);
      const onLink = listen(`${ALL_RELAYS_AND_SERVERS}%${link.name}`);
      void onLink.joinMulticastV6(ALL_RELAYS_AND_SERVERS, link.index);
      const site = listen(ALL_SERVERS, true);
      void site.joinMulticastV6(ALL_SERVERS, link.index);
      const responder = this.#responderFor(link);
      const opened = { link, responder, onLink, site, unicast };
      this.#opened = opened;
      for (const socket of sockets) void this.#serve(socket, opened);
    } catch (error) {
      for (const socket of sockets) socket.close();
      throw error;
    }
    this.#told = undefined;
    observer.serving(link);
  }

  /** Binds what addresses the interface has now, and frees what it lost. */
  #followAddresses(link: Interface): void {
    const opened = this.#opened!;
    if (String(link.addresses) !== String(opened.link.addresses)) {
      opened.link = link;
      opened.responder = this.#responderFor(link);
    }
    const { port, observer } = this.#options;
    for (const [address, socket] of opened.unicast) {
      if (address === link.linkLocal || link.addresses.includes(address)) {
        continue;
      }
      opened.unicast.delete(address);
      socket.close();
    }
    for (const address of link.addresses) {
      if (opened.unicast.has(address)) continue;
      try {
        const socket = Deno.listenDatagram({
          transport: "udp",
          hostname: address,
          port,
        });
        opened.unicast.set(address, socket);
        this.#taken.delete(address);
        void this.#serve(socket, opened);
      } catch (error) {
        // An address in duplicate address detection is tried at the next look.
        if (
          error instanceof Deno.errors.AddrInUse && !this.#taken.has(address)
        ) {
          this.#taken.add(address);
          observer.addressTaken(address);
        }
      }
    }
    for (const address of this.#taken) {
      if (!link.addresses.includes(address)) this.#taken.delete(address);
    }
  }

  #close(): void {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    this.#taken.clear();
    opened.onLink.close();
    opened.site.close();
    for (const socket of opened.unicast.values()) socket.close();
  }

  #wait(): void {
    if (this.#told === "waiting") return;
    this.#told = "waiting";
    this.#options.observer.waiting();
  }

  #sayTaken(): void {
    if (this.#told === "taken") return;
    this.#told = "taken";
    this.#options.observer.portTaken();
  }

  /** Answers what comes to one socket until it is closed. */
  async #serve(socket: Deno.DatagramConn, opened: Opened): Promise<void> {
    // One octet more than is read, so that a longer datagram is seen to be one.
    const buffer = new Uint8Array(MAX_DHCPV6_PACKET + 1);
    // An answer belongs to its socket until its send has settled: waiting for
    // that is what keeps answers apart on a slow link.
    const answer = new Uint8Array(MAX_DHCPV6_ANSWER);
    const sender = new Uint8Array(IPV6_LENGTH);
    const isOnLink = socket === opened.onLink;
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
        if (this.#opened !== opened || !isOpen(socket, opened)) return;
        await new Promise((resolve) => setTimeout(resolve, RECEIVE_PAUSE));
        continue;
      }
      const { responder } = opened;
      parseIpv6Into(from.hostname, sender, 0);
      const outcome = responder.respond(
        buffer,
        datagram.length,
        sender,
        from.port,
        isOnLink,
        answer,
      );
      const { drop, length, replyPort } = outcome;
      const { type } = responder.packet;
      counters.received[type]!++;
      if (drop !== undefined) counters.dropped[drop]++;
      observer.handled(responder.packet, outcome, from);
      if (drop !== undefined) continue;
      if (replyPort !== from.port) {
        from = { transport: "udp", hostname: from.hostname, port: replyPort };
      }
      // A link-local address means this link on that socket, and any link on
      // the others.
      const out = isLinkLocal(sender) ? opened.onLink : socket;
      try {
        await out.send(answer.subarray(0, length), from);
        counters.answered[type]!++;
      } catch {
        counters.dropped.send_failed++;
      }
    }
  }
}

function isOpen(socket: Deno.DatagramConn, opened: Opened): boolean {
  if (socket === opened.onLink || socket === opened.site) return true;
  for (const other of opened.unicast.values()) {
    if (other === socket) return true;
  }
  return false;
}
