import { assert, assertEquals, assertLess } from "@std/assert";

/** A quarter of the default limit: slices are as long as with more machines. */
const MACHINES = 16_384;
const PATHS = ["/machines", "/events", "/plain"];

interface Slices {
  readonly path: string;
  readonly total: number;
  readonly all: number;
  readonly long: number;
}

Deno.test("responses with 16,384 machines", async (t) => {
  const [deno, ...args] = Deno.env.get("TEST_DENO")!.split("\n");
  const { code, stdout } = await new Deno.Command(deno!, {
    args: [
      ...args,
      // Collecting garbage is no work of the program's.
      "--v8-flags=--min-semi-space-size=256,--max-semi-space-size=256",
      `${import.meta.dirname}/../../support/slices.ts`,
      String(MACHINES),
      ...PATHS,
    ],
    stderr: "inherit",
  }).output();
  assertEquals(code, 0);
  const results: Slices[] = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(results.map(({ path }) => path), PATHS);
  for (const { path, total, all, long } of results) {
    await t.step(`${path} yields to other work`, () => {
      assert(total > 100 * MACHINES, `${total} bytes`);
      assertLess(long, all / 4);
    });
  }
});
