import { assert, assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Backoff, Pause } from "../../../../lib/telemetry/otlp/waiting.ts";

Deno.test("back-off", async (t) => {
  await t.step("doubles up to its bound, and begins anew", () => {
    const backoff = new Backoff(1000, 30_000, () => 1);
    const pauses = Array.from({ length: 7 }, () => backoff.next());
    assertEquals(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    backoff.reset();
    assertEquals(backoff.next(), 1000);
  });

  await t.step("is up to one half shorter, by chance", () => {
    assertEquals(new Backoff(1000, 30_000, () => 0).next(), 500);
    const backoff = new Backoff(1000, 1000);
    const pauses = new Set(Array.from({ length: 20 }, () => backoff.next()));
    assert(pauses.size > 1);
    for (const pause of pauses) assert(pause >= 500 && pause <= 1000);
  });

  await t.step("is at least what was asked for", () => {
    const backoff = new Backoff(1000, 30_000, () => 1);
    assertEquals(backoff.next(7000), 7000);
    assertEquals(backoff.next(0), 2000);
  });
});

Deno.test("a pause", async (t) => {
  await t.step("ends by itself, or by somebody else, once", async () => {
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
