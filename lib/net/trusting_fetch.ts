/**
 * `fetch` that trusts further certificate authorities.
 *
 * @module
 */

/** `fetch`, as far as the daemon uses it. */
export type Fetch = (url: URL, init: RequestInit) => Promise<Response>;

/**
 * Checks certificates in PEM.
 *
 * @throws {Error} if there is none, or one is malformed.
 */
export function checkCaCerts(pem: string): void {
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Error("no certificate in PEM");
  }
  Deno.createHttpClient({ caCerts: [pem] }).close();
}

/** `fetch` that trusts certificates, which may be replaced. */
export class TrustingFetch {
  #caCerts: readonly string[] = [];
  #client: Deno.HttpClient | undefined;

  /**
   * @param caCerts Certificates in PEM that are trusted besides the usual ones.
   * @throws {Error} if one of them is malformed.
   */
  constructor(caCerts: readonly string[]) {
    this.trust(caCerts);
  }

  /**
   * Trusts these certificates, in requests from now on, instead of those before.
   *
   * @throws {Error} if one of them is malformed; nothing is changed then.
   */
  trust(caCerts: readonly string[]): void {
    if (caCerts.join() === this.#caCerts.join()) return;
    this.#client = caCerts.length === 0
      ? undefined
      : Deno.createHttpClient({ caCerts: [...caCerts] });
    this.#caCerts = caCerts;
  }

  readonly fetch: Fetch = (url, init) =>
    fetch(url, this.#client ? { ...init, client: this.#client } : init);
}
