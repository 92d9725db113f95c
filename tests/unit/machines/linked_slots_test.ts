import { assert, assertEquals, assertThrows } from "@std/assert";
import { growColumns, NONE } from "../../../lib/machines/columns.ts";
import { LinkedSlots } from "../../../lib/machines/linked_slots.ts";
import { fc } from "../../support/fast_check.ts";

Deno.test("linked slots", async (t) => {
  await t.step("hand out the lowest slots first, up to the limit", () => {
    const slots = new LinkedSlots(2);
    assertEquals([slots.oldest, slots.capacity, slots.isFull], [
      NONE,
      0,
      false,
    ]);
    assertEquals([slots.allocate(), slots.allocate()], [0, 1]);
    assertEquals([slots.size, slots.capacity, slots.isFull], [2, 2, true]);
    assertThrows(() => slots.allocate(), RangeError);
    slots.free(0);
    assertEquals(slots.allocate(), 0);
  });

  await t.step("do what a list would do", () => {
    const steps = fc.array(
      fc.record({
        action: fc.constantFrom("allocate", "allocate", "touch", "free"),
        at: fc.nat(),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 12 }), (steps, limit) => {
        const slots = new LinkedSlots(limit);
        let model: number[] = [];
        for (const { action, at } of steps) {
          if (action === "allocate") {
            assertEquals(slots.isFull, model.length === limit);
            if (slots.isFull) continue;
            const slot = slots.allocate();
            assert(!model.includes(slot) && slot < slots.capacity);
            model = [slot, ...model];
          } else if (model.length > 0) {
            const slot = model[at % model.length]!;
            model = model.filter((other) => other !== slot);
            if (action === "free") slots.free(slot);
            else {
              slots.touch(slot);
              model = [slot, ...model];
            }
          }
          assertEquals([...slots.newestFirst()], model);
          assertEquals(slots.oldest, model.at(-1) ?? NONE);
          assertEquals(slots.size, model.length);
        }
      }),
    );
  });

  await t.step("keep their order when they grow", () => {
    const slots = new LinkedSlots(5000);
    for (let count = 0; count < 5000; count++) slots.allocate();
    assertEquals(slots.capacity, 5000);
    assertEquals(
      [...slots.newestFirst()],
      Array.from({ length: 5000 }, (_, index) => 4999 - index),
    );
  });
});

Deno.test("columns grow together and keep their entries", () => {
  const columns = { small: Uint8Array.of(1, 2), large: Float64Array.of(0.5) };
  growColumns(columns, 3);
  assertEquals(columns.small, Uint8Array.of(1, 2, 0));
  assertEquals(columns.large, Float64Array.of(0.5, 0, 0));
});
