import { assertEquals } from "@std/assert";
import { startDaemon } from "../../support/daemon.ts";
import { type Host, Lab, missing, wrongAnswers } from "../../support/lab.ts";
import {
  dhclient,
  type DhcpClient,
  networkd,
} from "../../support/dhcp_clients.ts";
import { BASE, derived, getsAddress } from "../../support/expect.ts";

const FAR = "2001:db8:7:8::";

const lacks = missing(
  "tests of relays",
  "dhcrelay",
  "dnsmasq",
  "dhclient",
  "/lib/systemd/systemd-networkd",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

/** A client, a relay and a router in a row: `eth0 - near, wan - lan`. */
async function row(lab: Lab) {
  const router = await lab.host("router");
  const relay = await lab.host("relay");
  const client = await lab.host("client");
  await lab.cable(router, "lan", relay, "wan");
  await lab.cable(relay, "near", client, "eth0");
  await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
  await relay.ip("addr add 2001:db8:1:2::2/64 dev wan nodad");
  await relay.ip("addr add 2001:db8:7:8::1/64 dev near nodad");
  await router.ip("route add 2001:db8:7:8::/64 via 2001:db8:1:2::2");
  for (
    const [host, link] of [[relay, "near"], [relay, "wan"], [client, "eth0"]]
  ) {
    await (host as Host).linkLocal(link as string);
  }
  return { router, relay, client };
}

async function addressThroughRelay(
  lab: Lab,
  { router, client }: { router: Host; client: Host },
  program: DhcpClient,
  macSource: string,
) {
  const capture = await lab.capture(router, "lan", "udp port 547");
  const daemon = await startDaemon(
    router,
    "--interface=lan",
    `--base-address=${BASE}`,
    `--base-address=${FAR}`,
  );
  await program.start(
    client,
    "eth0",
    await Deno.makeTempDir({ dir: lab.directory }),
  );
  const address = await derived(client, "eth0", FAR);
  // The relay may not listen yet when the client asks for the first time.
  await getsAddress(client, "eth0", address, 60);
  const seen = await daemon.logs("init");
  assertEquals(seen.address, address);
  assertEquals(seen.mac_source, macSource);
  const packet = await daemon.logs("packet", (line) => line.type === "solicit");
  assertEquals(packet.relays, 1);
  const answers = await capture.read("dhcpv6.msgtype == 13", "frame.number");
  assertEquals(answers.length >= 1, true);
  assertEquals(await wrongAnswers(capture), []);
}

Deno.test({
  name: "relays",
  ignore,
  fn: async (t) => {
    await t.step(
      "dhcrelay, by unicast, of a client whose DUID holds no MAC",
      async () => {
        await using lab = new Lab();
        const hosts = await row(lab);
        hosts.relay.start([
          "dhcrelay",
          "-6",
          "-d",
          "-l",
          "near",
          "-u",
          "2001:db8:1:2::1%wan",
        ]);
        await addressThroughRelay(lab, hosts, networkd, "eui64");
      },
    );

    await t.step("dhcrelay, by ff02::1:2, with Interface-ID", async () => {
      await using lab = new Lab();
      const hosts = await row(lab);
      hosts.relay.start([
        "dhcrelay",
        "-6",
        "-d",
        "-I",
        "-l",
        "near",
        "-u",
        "ff02::1:2%wan",
      ]);
      await addressThroughRelay(lab, hosts, networkd, "eui64");
    });

    await t.step(
      "dnsmasq, with option 79, of a client that tells its MAC nowhere",
      async () => {
        await using lab = new Lab();
        const hosts = await row(lab);
        // Neither its link-local address nor its DUID is made from the MAC.
        await hosts.client.ip("link set eth0 addrgenmode none");
        await hosts.client.ip("addr flush dev eth0");
        await hosts.client.ip("addr add fe80::1234/64 dev eth0 nodad");
        hosts.relay.start([
          "dnsmasq",
          "--no-daemon",
          "--conf-file=/dev/null",
          "--port=0",
          "--user=root",
          "--interface=near",
          "--interface=wan",
          "--dhcp-relay=2001:db8:7:8::1,2001:db8:1:2::1",
        ]);
        await addressThroughRelay(lab, hosts, uuidClient, "relay");
      },
    );

    await t.step("dhcrelay behind dhcrelay", async () => {
      await using lab = new Lab();
      const router = await lab.host("router");
      const relays = [await lab.host("r1"), await lab.host("r2")];
      const client = await lab.host("client");
      await lab.cable(router, "lan", relays[0]!, "wan");
      await lab.cable(relays[0]!, "near", relays[1]!, "wan");
      await lab.cable(relays[1]!, "near", client, "eth0");
      await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
      await relays[0]!.ip("addr add 2001:db8:1:2::2/64 dev wan nodad");
      await relays[0]!.ip("addr add 2001:db8:5:5::1/64 dev near nodad");
      await relays[1]!.ip("addr add 2001:db8:5:5::2/64 dev wan nodad");
      await relays[1]!.ip("addr add 2001:db8:7:8::1/64 dev near nodad");
      for (const relay of relays) {
        await relay.linkLocal("near");
        await relay.linkLocal("wan");
        relay.start([
          "dhcrelay",
          "-6",
          "-d",
          "-I",
          "-l",
          "near",
          "-u",
          "ff02::1:2%wan",
        ]);
      }
      await client.linkLocal("eth0");
      const daemon = await startDaemon(
        router,
        "--interface=lan",
        `--base-address=${BASE}`,
        `--base-address=${FAR}`,
      );
      await networkd.start(client, "eth0", lab.directory);
      await getsAddress(client, "eth0", await derived(client, "eth0", FAR), 60);
      const packet = await daemon.logs(
        "packet",
        (line) => line.type === "solicit",
      );
      assertEquals(packet.relays, 2);
    });
  },
});

/** dhclient that was given a DUID-UUID. */
const uuidClient: DhcpClient = {
  name: "dhclient with a DUID-UUID",
  duidHasMac: false,
  async start(host, interfaceName, memory) {
    await Deno.writeTextFile(
      `${memory}/leases`,
      `default-duid "\\000\\004\\001\\002\\003\\004\\005\\006\\007\\010\\011\\012\\013\\014\\015\\016\\017\\020";\n`,
    );
    return await dhclient.start(host, interfaceName, memory);
  },
};
