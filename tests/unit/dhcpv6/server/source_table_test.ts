import { assert, assertEquals, assertLess } from "@std/assert";
import { SourceTable } from "../../../../lib/dhcpv6/server/source_table.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";

const ADDRESS = parseIpv6("fe80::5054:ff:fe12:3456")!;

function randomAddress(): Uint8Array {
  const address = parseIpv6("fe80::")!;
  crypto.getRandomValues(address.subarray(8));
  return address;
}

Deno.test("SourceTable", async (t) => {
  for (
    const [delay, expected] of [
      [0, false],
      [390, false],
      [1000, true],
      [2000, true],
      [30_000, true],
      [95_000, false],
    ] as const
  ) {
    await t.step(`a message ${delay} ms later counts: ${expected}`, () => {
      for (let start = 1000; start < 1400; start += 50) {
        const table = new SourceTable();
        assertEquals(table.isRetransmitting(ADDRESS, start), false);
        assertEquals(table.isRetransmitting(ADDRESS, start + delay), expected);
      }
    });
  }

  await t.step("counts fewer messages of one that never pauses", () => {
    const table = new SourceTable();
    const counted: number[] = [];
    for (let now = 0; now < 20_000; now += 20) {
      if (table.isRetransmitting(ADDRESS, now)) counted.push(now);
    }
    assertEquals(counted, [
      800,
      2400,
      5200,
      8000,
      10_800,
      13_600,
      16_400,
      19_200,
    ]);
  });

  for (
    const [what, pauses] of [
      ["doubles its timeout", [900, 1800, 3600, 7200, 14_400, 28_800]],
      ["waits 3 s", [3000, 3000, 3000, 3000]],
    ] as const
  ) {
    await t.step(`counts each message of a client that ${what}`, () => {
      for (let start = 1000; start < 1400; start += 50) {
        const table = new SourceTable();
        let now = start;
        table.isRetransmitting(ADDRESS, now);
        for (const pause of pauses) {
          assert(table.isRetransmitting(ADDRESS, now += pause), `${now}`);
        }
      }
    });
  }

  await t.step(
    "distinguishes sources, and remembers them for seconds",
    () => {
      const table = new SourceTable();
      const COUNT = 400_000;
      const addresses = Array.from({ length: COUNT }, randomAddress);
      let misclassified = 0;
      for (const [index, address] of addresses.entries()) {
        if (table.isRetransmitting(address, index / 100)) {
          misclassified++;
        }
      }
      assertLess(misclassified, 20);
      // The sources of the first 0.1 s of a flood, after 4 s of it.
      const recognized = addresses.slice(0, 10_000).filter((address) =>
        table.isRetransmitting(address, 4000)
      );
      assertLess(9800, recognized.length);
    },
  );
});
