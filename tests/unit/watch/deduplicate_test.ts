import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { MAX_HELD_LINES } from "../../../lib/overload/limits.ts";
import { HOLD, Merge } from "../../../lib/watch/merge.ts";

/** A merge, and the lines that it has written. */
function merge() {
  const lines: string[] = [];
  const merge = new Merge((more) => {
    lines.push(...more);
    return Promise.resolve();
  });
  const add = (key: string, label: string) =>
    merge.add(key, label, (labels) => `${key} ${labels.join("+")}`);
  return { merge, lines, add };
}

Deno.test("lines of several daemons", async (t) => {
  await t.step(
    "are one for the same event, in the order in which they came",
    async () => {
      using time = new FakeTime();
      const { lines, add } = merge();
      await add("a", "r1");
      await add("b", "r2");
      await time.tickAsync(HOLD);
      await add("a", "r2");
      assertEquals(lines, []);
      await time.tickAsync(HOLD);
      assertEquals(lines, ["a r1+r2", "b r2"]);
    },
  );

  await t.step("wait no longer than that, each by itself", async () => {
    using time = new FakeTime();
    const { lines, add } = merge();
    await add("a", "r1");
    await time.tickAsync(HOLD + 1);
    await add("b", "r1");
    await time.tickAsync(HOLD - 1);
    assertEquals(lines, ["a r1"]);
    await add("a", "r2");
    await time.tickAsync(HOLD);
    assertEquals(lines, ["a r1", "b r1"]);
    await time.tickAsync(HOLD);
    assertEquals(lines, ["a r1", "b r1", "a r2"]);
  });

  await t.step("of the same daemon stay two", async () => {
    using _time = new FakeTime();
    const { merge: one, lines, add } = merge();
    for (const label of ["r1", "r1", "r2", "r2", "r3"]) await add("a", label);
    await one.flush();
    assertEquals(lines, ["a r1+r2+r3", "a r1+r2"]);
  });

  await t.step("are bounded", async () => {
    using _time = new FakeTime();
    const { lines, add } = merge();
    for (let index = 0; index < MAX_HELD_LINES; index++) {
      await add(String(index), "r1");
    }
    assertEquals(lines.length, 0);
    await add("last", "r1");
    assertEquals(lines.length, MAX_HELD_LINES + 1);
  });

  await t.step(
    "that cannot be written are told of to whoever adds more",
    async () => {
      using _time = new FakeTime();
      const broken = new Merge(() => Promise.reject(new Error("no reader")));
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
