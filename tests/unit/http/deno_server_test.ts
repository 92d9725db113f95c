import { assertEquals, assertMatch } from "@std/assert";
import { DenoServer } from "../../../lib/http/deno_server.ts";

const REQUEST = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

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

Deno.test("DenoServer", async (t) => {
  await t.step("answers a request that is arriving when it ends", async () => {
    const port = freePort();
    const server = serverAt(port);
    server.start(() => {});
    using connection = await Deno.connect({ hostname: "::1", port });
    await connection.write(REQUEST.subarray(0, 9));
    await pause(50);
    const drained = server.drain();
    await connection.write(REQUEST.subarray(9));
    await drained;
    const stopped = server.stop();
    const buffer = new Uint8Array(4096);
    const timer = setTimeout(() => connection.close(), LOST_AFTER);
    const length = await connection.read(buffer);
    clearTimeout(timer);
    const text = new TextDecoder().decode(buffer.subarray(0, length ?? 0));
    assertMatch(text, /^HTTP\/1\.1 200 /);
    assertMatch(text, /^connection: close\r$/im);
    await stopped;
    assertEquals(server.responses, 0);
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
