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

  await t.step("refuses without other resources", () => {
    let load = 1;
    const quota = new ClientQuota({ total: 9, perClient: 9, load: () => load });
    assertEquals(quota.acquire("a"), undefined);
    load = 0.99;
    assert(quota.acquire("a") !== undefined);
    assertEquals(quota.load, 0.99);
  });

  await t.step("keeps the last quarter for clients that have few", () => {
    const quota = new ClientQuota({ total: 40, perClient: 40 });
    let used = 0;
    while (quota.acquire("a") !== undefined) used++;
    assertEquals(used, 30);
    for (const client of ["b", "c", "d"]) {
      used = 0;
      while (quota.acquire(client) !== undefined) used++;
      assertEquals(used, client === "d" ? 2 : 4);
    }
    assertEquals(quota.load, 1);
  });

  await t.step("keeps the last quarter of other resources as well", () => {
    let load = 0.74;
    const quota = new ClientQuota({
      total: 1000,
      perClient: 1000,
      load: () => load,
    });
    for (let unit = 0; unit < 5; unit++) assert(quota.acquire("a"));
    load = 0.75;
    assertEquals(quota.acquire("a"), undefined);
    assert(quota.acquire("b"));
  });
});
