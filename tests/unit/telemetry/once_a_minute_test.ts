import { assertEquals } from "@std/assert";
import { MAX_THROTTLED_KEYS } from "../../../lib/overload/limits.ts";
import { OnceAMinute } from "../../../lib/telemetry/once_a_minute.ts";

Deno.test("OnceAMinute", async (t) => {
  await t.step("tells each thing once a minute", () => {
    const told = new OnceAMinute();
    assertEquals(
      [0, 1, 59_999, 60_000, 60_001].map((now) => told.isDue("a", now)),
      [true, false, false, true, false],
    );
    assertEquals(told.isDue("b", 60_001), true);
  });

  await t.step(
    "remembers no more than its bound, and goes on when that is old",
    () => {
      const told = new OnceAMinute();
      for (let index = 0; index < MAX_THROTTLED_KEYS; index++) {
        assertEquals(told.isDue(`${index}`, index), true);
      }
      assertEquals(told.isDue("one more", MAX_THROTTLED_KEYS), false);
      assertEquals(told.isDue("one more", 60_000), true);
    },
  );
});
