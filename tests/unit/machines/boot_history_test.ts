import { assertEquals } from "@std/assert";
import { MAX_EVENTS_PER_MACHINE } from "../../../lib/overload/limits.ts";
import { BootHistory } from "../../../lib/machines/boot_history.ts";
import { EVENTS } from "../../../lib/machines/boot_stages.ts";
import { fc } from "../../support/fast_check.ts";

const DETAIL = {
  protocol: "tftp",
  file_name: "ipxe.efi",
  state: "sending",
  sent_bytes: 1,
  total_bytes: 2,
} as const;

Deno.test("BootHistory", async (t) => {
  await t.step("returns events oldest first", () => {
    const kept = new BootHistory(10);
    const owner = 7;
    kept.add(owner, 0, 1000, 1, null);
    kept.add(owner, 4, 2000, 2, DETAIL);
    assertEquals([...kept.of(owner)], [
      { event: "init", timestamp: 1000, detail: null, sequence: 1 },
      { event: EVENTS[4], timestamp: 2000, detail: DETAIL, sequence: 2 },
    ]);
    assertEquals([...kept.of(owner, 1)].length, 1);
  });

  await t.step("keeps the last 50 events of an owner", () => {
    const kept = new BootHistory(1000);
    const owner = 7;
    for (let number = 1; number <= 70; number++) {
      kept.add(owner, 0, 0, number, null);
    }
    const numbers = [...kept.of(owner)].map(({ sequence }) => sequence);
    assertEquals(numbers.length, MAX_EVENTS_PER_MACHINE);
    assertEquals([numbers[0], numbers.at(-1)], [21, 70]);
  });

  await t.step(
    "does not evict the events of one owner for those of another",
    () => {
      const kept = new BootHistory(100);
      const quiet = 0;
      const busy = 1;
      kept.add(quiet, 0, 0, 1, null);
      for (let number = 2; number <= 1000; number++) {
        kept.add(busy, 0, 0, number, null);
      }
      assertEquals([...kept.of(quiet)].length, 1);
      assertEquals(kept.size, 1 + MAX_EVENTS_PER_MACHINE);
    },
  );

  await t.step("behaves like a list", () => {
    const steps = fc.array(
      fc.record({ owner: fc.nat({ max: 4 }), forgets: fc.nat({ max: 9 }) }),
      { maxLength: 400 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 120 }), (steps, limit) => {
        const kept = new BootHistory(limit);
        // The last of them needs a longer column.
        const owners = [0, 1, 2, 3, 5000];
        let model: [number, number][] = [];
        for (const [index, { owner, forgets }] of steps.entries()) {
          if (forgets === 0) {
            kept.forget(owners[owner]!);
            model = model.filter(([other]) => other !== owner);
            continue;
          }
          kept.add(owners[owner]!, 0, 0, index, null);
          const own = model.filter(([other]) => other === owner);
          if (own.length >= MAX_EVENTS_PER_MACHINE) {
            model.splice(model.indexOf(own[0]!), 1);
          } else if (model.length >= limit) model.shift();
          model.push([owner, index]);
        }
        assertEquals(kept.size, model.length);
        owners.forEach((owner, index) => {
          assertEquals(
            [...kept.of(owner)].map(({ sequence }) => sequence),
            model.filter(([other]) => other === index).map(([, at]) => at),
          );
        });
      }),
    );
  });
});
