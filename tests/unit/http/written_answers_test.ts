import { assert, assertEquals } from "@std/assert";
import {
  MAX_API_RESPONSES,
  MAX_API_RESPONSES_PER_CLIENT,
} from "../../../lib/overload/limits.ts";
import { ask, Known } from "../../support/http.ts";

/** Waits until the promises settled now have run their reactions. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("API responses in progress", async (t) => {
  await t.step(
    "are limited in total, and more are accepted when some end",
    async () => {
      const known = new Known();
      // More text than one slice.
      for (let mac = 1; mac <= 2000; mac++) known.registry.add(mac, 0);
      const router = known.handler();
      const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
      for (let count = 0; count < MAX_API_RESPONSES; count++) {
        const path = count % 2 === 0 ? "/machines" : "/plain";
        // The last quarter is for clients with a few responses each.
        const client = `fe80::${
          count < 0.75 * MAX_API_RESPONSES
            ? Math.floor(count / MAX_API_RESPONSES_PER_CLIENT)
            : count
        }`;
        const response = await ask(router, path, { client });
        assertEquals(response.status, 200);
        readers.push(response.body!.getReader());
        assert(!(await readers.at(-1)!.read()).done);
      }
      assertEquals(router.quota.used, MAX_API_RESPONSES);
      const refusing = [
        "/machines",
        "/",
        "/plain",
        "/names",
        "/metrics",
        "/page/page.css",
      ];
      for (const path of [...refusing, "/machines/00:00:00:00:00:01"]) {
        const refused = await ask(router, path);
        assertEquals(refused.status, 503);
        assertEquals(refused.headers.get("retry-after"), "10");
        await refused.body!.cancel();
      }
      assertEquals(router.quota.refused, 7);
      // The health check has no quota.
      const health = await ask(router, "/healthz");
      assertEquals(health.status, 200);
      await health.body!.cancel();
      const first = readers.shift()!;
      while (!(await first.read()).done);
      await settled();
      assertEquals(router.quota.used, MAX_API_RESPONSES - 1);
      for (const reader of readers) await reader.cancel();
      await settled();
      assertEquals(router.quota.used, 0);
    },
  );

  await t.step("are limited for each client", async () => {
    const known = new Known();
    const router = known.handler();
    const bodies = [];
    for (let count = 0; count < MAX_API_RESPONSES_PER_CLIENT; count++) {
      bodies.push((await ask(router, "/page/page.css")).body!);
    }
    const refused = await ask(router, "/page/page.css");
    assertEquals(refused.status, 503);
    const other = await ask(router, "/page/page.css", { client: "fe80::1" });
    assertEquals(other.status, 200);
    for (const body of [...bodies, refused.body!, other.body!]) {
      await body.cancel();
    }
  });

  await t.step("do not include responses to HEAD", async () => {
    const known = new Known();
    const router = known.handler();
    for (let count = 0; count < 2 * MAX_API_RESPONSES; count++) {
      const response = await ask(router, "/machines", { method: "HEAD" });
      assertEquals([response.status, await response.text()], [200, ""]);
    }
    assertEquals(router.quota.used, 0);
  });
});
