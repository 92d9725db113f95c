import { assert, assertEquals, assertRejects } from "@std/assert";
import { formatIpv6 } from "../../../lib/net/ipv6.ts";
import {
  type TcpSocketCalls,
  tcpSockets,
} from "../../../lib/net/tcp_sockets.ts";
import { eventually, pause } from "../../support/lab.ts";

/** The program that prints what is announced. */
const ANNOUNCING =
  new URL("../../support/announcing.ts", import.meta.url).pathname;

/** How often two connections are made until the second has a descriptor of the first. */
const TRIES = 50;

/** A connection of this process to itself. */
async function connected(hostname: string): Promise<{
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
}> {
  using listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr;
  const [client, server] = await Promise.all([
    Deno.connect({ hostname, port }),
    listener.accept(),
  ]);
  return { client, server };
}

/** All open descriptors below 1,024. */
function openDescriptors(sockets: TcpSocketCalls): number[] {
  return Array.from({ length: 1024 }, (_, at) => at).filter((descriptor) =>
    sockets.isOpen(descriptor)
  );
}

/** The descriptor of one end of a connection. */
function descriptorOf(
  sockets: TcpSocketCalls,
  { localAddr, remoteAddr }: Deno.TcpConn,
): number {
  const found = openDescriptors(sockets).filter((descriptor) =>
    sockets.localPort(descriptor) === localAddr.port &&
    sockets.readPeer(descriptor) && sockets.peerPort === remoteAddr.port
  );
  assertEquals(found.length, 1);
  return found[0]!;
}

Deno.test({
  name: "TcpSockets",
  ignore: Deno.build.os !== "linux",
  fn: async (t) => {
    const sockets = tcpSockets!;

    await t.step("lists a descriptor while it is open", async () => {
      const { client, server } = await connected("::1");
      const descriptor = descriptorOf(sockets, server);
      assert(openDescriptors(sockets).includes(0));
      assert(openDescriptors(sockets).includes(descriptor));
      client.close();
      server.close();
      // Tests of other files run in this process, and may have it now.
      assert(!openDescriptors(sockets).includes(100_000));
    });

    for (
      const [hostname, address] of [
        ["::1", "::1"],
        ["127.0.0.1", "::ffff:7f00:1"],
      ] as const
    ) {
      await t.step(
        `reads both ends of a connection to ${hostname}`,
        async () => {
          const { client, server } = await connected(hostname);
          const descriptor = descriptorOf(sockets, server);
          assert(sockets.readPeer(descriptor));
          assertEquals(formatIpv6(sockets.peerAddress), address);
          assertEquals(sockets.localPort(descriptor), client.remoteAddr.port);
          client.close();
          server.close();
        },
      );
    }

    await t.step(
      "tells a socket from the next with its descriptor",
      async () => {
        let isUsedAgain = false;
        // Tests of other files run in this process, and may have it next.
        for (let tries = 0; tries < TRIES && !isUsedAgain; tries++) {
          const first = await connected("::1");
          const descriptor = descriptorOf(sockets, first.client);
          const identity = sockets.identity(descriptor);
          assert(identity > 0);
          assertEquals(sockets.identity(descriptor), identity);
          assert(
            identity !== sockets.identity(descriptorOf(sockets, first.server)),
          );
          first.client.close();
          first.server.close();
          assert(sockets.identity(descriptor) !== identity);
          const second = await connected("::1");
          assert(sockets.identity(descriptor) !== identity);
          isUsedAgain = [second.client, second.server].some((socket) =>
            descriptorOf(sockets, socket) === descriptor
          );
          second.client.close();
          second.server.close();
        }
        assert(isUsedAgain, "a descriptor is used again");
        assertEquals(sockets.identity(100_000), 0);
      },
    );

    await t.step("knows a socket that accepts connections", () => {
      using listener = Deno.listen({ hostname: "::1", port: 0 });
      const { port } = listener.addr;
      const found = openDescriptors(sockets).filter((descriptor) =>
        sockets.localPort(descriptor) === port &&
        sockets.isListening(descriptor)
      );
      assert(found.length > 0);
      assert(!sockets.isListening(0));
    });

    await t.step("lets few connections wait to be accepted", async () => {
      const listener = Deno.listen({ hostname: "::1", port: 0 });
      const { port } = listener.addr;
      const descriptor = openDescriptors(sockets).find((one) =>
        sockets.localPort(one) === port && sockets.isListening(one)
      )!;
      sockets.setBacklog(descriptor, 1);
      let connections = 0;
      const clients = Array.from({ length: 12 }, async () => {
        const client = await Deno.connect({ hostname: "::1", port });
        connections++;
        return client;
      });
      await eventually("two are connected", () => connections === 2);
      await pause(300);
      assertEquals(connections, 2);
      sockets.setBacklog(descriptor, 511);
      // The others try again after a second.
      for (const client of await Promise.all(clients)) client.close();
      listener.close();
      sockets.setBacklog(-1, 1);
    });

    await t.step("announces connections, when it is to", async () => {
      const { code, stdout, stderr } = await new Deno.Command(
        Deno.execPath(),
        { args: ["run", "--no-config", "-A", ANNOUNCING], clearEnv: true },
      ).output();
      const text = new TextDecoder();
      assertEquals(
        { code, stderr: text.decode(stderr), stdout: text.decode(stdout) },
        {
          code: 0,
          stderr: "",
          stdout: "not without a callback\n1 of 1\n2 of 2\n2 of 3\n3 of 4\n",
        },
      );
    });

    await t.step("takes nothing else for a connection", () => {
      for (const descriptor of [-1, 0, 1, 2, 100_000]) {
        assert(!sockets.readPeer(descriptor), `${descriptor}`);
        assertEquals(sockets.localPort(descriptor), 0);
        assertEquals(sockets.traffic(descriptor), undefined);
        sockets.reset(descriptor);
      }
    });

    await t.step("sees what the runtime has not read", async () => {
      const { client, server } = await connected("::1");
      const descriptor = descriptorOf(sockets, server);
      assert(!sockets.hasUnread(descriptor));
      await client.write(new Uint8Array(2));
      await eventually("it has bytes", () => sockets.hasUnread(descriptor));
      // They are still there for the runtime.
      assertEquals(await server.read(new Uint8Array(3)), 2);
      assert(!sockets.hasUnread(descriptor));
      client.close();
      await eventually("it has ended", () => sockets.hasUnread(descriptor));
      server.close();
      for (const other of [-1, 100_000]) assert(!sockets.hasUnread(other));
    });

    await t.step("sees what the other end has not acknowledged", async () => {
      const { client, server } = await connected("::1");
      const descriptor = descriptorOf(sockets, server);
      assertEquals(sockets.traffic(descriptor), {
        acknowledged: 0,
        received: 0,
        hasPending: false,
        isOver: false,
      });
      await server.write(new Uint8Array(1000));
      await eventually(
        "1,000 bytes are acknowledged",
        () => sockets.traffic(descriptor)!.acknowledged === 1000,
      );
      // More than the buffers of both ends take.
      let written = 0;
      void (async () => {
        for (;;) written += await server.write(new Uint8Array(1024 * 1024));
      })().catch(() => {});
      await eventually(
        "bytes wait",
        () => written > 0 && sockets.traffic(descriptor)!.hasPending,
      );
      client.close();
      server.close();
    });

    for (
      const [what, unread, isOver] of [
        ["ended its direction", 0, false],
        ["reset it", 10, true],
      ] as const
    ) {
      await t.step(`sees that the other end has ${what}`, async () => {
        const { client, server } = await connected("::1");
        const descriptor = descriptorOf(sockets, server);
        await server.write(new Uint8Array(unread));
        await eventually(
          "all has come",
          () => sockets.traffic(descriptor)!.acknowledged === unread,
        );
        // With bytes that it has not read it resets.
        client.close();
        await eventually(
          "it is seen",
          () =>
            isOver
              ? sockets.traffic(descriptor)!.isOver
              : sockets.hasUnread(descriptor),
        );
        assertEquals(sockets.traffic(descriptor)!.isOver, isOver);
        assertEquals(sockets.readPeer(descriptor), !isOver);
        server.close();
      });
    }

    await t.step("resets a connection: both ends see it", async () => {
      const { client, server } = await connected("::1");
      await server.write(new Uint8Array(1024 * 1024));
      sockets.reset(descriptorOf(sockets, server));
      await assertRejects(() => server.write(new Uint8Array(1)), Error);
      server.close();
      await assertRejects(async () => {
        while (await client.read(new Uint8Array(65_536)) !== null);
      }, Deno.errors.ConnectionReset);
      client.close();
    });
  },
});
