/**
 * A program that asks for something long about very many machines, and looks
 * how long the event loop was busy at a time meanwhile: so long would a message
 * wait. It measures work and not time, for others may be at work, too.
 *
 * Usage: `slices.ts PATH MACHINES`. It writes one line of JSON, in milliseconds.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { SLICE, yieldToEventLoop } from "../../lib/overload/scheduler.ts";
import { ask, Known, MAC } from "./http.ts";

const [path, count] = [Deno.args[0]!, Number(Deno.args[1])];

/** Work that counts as long; a slice may end in the middle of a machine. */
const LONG = 2.5 * SLICE;

function worked(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

const known = new Known();
for (let index = 0; index < count; index++) {
  const machine = known.registry.add(MAC + index, 0);
  known.registry.reach(machine, "firmware_init");
  known.registry.reach(machine, "http_boot");
}

let octets = 0;
let isOver = false;
async function read(): Promise<void> {
  const { body } = await ask(known.handler(), path);
  for await (const bytes of body!) {
    octets += bytes.length;
    // Events go on for ever: the state ends with an empty line.
    if (path === "/events" && bytes.at(-2) === 10 && octets > 1000) break;
  }
  isOver = true;
}

let all = 0;
let long = 0;
const done = read();
for (let last = worked(); !isOver;) {
  await yieldToEventLoop();
  const now = worked();
  all += now - last;
  // Now and then code is compiled, or garbage collected, in between.
  if (now - last > LONG) long += now - last;
  last = now;
}
await done;
console.log(JSON.stringify({ octets, all, long }));
Deno.exit(0);
