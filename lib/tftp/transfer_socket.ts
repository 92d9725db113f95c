/**
 * What a transfer sends and receives through: a socket of its own, or the one that
 * requests come to.
 *
 * @module
 */

import { openUdpSocket, UdpSender, type UdpSocket } from "../net/udp_sender.ts";
import { keyOf } from "./waiting_requests.ts";

/**
 * Packets of a client that wait while its transfer reads the file. A client sends
 * one, and waits; what it repeats says no more.
 */
const MAX_QUEUED_PACKETS = 4;

/** Sends packets to one client, and receives those of that client. */
export abstract class TransferSocket {
  protected readonly socket: Deno.DatagramConn;
  /** `undefined` if only the runtime sends. */
  readonly #sender: UdpSender | undefined;
  readonly #destination: Deno.NetAddr;
  /** Whether it was closed. */
  protected isClosed = false;

  constructor(udp: UdpSocket, destination: Deno.NetAddr) {
    this.socket = udp.socket;
    this.#sender = UdpSender.of(udp, destination);
    this.#destination = destination;
  }

  /**
   * The next packet of the client.
   *
   * @param buffer What it may be written to, until the next call.
   * @throws {Deno.errors.BadResource} if it is closed, or will be meanwhile.
   */
  abstract receive(buffer: Uint8Array): Promise<Uint8Array>;

  /**
   * Sends the first bytes of `sendBuffer` without waiting.
   *
   * @param length As in `UdpSender.send`, like `size`.
   * @returns How many bytes the kernel has taken, in whole datagrams.
   * @throws {Deno.errors.BadResource} if it is closed.
   */
  sendNow(length: number, size: number): number {
    this.#checkOpen();
    return this.#sender?.send(length, size) ?? 0;
  }

  /**
   * Sends a packet when the kernel takes it. One that it refuses is treated as
   * packet loss.
   *
   * @throws {Deno.errors.BadResource} if it is closed, or will be meanwhile.
   */
  async send(packet: Uint8Array): Promise<void> {
    this.#checkOpen();
    try {
      await this.socket.send(packet, this.#destination);
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) throw error;
    }
  }

  /** Sends and receives nothing from now on. Does nothing the second time. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onClose();
  }

  /** Ends what waits in {@linkcode receive}. */
  protected abstract onClose(): void;

  #checkOpen(): void {
    if (this.isClosed) throw closedError();
  }
}

function closedError(): Error {
  return new Deno.errors.BadResource("the socket of the transfer is closed");
}

/** A socket of one transfer, at a port of its own (RFC 1350 §4). */
export class OwnSocket extends TransferSocket {
  readonly #client: Deno.NetAddr;
  readonly #onUnknown: () => void;

  private constructor(
    udp: UdpSocket,
    client: Deno.NetAddr,
    destination: Deno.NetAddr,
    onUnknown: () => void,
  ) {
    super(udp, destination);
    this.#client = client;
    this.#onUnknown = onUnknown;
  }

  /**
   * @param hostname The server's address, with the zone of a link-local one.
   * @param client As the kernel reports it, without a zone.
   * @param destination The same with the zone of a link-local address.
   * @param onUnknown Called for packets that others send to the socket.
   * @throws {Error} as `Deno.listenDatagram` does.
   */
  static open(
    hostname: string,
    client: Deno.NetAddr,
    destination: Deno.NetAddr,
    onUnknown: () => void,
  ): OwnSocket {
    return new OwnSocket(
      openUdpSocket(hostname),
      client,
      destination,
      onUnknown,
    );
  }

  async receive(buffer: Uint8Array): Promise<Uint8Array> {
    while (true) {
      const [bytes, from] = await this.socket.receive(buffer);
      const { hostname, port } = from as Deno.NetAddr;
      if (hostname === this.#client.hostname && port === this.#client.port) {
        return bytes;
      }
      // RFC 1350 §4: packets of other hosts and ports are discarded. They get
      // no ERROR 5: on a busy link, curl has ended good transfers by it.
      this.#onUnknown();
    }
  }

  protected onClose(): void {
    this.socket.close();
  }
}

/** The socket that requests come to, which the transfers of an address share. */
export class SharedPort {
  readonly #udp: UdpSocket;
  readonly #sockets = new Map<string, SharedSocket>();

  /** @param udp It stays open for longer than this is used. */
  constructor(udp: UdpSocket) {
    this.#udp = udp;
  }

  /**
   * What the transfer of a client uses, and no earlier one of it any more.
   *
   * @param client As the kernel reports it, without a zone.
   * @param destination The same with the zone of a link-local address.
   */
  open(client: Deno.NetAddr, destination: Deno.NetAddr): TransferSocket {
    const key = keyOf(client);
    this.#sockets.get(key)?.close();
    const socket = new SharedSocket(this.#udp, destination, () => {
      if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
    });
    this.#sockets.set(key, socket);
    return socket;
  }

  /** Hands a packet to the transfer of its client; whether there is one. */
  deliver(client: Deno.NetAddr, packet: Uint8Array): boolean {
    const socket = this.#sockets.get(keyOf(client));
    socket?.deliver(packet);
    return socket !== undefined;
  }

  /** Closes what all transfers use. */
  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
  }
}

/** One client's part of a socket. */
class SharedSocket extends TransferSocket {
  readonly #onClosed: () => void;
  /** What has come while nothing waited for it. */
  readonly #queue: Uint8Array[] = [];
  #waiting: PromiseWithResolvers<Uint8Array> | undefined;
  /** What the next packet is written to. */
  #buffer: Uint8Array = new Uint8Array();

  constructor(
    udp: UdpSocket,
    destination: Deno.NetAddr,
    onClosed: () => void,
  ) {
    super(udp, destination);
    this.#onClosed = onClosed;
  }

  receive(buffer: Uint8Array): Promise<Uint8Array> {
    if (this.isClosed) return Promise.reject(closedError());
    const next = this.#queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    this.#buffer = buffer;
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** Takes a packet, which is written over after that. */
  deliver(packet: Uint8Array): void {
    if (this.#waiting !== undefined) {
      const bytes = this.#buffer.subarray(0, packet.length);
      bytes.set(packet.subarray(0, bytes.length));
      this.#waiting.resolve(bytes);
      this.#waiting = undefined;
    } else if (this.#queue.length < MAX_QUEUED_PACKETS) {
      this.#queue.push(packet.slice());
    }
  }

  protected onClose(): void {
    this.#waiting?.reject(closedError());
    this.#waiting = undefined;
    this.#onClosed();
  }
}
