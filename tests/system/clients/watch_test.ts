import { assert, assertEquals, assertMatch } from "@std/assert";
import { startDaemon } from "../../support/daemon.ts";
import {
  eventually,
  type Host,
  Lab,
  missing,
  pause,
  type Program,
} from "../../support/lab.ts";
import { watchCommand } from "../../support/watch_program.ts";
import { dhclient } from "../../support/dhcp_clients.ts";
import { BASE, derived, getsAddress } from "../../support/expect.ts";

const lacks = missing("watching daemons", "dhclient", "tcpdump", "tshark");
const ignore = lacks.length > 0;

const FIRST = "2001:db8:1:2::1";
const SECOND = "2001:db8:1:2::2";
const OPTIONS = ["--interface=lan", `--base-address=${BASE}`];

/** A line of `watch --json`. */
interface JsonLine {
  readonly daemon: string;
  readonly mac: string;
  readonly ipv6_address: string;
  readonly event: {
    readonly event: string;
    readonly timestamp: string;
    readonly repeat_event: boolean;
  };
  readonly kept?: true;
}

/** The events of one daemon, without repeats. */
function eventsOf(program: Program, address: string): string[] {
  return linesOf(program).filter(({ daemon, event }) =>
    daemon === `http://[${address}]:6315` && !event.repeat_event
  ).map(({ event }) => event.event);
}

function linesOf({ output }: Program): JsonLine[] {
  return output.split("\n").slice(0, -1).filter((line) =>
    line.startsWith("{") && line.endsWith("}")
  ).map((line) => JSON.parse(line));
}

/** Lets a client without leases get an address. */
async function getAddress(lab: Lab, client: Host): Promise<void> {
  await client.ip("addr flush dev eth0 scope global");
  const memory = await Deno.makeTempDir({ dir: lab.directory });
  const program = await dhclient.start(client, "eth0", memory);
  await getsAddress(client, "eth0", await derived(client, "eth0"));
  await program.stop();
}

Deno.test({
  name: "watch",
  ignore,
  fn: async (t) => {
    await t.step(
      "two daemons on one link, one of which restarts",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        const standby = await lab.host("standby");
        const admin = await lab.host("admin");
        const client = await lab.host("client");
        await lab.network(
          "switch",
          [router, "lan"],
          [standby, "lan"],
          [admin, "eth0"],
          [client, "eth0"],
        );
        await router.ip(`addr add ${FIRST}/64 dev lan nodad`);
        await standby.ip(`addr add ${SECOND}/64 dev lan nodad`);
        await admin.ip("addr add 2001:db8:1:2::9/64 dev eth0 nodad");
        await client.linkLocal("eth0");
        const mac = await client.mac("eth0");
        const names = await lab.file("names", `${mac} alpha\n`);
        let daemon = await startDaemon(router, ...OPTIONS, `--names=${names}`);
        await startDaemon(standby, ...OPTIONS, "--preference=10");

        const json = admin.start(watchCommand("--json", FIRST, SECOND));
        const text = admin.start(watchCommand(FIRST, SECOND));
        await text.says(RegExp(`${FIRST} has seen no machine yet`));
        await text.says(RegExp(`${SECOND} has seen no machine yet`));
        await getAddress(lab, client);
        const boot = ["init", "jump_to", "os_init"];
        for (const address of [FIRST, SECOND]) {
          await eventually(
            `events of ${address}`,
            () => eventsOf(json, address).length >= boot.length,
          );
          assertEquals(eventsOf(json, address), boot);
        }
        const address = await derived(client, "eth0");
        for (const line of linesOf(json)) {
          assertEquals([line.mac, line.ipv6_address], [mac, address]);
          assertEquals(line.kept, undefined);
        }
        // Whether both reports arrive within the hold interval is chance.
        const both = RegExp(`${FIRST},${SECOND} +${mac} .* System is up`);
        for (let tries = 0; tries < 30 && !both.test(text.output); tries++) {
          await getAddress(lab, client);
          await pause(1000);
        }
        assertMatch(text.output, both);
        // The name is only in the first daemon's file.
        assertMatch(text.output, RegExp(`${mac}  alpha  ${address}`));
        assert(!text.output.includes(`${mac}  ${address}`), text.output);
        assert(!text.output.includes("\x1b"));

        assertEquals(await daemon.stop(), 0);
        for (const program of [json, text]) {
          await program.says(RegExp(`${FIRST} is unreachable: `));
        }
        daemon = await startDaemon(router, ...OPTIONS);
        for (const program of [json, text]) {
          await program.says(RegExp(`${FIRST} is connected again\n`));
        }
        await getAddress(lab, client);
        await eventually(
          "events of the new run",
          () => eventsOf(json, FIRST).length >= 2 * boot.length,
        );
        assertEquals(eventsOf(json, FIRST), [...boot, ...boot]);
        assertEquals(eventsOf(json, SECOND), boot);
        const distinct = new Set(
          linesOf(json).map(({ daemon, event }) =>
            `${daemon} ${event.event} ${event.timestamp}`
          ),
        );
        assertEquals(distinct.size, linesOf(json).length);
        assert(!json.output.includes(`${SECOND} is unreachable`), json.output);
        for (const program of [json, text]) {
          program.kill("SIGINT");
          assertEquals(await program.ended(), 0);
        }
      },
    );

    await t.step(
      "a daemon that refuses this host until --http-allow has it",
      async () => {
        await using lab = new Lab();
        const { router, client: admin } = await lab.pair();
        const stranger = "2001:db8:9::9";
        await router.ip(`addr add ${FIRST}/64 dev lan nodad`);
        await admin.ip(`addr add ${stranger}/128 dev eth0 nodad`);
        await router.linkLocal("lan");
        await router.ip(`route add ${stranger}/128 dev lan`);
        await admin.ip(`route add ${FIRST}/128 dev eth0 src ${stranger}`);
        const daemon = await startDaemon(router, ...OPTIONS);
        const refused = admin.start(watchCommand(FIRST));
        assertEquals(await refused.ended(), 1);
        assertMatch(
          refused.output,
          /^dhcpv6macd: [^ ]+ cannot be watched: it refuses .*--http-allow .*\n$/,
        );
        await daemon.stop();
        await startDaemon(router, ...OPTIONS, "--http-allow=2001:db8:9::/64");
        const welcome = admin.start(watchCommand(FIRST));
        await welcome.says(/has seen no machine yet/);
        assertEquals(await welcome.stop(), 0);
      },
    );
  },
});
