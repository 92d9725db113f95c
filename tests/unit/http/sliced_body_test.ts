import { assert, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

const MACHINES = 65_536;

describe("answers about very many machines", () => {
  for (const path of ["/machines", "/events", "/"]) {
    it(`let messages in: ${path}`, async () => {
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
