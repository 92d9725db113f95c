import { assertEquals, assertLess } from "@std/assert";
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

  await t.step("counts one message in two ticks", () => {
    const table = new SourceTable();
    let counted = 0;
    for (let now = 0; now < 60_000; now += 20) {
      if (table.isRetransmitting(ADDRESS, now)) counted++;
    }
    assertEquals(counted, 60_000 / 800 - 1);
  });

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
