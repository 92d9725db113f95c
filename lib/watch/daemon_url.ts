/**
 * Parses the URLs of daemons on the command line of `watch`.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { parseIpv6 } from "../net/ipv6.ts";
import { formatMac, type Mac, parseMac } from "../net/mac.ts";
import { parseAddress, withoutBrackets } from "../net/prefix.ts";

/** The port if a host is given without one. */
const DEFAULT_PORT = 6315;

const EVENTS = "/events";

/** A daemon to watch. */
export interface DaemonUrl {
  /** Identifies the daemon in JSON lines. */
  readonly text: string;
  /** Its host name, or its address without brackets. */
  readonly host: string;
  /** Host and port, as in the URL. */
  readonly authority: string;
  /** Its event stream. */
  readonly events: URL;
  /** The names of its machines; `undefined` if the path does not end in `/events`. */
  readonly names: URL | undefined;
}

/** A text is no URL of a daemon. */
export class DaemonUrlError extends Error {
  override name = "DaemonUrlError";
}

/**
 * Reads a URL, `host:port`, or a host or address alone.
 *
 * @param only The machine to watch; `undefined`: that of the URL's query, or all.
 * @throws {DaemonUrlError} if it is none of these.
 */
export function parseDaemonUrl(text: string, only?: Mac): DaemonUrl {
  const url = URL.parse(withScheme(text));
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new DaemonUrlError(
      `"${
        escapeControls(text)
      }" is no URL of a daemon: give a URL such as http://[2001:db8::1]:6315, HOST, HOST:PORT or an address`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new DaemonUrlError(
      `"${
        escapeControls(text)
      }" has a user name or a password, which a daemon does not support: leave it out`,
    );
  }
  const mac = url.searchParams.get("mac") ?? "";
  if (mac !== "" && parseMac(mac) === undefined) {
    throw new DaemonUrlError(
      `"${
        escapeControls(mac)
      }" is not a machine's MAC such as 02:00:5e:00:53:01`,
    );
  }
  if (only !== undefined) url.searchParams.set("mac", formatMac(only));
  url.hash = "";
  if (url.pathname === "/") url.pathname = EVENTS;
  return {
    text: url.pathname === EVENTS && url.search === "" ? url.origin : url.href,
    host: withoutBrackets(url.hostname),
    authority: url.host,
    events: withResume(url),
    names: url.pathname.endsWith(EVENTS) ? namesUrlOf(url) : undefined,
  };
}

/** The URL of the names of the daemon with this event stream. */
function namesUrlOf(events: URL): URL {
  const names = new URL(events);
  // Not resolved against the stream: `//host/names` would be another host's.
  names.pathname = `${events.pathname.slice(0, -EVENTS.length)}/names`;
  names.search = "";
  return names;
}

/** Adds what is missing of scheme, brackets and port. */
function withScheme(text: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    rejectZone(text, text.split("/")[2]!);
    return text;
  }
  const authority = /^[^/?#]*/.exec(text)![0];
  rejectZone(text, authority);
  const rest = text.slice(authority.length);
  if (parseIpv6(authority) !== undefined) {
    return `http://[${authority}]:${DEFAULT_PORT}${rest}`;
  }
  const port = /:[^\]:]*$/.test(authority) ? "" : `:${DEFAULT_PORT}`;
  return `http://${authority}${port}${rest}`;
}

function rejectZone(text: string, authority: string): void {
  if (!authority.includes("%")) return;
  throw new DaemonUrlError(
    `"${
      escapeControls(text)
    }" has a link-local address with an interface, which a URL cannot have: give another address of that daemon`,
  );
}

/** The URL of a stream that continues after Last-Event-ID. */
function withResume(url: URL): URL {
  const events = new URL(url);
  events.searchParams.set("resume", "1");
  return events;
}

/** A short, unique label for each daemon. */
export function labelsOf(daemons: readonly DaemonUrl[]): string[] {
  const kinds = [
    ({ host }: DaemonUrl) =>
      parseAddress(host) === undefined ? host.split(".", 1)[0] || host : host,
    ({ host }: DaemonUrl) => host,
    ({ authority }: DaemonUrl) => authority,
  ];
  for (const kind of kinds) {
    const labels = daemons.map(kind);
    if (new Set(labels).size === labels.length) return labels;
  }
  return daemons.map(({ text }) => text);
}
