/**
 * One UDP socket for each address of an interface, whose addresses may change.
 *
 * @module
 */

import { openUdpSocket, type UdpSocket } from "./udp_sender.ts";

/** The port of the sockets, and the callbacks. */
export interface UdpSocketsOptions {
  readonly port: number;
  /** A socket was bound. It is closed when its address is removed. */
  readonly onOpen: (opened: UdpSocket, hostname: string) => void;
  /** The socket of an address is about to be closed. */
  readonly onClose?: (hostname: string) => void;
  /**
   * An address cannot be bound. Called once for each address until it could be,
   * and not during duplicate address detection, which takes 1 to 2 s.
   */
  readonly onRefused: (hostname: string, error: Error) => void;
}

/**
 * Milliseconds after which an address that is not available is reported: after
 * duplicate address detection, also of a bridge that learns its ports first.
 */
const UNAVAILABLE_REPORT_DELAY = 5000;

/** Sockets bound to a list of addresses. */
export class UdpSockets {
  readonly #options: UdpSocketsOptions;
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  readonly #refused = new Set<string>();
  /** Since when addresses are not available, by `performance.now()`. */
  readonly #unavailableSince = new Map<string, number>();

  constructor(options: UdpSocketsOptions) {
    this.#options = options;
  }

  /** The addresses that are bound. */
  get hostnames(): string[] {
    return [...this.#sockets.keys()];
  }

  /** Whether a socket is one of these and open. */
  has(socket: Deno.DatagramConn): boolean {
    for (const other of this.#sockets.values()) {
      if (other === socket) return true;
    }
    return false;
  }

  /**
   * Closes the sockets of addresses that are not in the list, and binds the new
   * ones. An address that cannot be bound is retried at the next call.
   */
  bind(hostnames: readonly string[]): void {
    for (const [hostname, socket] of this.#sockets) {
      if (hostnames.includes(hostname)) continue;
      this.#sockets.delete(hostname);
      this.#options.onClose?.(hostname);
      socket.close();
    }
    for (const hostname of this.#refused) {
      if (!hostnames.includes(hostname)) this.#refused.delete(hostname);
    }
    for (const hostname of this.#unavailableSince.keys()) {
      if (!hostnames.includes(hostname)) {
        this.#unavailableSince.delete(hostname);
      }
    }
    for (const hostname of hostnames) {
      if (!this.#sockets.has(hostname)) this.#open(hostname);
    }
  }

  /** Closes all sockets. */
  close(): void {
    this.bind([]);
  }

  #open(hostname: string): void {
    const { port, onOpen, onRefused } = this.#options;
    try {
      const opened = openUdpSocket(hostname, port);
      this.#sockets.set(hostname, opened.socket);
      this.#refused.delete(hostname);
      this.#unavailableSince.delete(hostname);
      onOpen(opened, hostname);
    } catch (error) {
      if (this.#refused.has(hostname)) return;
      if (error instanceof Deno.errors.AddrNotAvailable) {
        // Duplicate address detection (RFC 4862 §5.4) may not be over.
        const now = performance.now();
        const since = this.#unavailableSince.get(hostname) ?? now;
        this.#unavailableSince.set(hostname, since);
        if (now - since < UNAVAILABLE_REPORT_DELAY) return;
      }
      this.#refused.add(hostname);
      onRefused(hostname, error as Error);
    }
  }
}
