/**
 * Connections that are being answered.
 *
 * @module
 */

/** Counts connections, not requests: HTTP/2 has many in one. */
export class ActiveConnections {
  /** Responses that go on, of each connection that has any. */
  readonly #responses = new Map<string, number>();

  /** How many connections are being answered. */
  get answering(): number {
    return this.#responses.size;
  }

  /**
   * Counts the connection of a request until its response is over.
   *
   * @param port The server's.
   */
  track(
    port: number,
    { remoteAddr, completed }: Deno.ServeHandlerInfo<Deno.NetAddr>,
  ): void {
    const key = `${port} ${remoteAddr.port} ${remoteAddr.hostname}`;
    this.#responses.set(key, (this.#responses.get(key) ?? 0) + 1);
    const end = () => {
      const left = this.#responses.get(key)! - 1;
      if (left === 0) this.#responses.delete(key);
      else this.#responses.set(key, left);
    };
    completed.then(end, end);
  }
}
