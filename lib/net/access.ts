/**
 * The client addresses that TFTP and HTTP serve.
 *
 * @module
 */

import type { NetworkInterface } from "./interface.ts";
import { isInAny, parseAddress, parsePrefix, type Prefix } from "./prefix.ts";

/** Loopback and link-local prefixes of IPv6 and IPv4. */
const LOCAL = ["::1", "127.0.0.0/8", "fe80::/10", "169.254.0.0/16"].map(
  (text) => parsePrefix(text)!,
);

/** The prefixes of allowed clients: local ones, the interface's, and given ones. */
export class AccessList {
  readonly #given: readonly Prefix[] | "any";
  #prefixes: readonly Prefix[] = [];

  /**
   * @param given Further prefixes, or `any` for all addresses.
   */
  constructor(given: readonly Prefix[] | "any") {
    this.#given = given;
    this.update(undefined);
  }

  /** Replaces the prefixes of the interface. */
  update(iface: NetworkInterface | undefined): void {
    if (this.#given === "any") return;
    const onLink = (iface?.prefixes ?? []).map(parsePrefix).filter((prefix) =>
      prefix !== undefined
    );
    this.#prefixes = [...LOCAL, ...onLink, ...this.#given];
  }

  /** Whether a client address is allowed. */
  allows(hostname: string): boolean {
    if (this.#given === "any") return true;
    const address = parseAddress(hostname);
    return address !== undefined && isInAny(address, this.#prefixes);
  }
}
