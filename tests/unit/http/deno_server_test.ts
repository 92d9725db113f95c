import { assertEquals, assertMatch } from "@std/assert";
import { DenoServer } from "../../../lib/http/deno_server.ts";
import { FakeClock } from "../../support/clock.ts";
import { freePort } from "../../support/free_port.ts";
import { eventually, pause } from "../../support/lab.ts";

const REQUEST = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

/** Milliseconds after which a response counts as lost. */
const LOST_AFTER = 15_000;

function serverAt(port: number, onRequest = () => {}): DenoServer {
  return new DenoServer({
    hostname: "::1",
    port,
    keyPair: undefined,
    handler: async () => {
      onRequest();
      await pause(1);
      return new Response(ReadableStream.from([new Uint8Array(10)]));
    },
  });
}

Deno.test("DenoServer", async (t) => {
  await t.step("answers a request that is arriving when it ends", async () => {
    const port = freePort("::1");
    let requests = 0;
    const server = serverAt(port, () => requests++);
    server.start(() => {});
    using connection = await Deno.connect({ hostname: "::1", port });
    await connection.write(REQUEST.subarray(0, 9));
    await pause(50);
    {
      using clock = new FakeClock();
      let isDrained = false;
      const drained = server.drain().then(() => isDrained = true);
      await clock.advance(19);
      await connection.write(REQUEST.subarray(9));
      await eventually("the request is there", () => requests === 1);
      await clock.advance(19);
      assertEquals(isDrained, false);
      await clock.advance(20);
      await drained;
    }
    const stopped = server.stop();
    const buffer = new Uint8Array(4096);
    const timer = setTimeout(() => connection.close(), LOST_AFTER);
    const length = await connection.read(buffer);
    clearTimeout(timer);
    const text = new TextDecoder().decode(buffer.subarray(0, length ?? 0));
    assertMatch(text, /^HTTP\/1\.1 200 /);
    assertMatch(text, /^connection: close\r$/im);
    await stopped;
  });
});
