import { assert, assertEquals } from "@std/assert";
import { BUSYBOX, unpackFromArchive } from "../../../tools/debian.ts";
import { startDaemon } from "../../support/daemon.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
  type Program,
  wrongAnswers,
} from "../../support/lab.ts";
import {
  dhclient,
  dhcpcd,
  type DhcpClient,
  dibbler,
  networkd,
  udhcpc6,
  wide,
} from "../../support/dhcp_clients.ts";
import {
  BASE,
  derived,
  getsAddress,
  hasAddress,
} from "../../support/expect.ts";

/**
 * Seconds that an address is preferred and valid in these tests. Less, and
 * dhcp6c would renew it when it likes.
 */
const PREFERRED = 20;
const VALID = 40;

const lacks = missing(
  "tests of real clients",
  "dhclient",
  "dhcpcd",
  "/lib/systemd/systemd-networkd",
  "dibbler-client",
  "dhcp6c",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

/** Waits until the processes of a client have ended, too. */
async function nothingRuns({ namespace }: Host): Promise<void> {
  await eventually(
    "all of the client has ended",
    async () =>
      (await command(["ip", "netns", "pids", namespace])).stdout === "",
  );
}

/** A client at work on a host of its own. */
interface Work {
  readonly client: DhcpClient;
  readonly host: Host;
  readonly mac: string;
  readonly address: string;
  readonly program: Program;
}

const CLIENTS = [
  dhclient,
  dhcpcd,
  networkd,
  udhcpc6,
  dibbler,
  wide,
];

Deno.test({
  name: "real clients",
  ignore,
  fn: async (t) => {
    const works = new Map<string, Work>();

    await using lab = new Lab();

    async function begin(client: DhcpClient, host: Host): Promise<Program> {
      const memory = await Deno.makeTempDir({ dir: lab.directory });
      return await client.start(host, "eth0", memory);
    }

    const router = await lab.host("router");
    const network = await lab.network("switch", [router, "lan"]);
    await unpackFromArchive(BUSYBOX, `${lab.directory}/busybox`);
    const capture = await lab.capture(
      network,
      "br0",
      "udp port 546 or udp port 547",
    );
    const daemon = await startDaemon(
      router,
      `--interface=lan`,
      `--base-address=${BASE}`,
      `--preferred-lifetime=${PREFERRED}`,
      `--valid-lifetime=${VALID}`,
      "--dns=2001:db8:1:2::53",
      "--domain-search=lab.example",
      "--ntp=2001:db8:1:2::123",
    );
    for (const [index, client] of CLIENTS.entries()) {
      const host = await lab.host(`c${index}`);
      await lab.plug(network, index + 1, host, "eth0");
      await host.linkLocal("eth0");
      works.set(client.name, {
        client,
        host,
        mac: await host.mac("eth0"),
        address: await derived(host, "eth0"),
        program: await begin(client, host),
      });
    }

    for (const { name } of CLIENTS) {
      await t.step(`${name} gets the derived address`, async () => {
        const { client, host, mac, address } = works.get(name)!;
        await getsAddress(host, "eth0", address);
        const seen = await daemon.logs(
          "init",
          (line) => line.mac === mac,
        );
        assertEquals(seen.address, address);
        assertEquals(seen.mac_source, client.duidHasMac ? "duid" : "eui64");
      });
    }

    for (const { name } of CLIENTS) {
      await t.step(`${name} keeps it by renewing`, async () => {
        const { host, mac, address } = works.get(name)!;
        await daemon.logs(
          "packet",
          (line) =>
            line.mac === mac && line.type === "renew" &&
            line.drop === undefined,
          2 * VALID,
        );
        assert(await hasAddress(host, "eth0", address));
      });
    }

    for (const { name } of CLIENTS) {
      await t.step(
        `${name}, wiped and started again, gets it again`,
        async () => {
          const { client, host, mac, address, program } = works.get(name)!;
          await program.stop();
          await nothingRuns(host);
          await host.ip("addr flush dev eth0 scope global");
          const again = await begin(client, host);
          await getsAddress(host, "eth0", address);
          await again.stop();
          assertEquals(
            daemon.count("init", (line) => line.mac === mac),
            1,
            "a machine is announced once",
          );
        },
      );
    }

    await t.step("tshark finds nothing wrong with any answer", async () => {
      const answers = await capture.read(
        "dhcpv6.msgtype in {2, 7}",
        "frame.number",
      );
      assert(answers.length >= CLIENTS.length * 5, `${answers.length} answers`);
      assertEquals(await wrongAnswers(capture), []);
    });
  },
});
