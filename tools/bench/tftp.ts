/**
 * TFTP: how long a file takes, alone and together with others.
 *
 * @module
 */

import type { MeasureOptions } from "./measure_options.ts";
import { CLIENTS, SERVER, type Testbed } from "./testbed.ts";
import {
  BEST,
  median,
  OWN,
  type Quantity,
  type Results,
  type Target,
} from "./results.ts";
import {
  DAEMON,
  DENO_TFTP,
  leaveOut,
  present,
  provide,
  TFTP_PATH,
  TFTP_PEERS,
  TFTP_SIZE,
} from "./servers.ts";

/** Times that one client fetches it; the median counts. */
const FETCHES = 3;

const MANY = 200;

/** Clients after which a server is warm. */
const WARM_UP = 40;

/** A way to fetch the file. */
interface Fetch {
  readonly quantity: Quantity;
  readonly blksize: number;
  readonly window: number;
  /** Milliseconds of a round trip. */
  readonly delay: number;
  readonly clients: number;
}

function fetchOf(
  blksize: number,
  window: number,
  delay: number,
  clients: number,
  targets?: Target[],
): Fetch {
  return {
    blksize,
    window,
    delay,
    clients,
    quantity: {
      group: "tftp",
      words: `1 MiB, blksize ${blksize}, window ${window}, ` +
        (clients === 1
          ? `round trip ${delay} ms`
          : `${clients} clients at once`),
      unit: "ms",
      better: "less",
      targets,
    },
  };
}

const WINDOW_4 = fetchOf(1228, 4, 2, 1, [{ against: BEST, value: 1.1 }]);
const WINDOW_16 = fetchOf(1228, 16, 2, 1);
const TOGETHER = fetchOf(1428, 1, 0, MANY, [{ against: BEST, value: 1.2 }]);

/** The first ones are the short form. */
const FETCHED: readonly Fetch[] = [
  WINDOW_4,
  WINDOW_16,
  TOGETHER,
  fetchOf(1228, 4, 0, 1),
  fetchOf(1228, 16, 0, 1),
  fetchOf(1432, 1, 0, 1),
  fetchOf(1432, 1, 2, 1),
  fetchOf(1228, 4, 0, MANY),
];
const SHORT_FETCHED = 3;

const WINDOWS: Quantity = {
  group: "tftp",
  words: "1 MiB, round trip 2 ms: time with window 16 by that with window 4",
  unit: "x",
  better: "less",
  targets: [{ value: 0.5 }],
};

async function milliseconds(
  testbed: Testbed,
  { blksize, window, delay, clients }: Fetch,
): Promise<number> {
  const times: number[] = [];
  for (let time = 0; time < (clients === 1 ? FETCHES : 1); time++) {
    const report = await testbed.ask("tftp_load", {
      server: SERVER,
      from: CLIENTS,
      path: TFTP_PATH,
      size: TFTP_SIZE,
      blksize,
      window,
      delay,
      clients,
    });
    if (report.complete !== clients) {
      throw new Error(`not all are complete: ${JSON.stringify(report)}`);
    }
    times.push(report.milliseconds!);
  }
  return median(times);
}

/** Measures one server after the other, and all of them again. */
export async function measureTftp(
  testbed: Testbed,
  results: Results,
  { runs, isShort }: MeasureOptions,
): Promise<void> {
  await provide(testbed, TFTP_PATH, TFTP_SIZE);
  const fetched = isShort ? FETCHED.slice(0, SHORT_FETCHED) : FETCHED;
  const servers = present([
    DAEMON,
    DENO_TFTP,
    ...TFTP_PEERS,
  ]);
  for (let run = 0; run < runs; run++) {
    for (const server of servers) {
      const program = await server.start(testbed);
      try {
        // Until it listens, requests are repeated.
        await milliseconds(testbed, { ...TOGETHER, clients: WARM_UP });
        for (const one of fetched) {
          results.add(
            one.quantity,
            server.name,
            await milliseconds(testbed, one),
          );
        }
      } catch (error) {
        const failure = `${error} ${program.output}`;
        // What others cannot do is no fault of the daemon's.
        if (server === DAEMON) throw new Error(`${server.name}: ${failure}`);
        leaveOut(server.name, failure);
      }
      await testbed.stop(program);
    }
    const of = (one: Fetch) => results.valuesOf(one.quantity, OWN).at(-1)!;
    results.add(WINDOWS, OWN, of(WINDOW_16) / of(WINDOW_4));
  }
}
