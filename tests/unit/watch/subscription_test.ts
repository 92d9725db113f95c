import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { parseDaemonUrl } from "../../../lib/watch/daemon_url.ts";
import {
  Subscription,
  type SubscriptionObserver,
  type SubscriptionTimingOptions,
} from "../../../lib/watch/subscription.ts";
import type { Message } from "../../../lib/watch/message.ts";
import { eventually, pause } from "../../support/lab.ts";
import { FixtureDaemon } from "./fixture.ts";
import { ADDRESS, event, MAC } from "./samples.ts";

const SHORT: SubscriptionTimingOptions = {
  responseTimeout: 400,
  idleTimeout: 400,
  minBackoff: 50,
  maxBackoff: 400,
  refusedBackoff: 100,
};

/** Subscribes to a server and records each report with its time. */
class Recorder implements SubscriptionObserver, AsyncDisposable {
  readonly reports: string[] = [];
  readonly times: number[] = [];
  readonly messages: Message[] = [];
  clockOffset: number | undefined;
  onMessage: () => Promise<void> = () => Promise.resolve();
  readonly #ending = new AbortController();
  readonly running: Promise<void>;

  constructor(url: string, timing: Partial<SubscriptionTimingOptions> = {}) {
    const subscription = new Subscription(parseDaemonUrl(url), this, {
      ...SHORT,
      ...timing,
    });
    this.running = subscription.run(this.#ending.signal);
  }

  connected(clockOffset: number): void {
    this.clockOffset = clockOffset;
    this.#report("connected");
  }

  async message(message: Message): Promise<void> {
    this.messages.push(message);
    await this.onMessage();
  }

  unreachable(reason: string): void {
    this.#report(`unreachable: ${reason}`);
  }

  refused(reason: string): void {
    this.#report(`refused: ${reason}`);
  }

  async reported(count: number): Promise<void> {
    await eventually(`${count} reports`, () => this.reports.length >= count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.running;
  }

  #report(text: string): void {
    this.reports.push(text);
    this.times.push(performance.now());
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
      await using daemon = new FixtureDaemon();
      await using recorder = new Recorder(daemon.url);
      await recorder.reported(1);
      for (let beat = 0; beat < 8; beat++) {
        await pause(100);
        daemon.write(":\n\n");
      }
      assertEquals(recorder.reports, ["connected"]);
      await recorder.reported(3);
      assertEquals(recorder.reports, [
        "connected",
        "unreachable: nothing received for 0.4 s",
        "connected",
      ]);
      assertEquals(daemon.requests[1]!.lastEventId, "one-0");
    },
  );

  await t.step(
    "does not count the time of a slow observer as idle",
    async () => {
      await using daemon = new FixtureDaemon();
      await using recorder = new Recorder(daemon.url);
      recorder.onMessage = () => pause(2.5 * SHORT.idleTimeout);
      daemon.preamble = "";
      await eventually("state", () => recorder.messages.length === 1);
      daemon.emit(MAC, ADDRESS, event("init", 0));
      await eventually("event", () => recorder.messages.length === 2);
      assertEquals(recorder.reports, ["connected"]);
    },
  );

  await t.step("has a timeout for the response", async () => {
    await using server = answering(() => pause(1000).then(() => stream("")));
    await using recorder = new Recorder(server.url);
    await recorder.reported(1);
    assertEquals(recorder.reports, ["unreachable: no response"]);
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
    await using server = answering(() => new Response(null, { status: 503 }));
    await using recorder = new Recorder(server.url);
    await recorder.reported(7);
    assertEquals(
      new Set(recorder.reports),
      new Set(["unreachable: status 503"]),
    );
    const waits = recorder.times.slice(1).map((time, index) =>
      time - recorder.times[index]!
    );
    for (const [index, least] of [50, 100, 200, 400, 400, 400].entries()) {
      assert(waits[index]! >= least - 5, `${waits}`);
    }
    assert(waits[5]! < 790, `${waits}`);
  });

  await t.step(
    "takes the back-off from the retry field, within bounds",
    async () => {
      for (const [retry, least] of [[200, 200], [1, 50], [10_000, 400]]) {
        await using server = answering(() => stream(`retry: ${retry}\n\n`));
        await using recorder = new Recorder(server.url);
        await recorder.reported(3);
        assertEquals(
          recorder.reports.slice(0, 3).map((text) => text.split(":")[0]),
          [
            "connected",
            "unreachable",
            "connected",
          ],
        );
        const wait = recorder.times[2]! - recorder.times[1]!;
        assert(wait >= least! - 5 && wait < least! + 1000, `${retry}: ${wait}`);
      }
    },
  );

  await t.step("retries slowly after a refusal", async () => {
    await using daemon = new FixtureDaemon();
    daemon.refusal = new Response(null, { status: 403 });
    await using recorder = new Recorder(daemon.url, { refusedBackoff: 300 });
    await recorder.reported(2);
    assert(recorder.times[1]! - recorder.times[0]! >= 295);
    daemon.refusal = undefined;
    await recorder.reported(3);
    assertEquals(recorder.reports[2], "connected");
  });

  await t.step("limits the size of a state", async () => {
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
    await using recorder = new Recorder(server.url, {
      refusedBackoff: 60_000,
      // To parse 64 MiB takes longer than the short timeout on a busy host.
      idleTimeout: 10_000,
    });
    await recorder.reported(2);
    assertMatch(
      recorder.reports[1]!,
      /^refused: its state has more than 64 Mi characters: .*\?mac=/,
    );
  });

  await t.step("does not send back an ID that no header can hold", async () => {
    const ids: (string | null)[] = [];
    await using server = answering((request) => {
      ids.push(request.headers.get("last-event-id"));
      return stream(`id: ${["a-1", "🖧", "x".repeat(300)][ids.length - 1]}
data: {}

`);
    });
    await using recorder = new Recorder(server.url);
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
