import { assertEquals } from "@std/assert";
import { MAX_THROTTLED_KEYS } from "../../../lib/overload/limits.ts";
import { Throttle } from "../../../lib/telemetry/throttle.ts";

Deno.test("Throttle", async (t) => {
  await t.step("lets each key through once an interval", () => {
    const throttle = new Throttle();
    assertEquals(
      [0, 1, 59_999, 60_000, 60_001].map((now) =>
        throttle.isDue("a", 60_000, now)
      ),
      [true, false, false, true, false],
    );
    assertEquals(throttle.isDue("b", 60_000, 60_001), true);
  });

  await t.step(
    "refuses new keys at its capacity until old ones have expired",
    () => {
      const throttle = new Throttle();
      for (let index = 0; index < MAX_THROTTLED_KEYS; index++) {
        assertEquals(throttle.isDue(`${index}`, 60_000, index), true);
      }
      const last = MAX_THROTTLED_KEYS;
      assertEquals(throttle.isDue("one more", 60_000, last), false);
      assertEquals(throttle.isDue("one more", 60_000, 60_000), true);
    },
  );

  await t.step("lets a key that it has through at its capacity", () => {
    const throttle = new Throttle();
    for (let index = 0; index < MAX_THROTTLED_KEYS; index++) {
      throttle.isDue(`${index}`, 60_000, index === 0 ? 0 : 59_999);
    }
    assertEquals(throttle.isDue("0", 60_000, 60_000), true);
    assertEquals(throttle.isDue("one more", 60_000, 60_000), false);
  });
});
