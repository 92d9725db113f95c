/**
 * One UDP socket for each address of an interface, as they come and go.
 *
 * @module
 */

/** How the sockets are bound, and who uses them. */
export interface UdpSocketsOptions {
  readonly port: number;
  /** Uses a socket that was bound, until it is closed. */
  readonly onOpen: (socket: Deno.DatagramConn, hostname: string) => void;
  /**
   * An address cannot be bound for another reason than duplicate address
   * detection, which ends by itself; told once.
   */
  readonly onRefused: (hostname: string, error: Error) => void;
}

/** Sockets that follow a list of addresses. */
export class UdpSockets {
  readonly #options: UdpSocketsOptions;
  readonly #sockets = new Map<string, Deno.DatagramConn>();
  readonly #refused = new Set<string>();

  constructor(options: UdpSocketsOptions) {
    this.#options = options;
  }

  /** The addresses that are bound now. */
  get hostnames(): string[] {
    return [...this.#sockets.keys()];
  }

  /** Whether this is one of the sockets, and open. */
  has(socket: Deno.DatagramConn): boolean {
    for (const other of this.#sockets.values()) {
      if (other === socket) return true;
    }
    return false;
  }

  /**
   * Closes the sockets of addresses that are not in the list, and binds those
   * of new ones. An address that cannot be bound yet, because it is in
   * duplicate address detection, is tried at the next call.
   */
  bind(hostnames: readonly string[]): void {
    for (const [hostname, socket] of this.#sockets) {
      if (hostnames.includes(hostname)) continue;
      this.#sockets.delete(hostname);
      socket.close();
    }
    for (const hostname of this.#refused) {
      if (!hostnames.includes(hostname)) this.#refused.delete(hostname);
    }
    for (const hostname of hostnames) {
      if (!this.#sockets.has(hostname)) this.#open(hostname);
    }
  }

  /** Closes all of them. */
  close(): void {
    this.bind([]);
  }

  #open(hostname: string): void {
    const { port, onOpen, onRefused } = this.#options;
    try {
      const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
      this.#sockets.set(hostname, socket);
      this.#refused.delete(hostname);
      onOpen(socket, hostname);
    } catch (error) {
      if (
        error instanceof Deno.errors.AddrNotAvailable ||
        this.#refused.has(hostname)
      ) return;
      this.#refused.add(hostname);
      onRefused(hostname, error as Error);
    }
  }
}
