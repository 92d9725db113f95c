import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import {
  DROP_REASONS,
  MAX_DHCPV6_PACKET,
  MessageType,
} from "../../../../lib/dhcpv6/wire/constants.ts";
import {
  decode,
  decodeOptions,
  encode,
  encodeOptions,
  isRelayMessage,
  type Message,
  Packet,
} from "../../../../lib/dhcpv6/wire/packet.ts";
import { formatIpv6 } from "../../../../lib/net/ipv6.ts";
import { fc } from "../../../support/fast_check.ts";
import {
  ascii,
  hex,
  iaAddress,
  iaNa,
  iaPd,
  iaTa,
  nest,
  numbers,
  opt,
  oro,
  status,
} from "../../../support/dhcpv6.ts";
import { changedCaptures } from "../captures.ts";
import captures from "../captures.json" with { type: "json" };

/** Name, bytes in the layout of the RFC, option as a value. */
const OPTIONS: [string, string, ReturnType<typeof opt>][] = [
  [
    "Client ID, DUID-LLT",
    "0001 000e 0001 0001 2a3b4c5d 02005e005301",
    opt(1, "000100012a3b4c5d02005e005301"),
  ],
  [
    "Server ID, DUID-LL",
    "0002 000a 0003 0001 02005e005302",
    opt(2, "0003000102005e005302"),
  ],
  [
    "IA_NA",
    "0003 0028 00000007 00000000 00000000 0005 0018 20010db8000000000000000000000001 000004b0 00000514",
    nest(3, numbers(4, 7, 0, 0), iaAddress("2001:db8::1", 1200, 1300)),
  ],
  ["IA_TA", "0004 0004 00000008", iaTa(8)],
  ["Option Request", "0006 0006 0017 0018 003b", oro(23, 24, 59)],
  ["Preference", "0007 0001 ff", opt(7, "ff")],
  ["Elapsed Time", "0008 0002 0064", opt(8, "0064")],
  ["Status Code", "000d 0008 0004 6d6f766564 21", status(4, "moved!")],
  ["Rapid Commit", "000e 0000", opt(14)],
  ["User Class", "000f 0006 0004 69505845", opt(15, "0004" + ascii("iPXE"))],
  [
    "Vendor Class",
    "0010 000f 00000157 0009 505845436c69656e74",
    opt(16, "00000157 0009" + ascii("PXEClient")),
  ],
  ["Interface-ID", "0012 0004 65746830", opt(18, ascii("eth0"))],
  [
    "DNS Recursive Name Server",
    "0017 0010 20010db8000000000000000000000053",
    opt(23, "20010db8000000000000000000000053"),
  ],
  [
    "Domain Search List",
    "0018 000d 036c6162 076578616d706c65 00",
    opt(24, "036c6162076578616d706c6500"),
  ],
  ["IA_PD", "0019 000c 00000009 00000000 00000000", iaPd(9)],
  [
    "IA Prefix in IA_PD",
    "0019 0029 00000009 00000000 00000000 001a 0019 00000e10 00001c20 38 20010db8000100000000000000000000",
    nest(
      25,
      numbers(4, 9, 0, 0),
      opt(
        26,
        numbers(4, 3600, 7200) + "38" + "20010db8000100000000000000000000",
      ),
    ),
  ],
  [
    "SNTP servers",
    "001f 0010 20010db8000000000000000000000123",
    opt(31, "20010db8000000000000000000000123"),
  ],
  [
    "Client FQDN",
    "0027 000a 01 046d616331 036c6162",
    opt(39, "01046d616331036c6162"),
  ],
  ["Echo Request", "002b 0004 0012 0025", opt(43, "00120025")],
  [
    "NTP Server",
    "0038 0014 0001 0010 20010db8000000000000000000000123",
    nest(56, "", opt(1, "20010db8000000000000000000000123")),
  ],
  [
    "Boot File URL",
    "003b 000c 687474703a2f2f5b3a3a5d2f",
    opt(59, ascii("http://[::]/")),
  ],
  ["Client Architecture", "003d 0004 0010 0007", opt(61, "00100007")],
  ["Network Interface ID", "003e 0003 010300", opt(62, "010300")],
  [
    "Client Link-Layer Address",
    "004f 0008 0001 02005e005301",
    opt(79, "000102005e005301"),
  ],
  ["Relay Source Port", "0087 0002 0000", opt(135, "0000")],
  ["an unassigned option", "ffff 0003 616263", opt(0xffff, "616263")],
  ["an empty one", "03e8 0000", opt(1000)],
];

/** Every message type, with hand-written bytes. */
const MESSAGES: [string, string, Message][] = [
  ["Solicit", 1],
  ["Advertise", 2],
  ["Request", 3],
  ["Confirm", 4],
  ["Renew", 5],
  ["Rebind", 6],
  ["Reply", 7],
  ["Release", 8],
  ["Decline", 9],
  ["Reconfigure", 10],
  ["Information-request", 11],
].map(([name, type]) => [
  name as string,
  `${numbers(2, type as number).slice(2)} abcdef 0008 0002 0000 000e 0000`,
  {
    type: type as number,
    transactionId: 0xabcdef,
    options: [opt(8, "0000"), opt(14)],
  },
]);
for (
  const [name, type] of [["Relay-forward", 12], ["Relay-reply", 13]] as const
) {
  MESSAGES.push([
    name,
    `${type.toString(16).padStart(2, "0")} 03
      20010db8000700080000000000000001
      fe80000000000000505400fffe123456
      0012 0002 cafe
      0009 0004 0bababab`,
    {
      type,
      hopCount: 3,
      linkAddress: "2001:db8:7:8::1",
      peerAddress: "fe80::5054:ff:fe12:3456",
      options: [opt(18, "cafe"), opt(9, "0bababab")],
    },
  ]);
}

Deno.test("options on the wire", async (t) => {
  for (const [name, digits, value] of OPTIONS) {
    await t.step(name, () => {
      assertEquals(decodeOptions(hex(digits), 0), [value]);
      assertEquals(encodeOptions([value]), hex(digits));
    });
  }
});

Deno.test("messages on the wire", async (t) => {
  for (const [name, digits, value] of MESSAGES) {
    await t.step(name, () => {
      assertEquals(decode(hex(digits)), value);
      assertEquals(encode(value), hex(digits));
    });
  }
});

Deno.test("messages of real clients", async (t) => {
  for (const [index, { from, sent }] of captures.entries()) {
    await t.step(
      `${from}, number ${index}, is read and written unchanged`,
      () => {
        const bytes = hex(sent);
        const message = decode(bytes);
        assert(typeof message !== "string", String(message));
        assertEquals(encodeHex(encode(message)), sent);
        const packet = new Packet();
        assertEquals(packet.read(bytes), undefined);
        if (!isRelayMessage(message)) {
          assertEquals(packet.type, message.type);
          assertEquals(packet.transactionId, message.transactionId);
          assertEquals(packet.options.count, message.options.length);
        }
      },
    );
  }

  await t.step("come from every client and relay in the documentation", () => {
    assertEquals(
      [...new Set(captures.map(({ from }) => from))].toSorted(),
      [
        "OVMF",
        "busybox udhcpc6",
        "dhclient",
        "dhcpcd",
        "dhcrelay",
        "dibbler",
        "dnsmasq",
        "iPXE",
        "systemd-networkd",
        "wide-dhcpv6",
      ],
    );
  });
});

/** Options whose data is valid for their codes, or has no rules. */
const option = fc.oneof(
  fc.record({
    code: fc.integer({ min: 144, max: 0xffff }),
    data: fc.uint8Array({ maxLength: 60 }),
  }, { noNullPrototype: true }),
  fc.constantFrom(...OPTIONS.map(([, , value]) => value)),
  fc.nat({ max: 0xffff_ffff }).map((iaid) => iaNa(iaid, "2001:db8::5")),
);
const options = fc.array(option, { maxLength: 20 });
const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
const plain = { noNullPrototype: true };
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.integer({ min: 1, max: 11 }),
    transactionId: fc.nat({ max: 0xff_ffff }),
    options,
  }, plain),
  fc.record({
    type: fc.constantFrom(MessageType.RelayForward, MessageType.RelayReply),
    hopCount: fc.nat({ max: 255 }),
    linkAddress: bytes16.map((bytes) => formatIpv6(bytes)),
    peerAddress: bytes16.map((bytes) => formatIpv6(bytes)),
    options,
  }, plain),
);

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  changedCaptures,
  anyMessage.map(encode),
);

Deno.test("any message", async (t) => {
  await t.step("is the same after encode and decode", () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        assertEquals(decode(encode(message)), message);
      }),
      { numRuns: 10_000 },
    );
  });

  await t.step(
    "decode of any bytes returns a message or a drop reason, and never throws",
    () => {
      const packet = new Packet();
      let values = 0;
      fc.assert(
        fc.property(anyBytes, (bytes) => {
          const message = decode(bytes);
          if (typeof message === "string") {
            assert(DROP_REASONS.includes(message));
          } else {
            values++;
            assertEquals(encode(message), bytes);
          }
          const reason = packet.read(bytes);
          assert(reason === undefined || DROP_REASONS.includes(reason));
        }),
        { numRuns: 100_000 },
      );
      assert(values > 5000, `only ${values} messages`);
    },
  );

  await t.step("is not read beyond its length", () => {
    const packet = new Packet();
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const longer = new Uint8Array(bytes.length + 64).fill(0xff);
        longer.set(bytes);
        const short = packet.read(bytes);
        const count = packet.options.count;
        assertEquals(packet.read(longer, bytes.length), short);
        if (short === undefined) assertEquals(packet.options.count, count);
      }),
      { numRuns: 10_000 },
    );
  });

  await t.step("too long is refused", () => {
    const bytes = new Uint8Array(MAX_DHCPV6_PACKET + 1).fill(1);
    assertEquals(decode(bytes), "packet_too_long");
    assertEquals(new Packet().read(bytes), "packet_too_long");
  });
});
