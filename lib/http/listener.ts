/**
 * An HTTP or HTTPS server that keeps listening: it is started again when the
 * runtime ends it, and with another certificate when that changes.
 *
 * @module
 */

import type { Connections } from "./connections.ts";
import { DenoServer } from "./deno_server.ts";
import { SourceResponse } from "./body_source.ts";
import type { Router } from "./router.ts";
import type { SendWindows } from "./send_window.ts";
import { delay } from "../overload/timeout.ts";
import type { KeyPair } from "./tls_reload.ts";

/** Where a server listens. */
export interface ListenAddress {
  /** An IPv6 or IPv4 address; `::` and `0.0.0.0` stand for all addresses. */
  readonly hostname: string;
  readonly port: number;
}

/** An address as URLs write it. */
export function authorityOf({ hostname, port }: ListenAddress): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/** Called about the state of a server. */
export interface HttpObserver {
  /** The server cannot listen. It tries again twice a second. */
  httpUnavailable(address: ListenAddress, error: Error): void;
  /** The runtime had stopped to listen. The server listens again. */
  httpRestarted(address: ListenAddress): void;
}

/** Milliseconds between two attempts to listen. */
const RETRY_INTERVAL = 500;

/** Milliseconds in which the runtime sees that a connection was reset. */
const CLOSE_DELAY = 20;

/** Milliseconds between two checks whether the server still listens. */
const POLL_INTERVAL = 1000;

/** What an {@linkcode HttpServer} serves, and where. */
export interface HttpServerOptions {
  readonly address: ListenAddress;
  readonly router: Router;
  /** Those of all servers. */
  readonly connections: Connections;
  /** `undefined`: what waits for clients to read it is not limited. */
  readonly sendWindows: SendWindows | undefined;
  readonly observer: HttpObserver;
  /** Makes it an HTTPS server. */
  readonly keyPair?: KeyPair;
}

/** Serves one address. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  #keyPair: KeyPair | undefined;
  /** The server that listens; `undefined` while none does. */
  #server: DenoServer | undefined;
  /** Servers that the runtime has ended, and that still have connections. */
  readonly #retired = new Set<DenoServer>();
  /** Ends of servers that finish their responses and take no new ones. */
  readonly #stopping = new Set<Promise<void>>();
  #isStopped = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pollTimer: ReturnType<typeof setInterval> | undefined;
  #isChecking = false;
  /** Whether the observer knows that the server cannot listen. */
  #isUnavailable = false;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#keyPair = options.keyPair;
  }

  /** Whether it listens, as far as it knows. */
  get isListening(): boolean {
    return this.#server !== undefined;
  }

  /**
   * Listens, now or as soon as no other process uses the port and an interface
   * has the address.
   *
   * @throws {Deno.errors.PermissionDenied} if the port may not be bound.
   * @throws {Error} if certificate and key cannot be used.
   */
  start(): void {
    try {
      this.#listen(this.#keyPair);
    } catch (error) {
      if (!isTemporary(error)) throw error;
      this.#retryAfter(error);
    }
    // Who searches for connections sees the sockets that listen as well.
    if (this.#options.connections.areFound) return;
    this.#pollTimer = setInterval(
      () => void this.ensureListening(),
      POLL_INTERVAL,
    );
  }

  /** Takes no new requests. Resolves when the last response has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#pollTimer);
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) this.#stopServer(server);
    for (const retired of this.#retired) this.#stopServer(retired);
    await Promise.all(this.#stopping);
  }

  /**
   * Replaces the certificate. Responses in progress continue with the old one.
   *
   * @throws {Error} if certificate and key cannot be used; the old ones stay.
   */
  replaceKeyPair(keyPair: KeyPair): void {
    const old = this.#server;
    try {
      this.#listen(keyPair);
    } catch (error) {
      // While the address cannot be bound, the attempts go on with the new pair.
      if (!isTemporary(error)) throw error;
      this.#keyPair = keyPair;
      if (old === undefined) return;
      this.#listenAfter(RETRY_INTERVAL);
      void this.#drainAndStop(old);
      return;
    }
    this.#keyPair = keyPair;
    clearTimeout(this.#retryTimer);
    if (old !== undefined) void this.#drainAndStop(old);
  }

  #listen(keyPair: KeyPair | undefined): void {
    const { address } = this.#options;
    const server = new DenoServer({
      ...address,
      keyPair,
      handler: (request, info) =>
        this.#handle(request, info, keyPair !== undefined),
    });
    server.start(() => {
      if (this.#server === server) this.#listenAfter(RETRY_INTERVAL);
    });
    this.#server = server;
    this.#options.connections.announce();
    this.#isUnavailable = false;
  }

  async #handle(
    request: Request,
    info: Deno.ServeHandlerInfo<Deno.NetAddr>,
    isTls: boolean,
  ): Promise<Response> {
    const { address, router, connections, sendWindows } = this.#options;
    const { connection, completed, isWhole } = connections.track(
      address.port,
      isTls,
      info,
    );
    const response = await router.handle(request, {
      client: info.remoteAddr.hostname,
      protocol: isTls ? "https" : "http",
      completed,
    });
    if (!(response instanceof SourceResponse)) {
      isWhole();
      return response;
    }
    return sendWindows === undefined ? response : response.with(
      sendWindows.limit(response.source, connection, completed),
    );
  }

  #listenAfter(milliseconds: number): void {
    this.#server = undefined;
    if (this.#isStopped) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      try {
        this.#listen(this.#keyPair);
      } catch (error) {
        this.#retryAfter(error as Error);
      }
    }, milliseconds);
  }

  #retryAfter(error: Error): void {
    if (!this.#isUnavailable) {
      this.#isUnavailable = true;
      const { observer, address } = this.#options;
      observer.httpUnavailable(address, error);
    }
    this.#listenAfter(RETRY_INTERVAL);
  }

  /**
   * Listens again if the runtime does not any more.
   *
   * Workaround: when `accept` fails with EMFILE, `Deno.serve` closes its
   * listening socket for good, and `finished` settles only when the last
   * connection has ended (Deno 2.4.2 to 2.9.6; deno#10148 reports the same of
   * `Listener.accept`). Without it "a burst that takes all descriptors at once"
   * in tests/system/abuse/connections_test.ts fails.
   */
  async ensureListening(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.isDraining || this.#isChecking) return;
    const { address, observer } = this.#options;
    this.#isChecking = true;
    const isRefused = await refusesConnections(address);
    this.#isChecking = false;
    // A firewall refuses connections to a server that does listen.
    if (!isRefused || isBound(address)) return;
    if (this.#server !== server) return;
    this.#listenAfter(0);
    observer.httpRestarted(address);
    this.#retired.add(server);
    const end = () => this.#retired.delete(server);
    server.retire().then(end, end);
  }

  /** Resolves when the server is drained. It stops then. */
  async #drainAndStop(server: DenoServer): Promise<void> {
    const { address: { port }, connections } = this.#options;
    const began = performance.now();
    const drained = server.drain().then(async () => {
      // What has begun a request keeps a server from stopping.
      connections.resetIdle(port, began);
      await delay(CLOSE_DELAY);
    });
    this.#waitFor(drained.then(() => server.stop()));
    await drained;
  }

  #stopServer(server: DenoServer): void {
    this.#waitFor(server.stop());
  }

  /** Lets {@linkcode stop} wait for the end of a server. */
  #waitFor(end: Promise<void>): void {
    this.#stopping.add(end);
    void end.then(() => this.#stopping.delete(end));
  }
}

/**
 * Whether an address may be bound later: another process has it, or no interface
 * has it yet, as before the end of duplicate address detection.
 */
function isTemporary(error: unknown): error is Error {
  return error instanceof Deno.errors.AddrInUse ||
    error instanceof Deno.errors.AddrNotAvailable;
}

/** Whether a connection to an address of this host is refused. */
async function refusesConnections(
  { hostname, port }: ListenAddress,
): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: loopbackFor(hostname), port })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

/** Whether a socket listens at an address, or this cannot be determined. */
function isBound(address: ListenAddress): boolean {
  try {
    Deno.listen({ ...address }).close();
    return false;
  } catch {
    return true;
  }
}

/** The address at which this host itself reaches a server. */
function loopbackFor(hostname: string): string {
  if (hostname === "::") return "::1";
  return hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
}
