import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cpuUsage } from "node:process";
import { letIn, SLICE } from "../../lib/turns.ts";
import { ask, Known, MAC } from "./ask.ts";

const MACHINES = 65_536;

/** Milliseconds of work that this process has done. */
function worked(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

/**
 * Milliseconds of work between two turns of the event loop, sorted, while
 * something goes on: as long would a message wait. What other processes take
 * away is nobody's fault here.
 */
async function gapsWhile(work: () => Promise<unknown>): Promise<number[]> {
  const gaps: number[] = [];
  let isOver = false;
  const done = work().finally(() => isOver = true);
  let last = worked();
  while (!isOver) {
    await letIn();
    const now = worked();
    gaps.push(now - last);
    last = now;
  }
  await done;
  return gaps.sort((a, b) => a - b);
}

describe("answers about very many machines", () => {
  const known = new Known();
  const handler = known.handler();
  for (let index = 0; index < MACHINES; index++) {
    const machine = known.registry.add(MAC + index, 0);
    known.registry.reach(machine, "firmware_init");
    known.registry.reach(machine, "http_boot");
  }

  for (const path of ["/machines", "/events", "/"]) {
    it(`let messages in: ${path}`, async () => {
      let length = 0;
      const gaps = await gapsWhile(async () => {
        const { body } = await ask(handler, path);
        for await (const bytes of body!) {
          length += bytes.length;
          // The events go on for ever: the state ends with an empty line.
          if (path === "/events" && bytes.at(-2) === 10 && length > 1000) break;
        }
      });
      assert(length > 200 * MACHINES, `${path}: ${length} octets`);
      // Now and then code is compiled, or garbage collected, in between.
      const long = gaps.filter((gap) => gap > 2.5 * SLICE);
      const sum = (times: number[]) => times.reduce((a, b) => a + b, 0);
      assertLess(sum(long), sum(gaps) / 4);
    });
  }

  it("remember all of them", () => {
    assertEquals(known.registry.size, MACHINES);
  });
});
