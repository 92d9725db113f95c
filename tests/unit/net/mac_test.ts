import { assertEquals } from "@std/assert";
import {
  formatMac,
  isUnicastMac,
  matchesMac,
  parseMac,
  parseMacPattern,
  readMac,
  writeMac,
} from "../../../lib/net/mac.ts";
import { fc } from "../../support/fast_check.ts";

const anyMac = fc.nat({ max: 2 ** 48 - 1 });

Deno.test("MAC", async (t) => {
  await t.step("is parsed in all notations", () => {
    for (
      const text of [
        "02:00:5e:AB:53:01",
        "02-00-5E-ab-53-01",
        "0200.5eab.5301",
        "02005eAB5301",
        "2:0:5e:ab:53:1",
        "2-0-5E-AB-53-1",
        "02.00.5e.ab.53.01",
        "0200-5eAB-5301",
        "02005e-ab5301",
      ]
    ) assertEquals(parseMac(text), 0x0200_5eab_5301, text);
  });

  await t.step("is not parsed from other text", () => {
    for (
      const text of [
        "",
        "02:00:5e:ab:53",
        "02:00:5e:ab:53:01:02",
        "02:00:5e:ab-53-01",
        "2:0:5e:ab:53",
        "2:0:5e:ab:53:",
        "2:0:5e:ab:53:001",
        "200.5eab.5301",
        "2005eab5301",
        "02:00:5e:ab:53:0g",
        " 02:00:5e:ab:53:01",
        "0200:5eab:5301",
        "0200-5eab.5301",
        "02005e:ab5301",
        "02005e-ab530",
      ]
    ) assertEquals(parseMac(text), undefined, text);
  });

  await t.step("round-trips as text and as bytes", () => {
    fc.assert(fc.property(anyMac, (mac) => {
      assertEquals(parseMac(formatMac(mac)), mac);
      const bytes = new Uint8Array(8);
      writeMac(bytes, 1, mac);
      assertEquals(readMac(bytes, 1), mac);
      assertEquals([bytes[0], bytes[7]], [0, 0]);
    }));
  });

  await t.step("is unicast unless it is zero or a group address", () => {
    assertEquals(isUnicastMac(0x0200_5e00_5301), true);
    assertEquals(isUnicastMac(0), false);
    assertEquals(isUnicastMac(-1), false);
    assertEquals(isUnicastMac(0x0100_5e00_0001), false);
    assertEquals(isUnicastMac(0xffff_ffff_ffff), false);
  });

  await t.step("matches patterns by leading bytes", () => {
    const patterns = ["02:de:ad:*", "0a-*", "02:00:5e:00:53:01"].map((text) =>
      parseMacPattern(text)!
    );
    assertEquals(matchesMac(patterns, 0x02de_ad00_0000), true);
    assertEquals(matchesMac(patterns, 0x02de_adff_ffff), true);
    assertEquals(matchesMac(patterns, 0x02de_ae00_0000), false);
    assertEquals(matchesMac(patterns, 0x0a12_3456_789a), true);
    assertEquals(matchesMac(patterns, 0x0200_5e00_5301), true);
    assertEquals(matchesMac(patterns, 0x0200_5e00_5302), false);
    for (
      const [text, prefix, bits] of [
        ["2:de:d:*", 0x02de0d, 24],
        ["02-DE-AD-*", 0x02dead, 24],
        ["02de.*", 0x02de, 32],
        ["02de.ad00.*", 0x02de_ad00, 16],
        ["02de-ad00-*", 0x02de_ad00, 16],
        ["02dead-*", 0x02dead, 24],
        ["02.de.ad.*", 0x02dead, 24],
        ["02DEAD000001", 0x02de_ad00_0001, 0],
      ] as const
    ) assertEquals(parseMacPattern(text), { prefix, divisor: 2 ** bits }, text);
    for (
      const text of [
        ...["*", "02:de:ad*", "02:d*", "02:*:ad", ""],
        ...["02:de-ad:*", "02dead*", "2de.*", "02de.ad00.0000.*"],
      ]
    ) {
      assertEquals(parseMacPattern(text), undefined, text);
    }
  });
});
