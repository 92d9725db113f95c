/** DHCPv6 inputs: a packet and its source, generated and mutated. */

import { OptionCode } from "../../../lib/dhcpv6/wire/constants.ts";
import { encode, type Option } from "../../../lib/dhcpv6/wire/packet.ts";
import { parseIpv6 } from "../../../lib/net/ipv6.ts";
import {
  ascii,
  hex,
  iaAddress,
  iaNa,
  iaPd,
  iaTa,
  message,
  nest,
  numbers,
  opt,
  oro,
  relayed,
} from "../../support/dhcpv6.ts";
import captures from "../../unit/dhcpv6/captures.json" with { type: "json" };
import { fc } from "../../support/fast_check.ts";
import { spliced } from "../mutate.ts";
import type { Random } from "../random.ts";
import { SETTINGS } from "./dhcpv6_settings.ts";

export const SERVER_DUID = hex("000300010200000000aa");

/** Source addresses of packets. */
const SENDERS = [
  "fe80::5054:ff:fe12:3456",
  "fe80::5054:ff:fe12:3457",
  "fe80::1",
  "fe80::100:ff:fe00:1", // a MAC with the group bit
  "2001:db8:1:2::9",
  "::",
  "ff02::1",
  "fe80::1:5054:ff:fe12:3456",
  "2001:db8:1:2:0:5254:12:3456", // a machine's own address
].map((text) => parseIpv6(text)!);

const PORTS = [546, 547, 40_000, 0];

/** Bytes of an input before its packet. */
const ARRIVAL = 2;

/** A decoded input. */
export interface Arrival {
  /** An index of {@linkcode SETTINGS}. */
  readonly settings: number;
  readonly isLinkScoped: boolean;
  readonly sender: Uint8Array;
  readonly port: number;
  readonly packet: Uint8Array;
}

/** Decodes an input. */
export function arrivalOf(input: Uint8Array): Arrival {
  const [settings = 0, from = 0] = input;
  return {
    settings: settings % SETTINGS.length,
    isLinkScoped: (from & 1) === 0,
    sender: SENDERS[from >> 1 & 7]!,
    port: PORTS[from >> 4 & 3]!,
    packet: input.subarray(ARRIVAL),
  };
}

/** Encodes an input. */
export function inputOf(
  settings: number,
  from: number,
  packet: Uint8Array,
): Uint8Array {
  return Uint8Array.of(settings, from, ...packet);
}

const OWN = "2001:db8:1:2:0:5254:12:3456";
const ADDRESSES = [
  OWN,
  "2001:db8:7:8:9:5254:12:3456",
  "2001:db8:1:2:0:5254:12:3457",
  "2001:db8:1:2::",
  "2001:db8:5::1",
  "::",
  "fe80::1",
];
const LINKS = ["::", "2001:db8:1:2::1", "2001:db8:7:8::1", "fe80::9", "::1"];
const PEERS = ["fe80::5054:ff:fe12:3456", "fe80::1", "2001:db8:7:8::2", "::"];

function vendor(...texts: string[]): Option {
  return opt(
    OptionCode.VendorClass,
    "00000157" +
      texts.map((text) => numbers(2, text.length) + ascii(text)).join(""),
  );
}

function user(text: string): Option {
  return opt(OptionCode.UserClass, numbers(2, text.length) + ascii(text));
}

function fqdn(flags: string): Option {
  return opt(OptionCode.ClientFqdn, `${flags}02766d00`);
}

/** As many different codes as fit a packet. */
const MANY_CODES = numbers(
  2,
  ...[...Array(1800).keys()].map((index) => 1000 + index),
);

/** Options of clients, valid and invalid ones. */
const CLIENT_OPTIONS: readonly Option[] = [
  opt(1, "000400112233445566778899aabbccddeeff"),
  opt(1, "00030001525400123456"),
  opt(1, "000300015254001234aa"),
  opt(1, "0001000111111111525400123456"),
  opt(1, "00030001ffffffffffff"),
  opt(1, ""),
  opt(1, "0004" + "ab".repeat(128)),
  opt(2, "000300010200000000aa"),
  opt(2, "000300010200000000bb"),
  iaNa(1),
  ...ADDRESSES.map((address) => iaNa(7, address)),
  iaNa(8, OWN, "2001:db8:5::1", OWN),
  // More addresses than fit a reply with lifetimes of 0.
  iaNa(10, ...new Array<string>(45).fill("2001:db8:5::3")),
  nest(3, numbers(4, 9, 0, 0), iaAddress(OWN), iaNa(1, "2001:db8:5::2")),
  iaTa(2, OWN),
  iaTa(3),
  iaPd(4),
  oro(23),
  oro(23, 24, 31, 39, 56, 59, 16, 60, 82),
  oro(),
  opt(6, MANY_CODES),
  opt(8, "0000"),
  opt(14),
  user("iPXE"),
  user("iPXEx"),
  vendor("PXEClient:Arch:00007"),
  vendor("HTTPClient:Arch:00016"),
  vendor("PXEClient", "HTTPClient"),
  vendor(),
  opt(61, "0007"),
  opt(61, "000b"),
  opt(61, "0006"),
  opt(61, "00100007000b001e001e001e001e001e001e"),
  opt(61, "ffff"),
  opt(60, "000474657374"),
  fqdn("00"),
  fqdn("01"),
  fqdn("05"),
  opt(39, "01"),
  opt(20),
  opt(11, "0000000000000000000000"),
  opt(200, "aa"),
  opt(65535, ""),
  // Malformed.
  opt(0, "0000"),
  opt(2, "0003"),
  opt(3, numbers(4, 11, 0, 0) + "00050018"),
  opt(3, numbers(4, 11, 0, 0) + "000500"),
  nest(3, numbers(4, 12, 0, 0), opt(13, "00"), iaAddress(OWN)),
  nest(4, numbers(4, 13), opt(5, "00"), iaAddress(OWN)),
  nest(25, numbers(4, 14, 0, 0), opt(26, "00")),
  opt(6, "001700"),
  opt(8, "00"),
  opt(14, "00"),
  opt(15, ascii("iPXE")),
  opt(15, "0400" + ascii("iPXE")),
  opt(15, ascii("linuxboot")),
  opt(16, "00000157" + ascii("PXEClient:Arch:00007")),
  opt(16, "000001570a00" + ascii("HTTPClient")),
  opt(16, "000001570020" + ascii("HTTPClient")),
  opt(16, "000001"),
  opt(61, "000700"),
  opt(61, ""),
  opt(39, ""),
  opt(20, "00"),
];

/** Options of relays. */
const RELAY_OPTIONS: readonly Option[] = [
  opt(18, ascii("eth7")),
  opt(18),
  opt(18, "ab".repeat(600)),
  opt(37, "00000009aa"),
  opt(38, "dd"),
  opt(79, "0001525400123456"),
  opt(79, "0001525400123457"),
  opt(79, "0006525400123456"),
  opt(79, "00010000"),
  opt(135, "0000"),
  opt(135, "1234"),
  opt(43, numbers(2, 37, 18, 9, 135, 37, 200, 43)),
  opt(43, numbers(2, 38, 79, 1)),
  opt(43, MANY_CODES),
  opt(43),
  opt(200, "bb"),
  // Malformed.
  opt(1, "00"),
  opt(3, "00"),
  opt(43, "002500"),
  opt(79, "00"),
  opt(135, "00"),
];

const bytesOf = (option: Option) =>
  Uint8Array.of(
    option.code >> 8,
    option.code,
    option.data.length >> 8,
    option.data.length,
    ...option.data,
  );

const CLIENT_WORDS = CLIENT_OPTIONS.map(bytesOf);
const RELAY_WORDS = RELAY_OPTIONS.map(bytesOf);

/** Complete options, and addresses. */
export const WORDS: readonly Uint8Array[] = [
  ...CLIENT_WORDS,
  ...RELAY_WORDS,
  ...ADDRESSES.map((text) => parseIpv6(text)!),
];

function isLong({ code, data }: Option): boolean {
  return code === 3 && data.length > 1000;
}

const golden = captures.map(({ sent }) => hex(sent));

/** Captured packets, and one of each message type, from every kind of source. */
export const SEEDS: readonly Uint8Array[] = [
  ...golden.flatMap((packet) => [
    inputOf(0, 0, packet),
    inputOf(1, 0, packet),
    inputOf(
      4,
      0x31,
      relayed(packet, { link: "2001:db8:7:8::1", peer: PEERS[0]! }, ...[
        opt(18, ascii("eth7")),
        opt(135, "0000"),
      ]),
    ),
  ]),
  ...[1, 3, 4, 5, 6, 8, 9, 11].flatMap((type) => {
    const ids = [opt(1, "000400112233445566778899aabbccddeeff")];
    if (![1, 4, 6, 11].includes(type)) ids.push(opt(2, SERVER_DUID.toHex()));
    const options = type === 11
      ? [...ids, oro(23, 24, 39), fqdn("01")]
      : [...ids, iaNa(7, OWN), oro(23, 24, 31, 39, 56)];
    return [
      inputOf(1, 0, message(type, ...options)),
      inputOf(1, 0, message(type, ...options, vendor("PXEClient"))),
      inputOf(1, 0, message(type, ...options, vendor("HTTPClient"))),
      inputOf(0, 1, message(type, ...options)),
      inputOf(0, 8, message(type, ...options)),
      inputOf(0, 0, message(type, ...options, CLIENT_OPTIONS.find(isLong)!)),
      inputOf(
        0,
        0,
        relayed(
          message(type, ...options, vendor("HTTPClient")),
          { link: "2001:db8:1:2::1", peer: PEERS[0]! },
          opt(18, "ab".repeat(1100)),
        ),
      ),
    ];
  }),
];

const anyOption: fc.Arbitrary<Option> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...CLIENT_OPTIONS) },
  fc.record({
    code: fc.nat({ max: 0xffff }),
    data: fc.uint8Array({ maxLength: 40 }),
  }),
  fc.tuple(
    fc.nat({ max: 0xffff_ffff }),
    fc.array(fc.constantFrom(...ADDRESSES), { maxLength: 4 }),
  ).map(([iaid, addresses]) => iaNa(iaid, ...addresses)),
  fc.array(fc.nat({ max: 255 }), { maxLength: 12 }).map((codes) =>
    oro(...codes)
  ),
);

const anyLevel = fc.record({
  link: fc.constantFrom(...LINKS),
  peer: fc.constantFrom(...PEERS),
  hops: fc.nat({ max: 40 }),
  options: fc.array(fc.constantFrom(...RELAY_OPTIONS), { maxLength: 5 }),
});

/** Inputs with a message in at most 12 relay levels. */
export const anyInput: fc.Arbitrary<Uint8Array> = fc.record({
  settings: fc.nat({ max: SETTINGS.length - 1 }),
  from: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    fc.nat({ max: 63 }),
  ),
  type: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(1, 3, 4, 5, 6, 8, 9, 11) },
    fc.nat({ max: 255 }),
  ),
  transactionId: fc.nat({ max: 0xff_ffff }),
  hasServerId: fc.boolean(),
  hasClientId: fc.integer({ min: 0, max: 7 }).map((number) => number > 0),
  options: fc.array(anyOption, { maxLength: 12 }),
  levels: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.array(anyLevel, { maxLength: 12 }),
  ),
}).map(
  (
    {
      settings,
      from,
      type,
      transactionId,
      hasServerId,
      hasClientId,
      options,
      levels,
    },
  ) => {
    const ids = [
      ...hasClientId ? [CLIENT_OPTIONS[0]!] : [],
      ...hasServerId ? [opt(2, SERVER_DUID.toHex())] : [],
    ];
    let packet = type === 12 || type === 13
      ? message(type, ...options)
      : encode({ type, transactionId, options: [...ids, ...options] });
    for (const { options, ...header } of levels) {
      packet = relayed(packet, header, ...options);
    }
    return inputOf(settings, from, packet);
  },
);

/** The offset of the options of a packet, which extend to its end. */
function headerOf(packet: Uint8Array): number {
  return packet[0] === 12 || packet[0] === 13 ? 34 : 4;
}

/** The offset of each option of a packet, and the end of the last one. */
function boundsOf(packet: Uint8Array): number[] {
  const bounds: number[] = [];
  let at = headerOf(packet);
  while (at + 4 <= packet.length) {
    bounds.push(at);
    at += 4 + (packet[at + 2]! << 8 | packet[at + 3]!);
  }
  bounds.push(Math.min(at, packet.length));
  return bounds;
}

/** The offsets of the data of the Relay Message; `undefined` without one. */
function insideOf(
  packet: Uint8Array,
): { start: number; end: number } | undefined {
  if (packet[0] !== 12) return undefined;
  const bounds = boundsOf(packet);
  for (let index = 0; index + 1 < bounds.length; index++) {
    const at = bounds[index]!;
    if (packet[at] === 0 && packet[at + 1] === 9) {
      return {
        start: at + 4,
        end: Math.min(bounds[index + 1]!, packet.length),
      };
    }
  }
  return undefined;
}

/** Bytes of the longest input: a packet may exceed the limit of the server. */
export const MAX_INPUT = 4400;

function wrapped(random: Random, packet: Uint8Array): Uint8Array {
  if (packet.length > MAX_INPUT) return packet;
  const options = [];
  while (random.once(2)) options.push(random.pick(RELAY_OPTIONS));
  return relayed(
    packet,
    {
      link: random.pick(LINKS),
      peer: random.pick(PEERS),
      hops: random.below(33),
    },
    ...options,
  );
}

/** A packet with one mutation that keeps its structure or contradicts it. */
function changedPacket(
  random: Random,
  packet: Uint8Array,
  other: Uint8Array,
): Uint8Array {
  const inside = random.once(4) ? undefined : insideOf(packet);
  if (inside !== undefined) {
    const inner = changedPacket(
      random,
      packet.subarray(inside.start, inside.end),
      other,
    );
    const outer = spliced(packet, inside.start, inside.end, inner);
    outer[inside.start - 2] = inner.length >> 8;
    outer[inside.start - 1] = inner.length;
    return outer;
  }
  const bounds = boundsOf(packet);
  const index = random.below(bounds.length);
  const at = bounds[index]!;
  const end = bounds[index + 1] ?? packet.length;
  switch (random.below(11)) {
    case 0: // Remove an option.
      return spliced(packet, at, end, new Uint8Array(0));
    case 1: // Duplicate an option.
      return spliced(packet, at, at, packet.subarray(at, end));
    case 2: { // Insert an option of another packet.
      const others = boundsOf(other);
      const from = random.below(others.length);
      return spliced(
        packet,
        at,
        random.once(2) ? at : end,
        other.subarray(others[from], others[from + 1]),
      );
    }
    case 3: { // Change a length.
      const result = packet.slice();
      if (at + 4 <= result.length) {
        if (random.once(3)) result[at + 2] = random.next();
        else result[at + 3]! += random.below(9) - 4;
      }
      return result;
    }
    case 4: { // Change a code.
      const result = packet.slice();
      if (at + 4 <= result.length) result[at + 1] = random.below(140);
      return result;
    }
    case 5: { // Change the message type.
      const result = packet.slice();
      if (packet[0] !== 12) result[0] = random.below(16);
      return result;
    }
    case 6: {
      let result = wrapped(random, packet);
      if (random.once(4)) {
        for (let left = random.below(11); left > 0; left--) {
          result = wrapped(random, result);
        }
      }
      return result;
    }
    case 7: { // Remove a relay level.
      const inside = insideOf(packet);
      return inside === undefined
        ? packet
        : packet.slice(inside.start, inside.end);
    }
    case 8: // Truncate between two options.
      return packet.slice(0, end);
    default:
      return spliced(
        packet,
        at,
        random.once(3) ? end : at,
        random.pick(packet[0] === 12 ? RELAY_WORDS : CLIENT_WORDS),
      );
  }
}

/** An input with one mutation by the structure of its packet. */
export function changedInput(
  random: Random,
  input: Uint8Array,
  other: Uint8Array,
): Uint8Array {
  const head = input.slice(0, ARRIVAL);
  if (random.once(8) && head.length === ARRIVAL) {
    if (random.once(2)) head[0] = random.below(SETTINGS.length);
    else head[1] = random.once(2) ? 0 : random.below(64);
  }
  const packet = changedPacket(
    random,
    input.subarray(ARRIVAL),
    other.subarray(ARRIVAL),
  );
  return spliced(packet, 0, 0, head);
}
