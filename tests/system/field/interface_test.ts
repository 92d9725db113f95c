/**
 * Interfaces and routes that change under the daemon: it goes on to answer whom it
 * can reach.
 */

import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { startDaemon } from "../../support/daemon.ts";
import { hex, message, numbers, opt, relayed } from "../../support/dhcpv6.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import { health, metrics } from "../../support/metrics.ts";
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
for try in $(seq 50); do
  [ "$(readlink /proc/$visited/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break
  sleep 0.1
done
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

Deno.test({
  name: "relays that no route leads to are no problem of the host",
  ignore,
  fn: async (t) => {
    for (const kind of ["prohibit", "unreachable", "blackhole"]) {
      await t.step(kind, async () => {
        await using lab = new Lab();
        const { router, client } = await place(lab);
        await router.ip(`-6 route add ${kind} 2001:db8:bad::/48`);
        const daemon = await startDaemon(
          router,
          ...["--interface=lan", `--base-address=${BASE}`],
        );
        const forwarded = relayed(hex(SOLICIT), { link: `${BASE}1` });
        const sent = client.start(labProgram(
          "spoof.ts",
          ...["eth0", await router.mac("lan"), "2001:db8:bad::1", "1"],
          ...[SERVER, "547", encodeHex(forwarded), "20", "100"],
        ));
        await sent.says(/done/);
        await eventually(
          "the replies have failed",
          async () =>
            (await metrics(router)).get(
              'dhcpv6macd_dhcpv6_dropped_total{reason="send_failed"}',
            )! >= 10,
        );
        assertEquals(await health(router), 200);
        assertEquals(daemon.count("cannot_send"), 0);
        assertEquals(await daemon.stop(), 0);
      });
    }
  },
});
