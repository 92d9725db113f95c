import { assertEquals, assertMatch } from "@std/assert";
import { headResponse } from "../../../lib/http/responses.ts";

/** The bytes of a response to HEAD, as the runtime sends them. */
async function sentFor(response: Response): Promise<string> {
  await using server = Deno.serve(
    { hostname: "::1", port: 0, onListen() {} },
    () => response,
  );
  const { hostname, port } = server.addr as Deno.NetAddr;
  using connection = await Deno.connect({ hostname, port });
  await connection.write(
    new TextEncoder().encode(
      "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ),
  );
  return await new Response(connection.readable).text();
}

Deno.test("headResponse", async (t) => {
  await t.step("keeps the Content-Length of a response to HEAD", async () => {
    const text = await sentFor(headResponse({
      headers: new Headers({
        "content-length": "12345",
        "cache-control": "no-transform",
      }),
    }));
    assertMatch(text, /^HTTP\/1\.1 200 /);
    assertMatch(text, /^content-length: 12345\r$/im);
    assertEquals(text.split("\r\n\r\n")[1], "", "no body");
  });

  await t.step("has no body with status 304", () => {
    const response = headResponse({ status: 304, headers: new Headers() });
    assertEquals([response.status, response.body], [304, null]);
  });
});
