/**
 * Clients and relays with malformed options, and a server whose interface
 * changes under it.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { linkLayerDuid } from "../../../lib/dhcpv6/wire/duid.ts";
import type { Option } from "../../../lib/dhcpv6/wire/packet.ts";
import { parseMac } from "../../../lib/net/mac.ts";
import {
  type LogLine,
  runDaemon,
  type RunningDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import {
  ascii,
  hex,
  iaNa,
  message,
  nest,
  numbers,
  opt,
  pretty,
  relayed,
} from "../../support/dhcpv6.ts";
import { BASE, derived, getsAddress } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";

const lacks = missing(
  "tests of DHCPv6 in other people's networks",
  "dhclient",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

const [SOLICIT, REQUEST, RENEW] = [1, 3, 5] as const;
const CLIENT_ID = opt(1, "0003 0001 525400123456");
const OWN = "2001:db8:1:2:0:5254:12:3456";
const IAID = numbers(4, 7, 0, 0);

/** The line of the address that the client must get. */
const ADDRESS = `  5 ${OWN} 1200 1200`;

function concat(bytes: Uint8Array, digits: string): Uint8Array {
  return hex(encodeHex(bytes) + digits.replace(/\s/g, ""));
}

/** A message that the daemon must not answer. */
interface Silent {
  readonly silent: Uint8Array;
}

/** Sends messages to the daemon from the client's link; the replies as lines. */
async function exchange(
  client: Host,
  messages: readonly (Uint8Array | Silent)[],
  port = 546,
): Promise<string[][]> {
  const sent = messages.map((message, index) => {
    const xid = (0xc0ffee - index).toString(16);
    const isSilent = "silent" in message;
    const bytes = isSilent ? message.silent : message;
    const digits = encodeHex(bytes).replace("abcdef", xid);
    return `${xid}:${digits}${isSilent ? ":" : ""}`;
  });
  const { stdout } = await client.run([
    ...Deno.env.get("TEST_DENO")!.split("\n"),
    `${import.meta.dirname}/../../support/exchange.ts`,
    `${await client.linkLocal("eth0")}%eth0`,
    String(port),
    "ff02::1:2%eth0",
    "547",
    ...sent,
  ], { seconds: 60 });
  const lines = stdout.trim().split("\n");
  assertEquals(lines.length, messages.length, stdout);
  return lines.map((line) =>
    line === "nothing" ? ["nothing"] : pretty(hex(line))
  );
}

async function metric(daemon: Host, pattern: RegExp): Promise<string[]> {
  const { stdout } = await daemon.run([
    "curl",
    "-sg",
    "http://[::1]:6315/metrics",
  ]);
  return [...stdout.matchAll(pattern)].map((match) => match[1]!);
}

function solicit(...options: Option[]): Uint8Array {
  return message(SOLICIT, CLIENT_ID, iaNa(7), ...options);
}

/** What the client sends, and what of it the daemon must ignore. */
const CLIENTS: [string, Uint8Array, string][] = [
  [
    "a user class as raw bytes",
    solicit(opt(15, "6c696e7578626f6f74")),
    "user_class",
  ],
  [
    "a user class with a length in little endian",
    solicit(opt(15, "0900" + ascii("linuxboot"))),
    "user_class",
  ],
  [
    "a vendor class with a length in little endian",
    solicit(opt(16, "000000ab 0800 4449522d38363700")),
    "vendor_class",
  ],
  [
    "a vendor class of half an enterprise number",
    solicit(opt(16, "0000")),
    "vendor_class",
  ],
  ["an architecture of 3 bytes", solicit(opt(61, "000700")), "client_archite"],
  ["no architecture", solicit(opt(61)), "client_architecture"],
  ["an option request of 5 bytes", solicit(opt(6, "0017001800")), "option_re"],
  ["an elapsed time of 4 bytes", solicit(opt(8, "00000000")), "elapsed_time"],
  ["Rapid Commit with data", solicit(opt(14, "01")), "rapid_commit"],
  ["an empty FQDN", solicit(opt(39)), "client_fqdn"],
  ["Reconfigure Accept with data", solicit(opt(20, "01")), "reconfigure_acc"],
  ["a network interface of 2 bytes", solicit(opt(62, "0103")), "network_inte"],
  ["an Authentication of 3 bytes", solicit(opt(11, "010203")), "authenticat"],
  ["1 zero byte at the end", concat(solicit(), "00"), "trailing_bytes"],
  ["3 zero bytes at the end", concat(solicit(), "000000"), "trailing_bytes"],
  ["zero bytes up to 512", concat(solicit(), "00".repeat(478)), "trailing_by"],
  ["half a vendor class at the end", concat(solicit(), "0010 0600 0000"), "ve"],
  ["half a Client ID at the end", concat(solicit(), "0001 ffff"), "client_id"],
  ["an IA_NA cut off at the end", concat(solicit(), "0003 00ff 0000"), "ia_na"],
  ["a second Client ID of 2 bytes", solicit(opt(1, "0001")), "client_id"],
  [
    "a status code of 1 byte in the IA",
    message(SOLICIT, CLIENT_ID, nest(3, IAID, opt(13, "00"))),
    "status_code",
  ],
  [
    "a zero byte at the end of the IA",
    message(SOLICIT, CLIENT_ID, opt(3, IAID + "00")),
    "trailing_bytes",
  ],
];

const RELAY = { link: "2001:db8:1:2::9", peer: "fe80::5054:ff:fe12:3456" };
const ID = opt(18, ascii("eth7"));

/** What a relay sends. */
const RELAYS: [string, Uint8Array, string][] = [
  [
    "a Relay Source Port of 1 byte",
    relayed(solicit(), RELAY, ID, opt(135, "00")),
    "relay_source_port",
  ],
  [
    "an Echo Request of 1 byte",
    relayed(solicit(), RELAY, ID, opt(43, "12")),
    "echo_request",
  ],
  [
    "a vendor class of 2 bytes",
    relayed(solicit(), RELAY, ID, opt(16, "0000")),
    "vendor_class",
  ],
  [
    "zero bytes behind the Relay Message",
    concat(relayed(solicit(), RELAY, ID), "0000"),
    "trailing_bytes",
  ],
  [
    "half a Remote-ID behind the Relay Message",
    concat(relayed(solicit(), RELAY, ID), "0025 000e 0000"),
    "other",
  ],
  [
    "a client's user class as raw bytes",
    relayed(solicit(opt(15, ascii("linuxboot"))), RELAY, ID),
    "user_class",
  ],
  [
    "half a Relay Message behind the whole one",
    concat(relayed(solicit(), RELAY, ID), "0009 ffff"),
    "relay_message",
  ],
  [
    "half an Interface-ID behind the whole one",
    concat(relayed(solicit(), RELAY, ID), "0012 0100"),
    "interface_id",
  ],
];

Deno.test({
  name: "malformed options",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
    await client.linkLocal("eth0");
    const daemon = await startDaemon(
      router,
      "--interface=lan",
      `--base-address=${BASE}`,
      "--http-boot-url-template=http://[{{.BootAddress}}]/{{.MAC}}",
    );

    const packets = () => daemon.log.filter(({ event }) => event === "packet");

    for (
      const [who, rows, port] of [
        ["client", CLIENTS, 546],
        ["relay", RELAYS, 547],
      ] as const
    ) {
      let replies: string[][] = [];
      await t.step(`a ${who}'s messages are answered`, async () => {
        replies = await exchange(
          client,
          rows.map(([, bytes]) => bytes),
          port,
        );
      });

      for (const [index, [name, , ignored]] of rows.entries()) {
        await t.step(`of a ${who}: ${name}`, () => {
          const lines = replies[index]!.map((line) => line.trimStart());
          assert(lines.includes(ADDRESS.trimStart()), lines.join("\n"));
          if (who === "relay") assertEquals(lines[1], `18 ${ascii("eth7")}`);
          assert(
            packets().some((line) =>
              String(line.ignored_options ?? "").startsWith(ignored) &&
              line.drop === undefined
            ),
            `no debug line about ${ignored}`,
          );
        });
      }
    }

    await t.step("each is counted by its option", async () => {
      const counted = await metric(
        router,
        /^dhcpv6macd_dhcpv6_options_ignored_total\{option="(\w+)"\} [1-9]/gm,
      );
      for (const [, , name] of [...CLIENTS, ...RELAYS]) {
        assert(counted.some((option) => option.startsWith(name)), name);
      }
    });

    await t.step(
      "what can be read of a class decides about the boot",
      async () => {
        const pxe = opt(16, "00000157 0009" + ascii("PXEClient"));
        const replies = await exchange(client, [
          solicit(pxe, opt(15, ascii("iPXE")), opt(61, "0007")),
          solicit(pxe, opt(15, "0400" + ascii("iPXE")), opt(61, "0007")),
          solicit(opt(16, "00000157 0a00" + ascii("HTTPClient"))),
          solicit(opt(16, "00000157" + ascii("HTTPClient"))),
          solicit(pxe, opt(61, "000700")),
        ]);
        const template = "59 http://[2001:db8:1:2::1]/52:54:00:12:34:56";
        const script =
          "59 tftp://[2001:db8:1:2::1]/52:54:00:12:34:56/boot.ipxe";
        assertEquals(replies.map((lines) => lines.at(-1)), [
          script,
          script,
          template,
          template,
          "59 tftp://[2001:db8:1:2::1]/52:54:00:12:34:56/ipxe.efi",
        ]);
      },
    );

    await t.step("what the reply depends on is dropped", async () => {
      const dropped = (reason: string) =>
        daemon.count("packet", (line) => line.drop === reason);
      assertEquals(dropped("option_malformed"), 0);
      const replies = await exchange(client, [
        {
          silent: message(SOLICIT, CLIENT_ID, opt(3, IAID + "0005 0018 2001")),
        },
        solicit(),
      ]);
      assertEquals(replies[0], ["nothing"]);
      assert(replies[1]!.includes(ADDRESS));
      assertEquals(dropped("option_malformed"), 1);
    });

    await t.step(
      "dhclient, which sends a user class as it is configured",
      async () => {
        const configuration = await lab.file(
          "dhclient.conf",
          `option dhcp6.raw-class code 15 = string;
send dhcp6.raw-class "linuxboot";
`,
        );
        await startDhclient(client, configuration);
        await getsAddress(client, "eth0", await derived(client, "eth0"));
        const mac = await client.mac("eth0");
        const line = await daemon.logs(
          "packet",
          (line) => line.mac === mac && line.type === "request",
        );
        assertEquals(line.ignored_options, "user_class");
      },
    );
  },
});

async function startDhclient(client: Host, configuration = "/dev/null") {
  const script = await client.lab.file(
    "set-address",
    `#!/bin/sh
[ -z "$new_ip6_address" ] || ip -6 addr replace "$new_ip6_address/128" dev "$interface"
exit 0
`,
    0o755,
  );
  return client.start(
    ["dhclient", "-6", "-d", "-v", "-sf", script, "-cf", configuration].concat(
      ["-lf", `${client.lab.directory}/leases`],
      ["-pf", `${client.lab.directory}/pid`, "eth0"],
    ),
  );
}

const LOWEST = "02:00:00:00:00:01";
const PORT = "02:00:00:00:00:05";

/** A router whose bridge has the client's port, and a port of a lower MAC. */
async function bridged(lab: Lab): Promise<{ router: Host; client: Host }> {
  const router = await lab.host("router");
  const client = await lab.host("client");
  await router.run(["sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"]);
  await lab.cable(router, "p0", client, "eth0");
  await router.ip(`link set p0 address ${PORT}`);
  await router.ip("link add low type veth peer name lowest");
  await router.ip(`link set low address ${LOWEST}`);
  await addBridge(router);
  await router.ip("link set low master br0");
  await client.linkLocal("eth0");
  await isBridgeMac(router, LOWEST);
  return { router, client };
}

async function addBridge(router: Host, ...words: string[]): Promise<void> {
  await router.ip(["link add br0", ...words, "type bridge"].join(" "));
  await router.ip("link set br0 up");
  await router.ip("link set p0 master br0");
  await router.linkLocal("br0");
}

async function isBridgeMac(router: Host, mac: string): Promise<void> {
  await eventually(
    `br0 has the MAC ${mac}`,
    async () => (await router.mac("br0")) === mac,
  );
}

function duidOf(mac: string): string {
  return encodeHex(linkLayerDuid(parseMac(mac)!));
}

/** Sends these messages, and expects a reply with this Server ID to each. */
async function isServedBy(
  client: Host,
  server: string,
  ...messages: Uint8Array[]
): Promise<void> {
  for (const lines of await exchange(client, messages)) {
    assert(lines.includes(`2 ${server}`), lines.join("\n"));
    assert(lines.includes(ADDRESS), lines.join("\n"));
  }
}

function others(daemon: RunningDaemon): unknown[] {
  return daemon.log.filter(({ event }) => event === "other_server")
    .map((line) => line.server_duid);
}

const servesMac = (mac: string) => (line: LogLine) => line.mac === mac;

Deno.test({
  name: "the identity of the server",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await bridged(lab);
    const options = ["--interface=br0", `--base-address=${BASE}`];
    const daemon = await startDaemon(router, ...options);
    const duid = duidOf(LOWEST);
    const { server_duid } = await daemon.logs("serving");
    assertEquals(server_duid, duid);
    const toServer = (type: number, server = duid) =>
      message(type, CLIENT_ID, opt(2, server), iaNa(7));

    await t.step("stays when a bridge loses its lowest port", async () => {
      await isServedBy(client, duid, solicit());
      await router.ip("link set low nomaster");
      await isBridgeMac(router, PORT);
      // At once, and when the daemon knows.
      await isServedBy(client, duid, toServer(REQUEST));
      await daemon.logs("serving", servesMac(PORT));
      await isServedBy(
        client,
        duid,
        toServer(REQUEST),
        toServer(RENEW),
        solicit(),
      );
    });

    await t.step("stays when the MAC is set by hand", async () => {
      await router.ip("link set br0 address 02:00:00:00:00:77");
      await daemon.logs("serving", servesMac("02:00:00:00:00:77"));
      await isServedBy(client, duid, toServer(RENEW), solicit());
    });

    await t.step("stays when the interface goes down and up", async () => {
      await router.ip("link set br0 down");
      await daemon.logs("waiting");
      await router.ip("link set br0 address 02:00:00:00:00:78");
      await router.ip("link set br0 up");
      await daemon.logs("serving", servesMac("02:00:00:00:00:78"));
      await isServedBy(client, duid, toServer(RENEW), solicit());
    });

    await t.step("stays when the interface is created anew", async () => {
      const before = (await daemon.logs("serving")).index;
      await router.ip("link del br0");
      await addBridge(router);
      await daemon.logs(
        "serving",
        (line) => line.index !== before && line.mac === PORT,
      );
      await isServedBy(client, duid, toServer(RENEW), solicit());
    });

    await t.step(
      "stays when it is created anew with the same index",
      async () => {
        const { stdout } = await router.ip("-o link show dev br0");
        const index = /^([0-9]+):/.exec(stdout)![1]!;
        const served = daemon.count("serving");
        await router.ip("link del br0");
        await addBridge(router, `index ${index}`, "address 02:00:00:00:00:79");
        await daemon.logs("serving", servesMac("02:00:00:00:00:79"));
        assert(daemon.count("serving") > served);
        await isServedBy(client, duid, toServer(RENEW), solicit());
      },
    );

    await t.step(
      "is never another server's, earlier ones neither",
      async () => {
        const macs = [LOWEST, PORT, "02:00:00:00:00:77", "02:00:00:00:00:79"];
        const replies = await exchange(client, [
          toServer(RENEW),
          ...macs.slice(1).map((mac) => ({
            silent: toServer(RENEW, duidOf(mac)),
          })),
          { silent: toServer(RENEW, "00030001020000000abc") },
        ]);
        assertEquals(replies.map(([line]) => line === "nothing"), [
          false,
          true,
          true,
          true,
          true,
        ]);
        await daemon.logs("other_server");
        const foreign = daemon.count(
          "packet",
          (line) => line.drop === "server_id_foreign",
        );
        assertEquals(foreign, 4);
        assertEquals(others(daemon), ["00030001020000000abc"]);
        assertEquals(await daemon.stop(), 0);
      },
    );

    await t.step("is what --server-duid says, for all messages", async () => {
      const pinned = "0002000000090c0d";
      const daemon = await startDaemon(
        router,
        ...options,
        "--server-duid=00:02:00:00:00:09:0C:0d",
        "--preferred-lifetime=8",
        "--valid-lifetime=1200",
      );
      assertEquals((await daemon.logs("serving")).server_duid, pinned);
      const mac = await router.mac("br0");
      const replies = await exchange(client, [
        toServer(REQUEST, pinned),
        { silent: toServer(RENEW, duidOf(mac)) },
      ]);
      assert(replies[0]!.includes(`2 ${pinned}`));
      assertEquals(replies[1], ["nothing"]);
      await daemon.logs("packet", (line) => line.drop === "server_id_foreign");
      // A real client renews with it after the MAC has changed.
      await startDhclient(client);
      await getsAddress(client, "eth0", await derived(client, "eth0"));
      const own = await client.mac("eth0");
      await router.ip("link set br0 address 02:00:00:00:00:7a");
      await daemon.logs("serving", servesMac("02:00:00:00:00:7a"));
      const renew = await daemon.logs(
        "packet",
        (line) => line.type === "renew" && line.mac === own,
      );
      assertEquals(renew.drop, undefined);
      assertEquals(others(daemon), []);
      await daemon.stop();
    });

    await t.step("is refused in one sentence if it is no DUID", async () => {
      for (const text of ["00:03", "xyz", "00".repeat(131), "00:03:0g"]) {
        const { code, stderr } = await runDaemon(
          router,
          ...options,
          `--server-duid=${text}`,
        );
        assertEquals(code, 2);
        assertMatch(stderr.trim(), /^[^\n]*--server-duid[^\n]*3 to 130 bytes/);
        assertEquals(stderr.trim().split("\n").length, 1);
      }
    });
  },
});
