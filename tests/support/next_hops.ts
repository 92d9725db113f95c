/**
 * A program that says which addresses this host sends to at once. Runs inside a
 * namespace.
 *
 * Usage: `next_hops.ts ADDRESS...` writes `true` or `false` for each: for
 * `ADDRESS%IFINDEX`, whether it is a known neighbour there, for another whether
 * the next hop to it is one.
 *
 * @module
 */

import { parseIpv6 } from "../../lib/net/ipv6.ts";
import { neighbours } from "../../lib/net/neighbours.ts";

for (const argument of Deno.args) {
  const [address, ifindex] = argument.split("%");
  const bytes = parseIpv6(address!)!;
  console.log(
    ifindex === undefined
      ? neighbours!.isNextHopKnown(bytes)
      : neighbours!.isKnown(bytes, Number(ifindex)),
  );
}
Deno.exit(0);
