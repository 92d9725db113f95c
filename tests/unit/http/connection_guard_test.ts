import { assert, assertEquals } from "@std/assert";
import { ConnectionGuard } from "../../../lib/http/connection_guard.ts";
import { Connections } from "../../../lib/http/connections.ts";
import { FakeClock } from "../../support/clock.ts";
import { FakeSockets } from "../../support/fake_sockets.ts";
import { MAX_CONNECTION_RESPONSES } from "../../../lib/overload/limits.ts";

const PORT = 6315;
const MAX_IDLE = 8;
const PLACES = 100;

/** A server with connections in memory, and its clock. */
class GuardedServer {
  readonly sockets = new FakeSockets(PORT);
  readonly connections = new Connections(this.sockets);
  readonly reports: string[] = [];
  pressure = 0;
  /** Places that the pressure is a share of, if there are so many. */
  capacity: number | undefined;
  memory = 0;
  readonly guard = new ConnectionGuard({
    connections: this.connections,
    maxIdle: MAX_IDLE,
    places: PLACES,
    servers: () => 1,
    pressure: () =>
      this.capacity === undefined
        ? this.pressure
        : this.connections.answering / this.capacity,
    memory: () => this.memory,
    observer: {
      onIdle: ({ length }) => this.reports.push(`idle ${length}`),
      onStalled: ({ length }) => this.reports.push(`stalled ${length}`),
      onExcess: ({ length }) => this.reports.push(`excess ${length}`),
      onStuck: () => this.reports.push("stuck"),
      onListenerLost: () => this.reports.push("listener lost"),
    },
  });
  readonly #clock = new FakeClock();
  readonly #ends = new Map<string, () => void>();

  constructor() {
    this.connections.listenAt(PORT);
  }

  /** A request of a connection. Returns what ends the response. */
  request(client: string, port: number, isWhole = false): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const remoteAddr = { transport: "tcp" as const, hostname: client, port };
    const tracked = this.connections.track(PORT, false, {
      remoteAddr,
      completed: promise,
    });
    if (isWhole) tracked.isWhole();
    this.#ends.set(`${client} ${port}`, resolve);
    return resolve;
  }

  /** Ends the last response of a connection. */
  end(client: string, port: number): void {
    this.#ends.get(`${client} ${port}`)!();
  }

  pass(milliseconds: number): Promise<void> {
    return this.#clock.advance(milliseconds);
  }

  [Symbol.dispose](): void {
    this.guard.stop();
    this.#clock[Symbol.dispose]();
  }
}

Deno.test("ConnectionGuard, of clients that send more than requests", async (t) => {
  const KIB = 1024;

  /** Runs a server with connections that have sent so many bytes. */
  async function closedOf(
    ...sent: { bytes: number; requests?: number; read?: number; age?: number }[]
  ): Promise<number[]> {
    using server = new GuardedServer();
    server.guard.start();
    for (const [index, { age = 0 }] of sent.entries()) {
      server.sockets.connect(`fe80::${index}`, index);
      await server.pass(age);
    }
    for (const [index, { requests = 0 }] of sent.entries()) {
      for (let count = 0; count < requests; count++) {
        server.request(`fe80::${index}`, index);
      }
    }
    await server.pass(600);
    const connections = [...server.sockets.connections.values()];
    for (const [index, { bytes, read = 0 }] of sent.entries()) {
      const connection = connections.find(({ port }) => port === index)!;
      connection.received = bytes;
      connection.acknowledged = read;
    }
    await server.pass(100);
    return server.sockets.closed.map((name) => Number(name.split(" ")[1]));
  }

  await t.step("a header of 16 KiB is none", async () => {
    assertEquals(await closedOf({ bytes: 16 * KIB, requests: 1 }), []);
    assertEquals(await closedOf({ bytes: 16 * KIB }), []);
  });

  await t.step("what belongs to no request ends a connection", async () => {
    assertEquals(await closedOf({ bytes: 34 * KIB }), [0]);
    assertEquals(await closedOf({ bytes: 34 * KIB, requests: 1 }), []);
    assertEquals(await closedOf({ bytes: 38 * KIB, requests: 1 }), [0]);
    // Requests may be shorter than what is allowed for each, but not for ever.
    assertEquals(await closedOf({ bytes: 60 * KIB, requests: 20 }), []);
    assertEquals(await closedOf({ bytes: 100 * KIB, requests: 20 }), [0]);
  });

  await t.step("not what comes slowly, or lets more come", async () => {
    assertEquals(await closedOf({ bytes: 41 * KIB, age: 10_000 }), []);
    assertEquals(await closedOf({ bytes: 44 * KIB, age: 10_000 }), [0]);
    const read = 1000 * KIB * 32;
    assertEquals(await closedOf({ bytes: 1000 * KIB, read }), []);
    assertEquals(await closedOf({ bytes: 1000 * KIB, read: read / 2 }), [0]);
  });

  await t.step("has read before for 32 KiB at most", async () => {
    for (const [kib, closed] of [[60, 0], [70, 1]] as const) {
      using server = new GuardedServer();
      server.guard.start();
      const connection = server.sockets.connect("fe80::1", 1);
      server.request("fe80::1", 1);
      await server.pass(600);
      connection.acknowledged = 1024 * 1024 * KIB;
      await server.pass(100);
      connection.received = kib * KIB;
      await server.pass(100);
      assertEquals(server.sockets.closed.length, closed, `${kib} KiB`);
    }
  });

  await t.step("of what is kept for readers, the largest go", async () => {
    for (const hasMemory of [true, false]) {
      using server = new GuardedServer();
      server.memory = (hasMemory ? 159 : 161) * KIB * KIB;
      server.guard.start();
      const readers = Array.from({ length: 4 }, (_, host) => {
        server.request(`fe80::${host}`, 1);
        return server.sockets.connect(`fe80::${host}`, 1);
      });
      await server.pass(600);
      const step = (kib: number, reader: typeof readers[number]) => {
        reader.received += kib * KIB;
        reader.acknowledged += 64 * kib * KIB;
      };
      for (let steps = 0; steps < 50; steps++) {
        for (const reader of readers) step(4, reader);
        step(2, readers[2]!);
        await server.pass(100);
      }
      assertEquals(server.sockets.closed, []);
      // Those of a response that has ended are kept no longer.
      server.end("fe80::1", 1);
      for (let steps = 0; steps < 50; steps++) {
        for (const reader of readers) step(4, reader);
        step(2, readers[2]!);
        await server.pass(100);
      }
      assertEquals(
        server.sockets.closed,
        hasMemory ? [] : ["fe80::2 1", "fe80::0 1"],
      );
    }
  });

  await t.step("of too much in all, the largest go", async () => {
    const many = Array.from({ length: 18 }, () => ({ bytes: 28 * KIB }));
    assertEquals(await closedOf(...many), []);
    const more = [...many, { bytes: 31 * KIB }, { bytes: 30 * KIB }];
    const closed = await closedOf(...more);
    assertEquals(closed.slice(0, 2), [18, 19]);
    // Half of the limit is left.
    assertEquals(closed.length, 11);
  });
});

Deno.test("ConnectionGuard", async (t) => {
  await t.step("looks only between start and stop", async () => {
    using server = new GuardedServer();
    server.sockets.connect("fe80::1", 1);
    await server.pass(30_000);
    assertEquals(server.connections.size, 0);
    server.guard.start();
    server.guard.start();
    await server.pass(1000);
    assertEquals(server.connections.size, 1);
    server.guard.stop();
    await server.pass(30_000);
    assertEquals(server.sockets.closed, []);
  });

  await t.step(
    "closes a connection that sends no request for 20 s",
    async () => {
      using server = new GuardedServer();
      server.guard.start();
      server.sockets.connect("fe80::1", 1);
      await server.pass(1000);
      server.sockets.connect("fe80::1", 2);
      await server.pass(19_000);
      assertEquals(server.sockets.closed, []);
      await server.pass(1000);
      assertEquals(server.sockets.closed, ["fe80::1 1"]);
      await server.pass(1000);
      assertEquals(server.sockets.closed, ["fe80::1 1", "fe80::1 2"]);
      assertEquals(server.guard.closed, 2);
      assertEquals(server.reports, []);
    },
  );

  for (const canAnnounce of [true, false]) {
    await t.step(
      canAnnounce
        ? "finds the first connection when the kernel announces it"
        : "finds the first connection within half a second otherwise",
      async () => {
        using server = new GuardedServer();
        const { sockets, connections } = server;
        sockets.canAnnounce = canAnnounce;
        server.guard.start();
        for (let round = 0; round < 3; round++) {
          // Not when a search is due anyway.
          await server.pass(1020);
          assertEquals(sockets.announcing, new Set(canAnnounce ? [0] : []));
          const connection = sockets.connect("fe80::1", 1);
          await server.pass(10);
          assertEquals(connections.size, canAnnounce ? 1 : 0);
          await server.pass(490);
          assertEquals(connections.size, 1);
          // Each would cost something.
          assertEquals(sockets.announcing, new Set());
          sockets.disconnect(connection);
          await server.pass(480);
          assertEquals(connections.size, 0);
        }
      },
    );
  }

  await t.step("looks at a new listener at once", async () => {
    using server = new GuardedServer();
    const { sockets, connections } = server;
    server.guard.start();
    await server.pass(500);
    sockets.listeners = 2;
    connections.announce();
    await server.pass(10);
    assertEquals(connections.listeners, 2);
    assertEquals(sockets.announcing, new Set([0, 1]));
  });

  await t.step("looks although one announcement follows another", async () => {
    using server = new GuardedServer();
    const { connections } = server;
    server.guard.start();
    await server.pass(500);
    server.sockets.listeners = 2;
    for (let call = 0; call < 4; call++) {
      connections.announce();
      await server.pass(5);
    }
    assertEquals(connections.listeners, 2);
  });

  await t.step(
    "knows a connection from an earlier one from there",
    async () => {
      using server = new GuardedServer();
      const { sockets, connections } = server;
      server.guard.start();
      const earlier = sockets.connect("fe80::1", 1);
      const end = server.request("fe80::1", 1);
      await server.pass(100);
      const [first] = connections;
      earlier.acknowledged = 1000;
      first!.measure();
      // The next one may have its descriptor, before a search has seen its end.
      sockets.disconnect(earlier);
      sockets.connect("fe80::1", 1).acknowledged = 10;
      first!.measure();
      assert(first!.isOver);
      server.request("fe80::1", 1);
      const [second] = connections;
      assert(second !== first);
      assertEquals([first!.isGone, connections.size], [true, 1]);
      await server.pass(100);
      second!.measure();
      assertEquals([second!.acknowledgedBytes, second!.isOver], [10, false]);
      end();
      await server.pass(100);
      assertEquals(connections.answering, 1);
    },
  );

  await t.step("knows it also if the earlier one was not found", async () => {
    using server = new GuardedServer();
    const { connections } = server;
    server.guard.start();
    const end = server.request("fe80::1", 1);
    const [first] = connections;
    first!.hand(1000);
    end();
    await server.pass(0);
    server.request("fe80::1", 1);
    const [second] = connections;
    assert(second !== first);
    assertEquals([connections.size, connections.unreadBytes], [1, 0]);
  });

  await t.step("closes a second one from the same port at once", async () => {
    using server = new GuardedServer();
    const { sockets } = server;
    server.guard.start();
    sockets.connect("fe80::1", 1);
    server.request("fe80::1", 1);
    await server.pass(100);
    // To another address of this host.
    sockets.connect("fe80::1", 1);
    await server.pass(1000);
    assertEquals(sockets.closed, ["fe80::1 1"]);
    assertEquals([...sockets.connections.keys()], [40]);
    assertEquals(server.guard.closed, 1);
  });

  await t.step("but not when the first one has ended", async () => {
    using server = new GuardedServer();
    const { sockets, connections } = server;
    server.guard.start();
    const reset = sockets.connect("fe80::1", 1);
    server.request("fe80::1", 1);
    await server.pass(100);
    // The runtime does not see it while a request waits in it.
    reset.isOver = true;
    sockets.connect("fe80::1", 1);
    await server.pass(1000);
    assertEquals(sockets.closed, []);
    assertEquals([...connections].map(({ descriptor }) => descriptor), [41]);
    server.request("fe80::1", 1);
    assertEquals([...connections].map(({ responses }) => responses), [1]);
  });

  await t.step("gives up responses of a lost connection", async () => {
    using server = new GuardedServer();
    const { sockets, connections } = server;
    server.guard.start();
    const connection = sockets.connect("fe80::1", 1);
    server.request("fe80::1", 1);
    await server.pass(100);
    sockets.disconnect(connection);
    await server.pass(900);
    assertEquals(connections.answering, 1);
    await server.pass(1000);
    assertEquals([connections.answering, connections.size], [0, 0]);
    assertEquals(server.reports, []);
  });

  await t.step("gives them up also if it was never found", async () => {
    using server = new GuardedServer();
    const { connections } = server;
    server.guard.start();
    server.request("fe80::1", 1);
    const [connection] = connections;
    for (let step = 0; step < 40; step++) {
      await server.pass(100);
      // It may be there, behind a gap in the descriptors: its client reads.
      connection!.hand(1);
    }
    assertEquals(connections.answering, 1);
    await server.pass(3000);
    assertEquals([connections.answering, connections.size], [0, 0]);
  });

  await t.step("allows one at a time when the runtime keeps many", async () => {
    using server = new GuardedServer();
    const { sockets, connections } = server;
    server.guard.start();
    const ask = (port: number) => {
      sockets.connect("fe80::1", port);
      return Array.from(
        { length: 10 },
        () => server.request("fe80::1", port),
      );
    };
    const ends: (() => void)[] = [];
    for (let port = 1; port <= 2; port++) {
      ends.push(...ask(port));
      await server.pass(100);
      for (const connection of connections) connection.hand(8 * 1024 * 1024);
      assertEquals(sockets.closed, []);
      sockets.disconnect([...sockets.connections.values()][0]!);
      await server.pass(2000);
      assertEquals(connections.answering, 0);
    }
    assert(server.reports.includes("stuck"));
    assertEquals(connections.maxResponses, 1);
    ask(3);
    assertEquals(sockets.closed, ["fe80::1 3"]);
    // It has ended them after all.
    for (const end of ends) end();
    await server.pass(100);
    assertEquals(connections.maxResponses, MAX_CONNECTION_RESPONSES);
  });

  await t.step("lets a connection wait for a further request", async () => {
    using server = new GuardedServer();
    server.guard.start();
    server.sockets.connect("fe80::1", 1);
    const end = server.request("fe80::1%2", 1);
    await server.pass(40_000);
    end();
    await server.pass(119_000);
    assertEquals(server.sockets.closed, []);
    await server.pass(2000);
    assertEquals(server.sockets.closed, ["fe80::1 1"]);
  });

  await t.step(
    "lets few be accepted at once while few descriptors are free",
    async () => {
      using server = new GuardedServer();
      const { sockets } = server;
      sockets.listeners = 2;
      server.guard.start();
      // A sixth of 1,024 is free with them.
      const enough = 1024 - 171 - 40;
      const connect = (port: number) => {
        sockets.connect("fe80::1", port);
        server.request("fe80::1", port);
      };
      for (let port = 1; port <= enough; port++) connect(port);
      await server.pass(1000);
      assertEquals(sockets.backlogs, new Map());
      connect(enough + 1);
      await server.pass(1000);
      assertEquals(sockets.backlogs, new Map([[0, 1], [1, 1]]));
      // The runtime has ended one, and another one has its descriptor.
      sockets.backlogs.clear();
      await server.pass(1000);
      assertEquals(sockets.backlogs, new Map([[0, 1], [1, 1]]));
      sockets.connections.delete(40);
      server.end("fe80::1", 1);
      await server.pass(1000);
      assertEquals(sockets.backlogs, new Map([[0, 511], [1, 511]]));
      assertEquals(sockets.closed, []);
      sockets.backlogs.clear();
      await server.pass(1000);
      assertEquals(sockets.backlogs, new Map());
    },
  );

  await t.step("closes none whose client reads the last response", async () => {
    using server = new GuardedServer();
    server.guard.start();
    const client = server.sockets.connect("fe80::1", 1);
    const end = server.request("fe80::1", 1);
    await server.pass(1000);
    const [connection] = server.connections;
    connection!.hand(10_000);
    end();
    for (let second = 0; second < 300; second++) {
      client.acknowledged += 10;
      await server.pass(1000);
    }
    assertEquals(connection!.unreadBytes, 7000);
    server.connections.resetIdle(PORT, Infinity);
    assertEquals(server.sockets.closed, []);
    // It reads no more.
    await server.pass(119_000);
    assertEquals(server.sockets.closed, []);
    await server.pass(2000);
    assertEquals(server.sockets.closed, ["fe80::1 1"]);
    server.sockets.connections.clear();
    await server.pass(1000);
    assertEquals(server.connections.unreadBytes, 0);
  });

  await t.step("keeps those who read before those who do not", async () => {
    using server = new GuardedServer();
    server.guard.start();
    const client = server.sockets.connect("fe80::1", 1);
    const end = server.request("fe80::1", 1);
    await server.pass(1000);
    [...server.connections][0]!.hand(10_000);
    end();
    server.pressure = 1;
    for (let port = 2; port < 20; port++) {
      server.sockets.connect(`fe80::${port}`, port);
    }
    for (let step = 0; step < 20; step++) {
      client.acknowledged += 10;
      await server.pass(100);
    }
    assert(server.sockets.closed.length > 0);
    assert(!server.sockets.closed.includes("fe80::1 1"));
  });

  for (const [pressure, count] of [[0, 50], [0.75, 12], [1, 0]] as const) {
    await t.step(
      `allows ${count} new ones besides when ${pressure} of the places are used`,
      async () => {
        const most = MAX_IDLE + count;
        using server = new GuardedServer();
        server.guard.start();
        server.pressure = pressure;
        for (let port = 1; port <= most; port++) {
          server.sockets.connect("fe80::1", port);
        }
        await server.pass(500);
        assertEquals(server.sockets.closed, []);
        server.sockets.connect("fe80::1", most + 1);
        await server.pass(500);
        const kept = Math.floor(0.75 * most);
        assertEquals(server.sockets.connections.size, kept);
        await server.pass(1500);
        assert(server.sockets.connections.size <= MAX_IDLE);
      },
    );
  }

  for (const isWhole of [true, false]) {
    await t.step(
      isWhole
        ? "counts connections as idle whose responses are whole and unread"
        : "keeps connections whose responses hold a place",
      async () => {
        using server = new GuardedServer();
        server.guard.start();
        const most = MAX_IDLE + 50;
        const ends: (() => void)[] = [];
        for (let port = 1; port <= most + 1; port++) {
          server.sockets.connect("fe80::1", port);
          ends.push(server.request("fe80::1", port, isWhole));
        }
        assertEquals(server.connections.answering, isWhole ? 0 : most + 1);
        await server.pass(600);
        assertEquals(
          server.sockets.connections.size,
          isWhole ? Math.floor(0.75 * most) : most + 1,
        );
        for (const end of ends) end();
      },
    );
  }

  await t.step("closes one that asks for too much at once, at once", () => {
    using server = new GuardedServer();
    server.sockets.connect("fe80::1", 1);
    server.sockets.connect("fe80::1", 2);
    const ends = Array.from(
      { length: MAX_CONNECTION_RESPONSES },
      () => server.request("fe80::1", 2),
    );
    assertEquals(server.sockets.closed, []);
    ends.push(server.request("fe80::1", 2));
    assertEquals(server.sockets.closed, ["fe80::1 2"]);
    for (const end of ends) end();
  });

  await t.step("of too many keeps the latest of each client", async () => {
    using server = new GuardedServer();
    server.guard.start();
    for (let port = 1; port <= 20; port++) {
      server.sockets.connect("fe80::bad", port);
    }
    server.sockets.connect("fe80::1", 1);
    server.sockets.connect("::ffff:192.0.2.1", 1);
    server.sockets.connect("fe80::2", 1);
    const end = server.request("fe80::2", 1);
    await server.pass(2000);
    const kept = [...server.sockets.connections.values()].map((one) =>
      one.client
    );
    // Six idle ones, three quarters of the limit, and one with a request.
    assertEquals(kept.toSorted(), [
      "::ffff:192.0.2.1",
      "fe80::1",
      "fe80::2",
      ...Array(4).fill("fe80::bad"),
    ]);
    assertEquals(server.reports, ["idle 16"]);
    end();
  });

  await t.step(
    "closes those of clients that connect again and again",
    async () => {
      using server = new GuardedServer();
      server.guard.start();
      const attackers = Array.from(
        { length: 20 },
        (_, at) => `fe80::bad:${at}`,
      );
      const attack = async (port: number) => {
        for (const client of attackers) server.sockets.connect(client, port);
        await server.pass(2000);
      };
      for (let port = 1; port < 6; port++) await attack(port);
      // The visitor's is older than all that come now.
      server.sockets.connect("fe80::1", 1);
      for (let port = 6; port < 9; port++) await attack(port);
      const kept = [...server.sockets.connections.values()];
      assert(kept.some(({ client }) => client === "fe80::1"));
      assertEquals(kept.length, 6);
    },
  );

  await t.step("closes what acknowledges nothing for a minute", async () => {
    using server = new GuardedServer();
    server.guard.start();
    const slow = server.sockets.connect("fe80::1", 1);
    slow.hasPending = true;
    const silent = server.sockets.connect("fe80::2", 1);
    silent.hasPending = true;
    const waiting = server.sockets.connect("fe80::3", 1);
    const ends = [1, 2, 3].map((host) => server.request(`fe80::${host}`, 1));
    await server.pass(600);
    // The third has got all there is.
    for (const connection of server.connections) {
      if (connection.client === "fe80::3") connection.starving = 1;
    }
    for (let second = 0; second < 75; second++) {
      slow.acknowledged++;
      await server.pass(1000);
    }
    assertEquals(server.sockets.closed, ["fe80::2 1"]);
    assertEquals(server.reports, ["stalled 1"]);
    assertEquals(server.guard.closed, 1);
    assert(!waiting.hasPending);
    for (const end of ends) end();
  });

  await t.step("when places are short closes what reads slowly", async () => {
    using server = new GuardedServer();
    server.guard.start();
    const rates = [1000, 1100];
    const readers = rates.map((_, index) => {
      const reader = server.sockets.connect(`fe80::${index}`, 1);
      reader.hasPending = true;
      return reader;
    });
    const ends = rates.map((_, index) => server.request(`fe80::${index}`, 1));
    const read = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        await server.pass(1000);
        for (const [index, rate] of rates.entries()) {
          readers[index]!.acknowledged += rate;
        }
      }
    };
    server.pressure = 0.5;
    await read(30);
    assertEquals(server.reports, []);
    server.pressure = 0.6;
    await read(12);
    assertEquals(server.sockets.closed, ["fe80::0 1"]);
    for (const end of ends) end();
  });

  await t.step("first of clients that have many places", async () => {
    using server = new GuardedServer();
    const { sockets } = server;
    server.guard.start();
    const connect = (client: string, count: number, read: number) => {
      for (let port = 1; port <= count; port++) {
        const reader = sockets.connect(client, port);
        reader.hasPending = true;
        reader.acknowledged = read;
        server.request(client, port);
      }
    };
    // Their kernels have taken something, and nothing for a while now.
    connect("fe80::1", 30, 100_000);
    connect("fe80::2", 1, 1000);
    connect("fe80::3", 4, 1000);
    server.capacity = 70;
    await server.pass(21_000);
    assertEquals(sockets.closed, []);
    // Then as many go that half of the places are free.
    server.capacity = 50;
    await server.pass(10_000);
    assertEquals(sockets.closed.length, 10);
    assert(sockets.closed.every((name) => name.startsWith("fe80::1 ")));
  });

  await t.step("first of those that have read least", async () => {
    using server = new GuardedServer();
    const { sockets } = server;
    server.guard.start();
    for (let host = 1; host <= 20; host++) {
      const reader = sockets.connect(`fe80::${host}`, 1);
      reader.hasPending = true;
      reader.acknowledged = 1000 * (20 - host);
      server.request(`fe80::${host}`, 1);
    }
    await server.pass(11_000);
    server.capacity = 36;
    await server.pass(10_000);
    assertEquals(sockets.closed, ["fe80::20 1", "fe80::19 1"]);
  });

  await t.step("reports that a server does not listen any more", async () => {
    using server = new GuardedServer();
    server.guard.start();
    await server.pass(1000);
    assertEquals(server.reports, []);
    server.sockets.listeners = 0;
    await server.pass(1000);
    assertEquals(server.reports, ["listener lost"]);
    server.sockets.listeners = 1;
    await server.pass(1000);
    assertEquals(server.reports.length, 1);
  });
});
