/** Requests, a daemon's state and files for the HTTP tests. */

import {
  type BootDirectory,
  type BootFile,
  urlPathNames,
} from "../../lib/boot_files/directory.ts";
import type { PathProblem } from "../../lib/boot_files/served_roots.ts";
import type { Mac } from "../../lib/net/mac.ts";
import { Api } from "../../lib/http/api.ts";
import { Router, type RouterObserver } from "../../lib/http/router.ts";
import { HostNames } from "../../lib/http/host_check.ts";
import { WebUi } from "../../lib/http/web_ui/responses.ts";
import { BootFileHandler } from "../../lib/http/boot_files.ts";
import { EventStream } from "../../lib/http/event_stream.ts";
import { MachineWriter, type UnservedJson } from "../../lib/machines/json.ts";
import type { StatusJson } from "../../lib/machines/status.ts";
import { Names } from "../../lib/machines/names_file.ts";
import { MachineRegistry } from "../../lib/machines/registry.ts";
import type { Metric } from "../../lib/telemetry/metrics.ts";
import { parseIpv6 } from "../../lib/net/ipv6.ts";
import { CooperativeScheduler } from "../../lib/overload/scheduler.ts";

export const MAC_TEXT = "02:00:5e:00:53:01";
export const MAC = 0x0200_5e00_5301;
export const OTHER_MAC_TEXT = "02:00:5e:00:53:02";
export const OTHER_MAC = 0x0200_5e00_5302;

/** Finds a machine's file, without keeping it open. */
export async function findClosed(
  files: BootDirectory,
  mac: Mac,
  escaped: string,
  problems?: PathProblem[],
): Promise<BootFile | undefined> {
  const file = await files.find(mac, urlPathNames(escaped), problems);
  file?.handle.close();
  return file;
}

/** A request, apart from its path. */
export interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly client?: string;
  readonly protocol?: "http" | "https";
  /** What stands between `http://` and the path. */
  readonly host?: string;
}

/**
 * Sends a request to a router, with exactly this path. `Deno.serve` passes on
 * the URL as the client sent it; `new Request` would resolve dot segments and
 * refuse some hosts.
 */
export async function ask(
  router: Router,
  path: string,
  {
    method = "GET",
    headers = {},
    client = "fe80::5eff:fe00:5301",
    protocol = "http",
    host = "[2001:db8:1:2::1]:6315",
  }: Asked = {},
): Promise<Response> {
  const request = {
    method,
    url: `${protocol}://${host}${path}`,
    headers: new Headers(headers),
  };
  const { promise: completed, resolve } = Promise.withResolvers<void>();
  const response = await router.handle(request as Request, {
    client,
    protocol,
    completed,
  });
  if (response.body === null) resolve();
  return new Response(response.body && taken(response.body, resolve), response);
}

/**
 * Reads a body as the runtime's server does: it copies each chunk before it
 * reads the next one.
 *
 * @param onEnd Called at the end of the body.
 */
export function taken(
  body: ReadableStream<Uint8Array>,
  onEnd: () => void = () => {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await reader.read();
      if (!done) return controller.enqueue(value.slice());
      controller.close();
      onEnd();
    },
    cancel: (reason) => {
      onEnd();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** The base address of the machines of {@linkcode Known}. */
const BASE = "2001:db8:1:2::";

/** The state of a daemon that has no sockets. */
export class Known {
  readonly registry: MachineRegistry;
  readonly writer: MachineWriter;
  readonly eventStream: EventStream;
  readonly names = new Names(undefined, {
    namesRead() {},
    namesUnreadable() {},
  });
  readonly scheduler = new CooperativeScheduler();
  /** The problem that `/healthz` reports. */
  readonly subnets = [{ text: BASE, bytes: parseIpv6(BASE)! }];
  problem: string | undefined;
  status: StatusJson | undefined;
  unserved: UnservedJson[] = [];
  metrics: Metric[] = [];

  constructor(limits = { machines: 65_536, events: 200_000 }) {
    this.registry = new MachineRegistry(limits, {
      onEvent: () => this.eventStream.notify(),
    });
    this.writer = new MachineWriter(this.registry, this.subnets);
    this.eventStream = new EventStream(
      this.registry,
      this.writer,
      this.scheduler,
    );
  }

  /** A router that serves this state. */
  handler(
    bootFiles: BootFileHandler = new BootFileHandler(undefined, () => {}),
    allows: (hostname: string) => boolean = () => true,
    hosts: readonly string[] = [],
    observer?: RouterObserver,
  ): Router {
    return new Router({
      bootFiles,
      api: new Api({
        ...this,
        records: { bases: this.subnets, domain: "lab.example" },
        unserved: () => this.unserved,
        status: () => this.status!,
        explain: (mac) => Promise.resolve({ mac } as never),
        problem: () => this.problem,
        metrics: () => this.metrics,
      }),
      page: new WebUi({
        ...this,
        interfaceName: "lan",
        baseAddress: BASE,
      }),
      allows,
      hosts: new HostNames(hosts),
      observer,
    });
  }
}

/** Pseudo-random bytes, so that no two chunks are the same. */
export function octets(length: number, seed = 7): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/**
 * Waits until a write gets another mtime than the writes before: the kernel's
 * clock of file times has a resolution of some milliseconds.
 */
export async function nextTick(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 25));
}
