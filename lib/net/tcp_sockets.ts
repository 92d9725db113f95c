/**
 * The TCP connections of this process, which the runtime does not show: who is
 * at their other end, what it has acknowledged, when one comes, and a way to close
 * one.
 *
 * Workaround: `Deno.serve` reports neither connections nor what waits in them,
 * and closes no single one (Deno 2.6.8 to 2.9.6, deno#3515). These are functions
 * of the C library, called with a descriptor. Without it
 * tests/system/abuse/connections_test.ts fails.
 *
 * None of these calls reaches the file system: that of an open file may not
 * answer, and `poll(2)`, for one, asks it.
 *
 * @module
 */

import { IPV6_LENGTH } from "./ipv6.ts";
import { ifAvailable, type Libc, loadLibc } from "./libc.ts";

/** From Linux's headers. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_LINGER = 13;
const SO_ACCEPTCONN = 30;
const SO_COOKIE = 57;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_CLOSE = 7;
const SHUT_RDWR = 2;
const MSG_PEEK = 0x02;
const MSG_DONTWAIT = 0x40;
const F_GETFD = 1;
const F_GETFL = 3;
const F_SETFL = 4;
const F_SETOWN_EX = 15;
const F_OWNER_TID = 0;
const O_ASYNC = 0x2000;
const RLIMIT_NOFILE = 7;

/** What the kernel sends for O_ASYNC. */
const SIGNAL = "SIGIO";

/** Bytes of `struct sockaddr_in6`. */
const SOCKADDR_LENGTH = 28;

/** Where the port is in a socket address, in network byte order. */
const PORT_AT = 2;

/** Bytes of `struct tcp_info` up to what is read of it (Linux 4.6). */
const TCP_INFO_LENGTH = 148;
const STATE_AT = 0;
const UNACKNOWLEDGED_SEGMENTS_AT = 24;
const BYTES_ACKNOWLEDGED_AT = 120;
const BYTES_RECEIVED_AT = 128;
const UNSENT_BYTES_AT = 144;

/** Where in the memory that is shared with the C library something is. */
const LENGTH_AT = 256;
const OPTION_AT = 264;
const MEMORY_LENGTH = 512;

const FUNCTIONS = {
  getpeername: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  getsockname: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  getsockopt: {
    parameters: ["i32", "i32", "i32", "pointer", "pointer"],
    result: "i32",
  },
  setsockopt: {
    parameters: ["i32", "i32", "i32", "pointer", "u32"],
    result: "i32",
  },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  setOwner: {
    name: "fcntl",
    parameters: ["i32", "i32", "pointer"],
    result: "i32",
  },
  recv: { parameters: ["i32", "pointer", "usize", "i32"], result: "isize" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  getrlimit: { parameters: ["i32", "pointer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** What the kernel knows of the bytes of a connection. */
export interface Traffic {
  /** Bytes that the other end has acknowledged since the connection exists. */
  readonly acknowledged: number;
  /** Bytes that have come since then. */
  readonly received: number;
  /** Whether the kernel has bytes that are not sent or not acknowledged. */
  readonly hasPending: boolean;
  /** Whether it has ended in both directions, such as by a reset. */
  readonly isOver: boolean;
}

/** The TCP sockets of this process. */
class TcpSockets {
  readonly #functions = loadLibc(FUNCTIONS);
  #isListeningForSignals = false;
  /** Memory that does not move. */
  readonly #memory = new ArrayBuffer(MEMORY_LENGTH);
  readonly #view = new DataView(this.#memory);
  readonly #at = (offset: number): Deno.PointerValue =>
    Deno.UnsafePointer.of(new Uint8Array(this.#memory, offset));
  readonly #start = this.#at(0);
  readonly #length = this.#at(LENGTH_AT);
  readonly #option = this.#at(OPTION_AT);
  /** The address and port of the last {@linkcode readPeer}. */
  readonly peerAddress: Uint8Array = new Uint8Array(IPV6_LENGTH);
  peerPort = 0;
  /**
   * Descriptors that this process may have open (RLIMIT_NOFILE); `Infinity` if
   * that is unlimited or unknown.
   */
  readonly maxDescriptors: number;

  /** @throws {Error} if this is not Linux, or there is no such library. */
  constructor() {
    this.maxDescriptors = this.#readMaxDescriptors();
  }

  /** Whether a descriptor is open, of a socket or of anything else. */
  isOpen(descriptor: number): boolean {
    return this.#functions.fcntl(descriptor, F_GETFD, 0) >= 0;
  }

  /**
   * Whether a connection has bytes that the runtime has not read yet, or has
   * been ended by the other side.
   */
  hasUnread(descriptor: number): boolean {
    const { recv } = this.#functions;
    const flags = MSG_PEEK | MSG_DONTWAIT;
    return recv(descriptor, this.#start, 1n, flags) >= 0;
  }

  /**
   * Reads who is at the other end of a connection into
   * {@linkcode peerAddress} and {@linkcode peerPort}. An IPv4 address is
   * mapped (RFC 4291 section 2.5.5.2).
   *
   * @returns `false` if the descriptor is no connection over IP.
   */
  readPeer(descriptor: number): boolean {
    if (!this.#readName(this.#functions.getpeername, descriptor)) return false;
    const family = this.#view.getUint16(0, true);
    this.peerPort = this.#view.getUint16(PORT_AT);
    const { peerAddress } = this;
    if (family === AF_INET6) {
      peerAddress.set(new Uint8Array(this.#memory, 8, IPV6_LENGTH));
      return true;
    }
    if (family !== AF_INET) return false;
    peerAddress.fill(0);
    peerAddress.fill(0xff, 10, 12);
    peerAddress.set(new Uint8Array(this.#memory, 4, 4), 12);
    return true;
  }

  /** The port of this end of a connection; 0 if it is none. */
  localPort(descriptor: number): number {
    return this.#readName(this.#functions.getsockname, descriptor)
      ? this.#view.getUint16(PORT_AT)
      : 0;
  }

  /**
   * A number that tells a socket from all others, also from those that had its
   * descriptor or its addresses before; 0 if it is no socket (Linux 4.12).
   */
  identity(descriptor: number): number {
    if (this.#readOption(descriptor, SOL_SOCKET, SO_COOKIE) === 0) return 0;
    return this.#view.getUint32(0, true) +
      this.#view.getUint32(4, true) * 2 ** 32;
  }

  /** Whether it is a socket that accepts connections. */
  isListening(descriptor: number): boolean {
    const length = this.#readOption(descriptor, SOL_SOCKET, SO_ACCEPTCONN);
    return length > 0 && this.#view.getUint32(0, true) !== 0;
  }

  /**
   * Calls back when a connection has come to a socket of which
   * {@linkcode announce} was called. The runtime may not have accepted it yet.
   */
  onAnnounced(callback: () => void): void {
    Deno.addSignalListener(SIGNAL, callback);
    this.#isListeningForSignals = true;
  }

  /** Calls back no more. No socket may announce connections any more. */
  offAnnounced(callback: () => void): void {
    // Without a listener the signal would end the process.
    this.#isListeningForSignals = false;
    Deno.removeSignalListener(SIGNAL, callback);
  }

  /**
   * Sets whether the kernel announces connections to a socket that accepts them,
   * with a signal. Each costs some 40 microseconds.
   *
   * @returns `false` if it does not.
   */
  announce(descriptor: number, isOn: boolean): boolean {
    if (!this.#isListeningForSignals) return false;
    const { fcntl, setOwner } = this.#functions;
    // A signal to another thread could interrupt what that waits for.
    this.#view.setInt32(OPTION_AT, F_OWNER_TID, true);
    this.#view.setInt32(OPTION_AT + 4, Deno.pid, true);
    if (setOwner(descriptor, F_SETOWN_EX, this.#option) !== 0) return false;
    const flags = fcntl(descriptor, F_GETFL, 0);
    const wanted = isOn ? flags | O_ASYNC : flags & ~O_ASYNC;
    return flags >= 0 && fcntl(descriptor, F_SETFL, wanted) === 0;
  }

  /**
   * Sets how many connections the kernel holds for a socket that accepts them,
   * until the runtime has done so. A client that gets none tries again after a
   * second.
   */
  setBacklog(descriptor: number, connections: number): void {
    this.#functions.listen(descriptor, connections);
  }

  /**
   * Sets how many bytes the kernel keeps of a connection until the runtime reads
   * them, also for those that a listening socket accepts from now on.
   */
  setReceiveBuffer(descriptor: number, bytes: number): void {
    this.#view.setInt32(OPTION_AT, bytes, true);
    const { setsockopt } = this.#functions;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, this.#option, 4);
  }

  /** What has come and gone on a connection; `undefined` if that is unknown. */
  traffic(descriptor: number): Traffic | undefined {
    const length = this.#readOption(descriptor, IPPROTO_TCP, TCP_INFO);
    if (length < TCP_INFO_LENGTH) return undefined;
    return {
      acknowledged: Number(
        this.#view.getBigUint64(BYTES_ACKNOWLEDGED_AT, true),
      ),
      received: Number(this.#view.getBigUint64(BYTES_RECEIVED_AT, true)),
      hasPending: this.#view.getUint32(UNACKNOWLEDGED_SEGMENTS_AT, true) > 0 ||
        this.#view.getUint32(UNSENT_BYTES_AT, true) > 0,
      isOver: this.#view.getUint8(STATE_AT) === TCP_CLOSE,
    };
  }

  /**
   * Resets a connection: the runtime sees its end, and the kernel keeps no byte
   * that was to be sent.
   */
  reset(descriptor: number): void {
    this.#view.setInt32(OPTION_AT, 1, true);
    this.#view.setInt32(OPTION_AT + 4, 0, true);
    const { setsockopt, shutdown } = this.#functions;
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, this.#option, 8);
    shutdown(descriptor, SHUT_RDWR);
  }

  /** Reads a socket option; its bytes, 0 if there is none. */
  #readOption(descriptor: number, level: number, option: number): number {
    this.#view.setUint32(LENGTH_AT, TCP_INFO_LENGTH, true);
    const { getsockopt } = this.#functions;
    return getsockopt(descriptor, level, option, this.#start, this.#length) ===
        0
      ? this.#view.getUint32(LENGTH_AT, true)
      : 0;
  }

  #readMaxDescriptors(): number {
    // Not allowed to a service with `SystemCallFilter=~@resources`.
    if (this.#functions.getrlimit(RLIMIT_NOFILE, this.#start) !== 0) {
      return Infinity;
    }
    const limit = Number(this.#view.getBigUint64(0, true));
    return Number.isSafeInteger(limit) ? limit : Infinity;
  }

  #readName(
    read: Libc<typeof FUNCTIONS>["getpeername"],
    descriptor: number,
  ): boolean {
    this.#view.setUint32(LENGTH_AT, SOCKADDR_LENGTH, true);
    return read(descriptor, this.#start, this.#length) === 0;
  }
}

/** What {@linkcode tcpSockets} offers. */
export type TcpSocketCalls = Pick<TcpSockets, keyof TcpSockets>;

/** `undefined` where the runtime cannot call the C library. */
export const tcpSockets: TcpSocketCalls | undefined = ifAvailable(() =>
  new TcpSockets()
);
