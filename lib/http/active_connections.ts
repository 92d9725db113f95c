/**
 * Counts the connections with a response in progress.
 *
 * @module
 */

/**
 * Counts connections, not requests: an HTTP/2 connection has many.
 *
 * Workaround: `Deno.serve` does not report connections (Deno 2.6.8 to 2.9.6). A
 * connection is known by the client's address and port of its requests, and its
 * responses end when `completed` settles. If that were wrong,
 * tests/system/abuse/http_test.ts "600 connections that ask for ever" would
 * fail.
 */
export class ActiveConnections {
  /** Responses in progress, by connection. */
  readonly #responses = new Map<string, number>();

  /** How many connections have a response in progress. */
  get answering(): number {
    return this.#responses.size;
  }

  /**
   * Counts the connection of a request until its response has ended.
   *
   * @param server Where it listens; the client may use one port of its own for
   * several servers.
   */
  track(
    server: string,
    { remoteAddr, completed }: Deno.ServeHandlerInfo<Deno.NetAddr>,
  ): void {
    const key = `${server} ${remoteAddr.port} ${remoteAddr.hostname}`;
    this.#responses.set(key, (this.#responses.get(key) ?? 0) + 1);
    const end = () => {
      const left = this.#responses.get(key)! - 1;
      if (left === 0) this.#responses.delete(key);
      else this.#responses.set(key, left);
    };
    completed.then(end, end);
  }
}
