/**
 * HTTP: how fast a large file is, alone and together, and what DHCPv6 and the
 * event stream are next to load.
 *
 * @module
 */

import type { MeasureOptions } from "./measure_options.ts";
import { startDhcpv6 } from "./dhcpv6.ts";
import {
  LINK_LOCAL_CLIENT,
  MAC,
  type Report,
  SERVER,
  type Testbed,
} from "./testbed.ts";
import {
  BARE,
  OWN,
  type Quantity,
  type Results,
  type Target,
} from "./results.ts";
import {
  DAEMON,
  DENO_ECHO_HTTP,
  DENO_HTTP,
  HTTP_FILE,
  HTTP_PEERS,
  HTTP_SIZE,
  PORTS,
  present,
  provide,
} from "./servers.ts";

const OPTIONS = {
  server: SERVER,
  port: PORTS.http,
  path: `/mac/${MAC}/${HTTP_FILE.slice(HTTP_FILE.indexOf("/") + 1)}`,
  size: HTTP_SIZE,
};

function http(
  words: string,
  unit: string,
  better: Quantity["better"],
  targets?: Target[],
): Quantity {
  return { group: "http", words, unit, better, targets };
}

/** Readers at once, and what is measured of them. */
const LOADS = [
  {
    connections: 1,
    rate: http("500 MB file, one at a time", "GB/s", "more", [
      { against: "nginx", value: 0.6 },
    ]),
    cpu: http("500 MB file, one at a time: CPU for 1 GB", "s", "less"),
  },
  {
    connections: 50,
    rate: http("500 MB file, 50 at once", "GB/s", "more", [
      { against: "nginx", value: 0.5 },
    ]),
    cpu: http("500 MB file, 50 at once: CPU for 1 GB", "s", "less"),
  },
] as const;

/** Measures one server after the other, and all of them again. */
export async function measureHttp(
  testbed: Testbed,
  results: Results,
  { runs, seconds }: MeasureOptions,
): Promise<void> {
  await provide(testbed, HTTP_FILE, HTTP_SIZE);
  const servers = present([DAEMON, DENO_HTTP, ...HTTP_PEERS]);
  for (let run = 0; run < runs; run++) {
    for (const server of servers) {
      const program = await server.start(testbed);
      await testbed.listens(PORTS.http);
      for (const { connections, rate, cpu } of LOADS) {
        const before = await testbed.cpuSeconds();
        const report = await testbed.ask("http_load", {
          ...OPTIONS,
          connections,
          seconds,
        });
        const used = await testbed.cpuSeconds() - before;
        if (report.broken! > 0) {
          throw new Error(`${server.name}: ${JSON.stringify(report)}`);
        }
        const gigabytes = report.bytes! / 1e9;
        results.add(rate, server.name, gigabytes / report.seconds!);
        results.add(cpu, server.name, used / gigabytes);
      }
      await testbed.stop(program);
    }
  }
}

const DOWNLOADS = 100;
const RATE = 1000;

function nextToDownloads(words: string, unit: string, ...targets: Target[]) {
  return {
    group: "downloads",
    words: `DHCPv6 at ${
      RATE.toLocaleString("en")
    }/s next to ${DOWNLOADS} downloads: ${words}`,
    unit,
    better: "less",
    targets,
  } as const;
}

const DOWNLOADS_P99 = nextToDownloads(
  "p99",
  "ms",
  { value: 8 },
  { against: BARE, value: 0.2 },
);
const DOWNLOADS_LOST = nextToDownloads("unanswered", "%", { value: 0.1 });
const DOWNLOADS_SPEED = {
  group: "downloads",
  words: "those downloads",
  unit: "GB/s",
  better: "more",
} as const;

function unanswered({ lost, sent }: Report): number {
  return lost! / sent! * 100;
}

/** Measures DHCPv6 next to downloads. */
export async function measureDownloads(
  testbed: Testbed,
  results: Results,
  { runs, seconds }: MeasureOptions,
): Promise<void> {
  await provide(testbed, HTTP_FILE, HTTP_SIZE);
  for (let run = 0; run < runs; run++) {
    for (const server of [DAEMON, DENO_ECHO_HTTP]) {
      const program = await startDhcpv6(testbed, server);
      const readers = testbed.startAsking("http_load", {
        ...OPTIONS,
        connections: DOWNLOADS,
        seconds: seconds + 3,
      });
      await testbed.rest();
      const report = await testbed.askFirst("dhcpv6_load", {
        from: LINK_LOCAL_CLIENT,
        rate: RATE,
        seconds,
      });
      await readers.ended();
      const read: Report = JSON.parse(readers.output.trim());
      results.add(DOWNLOADS_P99, server.name, report.p99! / 1000);
      results.add(DOWNLOADS_LOST, server.name, unanswered(report));
      results.add(
        DOWNLOADS_SPEED,
        server.name,
        read.bytes! / 1e9 / read.seconds!,
      );
      await testbed.stop(program);
    }
  }
}

const READERS = 1000;

/** Machines that are there already: each of their messages is one event. */
const MACHINES = 100;
const EVENTS_A_SECOND = 3000;

function events(
  words: string,
  unit: string,
  better: Quantity["better"],
  value: number,
): Quantity {
  return { group: "events", words, unit, better, targets: [{ value }] };
}

const DELIVERIES = events(
  `events x ${READERS.toLocaleString("en")} readers a second`,
  "/s",
  "more",
  // What is asked for, but for the moments at its beginning and end.
  0.99 * EVENTS_A_SECOND * READERS,
);
const EVENTS_P99 = events("age of an event: p99", "ms", "less", 50);
const EVENTS_DHCPV6 = events("DHCPv6 meanwhile: p99", "ms", "less", 5);

/** Measures the event stream while machines are heard of. */
export async function measureEvents(
  testbed: Testbed,
  results: Results,
  { runs, seconds, isShort }: MeasureOptions,
): Promise<void> {
  for (let run = 0; run < runs; run++) {
    const program = await startDhcpv6(testbed, DAEMON);
    const machines = { from: LINK_LOCAL_CLIENT, macs: MACHINES };
    await testbed.ask("dhcpv6_load", { ...machines, count: MACHINES });
    const readers = testbed.startAsking("http_load", {
      server: SERVER,
      port: PORTS.http,
      path: "/events",
      events: 1,
      connections: READERS,
      parsing: 2,
    });
    await readers.says(/reading/);
    const report = await testbed.askFirst("dhcpv6_load", {
      ...machines,
      // A busy machine does not carry all: readers that lag would be dropped.
      rate: isShort ? EVENTS_A_SECOND / 3 : EVENTS_A_SECOND,
      seconds: 2 * seconds,
    });
    await testbed.rest();
    await readers.stop();
    const seen: Report = JSON.parse(readers.output.trim().split("\n").at(-1)!);
    if (seen.broken! > 0) {
      throw new Error(`readers were dropped: ${JSON.stringify(seen)}`);
    }
    results.add(DELIVERIES, OWN, seen.deliveries! / seen.seconds!);
    results.add(EVENTS_P99, OWN, seen.p99!);
    results.add(EVENTS_DHCPV6, OWN, report.p99! / 1000);
    await testbed.stop(program);
  }
}
