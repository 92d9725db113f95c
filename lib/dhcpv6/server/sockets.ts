/**
 * The sockets of one life of an interface: from the time the daemon can use it
 * until it is gone, down or created anew.
 *
 * @module
 */

import { hostnamesOf, type NetworkInterface } from "../../net/interface.ts";
import { multicastGroups } from "../../net/multicast_groups.ts";
import { UdpSockets } from "../../net/udp_sockets.ts";
import {
  MAX_PENDING_REPLIES,
  UNRESOLVED_REPLIES,
  UNRESOLVED_REPLIES_PER_SECOND,
} from "../../overload/limits.ts";
import { TokenBucket } from "../../overload/token_bucket.ts";
import {
  ALL_RELAYS_AND_SERVERS,
  ALL_SERVERS,
  SENDING_GROUPS,
} from "../wire/constants.ts";

/** How often groups are joined again that the kernel does not report. */
const MAX_UNREPORTED = 3;

/** The groups that are joined. */
const GROUPS = [ALL_RELAYS_AND_SERVERS, ALL_SERVERS];

function unresolvedReplies(): TokenBucket {
  return new TokenBucket(UNRESOLVED_REPLIES, UNRESOLVED_REPLIES_PER_SECOND);
}

/** A socket that sends replies, and the number of replies pending on it. */
export class SendQueue {
  pending = 0;
  /**
   * Of replies to sources that may not be reachable: those that send again after
   * a pause have a share of their own.
   */
  readonly unresolved: TokenBucket = unresolvedReplies();
  readonly unresolvedAgain: TokenBucket = unresolvedReplies();

  constructor(readonly socket: Deno.DatagramConn) {}

  /** Whether another reply would only arrive late. */
  get isFull(): boolean {
    return this.pending >= MAX_PENDING_REPLIES;
  }
}

/**
 * Who gets a reply on the link.
 *
 * - `client`: the kernel has the link-layer address of the source.
 * - `relay`: likewise; how many replies a relay gets has no limit.
 * - `retransmitting`: the source sends again after a pause, as a client without
 *   a reply does.
 * - `unverified`: the source address may be forged.
 */
export type ReplyClass = "client" | "relay" | "retransmitting" | "unverified";

/** The multicast groups of an interface, as hostnames that a socket binds. */
export function groupsOf(
  { name }: NetworkInterface,
): { linkScoped: string; siteScoped: string } {
  return {
    linkScoped: `${ALL_RELAYS_AND_SERVERS}%${name}`,
    siteScoped: ALL_SERVERS,
  };
}

/** Learns which sockets receive. */
export interface SocketObserver {
  /** A socket was bound that receives until it is closed. */
  onOpen(socket: Deno.DatagramConn): void;
  /** An address cannot be bound, so relays cannot reach it. */
  onRefused(hostname: string, error: Error): void;
}

/** The open sockets of an interface. */
export class InterfaceSockets {
  /** ff02::1:2, which the kernel binds to the interface. */
  readonly linkScoped: Deno.DatagramConn;
  /** ff05::1:3, which receives from every link on which this host joined it. */
  readonly #siteScoped: Deno.DatagramConn;
  readonly #memberships: readonly GroupMembership[];
  /** The interface's own addresses, for relays. */
  readonly #unicast: UnicastSockets;
  /**
   * The send queues for clients and relays on the link, each with a socket of its
   * own: replies that wait for address resolution delay those of the same class
   * only.
   */
  readonly sendQueues: Readonly<Record<ReplyClass, SendQueue>>;
  /** How often in a row the kernel did not report groups that were joined. */
  #unreported = 0;
  #isClosed = false;

  private constructor(
    unicast: UnicastSockets,
    [linkScoped, siteScoped, retransmitting, unverified, relay]:
      Deno.DatagramConn[],
    memberships: readonly GroupMembership[],
  ) {
    this.#unicast = unicast;
    this.#memberships = memberships;
    this.linkScoped = linkScoped!;
    this.#siteScoped = siteScoped!;
    this.sendQueues = {
      client: new SendQueue(linkScoped!),
      retransmitting: new SendQueue(retransmitting!),
      unverified: new SendQueue(unverified!),
      relay: new SendQueue(relay!),
    };
  }

  /**
   * Binds the sockets of `iface` to the UDP port `port` and joins its groups.
   *
   * @returns `undefined` while no link-local address can be bound because of
   * duplicate address detection.
   * @throws {Deno.errors.AddrInUse} if another program has bound the port.
   * @throws {Deno.errors.PermissionDenied} if the daemon may not bind the port.
   */
  static async open(
    iface: NetworkInterface,
    port: number,
  ): Promise<InterfaceSockets | undefined> {
    // Unicast first: while no link-local address can be bound, the kernel sends
    // no reply to a client either.
    const unicast = new UnicastSockets(port);
    unicast.bind(iface);
    if (!unicast.hasLinkLocal) {
      unicast.close();
      if (unicast.linkLocalRefusal !== undefined) {
        throw unicast.linkLocalRefusal;
      }
      return undefined;
    }
    const opened: Deno.DatagramConn[] = [];
    let memberships: GroupMembership[];
    const listen = (hostname: string, reuseAddress: boolean) => {
      const socket = Deno.listenDatagram({
        transport: "udp",
        hostname,
        port,
        reuseAddress,
      });
      opened.push(socket);
      return socket;
    };
    try {
      const groups = groupsOf(iface);
      const linkScoped = listen(groups.linkScoped, false);
      const siteScoped = listen(groups.siteScoped, true);
      for (const group of SENDING_GROUPS) {
        listen(`${group}%${iface.name}`, false);
      }
      memberships = [
        new GroupMembership(linkScoped, ALL_RELAYS_AND_SERVERS),
        new GroupMembership(siteScoped, ALL_SERVERS),
      ];
      for (const membership of memberships) await membership.join(iface);
    } catch (error) {
      unicast.close();
      for (const socket of opened) socket.close();
      throw error;
    }
    return new InterfaceSockets(unicast, opened, memberships);
  }

  /** Notifies `observer` of all sockets and refusals so far, and of later ones. */
  subscribe(observer: SocketObserver): void {
    observer.onOpen(this.linkScoped);
    observer.onOpen(this.#siteScoped);
    this.#unicast.subscribe(observer);
  }

  /** Whether `socket` is one of those that receive, and open. */
  isReceiving(socket: Deno.DatagramConn): boolean {
    return !this.#isClosed &&
      (socket === this.linkScoped || socket === this.#siteScoped ||
        this.#unicast.has(socket));
  }

  /** Binds the addresses that `iface` has now, and closes the others. */
  updateAddresses(iface: NetworkInterface): void {
    this.#unicast.bind(iface);
  }

  /** Whether the interface is a member of the groups, as far as is known. */
  areJoined({ index }: NetworkInterface): boolean {
    return this.#unreported >= MAX_UNREPORTED ||
      multicastGroups.areJoined(index, GROUPS);
  }

  /**
   * Joins the groups again, which an interface has left that was created anew with
   * the same index, or had no IPv6 for a moment. The sockets stay open, so that no
   * message is lost.
   */
  async rejoin(iface: NetworkInterface): Promise<void> {
    for (const membership of this.#memberships) await membership.join(iface);
    this.#unreported = multicastGroups.areJoined(iface.index, GROUPS)
      ? 0
      : this.#unreported + 1;
  }

  /** Closes all sockets. */
  close(): void {
    this.#isClosed = true;
    this.#unicast.close();
    this.#siteScoped.close();
    for (const { socket } of Object.values(this.sendQueues)) socket.close();
  }
}

/** The membership of a socket in a multicast group. */
class GroupMembership {
  readonly #socket: Deno.DatagramConn;
  readonly #group: string;
  #joined: Deno.MulticastV6Membership | undefined;

  constructor(socket: Deno.DatagramConn, group: string) {
    this.#socket = socket;
    this.#group = group;
  }

  /** Joins the group on `iface`, and leaves it before if it was joined. */
  async join(iface: NetworkInterface): Promise<void> {
    // The kernel keeps the membership of a deleted interface in the socket, and
    // refuses to join twice by the same index.
    await this.#joined?.leave();
    this.#joined = await this.#socket.joinMulticastV6(this.#group, iface.index);
  }
}

/** The sockets of an interface's own addresses. */
class UnicastSockets {
  readonly #sockets: UdpSockets;
  /** Bound and refused before there was an observer. */
  readonly #bound: Deno.DatagramConn[] = [];
  readonly #refusals = new Map<string, Error>();
  #observer: SocketObserver | undefined;

  constructor(port: number) {
    this.#sockets = new UdpSockets({
      port,
      onOpen: ({ socket }) => {
        if (this.#observer === undefined) this.#bound.push(socket);
        else this.#observer.onOpen(socket);
      },
      onRefused: (hostname, error) => {
        if (this.#observer === undefined) this.#refusals.set(hostname, error);
        else this.#observer.onRefused(hostname, error);
      },
    });
  }

  /** Whether a link-local address is bound. */
  get hasLinkLocal(): boolean {
    return this.#sockets.hostnames.some(isLinkLocalHostname);
  }

  /** Why a link-local address could not be bound at first, if so. */
  get linkLocalRefusal(): Error | undefined {
    for (const [hostname, error] of this.#refusals) {
      if (isLinkLocalHostname(hostname)) return error;
    }
    return undefined;
  }

  bind(iface: NetworkInterface): void {
    this.#sockets.bind(hostnamesOf(iface));
  }

  subscribe(observer: SocketObserver): void {
    this.#observer = observer;
    for (const socket of this.#bound) observer.onOpen(socket);
    for (const [hostname, error] of this.#refusals) {
      observer.onRefused(hostname, error);
    }
  }

  has(socket: Deno.DatagramConn): boolean {
    return this.#sockets.has(socket);
  }

  close(): void {
    this.#sockets.close();
  }
}

/** Whether a hostname of {@linkcode hostnamesOf} is a link-local address. */
function isLinkLocalHostname(hostname: string): boolean {
  return hostname.includes("%");
}
