import { assert, assertEquals } from "@std/assert";
import { DeadlineTimer } from "../../../lib/tftp/deadline_timer.ts";
import { pause } from "../../support/lab.ts";

/** Milliseconds. Under load, timers are late. */
const SHORT = 40;
const LONG = 60_000;

/** A timer, its deadline, and when it called back. */
function setUp(fromNow: number) {
  const calls: number[] = [];
  const state = { deadline: performance.now() + fromNow };
  const timer = new DeadlineTimer(
    () => state.deadline,
    () => calls.push(performance.now()),
  );
  return { calls, state, timer };
}

Deno.test("DeadlineTimer", async (t) => {
  await t.step("calls back once when the deadline has passed", async () => {
    const { calls, state, timer } = setUp(SHORT);
    timer.reschedule();
    await pause(10 * SHORT);
    assertEquals(calls.length, 1);
    assert(calls[0]! >= state.deadline);
  });

  await t.step(
    "does not call back before a deadline that was moved later",
    async () => {
      const { calls, state, timer } = setUp(SHORT);
      timer.reschedule();
      state.deadline += LONG;
      await pause(5 * SHORT);
      assertEquals(calls, []);
      timer.stop();
    },
  );

  await t.step("is rescheduled to an earlier deadline", async () => {
    const { calls, state, timer } = setUp(LONG);
    timer.reschedule();
    state.deadline = performance.now() + SHORT;
    timer.reschedule();
    await pause(10 * SHORT);
    assertEquals(calls.length, 1);
  });

  await t.step(
    "does not call back after stop, until it is rescheduled",
    async () => {
      const { calls, timer } = setUp(SHORT);
      timer.reschedule();
      timer.stop();
      await pause(5 * SHORT);
      assertEquals(calls, []);
      timer.reschedule();
      await pause(5 * SHORT);
      assertEquals(calls.length, 1);
    },
  );
});
