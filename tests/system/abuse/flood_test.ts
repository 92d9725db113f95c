import { assert, assertEquals, assertLess } from "@std/assert";
import {
  MAX_LOG_LINES_PER_MINUTE,
  MAX_WARNINGS_PER_MINUTE,
} from "../../../lib/overload/limits.ts";
import {
  dhclient,
  dhcpcd,
  dibbler,
  networkd,
  wide,
} from "../../support/dhcp_clients.ts";
import { BASE, derived, getsAddress } from "../../support/expect.ts";
import { encodeHex } from "@std/encoding/hex";
import { MessageType, OptionCode } from "../../../lib/dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../../../lib/dhcpv6/wire/duid.ts";
import { encode } from "../../../lib/dhcpv6/wire/packet.ts";
import {
  FAVORED,
  favoredDaemonCommand,
  launchAs,
  type RunningDaemon,
  UNFAVORED,
} from "../../support/daemon.ts";
import {
  type Capture,
  eventually,
  type Host,
  Lab,
  missing,
  pause,
} from "../../support/lab.ts";
import { metrics, residentMib } from "../../support/metrics.ts";
import { labProgram, plugIn, SERVER } from "./switch.ts";

const lacks = missing(
  "tests of floods",
  ...["dhclient", "dhcpcd", "dibbler-client", "dhcp6c", "curl"],
  ...["tcpdump", "tshark", "tc"],
);
const ignore = lacks.length > 0;

/** Solicits of one flood; `FLOOD=1000000` for all that the project promises. */
const FLOOD = Number(Deno.env.get("FLOOD") ?? 150_000);

/** What the link takes: some 95,000 Solicits a second. */
const LINK_SPEED = "100mbit";

const MACHINES = 20;
const CLIENTS = [dhclient, dhcpcd, networkd, dibbler, wide];

/** Memory of the daemon, in MiB, however many ask. */
const MEMORY = 256;

/** Transmissions of one message that a client may need. */
const TRANSMISSIONS = 3;

/** Clients that may need more, by chance: see {@linkcode unluckyOf}. */
const UNLUCKY = 2;

/**
 * How many clients may need more transmissions. Where the flood, the switch and
 * the clients have no processor of their own, the kernel drops a part of what
 * comes unread, the same part of each client's packets and of the flood's, which
 * counts them. Which client loses so many is chance. What is read is answered.
 */
function unluckyOf(lostPart: number): number {
  // One of two kinds of messages, a Solicit or a Request.
  const chance = 1 - (1 - lostPart ** TRANSMISSIONS) ** 2;
  return Math.ceil(UNLUCKY + 3 * MACHINES * chance);
}

/** Seconds that a client may take: it doubles its waits. */
const PATIENCE = 150;

const OPTIONS = [
  "--interface=lan",
  `--base-address=${BASE}`,
  "--log-level=info",
];

/**
 * The most often that a client sent one kind of message until it was answered;
 * one that begins anew, with another transaction ID, has not been answered.
 */
async function mostTransmissions(capture: Capture): Promise<number> {
  const sent = await capture.read(
    "dhcpv6.msgtype in {1, 3}",
    "dhcpv6.msgtype",
  );
  const counts = new Map<string, number>();
  for (const [type] of sent) counts.set(type!, (counts.get(type!) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

/** The log says what goes on, and is no longer than it may be in this time. */
function assertReadable(daemon: RunningDaemon, seconds: number): void {
  // The flood may begin in the midst of a minute.
  const minutes = Math.floor(seconds / 60) + 2;
  const counts = ["flood", "source_too_loud"].map((event) =>
    daemon.count(event)
  );
  assert(counts.some((count) => count > 0), "the log names the flood");
  assert(counts.every((count) => count <= minutes), `once a minute: ${counts}`);
  const lines = Map.groupBy(daemon.log, ({ level }) => level);
  assertLess(
    lines.get("info")!.length,
    minutes * MAX_LOG_LINES_PER_MINUTE + 10,
  );
  for (
    const [event, { length }] of Map.groupBy(
      lines.get("warning") ?? [],
      ({ event }) => event,
    )
  ) assertLess(length, minutes * (MAX_WARNINGS_PER_MINUTE + 1), event);
}

Deno.test({
  name: "flood of Solicits",
  ignore,
  fn: async (t) => {
    for (
      const [what, sources] of [
        ["from addresses that nobody has", "spoofed"],
        ["from one machine", "own"],
      ] as const
    ) {
      await t.step(`${what}, while ${MACHINES} machines boot`, async () => {
        await using lab = new Lab();
        const { router, attacker, visitor, machines } = await plugIn(
          lab,
          MACHINES,
        );
        await attacker.run([
          ..."tc qdisc add dev eth0 root tbf burst 16kb limit 100kb rate"
            .split(" "),
          LINK_SPEED,
        ]);
        const daemon = await launchAs(
          favoredDaemonCommand(),
          router,
          ...OPTIONS,
          `--boot-address=${SERVER}`,
        );
        await daemon.logs("serving");
        const captures = await Promise.all(
          machines.map(async (machine) =>
            await lab.capture(
              machine,
              "eth0",
              `ether src ${await machine.mac("eth0")} and udp dst port 547`,
            )
          ),
        );
        const source = sources === "own"
          ? await attacker.linkLocal("eth0")
          : sources;
        // It has a processor of its own, too: what is left here.
        const flood = attacker.start([
          ...UNFAVORED,
          ...labProgram("flood.ts", "eth0", source, String(FLOOD), "0"),
        ]);
        await flood.says(/flooding/);
        let most = 0;
        let isOver = false;
        const watching = (async () => {
          while (!isOver) {
            most = Math.max(most, await residentMib(router));
            await pause(200);
          }
        })();
        // Seen where it is awaited: until then other things may fail.
        watching.catch(() => {});
        await Promise.all([
          reachable(visitor),
          ...machines.map(async (machine, index) => {
            const client = CLIENTS[index % CLIENTS.length]!;
            const memory = await Deno.makeTempDir({ dir: lab.directory });
            const program = await client.start(machine, "eth0", memory);
            const address = await derived(machine, "eth0");
            await getsAddress(machine, "eth0", address, PATIENCE).catch(
              (error) => {
                throw new Error(`${client.name}: ${program.output}`, {
                  cause: error,
                });
              },
            );
          }),
        ]);
        flood.kill();
        assertEquals(await flood.ended(PATIENCE), 0, flood.output);
        isOver = true;
        await watching;
        const needed = await Promise.all(captures.map(mostTransmissions));
        const counts = await metrics(router);
        const read = counts.get(
          'dhcpv6macd_dhcpv6_received_total{type="solicit"}',
        )!;
        console.log(
          `${flood.output.trim()}, read ${read}, transmissions ${needed}, ${
            most.toFixed(0)
          } MiB, ${daemon.log.length} log lines`,
        );
        const { sent, seconds } = JSON.parse(
          flood.output.trim().split("\n").at(-1)!,
        );
        assert(sent >= FLOOD, `${sent} sent`);
        const slow = needed.filter((times) => times > TRANSMISSIONS);
        const unlucky = unluckyOf(Math.max(0, 1 - read / sent));
        assert(slow.length <= unlucky, `${needed}: more than ${unlucky}`);
        assert(needed.every((times) => times >= 1), `${needed}`);
        assertLess(most, MEMORY, "MiB");
        assertReadable(daemon, seconds);
      });
    }
  },
});

Deno.test({
  name: "a loud sender",
  ignore,
  fn: async (t) => {
    await t.step(
      "is limited when a machine has to repeat its Solicit",
      async () => {
        await using lab = new Lab();
        const { router, attacker, visitor } = await plugIn(lab, 0);
        // Both keep up with the rate, whatever else the machine does.
        const daemon = await launchAs(
          favoredDaemonCommand(),
          router,
          ...OPTIONS,
        );
        await daemon.logs("serving");
        const loud = await attacker.linkLocal("eth0");
        const flood = attacker.start([
          ...FAVORED,
          ...labProgram("flood.ts", "eth0", loud, "100000", "30000"),
        ]);
        await flood.says(/flooding/);
        await pause(1000);
        const refused = async () =>
          (await metrics(router)).get(
            'dhcpv6macd_dhcpv6_dropped_total{reason="source_too_loud"}',
          )!;
        assertEquals(await refused(), 0);
        const solicit = encodeHex(encode({
          type: MessageType.Solicit,
          transactionId: 1,
          options: [
            {
              code: OptionCode.ClientId,
              data: linkLayerDuid(0x0200_0000_0001),
            },
            { code: OptionCode.IaNa, data: new Uint8Array(12) },
            { code: OptionCode.ElapsedTime, data: Uint8Array.of(0, 100) },
          ],
        }));
        const from = `${await visitor.linkLocal("eth0")}%eth0`;
        await eventually("the loud one is limited", async () => {
          await visitor.run(
            labProgram(
              "ask.ts",
              ...[from, "546", "ff02::1:2%eth0", "547", solicit, "1"],
            ),
          );
          return await refused() > 0;
        }, 60);
        const line = await daemon.logs("source_too_loud");
        assertEquals([line.level, line.source], ["warning", loud]);
        flood.kill();
        await flood.ended();
      },
    );
  },
});

/** TFTP and HTTP answer while the flood goes on. */
async function reachable(host: Host): Promise<void> {
  for (
    const url of [
      `http://[${SERVER}]:6315/healthz`,
      `tftp://[${SERVER}]/02:00:5e:00:53:01/autoexec.ipxe`,
      `tftp://[${SERVER}]/02:00:5e:00:53:01/ipxe.efi`,
    ]
  ) {
    const { code, stderr } = await host.run(
      ["curl", "-sS", "-g", "--max-time", "150", "-o", "/dev/null", url],
      { mayFail: true, seconds: 160 },
    );
    assertEquals(code, 0, `${url}: ${stderr}`);
  }
}
