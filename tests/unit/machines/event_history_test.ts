import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EventLog } from "../../../lib/machines/event_history.ts";
import { fc } from "../../support/fast_check.ts";

describe("event log", () => {
  it("remembers the last events, whatever its bound", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.nat({ max: 9000 }),
        (limit, count) => {
          const log = new EventLog(limit);
          for (let number = 1; number <= count; number++) {
            log.add(number, number % 3, number % 9, number, false, null);
          }
          assertEquals(log.next, count + 1);
          assertEquals(log.first, Math.max(1, count + 1 - limit));
          for (let number = log.first; number < log.next; number++) {
            const { mac, timestamp, subnetIndex } = log.at(number);
            assert(
              mac === number && timestamp === number &&
                subnetIndex === number % 3 &&
                log.macAt(number) === number,
              `event ${number} of ${count}, bound ${limit}`,
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
