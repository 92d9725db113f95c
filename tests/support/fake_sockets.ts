/**
 * TCP connections that exist in memory only.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { IPV6_LENGTH, parseIpv6 } from "../../lib/net/ipv6.ts";
import type { TcpSocketCalls, Traffic } from "../../lib/net/tcp_sockets.ts";

/** One of them. */
export interface FakeConnection {
  readonly identity: number;
  readonly client: string;
  readonly port: number;
  acknowledged: number;
  /** Bytes that its client has sent. */
  received: number;
  /** Bytes that its client reads between two looks at it. */
  readAtOnce: number;
  hasPending: boolean;
  /** Whether it was reset. */
  isOver: boolean;
}

/** The first descriptor of a connection; those before are files. */
const FIRST_DESCRIPTOR = 40;

/** The sockets of a process. */
export class FakeSockets implements TcpSocketCalls {
  readonly maxDescriptors: number = 1024;
  readonly peerAddress: Uint8Array = new Uint8Array(IPV6_LENGTH);
  peerPort = 0;
  /** Sockets that accept connections, the first descriptors. */
  listeners = 1;
  /** Those that were set, by the descriptor of the listener. */
  readonly backlogs = new Map<number, number>();
  /** By descriptor. */
  readonly connections = new Map<number, FakeConnection>();
  /** Those that were reset, in this order: address and port of the client. */
  readonly closed: string[] = [];
  /** Whether connections can be announced. */
  canAnnounce = true;
  /** The listeners that announce connections, by their descriptors. */
  readonly announcing = new Set<number>();
  #connected = 0;
  #onAnnounced: (() => void) | undefined;

  /** @param serverPort The port of the server. */
  constructor(private readonly serverPort: number) {}

  /** Connects a client, with the lowest free descriptor. */
  connect(client: string, port: number): FakeConnection {
    let descriptor = FIRST_DESCRIPTOR;
    while (this.connections.has(descriptor)) descriptor++;
    const connection = {
      identity: ++this.#connected,
      client,
      port,
      acknowledged: 0,
      received: 0,
      readAtOnce: 0,
      hasPending: false,
      isOver: false,
    };
    this.connections.set(descriptor, connection);
    if (this.announcing.size > 0) this.#onAnnounced?.();
    return connection;
  }

  /** Ends a connection. */
  disconnect(connection: FakeConnection): void {
    for (const [descriptor, one] of this.connections) {
      if (one === connection) this.connections.delete(descriptor);
    }
  }

  isOpen(descriptor: number): boolean {
    return descriptor < FIRST_DESCRIPTOR || this.connections.has(descriptor);
  }

  identity(descriptor: number): number {
    return this.connections.get(descriptor)?.identity ?? 0;
  }

  isListening(descriptor: number): boolean {
    return descriptor < this.listeners;
  }

  setReceiveBuffer(): void {}

  onAnnounced(callback: () => void): void {
    this.#onAnnounced = callback;
  }

  offAnnounced(): void {
    assertEquals(this.announcing, new Set());
    this.#onAnnounced = undefined;
  }

  announce(descriptor: number, isOn: boolean): boolean {
    if (isOn && this.canAnnounce) this.announcing.add(descriptor);
    else this.announcing.delete(descriptor);
    return this.canAnnounce;
  }

  setBacklog(descriptor: number, connections: number): void {
    this.backlogs.set(descriptor, connections);
  }

  hasUnread(): boolean {
    return false;
  }

  readPeer(descriptor: number): boolean {
    const connection = this.connections.get(descriptor);
    // As of one that has ended in both directions.
    if (connection === undefined || connection.isOver) return false;
    this.peerAddress.set(parseIpv6(connection.client)!);
    this.peerPort = connection.port;
    return true;
  }

  localPort(): number {
    return this.serverPort;
  }

  traffic(descriptor: number): Traffic | undefined {
    const connection = this.connections.get(descriptor);
    if (connection === undefined) return undefined;
    connection.acknowledged += connection.readAtOnce;
    return connection;
  }

  reset(descriptor: number): void {
    const { client, port } = this.connections.get(descriptor)!;
    this.closed.push(`${client} ${port}`);
    this.connections.delete(descriptor);
  }
}
