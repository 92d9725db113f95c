/**
 * Under which names the API answers. A page from elsewhere whose name was made
 * to resolve to this daemon (DNS rebinding) shall not read it.
 *
 * @module
 */

import { parseAddress } from "../net/prefix.ts";

/** How a client is connected. */
export type Protocol = "http" | "https";

/** Host names that are this daemon's, besides address literals. */
export class HostNames {
  readonly #names: ReadonlySet<string>;

  /** @param names Host names in any case, without a port. */
  constructor(names: readonly string[]) {
    this.#names = new Set(["localhost", ...names.map(normal)]);
  }

  /** Whether a request with this Host, or authority, is for this daemon. */
  has(authority: string): boolean {
    const host = hostOf(authority);
    return host !== undefined &&
      (isLiteral(host) || this.#names.has(normal(host)));
  }
}

/**
 * Whether a Host says of itself no more than a host: the runtime puts a URL
 * together of it and the target, and a slash in it would be read as the path's.
 * The runtime joins several by comma and blank; there may be one only (RFC 9112
 * section 3.2).
 */
export function isOneHost(header: string): boolean {
  return !/[/?#]|, /.test(header);
}

/**
 * Whether a request comes from a page that this daemon itself has served, over
 * the same protocol: what was fetched in clear text may be anybody's.
 */
export function isOwnOrigin(
  origin: string,
  authority: string,
  protocol: Protocol,
): boolean {
  const host = /^https?:\/\/([^/]+)$/.exec(origin)?.[1];
  if (host === undefined || !origin.startsWith(`${protocol}:`)) return false;
  const port = protocol === "https" ? "443" : "80";
  return withPort(host, port) === withPort(authority, port);
}

function withPort(authority: string, port: string): string {
  const text = authority.toLowerCase();
  return /:[0-9]+$/.test(text.replace(/^\[[^\]]*\]/, ""))
    ? text
    : `${text}:${port}`;
}

/** The host of `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`. */
function hostOf(authority: string): string | undefined {
  return /^(\[[^\]]+\]|[^:[\]]+)(?::[0-9]*)?$/.exec(authority)?.[1];
}

/** Whether a host is an address; a link-local one may say its zone. */
function isLiteral(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, "$1")
    .replace(/^(fe[89ab].*)%.*/i, "$1");
  return !address.includes("%") && parseAddress(address) !== undefined;
}

function normal(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
