import { assertEquals } from "@std/assert";
import {
  NEW_MACHINE_BURST,
  NEW_MACHINES_PER_SECOND,
} from "../../../lib/overload/limits.ts";
import { TokenBucket } from "../../../lib/overload/token_bucket.ts";

function admitted(newcomers: TokenBucket, now: number): number {
  let count = 0;
  while (newcomers.tryTake(now)) count++;
  return count;
}

Deno.test("Newcomers", async (t) => {
  await t.step(
    "are a lab at once, then so many a second, and never saved up",
    () => {
      const newcomers = new TokenBucket(NEW_MACHINE_BURST);
      assertEquals(admitted(newcomers, 5000), NEW_MACHINE_BURST);
      assertEquals(newcomers.refused, 1);
      assertEquals(admitted(newcomers, 6000), NEW_MACHINES_PER_SECOND);
      assertEquals(admitted(newcomers, 3_600_000), NEW_MACHINE_BURST);
    },
  );
});
