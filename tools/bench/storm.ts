/**
 * The whole job: machines that are switched on at once, each of which boots
 * over the network, and the time until the last one is up.
 *
 * @module
 */

import { startDhcpv6 } from "./dhcpv6.ts";
import type { MeasureOptions, Storm } from "./measure_options.ts";
import { BARE, BEST, OWN, type Quantity, type Results } from "./results.ts";
import {
  composites,
  leaveOut,
  PORTS,
  present,
  provide,
  type Scheme,
  type Server,
  stormDaemon,
  SYSTEM_FILE,
  SYSTEM_SIZE,
  TFTP_PATH,
  TFTP_SIZE,
} from "./servers.ts";
import type { Testbed } from "./testbed.ts";

/** Machines, of the short form. */
const FEW_MACHINES = 50;

/** Seconds after which a machine that is not up has failed. */
const TIME_LIMIT = 100;

/** The last machine is up in at most so many times the time of the best peer. */
const LAST_BY_BEST = 1;
const LAST_BY_BEST_ON_BAD_LINK = 0.9;

/** What the load program calls the milliseconds to a step, for the table. */
const STEPS = {
  firmware: "first exchange",
  pxe: "PXE exchange",
  tftp: "iPXE over TFTP",
  ipxe: "iPXE's exchange",
  http: "system's file",
} as const;

/** What is measured of a storm. */
class StormQuantities {
  readonly steps: readonly { readonly name: string; quantity: Quantity }[];
  readonly p50: Quantity;
  readonly p99: Quantity;
  readonly last: Quantity;
  readonly failed: Quantity;
  readonly retransmissions: Quantity;
  readonly cpu: Quantity;
  readonly memory: Quantity;

  constructor(scheme: Scheme, { machines, delay, loss }: Storm) {
    const title = `${machines} machines, ${scheme.toUpperCase()}` +
      (delay > 0 ? `, round trip ${delay} ms` : "") +
      (loss > 0 ? `, ${loss} % lost` : "");
    const quantity = (
      words: string,
      unit: string,
      targets?: Quantity["targets"],
    ): Quantity => ({
      group: "storm",
      words: `${title}: ${words}`,
      unit,
      better: "less",
      targets,
    });
    this.steps = Object.entries(STEPS).map(([name, words]) => ({
      name,
      quantity: quantity(`${words}, half of them`, "ms"),
    }));
    this.p50 = quantity("up, half of them", "ms");
    this.p99 = quantity("up, 99 %", "ms");
    this.last = quantity("up, the last one", "ms", [{
      against: BEST,
      value: delay > 0 || loss > 0 ? LAST_BY_BEST_ON_BAD_LINK : LAST_BY_BEST,
    }]);
    this.failed = quantity("not up", "", [{ value: 0 }]);
    this.retransmissions = quantity("retransmissions", "");
    this.cpu = quantity("CPU", "s");
    this.memory = quantity("memory at most", "MB");
  }
}

/** One that does the whole job: one server, or several together. */
interface Contender {
  readonly name: string;
  readonly parts: readonly Server[];
}

/** Measures one after the other, over HTTP and HTTPS, and all of them again. */
export async function measureStorm(
  testbed: Testbed,
  results: Results,
  { runs, isShort, storm }: MeasureOptions,
): Promise<void> {
  if (!await hasLibrary("openssl/ssl.h")) {
    leaveOut("storm", "it is measured when Debian's libssl-dev is installed");
    return;
  }
  const used = isShort ? { ...storm, machines: FEW_MACHINES } : storm;
  await provide(testbed, TFTP_PATH, TFTP_SIZE);
  await provide(testbed, SYSTEM_FILE, SYSTEM_SIZE);
  await testbed.prepareStorm(used.machines);
  const schemes: Scheme[] = isShort ? ["http"] : ["http", "https"];
  const rounds = schemes.map((scheme) => ({
    scheme,
    quantities: new StormQuantities(scheme, used),
    contenders: [
      { name: OWN, parts: [stormDaemon(scheme)] },
      ...composites(scheme).filter(({ name }) => !isShort || name !== BARE),
    ].filter(({ parts }) => present(parts).length === parts.length),
  }));
  await testbed.impair(used);
  try {
    // One round tells whether it is far off, and takes half a minute.
    for (let run = 0; run < (isShort ? 1 : runs); run++) {
      for (const { scheme, quantities, contenders } of rounds) {
        for (const contender of contenders) {
          await measure(testbed, results, quantities, contender, scheme, used);
        }
      }
    }
  } finally {
    await testbed.impair({ delay: 0, loss: 0 });
  }
}

/** Whether the compiler finds a header. */
async function hasLibrary(header: string): Promise<boolean> {
  try {
    await Deno.stat(`/usr/include/${header}`);
    return true;
  } catch {
    return false;
  }
}

async function measure(
  testbed: Testbed,
  results: Results,
  quantities: StormQuantities,
  { name, parts }: Contender,
  scheme: Scheme,
  { machines }: Storm,
): Promise<void> {
  const [dhcpv6, ...others] = parts;
  const program = await startDhcpv6(testbed, dhcpv6!);
  for (const server of others) await server.start(testbed);
  await testbed.listens(PORTS[scheme]);
  await testbed.rest();
  // Machines that were just switched on are not known to the kernel.
  await testbed.router.ip("-6 neigh flush dev lan");
  const before = await testbed.cpuSeconds();
  const report = await testbed.ask("storm_load", {
    machines,
    "tftp-size": TFTP_SIZE,
    "http-size": SYSTEM_SIZE,
    seconds: TIME_LIMIT,
  });
  const add = (quantity: Quantity, value: number) =>
    results.add(quantity, name, value);
  for (const { name, quantity } of quantities.steps) {
    add(quantity, report[name]!);
  }
  add(quantities.p50, report.p50!);
  add(quantities.p99, report.p99!);
  add(quantities.last, report.last!);
  add(quantities.failed, report.failed!);
  add(quantities.retransmissions, report.retransmissions!);
  add(quantities.cpu, await testbed.cpuSeconds() - before);
  add(quantities.memory, await testbed.peakMegabytes());
  await testbed.stop(program);
}
