import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MAX_WRITTEN_BODIES } from "../../lib/limits.ts";
import { ask, Known } from "./ask.ts";

describe("answers that are being written", () => {
  it("are so many at once, and more when some are taken", async () => {
    const known = new Known();
    // Longer than what is written at once.
    for (let mac = 1; mac <= 2000; mac++) known.registry.add(mac, 0);
    const handler = known.handler();
    const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
    for (let count = 0; count < MAX_WRITTEN_BODIES; count++) {
      const path = count % 2 === 0 ? "/machines" : "/";
      const response = await ask(handler, path);
      assertEquals(response.status, 200);
      readers.push(response.body!.getReader());
      assert(!(await readers.at(-1)!.read()).done);
    }
    assertEquals(known.bodies.active, MAX_WRITTEN_BODIES);
    for (const path of ["/machines", "/", "/names"]) {
      const refused = await ask(handler, path);
      assertEquals(refused.status, 503);
      assertEquals(refused.headers.get("retry-after"), "10");
      await refused.body!.cancel();
    }
    // What is written at once is not concerned.
    const health = await ask(handler, "/healthz");
    assertEquals(health.status, 200);
    await health.body!.cancel();
    const first = readers.shift()!;
    while (!(await first.read()).done);
    assertEquals(known.bodies.active, MAX_WRITTEN_BODIES - 1);
    for (const reader of readers) await reader.cancel();
    assertEquals(known.bodies.active, 0);
  });

  it("count for nothing when nobody reads them", async () => {
    const known = new Known();
    const handler = known.handler();
    for (let count = 0; count < 2 * MAX_WRITTEN_BODIES; count++) {
      const response = await ask(handler, "/machines", { method: "HEAD" });
      assertEquals(response.status, 200);
    }
    assertEquals(known.bodies.active, 0);
  });
});
