/**
 * Whether the daemon that a configuration describes is running already.
 *
 * @module
 */

import type { DaemonConfig } from "../daemon/config.ts";
import { authorityOf, type ListenAddress } from "../http/listener.ts";
import type { StatusJson } from "../machines/status.ts";
import { readBoundedText } from "../net/bounded_body.ts";
import type { NetworkInterface } from "../net/interface.ts";
import { InterfaceMonitor } from "../net/interface_monitor.ts";
import { equalBytes, IPV6_LENGTH, parseIpv6 } from "../net/ipv6.ts";
import { withoutBrackets } from "../net/prefix.ts";

/** Milliseconds for an answer. */
const TIMEOUT = 2000;

/** Where a daemon says what it is. */
const PATH = "/status";

/** Characters of a response over TLS that are read; a state has fewer. */
const MAX_RESPONSE = 1_000_000;

/** What a running daemon says of itself. */
export interface RunningDaemon {
  /** Whether it serves DHCPv6 now. */
  readonly isServing: boolean;
  /** The addresses of HTTP and HTTPS at which it answers. */
  readonly addresses: ReadonlySet<ListenAddress>;
  /** The addresses of TFTP, without ports. */
  readonly tftp: ReadonlySet<string>;
}

/** The text at `/status` of a listener; `undefined` if there is none. */
type Get = (address: ListenAddress) => Promise<string | undefined>;

/**
 * The daemon that serves the same interface and the same first base address, as
 * its HTTP and HTTPS listeners say; `undefined` if none answers. The runtime lets
 * the program see no other process.
 *
 * @param iface The interface of the configuration.
 */
export async function runningDaemon(
  config: DaemonConfig,
  iface: NetworkInterface | undefined,
): Promise<RunningDaemon | undefined> {
  const { http, https } = config;
  const listeners: { address: ListenAddress; get: Get }[] = [
    ...http.map((address) => ({ address, get: getHttp })),
    ...(https?.addresses ?? []).map((address) => ({ address, get: getHttps })),
  ];
  const states = await Promise.all(
    listeners.map(async ({ address, get }) => stateIn(await get(address))),
  );
  const own = states.map((state) => isSameDaemon(state, config, iface));
  const state = states.find((_, index) => own[index]);
  return state && {
    isServing: state.serving,
    addresses: new Set(
      listeners.filter((_, index) => own[index]).map(({ address }) => address),
    ),
    tftp: new Set(
      state.listening.tftp.map((text) =>
        withoutBrackets(text.replace(/:[0-9]+$/, ""))
      ),
    ),
  };
}

/** What a response says; `undefined` if another program has sent it. */
function stateIn(text = ""): StatusJson | undefined {
  try {
    const state = JSON.parse(text) as Partial<StatusJson>;
    return Array.isArray(state.base_addresses) &&
        Array.isArray(state.listening?.tftp)
      ? state as StatusJson
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a state is of a daemon for this interface and base address. */
function isSameDaemon(
  state: StatusJson | undefined,
  { interfaceName, responder }: DaemonConfig,
  iface: NetworkInterface | undefined,
): boolean {
  const bytes = parseIpv6(state?.base_addresses[0] ?? "");
  const own = responder.subnets[0]!.bytes;
  if (
    state === undefined || bytes === undefined ||
    !equalBytes(bytes, 0, own, 0, IPV6_LENGTH)
  ) return false;
  // One of the two names may be an altname.
  return state.interface === interfaceName ||
    iface !== undefined &&
      new InterfaceMonitor(state.interface).find()?.index === iface.index;
}

async function getHttp(address: ListenAddress): ReturnType<Get> {
  try {
    const response = await fetch(
      `http://${authorityOf(reachable(address))}${PATH}`,
      { signal: AbortSignal.timeout(TIMEOUT), redirect: "error" },
    );
    return await readBoundedText(response, MAX_RESPONSE);
  } catch {
    return undefined;
  }
}

/**
 * The same with TLS, by hand: `fetch` has no way to accept a certificate that is
 * not for the address. What is asked here is not confidential. A response of
 * HTTP/1.0 is not in chunks, which could divide a word.
 */
async function getHttps(address: ListenAddress): ReturnType<Get> {
  // Only here: it takes 13 MB that the daemon has no use for.
  const { connect } = await import("node:tls");
  const { hostname, port } = reachable(address);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let text = "";
  const socket = connect(
    { host: hostname, port, ca: [], rejectUnauthorized: false },
    () =>
      socket.write(
        `GET ${PATH} HTTP/1.0\r\nhost: ${
          authorityOf({ hostname, port })
        }\r\n\r\n`,
      ),
  );
  socket.setEncoding("utf8");
  socket.on("data", (part: string) => {
    text += part;
    if (text.length > MAX_RESPONSE) socket.destroy();
  });
  socket.on("error", () => {}); // "close" follows.
  socket.on("close", () => {
    clearTimeout(timer);
    resolve(text.split("\r\n\r\n", 2)[1]);
  });
  const timer = setTimeout(() => socket.destroy(), TIMEOUT);
  return await promise;
}

/** The address at which this host itself reaches a listener. */
function reachable({ hostname, port }: ListenAddress): ListenAddress {
  const loopback = { "::": "::1", "0.0.0.0": "127.0.0.1" }[hostname];
  return { hostname: loopback ?? hostname, port };
}
