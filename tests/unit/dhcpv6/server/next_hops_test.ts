import { assert, assertEquals } from "@std/assert";
import { NextHops } from "../../../../lib/dhcpv6/server/next_hops.ts";
import { formatIpv6, parseIpv6 } from "../../../../lib/net/ipv6.ts";
import type { NeighbourCalls } from "../../../../lib/net/neighbours.ts";

const IFINDEX = 7;

/** A kernel that knows some neighbours, and counts questions. */
class FakeNeighbours implements NeighbourCalls {
  asked = 0;
  readonly known = new Set<string>();

  isKnown(address: Uint8Array, ifindex: number): boolean {
    this.asked++;
    return ifindex === IFINDEX && this.known.has(formatIpv6(address));
  }

  isNextHopKnown(address: Uint8Array): boolean {
    return this.isKnown(address, IFINDEX);
  }
}

const ADDRESS = parseIpv6("fe80::1")!;
const SOURCE = parseIpv6("2001:db8::1")!;
const OTHER = parseIpv6("fe80::2")!;

Deno.test("NextHops", async (t) => {
  for (
    const [what, isThere] of [
      [
        "neighbours",
        (hops: NextHops, address: Uint8Array, now: number) =>
          hops.isNeighbour(address, IFINDEX, now),
      ],
      [
        "addresses anywhere",
        (hops: NextHops, address: Uint8Array, now: number) =>
          hops.isReachable(address, SOURCE, now),
      ],
    ] as const
  ) {
    await t.step(`${what}: are those that the kernel knows`, () => {
      const kernel = new FakeNeighbours();
      kernel.known.add("fe80::1");
      const hops = new NextHops(kernel);
      assert(isThere(hops, ADDRESS, 0));
      assert(!isThere(hops, OTHER, 0));
    });

    await t.step(`${what}: are asked for again after half a second`, () => {
      const kernel = new FakeNeighbours();
      kernel.known.add("fe80::1");
      const hops = new NextHops(kernel);
      for (let now = 0; now < 500; now += 10) {
        assert(isThere(hops, ADDRESS, now));
      }
      assertEquals(kernel.asked, 1);
      kernel.known.clear();
      assert(!isThere(hops, ADDRESS, 500));
    });

    await t.step(`${what}: one that comes is seen at once`, () => {
      const kernel = new FakeNeighbours();
      const hops = new NextHops(kernel);
      assert(!isThere(hops, ADDRESS, 0));
      kernel.known.add("fe80::1");
      assert(isThere(hops, ADDRESS, 0));
    });

    await t.step(`${what}: many are distinguished`, () => {
      const kernel = new FakeNeighbours();
      const hops = new NextHops(kernel);
      for (let index = 0; index < 20_000; index++) {
        const address = parseIpv6(`fe80::${index.toString(16)}`)!;
        if (index % 2 === 0) kernel.known.add(formatIpv6(address));
        assertEquals(isThere(hops, address, 0), index % 2 === 0);
      }
    });
  }

  await t.step("without a kernel that can be asked", () => {
    const hops = new NextHops(undefined);
    assert(!hops.isNeighbour(ADDRESS, IFINDEX, 0));
    assert(hops.isReachable(ADDRESS, SOURCE, 0));
  });
});
