import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { MAX_HELD_LINES } from "../../../lib/overload/limits.ts";
import { Deduplicator, HOLD_INTERVAL } from "../../../lib/watch/deduplicate.ts";

/** A deduplicator with the lines that it has written. */
function setUp() {
  const lines: string[] = [];
  const deduplicator = new Deduplicator((more) => {
    lines.push(...more);
    return Promise.resolve();
  });
  const add = (key: string, label: string) =>
    deduplicator.add(key, label, (labels) => `${key} ${labels.join("+")}`);
  return { deduplicator, lines, add };
}

Deno.test("lines of several daemons", async (t) => {
  await t.step(
    "are merged for the same event, in order of arrival",
    async () => {
      using time = new FakeTime();
      const { lines, add } = setUp();
      await add("a", "r1");
      await add("b", "r2");
      await time.tickAsync(HOLD_INTERVAL);
      await add("a", "r2");
      assertEquals(lines, []);
      await time.tickAsync(HOLD_INTERVAL);
      assertEquals(lines, ["a r1+r2", "b r2"]);
    },
  );

  await t.step("are held no longer than two intervals", async () => {
    using time = new FakeTime();
    const { lines, add } = setUp();
    await add("a", "r1");
    await time.tickAsync(HOLD_INTERVAL + 1);
    await add("b", "r1");
    await time.tickAsync(HOLD_INTERVAL - 1);
    assertEquals(lines, ["a r1"]);
    await add("a", "r2");
    await time.tickAsync(HOLD_INTERVAL);
    assertEquals(lines, ["a r1", "b r1"]);
    await time.tickAsync(HOLD_INTERVAL);
    assertEquals(lines, ["a r1", "b r1", "a r2"]);
  });

  await t.step("of the same daemon are not merged", async () => {
    using _time = new FakeTime();
    const { deduplicator, lines, add } = setUp();
    for (const label of ["r1", "r1", "r2", "r2", "r3"]) await add("a", label);
    await deduplicator.flush();
    assertEquals(lines, ["a r1+r2+r3", "a r1+r2"]);
  });

  await t.step("are limited in number", async () => {
    using _time = new FakeTime();
    const { lines, add } = setUp();
    for (let index = 0; index < MAX_HELD_LINES; index++) {
      await add(String(index), "r1");
    }
    assertEquals(lines.length, 0);
    await add("last", "r1");
    assertEquals(lines.length, MAX_HELD_LINES + 1);
  });

  await t.step(
    "that cannot be written fail every later call",
    async () => {
      using _time = new FakeTime();
      const broken = new Deduplicator(() =>
        Promise.reject(new Error("no reader"))
      );
      await broken.add("a", "r1", () => "a");
      await assertRejects(() => broken.flush(), Error, "no reader");
      await assertRejects(
        () => broken.add("b", "r1", () => "b"),
        Error,
        "no reader",
      );
      await assertRejects(() => broken.flush(), Error, "no reader");
    },
  );
});
