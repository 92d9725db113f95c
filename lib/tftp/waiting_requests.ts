/**
 * Requests that wait until another transfer has ended.
 *
 * @module
 */

import {
  MAX_TFTP_TRANSFERS_PER_CLIENT,
  MAX_WAITING_TFTP_REQUESTS,
} from "../overload/limits.ts";

/** A request, and the client's address and port. */
interface Waiting<T> {
  readonly client: Deno.NetAddr;
  readonly request: T;
}

/** Requests in the order in which they came, one for each address and port. */
export class WaitingRequests<T> {
  readonly #entries = new Map<string, Waiting<T>>();
  readonly #countByHost = new Map<string, number>();

  /** How many there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether there are as many as there may be. */
  get isFull(): boolean {
    return this.#entries.size >= MAX_WAITING_TFTP_REQUESTS;
  }

  /** The one that has waited for the longest time. */
  get first(): Waiting<T> | undefined {
    return this.#entries.values().next().value;
  }

  /** Whether a request of a client waits. */
  has(client: Deno.NetAddr): boolean {
    return this.#entries.has(keyOf(client));
  }

  /** Adds a request, unless too many wait already; whether it waits now. */
  add(client: Deno.NetAddr, request: T): boolean {
    const { hostname } = client;
    const count = this.#countByHost.get(hostname) ?? 0;
    if (this.isFull || count >= MAX_TFTP_TRANSFERS_PER_CLIENT) return false;
    this.#entries.set(keyOf(client), { client, request });
    this.#countByHost.set(hostname, count + 1);
    return true;
  }

  /** Takes the first one out. */
  shift(): void {
    const { client } = this.first!;
    const { hostname } = client;
    const count = this.#countByHost.get(hostname)! - 1;
    this.#entries.delete(keyOf(client));
    if (count === 0) this.#countByHost.delete(hostname);
    else this.#countByHost.set(hostname, count);
  }

  /** Takes all of them out. */
  clear(): void {
    this.#entries.clear();
    this.#countByHost.clear();
  }
}

/** Identifies a client: its address and port. */
export function keyOf({ hostname, port }: Deno.NetAddr): string {
  return `${hostname} ${port}`;
}
