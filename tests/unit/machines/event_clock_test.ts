import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  EventClock,
  formatTimestamp,
} from "../../../lib/machines/event_clock.ts";

Deno.test("timestamps", async (t) => {
  await t.step("are formatted as RFC 3339 with 6 decimals", () => {
    assertEquals(
      formatTimestamp(Date.UTC(2025, 9, 13, 20, 8, 24, 394) * 1000 + 955),
      "2025-10-13T20:08:24.394955Z",
    );
    assertEquals(formatTimestamp(0), "1970-01-01T00:00:00.000000Z");
    assertEquals(formatTimestamp(1_000_007), "1970-01-01T00:00:01.000007Z");
  });

  await t.step("are the current time, in order", () => {
    const clock = new EventClock();
    const before = Date.now();
    const times = Array.from({ length: 5000 }, () => clock.now());
    assert(times[0]! >= 1000 * before);
    assert(times.at(-1)! < 1000 * (Date.now() + 1));
    for (const [index, time] of times.entries()) {
      assert(index === 0 || time >= times[index - 1]!, `time ${index}`);
    }
    assertMatch(
      formatTimestamp(times[0]!),
      /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/,
    );
  });
});
