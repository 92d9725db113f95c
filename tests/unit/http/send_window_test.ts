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

  /** Writes a chunk. */
  write(): void {
    this.#sink.enqueue(new Uint8Array(this.chunk));
  }

  /** Takes all there is, as the runtime does. */
  async take(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      this.taken += value.length;
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
  readonly windows = new SendWindows(this.connections, SIZE);
  readonly clock = new FakeClock();

  constructor() {
    this.connections.listenAt(PORT);
  }

  /** Answers a new client. Its chunks have so many bytes. */
  answer(port: number, chunk = 4 * KIB, isIdle = false): Sent {
    const client = this.sockets.connect("fe80::1", port);
    // The response does not end.
    const { promise } = Promise.withResolvers<void>();
    const { connection } = this.connections.track(PORT, false, {
      remoteAddr: { transport: "tcp", hostname: "fe80::1", port },
      completed: promise,
    });
    while (!this.connections.search());
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
