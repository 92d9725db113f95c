/**
 * One `Deno.serve`, with the ways to end it that the runtime lacks.
 *
 * @module
 */

import { delay } from "../overload/timeout.ts";
import type { KeyPair } from "./tls_reload.ts";

/** Milliseconds without a request after which a server counts as drained. */
const DRAIN_QUIET_TIME = 20;

/** Milliseconds after which a server is ended even if requests still arrive. */
const DRAIN_TIMEOUT = 500;

/** Where and how a {@linkcode DenoServer} listens. */
export interface DenoServerOptions {
  readonly hostname: string;
  readonly port: number;
  /** Certificate chain and key. With them the server speaks HTTPS. */
  readonly keyPair: KeyPair | undefined;
  readonly handler: Deno.ServeHandler<Deno.NetAddr>;
}

/** A listening socket of the runtime and its connections. */
export class DenoServer {
  readonly #options: DenoServerOptions;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  /** By the monotonic clock, in milliseconds. */
  #lastRequestAt = 0;
  #isDraining = false;

  constructor(options: DenoServerOptions) {
    this.#options = options;
  }

  /** Whether {@linkcode drain} was called. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /**
   * Listens.
   *
   * @param onEnd Called when the server has ended, for whatever reason.
   * @throws {Deno.errors.AddrInUse} if another process listens there.
   * @throws {Deno.errors.PermissionDenied} if the port may not be bound.
   * @throws {Error} if certificate and key cannot be used.
   */
  start(onEnd: () => void): void {
    const { hostname, port, keyPair } = this.#options;
    this.#server = Deno.serve(
      {
        hostname,
        port,
        ...keyPair,
        // A server with a new certificate listens beside the one that it
        // replaces.
        reusePort: keyPair !== undefined,
        onListen: () => {},
        onError: () => new Response(null, { status: 500 }),
      },
      (request, info) => this.#handle(request, info),
    );
    this.#server.finished.then(onEnd, onEnd);
  }

  /**
   * Ends keep-alive with the responses from now on, and waits until no request
   * has come for 20 ms, for 500 ms at most.
   *
   * Workaround: a request whose header has arrived in part when `shutdown` is
   * called never gets a response. Deno 2.6.8 and 2.7.14 also leave its
   * connection open forever, and `shutdown` never resolves; 2.9.6 closes it.
   * Without draining "answers a request that is arriving when it ends" in
   * tests/unit/http/deno_server_test.ts fails.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    const end = performance.now() + DRAIN_TIMEOUT;
    do await delay(DRAIN_QUIET_TIME); while (
      performance.now() < Math.min(end, this.#lastRequestAt + DRAIN_QUIET_TIME)
    );
  }

  /**
   * Ends keep-alive with the responses from now on. Resolves when the last
   * connection has ended, if the runtime listens no more.
   */
  async retire(): Promise<void> {
    this.#isDraining = true;
    await this.#server?.finished;
  }

  /** Takes no new requests. Resolves when the last response has ended. */
  async stop(): Promise<void> {
    await this.#server?.shutdown().catch(() => {});
  }

  async #handle(
    request: Request,
    info: Deno.ServeHandlerInfo<Deno.NetAddr>,
  ): Promise<Response> {
    this.#lastRequestAt = performance.now();
    const response = await this.#options.handler(request, info);
    if (this.#isDraining) response.headers.set("connection", "close");
    return response;
  }
}
