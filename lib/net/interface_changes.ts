/**
 * The kernel's notifications of changes of interfaces and their addresses.
 *
 * Workaround: the runtime lists interfaces, and does not report that one has changed
 * (Deno 2.6.8 to 2.9.6). Listing them again and again takes processor time of an
 * idle daemon, which shows in `deno task bench --only idle`. These are functions of
 * the C library: the kernel writes each change to a netlink socket (rtnetlink(7)).
 *
 * @module
 */

import { ifAvailable, type Libc, loadLibc } from "./libc.ts";

/** From Linux's headers. */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;

/** Groups of messages: of interfaces, and of their IPv4 and IPv6 addresses. */
const GROUPS = 0x01 | 0x10 | 0x100;

/** Bytes of `struct sockaddr_nl`, and where its groups are. */
const SOCKADDR_LENGTH = 12;
const GROUPS_AT = 8;

/** Messages that are read at once, at most. */
const MAX_MESSAGES = 256;

const FUNCTIONS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** `undefined` where the runtime cannot call the C library. */
const functions = ifAvailable(() => loadLibc(FUNCTIONS));

/** The changes of interfaces of this network namespace. */
export class InterfaceChanges implements Disposable {
  readonly #functions: Libc<typeof FUNCTIONS>;
  #socket: number;
  /** What a message is cut off to: that there is one is all that counts. */
  readonly #message = new Uint8Array(1);

  private constructor(functions: Libc<typeof FUNCTIONS>, socket: number) {
    this.#functions = functions;
    this.#socket = socket;
  }

  /** Listens from now on; `undefined` where the kernel cannot be asked. */
  static open(): InterfaceChanges | undefined {
    if (functions === undefined) return undefined;
    const { socket, bind, close } = functions;
    const own = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    const address = new DataView(new ArrayBuffer(SOCKADDR_LENGTH));
    address.setUint16(0, AF_NETLINK, true);
    address.setUint32(GROUPS_AT, GROUPS, true);
    const bytes = new Uint8Array(address.buffer);
    if (bind(own, bytes, bytes.length) === 0) {
      return new InterfaceChanges(functions, own);
    }
    if (own >= 0) close(own);
    return undefined;
  }

  /**
   * Whether there may have been a change since the last call. Messages that the
   * kernel has lost for lack of memory are preceded by others, which are there.
   */
  haveCome(): boolean {
    let messages = 0;
    while (messages < MAX_MESSAGES && this.#read()) messages++;
    return messages > 0;
  }

  #read(): boolean {
    const { recv } = this.#functions;
    return recv(this.#socket, this.#message, 1n, MSG_DONTWAIT) > 0;
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    if (this.#socket >= 0) this.#functions.close(this.#socket);
    this.#socket = -1;
  }
}
