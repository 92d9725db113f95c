import { assert, assertEquals } from "@std/assert";
import { DenoServer } from "../../../lib/http/deno_server.ts";
import { waitAtMost } from "../../../lib/overload/timeout.ts";

const REQUEST = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
const CLIENTS = 60;
const ROUNDS = 20;

/** Milliseconds after which a response counts as lost. */
const LOST_AFTER = 1500;

function freePort(): number {
  using listener = Deno.listen({ hostname: "::1", port: 0 });
  return listener.addr.port;
}

function serverAt(port: number): DenoServer {
  return new DenoServer({
    hostname: "::1",
    port,
    keyPair: undefined,
    handler: async () => {
      await pause(1);
      return new Response(ReadableStream.from([new Uint8Array(10)]));
    },
  });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** One response; `undefined` if the server closed the connection before. */
async function responseOn(
  connection: Deno.TcpConn,
): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.endsWith("\r\n0\r\n\r\n")) {
    const length = await connection.read(buffer);
    if (length === null) return undefined;
    text += decoder.decode(buffer.subarray(0, length));
  }
  return text;
}

/** Sends requests until the server closes; whether one got no response. */
async function isLost(port: number): Promise<boolean> {
  let connection: Deno.TcpConn;
  try {
    connection = await Deno.connect({ hostname: "::1", port });
  } catch {
    return false;
  }
  try {
    while (true) {
      await connection.write(REQUEST);
      let isOver = false;
      const response = responseOn(connection).finally(() => isOver = true);
      response.catch(() => {});
      await waitAtMost(LOST_AFTER, response);
      if (!isOver) return true;
      const text = await response;
      if (text === undefined || /^connection: close/im.test(text)) return false;
    }
  } catch {
    return false;
  } finally {
    connection.close();
  }
}

Deno.test("DenoServer", async (t) => {
  await t.step("loses no request when it ends", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const port = freePort();
      const server = serverAt(port);
      let hasEnded = false;
      server.start(() => hasEnded = true);
      const clients = Array.from({ length: CLIENTS }, async (_, index) => {
        await pause(index % 6);
        return await isLost(port);
      });
      await pause(4 + round % 5);
      await server.drain();
      await waitAtMost(LOST_AFTER, server.stop());
      assert(hasEnded, `it has ended in round ${round}`);
      assertEquals(server.responses, 0);
      const lost = (await Promise.all(clients)).filter((isLost) => isLost);
      assertEquals(lost.length, 0, `lost in round ${round}`);
    }
  });

  await t.step("can be aborted when it has ended", async () => {
    const port = freePort();
    const server = serverAt(port);
    server.start(() => {});
    await (await fetch(`http://[::1]:${port}`)).body?.cancel();
    await server.stop();
    server.abort();
  });

  await t.step("closes everything when it is aborted", async () => {
    const port = freePort();
    const server = new DenoServer({
      hostname: "::1",
      port,
      keyPair: undefined,
      handler: () => new Response(new ReadableStream()),
    });
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    server.start(resolve);
    const connection = await Deno.connect({ hostname: "::1", port });
    await connection.write(REQUEST);
    while (server.responses === 0) await pause(1);
    server.abort();
    await ended;
    const buffer = new Uint8Array(4096);
    while (await connection.read(buffer).catch(() => null) !== null);
    connection.close();
  });
});
