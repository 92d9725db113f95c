import { assertEquals, assertLess } from "@std/assert";
import {
  MAX_OTLP_REASON,
  MAX_OTLP_RESPONSE,
} from "../../../../lib/overload/limits.ts";
import type { RequestBody } from "../../../../lib/telemetry/otlp/request.ts";
import {
  MAX_RETRY_AFTER,
  type Outcome,
  parseRetryAfter,
  post,
} from "../../../../lib/telemetry/otlp/post.ts";

const BODY: RequestBody = {
  contentType: "application/json",
  bytes: new TextEncoder().encode("{}"),
  count: 1,
};

/** Posts to a server that answers so. */
async function postTo(
  answer: () => Response | Promise<Response>,
  patience = 5000,
): Promise<Outcome> {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    answer,
  );
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), patience);
  const url = new URL(`http://127.0.0.1:${server.addr.port}/v1/logs`);
  const outcome = await post(url, BODY, controller.signal);
  clearTimeout(timer);
  return outcome;
}

const delivered = (rejected = 0, message = ""): Outcome => ({
  kind: "delivered",
  rejected,
  message,
});

Deno.test("the answer of a collector", async (t) => {
  for (
    const [what, answer, outcome] of [
      ["all is well", () => Response.json({}), delivered()],
      ["nothing", () => new Response(null, { status: 204 }), delivered()],
      ["no JSON", () => new Response("<p>thanks</p>"), delivered()],
      ["a list", () => Response.json([1]), delivered()],
      [
        "partial success",
        () =>
          Response.json({
            partialSuccess: { rejectedLogRecords: "3", errorMessage: "old" },
          }),
        delivered(3, "old"),
      ],
      [
        "partial success of metrics, by a number",
        () => Response.json({ partialSuccess: { rejectedDataPoints: 2 } }),
        delivered(2),
      ],
      [
        "a warning",
        () => Response.json({ partialSuccess: { errorMessage: "soon full" } }),
        delivered(0, "soon full"),
      ],
      [
        "partial success that makes no sense",
        () =>
          Response.json({
            partialSuccess: { rejectedLogRecords: "some", errorMessage: 5 },
          }),
        delivered(),
      ],
    ] as [string, () => Response, Outcome][]
  ) {
    await t.step(what, async () => assertEquals(await postTo(answer), outcome));
  }

  for (const status of [429, 502, 503, 504]) {
    await t.step(`${status} may be tried again`, async () => {
      const outcome = await postTo(() =>
        Response.json({ message: "busy" }, {
          status,
          headers: { "retry-after": "7" },
        })
      );
      assertEquals(outcome, {
        kind: "failed",
        reason: `it answers ${status}, busy`,
        retryAfter: 7000,
      });
    });
  }

  for (const status of [400, 401, 404, 408, 413, 500, 501]) {
    await t.step(`${status} may not`, async () => {
      assertEquals(await postTo(() => new Response("", { status })), {
        kind: "refused",
        status,
        reason: `it answers ${status}`,
      });
    });
  }

  const protobuf = (hex: string, status = 200) =>
    new Response(Uint8Array.fromHex(hex), {
      status,
      headers: { "content-type": "application/x-protobuf" },
    });

  for (
    const [what, answer, outcome] of [
      ["nothing", () => protobuf(""), delivered()],
      // partial_success { rejected: 3, error_message: "old" }
      [
        "partial success",
        () => protobuf("0a0708031203" + "6f6c64"),
        delivered(
          3,
          "old",
        ),
      ],
      ["what makes no sense", () => protobuf("0affff"), delivered()],
      // rejected: -1
      [
        "partial success of less than nothing",
        () => protobuf("0a0b08ffffffffffffffffff01"),
        delivered(),
      ],
    ] as [string, () => Response, Outcome][]
  ) {
    await t.step(
      `${what} in protobuf`,
      async () => assertEquals(await postTo(answer), outcome),
    );
  }

  for (
    const [what, answer, message] of [
      // google.rpc.Status { code: 3, message: "bad" }
      ["protobuf", () => protobuf("08031203626164", 400), "bad"],
      ["malformed protobuf", () => protobuf("ff", 400), ""],
      ["JSON", () => Response.json({ message: "bad" }, { status: 400 }), "bad"],
      [
        "JSON of others",
        () => Response.json({ error: "no auth" }, { status: 400 }),
        "no auth",
      ],
      [
        "deeper JSON",
        () => Response.json({ error: { message: "deep" } }, { status: 400 }),
        "deep",
      ],
      [
        "plain text",
        () => new Response("out of bounds\n", { status: 400 }),
        "out of bounds",
      ],
      [
        "a page",
        () =>
          new Response("<html><title>Bad Gateway</title>...", { status: 400 }),
        "Bad Gateway",
      ],
      [
        "very much text",
        () => new Response("x".repeat(5000), { status: 400 }),
        `${"x".repeat(MAX_OTLP_REASON)}...`,
      ],
    ] as [string, () => Response, string][]
  ) {
    await t.step(`a refusal is shown with its text: ${what}`, async () => {
      assertEquals(await postTo(answer), {
        kind: "refused",
        status: 400,
        reason: `it answers 400${message && `, ${message}`}`,
      });
    });
  }

  await t.step("that sends elsewhere is not followed", async () => {
    let count = 0;
    const outcome = await postTo(() => {
      count++;
      return new Response(null, {
        status: 307,
        headers: { location: "/other" },
      });
    });
    assertEquals(outcome, {
      kind: "refused",
      status: 307,
      reason: "it answers 307",
    });
    assertEquals(count, 1);
  });

  await t.step("that does not end is read so far and no further", async () => {
    let sent = 0;
    let isCancelled = false;
    const outcome = await postTo(() =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            sent += 4096;
            controller.enqueue(new Uint8Array(4096).fill(32));
          },
          cancel: () => {
            isCancelled = true;
          },
        }),
      )
    );
    assertEquals(outcome, delivered());
    assertEquals(isCancelled, true);
    // What the sockets of both ends hold besides.
    assertLess(sent, MAX_OTLP_RESPONSE + 16 * 1024 * 1024);
  });

  await t.step("that does not come", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    const begun = performance.now();
    const asking = postTo(() => promise, 100);
    setTimeout(() => resolve(new Response()), 300);
    assertEquals(await asking, {
      kind: "failed",
      reason: "it does not answer in time",
      retryAfter: undefined,
    });
    assertLess(performance.now() - begun, 3000);
  });

  await t.step("whose status came, but not the rest, counts", async () => {
    const endless = () => new Response(new ReadableStream());
    assertEquals(await postTo(endless, 200), delivered());
  });

  await t.step("of no collector: with the reason in words", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const outcome = await post(
      new URL(`http://user:secret@127.0.0.1:${port}/`),
      BODY,
      new AbortController().signal,
    );
    assertEquals(outcome, {
      kind: "failed",
      reason:
        "client error (Connect): tcp connect error: Connection refused (os error 111)",
      retryAfter: undefined,
    });
  });
});

Deno.test("Retry-After", async (t) => {
  const now = Date.parse("Mon, 13 Oct 2025 20:08:24 GMT");
  for (
    const [header, milliseconds] of [
      [null, undefined],
      ["0", 0],
      [" 12 ", 12_000],
      ["Mon, 13 Oct 2025 20:08:30 GMT", 6000],
      ["Mon, 13 Oct 2025 20:00:00 GMT", 0],
      ["86400", MAX_RETRY_AFTER],
      ["99999999999999999999", MAX_RETRY_AFTER],
      ["soon", undefined],
      ["-5x", undefined],
      ["", undefined],
    ] as [string | null, number | undefined][]
  ) {
    await t.step(`${header}`, () => {
      assertEquals(parseRetryAfter(header, now), milliseconds);
    });
  }
});
