/**
 * DHCPv6: how many answers a second, how soon, and what they cost.
 *
 * @module
 */

import type { MeasureOptions } from "./measure_options.ts";
import {
  CLIENT,
  LINK_LOCAL_CLIENT,
  type Report,
  SERVER,
  type Testbed,
} from "./testbed.ts";
import {
  median,
  OWN,
  type Quantity,
  type Results,
  type Target,
} from "./results.ts";
import {
  C_ECHO,
  DAEMON,
  DENO_ECHO,
  DHCPV6_PEERS,
  present,
  type Server,
} from "./servers.ts";

/** Machines that ask, in turn. */
const MACHINES = 10_000;

/** Answers after which a server is warm, or seconds. */
const WARM_UP = { count: 100_000, seconds: 3 };

/** Messages a second at which answer times are compared. */
const RATE = 5000;

/**
 * Times, of a second each, that they are. One stop of the whole machine is a
 * hundredth of the answers of a second: it may spoil one time, not the median.
 */
const RATE_TIMES = 5;

type Mode = "solicit" | "exchange" | "relayed";

/** What clients of one kind do, and what is measured of it. */
interface Load {
  readonly mode: Mode;
  readonly outstanding: number;
  readonly rate: Quantity;
  readonly p50: Quantity;
  readonly p99: Quantity;
  readonly cpu: Quantity;
}

const MODE_WORDS: Record<Mode, string> = {
  solicit: "Solicit, Advertise",
  exchange: "whole exchange",
  relayed: "relayed Solicit",
};

function load(mode: Mode, outstanding: number, targets: Target[]): Load {
  const quantity = (
    what: string,
    unit: string,
    better: Quantity["better"],
    targets?: Target[],
  ): Quantity => ({
    group: "dhcpv6",
    words: `${MODE_WORDS[mode]}, ${outstanding} outstanding: ${what}`,
    unit,
    better,
    targets,
  });
  return {
    mode,
    outstanding,
    rate: quantity("answers a second", "/s", "more", targets),
    p50: quantity("p50", "us", "less"),
    p99: quantity("p99", "us", "less"),
    cpu: quantity("CPU for 100,000", "s", "less"),
  };
}

/** What there is at all of the loads; the first ones are the short form. */
const LOADS: readonly Load[] = [
  load("solicit", 32, [
    { against: DENO_ECHO.name, value: 0.75 },
    { against: "Kea", value: 1.25 },
    { against: "dnsmasq", value: 1.25 },
  ]),
  load("exchange", 32, [
    { against: DENO_ECHO.name, value: 0.75 },
    { against: "Kea", value: 1.1 },
  ]),
  load("relayed", 32, []),
  load("solicit", 256, []),
  load("exchange", 256, []),
  load("relayed", 256, []),
];
const SHORT_LOADS = 2;

function atFixedRate(part: string, targets?: Target[]): Quantity {
  return {
    group: "dhcpv6",
    words: `Solicit at ${RATE.toLocaleString("en")}/s: ${part}`,
    unit: "us",
    better: "less",
    targets,
  };
}

const RATE_P50 = atFixedRate("p50");
const RATE_P99 = atFixedRate("p99", [
  { value: 1000 },
  { against: "Kea", value: 1 },
]);

/** A server's part in a message: an echo sends back what it gets. */
function modeFor({ name }: Server, mode: Mode): string {
  return name.endsWith("echo") ? "echo" : mode;
}

/** Starts a server and waits until it answers. */
export async function startDhcpv6(testbed: Testbed, server: Server) {
  const program = await server.start(testbed);
  try {
    await testbed.ask("dhcpv6_load", {
      mode: "first",
      from: LINK_LOCAL_CLIENT,
      seconds: 20,
    });
  } catch (error) {
    throw new Error(`${server.name} does not answer: ${program.output}`, {
      cause: error,
    });
  }
  return program;
}

/** Source and destination of a relay, and its link-address. */
const RELAY = { from: CLIENT, server: SERVER, "link-address": CLIENT };

async function measureLoad(
  testbed: Testbed,
  results: Results,
  server: Server,
  { mode, outstanding, rate, p50, p99, cpu }: Load,
  seconds: number,
): Promise<void> {
  const options = {
    mode: modeFor(server, mode),
    outstanding,
    macs: MACHINES,
    from: LINK_LOCAL_CLIENT,
    ...mode === "relayed" && RELAY,
  };
  await testbed.ask("dhcpv6_load", { ...options, ...WARM_UP });
  const before = await testbed.cpuSeconds();
  const report = await testbed.ask("dhcpv6_load", { ...options, seconds });
  const used = await testbed.cpuSeconds() - before;
  check(server, report);
  results.add(rate, server.name, report.perSecond!);
  results.add(p50, server.name, report.p50!);
  results.add(p99, server.name, report.p99!);
  results.add(cpu, server.name, used / report.answered! * 100_000);
}

/** Figures of a server that does not do its work are none. */
function check(server: Server, report: Report): void {
  const { answered, wrong } = report;
  if (answered === 0 || wrong! > answered! / 100) {
    throw new Error(
      `${server.name} answers wrongly: ${JSON.stringify(report)}`,
    );
  }
}

async function measureRate(
  testbed: Testbed,
  results: Results,
  server: Server,
): Promise<void> {
  const reports: Report[] = [];
  for (let time = 0; time < RATE_TIMES; time++) {
    reports.push(
      await testbed.ask("dhcpv6_load", {
        mode: modeFor(server, "solicit"),
        rate: RATE,
        from: LINK_LOCAL_CLIENT,
        seconds: 1,
        macs: MACHINES,
      }),
    );
  }
  results.add(RATE_P50, server.name, median(reports.map(({ p50 }) => p50!)));
  results.add(RATE_P99, server.name, median(reports.map(({ p99 }) => p99!)));
}

/** Measures one server after the other, and all of them again. */
export async function measureDhcpv6(
  testbed: Testbed,
  results: Results,
  { runs, seconds, isShort }: MeasureOptions,
): Promise<void> {
  const servers = present([
    DAEMON,
    DENO_ECHO,
    ...isShort ? DHCPV6_PEERS.slice(0, 2) : [C_ECHO, ...DHCPV6_PEERS],
  ]);
  const loads = isShort ? LOADS.slice(0, SHORT_LOADS) : LOADS;
  for (let run = 0; run < runs; run++) {
    for (const server of servers) {
      const program = await startDhcpv6(testbed, server);
      for (const load of loads) {
        const isBare = server === DENO_ECHO || server === C_ECHO;
        // The bare loop hears what comes by multicast only.
        if (isBare && load.mode === "relayed") continue;
        await measureLoad(testbed, results, server, load, seconds);
      }
      await measureRate(testbed, results, server);
      await testbed.stop(program);
    }
  }
}

/** Exchanges, and machines that make them, for the growth of memory. */
const EXCHANGES = 1_000_000;
const FIRST_EXCHANGES = 200_000;
const MANY_MACHINES = 100_000;

function memory(words: string, targets?: Target[]): Quantity {
  return { group: "memory", words, unit: "MB", better: "less", targets };
}

const IDLE = memory("resident, idle", [{ value: 60 }]);
const AFTER_FIRST = memory("resident after 200,000 exchanges of 100,000 MACs");
const AFTER_ALL = memory("resident after 1,000,000 exchanges", [
  { value: 140 },
]);
const GROWTH: Quantity = {
  group: "memory",
  words: "resident after 1,000,000 exchanges, by that after 200,000",
  unit: "x",
  better: "less",
  targets: [{ value: 1.05 }],
};

/** Measures what servers hold, and the daemon after very many exchanges. */
export async function measureMemory(
  testbed: Testbed,
  results: Results,
  { isShort }: MeasureOptions,
): Promise<void> {
  for (const server of present([DAEMON, DENO_ECHO, ...DHCPV6_PEERS])) {
    const program = await startDhcpv6(testbed, server);
    await testbed.rest();
    results.add(IDLE, server.name, await testbed.residentMegabytes());
    if (server.name === OWN && !isShort) await measureGrowth(testbed, results);
    await testbed.stop(program);
  }
}

async function measureGrowth(
  testbed: Testbed,
  results: Results,
): Promise<void> {
  let first = 0;
  let last = 0;
  for (let done = 0; done < EXCHANGES; done += FIRST_EXCHANGES) {
    await testbed.ask("dhcpv6_load", {
      mode: "exchange",
      from: LINK_LOCAL_CLIENT,
      macs: MANY_MACHINES,
      count: 2 * FIRST_EXCHANGES,
      seconds: 100,
    });
    last = await testbed.residentMegabytes();
    if (first === 0) first = last;
  }
  results.add(AFTER_FIRST, OWN, first);
  results.add(AFTER_ALL, OWN, last);
  results.add(GROWTH, OWN, last / first);
}

const START: Quantity = {
  group: "start",
  words: "start to first answer",
  unit: "s",
  better: "less",
  targets: [{ value: 0.3 }],
};

/** Measures the time from the start of a server to its first reply. */
export async function measureStart(
  testbed: Testbed,
  results: Results,
  { runs }: MeasureOptions,
): Promise<void> {
  const servers = present([DAEMON, ...DHCPV6_PEERS]);
  for (let run = 0; run < runs; run++) {
    for (const server of servers) {
      const asking = testbed.startAsking("dhcpv6_load", {
        mode: "first",
        seconds: 20,
      });
      const begun = Date.now();
      const program = await server.start(testbed);
      await asking.ended();
      const { answeredAt } = JSON.parse(asking.output);
      results.add(START, server.name, (answeredAt - begun) / 1000);
      await testbed.stop(program);
    }
  }
}
