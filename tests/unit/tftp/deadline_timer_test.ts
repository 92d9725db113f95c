import { assertEquals } from "@std/assert";
import { DeadlineTimer } from "../../../lib/tftp/deadline_timer.ts";
import { FakeClock } from "../../support/clock.ts";

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
  using clock = new FakeClock();

  await t.step("calls back once when the deadline has passed", async () => {
    const { calls, state, timer } = setUp(50);
    timer.reschedule();
    await clock.advance(49);
    assertEquals(calls, []);
    await clock.advance(1000);
    assertEquals(calls, [state.deadline]);
  });

  await t.step(
    "does not call back before a deadline that was moved later",
    async () => {
      const { calls, state, timer } = setUp(50);
      timer.reschedule();
      state.deadline += 1000;
      await clock.advance(1049);
      assertEquals(calls, []);
      await clock.advance(1);
      assertEquals(calls, [state.deadline]);
    },
  );

  await t.step("is rescheduled to an earlier deadline", async () => {
    const { calls, state, timer } = setUp(60_000);
    timer.reschedule();
    state.deadline = performance.now() + 50;
    timer.reschedule();
    await clock.advance(50);
    assertEquals(calls, [state.deadline]);
  });

  await t.step(
    "does not call back after stop, until it is rescheduled",
    async () => {
      const { calls, timer } = setUp(50);
      timer.reschedule();
      timer.stop();
      await clock.advance(1000);
      assertEquals(calls, []);
      timer.reschedule();
      await clock.advance(1);
      assertEquals(calls.length, 1);
    },
  );
});
