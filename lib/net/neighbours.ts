/**
 * Which addresses the kernel can send to at once, by its neighbour cache
 * (RFC 4861 section 5.1) and its routes.
 *
 * Workaround: the runtime does not show either (Deno 2.6.8 to 2.9.6), and a
 * packet to an address that no host has stays in the send buffer of its socket for
 * 3 s. These are functions of the C library, which ask the kernel over netlink
 * (rtnetlink(7)), which answers at once; Linux before 6.17 may first wait for a
 * change of an interface to be over. Without it
 * tests/system/abuse/unresolved_test.ts fails.
 *
 * @module
 */

import { IPV6_LENGTH } from "./ipv6.ts";
import { ifAvailable, loadLibc } from "./libc.ts";

/** From Linux's headers. */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;
const AF_INET6 = 10;
const NLM_F_REQUEST = 1;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTN_LOCAL = 2;

/**
 * States in which the link-layer address is known and stays so for seconds:
 * REACHABLE, STALE, DELAY, NOARP and PERMANENT. PROBE is none of them: a host that
 * is there leaves it at once.
 */
const IS_KNOWN = 0x02 | 0x04 | 0x08 | 0x40 | 0x80;

/** The type of an error, and the codes of "no such entry" and "no such interface". */
const NLMSG_ERROR = 2;
const ENOENT = 2;
const ENODEV = 19;

/** Bytes of `struct nlmsghdr`, and of `struct ndmsg` and `struct rtmsg`. */
const HEADER_LENGTH = 16;
const BODY_LENGTH = 12;
const ATTRIBUTE_AT = HEADER_LENGTH + BODY_LENGTH;
const ATTRIBUTE_HEADER_LENGTH = 4;
const ADDRESS_LENGTH = ATTRIBUTE_HEADER_LENGTH + IPV6_LENGTH;
const REQUEST_LENGTH = ATTRIBUTE_AT + ADDRESS_LENGTH;

/** Where in a message something is. */
const TYPE_AT = 4;
const FLAGS_AT = 6;
const SEQUENCE_AT = 8;
const FAMILY_AT = HEADER_LENGTH;
const DESTINATION_LENGTH_AT = HEADER_LENGTH + 1;
const SOURCE_LENGTH_AT = HEADER_LENGTH + 2;
const INTERFACE_AT = HEADER_LENGTH + 4;
const STATE_AT = HEADER_LENGTH + 8;
const ROUTE_TYPE_AT = HEADER_LENGTH + 7;

/** Where the answer is put in the memory that is shared with the C library. */
const ANSWER_AT = 128;
const ANSWER_LENGTH = 4096;

/** Answers that are read for one request, at most. */
const MAX_ANSWERS = 8;

/** The index of the loopback interface. */
const LOOPBACK = 1;

/** Stands for the error of a request that got no answer. */
const UNKNOWN_ERROR = -1;

/** Netlink is in the byte order of the host. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const FUNCTIONS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  send: { parameters: ["i32", "pointer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "pointer", "usize", "i32"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The neighbour cache and the routes of the network namespace. */
class Neighbours {
  readonly #functions = loadLibc(FUNCTIONS);
  readonly #socket: number;
  /** Memory that does not move: the request, and the answer after it. */
  readonly #bytes = new Uint8Array(ANSWER_AT + ANSWER_LENGTH);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #request = Deno.UnsafePointer.of(this.#bytes);
  readonly #answer = Deno.UnsafePointer.of(this.#bytes.subarray(ANSWER_AT));
  readonly #gateway = new Uint8Array(IPV6_LENGTH);
  #sequence = 0;
  /** The error code (errno) of the last answer; 0 if it was none. */
  #error = 0;

  /** @throws {Error} if this is not Linux, or netlink may not be used. */
  constructor() {
    const { socket } = this.#functions;
    this.#socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (this.#socket < 0) throw new Error("no netlink");
    // Linux before 5.0 dumps all neighbours or none, and what may not be asked is
    // not unknown.
    this.isKnown(new Uint8Array(IPV6_LENGTH), LOOPBACK);
    if (![0, ENOENT, ENODEV].includes(this.#error)) {
      throw new Error(`netlink: error ${this.#error}`);
    }
  }

  /**
   * Whether the link-layer address of a neighbour is known.
   *
   * @param address 16 bytes.
   * @param ifindex The index of the interface.
   */
  isKnown(address: Uint8Array, ifindex: number): boolean {
    this.#begin(RTM_GETNEIGH, NDA_DST, address);
    this.#view.setInt32(INTERFACE_AT, ifindex, IS_LITTLE_ENDIAN);
    if (this.#ask(RTM_NEWNEIGH) === 0) return false;
    const state = this.#view.getUint16(ANSWER_AT + STATE_AT, IS_LITTLE_ENDIAN);
    return (state & IS_KNOWN) !== 0;
  }

  /**
   * Whether the link-layer address of the next hop to an address is known: of the
   * address itself, if it is on a link of this host. That of this host is, and
   * where there is no route nothing waits for one.
   *
   * @param address 16 bytes; no link-local address.
   * @param source The 16 bytes of the address that is sent from.
   */
  isNextHopKnown(address: Uint8Array, source: Uint8Array): boolean {
    this.#begin(RTM_GETROUTE, RTA_DST, address);
    this.#bytes[DESTINATION_LENGTH_AT] = 8 * IPV6_LENGTH;
    this.#bytes[SOURCE_LENGTH_AT] = 8 * IPV6_LENGTH;
    this.#putAddress(REQUEST_LENGTH, RTA_SRC, source);
    this.#view.setUint32(0, REQUEST_LENGTH + ADDRESS_LENGTH, IS_LITTLE_ENDIAN);
    const length = this.#ask(RTM_NEWROUTE);
    if (length === 0) return true;
    if (this.#bytes[ANSWER_AT + ROUTE_TYPE_AT] === RTN_LOCAL) return true;
    let ifindex = 0;
    let nextHop = address;
    for (let at = ANSWER_AT + ATTRIBUTE_AT; at < ANSWER_AT + length;) {
      const size = this.#view.getUint16(at, IS_LITTLE_ENDIAN);
      if (size < ATTRIBUTE_HEADER_LENGTH) break;
      const type = this.#view.getUint16(at + 2, IS_LITTLE_ENDIAN);
      const value = at + ATTRIBUTE_HEADER_LENGTH;
      if (type === RTA_OIF) {
        ifindex = this.#view.getInt32(value, IS_LITTLE_ENDIAN);
      } else if (type === RTA_GATEWAY) {
        this.#gateway.set(this.#bytes.subarray(value, value + IPV6_LENGTH));
        nextHop = this.#gateway;
      }
      at += (size + 3) & ~3;
    }
    return ifindex > 0 && this.isKnown(nextHop, ifindex);
  }

  #begin(type: number, attribute: number, address: Uint8Array): void {
    const view = this.#view;
    this.#bytes.fill(0, 0, ATTRIBUTE_AT);
    view.setUint32(0, REQUEST_LENGTH, IS_LITTLE_ENDIAN);
    view.setUint16(TYPE_AT, type, IS_LITTLE_ENDIAN);
    view.setUint16(FLAGS_AT, NLM_F_REQUEST, IS_LITTLE_ENDIAN);
    this.#sequence = (this.#sequence + 1) >>> 0;
    view.setUint32(SEQUENCE_AT, this.#sequence, IS_LITTLE_ENDIAN);
    this.#bytes[FAMILY_AT] = AF_INET6;
    this.#putAddress(ATTRIBUTE_AT, attribute, address);
  }

  #putAddress(at: number, attribute: number, address: Uint8Array): void {
    this.#view.setUint16(at, ADDRESS_LENGTH, IS_LITTLE_ENDIAN);
    this.#view.setUint16(at + 2, attribute, IS_LITTLE_ENDIAN);
    this.#bytes.set(address, at + ATTRIBUTE_HEADER_LENGTH);
  }

  /**
   * Sends the request.
   *
   * @returns The bytes of the answer; 0 if there is none of this type.
   */
  #ask(type: number): number {
    const { send, recv } = this.#functions;
    const size = BigInt(this.#view.getUint32(0, IS_LITTLE_ENDIAN));
    this.#error = UNKNOWN_ERROR;
    if (send(this.#socket, this.#request, size, MSG_DONTWAIT) < 0) return 0;
    const room = BigInt(ANSWER_LENGTH);
    for (let count = 0; count < MAX_ANSWERS; count++) {
      const length = Number(
        recv(this.#socket, this.#answer, room, MSG_DONTWAIT),
      );
      if (length < HEADER_LENGTH) return 0;
      // One that could not be read in time is of an earlier request.
      const sequence = this.#view.getUint32(
        ANSWER_AT + SEQUENCE_AT,
        IS_LITTLE_ENDIAN,
      );
      if (sequence !== this.#sequence) continue;
      this.#error = 0;
      const found = this.#view.getUint16(ANSWER_AT + TYPE_AT, IS_LITTLE_ENDIAN);
      if (found === NLMSG_ERROR) {
        this.#error = -this.#view.getInt32(
          ANSWER_AT + HEADER_LENGTH,
          IS_LITTLE_ENDIAN,
        );
      }
      return found === type && length >= ATTRIBUTE_AT ? length : 0;
    }
    return 0;
  }
}

/** What {@linkcode neighbours} offers. */
export type NeighbourCalls = Pick<Neighbours, keyof Neighbours>;

/** `undefined` where the runtime cannot ask the kernel. */
export const neighbours: NeighbourCalls | undefined = ifAvailable(() =>
  new Neighbours()
);
