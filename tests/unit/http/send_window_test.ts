import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Connection, Connections } from "../../../lib/http/connections.ts";
import type { BodySink, BodySource } from "../../../lib/http/body_source.ts";
import { SendWindows, TOO_SLOW } from "../../../lib/http/send_window.ts";
import { FakeClock } from "../../support/clock.ts";
import {
  type FakeConnection,
  FakeSockets,
} from "../../support/fake_sockets.ts";

const PORT = 6315;
const KIB = 1024;

/** Bytes that may wait for all clients together. */
const SIZE = 64 * KIB;

/** A response without an end, what the runtime has taken of it, and its client. */
class Sent {
  asked = 0;
  taken = 0;
  released = 0;
  cancelled: unknown;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #sink!: BodySink;

  /** @param isIdle Whether it writes only when {@linkcode write} is called. */
  constructor(
    server: WindowedServer,
    readonly client: FakeConnection,
    readonly connection: Connection,
    private readonly chunk: number,
    isIdle: boolean,
    completed: Promise<void>,
  ) {
    const source: BodySource = {
      pull: (sink) => {
        this.asked++;
        this.#sink = sink;
        if (!isIdle) this.write();
      },
      cancel: (reason) => {
        this.cancelled = reason;
      },
      isIdle: () => isIdle,
      release: (bytes) => {
        this.released += bytes.length;
      },
    };
    this.#reader = server.windows.limit(source, connection, completed)
      .getReader();
  }

  /** How many of so many bytes it may write beside its part. */
  roomFor(bytes: number): number {
    return this.#sink.roomFor!(bytes);
  }

  /** Writes a chunk. */
  write(): void {
    this.#sink.enqueue(new Uint8Array(this.chunk));
  }

  /** Takes all there is, as the runtime does, until it sees a reset. */
  async take(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      this.taken += value.length;
      if (this.client.isOver) return await this.cancel();
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel("left");
  }
}

/** A server whose connections are in memory. */
class WindowedServer {
  readonly sockets = new FakeSockets(PORT);
  readonly connections = new Connections(this.sockets);
  readonly windows: SendWindows;
  readonly clock = new FakeClock();

  /** @param size Bytes that may wait for all clients together. */
  constructor(size = SIZE) {
    this.windows = new SendWindows(this.connections, size);
    this.connections.listenAt(PORT);
  }

  /** A request of a client, and of a new one if that is not connected. */
  connect(port: number, isFound = true) {
    const client = [...this.sockets.connections.values()]
      .find((one) => one.port === port) ??
      this.sockets.connect("fe80::1", port);
    if (!isFound) this.sockets.disconnect(client);
    // The response does not end.
    const { promise } = Promise.withResolvers<void>();
    const { connection } = this.connections.track(PORT, false, {
      remoteAddr: { transport: "tcp", hostname: "fe80::1", port },
      completed: promise,
    });
    while (!this.connections.search());
    return { client, connection, promise };
  }

  /** Answers a new client. Its chunks have so many bytes. */
  answer(port: number, chunk = 4 * KIB, isIdle = false): Sent {
    const { client, connection, promise } = this.connect(port);
    const sent = new Sent(this, client, connection, chunk, isIdle, promise);
    void sent.take();
    return sent;
  }

  [Symbol.dispose](): void {
    this.clock[Symbol.dispose]();
  }
}

Deno.test("SendWindows", async (t) => {
  await t.step("stop at half of the memory if one reads nothing", async () => {
    using server = new WindowedServer();
    const sent = server.answer(1);
    await server.clock.advance(1000);
    assertEquals(sent.taken, SIZE / 2);
    assertEquals(sent.connection.unreadBytes, SIZE / 2);
    assertEquals(server.connections.unreadBytes, SIZE / 2);
    assertEquals(sent.released, SIZE / 2, "what the runtime has taken");
    await sent.cancel();
  });

  await t.step("go on when the client has read", async () => {
    using server = new WindowedServer();
    const sent = server.answer(1);
    await server.clock.advance(1000);
    for (const acknowledged of [4 * KIB, SIZE / 2, SIZE]) {
      sent.client.acknowledged = acknowledged;
      await server.clock.advance(1000);
      assertEquals(sent.taken, acknowledged + SIZE / 2);
    }
    await sent.cancel();
  });

  await t.step("are equal shares, and one chunk at least", async () => {
    using server = new WindowedServer();
    const all = Array.from({ length: 40 }, (_, port) => server.answer(port));
    await server.clock.advance(1000);
    const unread = server.connections.unreadBytes;
    assert(all.every(({ taken }) => taken >= 4 * KIB));
    assert(unread <= SIZE / 2 + 40 * 4 * KIB, `${unread}`);
    // One that reads goes on, whatever the others do.
    const reading = all[17]!;
    for (let round = 0; round < 10; round++) {
      reading.client.acknowledged = reading.taken;
      await server.clock.advance(200);
    }
    assert(reading.taken >= 40 * KIB, `${reading.taken}`);
    for (const sent of all) await sent.cancel();
  });

  await t.step("ask a body that has nothing to write", async () => {
    using server = new WindowedServer();
    const full = Array.from({ length: 40 }, (_, port) => server.answer(port));
    const idle = server.answer(50, 4 * KIB, true);
    await server.clock.advance(1000);
    assertEquals(idle.asked, 1);
    idle.write();
    await server.clock.advance(1000);
    assertEquals(idle.asked, 2, "one chunk is not acknowledged");
    idle.write();
    await server.clock.advance(1000);
    assertEquals(idle.asked, 2, "two chunks are not acknowledged");
    idle.client.acknowledged = idle.taken;
    await server.clock.advance(1000);
    assertEquals(idle.asked, 3);
    for (const sent of [...full, idle]) await sent.cancel();
  });

  await t.step("say whether a connection waits for its client", async () => {
    using server = new WindowedServer();
    const sent = server.answer(1);
    await server.clock.advance(1000);
    assert(!sent.connection.hasCaughtUp);
    await sent.cancel();
  });

  await t.step("pass on that the client has left", async () => {
    using server = new WindowedServer();
    const sent = server.answer(1);
    await server.clock.advance(1000);
    await sent.cancel();
    assertEquals(sent.cancelled, "left");
    const stalled = server.answer(2);
    stalled.connection.wasStalled = true;
    await stalled.cancel();
    assertEquals(stalled.cancelled, TOO_SLOW);
  });

  await t.step("forget a body that waits when its client leaves", async () => {
    using server = new WindowedServer();
    const sent = server.answer(1);
    await server.clock.advance(1000);
    const { asked } = sent;
    await sent.cancel();
    sent.client.acknowledged = sent.taken;
    await server.clock.advance(1000);
    assertEquals(sent.asked, asked);
    assertEquals(sent.connection.starving, 0);
  });

  await t.step("go on when the connection was reset", async () => {
    using server = new WindowedServer();
    const all = Array.from({ length: 3 }, (_, port) => server.answer(port));
    await server.clock.advance(1000);
    const [reset] = all;
    const before = all.map(({ asked }) => asked);
    // The runtime sees it when it writes.
    reset!.client.isOver = true;
    await server.clock.advance(300);
    assertEquals(reset!.cancelled, "left");
    assertEquals(all.slice(1).map(({ asked }) => asked), before.slice(1));
    for (const sent of all) await sent.cancel();
  });

  await t.step("go on when the connection is not found", async () => {
    using server = new WindowedServer();
    const { client, connection, promise } = server.connect(1, false);
    const sent = new Sent(server, client, connection, KIB, true, promise);
    const taken = sent.take();
    for (let chunk = 0; chunk < SIZE / KIB; chunk++) {
      await server.clock.advance(1000);
      assertEquals(sent.asked, chunk + 1);
      sent.write();
    }
    await sent.cancel();
    await taken;
  });

  await t.step("count a body that waits for its next chunk once", async () => {
    using server = new WindowedServer();
    const idle = server.answer(1, 4 * KIB, true);
    await server.clock.advance(1000);
    assertEquals(idle.connection.starving, 1);
    await idle.cancel();
    assertEquals(idle.connection.starving, 0);
  });

  await t.step("find room that others have made", async () => {
    using server = new WindowedServer();
    const others = Array.from(
      { length: 20 },
      (_, port) => server.answer(port, 4 * KIB, true),
    );
    await server.clock.advance(1000);
    for (const other of others) other.write();
    await server.clock.advance(1000);
    // They have read all, and have nothing to write.
    for (const { client } of others) client.acknowledged = 4 * KIB;
    const late = server.answer(50);
    await server.clock.advance(300);
    assertEquals(late.taken, SIZE / 4, "half of the free half");
    for (const sent of [...others, late]) await sent.cancel();
  });

  /** A body of one chunk, which ends with it. */
  function lastChunk(
    server: WindowedServer,
    port: number,
    size: number,
    isFound = true,
  ) {
    const { client, connection } = server.connect(port, isFound);
    const events: string[] = [];
    const chunk = new Uint8Array(size).map((_, at) => at % 251);
    const body = server.windows.limit(
      {
        pull: (sink) => sink.last(chunk.slice()),
        cancel: (reason) => {
          events.push(`cancel ${reason}`);
        },
        onSent: () => {
          events.push("sent");
        },
      },
      connection,
      new Promise(() => {}),
    );
    const reader = body.getReader();
    const got: number[] = [];
    const read = (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        got.push(...value);
      }
    })();
    return { client, connection, events, chunk, got, read, reader };
  }

  const TAIL = 16 * KIB;
  /** Of what is before, the client may acknowledge so much later. */
  const UNACKNOWLEDGED = 32 * KIB;
  const BOTH = TAIL + UNACKNOWLEDGED;

  await t.step("give less room the less is left", async () => {
    using server = new WindowedServer();
    const sent = server.answer(1, 4 * KIB, true);
    await server.clock.advance(100);
    // An eighth of the half that is not divided.
    assertEquals(sent.roomFor(64 * KIB), 4 * KIB);
    assertEquals(sent.roomFor(KIB), KIB);
    const others = [server.answer(2), server.answer(3)];
    await server.clock.advance(1000);
    assertEquals(server.connections.unreadBytes, 24 * KIB);
    assertEquals(sent.roomFor(64 * KIB), KIB);
    // What they have read is measured when there is too little room.
    for (const { client, taken } of others) client.acknowledged = taken;
    assertEquals(sent.roomFor(64 * KIB), 4 * KIB);
    for (const one of [sent, ...others]) await one.cancel();
  });

  await t.step("end a short body at once", async () => {
    using server = new WindowedServer();
    for (const [index, size] of [0, 1, TAIL].entries()) {
      const { events, got, chunk, read } = lastChunk(server, index, size);
      await read;
      assertEquals(got, [...chunk]);
      assertEquals(events, ["sent"]);
    }
  });

  for (const [index, size] of [BOTH + 1, BOTH + TAIL, 62 * KIB].entries()) {
    await t.step(
      `hold the end of ${size} bytes until most before it is read`,
      async () => {
        using server = new WindowedServer();
        const { client, connection, events, got, chunk, read } = lastChunk(
          server,
          index,
          size,
        );
        await server.clock.advance(1000);
        assertEquals(got.length, size - TAIL);
        client.acknowledged = size - BOTH - 1;
        await server.clock.advance(1000);
        assertEquals(got.length, size - TAIL);
        assertEquals(events, []);
        client.acknowledged = size - BOTH;
        await server.clock.advance(200);
        await read;
        assertEquals(got, [...chunk]);
        assertEquals(events, ["sent"]);
        // The rest still counts.
        assertEquals(connection.unreadBytes, BOTH);
        assertEquals(server.connections.unreadBytes, BOTH);
      },
    );
  }

  await t.step("hold a short end while other bytes are unread", async () => {
    using server = new WindowedServer(1024 * KIB);
    const other = server.answer(1, 36 * KIB, true);
    await server.clock.advance(100);
    other.write();
    await server.clock.advance(100);
    const { events, got, read } = lastChunk(server, 1, 100);
    await server.clock.advance(1000);
    assertEquals([got.length, events], [0, []]);
    other.client.acknowledged = 4 * KIB + 100;
    await server.clock.advance(1000);
    await read;
    assertEquals([got.length, events], [100, ["sent"]]);
    await other.cancel();
  });

  await t.step("tell a body that its client left before its end", async () => {
    using server = new WindowedServer();
    const { client, events, got, reader, read } = lastChunk(
      server,
      1,
      BOTH + TAIL,
    );
    await server.clock.advance(1000);
    await reader.cancel("left");
    client.acknowledged = BOTH + TAIL;
    await server.clock.advance(1000);
    await read;
    assertEquals([got.length, events], [BOTH, ["cancel left"]]);
  });

  await t.step("hold no end when the connection is not found", async () => {
    using server = new WindowedServer();
    const { events, read } = lastChunk(server, 7, BOTH + TAIL, false);
    await server.clock.advance(5000);
    await read;
    assertEquals(events, ["sent"]);
  });

  await t.step("pass on that a body fails", async () => {
    using server = new WindowedServer();
    const sent = server.answer(1);
    const limited = server.windows.limit(
      {
        pull: () => {
          throw new Error("the file has changed");
        },
        cancel: () => {},
      },
      sent.connection,
      new Promise(() => {}),
    );
    await sent.cancel();
    await assertRejects(
      () => limited.getReader().read(),
      Error,
      "the file has changed",
    );
  });
});
