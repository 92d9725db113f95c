import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  MAX_NEWCOMERS_A_SECOND,
  MAX_NEWCOMERS_AT_ONCE,
} from "../../../lib/overload/limits.ts";
import { Newcomers } from "../../../lib/overload/token_bucket.ts";

function admitted(newcomers: Newcomers, now: number): number {
  let count = 0;
  while (newcomers.admits(now)) count++;
  return count;
}

describe("Newcomers", () => {
  it("are a lab at once, then so many a second, and never saved up", () => {
    const newcomers = new Newcomers(MAX_NEWCOMERS_AT_ONCE);
    assertEquals(admitted(newcomers, 5000), MAX_NEWCOMERS_AT_ONCE);
    assertEquals(newcomers.refused, 1);
    assertEquals(admitted(newcomers, 6000), MAX_NEWCOMERS_A_SECOND);
    assertEquals(admitted(newcomers, 3_600_000), MAX_NEWCOMERS_AT_ONCE);
  });
});
