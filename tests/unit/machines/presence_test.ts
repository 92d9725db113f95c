import { assertEquals } from "@std/assert";
import { presenceOf } from "../../../lib/machines/presence.ts";

Deno.test("presenceOf", async (t) => {
  for (
    const [isReleased, silence, expected] of [
      [false, 0, "online"],
      [false, 1000, "online"],
      [false, 1001, "offline"],
      [true, 0, "released"],
      [true, 9999, "released"],
    ] as const
  ) {
    await t.step(`${isReleased}, ${silence} ms: ${expected}`, () => {
      assertEquals(presenceOf(isReleased, silence, 1000), expected);
    });
  }
});
