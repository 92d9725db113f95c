import { assertEquals } from "@std/assert";
import { acceptsGzip } from "../../../../lib/http/web_ui/content_coding.ts";

Deno.test("acceptsGzip", async (t) => {
  for (
    const [header, accepts] of [
      [null, false],
      ["", false],
      ["identity", false],
      ["br, deflate", false],
      ["gzip", true],
      ["GZIP", true],
      ["x-gzip", true],
      ["gzip, deflate, br, zstd", true],
      ["br;q=1.0, gzip;q=0.5", true],
      ["br , gzip ; q=0.001", true],
      ["gzip;q=0", false],
      ["gzip;q=0.000, *", false],
      ["*, gzip;q=0", false],
      ["*", true],
      ["*;q=0", false],
      ["br, *;q=0.1", true],
      ["gzip;q=", false],
      ["gzip;q=many", false],
      ["gzipped", false],
    ] as const
  ) {
    await t.step(
      JSON.stringify(header),
      () => assertEquals(acceptsGzip(header), accepts),
    );
  }
});
