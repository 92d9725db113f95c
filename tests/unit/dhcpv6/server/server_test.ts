import { assertEquals, assertRejects } from "@std/assert";
import type { ResponderOptions } from "../../../../lib/dhcpv6/reply/responder.ts";
import {
  type Dhcpv6Observer,
  Dhcpv6Server,
} from "../../../../lib/dhcpv6/server/server.ts";
import type { NetworkInterface } from "../../../../lib/net/interface.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";
import { parseMac } from "../../../../lib/net/mac.ts";
import { SimulatedHost } from "../../../support/simulated_host.ts";

const IFACE: NetworkInterface = {
  name: "eth0",
  index: 2,
  mac: parseMac("02:00:00:00:00:aa")!,
  linkLocals: ["fe80::ff:fe00:aa"],
  addresses: ["2001:db8::1"],
  prefixes: ["2001:db8::1/64"],
};

const OPTIONS: ResponderOptions = {
  subnets: [{ text: "2001:db8::", bytes: parseIpv6("2001:db8::")! }],
  preferredLifetime: 1200,
  validLifetime: 1300,
  preference: 255,
  macSources: ["duid"],
  allow: [],
  deny: [],
  onRequest: [],
  boot: undefined,
};

/** A server, and the notifications that it has sent, in order. */
function serverOn(): { server: Dhcpv6Server; notifications: string[] } {
  const notifications: string[] = [];
  const observer: Dhcpv6Observer = {
    onServing: ({ index }) => notifications.push(`serving ${index}`),
    onWaiting: () => notifications.push("waiting"),
    onServeError: ({ name }) => notifications.push(`serve error ${name}`),
    onSendError: ({ name }) => notifications.push(`send error ${name}`),
    onSourceRateLimited: (hostname) =>
      notifications.push(`rate limited ${hostname}`),
    onAddressRefused: (hostname) => notifications.push(`refused ${hostname}`),
    onMessage: () => notifications.push("message"),
  };
  const server = new Dhcpv6Server({
    interfaceName: "eth0",
    port: 547,
    responderOptionsFor: () => OPTIONS,
    observer,
  });
  return { server, notifications };
}

Deno.test("Dhcpv6Server, start, refresh and stop", async (t) => {
  await t.step("serves an interface that appears after start()", async () => {
    using _host = new SimulatedHost([]);
    const { server, notifications } = serverOn();
    await server.start(undefined);
    assertEquals(server.serving, undefined);
    assertEquals(
      server.problem,
      "DHCPv6 is not served on eth0 now",
    );
    await server.refresh(IFACE);
    assertEquals(server.serving, IFACE);
    assertEquals(server.problem, undefined);
    await server.refresh(undefined);
    server.stop();
    assertEquals(notifications, ["waiting", "serving 2", "waiting"]);
  });

  await t.step("opens new sockets for an interface created anew", async () => {
    using _host = new SimulatedHost([]);
    const { server, notifications } = serverOn();
    await server.start(IFACE);
    const anew = { ...IFACE, index: 3 };
    await server.refresh(anew);
    assertEquals(server.serving, undefined);
    await server.refresh(anew);
    assertEquals(server.serving, anew);
    server.stop();
    assertEquals(notifications, ["serving 2", "serving 3"]);
  });

  await t.step(
    "start() throws when the port is in use, refresh() notifies",
    async () => {
      using _host = new SimulatedHost([]);
      const first = serverOn();
      await first.server.start(IFACE);
      const second = serverOn();
      await assertRejects(
        () => second.server.start(IFACE),
        Deno.errors.AddrInUse,
      );
      const third = serverOn();
      await third.server.start(undefined);
      await third.server.refresh(IFACE);
      await third.server.refresh(IFACE);
      first.server.stop();
      await third.server.refresh(IFACE);
      third.server.stop();
      assertEquals(second.notifications, []);
      assertEquals(third.notifications, [
        "waiting",
        "serve error AddrInUse",
        "serve error AddrInUse",
        "serving 2",
      ]);
    },
  );

  await t.step("stop() during start() closes all sockets", async () => {
    using _host = new SimulatedHost([]);
    const first = serverOn();
    const started = first.server.start(IFACE);
    first.server.stop();
    await started;
    assertEquals(first.server.serving, undefined);
    assertEquals(first.notifications, []);
    const second = serverOn();
    await second.server.start(IFACE);
    second.server.stop();
    assertEquals(second.notifications, ["serving 2"]);
  });

  await t.step("refresh() opens nothing after stop()", async () => {
    using _host = new SimulatedHost([]);
    const { server, notifications } = serverOn();
    await server.start(IFACE);
    server.stop();
    await server.refresh(IFACE);
    assertEquals(server.serving, undefined);
    assertEquals(notifications, ["serving 2"]);
  });
});
