/** How much work something is, whoever else wants the processor. */

import { cpuUsage } from "node:process";

/** Runs of what seemed slow: what is compiled or collected meanwhile is not it. */
const RUNS = 9;

/** Milliseconds of the processor that this process has had. */
function used(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds of the processor that `work` takes, by the fastest of some runs. */
export function effortOf(work: () => void): number {
  let least = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const start = used();
    work();
    least = Math.min(least, used() - start);
  }
  return least;
}

/** The same for work that waits. */
export async function effortOfWaiting(
  work: () => unknown,
): Promise<number> {
  let least = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const start = used();
    await work();
    least = Math.min(least, used() - start);
  }
  return least;
}
