import { assertEquals } from "@std/assert";
import {
  NEW_MACHINE_BURST,
  NEW_MACHINES_PER_SECOND,
} from "../../../lib/overload/limits.ts";
import { TokenBucket } from "../../../lib/overload/token_bucket.ts";

function admitted(bucket: TokenBucket, now: number): number {
  let count = 0;
  while (bucket.tryTake(now)) count++;
  return count;
}

Deno.test("TokenBucket", async (t) => {
  await t.step(
    "allows a burst, then its rate, and never exceeds its capacity",
    () => {
      const bucket = new TokenBucket(
        NEW_MACHINE_BURST,
        NEW_MACHINES_PER_SECOND,
      );
      assertEquals(admitted(bucket, 5000), NEW_MACHINE_BURST);
      assertEquals(bucket.refused, 1);
      assertEquals(admitted(bucket, 6000), NEW_MACHINES_PER_SECOND);
      assertEquals(admitted(bucket, 3_600_000), NEW_MACHINE_BURST);
    },
  );
});
