import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import {
  addressOf,
  formatIpv6,
  isLinkLocal,
  isMulticast,
  isUnspecified,
  macOfAddress,
  macOfEui64,
  parseIpv6,
  parseIpv6Into,
} from "../../../lib/net/ipv6.ts";
import { NO_MAC } from "../../../lib/net/mac.ts";
import { fc } from "../../support/fast_check.ts";

Deno.test("IPv6 address", async (t) => {
  const texts: [string, string, string?][] = [
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["1::", "00010000000000000000000000000000"],
    ["2001:db8::1", "20010db8000000000000000000000001"],
    [
      "2001:DB8:0:0:1:0:0:1",
      "20010db8000000000001000000000001",
      "2001:db8::1:0:0:1",
    ],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "00000002000300040005000600070008", "0:2:3:4:5:6:7:8"],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201", "::ffff:c000:201"],
    [
      "64:ff9b::192.0.2.33",
      "0064ff9b0000000000000000c0000221",
      "64:ff9b::c000:221",
    ],
    ["0:0:0:1::", "00000000000000010000000000000000", "0:0:0:1::"],
    ["1:0:0:2:0:0:0:3", "00010000000000020000000000000003", "1:0:0:2::3"],
  ];

  await t.step("is parsed and formatted", () => {
    for (const [text, hex, canonical = text] of texts) {
      const bytes = parseIpv6(text);
      assertEquals(bytes && encodeHex(bytes), hex, text);
      assertEquals(formatIpv6(bytes!), canonical);
    }
  });

  await t.step("is not parsed from other text", () => {
    for (
      const text of [
        "",
        ":",
        ":::",
        "1",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1::2::3",
        "12345::",
        "g::",
        "1:2:3:4:5:6:7:",
        ":1:2:3:4:5:6:7",
        "fe80::1%eth0",
        "::256.0.0.1",
        "::1.2.3",
        "::01.2.3.4",
        "1:2:3:4:5:6:7:1.2.3.4",
        "192.0.2.1",
        "[::1]",
        "::1 ",
      ]
    ) assertEquals(parseIpv6(text), undefined, text);
  });

  await t.step(
    "round-trips, and agrees with the URL parser of the runtime",
    () => {
      const address = fc.uint8Array({ minLength: 16, maxLength: 16 }).chain(
        (bytes) =>
          fc.array(fc.nat({ max: 7 })).map((zeros) => {
            for (const group of zeros) bytes.fill(0, 2 * group, 2 * group + 2);
            return bytes;
          }),
      );
      fc.assert(
        fc.property(address, (bytes) => {
          const text = formatIpv6(bytes);
          assertEquals(new URL(`http://[${text}]/`).hostname, `[${text}]`);
          const out = new Uint8Array(18).fill(0xaa);
          assertEquals(parseIpv6Into(text, out, 1), true);
          assertEquals(out.slice(1, 17), bytes);
          assertEquals([out[0], out[17]], [0xaa, 0xaa]);
        }),
        { numRuns: 5000 },
      );
    },
  );

  await t.step(
    "never throws, and accepts only what the runtime accepts",
    () => {
      const text = fc.string({
        unit: fc.constantFrom(..."0:1f.%2g"),
        maxLength: 45,
      });
      fc.assert(
        fc.property(text, (text) => {
          const bytes = parseIpv6(text);
          const url = URL.parse(`http://[${text}]/`);
          assertEquals(bytes !== undefined, url !== null, text);
          if (bytes) assertEquals(`[${formatIpv6(bytes)}]`, url!.hostname);
        }),
        { numRuns: 20_000 },
      );
    },
  );

  await t.step("has a scope that is recognized", () => {
    assertEquals(isLinkLocal(parseIpv6("fe80::1")!), true);
    assertEquals(isLinkLocal(parseIpv6("febf::1")!), true);
    assertEquals(isLinkLocal(parseIpv6("fec0::1")!), false);
    assertEquals(isMulticast(parseIpv6("ff02::1:2")!), true);
    assertEquals(isMulticast(parseIpv6("fe80::1")!), false);
    assertEquals(isUnspecified(parseIpv6("::")!), true);
    assertEquals(isUnspecified(parseIpv6("::1")!), false);
  });

  await t.step("is made of the first 80 bits of a base and a MAC", () => {
    const base = parseIpv6("2001:db8:123:4567:89ab::")!;
    const address = addressOf(base, 0x0200_5eab_5301);
    assertEquals(formatIpv6(address), "2001:db8:123:4567:89ab:200:5eab:5301");
    assertEquals(macOfAddress(address), 0x0200_5eab_5301);
    assertEquals(formatIpv6(base), "2001:db8:123:4567:89ab::");
  });

  await t.step(
    "gives the MAC of an EUI-64 identifier, of link-local addresses only",
    () => {
      const macOf = (text: string) => macOfEui64(parseIpv6(text)!);
      assertEquals(macOf("fe80::5054:ff:fe12:3456"), 0x5254_0012_3456);
      assertEquals(macOf("fe80::200:5eff:feab:5301"), 0x0000_5eab_5301);
      assertEquals(macOf("fe80::5054:ff:12fe:3456"), NO_MAC);
      assertEquals(macOf("fe80:0:0:1:5054:ff:fe12:3456"), NO_MAC);
      assertEquals(macOf("2001:db8::5054:ff:fe12:3456"), NO_MAC);
    },
  );
});
