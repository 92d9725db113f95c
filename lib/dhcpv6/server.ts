/**
 * The sockets of one interface: opened when it can be used, closed when it
 * cannot, opened anew when it was made anew.
 *
 * @module
 */

import { MAX_DHCPV6_ANSWER, MAX_DHCPV6_PACKET } from "../limits.ts";
import { DatagramSockets } from "../net/datagram_sockets.ts";
import type { Interface } from "../net/interface.ts";
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
  /** The link-local address; binding it shows that it can be used. */
  readonly linkLocal: Deno.DatagramConn;
  /** The interface's other addresses, for relays. */
  readonly unicast: DatagramSockets;
}

/** Answers DHCPv6 on one interface for as long as it runs. */
export class Dhcpv6Server {
  /** What became of the messages. */
  readonly counters: Dhcpv6Counters = new Dhcpv6Counters();

  readonly #options: Dhcpv6ServerOptions;
  #opened: Opened | undefined;
  #told: "waiting" | "taken" | undefined;

  constructor(options: Dhcpv6ServerOptions) {
    this.#options = options;
  }

  /** The interface that is served now; `undefined` while none is. */
  get serving(): Interface | undefined {
    return this.#opened?.link;
  }

  /**
   * Serves the interface as it is now: to be called at the start, and again and
   * again. An address that is in duplicate address detection, or a port that
   * somebody holds, may be free the next time.
   *
   * @param link The interface; `undefined` while it cannot be used.
   */
  look(link: Interface | undefined): void {
    try {
      this.lookAtFirst(link);
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) this.#sayTaken();
      else this.#wait();
    }
  }

  /**
   * The same, at the start, when somebody is there to be told.
   *
   * @throws {Deno.errors.AddrInUse} if somebody else holds the port.
   * @throws {Deno.errors.PermissionDenied} if the port may not be bound.
   */
  lookAtFirst(link: Interface | undefined): void {
    const opened = this.#opened;
    if (
      opened !== undefined &&
      (link === undefined || link.index !== opened.link.index ||
        link.mac !== opened.link.mac ||
        link.linkLocal !== opened.link.linkLocal)
    ) this.stop();
    if (link === undefined) return this.#wait();
    if (this.#opened === undefined) {
      try {
        this.#open(link);
      } catch (error) {
        // Duplicate address detection is not done yet, or it vanished again.
        if (error instanceof Deno.errors.AddrNotAvailable) return this.#wait();
        throw error;
      }
    }
    this.#followAddresses(link);
  }

  /** Closes all sockets. */
  stop(): void {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    opened.onLink.close();
    opened.site.close();
    opened.linkLocal.close();
    opened.unicast.close();
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
      // First the link-local address: it cannot be bound before answers can
      // be sent from it.
      const linkLocal = listen(`${link.linkLocal}%${link.name}`);
      const onLink = listen(`${ALL_RELAYS_AND_SERVERS}%${link.name}`);
      void onLink.joinMulticastV6(ALL_RELAYS_AND_SERVERS, link.index);
      const site = listen(ALL_SERVERS, true);
      void site.joinMulticastV6(ALL_SERVERS, link.index);
      const opened: Opened = {
        link,
        responder: this.#responderFor(link),
        onLink,
        site,
        linkLocal,
        unicast: new DatagramSockets({
          port,
          onOpen: (socket) => void this.#serve(socket, opened),
          onTaken: (address) => observer.addressTaken(address),
        }),
      };
      this.#opened = opened;
      for (const socket of sockets) void this.#serve(socket, opened);
    } catch (error) {
      for (const socket of sockets) socket.close();
      throw error;
    }
    this.#told = undefined;
    observer.serving(link);
  }

  #followAddresses(link: Interface): void {
    const opened = this.#opened!;
    if (String(link.addresses) !== String(opened.link.addresses)) {
      opened.link = link;
      opened.responder = this.#responderFor(link);
    }
    opened.unicast.follow(link.addresses);
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
        const isBound = socket === opened.onLink || socket === opened.site ||
          socket === opened.linkLocal || opened.unicast.has(socket);
        if (this.#opened !== opened || !isBound) return;
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
