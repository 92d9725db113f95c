/**
 * One network interface, as it changes.
 *
 * @module
 */

import { interfaceOf, type NetworkInterface } from "./interface.ts";

/** Reads the state of an interface by its name, again and again. */
export class InterfaceMonitor {
  readonly #name: string;
  /** What the runtime reported last, as text. */
  #reported: string | undefined;
  #iface: NetworkInterface | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * The interface; `undefined` while it is absent, down or without an IPv6
   * link-local address. It is the same object until something of it changes.
   *
   * @throws if the runtime cannot list the interfaces, such as without a free
   * file descriptor.
   */
  find(): NetworkInterface | undefined {
    const entries = Deno.networkInterfaces().filter(({ name }) =>
      name === this.#name
    );
    const reported = JSON.stringify(entries);
    if (reported !== this.#reported) {
      this.#reported = reported;
      this.#iface = interfaceOf(entries);
    }
    return this.#iface;
  }
}
