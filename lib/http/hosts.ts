/**
 * Under which names the API answers. A page from elsewhere whose name was made
 * to resolve to this daemon (DNS rebinding) shall not read it.
 *
 * @module
 */

import { parseAddress } from "../net/prefix.ts";

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

/** Whether a request comes from a page that this daemon itself has served. */
export function isOwnOrigin(origin: string, authority: string): boolean {
  const match = /^(https?):\/\/([^/]+)$/.exec(origin);
  if (match === null) return false;
  const port = match[1] === "https" ? "443" : "80";
  return withPort(match[2]!, port) === withPort(authority, port);
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

function isLiteral(host: string): boolean {
  return parseAddress(host.replace(/^\[(.*)\]$/, "$1")) !== undefined;
}

function normal(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
