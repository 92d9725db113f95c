import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fetchErrorReason } from "../../../lib/net/fetch_error.ts";

const REASON = "client error (Connect): tcp connect error: Connection refused";

Deno.test("fetchErrorReason", async (t) => {
  for (
    const [what, error, reason] of [
      [
        "leaves the URL out",
        new TypeError(
          `error sending request for url (http://[::1]:9/a(b)): ${REASON}`,
        ),
        REASON,
      ],
      [
        "leaves the addresses of a connection out",
        new TypeError(
          `error sending request from [::1]:4 for http://[::1]:9/ ([::1]:9): ${REASON}`,
        ),
        REASON,
      ],
      [
        "takes the innermost cause",
        new TypeError("fetch failed", {
          cause: new Error("outer", {
            cause: new Error(
              `error sending request for url (http://[::1]:9/): ${REASON}`,
            ),
          }),
        }),
        REASON,
      ],
      [
        "leaves other messages as they are",
        new Error("error reading a body from connection"),
        "error reading a body from connection",
      ],
      ["ignores a cause that is no error", new Error("a", { cause: "b" }), "a"],
      ["takes what is no error", "text", "text"],
    ] as const
  ) {
    await t.step(what, () => assertEquals(fetchErrorReason(error), reason));
  }

  await t.step("ends when causes have a cycle", () => {
    const one = new Error("one");
    one.cause = new Error("two", { cause: one });
    assertMatch(fetchErrorReason(one), /^(one|two)$/);
  });

  await t.step("says why the runtime's fetch failed", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const error = await assertRejects(
      () => fetch(`http://127.0.0.1:${port}`),
      TypeError,
    );
    assertMatch(
      fetchErrorReason(error),
      /^client error \(Connect\): tcp connect error: .*refused/,
    );
  });
});
