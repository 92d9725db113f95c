import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  Backoff,
  delay,
  Pause,
  waitAtMost,
} from "../../../lib/overload/timeout.ts";

Deno.test("Backoff", async (t) => {
  await t.step("doubles up to the longest wait, and can be reset", () => {
    const backoff = new Backoff(1000, 30_000, () => 1);
    const pauses = Array.from({ length: 7 }, () => backoff.next());
    assertEquals(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    backoff.reset();
    assertEquals(backoff.next(), 1000);
    backoff.reset(3000);
    assertEquals([backoff.next(), backoff.next()], [3000, 6000]);
    backoff.reset();
    assertEquals(backoff.next(), 3000);
  });

  await t.step("has a jitter of up to one half", () => {
    assertEquals(new Backoff(1000, 30_000, () => 0).next(), 500);
    const backoff = new Backoff(1000, 1000);
    const pauses = new Set(Array.from({ length: 20 }, () => backoff.next()));
    assert(pauses.size > 1);
    for (const pause of pauses) assert(pause >= 500 && pause <= 1000);
  });

  await t.step("is at least what the peer asked for", () => {
    const backoff = new Backoff(1000, 30_000, () => 1);
    assertEquals(backoff.next(7000), 7000);
    assertEquals(backoff.next(0), 2000);
  });
});

Deno.test("Pause", async (t) => {
  await t.step("ends after its time or by end(), once", async () => {
    using time = new FakeTime();
    const pause = new Pause();
    const ended: string[] = [];
    pause.end();
    void pause.wait(100).then(() => ended.push("first"));
    await time.tickAsync(99);
    assertEquals(ended, []);
    await time.tickAsync(1);
    await time.runMicrotasks();
    assertEquals(ended, ["first"]);
    void pause.wait(100).then(() => ended.push("second"));
    pause.end();
    await time.runMicrotasks();
    assertEquals(ended, ["first", "second"]);
    void pause.wait().then(() => ended.push("third"));
    await time.tickAsync(1_000_000);
    await time.runMicrotasks();
    assertEquals(ended, ["first", "second"]);
    pause.end();
    await time.runMicrotasks();
    assertEquals(ended, ["first", "second", "third"]);
  });
});

Deno.test("delay", async (t) => {
  await t.step(
    "ends after its time, or when its signal is aborted",
    async () => {
      using time = new FakeTime();
      const controller = new AbortController();
      const ended: string[] = [];
      void delay(100).then(() => ended.push("alone"));
      void delay(200, controller.signal).then(() => ended.push("in time"));
      void delay(300, controller.signal).then(() => ended.push("aborted"));
      await time.tickAsync(99);
      assertEquals(ended, []);
      await time.tickAsync(1);
      await time.tickAsync(100);
      assertEquals(ended, ["alone", "in time"]);
      controller.abort();
      await time.runMicrotasks();
      void delay(100, controller.signal).then(() => ended.push("late"));
      await time.runMicrotasks();
      assertEquals(ended, ["alone", "in time", "aborted", "late"]);
    },
  );
});

Deno.test("waitAtMost", async (t) => {
  await t.step("ends with its promise, or after its time", async () => {
    using time = new FakeTime();
    await waitAtMost(100, Promise.resolve());
    await waitAtMost(100, undefined);
    await assertRejects(
      () => waitAtMost(100, Promise.reject(new Error("refused"))),
      Error,
      "refused",
    );
    let hasEnded = false;
    void waitAtMost(100, new Promise(() => {})).then(() => hasEnded = true);
    await time.tickAsync(99);
    assert(!hasEnded);
    await time.tickAsync(1);
    await time.runMicrotasks();
    assert(hasEnded);
  });
});
