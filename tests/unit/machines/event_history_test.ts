import { assert, assertEquals } from "@std/assert";
import { EventHistory } from "../../../lib/machines/event_history.ts";
import { fc } from "../../support/fast_check.ts";

Deno.test("EventHistory", async (t) => {
  await t.step("keeps the last events at any limit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.nat({ max: 9000 }),
        (limit, count) => {
          const history = new EventHistory(limit);
          for (let number = 1; number <= count; number++) {
            history.add(number, number % 3, number % 9, number, false, null);
          }
          assertEquals(history.next, count + 1);
          assertEquals(history.first, Math.max(1, count + 1 - limit));
          for (let number = history.first; number < history.next; number++) {
            const { mac, timestamp, subnetIndex } = history.at(number);
            assert(
              mac === number && timestamp === number &&
                subnetIndex === number % 3 &&
                history.macAt(number) === number,
              `event ${number} of ${count}, bound ${limit}`,
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
