import { assert, assertEquals, assertLess } from "@std/assert";
import { ReplyClassifier } from "../../../../lib/dhcpv6/server/reply_classifier.ts";
import {
  MAX_CONFIRMED_SOURCES,
  MAX_UNCONFIRMED_SOURCES,
} from "../../../../lib/overload/limits.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";

const ADDRESS = parseIpv6("fe80::5054:ff:fe12:3456")!;

function randomAddress(): Uint8Array {
  const address = parseIpv6("fe80::")!;
  crypto.getRandomValues(address.subarray(8));
  return address;
}

Deno.test("Sources", async (t) => {
  await t.step(
    "are known once they have used an answer that they were given",
    () => {
      const classifier = new ReplyClassifier();
      classifier.confirm("fe80::1");
      assertEquals(
        classifier.isConfirmed("fe80::1"),
        false,
        "it may be anybody's guess",
      );
      classifier.addUnconfirmed("fe80::1");
      assertEquals(classifier.isConfirmed("fe80::1"), false);
      classifier.confirm("fe80::1");
      assert(classifier.isConfirmed("fe80::1"));
    },
  );

  await t.step("are forgotten, the oldest first", () => {
    const classifier = new ReplyClassifier();
    for (let count = 0; count <= MAX_UNCONFIRMED_SOURCES; count++) {
      classifier.addUnconfirmed(`fe80::${count}`);
    }
    classifier.confirm("fe80::0");
    assertEquals(classifier.isConfirmed("fe80::0"), false);
    for (let count = 0; count <= MAX_CONFIRMED_SOURCES; count++) {
      classifier.addUnconfirmed(`fe80::${count}`);
      classifier.confirm(`fe80::${count}`);
    }
    assertEquals(classifier.isConfirmed("fe80::0"), false);
    assert(classifier.isConfirmed("fe80::1"));
  });

  for (
    const [later, expected] of [
      [0, "unverified"],
      [390, "unverified"],
      [1000, "retransmitting"],
      [2000, "retransmitting"],
      [30_000, "retransmitting"],
      [95_000, "unverified"],
    ] as const
  ) {
    await t.step(`ask ${later} ms later: ${expected}`, () => {
      for (let start = 1000; start < 1400; start += 50) {
        const classifier = new ReplyClassifier();
        assertEquals(classifier.classify(ADDRESS, start), "unverified");
        assertEquals(classifier.classify(ADDRESS, start + later), expected);
      }
    });
  }

  await t.step(
    "are not taken for one another, and are remembered for seconds",
    () => {
      const classifier = new ReplyClassifier();
      const COUNT = 400_000;
      const addresses = Array.from({ length: COUNT }, randomAddress);
      let mistaken = 0;
      for (const [index, address] of addresses.entries()) {
        if (classifier.classify(address, index / 100) === "retransmitting") {
          mistaken++;
        }
      }
      assertLess(mistaken, 20);
      // Four seconds of a flood later, those of its first tenth of a second.
      const again = addresses.slice(0, 10_000).filter((address) =>
        classifier.classify(address, 4000) === "retransmitting"
      );
      assertLess(9800, again.length);
    },
  );
});
