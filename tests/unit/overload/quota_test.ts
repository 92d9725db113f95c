import { assert, assertEquals } from "@std/assert";
import { ClientQuota } from "../../../lib/overload/quota.ts";

Deno.test("ClientQuota", async (t) => {
  await t.step("releases a unit once, however often it is disposed of", () => {
    const quota = new ClientQuota({ total: 3, perClient: 2 });
    const unit = quota.acquire("a")!;
    quota.acquire("a");
    assertEquals(quota.acquire("a"), undefined);
    quota.acquire("b");
    assertEquals([quota.used, quota.refused], [3, 1]);
    assertEquals(quota.acquire("c"), undefined);
    unit[Symbol.dispose]();
    unit[Symbol.dispose]();
    assertEquals([quota.used, quota.refused], [2, 2]);
    assert(quota.acquire("c") !== undefined);
    assertEquals(quota.acquire("b"), undefined);
  });

  await t.step("releases a unit at the end of a block", () => {
    const quota = new ClientQuota({ total: 1, perClient: 1 });
    {
      using unit = quota.acquire("a");
      assert(unit !== undefined);
      using refused = quota.acquire("a");
      assertEquals(refused, undefined);
    }
    assertEquals([quota.used, quota.refused], [0, 1]);
  });

  await t.step("refuses without capacity", () => {
    let hasCapacity = false;
    const quota = new ClientQuota({
      total: 9,
      perClient: 9,
      hasCapacity: () => hasCapacity,
    });
    assertEquals(quota.acquire("a"), undefined);
    hasCapacity = true;
    assert(quota.acquire("a") !== undefined);
  });
});
