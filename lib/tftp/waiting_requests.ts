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

/**
 * Requests, one for each address and port. First those that came more than once,
 * since their clients wait for an answer; else in the order in which they came.
 */
export class WaitingRequests<T> {
  readonly #entries = new Map<string, Waiting<T>>();
  /** Those that came more than once. */
  readonly #repeated = new Map<string, Waiting<T>>();
  readonly #countByHost = new Map<string, number>();

  /** How many there are. */
  get size(): number {
    return this.#repeated.size + this.#entries.size;
  }

  /** Whether there are as many as there may be. */
  get isFull(): boolean {
    return this.size >= MAX_WAITING_TFTP_REQUESTS;
  }

  /** The one whose turn it is. */
  get first(): Waiting<T> | undefined {
    const { value } = this.#repeated.values().next();
    return value ?? this.#entries.values().next().value;
  }

  /** A client has sent a request: whether it waits already. */
  repeat(client: Deno.NetAddr): boolean {
    const key = keyOf(client);
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#repeated.has(key);
    this.#entries.delete(key);
    this.#repeated.set(key, entry);
    return true;
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
    const key = keyOf(client);
    if (!this.#repeated.delete(key)) this.#entries.delete(key);
    if (count === 0) this.#countByHost.delete(hostname);
    else this.#countByHost.set(hostname, count);
  }

  /** Takes all of them out. */
  clear(): void {
    this.#entries.clear();
    this.#repeated.clear();
    this.#countByHost.clear();
  }
}

/** Identifies a client: its address and port. */
export function keyOf({ hostname, port }: Deno.NetAddr): string {
  return `${hostname} ${port}`;
}
