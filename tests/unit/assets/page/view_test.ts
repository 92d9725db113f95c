import { assertEquals } from "@std/assert";
import { fc } from "../../../support/fast_check.ts";
import {
  KINDS,
  ORDERS,
  searchOf,
  viewIn,
} from "../../../../assets/page/view.js";

const AT_FIRST = {
  query: "",
  filter: "all",
  order: "change",
  isCompact: false,
} as const;

Deno.test("the view of the list in the URL", async (t) => {
  await t.step("is nothing at first", () => {
    assertEquals(searchOf(AT_FIRST), "");
    assertEquals(viewIn(""), AT_FIRST);
  });

  await t.step("comes back as it was", () => {
    fc.assert(fc.property(
      fc.record({
        // As URLs have them: a lone surrogate cannot stand in one.
        query: fc.string({ unit: "grapheme", maxLength: 20 }),
        filter: fc.constantFrom("all" as const, ...KINDS),
        order: fc.constantFrom(...ORDERS),
        isCompact: fc.boolean(),
      }),
      (view) => assertEquals(viewIn(searchOf(view)), { ...view }),
    ));
  });

  await t.step("is as at first where the URL names what there is not", () => {
    for (
      const search of [
        "?show=broken&sort=address&rows=tiny",
        "?show=&sort=&rows=",
        "?show=toString&sort=__proto__",
        "?%zz=%",
        "?other=1",
      ]
    ) assertEquals(viewIn(search), AT_FIRST, search);
    assertEquals(viewIn(`?search=${"x".repeat(5000)}`).query.length, 200);
  });
});
