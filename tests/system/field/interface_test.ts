/**
 * An interface that loses its IPv6 state and has it back at once: the daemon goes
 * on to answer.
 */

import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { startDaemon } from "../../support/daemon.ts";
import { message, numbers, opt } from "../../support/dhcpv6.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import { labProgram } from "../abuse/switch.ts";
import { place, SERVER } from "./place.ts";

const ignore = missing("tests of interfaces that come and go", "ip").length > 0;

const SOLICIT = encodeHex(
  message(1, opt(1, "0003000102005e005301"), opt(3, numbers(4, 1, 0, 0))),
);

/** Seconds after which the daemon answers again, however busy the machine is. */
const PATIENCE = 40;

const BACK = `
ip addr replace ${SERVER}/64 dev lan nodad
ip link set lan up`;

/** Shell scripts on the daemon's host, each without a pause. */
const CHANGES = {
  "an MTU below that of IPv6, for a moment":
    `ip link set lan mtu 1200; ip link set lan mtu 1500; ${BACK}`,
  "the same twice, with a pause":
    `ip link set lan mtu 1200; ip link set lan mtu 1500; sleep 0.1
     ip link set lan mtu 1200; ip link set lan mtu 1500; ${BACK}`,
  "a visit to another namespace": `
unshare --net sleep 20 & visited=$!
sleep 1
ip link set lan netns $visited
nsenter --target $visited --net ip link set lan netns $$
kill $visited
${BACK}`,
  "IPv6 disabled for a moment": `
echo 1 > /proc/sys/net/ipv6/conf/lan/disable_ipv6
echo 0 > /proc/sys/net/ipv6/conf/lan/disable_ipv6
${BACK}`,
  "down and up": `ip link set lan down; ip link set lan up; ${BACK}`,
};

async function isAnswered(client: Host, from: string): Promise<boolean> {
  const { stdout } = await client.run(labProgram(
    "ask.ts",
    ...[`${from}%eth0`, "546", "ff02::1:2%eth0", "547", SOLICIT, "2"],
  ));
  return !stdout.startsWith("nothing");
}

Deno.test({
  name: "an interface that loses its IPv6 state for a moment",
  ignore,
  fn: async (t) => {
    for (const [name, script] of Object.entries(CHANGES)) {
      await t.step(name, async () => {
        await using lab = new Lab();
        const { router, client } = await place(lab);
        const from = await client.linkLocal("eth0");
        const daemon = await startDaemon(
          router,
          ...["--interface=lan", `--base-address=${BASE}`],
        );
        assertEquals(await isAnswered(client, from), true);
        await router.run(["sh", "-ec", script]);
        await eventually(
          "it answers again",
          () => isAnswered(client, from),
          PATIENCE,
        );
        assertEquals(await daemon.stop(), 0);
      });
    }
  },
});
