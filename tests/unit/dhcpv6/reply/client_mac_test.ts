import { assertEquals } from "@std/assert";
import { linkLayerDuid, macOfDuid } from "../../../../lib/dhcpv6/wire/duid.ts";
import {
  findClientMac,
  type MacSource,
  noClientMac,
} from "../../../../lib/dhcpv6/reply/client_mac.ts";
import { Packet } from "../../../../lib/dhcpv6/wire/packet.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";
import { formatMac, NO_MAC } from "../../../../lib/net/mac.ts";
import { hex, message, opt, relayed } from "../../../support/dhcpv6.ts";

const EUI = "fe80::5054:ff:fe12:3456";
const EUI_MAC = "52:54:00:12:34:56";
const LL = opt(1, "0003 0001 0200000000aa");
const LLT = opt(1, "0001 0001 2a3b4c5d 0200000000bb");
const UUID = opt(1, "0004 00112233445566778899aabbccddeeff");
const DEFAULT: MacSource[] = ["relay", "duid", "eui64"];

function macOf(
  bytes: Uint8Array,
  { from = "fe80::1", order = DEFAULT } = {},
): string {
  const packet = new Packet();
  assertEquals(packet.read(bytes), undefined);
  const found = noClientMac();
  findClientMac(packet, parseIpv6(from)!, order, found);
  if (found.mac === NO_MAC) return "none";
  const text = `${formatMac(found.mac)} ${found.source}`;
  return found.otherMac === NO_MAC
    ? text
    : `${text}, not ${formatMac(found.otherMac)} ${found.otherSource}`;
}

Deno.test("findClientMac", async (t) => {
  for (
    const [name, bytes, expected, how] of [
      ["DUID-LL", message(1, LL), "02:00:00:00:00:aa duid"],
      ["DUID-LLT", message(1, LLT), "02:00:00:00:00:bb duid"],
      ["DUID-UUID", message(1, UUID), "none"],
      [
        "DUID-EN",
        message(1, opt(1, "0002 0000ab11 0011223344556677")),
        "none",
      ],
      [
        "DUID-LL of another hardware type",
        message(1, opt(1, "0003 0020 0200000000aa")),
        "none",
      ],
      [
        "DUID-LL of eight bytes",
        message(1, opt(1, "0003 0001 0200000000aabbcc")),
        "none",
      ],
      [
        "DUID-LL of a group",
        message(1, opt(1, "0003 0001 0300000000aa")),
        "none",
      ],
      [
        "DUID-LL of zeros",
        message(1, opt(1, "0003 0001 000000000000")),
        "none",
      ],
      ["EUI-64", message(1, UUID), `${EUI_MAC} eui64`, { from: EUI }],
      ["EUI-64 of a group", message(1, UUID), "none", {
        from: "fe80::100:5eff:fe00:1",
      }],
      [
        "both, the same",
        message(1, opt(1, "0003 0001 525400123456")),
        `${EUI_MAC} duid`,
        { from: EUI },
      ],
      [
        "both, different",
        message(1, LL),
        `02:00:00:00:00:aa duid, not ${EUI_MAC} eui64`,
        { from: EUI },
      ],
      [
        "another order",
        message(1, LL),
        `${EUI_MAC} eui64, not 02:00:00:00:00:aa duid`,
        { from: EUI, order: ["eui64", "duid"] as MacSource[] },
      ],
      [
        "a source that is not in the order does not contradict",
        message(1, LL),
        `${EUI_MAC} eui64`,
        { from: EUI, order: ["eui64"] as MacSource[] },
      ],
      [
        "a group in the DUID, EUI-64 besides",
        message(1, opt(1, "0003 0001 0300000000aa")),
        `${EUI_MAC} eui64`,
        { from: EUI },
      ],
      [
        "option 79",
        relayed(message(1, UUID), {}, opt(79, "0001 0200000000cc")),
        "02:00:00:00:00:cc relay",
      ],
      [
        "option 79 of another hardware type",
        relayed(message(1, UUID), {}, opt(79, "0020 0200000000cc")),
        "none",
      ],
      [
        "option 79 of eight bytes",
        relayed(message(1, UUID), {}, opt(79, "0001 0200000000ccddee")),
        "none",
      ],
      [
        "option 79 of the outer relay only",
        relayed(
          relayed(message(1, UUID), {}),
          {},
          opt(79, "0001 0200000000cc"),
        ),
        "none",
      ],
      [
        "option 79 in the client's own message",
        message(1, UUID, opt(79, "0001 0200000000cc")),
        "none",
      ],
      [
        "peer-address",
        relayed(message(1, UUID), { peer: EUI }),
        `${EUI_MAC} eui64`,
        { from: "fe80::200:ff:fe00:99" },
      ],
      [
        "peer-address of the relay nearest to the client",
        relayed(relayed(message(1, UUID), { peer: EUI }), {
          peer: "fe80::200:ff:fe00:99",
        }),
        `${EUI_MAC} eui64`,
      ],
      [
        "the address of a relay is not the client's",
        relayed(message(1, UUID), {}),
        "none",
        { from: EUI },
      ],
    ] as [string, Uint8Array, string, { from?: string; order?: MacSource[] }?][]
  ) await t.step(name, () => assertEquals(macOf(bytes, how), expected));
});

Deno.test("DUID-LL", async (t) => {
  await t.step("contains the MAC of the interface", () => {
    const duid = linkLayerDuid(0x0200_5e00_5301);
    assertEquals(duid, hex("0003 0001 02005e005301"));
    assertEquals(macOfDuid(duid, 0, duid.length), 0x0200_5e00_5301);
  });
});
