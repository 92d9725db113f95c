import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { parseDaemonUrl } from "../../../lib/watch/daemon_url.ts";
import {
  Subscription,
  type SubscriptionObserver,
  type SubscriptionTimingOptions,
} from "../../../lib/watch/subscription.ts";
import type { Message } from "../../../lib/watch/message.ts";
import { FakeClock } from "../../support/clock.ts";
import { eventually } from "../../support/lab.ts";
import { FixtureDaemon } from "../../support/watch_fixture.ts";
import { ADDRESS, event, MAC } from "../../support/watch_samples.ts";

const TIMING: SubscriptionTimingOptions = {
  responseTimeout: 4000,
  idleTimeout: 5000,
  minBackoff: 50,
  maxBackoff: 400,
  refusedBackoff: 300,
};

/** Subscribes to a server and records each report. */
class Recorder implements SubscriptionObserver, AsyncDisposable {
  readonly reports: string[] = [];
  readonly messages: Message[] = [];
  clockOffset: number | undefined;
  onMessage: () => Promise<void> = () => Promise.resolve();
  readonly #ending = new AbortController();
  readonly running: Promise<void>;

  constructor(url: string) {
    const subscription = new Subscription(parseDaemonUrl(url), this, TIMING);
    this.running = subscription.run(this.#ending.signal);
  }

  connected(clockOffset: number): void {
    this.clockOffset = clockOffset;
    this.reports.push("connected");
  }

  async message(message: Message): Promise<void> {
    this.messages.push(message);
    await this.onMessage();
  }

  unreachable(reason: string): void {
    this.reports.push(`unreachable: ${reason}`);
  }

  refused(reason: string): void {
    this.reports.push(`refused: ${reason}`);
  }

  async reported(count: number): Promise<void> {
    await eventually(`${count} reports`, () => this.reports.length >= count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.running;
  }
}

/** A server with a given handler. */
function answering(answer: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    answer,
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function stream(text: string): Response {
  return new Response(text, {
    headers: { "content-type": "text/event-stream" },
  });
}

Deno.test("subscription to a daemon", async (t) => {
  await t.step(
    "reconnects after the idle timeout, which comments reset",
    async () => {
      using clock = new FakeClock();
      await using daemon = new FixtureDaemon();
      await using recorder = new Recorder(daemon.url);
      await recorder.reported(1);
      for (let beat = 0; beat < 8; beat++) {
        await clock.advance(TIMING.idleTimeout / 2);
        daemon.write(":\n\n");
        await eventually(
          "the comment is read",
          () => clock.pending[0] === TIMING.idleTimeout,
        );
      }
      assertEquals(recorder.reports, ["connected"]);
      assertEquals(await clock.advanceToOnly("data"), TIMING.idleTimeout);
      await recorder.reported(2);
      await clock.advanceToOnly("the retry");
      await recorder.reported(3);
      assertEquals(recorder.reports, [
        "connected",
        "unreachable: nothing received for 5 s",
        "connected",
      ]);
      assertEquals(daemon.requests[1]!.lastEventId, "one-0");
    },
  );

  await t.step(
    "does not count the time of a slow observer as idle",
    async () => {
      using clock = new FakeClock();
      await using daemon = new FixtureDaemon();
      await using recorder = new Recorder(daemon.url);
      const { promise, resolve } = Promise.withResolvers<void>();
      recorder.onMessage = () => promise;
      daemon.preamble = "";
      await eventually("state", () => recorder.messages.length === 1);
      daemon.emit(MAC, ADDRESS, event("init", 0));
      await clock.advance(2.5 * TIMING.idleTimeout);
      resolve();
      await eventually("event", () => recorder.messages.length === 2);
      assertEquals(recorder.reports, ["connected"]);
    },
  );

  await t.step("has a timeout for the response", async () => {
    using clock = new FakeClock();
    const { promise, resolve } = Promise.withResolvers<Response>();
    await using server = answering(() => promise);
    await using recorder = new Recorder(server.url);
    assertEquals(
      await clock.advanceToOnly("the response"),
      TIMING.responseTimeout,
    );
    await recorder.reported(1);
    assertEquals(recorder.reports, ["unreachable: no response"]);
    resolve(stream(""));
  });

  await t.step("reports why a connection failed", async () => {
    const daemon = new FixtureDaemon();
    await daemon.stop();
    await using recorder = new Recorder(daemon.url);
    await recorder.reported(1);
    assertMatch(
      recorder.reports[0]!,
      /^unreachable: tcp connect error: .*refused/,
    );
  });

  await t.step("doubles the back-off up to a maximum", async () => {
    using clock = new FakeClock();
    await using server = answering(() => new Response(null, { status: 503 }));
    await using recorder = new Recorder(server.url);
    for (const [index, wait] of [50, 100, 200, 400, 400, 400].entries()) {
      await recorder.reported(index + 1);
      assertEquals(await clock.advanceToOnly("the retry"), wait);
    }
    await recorder.reported(7);
    assertEquals(
      new Set(recorder.reports),
      new Set(["unreachable: status 503"]),
    );
  });

  await t.step(
    "takes the back-off from the retry field, within bounds",
    async () => {
      for (const [retry, wait] of [[200, 200], [1, 50], [10_000, 400]]) {
        using clock = new FakeClock();
        await using server = answering(() => stream(`retry: ${retry}\n\n`));
        await using recorder = new Recorder(server.url);
        await recorder.reported(2);
        assertEquals(await clock.advanceToOnly("the retry"), wait, `${retry}`);
        await recorder.reported(3);
        assertEquals(
          recorder.reports.slice(0, 3).map((text) => text.split(":")[0]),
          [
            "connected",
            "unreachable",
            "connected",
          ],
        );
      }
    },
  );

  await t.step("retries slowly after a refusal", async () => {
    using clock = new FakeClock();
    await using daemon = new FixtureDaemon();
    daemon.refusal = new Response(null, { status: 403 });
    await using recorder = new Recorder(daemon.url);
    await recorder.reported(1);
    assertEquals(await clock.advanceToOnly("the retry"), TIMING.refusedBackoff);
    await recorder.reported(2);
    daemon.refusal = undefined;
    await clock.advanceToOnly("the retry");
    await recorder.reported(3);
    assertEquals(recorder.reports[2], "connected");
  });

  await t.step("limits the size of a state", async () => {
    using _clock = new FakeClock(); // 64 Mi characters take any time
    const piece = new TextEncoder().encode("a".repeat(2 ** 20));
    await using server = answering(() =>
      new Response(
        new ReadableStream({
          start: (controller) =>
            controller.enqueue(new TextEncoder().encode("data: ")),
          pull: (controller) => controller.enqueue(piece),
        }),
        { headers: { "content-type": "text/event-stream" } },
      )
    );
    await using recorder = new Recorder(server.url);
    await recorder.reported(2);
    assertMatch(
      recorder.reports[1]!,
      /^refused: its state has more than 64 Mi characters: .*\?mac=/,
    );
  });

  await t.step("does not send back an ID that no header can hold", async () => {
    using clock = new FakeClock();
    const ids: (string | null)[] = [];
    await using server = answering((request) => {
      ids.push(request.headers.get("last-event-id"));
      return stream(`id: ${["a-1", "🖧", "x".repeat(300)][ids.length - 1]}
data: {}

`);
    });
    await using recorder = new Recorder(server.url);
    for (let connection = 1; connection <= 3; connection++) {
      await recorder.reported(2 * connection);
      await clock.advanceToOnly("the retry");
    }
    await recorder.reported(7);
    assertEquals(ids.slice(0, 4), [null, "a-1", null, null]);
  });

  await t.step("ignores messages of a later version", async () => {
    await using server = answering(() =>
      stream("data: 1\n\nevent: bye\ndata: {}\n\nid: 5\ndata: null\n\n")
    );
    await using recorder = new Recorder(server.url);
    await recorder.reported(2);
    assertEquals(recorder.reports[1], "unreachable: it ended the stream");
    assertEquals(recorder.messages, [{ kind: "state", machines: [] }]);
  });

  await t.step("reports the offset of the daemon's clock", async () => {
    await using server = answering((request) =>
      new Response("data: {}\n\n", {
        headers: {
          "content-type": "text/event-stream",
          date: new Date(
            Date.now() + (request.url.includes("mac") ? 0 : 3_600_000),
          ).toUTCString(),
        },
      })
    );
    await using wrong = new Recorder(server.url);
    await wrong.reported(1);
    assert(
      Math.abs(wrong.clockOffset! - 3_600_000) < 10_000,
      `${wrong.clockOffset}`,
    );
    await using right = new Recorder(`${server.url}?mac=${MAC}`);
    await right.reported(1);
    assertEquals(right.clockOffset, 0);
  });

  await t.step("ends with the error of its observer", async () => {
    await using daemon = new FixtureDaemon();
    const recorder = new Recorder(daemon.url);
    recorder.onMessage = () => Promise.reject(new Error("no reader"));
    await assertRejects(() => recorder.running, Error, "no reader");
  });
});
