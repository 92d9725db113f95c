/**
 * Whether the daemon that a configuration describes is running already.
 *
 * @module
 */

import type { DaemonConfig } from "../daemon/config.ts";
import { authorityOf, type ListenAddress } from "../http/listener.ts";
import type { NetworkInterface } from "../net/interface.ts";
import { InterfaceMonitor } from "../net/interface_monitor.ts";
import { equalBytes, IPV6_LENGTH, parseIpv6 } from "../net/ipv6.ts";

/** Milliseconds for an answer. */
const TIMEOUT = 2000;

/** Characters of a response over TLS that are read; the page has fewer. */
const MAX_RESPONSE = 1_000_000;

/** The metric with a label for each address at which TFTP is served. */
const TFTP_METRIC = "dhcpv6macd_tftp_listening";

/** Where the daemon's page names its interface and its first base address. */
const HEADING = /<small>on ([^\s<]+) <span class="base">([^<]*)<\/span>/;

/** What a running daemon says of itself. */
export interface RunningDaemon {
  /** Whether it serves DHCPv6 now. */
  readonly isServing: boolean;
  /** The addresses of HTTP and HTTPS at which it answers. */
  readonly addresses: ReadonlySet<ListenAddress>;
  /** The addresses of TFTP; `undefined` if its version does not report them. */
  readonly tftp: ReadonlySet<string> | undefined;
}

/** The status and the text of a response; `undefined` if there is none. */
type Get = (
  address: ListenAddress,
  path: string,
) => Promise<{ readonly status: number; readonly text: string } | undefined>;

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
  const answers = await Promise.all(
    listeners.map(({ address, get }) => get(address, "/")),
  );
  const own = listeners.filter((_, index) =>
    isSameDaemon(answers[index]?.text ?? "", config, iface)
  );
  if (own.length === 0) return undefined;
  const { address, get } = own[0]!;
  const health = await get(address, "/healthz");
  const metrics = await get(address, "/metrics");
  return {
    isServing: health?.status === 200,
    addresses: new Set(own.map(({ address }) => address)),
    tftp: tftpAddresses(metrics?.text ?? ""),
  };
}

/** The addresses that the metrics name for TFTP. */
function tftpAddresses(metrics: string): ReadonlySet<string> | undefined {
  if (!metrics.includes(`# TYPE ${TFTP_METRIC} `)) return undefined;
  const samples = metrics.matchAll(
    RegExp(`^${TFTP_METRIC}\\{address="([^"]*)"\\} 1$`, "gm"),
  );
  return new Set([...samples].map(([, address]) => address!));
}

/** Whether a page is of a daemon for this interface and base address. */
function isSameDaemon(
  page: string,
  { interfaceName, responder }: DaemonConfig,
  iface: NetworkInterface | undefined,
): boolean {
  const [, name, base] = HEADING.exec(page) ?? [];
  const bytes = parseIpv6(base ?? "");
  const own = responder.subnets[0]!.bytes;
  if (
    name === undefined || bytes === undefined ||
    !equalBytes(bytes, 0, own, 0, IPV6_LENGTH)
  ) return false;
  // One of the two names may be an altname.
  return name === interfaceName ||
    iface !== undefined &&
      new InterfaceMonitor(name).find()?.index === iface.index;
}

async function getHttp(
  address: ListenAddress,
  path: string,
): ReturnType<Get> {
  try {
    const response = await fetch(
      `http://${authorityOf(reachable(address))}${path}`,
      { signal: AbortSignal.timeout(TIMEOUT), redirect: "error" },
    );
    return { status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}

/**
 * The same with TLS, by hand: `fetch` has no way to accept a certificate that is
 * not for the address. What is asked here is not confidential. A response of
 * HTTP/1.0 is not in chunks, which could divide a word.
 */
async function getHttps(
  address: ListenAddress,
  path: string,
): ReturnType<Get> {
  // Only here: it takes 13 MB that the daemon has no use for.
  const { connect } = await import("node:tls");
  const { hostname, port } = reachable(address);
  const { promise, resolve } = Promise.withResolvers<
    Awaited<ReturnType<Get>>
  >();
  let text = "";
  const socket = connect(
    { host: hostname, port, ca: [], rejectUnauthorized: false },
    () =>
      socket.write(
        `GET ${path} HTTP/1.0\r\nhost: ${
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
    const [, status] = /^HTTP\/1\.[01] (\d{3}) /.exec(text) ?? [];
    resolve(status === undefined ? undefined : { status: +status, text });
  });
  const timer = setTimeout(() => socket.destroy(), TIMEOUT);
  return await promise;
}

/** The address at which this host itself reaches a listener. */
function reachable({ hostname, port }: ListenAddress): ListenAddress {
  const loopback = { "::": "::1", "0.0.0.0": "127.0.0.1" }[hostname];
  return { hostname: loopback ?? hostname, port };
}
