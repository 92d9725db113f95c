import { assert, assertEquals } from "@std/assert";
import { type LogLine, startDaemon } from "../../support/daemon.ts";
import { Lab, missing, pause } from "../../support/lab.ts";
import { dhclient } from "../../support/dhcp_clients.ts";
import {
  BASE,
  derived,
  getsAddress,
  hasAddress,
} from "../../support/expect.ts";

const lacks = missing("tests of links and routers", "dhclient");
const ignore = lacks.length > 0;

Deno.test({
  name: "links and routers",
  ignore,
  fn: async (t) => {
    await t.step(
      "two daemons on one link give the same address, and either can die",
      async () => {
        await using lab = new Lab();
        const first = await lab.host("first");
        const second = await lab.host("second");
        const client = await lab.host("client");
        await lab.network(
          "switch",
          [first, "lan"],
          [second, "lan"],
          [client, "eth0"],
        );
        await client.linkLocal("eth0");
        const address = await derived(client, "eth0");
        const options = [
          "--interface=lan",
          `--base-address=${BASE}`,
          "--preferred-lifetime=8",
          "--valid-lifetime=20",
        ];
        const daemons = [
          await startDaemon(first, ...options),
          await startDaemon(second, ...options, "--preference=10"),
        ];
        // The client prefers the first, if that answers within a second.
        daemons[1]!.program.kill("SIGSTOP");
        await dhclient.start(client, "eth0", lab.directory);
        await getsAddress(client, "eth0", address);
        daemons[1]!.program.kill("SIGCONT");
        await daemons[0]!.logs("packet", isAnswered("request"));

        // The one that the client had chosen dies: it rebinds to the other.
        await daemons[0]!.stop();
        await daemons[1]!.logs("packet", isAnswered("rebind"), 60);
        assertEquals(daemons[1]!.count("packet", isAnswered("request")), 0);
        assert(await hasAddress(client, "eth0", address));
        await daemons[1]!.logs("packet", isAnswered("renew"));

        // And back.
        const third = await startDaemon(first, ...options);
        await daemons[1]!.stop();
        await third.logs("packet", isAnswered("rebind"), 60);
        await pause(500);
        assertEquals(
          (await client.addresses("eth0")).filter((text) =>
            !text.startsWith("fe80:")
          ),
          [address],
        );
      },
    );

    await t.step(
      "two daemons on one host serve two links and never answer for each other",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        const links = [
          { link: "lan1", base: "2001:db8:1:1::", host: await lab.host("c1") },
          { link: "lan2", base: "2001:db8:1:2::", host: await lab.host("c2") },
        ];
        for (const { link: interfaceName, host } of links) {
          await lab.cable(router, interfaceName, host, "eth0");
          await host.linkLocal("eth0");
        }
        const daemons = [];
        for (const { link: interfaceName, base } of links) {
          daemons.push(
            await startDaemon(
              router,
              `--interface=${interfaceName}`,
              `--base-address=${base}`,
            ),
          );
        }
        for (const { base, host } of links) {
          await dhclient.start(
            host,
            "eth0",
            await Deno.makeTempDir({ dir: lab.directory }),
          );
          await getsAddress(host, "eth0", await derived(host, "eth0", base));
        }
        // The first has the HTTP port: the second says so, and does all the rest.
        assertEquals(
          daemons.map((daemon) => daemon.count("http_unavailable")),
          [0, 1],
        );
        for (const [index, daemon] of daemons.entries()) {
          const mac = await links[index]!.host.mac("eth0");
          const packets = daemon.log.filter((line) => line.event === "packet");
          assert(packets.length >= 2);
          assertEquals([...new Set(packets.map((line) => line.mac))], [mac]);
        }
      },
    );

    await t.step(
      "a client that remembers an address of another prefix gets NotOnLink, and moves",
      async () => {
        await using lab = new Lab();
        const { router, client } = await lab.pair();
        await client.linkLocal("eth0");
        const old = await startDaemon(
          router,
          "--interface=lan",
          "--base-address=2001:db8:0:1::",
        );
        const before = await dhclient.start(client, "eth0", lab.directory);
        await getsAddress(
          client,
          "eth0",
          await derived(client, "eth0", "2001:db8:0:1::"),
        );
        await before.stop();
        await client.ip("addr flush dev eth0 scope global");
        await old.stop();

        const daemon = await startDaemon(
          router,
          "--interface=lan",
          `--base-address=${BASE}`,
        );
        const after = await dhclient.start(client, "eth0", lab.directory);
        await after.says(/status code NotOnLink/);
        await getsAddress(client, "eth0", await derived(client, "eth0"));
        await daemon.logs("packet", isAnswered("confirm"));
      },
    );
  },
});

function isAnswered(type: string) {
  return (line: LogLine) => line.type === type && line.drop === undefined;
}
