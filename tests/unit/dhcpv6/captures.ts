/** Captured messages of real clients, and mutations of them. */

import { fc } from "../../support/fast_check.ts";
import { hex } from "../../support/dhcpv6.ts";
import captures from "./captures.json" with { type: "json" };

/** A captured message with some bytes changed, removed or appended. */
export const changedCaptures = fc.tuple(
  fc.constantFrom(...captures.map(({ sent }) => hex(sent))),
  fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 6 }),
  fc.nat(),
  fc.uint8Array({ maxLength: 12 }),
).map(([bytes, changes, cut, rest]) => {
  const copy = bytes.slice();
  for (const [at, value] of changes) copy[at % copy.length] = value;
  const kept = cut % (4 * copy.length);
  return kept < copy.length
    ? new Uint8Array([...copy.subarray(0, kept), ...rest])
    : copy;
});
