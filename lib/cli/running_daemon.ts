/**
 * Whether the daemon that a configuration describes is running already.
 *
 * @module
 */

import type { DaemonConfig } from "../daemon/config.ts";
import { authorityOf, type ListenAddress } from "../http/listener.ts";
import { equalBytes, IPV6_LENGTH, parseIpv6 } from "../net/ipv6.ts";

/** Milliseconds for an answer. */
const TIMEOUT = 2000;

/** Where the daemon's page names its interface and its first base address. */
const HEADING = /<small>on ([^\s<]+) <span class="base">([^<]*)<\/span>/;

/** What a running daemon says of itself. */
export interface RunningDaemon {
  /** Whether it serves DHCPv6 now. */
  readonly isServing: boolean;
}

/**
 * The daemon that serves the same interface and the same first base address, as
 * its HTTP listener says; `undefined` if none answers. The runtime lets the
 * program see no other process.
 */
export async function runningDaemon(
  { http, interfaceName, responder }: DaemonConfig,
): Promise<RunningDaemon | undefined> {
  for (const address of [http].flat() as (ListenAddress | undefined)[]) {
    if (address === undefined) continue;
    const page = await get(address, "/");
    const [, name, base] = HEADING.exec(page?.text ?? "") ?? [];
    const bytes = parseIpv6(base ?? "");
    const own = responder.subnets[0]!.bytes;
    if (
      name !== interfaceName || bytes === undefined ||
      !equalBytes(bytes, 0, own, 0, IPV6_LENGTH)
    ) continue;
    const health = await get(address, "/healthz");
    return { isServing: health?.status === 200 };
  }
  return undefined;
}

async function get(
  { hostname, port }: ListenAddress,
  path: string,
): Promise<{ status: number; text: string } | undefined> {
  const loopback = { "::": "::1", "0.0.0.0": "127.0.0.1" }[hostname];
  const authority = authorityOf({ hostname: loopback ?? hostname, port });
  try {
    const response = await fetch(`http://${authority}${path}`, {
      signal: AbortSignal.timeout(TIMEOUT),
      redirect: "error",
    });
    return { status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}
