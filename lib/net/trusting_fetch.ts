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
 * @throws {Error} if one of them is malformed.
 */
export function checkCaCerts(caCerts: readonly string[]): void {
  Deno.createHttpClient({ caCerts: [...caCerts] }).close();
}

/**
 * @param caCerts Certificates in PEM that are trusted besides the usual ones.
 * @throws {Error} if one of them is malformed.
 */
export function fetchTrusting(caCerts: readonly string[]): Fetch {
  if (caCerts.length === 0) return (url, init) => fetch(url, init);
  const client = Deno.createHttpClient({ caCerts: [...caCerts] });
  return (url, init) => fetch(url, { ...init, client });
}
