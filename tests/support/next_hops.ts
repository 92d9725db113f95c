/**
 * A program that says which addresses this host sends to at once. Runs inside a
 * namespace.
 *
 * Usage: `next_hops.ts SOURCE ADDRESS...` writes `true` or `false` for each: for
 * `ADDRESS%IFINDEX`, whether it is a known neighbour there, for another whether
 * the next hop to it from SOURCE is one.
 *
 * @module
 */

import { parseIpv6 } from "../../lib/net/ipv6.ts";
import { neighbours } from "../../lib/net/neighbours.ts";

const [source, ...addresses] = Deno.args;
for (const argument of addresses) {
  const [address, ifindex] = argument.split("%");
  const bytes = parseIpv6(address!)!;
  console.log(
    ifindex === undefined
      ? neighbours!.isNextHopKnown(bytes, parseIpv6(source!)!)
      : neighbours!.isKnown(bytes, Number(ifindex)),
  );
}
Deno.exit(0);
