import { assertEquals } from "@std/assert";
import { fetchErrorReason } from "../../../lib/net/fetch_error.ts";

/** As Deno words it; a URL may have parentheses in it. */
const REQUEST = "error sending request for url (http://u:secret@h/(x)): ";

Deno.test("the reason of a failed fetch", async (t) => {
  for (
    const [name, error, reason] of [
      ["Deno 2.6", new TypeError(`${REQUEST}refused`), "refused"],
      [
        "Deno 2.9",
        new TypeError("fetch failed", {
          cause: new Error(`${REQUEST}refused`),
        }),
        "refused",
      ],
      ["of something else", new Error("too long"), "too long"],
      ["no error", "text", "text"],
    ] as [string, unknown, string][]
  ) {
    await t.step(name, () => {
      assertEquals(fetchErrorReason(error), reason);
    });
  }

  await t.step("is in what the running Deno throws", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const error = await fetch(`http://u:secret@127.0.0.1:${port}/`).catch(
      (error) => error,
    );
    assertEquals(
      fetchErrorReason(error),
      "client error (Connect): tcp connect error: Connection refused (os error 111)",
    );
  });
});
