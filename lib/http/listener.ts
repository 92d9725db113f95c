/**
 * A listening HTTP or HTTPS server that stays up: started again when the
 * runtime ends it, and with another certificate when that changes.
 *
 * @module
 */

import { delay } from "../overload/timeout.ts";
import type { ActiveConnections } from "./active_connections.ts";
import type { Router } from "./router.ts";

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
  /** The runtime listened no more; it does again. */
  httpRestarted(address: ListenAddress): void;
}

/** Milliseconds after which a server that ended is started again. */
const RESTART_AFTER = 500;

/** Milliseconds after which the port of a server that ends is free. */
const LISTEN_AFTER = 50;

/** Milliseconds between two looks whether a server listens. */
const POLL_INTERVAL = 1000;

/** Milliseconds without a request after which none is on its way, as a rule. */
const QUIET = 20;

/** Milliseconds that requests get to become fewer before a server ends. */
const MAX_DRAINING = 500;

/** An address at which this host itself reaches a server. */
function reachable(hostname: string): string {
  if (hostname === "::") return "::1";
  return hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
}

/** An address as URLs write it. */
export function authorityOf({ hostname, port }: ListenAddress): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/** What a server works with. */
export interface HttpServerOptions {
  readonly address: ListenAddress;
  readonly router: Router;
  /** Where its connections are counted. */
  readonly connections: ActiveConnections;
  readonly observer: HttpObserver;
  /** Makes it an HTTPS server. */
  readonly keyPair?: KeyPair;
}

/** A server of the runtime. */
interface Listening {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  /** Ends it at once. */
  readonly abort: AbortController;
  readonly traffic: Traffic;
}

/** What a server has to do. */
interface Traffic {
  /** Responses that go on. */
  responses: number;
  /** When the last request came, in milliseconds of the process's clock. */
  lastRequest: number;
  /** Whether its connections shall end with the next response. */
  isDraining: boolean;
}

/** Serves one address. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  #keyPair: KeyPair | undefined;
  #listening: Listening | undefined;
  /** Servers that listen no more, and finish their responses. */
  readonly #retiring = new Set<Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pollTimer: ReturnType<typeof setInterval> | undefined;
  #isChecking = false;
  #isStopped = false;
  #hasComplained = false;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#keyPair = options.keyPair;
  }

  /**
   * Listens, now or as soon as nobody else holds the port.
   *
   * @throws {Deno.errors.PermissionDenied} if the port may not be bound.
   * @throws {Error} if the certificate and the key are none, or no pair.
   */
  start(): void {
    try {
      this.#listening = this.#listen(this.#keyPair);
      this.#hasComplained = false;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      this.#complain(error);
      this.#restart();
    }
    this.#pollTimer ??= setInterval(
      () => void this.#checkListening(),
      POLL_INTERVAL,
    );
  }

  /**
   * Goes on with another certificate: responses that have begun are finished
   * with the old one.
   *
   * @throws {Error} if the certificate and the key are none, or no pair.
   */
  replaceKeyPair(keyPair: KeyPair): void {
    const old = this.#listening;
    try {
      this.#listening = this.#listen(keyPair);
    } catch (error) {
      // Who waits for the port goes on waiting, with the new pair.
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      this.#keyPair = keyPair;
      return;
    }
    this.#keyPair = keyPair;
    clearTimeout(this.#timer);
    if (old !== undefined) void this.#drain(old).then(() => this.#retire(old));
  }

  /**
   * Closes the connections that say nothing, and listens again: the runtime
   * tells nobody which of them are silent, but a server that ends finishes its
   * responses and nothing else.
   */
  async closeIdle(): Promise<void> {
    const listening = this.#listening;
    if (listening === undefined || listening.traffic.isDraining) return;
    await this.#drain(listening);
    if (this.#listening !== listening) return;
    if (listening.traffic.responses === 0) return this.abortAll();
    this.#restart(LISTEN_AFTER);
    this.#retire(listening);
  }

  /**
   * Waits until no request is on its way to a server that shall end. The
   * runtime would forget it: its client would wait for ever, and the connection
   * stay open even when the client has left.
   */
  async #drain({ traffic }: Listening): Promise<void> {
    traffic.isDraining = true;
    const end = performance.now() + MAX_DRAINING;
    do await delay(QUIET); while (
      performance.now() < Math.min(end, traffic.lastRequest + QUIET)
    );
  }

  /**
   * Closes all connections since it last listened, whatever is being sent, and
   * listens again: one whose client takes nothing counts as a response that goes
   * on, and lets no server end that finishes its responses.
   */
  abortAll(): void {
    const listening = this.#listening;
    if (listening === undefined) return;
    this.#restart(LISTEN_AFTER);
    // A server that is just about to end by itself says that there is nothing
    // left to end, to nobody in particular: the process would not survive it.
    const ignore = (event: Event) => event.preventDefault();
    addEventListener("error", ignore);
    listening.abort.abort();
    removeEventListener("error", ignore);
  }

  /** Takes no new requests; resolves when the last response is finished. */
  async shutdown(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pollTimer);
    const listening = this.#listening;
    this.#listening = undefined;
    await Promise.all([listening?.server.shutdown(), ...this.#retiring]);
  }

  #listen(keyPair: KeyPair | undefined): Listening {
    const { address, router, connections } = this.#options;
    const protocol = keyPair === undefined ? "http" : "https";
    const abort = new AbortController();
    const traffic = { responses: 0, lastRequest: 0, isDraining: false };
    const server = Deno.serve(
      {
        ...address,
        ...keyPair,
        signal: abort.signal,
        // A second server with another certificate listens beside the first.
        reusePort: keyPair !== undefined,
        onListen: () => {},
        onError: () => new Response(null, { status: 500 }),
      },
      async (request, info) => {
        connections.track(address.port, info);
        track(traffic, info.completed);
        const response = await router.handle(request, {
          client: info.remoteAddr.hostname,
          protocol,
          completed: info.completed,
        });
        if (traffic.isDraining) response.headers.set("connection", "close");
        return response;
      },
    );
    const listening = { server, abort, traffic };
    server.finished.catch(() => {}).finally(() => {
      if (this.#listening === listening) this.#restart();
    });
    return listening;
  }

  /**
   * Listens again when the server does not any more: the runtime lets it be so
   * for good when the process has once run out of descriptors, and tells it only
   * when the last connection has ended.
   */
  async #checkListening(): Promise<void> {
    const listening = this.#listening;
    if (listening === undefined || listening.traffic.isDraining) return;
    const { address, observer } = this.#options;
    if (this.#isChecking) return;
    this.#isChecking = true;
    const isRefused = await refuses(address);
    this.#isChecking = false;
    // A firewall may refuse what would be heard.
    if (!isRefused || isHeard(address)) return;
    if (this.#listening !== listening) return;
    this.#restart(0);
    observer.httpRestarted(address);
    await this.#drain(listening);
    this.#retire(listening);
  }

  #retire({ server }: Listening): void {
    const end = server.shutdown().catch(() => {});
    this.#retiring.add(end);
    void end.finally(() => this.#retiring.delete(end));
  }

  #complain(error: Error): void {
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    const { observer, address } = this.#options;
    observer.httpUnavailable(address, error);
  }

  #restart(after = RESTART_AFTER): void {
    this.#listening = undefined;
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

/** Whether a connection to a server is refused. */
async function refuses({ hostname, port }: ListenAddress): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: reachable(hostname), port })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

/** Whether somebody listens at an address, or it cannot be told. */
function isHeard(address: ListenAddress): boolean {
  try {
    Deno.listen({ ...address }).close();
    return false;
  } catch {
    return true;
  }
}

function track(traffic: Traffic, completed: Promise<void>): void {
  traffic.responses++;
  traffic.lastRequest = performance.now();
  const end = () => {
    traffic.responses--;
  };
  completed.then(end, end);
}
