/**
 * The host names under which the API answers. They keep a foreign web page from
 * reading it through a name that resolves to this daemon (DNS rebinding).
 *
 * @module
 */

import { parseAddress, withoutBrackets } from "../net/prefix.ts";

const MAX_PORT = 65_535;

/** Characters of a domain name (RFC 1035 §2.3.4, as text). */
const MAX_NAME_LENGTH = 254;

/** The protocol of a connection. */
export type Protocol = "http" | "https";

/** This daemon's host names: address literals, localhost, and given ones. */
export class HostNames {
  readonly #names: ReadonlySet<string>;

  /** @param names Host names in any case, without a port. */
  constructor(names: readonly string[]) {
    this.#names = new Set(["localhost", ...names.map(normal)]);
  }

  /** Whether a Host header, or the authority of a target, is one of them. */
  has(authority: string): boolean {
    const host = hostOf(authority);
    return host === undefined
      ? isBareIpv6(authority)
      : isLiteral(host) || this.#names.has(normal(host));
  }
}

/**
 * Whether a Host header, or the authority of a target, is one host with or without
 * a port (RFC 9110 §7.2). Of several Host headers, the runtime makes one with
 * commas.
 */
export function isHost(authority: string): boolean {
  const [, host, port = ""] =
    /^(\[[^\]]*\]|[a-z0-9._~%!$&'()*+;=-]+)(?::([0-9]*))?$/i.exec(authority) ??
      [];
  if (host === undefined) return isBareIpv6(authority);
  return Number(port) <= MAX_PORT && (!host.startsWith("[") || isLiteral(host));
}

/**
 * Whether the runtime has made up the authority of a target without a Host header.
 * HTTP/2 to `localhost` with a port looks the same: browsers and curl use it over
 * TLS only.
 */
export function isMadeUp(authority: string): boolean {
  return /^localhost:[0-9]+$/.test(authority);
}

/**
 * Whether an Origin header names this daemon, over the same protocol. A page
 * loaded over plain HTTP may have been modified, so HTTPS does not accept it.
 *
 * @param authority The host and port to which the request was sent.
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

/** Whether a text is a host name that `--http-host` takes. */
export function isHostName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH &&
    /^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i.test(text);
}

/**
 * The host name in an authority, in lower case; `undefined` if there is none that
 * `--http-host` takes.
 */
export function hostNameOf(authority: string): string | undefined {
  const name = normal(hostOf(authority) ?? "");
  return isHostName(name) ? name : undefined;
}

/** The host of `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`. */
function hostOf(authority: string): string | undefined {
  return /^(\[[^\]]+\]|[^:[\]]+)(?::[0-9]*)?$/.exec(authority)?.[1];
}

/**
 * Whether an authority is an IPv6 address without the brackets of RFC 3986, as
 * some firmware sends it, with or without a port.
 */
function isBareIpv6(authority: string): boolean {
  return !authority.includes("%") &&
    (isLiteral(authority) || isLiteral(authority.replace(/:[0-9]*$/, "")));
}

/** Whether a host is an address; a link-local address may have a zone. */
function isLiteral(host: string): boolean {
  const address = withoutBrackets(host)
    .replace(/^(fe[89ab].*)%.*/i, "$1");
  return !address.includes("%") && parseAddress(address) !== undefined;
}

function normal(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
