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

Deno.test("ReplyClassifier", async (t) => {
  await t.step(
    "confirms sources that use a reply which they were sent",
    () => {
      const classifier = new ReplyClassifier();
      classifier.confirm("fe80::1");
      assertEquals(
        classifier.isConfirmed("fe80::1"),
        false,
        "a source that was sent no reply",
      );
      classifier.addUnconfirmed("fe80::1");
      assertEquals(classifier.isConfirmed("fe80::1"), false);
      classifier.confirm("fe80::1");
      assert(classifier.isConfirmed("fe80::1"));
    },
  );

  await t.step("evicts the oldest sources first", () => {
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
    const [delay, expected] of [
      [0, "unverified"],
      [390, "unverified"],
      [1000, "retransmitting"],
      [2000, "retransmitting"],
      [30_000, "retransmitting"],
      [95_000, "unverified"],
    ] as const
  ) {
    await t.step(`a message ${delay} ms later: ${expected}`, () => {
      for (let start = 1000; start < 1400; start += 50) {
        const classifier = new ReplyClassifier();
        assertEquals(classifier.classify(ADDRESS, start), "unverified");
        assertEquals(classifier.classify(ADDRESS, start + delay), expected);
      }
    });
  }

  await t.step(
    "distinguishes sources, and remembers them for seconds",
    () => {
      const classifier = new ReplyClassifier();
      const COUNT = 400_000;
      const addresses = Array.from({ length: COUNT }, randomAddress);
      let misclassified = 0;
      for (const [index, address] of addresses.entries()) {
        if (classifier.classify(address, index / 100) === "retransmitting") {
          misclassified++;
        }
      }
      assertLess(misclassified, 20);
      // The sources of the first 0.1 s of a flood, after 4 s of it.
      const recognized = addresses.slice(0, 10_000).filter((address) =>
        classifier.classify(address, 4000) === "retransmitting"
      );
      assertLess(9800, recognized.length);
    },
  );
});
