import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { IPXE_BUILDS } from "../../../../lib/boot_files/ipxe_builds.ts";
import {
  DROP_REASONS,
  type DropReason,
  MAX_DHCPV6_PACKET,
  MAX_DHCPV6_REPLY,
} from "../../../../lib/dhcpv6/wire/constants.ts";
import {
  dnsServersOption,
  ntpServer,
} from "../../../../lib/dhcpv6/wire/server_options.ts";
import type { Option } from "../../../../lib/dhcpv6/wire/packet.ts";
import {
  Responder,
  type ResponderOptions,
} from "../../../../lib/dhcpv6/reply/responder.ts";
import { replySizeProblem } from "../../../../lib/dhcpv6/reply/reply_size.ts";
import { parseTemplate } from "../../../../lib/dhcpv6/reply/url_template.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";
import { formatMac, NO_MAC, parseMacPattern } from "../../../../lib/net/mac.ts";
import {
  GRUB,
  GRUB_SOLICIT,
  RASPBERRY_PI,
  U_BOOT,
} from "../../../support/boot_loaders.ts";
import {
  ascii,
  hex,
  iaNa,
  iaPd,
  iaTa,
  message,
  nest,
  numbers,
  opt,
  oro,
  pretty,
  relayed,
} from "../../../support/dhcpv6.ts";
import { changedCaptures } from "../captures.ts";
import { fc } from "../../../support/fast_check.ts";

const SERVER_DUID = "000300010200000000aa";
const CLIENT = "fe80::5054:ff:fe12:3456";
const OWN = "2001:db8:1:2:0:5254:12:3456";
const UUID = opt(1, "0004 00112233445566778899aabbccddeeff");
const OURS = opt(2, SERVER_DUID);
const OTHERS = opt(2, "000300010200000000bb");

const SETTINGS: ResponderOptions = {
  subnets: [
    { text: "2001:db8:1:2::", bytes: parseIpv6("2001:db8:1:2::")! },
    { text: "2001:db8:7:8::", bytes: parseIpv6("2001:db8:7:8::")! },
  ],
  preferredLifetime: 1200,
  validLifetime: 1300,
  preference: 255,
  macSources: ["relay", "duid", "eui64"],
  allow: [],
  deny: [],
  onRequest: [],
  boot: undefined,
};

const BOOT: ResponderOptions = {
  ...SETTINGS,
  boot: {
    template: parseTemplate("http://[{{.BootAddress}}]/{{.MAC}}?{{.Payload}}"),
    tftpAddress: "2001:db8:1:2::",
    bootAddress: "2001:db8:1:2::1",
    urls: new Map(),
    builds: new Set(IPXE_BUILDS),
    hasFiles: true,
    shims: new Set(),
    script: undefined,
    isBootAllowed: () => true,
  },
};

interface Arrival {
  options?: ResponderOptions;
  from?: string;
  port?: number;
  isLinkScoped?: boolean;
}

function respond(bytes: Uint8Array, arrival: Arrival = {}) {
  const responder = new Responder(
    arrival.options ?? SETTINGS,
    hex(SERVER_DUID),
  );
  const reply = new Uint8Array(MAX_DHCPV6_REPLY);
  const outcome = responder.respond(
    bytes,
    bytes.length,
    parseIpv6(arrival.from ?? CLIENT)!,
    arrival.port ?? 546,
    arrival.isLinkScoped ?? true,
    reply,
  );
  const { packet } = responder;
  return { outcome, packet, reply: reply.slice(0, outcome.length) };
}

/** A packet without its last bytes. */
function truncated(packet: Uint8Array, bytes: number): Uint8Array {
  return packet.slice(0, packet.length - bytes);
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return hex(parts.map((part) => encodeHex(part)).join(""));
}

/** An IAID of 7, and T1 and T2 of 0. */
const IAID = numbers(4, 7, 0, 0);

/** The lines of the reply after message type, Client ID and Server ID. */
function lines(bytes: Uint8Array, arrival: Arrival = {}): string[] {
  const { outcome, reply } = respond(bytes, arrival);
  if (outcome.drop !== undefined) return [outcome.drop];
  const [head, ...options] = pretty(reply);
  const ids = options.splice(0, 2);
  assertEquals(head!.endsWith(" xid abcdef"), true, head);
  assertEquals(ids, [
    "1 000400112233445566778899aabbccddeeff",
    `2 ${SERVER_DUID}`,
  ]);
  return [head!.split(" ")[1]!, ...options];
}

const FOREIGN = (count: number) =>
  Array.from({ length: count }, (_, index) => `2001:db8:1:2::${index + 16}`);

const ADVERTISE = "2";
const REPLY = "7";
const ASSIGNED = (iaid: number) => [
  `3 ${iaid} 600 1050`,
  `  5 ${OWN} 1200 1300`,
];
const REFUSED = (code: number, iaid: number, status: string) => [
  code === 4 ? `4 ${iaid}` : `${code} ${iaid} 0 0`,
  `  13 ${status}`,
];
const NO_SECOND = (iaid: number) =>
  REFUSED(3, iaid, "2 one address per client");
const NO_TEMPORARY = (iaid: number) =>
  REFUSED(4, iaid, "2 no temporary addresses");
const NO_PREFIX = (iaid: number) => REFUSED(25, iaid, "6 no prefix delegation");
const NOT_ON_LINK = (iaid: number) =>
  REFUSED(3, iaid, "4 address of another link");

const [SOLICIT, REQUEST, CONFIRM, RENEW, REBIND, RELEASE, DECLINE] = [
  1,
  3,
  4,
  5,
  6,
  8,
  9,
];
const INFORMATION_REQUEST = 11;

/** Name, packet in, lines out (or the drop reason alone). */
type Row = [string, Uint8Array, string[], Arrival?];

const DIRECT: Row[] = [
  [
    "Solicit: Advertise with address and preference",
    message(SOLICIT, UUID, iaNa(7)),
    [ADVERTISE, ...ASSIGNED(7), "7 ff"],
  ],
  [
    "Solicit with Rapid Commit: Reply that carries it",
    message(SOLICIT, UUID, opt(14), iaNa(7)),
    [REPLY, ...ASSIGNED(7), "14"],
  ],
  [
    "Solicit that hints at another address: its own",
    message(SOLICIT, UUID, iaNa(7, "2001:db8:1:2::99")),
    [ADVERTISE, ...ASSIGNED(7), "7 ff"],
  ],
  [
    "Solicit for two addresses: one, and no preference",
    message(SOLICIT, UUID, iaNa(7), iaNa(8)),
    [ADVERTISE, ...ASSIGNED(7), ...NO_SECOND(8)],
  ],
  [
    "Solicit for a temporary address and a prefix besides",
    message(SOLICIT, UUID, iaTa(1), iaPd(2), iaNa(7)),
    [ADVERTISE, ...NO_TEMPORARY(1), ...NO_PREFIX(2), ...ASSIGNED(7)],
  ],
  [
    "Solicit without an IA: options only",
    message(SOLICIT, UUID),
    [ADVERTISE, "7 ff"],
  ],
  [
    "Solicit to a server of preference 0: no preference option",
    message(SOLICIT, UUID, iaNa(7)),
    [ADVERTISE, ...ASSIGNED(7)],
    { options: { ...SETTINGS, preference: 0 } },
  ],
  [
    "Solicit, infinite lifetimes",
    message(SOLICIT, UUID, opt(14), iaNa(7)),
    [
      REPLY,
      "3 7 4294967295 4294967295",
      `  5 ${OWN} 4294967295 4294967295`,
      "14",
    ],
    {
      options: {
        ...SETTINGS,
        preferredLifetime: 0xffff_ffff,
        validLifetime: 0xffff_ffff,
      },
    },
  ],
  [
    "Request: Reply, without preference",
    message(REQUEST, UUID, OURS, iaNa(7, OWN)),
    [REPLY, ...ASSIGNED(7)],
  ],
  [
    "Request with Rapid Commit: Reply without it",
    message(REQUEST, UUID, OURS, opt(14), iaNa(7, OWN)),
    [REPLY, ...ASSIGNED(7)],
  ],
  ["Request without an IA", message(REQUEST, UUID, OURS), [REPLY]],
  [
    "Request for another address of the link: its own",
    message(REQUEST, UUID, OURS, iaNa(7, "2001:db8:1:2:ffff::1")),
    [REPLY, ...ASSIGNED(7)],
  ],
  [
    "Request for any address",
    message(REQUEST, UUID, OURS, iaNa(7, "::")),
    [REPLY, ...ASSIGNED(7)],
  ],
  [
    "Request for an address outside the link's /64: NotOnLink alone",
    message(REQUEST, UUID, OURS, iaNa(7, "2001:db8:1:3::1", OWN)),
    [REPLY, ...NOT_ON_LINK(7)],
  ],
  [
    "Request for everything",
    message(REQUEST, UUID, OURS, iaPd(1), iaNa(7), iaTa(2), iaNa(8)),
    [
      REPLY,
      ...NO_PREFIX(1),
      ...ASSIGNED(7),
      ...NO_TEMPORARY(2),
      ...NO_SECOND(8),
    ],
  ],
  [
    "Renew: fresh lifetimes",
    message(RENEW, UUID, OURS, iaNa(7, OWN)),
    [REPLY, ...ASSIGNED(7)],
  ],
  [
    "Renew of an IAID without addresses",
    message(RENEW, UUID, OURS, iaNa(9)),
    [REPLY, ...ASSIGNED(9)],
  ],
  [
    "Renew of further IAs: their addresses get lifetimes of 0",
    message(
      RENEW,
      UUID,
      OURS,
      iaNa(7, OWN),
      iaNa(8, "2001:db8:1:2::5", "2001:db8:9::1"),
      iaTa(9, "2001:db8:1:2::6"),
    ),
    [
      REPLY,
      ...ASSIGNED(7),
      "3 8 0 0",
      "  5 2001:db8:1:2::5 0 0",
      "  5 2001:db8:9::1 0 0",
      "4 9",
      "  5 2001:db8:1:2::6 0 0",
    ],
  ],
  [
    "Renew of further IAs without other addresses: refused",
    message(RENEW, UUID, OURS, iaNa(7, OWN), iaNa(8), iaNa(9, OWN), iaTa(6)),
    [
      REPLY,
      ...ASSIGNED(7),
      ...NO_SECOND(8),
      ...NO_SECOND(9),
      ...NO_TEMPORARY(6),
    ],
  ],
  [
    "Renew of more addresses than fit: its own, and as many as fit",
    message(RENEW, UUID, OURS, iaNa(7, ...FOREIGN(59), OWN), iaNa(8)),
    [
      REPLY,
      ...ASSIGNED(7),
      ...FOREIGN(39).map((address) => `  5 ${address} 0 0`),
      ...NO_SECOND(8),
    ],
  ],
  ["Renew without an IA", message(RENEW, UUID, OURS), [REPLY]],
  [
    "Rebind: other addresses get lifetimes of 0",
    message(REBIND, UUID, iaNa(7, "2001:db8:9::1", OWN, "2001:db8:1:2::5")),
    [
      REPLY,
      ...ASSIGNED(7),
      "  5 2001:db8:9::1 0 0",
      "  5 2001:db8:1:2::5 0 0",
    ],
  ],
  ["Rebind without an IA", message(REBIND, UUID), [REPLY]],
  [
    "Confirm of its own address: Success",
    message(CONFIRM, UUID, iaNa(7, OWN)),
    [REPLY, "13 0 address confirmed"],
  ],
  [
    "Confirm of another address of the link: NotOnLink",
    message(CONFIRM, UUID, iaNa(7, OWN), iaNa(8, "2001:db8:1:2::5")),
    [REPLY, "13 4 not the address of this client"],
  ],
  [
    "Confirm of a temporary address of another link: NotOnLink",
    message(CONFIRM, UUID, iaTa(7, "2001:db8:9::1")),
    [REPLY, "13 4 not the address of this client"],
  ],
  [
    "Confirm without an address: no reply",
    message(CONFIRM, UUID, iaNa(7)),
    ["confirm_without_address"],
  ],
  [
    "Release: Success",
    message(RELEASE, UUID, OURS, iaNa(7, OWN)),
    [REPLY, "13 0 accepted"],
  ],
  [
    "Release of other addresses: NoBinding in those IAs",
    message(
      RELEASE,
      UUID,
      OURS,
      iaNa(7, OWN),
      iaNa(8, "2001:db8:1:2::5"),
      iaPd(9),
    ),
    [
      REPLY,
      "13 0 accepted",
      ...REFUSED(3, 8, "3 no binding for this client"),
      ...REFUSED(25, 9, "3 no binding for this client"),
    ],
  ],
  [
    "Decline: Success",
    message(DECLINE, UUID, OURS, iaNa(7, OWN)),
    [REPLY, "13 0 accepted"],
  ],
  [
    "Information-request: Reply without an IA",
    message(INFORMATION_REQUEST, UUID, oro(23)),
    [REPLY],
  ],
  [
    "Information-request with our Server ID",
    message(INFORMATION_REQUEST, UUID, OURS),
    [REPLY],
  ],
];

const DROPPED: [string, Uint8Array, DropReason, Arrival?][] = [
  [
    "longer than the limit",
    new Uint8Array(MAX_DHCPV6_PACKET + 1).fill(1),
    "packet_too_long",
  ],
  ["empty", hex(""), "packet_too_short"],
  ["shorter than a header", hex("01abcd"), "packet_too_short"],
  [
    "relayed, shorter than a header",
    hex("0c00".padEnd(66, "0")),
    "packet_too_short",
  ],
  [
    "a truncated option",
    hex("01abcdef 0001 0005 00030001"),
    "option_malformed",
  ],
  ["half an option header", hex("01abcdef 0001 00"), "client_id_missing"],
  [
    "a DUID of 2 bytes",
    message(SOLICIT, opt(1, "0003")),
    "option_malformed",
  ],
  [
    "a DUID of 131 bytes",
    message(SOLICIT, opt(1, "0002".padEnd(262, "0"))),
    "option_malformed",
  ],
  [
    "an IA_NA without T2",
    message(SOLICIT, UUID, opt(3, "00".repeat(11))),
    "option_malformed",
  ],
  [
    "a truncated IA Address",
    message(SOLICIT, UUID, nest(3, "00".repeat(12), opt(5, "00".repeat(23)))),
    "option_malformed",
  ],
  [
    "an IA Address that reaches beyond its IA_TA",
    message(CONFIRM, UUID, opt(4, "00000001 0005 0018 20010db8")),
    "option_malformed",
  ],
  [
    "a truncated IA_NA",
    truncated(message(SOLICIT, UUID, iaNa(7)), 1),
    "option_malformed",
  ],
  [
    "a truncated Server ID",
    truncated(message(REQUEST, UUID, iaNa(7), OURS), 1),
    "option_malformed",
  ],
  [
    "a truncated Relay Message",
    truncated(relayed(message(SOLICIT, UUID, iaNa(7)), {}), 1),
    "option_malformed",
  ],
  [
    "a truncated Interface-ID",
    concat(relayed(message(SOLICIT, UUID), {}), hex("0012 0009 aa")),
    "option_malformed",
  ],
  [
    "a truncated Client Link-Layer Address",
    concat(relayed(message(SOLICIT, UUID), {}), hex("004f 0008 0001 0200")),
    "option_malformed",
  ],
  [
    "an empty Client Link-Layer Address of a relay",
    relayed(message(SOLICIT, UUID), {}, opt(79)),
    "option_malformed",
  ],
  [
    "more than 64 options",
    message(SOLICIT, UUID, ...new Array(64).fill(opt(1000))),
    "too_many_options",
  ],
  ["type 0", message(0, UUID), "unknown_message_type"],
  ["type 14", message(14, UUID), "unknown_message_type"],
  ["type 255", message(255, UUID), "unknown_message_type"],
  ["Advertise", message(2, UUID, OURS), "not_for_servers"],
  ["Reply", message(7, UUID, OURS), "not_for_servers"],
  ["Reconfigure", message(10, UUID, OURS), "not_for_servers"],
  [
    "Relay-reply",
    relayed(message(SOLICIT, UUID), { type: 13 }),
    "not_for_servers",
  ],
  [
    "Relay-forward without a Relay Message",
    hex("0c00".padEnd(68, "0")),
    "relay_message_missing",
  ],
  [
    "Relay-forward of an empty message",
    relayed(hex(""), {}),
    "packet_too_short",
  ],
  ["no Client ID in Solicit", message(SOLICIT, iaNa(1)), "client_id_missing"],
  [
    "no Client ID in Request",
    message(REQUEST, OURS, iaNa(1)),
    "client_id_missing",
  ],
  [
    "no Client ID in Confirm",
    message(CONFIRM, iaNa(1, OWN)),
    "client_id_missing",
  ],
  ["no Client ID in Renew", message(RENEW, OURS), "client_id_missing"],
  ["no Client ID in Rebind", message(REBIND), "client_id_missing"],
  ["no Client ID in Release", message(RELEASE, OURS), "client_id_missing"],
  ["no Client ID in Decline", message(DECLINE, OURS), "client_id_missing"],
  ["an empty Client ID", message(SOLICIT, opt(1), iaNa(1)), "client_id_empty"],
  [
    "an empty Client ID in Information-request",
    message(INFORMATION_REQUEST, opt(1)),
    "client_id_empty",
  ],
  [
    "Server ID in Solicit",
    message(SOLICIT, UUID, OURS),
    "server_id_unexpected",
  ],
  [
    "Server ID in Confirm",
    message(CONFIRM, UUID, OURS, iaNa(1, OWN)),
    "server_id_unexpected",
  ],
  [
    "Server ID in Rebind",
    message(REBIND, UUID, OURS, iaNa(1)),
    "server_id_unexpected",
  ],
  [
    "no Server ID in Request",
    message(REQUEST, UUID, iaNa(1)),
    "server_id_missing",
  ],
  ["no Server ID in Renew", message(RENEW, UUID, iaNa(1)), "server_id_missing"],
  [
    "no Server ID in Release",
    message(RELEASE, UUID, iaNa(1)),
    "server_id_missing",
  ],
  [
    "no Server ID in Decline",
    message(DECLINE, UUID, iaNa(1)),
    "server_id_missing",
  ],
  [
    "the Server ID of another server in Request",
    message(REQUEST, UUID, OTHERS, iaNa(1)),
    "server_id_foreign",
  ],
  [
    "the Server ID of another server in Renew",
    message(RENEW, UUID, OTHERS, iaNa(1)),
    "server_id_foreign",
  ],
  [
    "the Server ID of another server in Release",
    message(RELEASE, UUID, OTHERS),
    "server_id_foreign",
  ],
  [
    "the Server ID of another server in Decline",
    message(DECLINE, UUID, OTHERS),
    "server_id_foreign",
  ],
  [
    "the Server ID of another server in Information-request",
    message(INFORMATION_REQUEST, UUID, OTHERS),
    "server_id_foreign",
  ],
  [
    "a longer Server ID",
    message(REQUEST, UUID, opt(2, SERVER_DUID + "00")),
    "server_id_foreign",
  ],
  [
    "an IA in Information-request",
    message(INFORMATION_REQUEST, UUID, iaPd(1)),
    "ia_unexpected",
  ],
  [
    "a client's message to a unicast address",
    message(REQUEST, UUID, OURS, iaNa(1)),
    "client_message_not_multicast",
    { isLinkScoped: false },
  ],
  [
    "a client's message from a global address",
    message(SOLICIT, UUID, iaNa(1)),
    "source_not_link_local",
    { from: "2001:db8:1:2::9" },
  ],
  [
    "a link-address in no subnet",
    relayed(message(SOLICIT, UUID), { link: "2001:db8:9:9::1" }),
    "link_unknown",
  ],
  [
    "no link-address, and not received on the link",
    relayed(message(SOLICIT, UUID), { peer: CLIENT }),
    "link_unknown",
    { isLinkScoped: false, from: "2001:db8:5::1" },
  ],
  [
    "no MAC in any source",
    message(SOLICIT, UUID, iaNa(1)),
    "no_mac",
    { from: "fe80::1" },
  ],
  [
    "a denied client",
    message(SOLICIT, UUID, iaNa(1)),
    "mac_not_allowed",
    { options: { ...SETTINGS, deny: [parseMacPattern("52:54:*")!] } },
  ],
  [
    "a denied client that sends an Information-request",
    message(INFORMATION_REQUEST, UUID),
    "mac_not_allowed",
    { options: { ...SETTINGS, deny: [parseMacPattern("52:54:*")!] } },
  ],
  [
    "a client that is not allowed",
    message(SOLICIT, UUID, iaNa(1)),
    "mac_not_allowed",
    { options: { ...SETTINGS, allow: [parseMacPattern("02:*")!] } },
  ],
  [
    "a client that is both allowed and denied",
    message(SOLICIT, UUID, iaNa(1)),
    "mac_not_allowed",
    {
      options: {
        ...SETTINGS,
        allow: [parseMacPattern("52:*")!],
        deny: [parseMacPattern("52:54:00:12:34:56")!],
      },
    },
  ],
  [
    "a reply of more than 1232 bytes",
    message(SOLICIT, UUID, ...[...Array(40).keys()].map((iaid) => iaNa(iaid))),
    "answer_too_long",
  ],
];

Deno.test("responder, direct", async (t) => {
  for (const [name, packet, expected, arrival] of DIRECT) {
    await t.step(name, () => assertEquals(lines(packet, arrival), expected));
  }

  await t.step("replies to the source port of the client", () => {
    const { outcome } = respond(message(SOLICIT, UUID), { port: 33333 });
    assertEquals(outcome.replyPort, 33333);
  });

  await t.step("notes that the client has declined its own address", () => {
    const noteOf = (packet: Uint8Array) => respond(packet).outcome.note;
    assertEquals(
      noteOf(message(DECLINE, UUID, OURS, iaNa(7, OWN))),
      "address_declined",
    );
    assertEquals(
      noteOf(message(DECLINE, UUID, OURS, iaNa(7, "2001:db8::1", OWN))),
      "address_declined",
    );
    assertEquals(
      noteOf(message(DECLINE, UUID, OURS, iaNa(7, "2001:db8::1"))),
      undefined,
    );
    assertEquals(noteOf(message(RELEASE, UUID, OURS, iaNa(7, OWN))), undefined);
  });

  await t.step(
    "answers an Information-request without a MAC, without boot options",
    () => {
      const { outcome, reply } = respond(
        message(INFORMATION_REQUEST, oro(59), pxe("PXEClient")),
        { from: "fe80::1", options: BOOT },
      );
      assertEquals(outcome.drop, undefined);
      assertEquals(outcome.clientMac.mac, NO_MAC);
      assertEquals(pretty(reply), [
        "message 7 xid abcdef",
        `2 ${SERVER_DUID}`,
      ]);
    },
  );
});

/** Options with data of invalid length that the reply depends on. */
const WRONG_LENGTHS: [string, Option][] = [
  ["Server ID of 2 bytes", opt(2, "0003")],
  ["Server ID of 131 bytes", opt(2, "0002".padEnd(262, "0"))],
  ["IA_TA of 3 bytes", opt(4, "000001")],
  ["IA_PD without T2", opt(25, "00".repeat(11))],
];

/**
 * Malformed options of clients that the reply does not depend on: name, option,
 * names of what is ignored.
 */
const IGNORED: [string, Option, string[]][] = [
  ["an option request of 1 byte", opt(6, "17"), ["option_request"]],
  ["Preference of 2 bytes", opt(7, "0000"), ["preference"]],
  ["an elapsed time of 1 byte", opt(8, "00"), ["elapsed_time"]],
  ["Authentication of 10 bytes", opt(11, "00".repeat(10)), ["authentication"]],
  ["Server Unicast of 15 bytes", opt(12, "00".repeat(15)), ["server_unicast"]],
  ["Status Code of 1 byte", opt(13, "00"), ["status_code"]],
  ["a Rapid Commit with data", opt(14, "00"), ["rapid_commit"]],
  ["a user class without a length", opt(15, ascii("linuxboot")), [
    "user_class",
  ]],
  ["a user class with trailing data", opt(15, "0001 61 00"), ["user_class"]],
  [
    "a vendor class whose length is little endian",
    opt(16, "000000ab 0800 4449522d38363700"),
    ["vendor_class"],
  ],
  [
    "a vendor class whose string is longer than it",
    opt(16, "00000157 0009 5058"),
    ["vendor_class"],
  ],
  ["a vendor class of 3 bytes", opt(16, "000001"), ["vendor_class"]],
  ["Reconfigure Message of 2 bytes", opt(19, "0505"), ["reconfigure_message"]],
  ["Reconfigure Accept with data", opt(20, "00"), ["reconfigure_accept"]],
  ["an IA Address outside an IA", opt(5, "00"), ["ia_address"]],
  ["an IA Prefix outside an IA", opt(26, "00".repeat(24)), ["ia_prefix"]],
  [
    "Information Refresh Time of 2 bytes",
    opt(32, "0000"),
    ["information_refresh_time"],
  ],
  ["an empty Client FQDN", opt(39), ["client_fqdn"]],
  ["a Client FQDN of 257 bytes", opt(39, "01".repeat(257)), ["client_fqdn"]],
  ["an Echo Request of 3 bytes", opt(43, "001200"), ["echo_request"]],
  ["an architecture option of 3 bytes", opt(61, "000700"), [
    "client_architecture",
  ]],
  ["an empty architecture", opt(61), ["client_architecture"]],
  ["Network Interface ID of 2 bytes", opt(62, "0103"), [
    "network_interface_id",
  ]],
  ["an empty Client Link-Layer Address", opt(79), [
    "client_link_layer_address",
  ]],
  ["SOL_MAX_RT of 1 byte", opt(82, "00"), ["sol_max_rt"]],
  ["INF_MAX_RT of 5 bytes", opt(83, "0000000000"), ["inf_max_rt"]],
  ["Relay Source Port of 1 byte", opt(135, "00"), ["relay_source_port"]],
  ["padding of 4 bytes", opt(0), ["trailing_bytes"]],
];

/** Bytes behind the last option of a client, and the names of what is ignored. */
const TRAILING: [string, string, string[]][] = [
  ["1 zero byte", "00", ["trailing_bytes"]],
  ["2 zero bytes", "0000", ["trailing_bytes"]],
  ["3 zero bytes", "000000", ["trailing_bytes"]],
  ["400 zero bytes", "00".repeat(400), ["trailing_bytes"]],
  ["a byte of anything", "ff", ["trailing_bytes"]],
  ["the code of an IA_NA alone", "0003", ["trailing_bytes"]],
  ["a vendor class whose length is little endian", "0010 0600 00000157 0000", [
    "vendor_class",
  ]],
  ["an option request without its last byte", "0006 0002 00", [
    "option_request",
  ]],
  ["an unassigned option without data", "7777 0001", ["other"]],
  ["a Relay Message of a client", "0009 0004 01", ["relay_message"]],
];

/** Malformed options inside an IA that the reply does not depend on. */
const INSIDE: [string, Option, string[]][] = [
  ["trailing bytes in IA_NA", opt(3, IAID + "000000"), ["trailing_bytes"]],
  ["the code of an IA Address alone", opt(3, IAID + "0005"), [
    "trailing_bytes",
  ]],
  ["a status code of 1 byte", nest(3, IAID, opt(13, "00")), ["status_code"]],
  ["a truncated status code", opt(3, IAID + "000d 0005 0000"), [
    "status_code",
  ]],
  [
    "a status code of 1 byte in an IA Address",
    nest(3, IAID, nest(5, "00".repeat(24), opt(13, "00"))),
    ["status_code"],
  ],
  [
    "trailing bytes in an IA Address, and behind it",
    opt(3, IAID + "0005 0019" + "00".repeat(25) + "0000"),
    ["trailing_bytes"],
  ],
];

/** Malformed options of a relay that the reply does not depend on. */
const OF_RELAY: [string, Option, string[]][] = [
  ["Relay Source Port of 1 byte", opt(135, "00"), ["relay_source_port"]],
  ["an Echo Request of 1 byte", opt(43, "00"), ["echo_request"]],
  ["a vendor class of 3 bytes", opt(16, "000001"), ["vendor_class"]],
  ["a Client ID of 1 byte", opt(1, "00"), ["client_id"]],
  ["a Server ID of 1 byte", opt(2, "00"), ["server_id"]],
  ["an IA_NA of 1 byte", opt(3, "00"), ["ia_na"]],
  ["an IA_PD with a truncated IA Prefix", opt(25, IAID + "001a 0001 00"), [
    "ia_prefix",
  ]],
  ["an option request of 3 bytes", opt(6, "001700"), ["option_request"]],
];

/** The names of the malformed options in a packet, and the reply to it. */
function ignoring(bytes: Uint8Array, arrival: Arrival = {}) {
  const { outcome, reply, packet } = respond(bytes, arrival);
  return {
    drop: outcome.drop,
    reply: encodeHex(reply),
    names: packet.malformed.names,
  };
}

Deno.test("responder, malformed options that a reply does not depend on", async (t) => {
  const wanted = encodeHex(respond(message(SOLICIT, UUID, iaNa(7))).reply);
  for (const [name, option, names] of IGNORED) {
    for (
      const [where, bytes] of [
        ["before", message(SOLICIT, option, UUID, iaNa(7))],
        ["after", message(SOLICIT, UUID, iaNa(7), option)],
      ] as const
    ) {
      await t.step(`${name}, ${where} the others`, () => {
        assertEquals(ignoring(bytes), {
          drop: undefined,
          reply: wanted,
          names,
        });
      });
    }
  }

  for (const [name, digits, names] of TRAILING) {
    await t.step(`behind the last option: ${name}`, () => {
      const bytes = concat(message(SOLICIT, UUID, iaNa(7)), hex(digits));
      assertEquals(ignoring(bytes), { drop: undefined, reply: wanted, names });
      const inner = relayed(bytes, { peer: CLIENT });
      const outer = relayed(message(SOLICIT, UUID, iaNa(7)), { peer: CLIENT });
      const reply = encodeHex(respond(outer).reply);
      assertEquals(ignoring(inner), { drop: undefined, reply, names });
    });
  }

  for (const [name, option, names] of INSIDE) {
    for (const type of [REQUEST, RENEW]) {
      await t.step(`inside an IA of message ${type}: ${name}`, () => {
        const bytes = message(type, UUID, OURS, option);
        const { drop, reply, names: ignored } = ignoring(bytes);
        assertEquals([drop, ignored], [undefined, names]);
        assertEquals(pretty(hex(reply)).slice(3, 5), ASSIGNED(7));
      });
    }
  }

  await t.step("a malformed prefix in an IA_PD, which gets none anyway", () => {
    const bytes = message(
      SOLICIT,
      UUID,
      nest(25, IAID, opt(26, "00".repeat(24))),
      iaNa(7),
    );
    assertEquals(lines(bytes), [ADVERTISE, ...NO_PREFIX(7), ...ASSIGNED(7)]);
    assertEquals(ignoring(bytes).names, ["ia_prefix"]);
  });

  for (const [name, option, names] of OF_RELAY) {
    await t.step(`of a relay: ${name}`, () => {
      const relay = { peer: CLIENT, link: "2001:db8:7:8::1" };
      const inner = message(SOLICIT, UUID, iaNa(7));
      const id = opt(18, "cafe");
      const reply = encodeHex(respond(relayed(inner, relay, id)).reply);
      const { outcome } = respond(relayed(inner, relay, option, id));
      assertEquals(outcome.replyPort, 547);
      for (
        const bytes of [
          relayed(inner, relay, option, id),
          relayed(inner, relay, id, option),
        ]
      ) {
        assertEquals(ignoring(bytes), { drop: undefined, reply, names });
      }
    });
  }

  await t.step("behind the Relay Message", () => {
    const relay = relayed(message(SOLICIT, UUID, iaNa(7)), { peer: CLIENT });
    const reply = encodeHex(respond(relay).reply);
    for (
      const [digits, names] of [
        ["00", ["trailing_bytes"]],
        ["000000", ["trailing_bytes"]],
        ["0025 0009 0000", ["other"]],
      ] as const
    ) {
      const bytes = concat(relay, hex(digits));
      assertEquals(ignoring(bytes), {
        drop: undefined,
        reply,
        names: [...names],
      });
    }
  });

  await t.step("the whole codes of an Echo Request are echoed", () => {
    const { reply, names } = ignoring(relayed(
      message(SOLICIT, UUID, iaNa(7)),
      { peer: CLIENT },
      opt(43, "0025 002b 00"),
      opt(37, "00000009aa"),
    ));
    assertEquals(pretty(hex(reply)).slice(1, 3), [
      "43 0025002b",
      "37 00000009aa",
    ]);
    assertEquals(names, ["echo_request"]);
  });

  await t.step("the whole codes of an option request are sent", () => {
    const onRequest = [dnsServersOption([parseIpv6("2001:db8::53")!])];
    assertEquals(
      lines(message(REQUEST, UUID, OURS, opt(6, "0017 00")), {
        options: { ...SETTINGS, onRequest },
      }),
      [REPLY, "23 20010db8000000000000000000000053"],
    );
  });

  await t.step(
    "several are counted, and forgotten with the next packet",
    () => {
      const responder = new Responder(SETTINGS, hex(SERVER_DUID));
      const { packet } = responder;
      const read = (...options: Option[]) => {
        const bytes = message(SOLICIT, UUID, ...options);
        assertEquals(packet.read(bytes), undefined);
        return packet.malformed.total;
      };
      assertEquals(read(opt(14, "00"), opt(7), opt(7), opt(61, "000700")), 4);
      assertEquals(packet.malformed.names, [
        "preference",
        "rapid_commit",
        "client_architecture",
      ]);
      assertEquals(read(iaNa(7)), 0);
      assertEquals(packet.malformed.names, []);
    },
  );
});

Deno.test("responder, dropped", async (t) => {
  for (const [name, option] of WRONG_LENGTHS) {
    await t.step(`${name}: option_malformed`, () => {
      const { outcome } = respond(message(SOLICIT, UUID, option));
      assertEquals(outcome.drop, "option_malformed");
    });
  }

  await t.step("every reason has a row, here or in another table", () => {
    const reasons = new Set(DROPPED.map(([, , reason]) => reason));
    assertEquals(
      DROP_REASONS.filter((reason) => !reasons.has(reason)),
      // Tested with the relays, the direct messages and the sockets.
      [
        "relay_too_deep",
        "confirm_without_address",
        "source_too_loud",
        "send_blocked",
        "send_failed",
      ],
    );
  });

  for (const [name, packet, reason, arrival] of DROPPED) {
    await t.step(`${name}: ${reason}`, () => {
      const { outcome } = respond(packet, arrival);
      assertEquals(outcome.drop, reason);
      assertEquals(outcome.length, 0);
    });
  }
});

Deno.test("responder, options on request", async (t) => {
  const options: ResponderOptions = {
    ...SETTINGS,
    onRequest: [
      dnsServersOption([
        parseIpv6("2001:db8::53")!,
        parseIpv6("2001:db8::54")!,
      ]),
      ntpServer("2001:db8::123")!.option,
      ntpServer("ntp.example")!.option,
    ],
  };
  const dns = "23 20010db8000000000000000000000053" +
    "20010db8000000000000000000000054";

  await t.step("are sent when the client requests them", () => {
    assertEquals(
      lines(message(INFORMATION_REQUEST, UUID, oro(23, 24, 56, 23)), {
        options,
      }),
      [
        REPLY,
        dns,
        "56 0001001020010db8000000000000000000000123",
        "56 0003000d036e7470076578616d706c6500",
      ],
    );
    assertEquals(
      lines(message(REQUEST, UUID, OURS, oro(23)), { options }),
      [REPLY, dns],
    );
    assertEquals(
      lines(message(SOLICIT, UUID, oro(23)), { options }),
      [ADVERTISE, "7 ff", dns],
    );
  });

  await t.step("are not sent otherwise", () => {
    assertEquals(lines(message(SOLICIT, UUID), { options }), [
      ADVERTISE,
      "7 ff",
    ]);
    assertEquals(
      lines(message(RELEASE, UUID, OURS, oro(23)), { options }),
      [REPLY, "13 0 accepted"],
    );
  });

  for (
    const [name, sentFlags, replyFlags] of [
      ["S: the server overrides it", "01", "06"],
      ["O", "02", "04"],
      ["N", "04", "04"],
      ["no flag", "00", "04"],
    ] as const
  ) {
    await t.step(`Client FQDN with ${name}`, () => {
      const domain = "046d616331036c616200";
      assertEquals(
        lines(
          message(REQUEST, UUID, OURS, oro(39), opt(39, sentFlags + domain)),
        ),
        [REPLY, `39 ${replyFlags}${domain}`],
      );
      assertEquals(
        lines(message(REQUEST, UUID, OURS, opt(39, sentFlags + domain))),
        [REPLY],
      );
    });
  }
});

/** The vendor class of PXE and HTTP boot firmware. */
function pxe(text: string) {
  return opt(16, numbers(4, 343) + numbers(2, text.length) + ascii(text));
}

Deno.test("responder, boot options", async (t) => {
  const arch = (...numbersOf: number[]) => opt(61, numbers(2, ...numbersOf));
  const options = BOOT;
  const url = (text: string) => `59 ${text}`;
  const payload = (text: string) => btoa(`{"architectures":["${text}"]}`);

  await t.step(
    "PXE firmware gets the URL of iPXE in Advertise and Reply",
    () => {
      const firmware = [UUID, iaNa(7), pxe("PXEClient:Arch:00007"), arch(7)];
      const expected = url(
        "tftp://[2001:db8:1:2::]/52:54:00:12:34:56/ipxe.efi",
      );
      assertEquals(
        lines(message(SOLICIT, ...firmware), { options }).at(-1),
        expected,
      );
      assertEquals(
        lines(message(REQUEST, OURS, ...firmware), { options }).at(-1),
        expected,
      );
      assertEquals(
        respond(message(SOLICIT, ...firmware), { options }).outcome.event,
        "point_pxe_to_ipxe_over_tftp",
      );
    },
  );

  await t.step(
    "PXE firmware of arm64 gets the URL of the iPXE for arm64",
    () => {
      assertEquals(
        lines(message(SOLICIT, UUID, pxe("PXEClient:"), arch(11)), { options })
          .at(-1),
        url("tftp://[2001:db8:1:2::]/52:54:00:12:34:56/ipxe-arm64.efi"),
      );
    },
  );

  await t.step("PXE firmware never gets options 16 or 60", () => {
    const reply = lines(
      message(SOLICIT, UUID, pxe("PXEClient"), arch(7), oro(16, 59, 60)),
      { options },
    );
    assertEquals(reply.some((line) => /^(16|60)/.test(line)), false);
  });

  await t.step(
    "HTTP firmware gets its vendor class, and the URL as the last option",
    () => {
      const reply = lines(
        message(SOLICIT, UUID, iaNa(7), pxe("HTTPClient:Arch:00016"), arch(16)),
        { options },
      );
      assertEquals(reply.slice(-2), [
        "16 00000157000a48545450436c69656e74",
        url(
          `http://[2001:db8:1:2::1]/52:54:00:12:34:56?${
            payload("EFI x86-64 boot from HTTP")
          }`,
        ),
      ]);
    },
  );

  await t.step(
    "iPXE gets the URL of the template, by its user class",
    () => {
      const { outcome, reply } = respond(
        message(
          SOLICIT,
          UUID,
          pxe("PXEClient"),
          opt(15, "0004" + ascii("iPXE")),
          arch(7),
        ),
        { options },
      );
      assertEquals(outcome.event, "point_ipxe_to_http_boot");
      assertEquals(
        pretty(reply).at(-1),
        url(
          `http://[2001:db8:1:2::1]/52:54:00:12:34:56?${payload("EFI x86-64")}`,
        ),
      );
    },
  );

  await t.step(
    "an Information-request gets them, but shows no boot stage",
    () => {
      const { outcome, reply } = respond(
        message(INFORMATION_REQUEST, UUID, pxe("PXEClient"), arch(7)),
        { options },
      );
      assertEquals(outcome.event, undefined);
      assertEquals(
        pretty(reply).at(-1),
        url("tftp://[2001:db8:1:2::]/52:54:00:12:34:56/ipxe.efi"),
      );
    },
  );

  await t.step(
    "Release, Decline and Confirm get none and show no boot stage",
    () => {
      for (
        const packet of [
          message(RELEASE, UUID, OURS, iaNa(7, OWN), pxe("PXEClient")),
          message(
            DECLINE,
            UUID,
            OURS,
            iaNa(7, "2001:db8::1"),
            pxe("PXEClient"),
          ),
          message(CONFIRM, UUID, iaNa(7, OWN), pxe("PXEClient")),
        ]
      ) {
        const { outcome, reply } = respond(packet, { options });
        assertEquals(outcome.event, undefined);
        assertEquals(
          pretty(reply).some((line) => /^(16|59)/.test(line)),
          false,
        );
      }
    },
  );

  await t.step(
    "the base address in a URL is that of the client's subnet",
    () => {
      const boot = {
        ...options.boot!,
        template: parseTemplate("http://boot.example/{{.BaseAddress}}"),
      };
      const { reply } = respond(
        relayed(message(SOLICIT, UUID, pxe("HTTPClient")), {
          link: "2001:db8:7:8::1",
          peer: CLIENT,
        }),
        { options: { ...options, boot } },
      );
      assertEquals(
        pretty(reply).at(-1),
        "  59 http://boot.example/2001:db8:7:8::",
      );
    },
  );

  await t.step("boot loaders, by what they were seen to send", async (t) => {
    const urls = new Map([
      ["u-boot-arm64", "tftp://[{{.BootAddress}}]/{{.MAC}}/u-boot.img"],
      ["grub", "tftp://[{{.BootAddress}}]/{{.MAC}}/grubaa64.efi"],
    ].map(([kind, text]) => [kind!, parseTemplate(text!)]));
    const own = "2001:db8:1:2:0:200:5e00:5301";
    const mac = "02:00:5e:00:53:01";
    for (
      const [name, digits, kinds, expected, loader] of [
        [
          "a Raspberry Pi",
          RASPBERRY_PI,
          [],
          "tftp://[2001:db8:1:2::]/",
          undefined,
        ],
        [
          "U-Boot",
          U_BOOT,
          ["u-boot-arm64"],
          `tftp://[2001:db8:1:2::1]/${mac}/u-boot.img`,
          undefined,
        ],
        [
          "U-Boot without a URL",
          U_BOOT,
          [],
          undefined,
          "u-boot, architecture 22 (U-Boot ARM64), vendor class U-Boot",
        ],
        [
          "GRUB",
          GRUB,
          ["grub"],
          `tftp://[2001:db8:1:2::1]/${mac}/grubaa64.efi`,
          undefined,
        ],
        [
          "GRUB without a URL",
          GRUB,
          [],
          undefined,
          "grub, no architecture, no vendor class",
        ],
      ] as const
    ) {
      await t.step(name, () => {
        const bytes = hex(digits);
        const boot = {
          ...options.boot!,
          urls: new Map(
            [...urls].filter(([kind]) =>
              (kinds as readonly string[]).includes(kind)
            ),
          ),
        };
        const { outcome, reply } = respond(bytes, {
          options: { ...options, boot },
          from: "fe80::200:5eff:fe00:5301",
        });
        assertEquals(outcome.drop, undefined);
        const last = pretty(reply).at(-1)!;
        if (expected === undefined) {
          assertEquals(last.startsWith("59 "), false);
          assertEquals(outcome.event, "firmware_init");
        } else {
          assertEquals(last, `59 ${expected}`);
          assertEquals(outcome.event, "point_loader_to_boot_file");
        }
        assertEquals(outcome.loader, loader);
        assert(pretty(reply).includes(`  5 ${own} 1200 1300`));
      });
    }

    await t.step("GRUB's Solicit says nothing of what it is", () => {
      const seen = (digits: string) => {
        const { outcome, reply } = respond(hex(digits), {
          options,
          from: "fe80::200:5eff:fe00:5301",
        });
        assert(pretty(reply).includes(`  5 ${own} 1200 1300`));
        return outcome.event;
      };
      assertEquals(seen(GRUB_SOLICIT), undefined);
      // Of these, a system may have sent each.
      for (
        const [from, to] of [
          ["000c 00000000", "000c 00000001"],
          [/$/, "0006 0004 0017 0018"],
          [/$/, "000e 0000"],
          [/0008 0002 0000$/, ""],
        ] as const
      ) {
        const other = GRUB_SOLICIT.replace(from, to);
        assert(other !== GRUB_SOLICIT);
        assertEquals(seen(other), "os_init", other);
      }
    });

    await t.step("U-Boot asks again from its own address", () => {
      const bytes = hex(U_BOOT);
      const drop = (from: string, isLinkScoped = true) =>
        respond(bytes, { options, from, isLinkScoped }).outcome.drop;
      assertEquals(drop(own), undefined);
      assertEquals(
        drop("2001:db8:1:2:0:200:5e00:5302"),
        "source_not_link_local",
      );
      assertEquals(drop("2001:db8:1:2::1"), "source_not_link_local");
      // The same interface identifier on another link.
      assertEquals(
        drop("2001:db8:7:8:0:200:5e00:5301"),
        "source_not_link_local",
      );
      assertEquals(drop(own, false), "client_message_not_multicast");
    });
  });

  await t.step(
    "replySizeProblem names options that may not fit a reply",
    () => {
      const fits = parseTemplate("http://boot.example/{{.Payload}}");
      assertEquals(replySizeProblem(SETTINGS, [fits]), undefined);
      // The longest possible reply with an accepted template fits exactly.
      const fields = "{{.BootAddress}}{{.Payload}}";
      const template = (length: number) =>
        parseTemplate(`http://boot.example/${fields}${"x".repeat(length)}`);
      const firmware = [
        opt(1, "0004" + "aa".repeat(128)),
        iaNa(7),
        pxe("HTTPClient"),
        arch(...new Array(8).fill(38)),
      ];
      let length = 0;
      while (replySizeProblem(SETTINGS, [template(length + 1)]) === undefined) {
        length++;
      }
      const { outcome } = respond(message(SOLICIT, ...firmware), {
        options: {
          ...options,
          boot: {
            ...options.boot!,
            template: template(length),
            bootAddress: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          },
        },
      });
      assertEquals(outcome.drop, undefined);
      // The server's DUID is 120 bytes shorter than the longest one.
      assertEquals(outcome.length, MAX_DHCPV6_REPLY - 120);
      const long = parseTemplate(`http://boot.example/${"x".repeat(900)}`);
      assertEquals(
        replySizeProblem(SETTINGS, [template(1), long])?.includes("1232"),
        true,
      );
    },
  );
});

Deno.test("responder, relays", async (t) => {
  const solicit = message(SOLICIT, UUID, iaNa(7));
  const inner = [
    "  message 2 xid abcdef",
    "  1 000400112233445566778899aabbccddeeff",
    `  2 ${SERVER_DUID}`,
  ];
  const assigned = (address: string) => [
    ...inner,
    "  3 7 600 1050",
    `    5 ${address} 1200 1300`,
    "  7 ff",
  ];
  const address7 = "2001:db8:7:8:0:5254:12:3456";

  await t.step(
    "encapsulates the reply with Interface-ID and hop count, to port 547",
    () => {
      const { outcome, reply } = respond(
        relayed(
          solicit,
          { link: "2001:db8:7:8::1", peer: CLIENT, hops: 5 },
          opt(18, ascii("eth7")),
        ),
        { isLinkScoped: false, from: "2001:db8:7:8::1", port: 40000 },
      );
      assertEquals(outcome.replyPort, 547);
      assertEquals(pretty(reply), [
        `relay 13 hops 5 link 2001:db8:7:8::1 peer ${CLIENT}`,
        "18 65746837",
        ...assigned(address7),
      ]);
    },
  );

  await t.step(
    "prefers the MAC in option 79 of the relay nearest to the client",
    () => {
      const packet = relayed(
        relayed(
          message(SOLICIT, opt(1, "000300010200000000cc"), iaNa(7)),
          { link: "2001:db8:7:8::1" },
          opt(79, "0001 0200000000dd"),
        ),
        { hops: 1 },
        opt(79, "0001 0200000000ee"),
      );
      const { outcome } = respond(packet);
      assertEquals(formatMac(outcome.clientMac.mac), "02:00:00:00:00:dd");
      assertEquals(outcome.clientMac.source, "relay");
      assertEquals(formatMac(outcome.clientMac.otherMac), "02:00:00:00:00:cc");
      assertEquals(outcome.clientMac.otherSource, "duid");
    },
  );

  await t.step(
    "takes the subnet from the innermost global link-address",
    () => {
      const layer2 = relayed(solicit, { peer: CLIENT }, opt(18, "aa"));
      const layer3 = (packet: Uint8Array, interfaceName: string) =>
        relayed(
          packet,
          { link: interfaceName, peer: "fe80::2", hops: 1 },
          opt(18, "bb"),
        );
      assertEquals(
        pretty(respond(layer3(layer2, "2001:db8:7:8::1")).reply),
        [
          "relay 13 hops 1 link 2001:db8:7:8::1 peer fe80::2",
          "18 bb",
          `  relay 13 hops 0 link :: peer ${CLIENT}`,
          "  18 aa",
          ...assigned(address7).map((line) => `  ${line}`),
        ],
      );
      const linkLocal = relayed(solicit, { link: "fe80::9", peer: CLIENT });
      assertEquals(
        pretty(respond(layer3(linkLocal, "2001:db8:7:8::1")).reply).at(-2)
          ?.trim(),
        `5 ${address7} 1200 1300`,
      );
      // The inner link-address decides, although the outer one is in a subnet.
      const unknown = relayed(solicit, {
        link: "2001:db8:9:9::1",
        peer: CLIENT,
      });
      assertEquals(
        respond(layer3(unknown, "2001:db8:7:8::1")).outcome.drop,
        "link_unknown",
      );
    },
  );

  await t.step(
    "takes the subnet of the interface without a link-address",
    () => {
      const { reply } = respond(relayed(solicit, { peer: CLIENT }));
      assertEquals(pretty(reply).at(-2)?.trim(), `5 ${OWN} 1200 1300`);
    },
  );

  await t.step("reads 9 levels, and drops 10", () => {
    let packet = solicit;
    for (let level = 0; level < 9; level++) {
      packet = relayed(
        packet,
        {
          link: level === 0 ? "2001:db8:7:8::1" : "::",
          peer: CLIENT,
          hops: level,
        },
        opt(18, numbers(4, level)),
      );
    }
    const { outcome, reply } = respond(packet);
    assertEquals(outcome.drop, undefined);
    const text = pretty(reply);
    for (let level = 0; level < 9; level++) {
      const indent = "  ".repeat(8 - level);
      assertEquals(text.includes(`${indent}18 ${numbers(4, level)}`), true);
    }
    assertEquals(text.at(-2)?.trim(), `5 ${address7} 1200 1300`);
    assertEquals(
      respond(relayed(packet, { hops: 9 })).outcome.drop,
      "relay_too_deep",
    );
  });

  await t.step("echoes each option that a relay requests once", () => {
    const { reply } = respond(
      relayed(
        solicit,
        { link: "2001:db8:7:8::1", peer: CLIENT },
        opt(37, "00000009aa"),
        opt(43, numbers(2, 37, 18, 9, 135, 37, 200, 43)),
        opt(135, "0000"),
        opt(18, "cc"),
        opt(38, "dd"),
      ),
    );
    assertEquals(pretty(reply).slice(1, 5), [
      "18 cc",
      "135 0000",
      "37 00000009aa",
      "43 0025001200090087002500c8002b",
    ]);
    assertEquals(pretty(reply)[5], inner[0]);
  });

  await t.step(
    "a long Echo Request takes no longer than a short one",
    () => {
      const echo = (count: number) => {
        const codes = [...Array(count).keys()].map((index) => 1000 + index);
        return relayed(
          solicit,
          { link: "2001:db8:7:8::1", peer: CLIENT },
          opt(43, numbers(2, ...codes, 37)),
          opt(37, "00000009aa"),
        );
      };
      assertEquals(pretty(respond(echo(1800)).reply)[1], "37 00000009aa");
      const responder = new Responder(SETTINGS, hex(SERVER_DUID));
      const reply = new Uint8Array(MAX_DHCPV6_REPLY);
      const packet = echo(1800);
      let fastest = Infinity;
      for (let run = 0; run < 50; run++) {
        const start = performance.now();
        responder.respond(
          packet,
          packet.length,
          parseIpv6("2001:db8:7:8::1")!,
          547,
          false,
          reply,
        );
        fastest = Math.min(fastest, performance.now() - start);
      }
      // Comparing each code with all preceding ones takes more than 1 ms.
      assert(fastest < 0.5, `${fastest} ms`);
    },
  );

  await t.step(
    "replies to the source port of a relay that sends option 135 (RFC 8357)",
    () => {
      const from = { onLink: false, from: "2001:db8:7:8::1", port: 40000 };
      const level = relayed(
        solicit,
        { link: "2001:db8:7:8::1", peer: CLIENT },
        opt(135, "1234"),
      );
      const outermost = respond(
        relayed(level, { hops: 1 }, opt(135, "0000")),
        from,
      );
      assertEquals(outermost.outcome.replyPort, 40000);
      assertEquals(
        pretty(outermost.reply).filter((line) => /^ *135/.test(line)),
        ["135 0000", "  135 1234"],
      );
      const innermost = respond(relayed(level, { hops: 1 }), from);
      assertEquals(innermost.outcome.replyPort, 547);
    },
  );

  await t.step("answers relays on the link and elsewhere", () => {
    const packet = relayed(solicit, { link: "2001:db8:7:8::1", peer: CLIENT });
    for (const isLinkScoped of [true, false]) {
      for (const from of ["fe80::9", "2001:db8:5::1"]) {
        assertEquals(
          respond(packet, { isLinkScoped, from }).outcome.drop,
          undefined,
        );
      }
    }
  });
});

Deno.test("responder, a sequence of messages", async (t) => {
  await t.step("keeps nothing of the previous message", () => {
    const responder = new Responder(BOOT, hex(SERVER_DUID));
    const reply = new Uint8Array(MAX_DHCPV6_REPLY);
    const receive = (bytes: Uint8Array, from: string) =>
      responder.respond(
        bytes,
        bytes.length,
        parseIpv6(from)!,
        546,
        true,
        reply,
      );
    receive(
      message(SOLICIT, opt(1, "000300010200000000cc"), pxe("PXEClient")),
      CLIENT,
    );
    assertEquals(responder.outcome.event, "point_pxe_to_ipxe_over_tftp");
    assertEquals(
      formatMac(responder.outcome.clientMac.otherMac),
      "52:54:00:12:34:56",
    );
    receive(message(DECLINE, UUID, OURS, iaNa(7, OWN)), CLIENT);
    assertEquals(responder.outcome.note, "address_declined");
    assertEquals(responder.outcome.event, undefined);
    receive(hex("01"), CLIENT);
    assertEquals(responder.outcome.note, undefined);
    assertEquals(responder.outcome.drop, "packet_too_short");
    assertEquals(responder.outcome.event, undefined);
    assertEquals(responder.outcome.clientMac.mac, NO_MAC);
    assertEquals(responder.outcome.clientMac.otherMac, NO_MAC);
    assertEquals(responder.outcome.length, 0);
    assertEquals(responder.outcome.subnet, undefined);
    receive(message(SOLICIT, UUID), "fe80::1");
    assertEquals(responder.outcome.drop, "no_mac");
  });
});

Deno.test("responder, any bytes", async (t) => {
  await t.step(
    "replies are valid and assign only the address of the client",
    () => {
      const responder = new Responder(BOOT, hex(SERVER_DUID));
      const reply = new Uint8Array(MAX_DHCPV6_REPLY);
      let replies = 0;
      fc.assert(
        fc.property(changedCaptures, (bytes) => {
          const { drop, length, clientMac } = responder.respond(
            bytes,
            bytes.length,
            parseIpv6(CLIENT)!,
            546,
            true,
            reply,
          );
          if (drop !== undefined) return;
          replies++;
          assert(length <= MAX_DHCPV6_REPLY);
          const text = pretty(reply.slice(0, length));
          const mac = formatMac(clientMac.mac).replaceAll(":", "");
          for (const line of text) {
            const given = /^ *5 (\S+) [1-9]/.exec(line)?.[1];
            if (given === undefined) continue;
            assertEquals(encodeHex(parseIpv6(given)!).slice(20), mac, line);
          }
        }),
        { numRuns: 20_000 },
      );
      assert(replies > 2000, `only ${replies} replies`);
    },
  );
});
