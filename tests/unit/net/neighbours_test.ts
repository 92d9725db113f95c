import { assert } from "@std/assert";
import { parseIpv6 } from "../../../lib/net/ipv6.ts";
import { neighbours } from "../../../lib/net/neighbours.ts";

/** The loopback interface. */
const LOOPBACK = 1;

// Neighbours of a real link: tests/system/field/neighbours_test.ts.
Deno.test({
  name: "Neighbours",
  ignore: Deno.build.os !== "linux",
  fn: async (t) => {
    await t.step("this host reaches itself", () => {
      assert(neighbours!.isNextHopKnown(parseIpv6("::1")!, parseIpv6("::1")!));
    });

    await t.step("no host has the address of none", () => {
      for (const address of ["fe80::dead", "ff02::1", "::"]) {
        assert(!neighbours!.isKnown(parseIpv6(address)!, LOOPBACK));
      }
      assert(!neighbours!.isKnown(parseIpv6("fe80::1")!, 1_000_000));
    });
  },
});
