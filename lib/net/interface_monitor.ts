/**
 * One network interface, as it changes.
 *
 * @module
 */

import { interfaceOf, type NetworkInterface } from "./interface.ts";
import type { InterfaceChanges } from "./interface_changes.ts";

/** A multicast group that a socket may bind on any interface: ff02::1:2. */
const GROUP = "ff02::1:2";

/**
 * Calls of `find` between two looks at the states of addresses that can all be
 * used. An address may become deprecated, or fail duplicate address detection
 * later, when the link was interrupted.
 */
const CALLS_BETWEEN_LOOKS = 2;

/**
 * Calls of `find` between two looks at an interface that is in order, and of which
 * the kernel has reported no change.
 */
const CALLS_WITHOUT_CHANGE = 10;

/** Reads the state of an interface by its name, again and again. */
export class InterfaceMonitor {
  readonly #name: string;
  readonly #changes: Pick<InterfaceChanges, "haveCome"> | undefined;
  /** The names of all interfaces, as text, when `#resolved` was looked for. */
  #names = "";
  /** The interface's own name, where `#name` is an altname. */
  #resolved: string | undefined;
  /** What the runtime reported last, as text. */
  #reported: string | undefined;
  #iface: NetworkInterface | undefined;
  #callsUntilLook = 0;
  /** Whether there was a reason for a look since the last one. */
  #isLookDue = false;
  #callsSinceLook = 0;

  /**
   * @param name The interface's name, or an altname of at most 15 characters.
   * @param changes The kernel's notifications; without them each call looks.
   */
  constructor(
    name: string,
    changes?: Pick<InterfaceChanges, "haveCome">,
  ) {
    this.#name = name;
    this.#changes = changes;
  }

  /**
   * The interface; `undefined` while it is absent, down or without an IPv6
   * link-local address. It is the same object until something of it changes.
   *
   * @throws if the runtime cannot list the interfaces, such as without a free
   * file descriptor.
   */
  find(): NetworkInterface | undefined {
    if (this.#changes !== undefined) {
      this.#isLookDue ||= this.#changes.haveCome() ||
        this.#callsSinceLook++ >= CALLS_WITHOUT_CHANGE;
      if (!this.#isLookDue && isInOrder(this.#iface)) return this.#iface;
    }
    const all = Deno.networkInterfaces();
    const ownName = this.#ownName(all);
    const entries = all.filter(({ name }) => name === ownName);
    const reported = JSON.stringify(entries);
    if (reported !== this.#reported) {
      this.#reported = reported;
      this.#update(interfaceOf(entries));
    } else if (this.#isLookDue || this.#callsUntilLook-- <= 0) {
      const iface = interfaceOf(entries);
      const isSame = String(iface?.states) === String(this.#iface?.states);
      this.#update(isSame ? this.#iface : iface);
    }
    this.#isLookDue = false;
    this.#callsSinceLook = 0;
    return this.#iface;
  }

  #update(iface: NetworkInterface | undefined): void {
    this.#iface = iface;
    const isUsable = iface === undefined || isInOrder(iface);
    this.#callsUntilLook = isUsable ? CALLS_BETWEEN_LOOKS : 0;
  }

  /** The name under which the runtime lists the interface. */
  #ownName(entries: readonly Deno.NetworkInterfaceInfo[]): string | undefined {
    const names = [...new Set(entries.map(({ name }) => name))];
    if (names.includes(this.#name)) return this.#name;
    const text = String(names);
    if (text !== this.#names || this.#resolved === undefined) {
      this.#names = text;
      this.#resolved = canBind(this.#name)
        ? names.find((name) => isSameInterface(name, this.#name))
        : undefined;
    }
    return this.#resolved;
  }
}

/** Whether an interface is there, and all its addresses can be used. */
function isInOrder(iface: NetworkInterface | undefined): boolean {
  return iface !== undefined && !iface.states.includes("unusable");
}

/** Whether the kernel knows an interface of this name. */
function canBind(name: string): boolean {
  try {
    listen(`${GROUP}%${name}`, 0).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether two names are of one interface. Only netlink lists altnames, which the
 * runtime has no access to, but a socket's zone may be one: two sockets on the
 * same group and port exclude each other only on the same interface.
 */
function isSameInterface(name: string, other: string): boolean {
  let first: Deno.DatagramConn;
  try {
    first = listen(`${GROUP}%${name}`, 0);
  } catch {
    return false;
  }
  try {
    listen(`${GROUP}%${other}`, (first.addr as Deno.NetAddr).port).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.AddrInUse;
  } finally {
    first.close();
  }
}

function listen(hostname: string, port: number): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname, port });
}
