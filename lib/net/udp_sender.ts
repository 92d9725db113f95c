/**
 * Sends datagrams of a socket to one address, many of them with one system call
 * (UDP_SEGMENT, udp(7)).
 *
 * Workaround: the runtime sends each datagram with an operation of its own, whose
 * end is awaited (Deno 2.6.8 to 2.9.6). These are functions of the C library.
 * Without it 200 clients of TFTP take twice the time: the gain shows in
 * `deno task bench --only tftp`.
 *
 * @module
 */

import { IPV6_LENGTH, parseIpv6 } from "./ipv6.ts";
import { ifAvailable, loadLibc } from "./libc.ts";

/** From Linux's headers. */
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const MSG_DONTWAIT = 0x40;

/** Datagrams that Linux before 6.9 sends with one call, at most. */
export const MAX_SEGMENTS = 64;

/** Bytes that are sent with one call, at most: what one IPv6 packet can have. */
export const MAX_SEND_BYTES = 65_527;

/** Bytes of `struct sockaddr_in6`, and where its fields are. */
const SOCKADDR_LENGTH = 28;
const PORT_AT = 2;
const ADDRESS_AT = 8;
const SCOPE_AT = 24;

/** Where the fields of `struct msghdr` are, with pointers of 64 bits. */
const NAME_AT = 0;
const NAME_LENGTH_AT = 8;
const VECTOR_AT = 16;
const VECTOR_COUNT_AT = 24;
const CONTROL_AT = 32;
const CONTROL_LENGTH_AT = 40;
const HEADER_LENGTH = 56;

/** Bytes of `struct cmsghdr`, and of one with a size of segments. */
const CONTROL_HEADER_LENGTH = 16;
const CONTROL_LENGTH = CONTROL_HEADER_LENGTH + 8;

/** Where these are in the memory that is shared with the C library. */
const VECTOR = HEADER_LENGTH;
const CONTROL = VECTOR + 16;
const SOCKADDR = CONTROL + CONTROL_LENGTH;
const LENGTH = SOCKADDR + 32;
const MEMORY_LENGTH = LENGTH + 8;

const FUNCTIONS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  getsockname: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  // What it returns has 64 bits: -1, or bytes that 32 bits are enough for.
  sendmsg: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * What is sent next is written here, by all senders: sending does not wait.
 */
export const sendBuffer: Uint8Array<ArrayBuffer> = new Uint8Array(
  MAX_SEND_BYTES,
);

/** The functions of the C library, and the memory that they read. */
class SendCalls {
  readonly #functions = loadLibc(FUNCTIONS);
  /** Memory that does not move: one message. */
  readonly #bytes = new Uint8Array(MEMORY_LENGTH);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #message = Deno.UnsafePointer.of(this.#bytes);
  readonly #sockaddr = Deno.UnsafePointer.of(this.#bytes.subarray(SOCKADDR));
  readonly #length = Deno.UnsafePointer.of(this.#bytes.subarray(LENGTH));
  readonly #bufferAddress = Deno.UnsafePointer.value(
    Deno.UnsafePointer.of(sendBuffer),
  );

  /** @throws {Error} if this is not Linux, or there is no such library. */
  constructor() {
    const view = this.#view;
    const start = Deno.UnsafePointer.value(this.#message);
    view.setBigUint64(NAME_AT, start + BigInt(SOCKADDR), true);
    view.setUint32(NAME_LENGTH_AT, SOCKADDR_LENGTH, true);
    view.setBigUint64(VECTOR_AT, start + BigInt(VECTOR), true);
    view.setBigUint64(VECTOR_COUNT_AT, 1n, true);
    view.setBigUint64(CONTROL_AT, start + BigInt(CONTROL), true);
    view.setBigUint64(CONTROL, BigInt(CONTROL_HEADER_LENGTH + 2), true);
    view.setInt32(CONTROL + 8, SOL_UDP, true);
    view.setInt32(CONTROL + 12, UDP_SEGMENT, true);
  }

  /**
   * The lowest descriptor that is free, which the next socket gets unless another
   * thread opens a file; -1 if none is.
   */
  freeDescriptor(): number {
    const { socket, close } = this.#functions;
    const descriptor = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0) close(descriptor);
    return descriptor;
  }

  /** Whether a descriptor is a socket that is bound to an address and port. */
  isBoundTo(descriptor: number, address: Uint8Array, port: number): boolean {
    const view = this.#view;
    view.setUint32(LENGTH, SOCKADDR_LENGTH, true);
    const { getsockname } = this.#functions;
    if (getsockname(descriptor, this.#sockaddr, this.#length) !== 0) {
      return false;
    }
    return view.getUint16(SOCKADDR, true) === AF_INET6 &&
      view.getUint16(SOCKADDR + PORT_AT) === port &&
      address.every((byte, index) =>
        byte === this.#bytes[SOCKADDR + ADDRESS_AT + index]
      );
  }

  /** The index of an interface; 0 if there is none of that name. */
  indexOf(interfaceName: string): number {
    const name = new TextEncoder().encode(`${interfaceName}\0`);
    return this.#functions.if_nametoindex(name);
  }

  /** Sets where datagrams go to from now on. */
  setDestination(sockaddr: Uint8Array): void {
    this.#bytes.set(sockaddr, SOCKADDR);
  }

  /**
   * Sends bytes of {@linkcode sendBuffer} without waiting.
   *
   * @param segment Bytes of each datagram but the last; 0: all are one datagram.
   * @returns Whether the kernel has taken them.
   */
  send(
    descriptor: number,
    start: number,
    length: number,
    segment: number,
  ): boolean {
    const view = this.#view;
    const from = this.#bufferAddress + BigInt(start);
    view.setBigUint64(VECTOR, from, true);
    view.setBigUint64(VECTOR + 8, BigInt(length), true);
    view.setUint32(CONTROL_LENGTH_AT, segment > 0 ? CONTROL_LENGTH : 0, true);
    view.setUint16(CONTROL + CONTROL_HEADER_LENGTH, segment, true);
    const { sendmsg } = this.#functions;
    return sendmsg(descriptor, this.#message, MSG_DONTWAIT) === length;
  }
}

/** `undefined` where the runtime cannot call the C library. */
const sendCalls = ifAvailable(() => new SendCalls());

/** A UDP socket of the runtime. */
export interface UdpSocket {
  readonly socket: Deno.DatagramConn;
  /** Its descriptor, until it is closed; `undefined` if only the runtime has it. */
  readonly descriptor: number | undefined;
}

/**
 * Opens a socket of an address.
 *
 * @param hostname With the zone of a link-local address.
 * @param port 0: one that is free.
 * @throws {Error} as `Deno.listenDatagram` does.
 */
export function openUdpSocket(hostname: string, port = 0): UdpSocket {
  const descriptor = sendCalls?.freeDescriptor() ?? -1;
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  const { port: bound } = socket.addr as Deno.NetAddr;
  const own = parseIpv6(withoutZone(hostname));
  const isFound = sendCalls !== undefined && own !== undefined &&
    sendCalls.isBoundTo(descriptor, own, bound);
  return { socket, descriptor: isFound ? descriptor : undefined };
}

/** Sends datagrams of one socket to one address. */
export class UdpSender {
  readonly #calls: SendCalls;
  readonly #descriptor: number;
  /** `struct sockaddr_in6` of the destination. */
  readonly #sockaddr: Uint8Array;
  /** Whether one call may send several datagrams. */
  #isSegmenting = true;

  private constructor(
    calls: SendCalls,
    descriptor: number,
    sockaddr: Uint8Array,
  ) {
    this.#calls = calls;
    this.#descriptor = descriptor;
    this.#sockaddr = sockaddr;
  }

  /**
   * A sender for a socket, which must not be used after the socket was closed.
   *
   * @param destination Its hostname has the zone of a link-local address.
   * @returns `undefined` if the runtime has to send.
   */
  static of(
    { descriptor }: UdpSocket,
    destination: Deno.NetAddr,
  ): UdpSender | undefined {
    if (sendCalls === undefined || descriptor === undefined) return undefined;
    const sockaddr = sockaddrOf(
      destination,
      (name) => sendCalls.indexOf(name),
    );
    return sockaddr && new UdpSender(sendCalls, descriptor, sockaddr);
  }

  /**
   * Sends the first bytes of {@linkcode sendBuffer} without waiting.
   *
   * @param length At most `MAX_SEND_BYTES`.
   * @param size Bytes of each datagram; the last one may be shorter. At most
   * `MAX_SEGMENTS` of them.
   * @returns How many bytes the kernel has taken, in whole datagrams.
   */
  send(length: number, size: number): number {
    const calls = this.#calls;
    const descriptor = this.#descriptor;
    calls.setDestination(this.#sockaddr);
    if (
      this.#isSegmenting && length > size &&
      calls.send(descriptor, 0, length, size)
    ) return length;
    let sent = 0;
    while (sent < length) {
      const next = Math.min(size, length - sent);
      if (!calls.send(descriptor, sent, next, 0)) break;
      sent += next;
    }
    // It takes single ones: they are longer than the path's MTU, or the network
    // card computes no checksums.
    if (sent > 0 && length > size) this.#isSegmenting = false;
    return sent;
  }
}

function withoutZone(hostname: string): string {
  return hostname.split("%", 1)[0]!;
}

/** `struct sockaddr_in6`; `undefined` if the address is none, or has no such zone. */
function sockaddrOf(
  { hostname, port }: Deno.NetAddr,
  indexOf: (interfaceName: string) => number,
): Uint8Array | undefined {
  const [text, zone] = hostname.split("%", 2) as [string, string?];
  const address = parseIpv6(text);
  const scope = zone === undefined ? 0 : indexOf(zone);
  if (address === undefined || zone !== undefined && scope === 0) {
    return undefined;
  }
  const bytes = new Uint8Array(SOCKADDR_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET6, true);
  view.setUint16(PORT_AT, port);
  bytes.set(address.subarray(0, IPV6_LENGTH), ADDRESS_AT);
  view.setUint32(SCOPE_AT, scope, true);
  return bytes;
}
