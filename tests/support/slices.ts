/**
 * A program that asks for something long about very many machines, and looks
 * how long the event loop was busy at a time meanwhile: so long would a message
 * wait. It measures the work of its thread and not time, for others may be at
 * work, too; and the second of two answers, when the code is compiled.
 *
 * Usage: `slices.ts MACHINES PATH...`. It writes a list of results as JSON, with
 * milliseconds.
 *
 * @module
 */

import { SLICE, yieldToEventLoop } from "../../lib/overload/scheduler.ts";
import { ask, Known, MAC } from "./http.ts";

const [count, ...paths] = Deno.args;

/** Work that counts as long; a slice may end in the middle of a machine. */
const LONG = 2.5 * SLICE;

/** Milliseconds for which this thread has run. */
function worked(): number {
  const nanoseconds = Deno.readTextFileSync("/proc/thread-self/schedstat");
  return parseInt(nanoseconds) / 1e6;
}

const known = new Known();
for (let index = 0; index < Number(count); index++) {
  const machine = known.registry.add(MAC + index, 0);
  known.registry.reach(machine, "firmware_init");
  known.registry.reach(machine, "http_boot");
}

/** Reads a whole answer; its bytes. */
async function read(path: string): Promise<number> {
  let total = 0;
  const { body } = await ask(known.handler(), path);
  for await (const bytes of body!) {
    total += bytes.length;
    // Events go on for ever: the state ends with an empty line.
    if (path === "/events" && bytes.at(-2) === 10 && total > 1000) break;
  }
  return total;
}

async function measure(path: string) {
  let isOver = false;
  const reading = read(path).finally(() => isOver = true);
  let all = 0;
  let long = 0;
  for (let last = worked(); !isOver;) {
    await yieldToEventLoop();
    const now = worked();
    all += now - last;
    // Now and then code is compiled, or garbage collected, in between.
    if (now - last > LONG) long += now - last;
    last = now;
  }
  return { path, total: await reading, all, long };
}

const results = [];
for (const path of paths) {
  await read(path);
  results.push(await measure(path));
}
console.log(JSON.stringify(results));
Deno.exit(0);
