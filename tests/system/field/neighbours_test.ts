/** What the kernel knows of neighbours and routes, on real links. */

import { assertEquals } from "@std/assert";
import { type Host, Lab, missing } from "../../support/lab.ts";
import { labProgram } from "../abuse/switch.ts";

const ignore = missing("tests of neighbours", "ip").length > 0;

const ROUTER = "2001:db8:1::1";

/** Lets a host send a datagram to an address, and wait for none. */
async function sendTo(host: Host, from: string, to: string): Promise<void> {
  await host.run(labProgram("ask.ts", from, "9", to, "9", "00", "0.5"));
}

/** Which of these addresses a host sends to at once, in their order. */
async function sendsAtOnce(host: Host, addresses: string[]): Promise<string[]> {
  const { stdout } = await host.run(
    labProgram("next_hops.ts", ROUTER, ...addresses),
  );
  return stdout.trim().split("\n");
}

Deno.test({
  name: "neighbours",
  ignore,
  fn: async () => {
    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip("addr add 2001:db8:1::1/64 dev lan nodad");
    await client.ip("addr add 2001:db8:1::2/64 dev eth0 nodad");
    const routerLinkLocal = await router.linkLocal("lan");
    const clientLinkLocal = await client.linkLocal("eth0");
    await router.ip("route add 2001:db8:2::/64 via 2001:db8:1::2 dev lan");
    await router.ip("route add 2001:db8:3::/64 via 2001:db8:1::dead dev lan");
    const { stdout } = await router.run([
      ...["cat", "/sys/class/net/lan/ifindex"],
    ]);
    const onLink = `%${stdout.trim()}`;
    const addresses = [
      ...["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3", "2001:db8:2::5"],
      ...["2001:db8:3::5", "2001:db8:4::5"],
      ...[clientLinkLocal, "fe80::dead"].map((one) => `${one}${onLink}`),
    ];
    const before = await sendsAtOnce(router, addresses);
    const known = before.map((one) => one === "true");
    assertEquals(
      known,
      [true, false, false, false, false, true, false, false],
      "at first",
    );
    for (const to of ["2001:db8:1::2", "2001:db8:1::3"]) {
      await sendTo(router, "2001:db8:1::1", to);
    }
    for (const to of [clientLinkLocal, "fe80::dead"]) {
      await sendTo(router, `${routerLinkLocal}%lan`, `${to}%lan`);
    }
    assertEquals(await sendsAtOnce(router, addresses), [
      "true", // this host
      "true", // a neighbour
      "false", // no host has it
      "true", // behind a neighbour
      "false", // behind a gateway that is not there
      "true", // there is no route: nothing waits
      "true", // a neighbour's link-local address
      "false", // no host has it
    ]);
  },
});
