/**
 * Whose requests are answered over TFTP and HTTP.
 *
 * @module
 */

import type { NetworkInterface } from "./interface.ts";
import { isInAny, parseAddress, parsePrefix, type Prefix } from "./prefix.ts";

/** Loopback and link-local, of both families. */
const ALWAYS = ["::1", "127.0.0.0/8", "fe80::/10", "169.254.0.0/16"].map(
  (text) => parsePrefix(text)!,
);

/** Prefixes whose addresses are answered. */
export class AccessList {
  readonly #given: readonly Prefix[] | "any";
  #prefixes: readonly Prefix[] = [];

  /**
   * @param given Prefixes besides the interface's own, or all there are.
   */
  constructor(given: readonly Prefix[] | "any") {
    this.#given = given;
    this.update(undefined);
  }

  /** Takes the prefixes that the interface has now. */
  update(iface: NetworkInterface | undefined): void {
    if (this.#given === "any") return;
    const own = (iface?.prefixes ?? []).map(parsePrefix).filter((prefix) =>
      prefix !== undefined
    );
    this.#prefixes = [...ALWAYS, ...own, ...this.#given];
  }

  /** Whether an address is answered. */
  allows(hostname: string): boolean {
    if (this.#given === "any") return true;
    const address = parseAddress(hostname);
    return address !== undefined && isInAny(address, this.#prefixes);
  }
}
