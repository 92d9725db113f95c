import { encodeHex } from "@std/encoding/hex";
import { assertEquals, assertRejects } from "@std/assert";
import type { ResponderOptions } from "../../../../lib/dhcpv6/reply/responder.ts";
import {
  type Dhcpv6Observer,
  Dhcpv6Server,
} from "../../../../lib/dhcpv6/server/server.ts";
import type { NetworkInterface } from "../../../../lib/net/interface.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";
import { parseMac } from "../../../../lib/net/mac.ts";
import { decode } from "../../../../lib/dhcpv6/wire/packet.ts";
import { hex, iaNa, message, opt } from "../../../support/dhcpv6.ts";
import { SimulatedHost } from "../../../support/simulated_host.ts";

const IFACE: NetworkInterface = {
  name: "eth0",
  index: 2,
  mac: parseMac("02:00:00:00:00:aa")!,
  linkLocals: ["fe80::ff:fe00:aa"],
  addresses: ["2001:db8::1"],
  states: ["permanent"],
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
function serverOn(
  serverDuid?: Uint8Array,
): { server: Dhcpv6Server; notifications: string[] } {
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
    serverDuid,
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

Deno.test("Dhcpv6Server, the same server for a whole run", async (t) => {
  const FIRST = "000300010200000000aa";
  const CLIENT_ID = opt(1, "0003 0001 525400123456");
  const changed: NetworkInterface = {
    ...IFACE,
    mac: parseMac("02:00:00:00:00:bb")!,
  };

  /** The DUID in the Server ID of the reply to this message, or "no reply". */
  async function serverIdOf(
    host: SimulatedHost,
    type: number,
    serverDuid?: string,
  ): Promise<string> {
    const client = host.newEndpoint("fe80::5054:ff:fe12:3456");
    const options = [CLIENT_ID, iaNa(1)];
    if (serverDuid !== undefined) options.push(opt(2, serverDuid));
    const to = { hostname: "ff02::1:2%eth0", port: 547 };
    host.deliver(to, message(type, ...options), client);
    const reply = decode((await host.received(client)).bytes);
    if (typeof reply === "string") return reply;
    return encodeHex(reply.options.find(({ code }) => code === 2)!.data);
  }

  await t.step("keeps its DUID and its sockets with another MAC", async () => {
    using host = new SimulatedHost([]);
    const { server, notifications } = serverOn();
    await server.start(IFACE);
    assertEquals(await serverIdOf(host, 1), FIRST);
    await server.refresh(changed);
    assertEquals(server.serving, changed);
    for (const type of [3, 5, 8]) {
      assertEquals(await serverIdOf(host, type, FIRST), FIRST);
    }
    assertEquals(await serverIdOf(host, 1), FIRST);
    await server.refresh({ ...changed });
    server.stop();
    assertEquals(
      notifications.filter((text) => text !== "message"),
      ["serving 2", "serving 2"],
    );
  });

  await t.step(
    "keeps it when the interface is gone, and created anew",
    async () => {
      using host = new SimulatedHost([]);
      const { server } = serverOn();
      await server.start(IFACE);
      await server.refresh(undefined);
      await server.refresh({ ...changed, index: 7 });
      assertEquals(await serverIdOf(host, 5, FIRST), FIRST);
      assertEquals(await serverIdOf(host, 1), FIRST);
      server.stop();
    },
  );

  await t.step("takes the first MAC that is one", async () => {
    using host = new SimulatedHost([]);
    const { server } = serverOn();
    await server.start({ ...IFACE, mac: 0 });
    assertEquals(await serverIdOf(host, 1), "00030001000000000000");
    await server.refresh(IFACE);
    assertEquals(await serverIdOf(host, 1), FIRST);
    await server.refresh({ ...IFACE, mac: 0 });
    assertEquals(await serverIdOf(host, 1), FIRST);
    server.stop();
  });

  await t.step("has the DUID that it is given, whatever the MAC", async () => {
    using host = new SimulatedHost([]);
    const { server } = serverOn(hex("0002000000090c"));
    await server.start(IFACE);
    assertEquals(await serverIdOf(host, 1), "0002000000090c");
    await server.refresh(changed);
    assertEquals(
      await serverIdOf(host, 5, "0002000000090c"),
      "0002000000090c",
    );
    server.stop();
  });

  await t.step("opens new sockets if it cannot join its groups", async () => {
    using host = new SimulatedHost([]);
    const { server, notifications } = serverOn();
    await server.start(IFACE);
    host.canJoin = false;
    await server.refresh(changed);
    assertEquals(server.serving, undefined);
    host.canJoin = true;
    await server.refresh(changed);
    assertEquals(server.serving, changed);
    assertEquals(await serverIdOf(host, 5, FIRST), FIRST);
    server.stop();
    assertEquals(notifications.filter((text) => /^serv/.test(text)), [
      "serving 2",
      "serving 2",
    ]);
  });
});
