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
  /** Closes the server with all its connections. */
  #cutter = new AbortController();
  /** Servers with an earlier certificate that finish their responses. */
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

  /** Whether it listens now. */
  get isListening(): boolean {
    return this.#server !== undefined;
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
    if (old === undefined) return;
    const end = old.shutdown();
    this.#retiring.add(end);
    void end.finally(() => this.#retiring.delete(end));
  }

  /**
   * Closes all connections at once, whatever they do, and listens again: the
   * runtime tells nobody which of them are silent.
   */
  cut(): void {
    if (this.#server === undefined) return;
    const cutter = this.#cutter;
    const ignore = (event: Event) => event.preventDefault();
    // A server that has just ended by itself cannot be told to, and throws.
    addEventListener("error", ignore);
    cutter.abort();
    removeEventListener("error", ignore);
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
    const cutter = new AbortController();
    const server = Deno.serve(
      {
        ...this.#address,
        ...keyPair,
        // A second server with another certificate listens beside the first.
        reusePort: keyPair !== undefined,
        signal: cutter.signal,
        onListen: () => {},
        onError: () => new Response(null, { status: 500 }),
      },
      (request, { remoteAddr }) =>
        this.#handler.handle(request, remoteAddr.hostname, protocol),
    );
    this.#cutter = cutter;
    server.finished.catch(() => {}).finally(() => {
      // It ends by itself when the process runs out of descriptors.
      if (this.#server === server) this.#restart();
    });
    return server;
  }

  #complain(error: Error): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    this.#observer.httpUnavailable(this.#address, error);
  }

  #restart(): void {
    this.#server = undefined;
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      try {
        this.start();
      } catch (error) {
        this.#complain(error as Error);
        this.#restart();
      }
    }, RESTART_AFTER);
  }
}
