import { assert, assertEquals } from "@std/assert";
import { DeadlineTimer } from "../../../lib/tftp/deadline_timer.ts";
import { pause } from "../../support/lab.ts";

/** Milliseconds; timers here may be late by much. */
const WHILE = 40;
const LONG = 60_000;

/** An alarm, its deadline, and when it rang. */
function setUp(fromNow: number) {
  const rings: number[] = [];
  const state = { deadline: performance.now() + fromNow };
  const timer = new DeadlineTimer(
    () => state.deadline,
    () => rings.push(performance.now()),
  );
  return { rings, state, alarm: timer };
}

Deno.test("Alarm", async (t) => {
  await t.step("rings once when the deadline has passed", async () => {
    const { rings, state, alarm: timer } = setUp(WHILE);
    timer.reschedule();
    await pause(10 * WHILE);
    assertEquals(rings.length, 1);
    assert(rings[0]! >= state.deadline);
  });

  await t.step(
    "does not ring before a deadline that has moved away",
    async () => {
      const { rings, state, alarm: timer } = setUp(WHILE);
      timer.reschedule();
      state.deadline += LONG;
      await pause(5 * WHILE);
      assertEquals(rings, []);
      timer.stop();
    },
  );

  await t.step("follows a deadline that has come nearer", async () => {
    const { rings, state, alarm: timer } = setUp(LONG);
    timer.reschedule();
    state.deadline = performance.now() + WHILE;
    timer.reschedule();
    await pause(10 * WHILE);
    assertEquals(rings.length, 1);
  });

  await t.step(
    "rings no more when it was stopped, and again when it follows",
    async () => {
      const { rings, alarm: timer } = setUp(WHILE);
      timer.reschedule();
      timer.stop();
      await pause(5 * WHILE);
      assertEquals(rings, []);
      timer.reschedule();
      await pause(5 * WHILE);
      assertEquals(rings.length, 1);
    },
  );
});
