/**
 * HTTPS: a listener with a certificate that is reloaded when its files change.
 *
 * @module
 */

import {
  authorityOf,
  HttpServer,
  type HttpServerOptions,
} from "../http/listener.ts";
import { examineKeyPair } from "../http/certificate.ts";
import {
  type KeyPair,
  type KeyPairFiles,
  readKeyPair,
  TlsReload,
} from "../http/tls_reload.ts";
import { waitAtMost } from "../overload/timeout.ts";
import type { Log } from "../telemetry/log.ts";
import { listenError, StartError } from "./diagnostics.ts";
import type { Service } from "./service.ts";

/** Milliseconds that `start` waits for the files of the certificate. */
const START_TIMEOUT = 2000;

/** What the service works with. */
export interface HttpsServiceOptions {
  /** One for each address. */
  readonly listeners: readonly Omit<HttpServerOptions, "keyPair">[];
  readonly files: KeyPairFiles;
  readonly log: Log;
}

/** Serves HTTPS with one certificate. */
export class HttpsService implements Service {
  readonly #options: HttpsServiceOptions;
  readonly #servers: HttpServer[] = [];
  #reload: TlsReload | undefined;
  #isStopped = false;

  constructor(options: HttpsServiceOptions) {
    this.#options = options;
  }

  /** The listeners, once the service has started. */
  get servers(): readonly HttpServer[] {
    return this.#servers;
  }

  /**
   * Reads the certificate and listens. If the file system does not answer, that
   * happens when it does: the other services do not wait for it.
   *
   * @throws {StartError} if the certificate or its key cannot be read or used, or
   * if a port cannot be bound.
   */
  async start(): Promise<void> {
    const { files, log } = this.#options;
    const serving = this.#serve();
    if (await waitAtMost(START_TIMEOUT, serving)) return;
    log.warning(
      "certificate_unread",
      `HTTPS is not served yet: the file system of ${files.certFile} and ${files.keyFile} does not answer`,
    );
    serving.catch((error: Error) =>
      log.error("https_refused", `cannot serve HTTPS: ${error.message}`)
    );
  }

  async #serve(): Promise<void> {
    const { listeners, files, log } = this.#options;
    const examine = (keyPair: KeyPair) =>
      examineKeyPair(keyPair, files, undefined, Date.now());
    const warn = (flaws: readonly string[]) => {
      for (const flaw of flaws) log.warning("certificate_flawed", flaw);
    };
    const keyPair = await readKeyPair(files).catch((error: Error) => {
      throw new StartError(
        `cannot read the TLS certificate or its key: ${error.message}`,
      );
    });
    if (this.#isStopped) return;
    const { fault, flaws } = examine(keyPair);
    if (fault !== undefined) throw new StartError(fault);
    warn(flaws);
    for (const listener of listeners) {
      const server = new HttpServer({ ...listener, keyPair });
      this.#servers.push(server);
      const { address } = listener;
      try {
        server.start();
      } catch (error) {
        throw listenError(error, address.port, "TCP", authorityOf(address));
      }
    }
    this.#reload = new TlsReload({
      files,
      current: keyPair,
      replace: (changed) => {
        const { fault, flaws } = examine(changed);
        if (fault !== undefined) throw new Error(fault);
        warn(flaws);
        // One that refuses the pair is the first: the others keep theirs as well.
        for (const server of this.#servers) server.replaceKeyPair(changed);
        log.info(
          "certificate_replaced",
          `reloaded the TLS certificate ${files.certFile}`,
        );
      },
      onRefused: (error) =>
        log.error(
          "certificate_refused",
          `cannot use the new ${files.certFile} and ${files.keyFile}: ${error.message}; keeping the certificate in use`,
        ),
    });
    this.#reload.start();
  }

  /** Reads certificate and key again. */
  async reload(): Promise<void> {
    await this.#reload?.reload();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#reload?.stop();
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}
