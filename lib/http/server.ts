/**
 * A listening HTTP or HTTPS server that stays up: started again when the
 * runtime ends it, and with another certificate when that changes.
 *
 * @module
 */

import type { Handler } from "./handler.ts";

/** Where a server listens. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** A certificate chain and its key, in PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Whoever wants to know what a server does. */
export interface HttpObserver {
  /** The address cannot be had; it is tried again every second. */
  httpUnavailable(address: ListenAddress, error: Error): void;
}

/** Milliseconds after which a server that ended is started again. */
const RESTART_AFTER = 500;

/** Milliseconds after which the port of a server that ends is free. */
const LISTEN_AFTER = 50;

/** An address as URLs write it. */
export function authorityOf({ hostname, port }: ListenAddress): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/** Serves one address. */
export class HttpServer {
  readonly #address: ListenAddress;
  readonly #handler: Handler;
  readonly #observer: HttpObserver;
  #keyPair: KeyPair | undefined;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  /** Servers that listen no more, and finish their responses. */
  readonly #retiring = new Set<Promise<void>>();
  #timer: number | undefined;
  #isStopped = false;
  #hasComplained = false;

  /** @param keyPair Makes it an HTTPS server. */
  constructor(
    address: ListenAddress,
    handler: Handler,
    observer: HttpObserver,
    keyPair?: KeyPair,
  ) {
    this.#address = address;
    this.#handler = handler;
    this.#observer = observer;
    this.#keyPair = keyPair;
  }

  /**
   * Listens, now or as soon as nobody else holds the port.
   *
   * @throws {Deno.errors.PermissionDenied} if the port may not be bound.
   * @throws {Error} if the certificate and the key are none, or no pair.
   */
  start(): void {
    try {
      this.#server = this.#listen(this.#keyPair);
      this.#hasComplained = false;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      this.#complain(error);
      this.#restart();
    }
  }

  /**
   * Goes on with another certificate: responses that have begun are finished
   * with the old one.
   *
   * @throws {Error} if the certificate and the key are none, or no pair.
   */
  replaceKeyPair(keyPair: KeyPair): void {
    const old = this.#server;
    try {
      this.#server = this.#listen(keyPair);
    } catch (error) {
      // Who waits for the port goes on waiting, with the new pair.
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      this.#keyPair = keyPair;
      return;
    }
    this.#keyPair = keyPair;
    clearTimeout(this.#timer);
    if (old !== undefined) this.#retire(old);
  }

  /**
   * Closes the connections that say nothing, and listens again: the runtime
   * tells nobody which of them are silent, but a server that ends finishes its
   * responses and nothing else.
   */
  shed(): void {
    const server = this.#server;
    if (server === undefined) return;
    this.#restart(LISTEN_AFTER);
    this.#retire(server);
  }

  /** Takes no new requests; resolves when the last response is finished. */
  async shutdown(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    const server = this.#server;
    this.#server = undefined;
    await Promise.all([server?.shutdown(), ...this.#retiring]);
  }

  #listen(keyPair: KeyPair | undefined): Deno.HttpServer<Deno.NetAddr> {
    const protocol = keyPair === undefined ? "http" : "https";
    const server = Deno.serve(
      {
        ...this.#address,
        ...keyPair,
        // A second server with another certificate listens beside the first.
        reusePort: keyPair !== undefined,
        onListen: () => {},
        onError: () => new Response(null, { status: 500 }),
      },
      (request, { remoteAddr }) =>
        this.#handler.handle(request, remoteAddr.hostname, protocol),
    );
    server.finished.catch(() => {}).finally(() => {
      // It ends by itself when the process runs out of descriptors.
      if (this.#server === server) this.#restart();
    });
    return server;
  }

  #retire(server: Deno.HttpServer<Deno.NetAddr>): void {
    const end = server.shutdown().catch(() => {});
    this.#retiring.add(end);
    void end.finally(() => this.#retiring.delete(end));
  }

  #complain(error: Error): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#observer.httpUnavailable(this.#address, error);
  }

  #restart(after = RESTART_AFTER): void {
    this.#server = undefined;
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      try {
        this.start();
      } catch (error) {
        this.#complain(error as Error);
        this.#restart();
      }
    }, after);
  }
}
