import { assertEquals } from "@std/assert";
import { AccessList } from "../../../lib/net/access.ts";
import type { NetworkInterface } from "../../../lib/net/interface.ts";
import { formatIpv6, parseIpv6 } from "../../../lib/net/ipv6.ts";
import {
  isInPrefix,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../../lib/net/prefix.ts";
import { fc } from "../../support/fast_check.ts";

function prefixes(...texts: string[]): Prefix[] {
  return texts.map((text) => parsePrefix(text)!);
}

/** An interface of which only the prefixes count here. */
function linkWith(...texts: string[]): NetworkInterface {
  return {
    name: "lan",
    index: 1,
    mac: 0x0200_5e00_5301,
    linkLocals: ["fe80::1"],
    addresses: [],
    states: [],
    prefixes: texts,
  };
}

Deno.test("prefixes", async (t) => {
  for (
    const [text, expected] of [
      ["2001:db8::/32", "2001:db8:: 32"],
      ["2001:db8::1", "2001:db8::1 128"],
      ["2001:DB8::1/128", "2001:db8::1 128"],
      ["::/0", ":: 0"],
      ["fe80::1%eth0", "fe80::1 128"],
      ["10.0.0.0/8", "::ffff:a00:0 104"],
      ["192.0.2.1", "::ffff:c000:201 128"],
      ["192.0.2.1/32", "::ffff:c000:201 128"],
      ["0.0.0.0/0", "::ffff:0:0 96"],
      ["::ffff:10.0.0.0/104", "::ffff:a00:0 104"],
      ["2001:db8::/129", undefined],
      ["2001:db8::/-1", undefined],
      ["2001:db8::/ 1", undefined],
      ["2001:db8::/1e1", undefined],
      ["2001:db8::/", undefined],
      ["2001:db8::/1000", undefined],
      ["2001:db8::/32/32", undefined],
      ["2001:db8:::/32", undefined],
      ["[2001:db8::]/32", undefined],
      ["192.0.2.0/33", undefined],
      ["192.0.2.0/24/8", undefined],
      ["192.0.2/24", undefined],
      ["192.0.2.256/32", undefined],
      ["192.0.02.1", undefined],
      ["192.0.2.1.1", undefined],
      // An IPv4 network that is cut short is not taken for another address.
      ["10/8", undefined],
      ["10", undefined],
      ["...", undefined],
      ["/8", undefined],
      ["", undefined],
      ["%eth0", undefined],
      ["any", undefined],
      ["example.org/64", undefined],
    ] as [string, string | undefined][]
  ) {
    await t.step(JSON.stringify(text), () => {
      const prefix = parsePrefix(text);
      assertEquals(
        prefix && `${formatIpv6(prefix.bytes)} ${prefix.length}`,
        expected,
      );
    });
  }

  for (
    const [address, prefix, expected] of [
      ["2001:db8:1:2::9", "2001:db8:1:2::/64", true],
      ["2001:db8:1:3::9", "2001:db8:1:2::/64", false],
      ["2001:db8:1:2::9", "2001:db8:1:2::8/64", true],
      ["2001:db8:1:3::9", "2001:db8:1:2::/63", true],
      ["2001:db8:1:4::9", "2001:db8:1:2::/63", false],
      ["2001:db8::1", "2001:db8::1/128", true],
      ["2001:db8::2", "2001:db8::1/128", false],
      ["2001:db8::", "2001:db8::1/127", true],
      ["7fff::", "::/1", true],
      ["8000::", "::/1", false],
      ["8000::", "::/0", true],
      ["10.255.255.255", "10.0.0.0/8", true],
      ["11.0.0.0", "10.0.0.0/8", false],
      ["::ffff:10.1.2.3", "10.0.0.0/8", true],
      ["::10.1.2.3", "10.0.0.0/8", false],
      ["192.0.2.127", "192.0.2.0/25", true],
      ["192.0.2.128", "192.0.2.0/25", false],
      ["2001:db8::1", "0.0.0.0/0", false],
      ["203.0.113.9", "0.0.0.0/0", true],
    ] as [string, string, boolean][]
  ) {
    await t.step(
      `${address} ${expected ? "is" : "is not"} in ${prefix}`,
      () => {
        assertEquals(
          isInPrefix(parseAddress(address)!, parsePrefix(prefix)!),
          expected,
        );
      },
    );
  }

  await t.step("agree with the bits, one by one", () => {
    const octets = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const bits = (bytes: Uint8Array) =>
      [...bytes].map((octet) => octet.toString(2).padStart(8, "0")).join("");
    fc.assert(
      fc.property(
        octets,
        fc.nat({ max: 128 }),
        fc.nat({ max: 127 }),
        (bytes, length, flipped) => {
          const address = bytes.slice();
          address[flipped >> 3]! ^= 0x80 >> (flipped & 7);
          const expected = bits(bytes).slice(0, length) ===
            bits(address).slice(0, length);
          assertEquals(isInPrefix(address, { bytes, length }), expected);
          assertEquals(isInPrefix(bytes, { bytes, length }), true);
        },
      ),
    );
  });

  await t.step("are read from any text, or not", () => {
    const text = fc.string({ unit: fc.constantFrom(..."0123456789abf:.%/ ") });
    fc.assert(
      fc.property(text, (text) => {
        const prefix = parsePrefix(text);
        if (prefix === undefined) return;
        const again = parsePrefix(
          `${formatIpv6(prefix.bytes)}/${prefix.length}`,
        );
        assertEquals(again, prefix);
        // The address itself is one that the IPv6 reader takes.
        const address = text.split(/[/%]/)[0]!;
        assertEquals(
          parseIpv6(address.includes(":") ? address : `::ffff:${address}`),
          prefix.bytes,
        );
      }),
      { numRuns: 5000 },
    );
  });
});

Deno.test("access", async (t) => {
  const ALWAYS = [
    "::1",
    "127.0.0.1",
    "127.255.0.1",
    "::ffff:127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "169.254.7.7",
    "::ffff:169.254.7.7",
  ];
  const STRANGERS = [
    "2001:db8:9::1",
    "203.0.113.9",
    "::ffff:203.0.113.9",
    "fec0::1",
    "::2",
    "::",
    "::127.0.0.1",
    "128.0.0.1",
    "169.255.0.1",
  ];

  await t.step("loopback and link-local without anything given", () => {
    const access = new AccessList([]);
    for (const address of ALWAYS) {
      assertEquals(access.allows(address), true, address);
    }
    for (const address of STRANGERS) {
      assertEquals(access.allows(address), false, address);
    }
  });

  await t.step("what is given", () => {
    const access = new AccessList(prefixes("2001:db8:1::/48", "192.0.2.0/24"));
    for (const address of ["2001:db8:1:ffff::1", "192.0.2.9", ...ALWAYS]) {
      assertEquals(access.allows(address), true, address);
    }
    for (const address of ["2001:db8:2::1", "192.0.3.1", ...STRANGERS]) {
      assertEquals(access.allows(address), false, address);
    }
  });

  await t.step("what the interface has, as long as it has it", () => {
    const access = new AccessList(prefixes("2001:db8:1::/64"));
    const seen = () =>
      ["2001:db8:5::9", "10.1.2.3", "2001:db8:1::9", "fe80::1"].map((address) =>
        access.allows(address)
      );
    assertEquals(seen(), [false, false, true, true]);
    access.update(linkWith("2001:db8:5::1/64", "10.1.2.1/24", "no prefix"));
    assertEquals(seen(), [true, true, true, true]);
    access.update(linkWith("10.1.0.1/16"));
    assertEquals(seen(), [false, true, true, true]);
    access.update(undefined);
    assertEquals(seen(), [false, false, true, true]);
  });

  await t.step("any", () => {
    const access = new AccessList("any");
    access.update(linkWith());
    access.update(undefined);
    for (const address of [...ALWAYS, ...STRANGERS]) {
      assertEquals(access.allows(address), true, address);
    }
  });

  await t.step("no client whose address cannot be read", () => {
    const access = new AccessList(prefixes("::/0"));
    for (
      const text of ["", "localhost", "1", "::1::", "[::1]", "/run/socket"]
    ) {
      assertEquals(access.allows(text), false, text);
    }
  });
});
