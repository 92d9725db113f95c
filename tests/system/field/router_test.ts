/** A router that is set up as docs/router.md says, from nothing. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { launchDaemon } from "../../support/daemon.ts";
import { derived, getsAddress } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";

const ROUTER = "/lib/systemd/systemd-networkd";
const BASE = "2001:db8:123:4567::";
const PROVIDER = "2001:db8:ffff::1";

const lacks = missing(
  "tests of whole routers",
  ...["dhcpcd", "radvd", ROUTER, "sysctl", "ping", "tcpdump", "tshark"],
);
const ignore = lacks.length > 0;

const EXAMPLES = new URL("../../../docs/examples/", import.meta.url).pathname;
const PAGE = await Deno.readTextFile(`${EXAMPLES}../router.md`);

/** The words behind a command of the page. */
function wordsBehind(command: string): string[] {
  const line = PAGE.split("\n").find((line) => line.startsWith(command));
  assert(line !== undefined, `${command} in docs/router.md`);
  return line.slice(command.length).trim().split(" ");
}

/** Gives the router its address and sends router advertisements. */
const WAYS: Record<string, (router: Host) => Promise<void>> = {
  "systemd-networkd": (router) => {
    router.start([
      "sh",
      "-c",
      `mount -o remount,ro /sys 2>/dev/null || mount --bind -o ro /sys /sys
cp ${EXAMPLES}50-lab.network /run/systemd/network/
exec ${ROUTER}`,
    ], ["/run/systemd", "/run/systemd/network", "/run/systemd/netif"]);
    return Promise.resolve();
  },
  radvd: async (router) => {
    await router.ip(wordsBehind("sudo ip ").join(" "));
    router.start([
      ...["radvd", "--nodaemon", "--logmethod=stderr"],
      ...["--config", `${EXAMPLES}radvd.conf`],
      ...["--pidfile", `${router.lab.directory}/radvd.pid`],
    ]);
  },
};

Deno.test({
  name: "a router from the start",
  ignore,
  fn: async (t) => {
    for (const [name, setUp] of Object.entries(WAYS)) {
      await t.step(`with ${name}`, async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        const provider = await lab.host("provider");
        const client = await lab.host("client");
        await lab.cable(router, "eth0", provider, "eth0");
        await lab.cable(router, "eth1", client, "eth0");
        await provider.ip(`addr add ${PROVIDER}/64 dev eth0 nodad`);
        await router.ip("addr add 2001:db8:ffff::2/64 dev eth0 nodad");
        await provider.ip(`route add ${BASE}/64 via 2001:db8:ffff::2`);

        await router.run(["sysctl", "-p", `${EXAMPLES}90-forwarding.conf`]);
        await setUp(router);
        const daemon = await launchDaemon(
          router,
          ...wordsBehind("sudo dhcpv6macd "),
        );
        await daemon.logs("serving");
        // One that asks for nothing until a router says that it shall.
        const config = await lab.file(
          "dhcpcd.conf",
          "ipv6only\nduid ll\nslaac hwaddr\nnohook resolv.conf\nnohook hostname\nnohook timesyncd\n",
        );
        const program = client.start(
          ["dhcpcd", "-6", "-B", "-d", "-f", config, "eth0"],
          ["/var/lib/dhcpcd", "/run/dhcpcd"],
        );
        const address = await derived(client, "eth0", BASE);
        await getsAddress(client, "eth0", address, 90).catch((error) => {
          throw new Error(program.output, { cause: error });
        });
        const global = (await client.addresses("eth0")).filter((one) =>
          !one.startsWith("fe80:")
        );
        assertEquals(global, [address], "no address by SLAAC");
        await eventually("the provider answers", async () => {
          const { code } = await client.run(
            ["ping", "-6", "-c", "1", "-W", "1", PROVIDER],
            { mayFail: true },
          );
          return code === 0;
        }, 30);
        const { stdout } = await client.run(["ip", "-6", "route"]);
        assertMatch(stdout, /^default via fe80:/m);
      });
    }
  },
});
