import { assert, assertLess } from "@std/assert";

const MACHINES = 65_536;

Deno.test("responses with 65,536 machines", async (t) => {
  for (const path of ["/machines", "/events", "/plain"]) {
    await t.step(`${path} yields to other work`, async () => {
      const [deno, ...args] = Deno.env.get("TEST_DENO")!.split("\n");
      const program = `${import.meta.dirname}/../../support/slices.ts`;
      const { stdout } = await new Deno.Command(deno!, {
        args: [...args, program, path, String(MACHINES)],
      }).output();
      const { octets, all, long } = JSON.parse(
        new TextDecoder().decode(stdout),
      );
      assert(octets > 100 * MACHINES, `${octets} octets`);
      assertLess(long, all / 4);
    });
  }
});
