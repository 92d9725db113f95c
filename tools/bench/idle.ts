/**
 * What servers cost while no client asks them anything.
 *
 * @module
 */

import {
  DAEMON,
  DENO_ECHO_HTTP,
  DHCPV6_PEERS,
  HTTP_FILE,
  HTTP_SIZE,
  present,
  provide,
} from "./servers.ts";
import type { MeasureOptions } from "./measure_options.ts";
import { startDhcpv6 } from "./dhcpv6.ts";
import { OWN, type Quantity, type Results, type Target } from "./results.ts";
import type { Testbed } from "./testbed.ts";

/** Seconds without a packet, before the measurement and during it. */
const SECONDS = 60;
const SHORT_SECONDS = 10;

/** Wake-ups a second that are few. */
const FEW_WAKE_UPS = 5;

function idle(words: string, unit: string, target?: Target): Quantity {
  return {
    group: "idle",
    words: `idle: ${words}`,
    unit,
    better: "less",
    targets: target === undefined ? [] : [target],
  };
}

const CPU = idle("processor, of a core", "%", { value: 0.1 });
const WAKE_UPS = idle("wake-ups a second", "/s");
const WAKE_UPS_RATIO = idle(`wake-ups, by ${FEW_WAKE_UPS} a second`, "x", {
  value: 1,
});
const MEMORY = idle("resident", "MB", { value: 60 });

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Measures one server after the other. */
export async function measureIdle(
  testbed: Testbed,
  results: Results,
  { isShort }: MeasureOptions,
): Promise<void> {
  const servers = isShort
    ? [DAEMON]
    : [DAEMON, DENO_ECHO_HTTP, ...DHCPV6_PEERS];
  const seconds = isShort ? SHORT_SECONDS : SECONDS;
  await provide(testbed, HTTP_FILE, HTTP_SIZE);
  for (const server of present(servers)) {
    const program = await startDhcpv6(testbed, server);
    // What the start has left behind is collected first.
    await pause(seconds);
    const before = await testbed.activity();
    await pause(seconds);
    const after = await testbed.activity();
    // A thread that has ended does not count any more.
    const rate = (a: number, b: number) => Math.max(0, b - a) / seconds;
    const wakeUps = rate(before.wakeUps, after.wakeUps);
    const cpu = rate(before.cpuSeconds, after.cpuSeconds);
    results.add(CPU, server.name, cpu * 100);
    results.add(WAKE_UPS, server.name, wakeUps);
    if (server.name === OWN) {
      results.add(WAKE_UPS_RATIO, server.name, wakeUps / FEW_WAKE_UPS);
    }
    results.add(MEMORY, server.name, await testbed.residentMegabytes());
    await testbed.stop(program);
  }
}
