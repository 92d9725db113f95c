import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { parseDaemonUrl } from "../../../lib/watch/daemon_url.ts";
import {
  Follower,
  type FollowObserver,
  type SubscriptionTimingOptions,
} from "../../../lib/watch/follow.ts";
import type { Message } from "../../../lib/watch/message.ts";
import { eventually, pause } from "../../support/lab.ts";
import { FixtureDaemon } from "./fixture.ts";
import { ADDRESS, event, MAC } from "./samples.ts";

const SHORT: SubscriptionTimingOptions = {
  answer: 400,
  silence: 400,
  firstWait: 50,
  longestWait: 400,
  refusedWait: 100,
};

/** Follows a server, and writes down what it is told and when. */
class Recorder implements FollowObserver, AsyncDisposable {
  readonly told: string[] = [];
  readonly times: number[] = [];
  readonly messages: Message[] = [];
  clock: number | undefined;
  onMessage: () => Promise<void> = () => Promise.resolve();
  readonly #ending = new AbortController();
  readonly running: Promise<void>;

  constructor(url: string, timing: Partial<SubscriptionTimingOptions> = {}) {
    const follower = new Follower(parseDaemonUrl(url), this, {
      ...SHORT,
      ...timing,
    });
    this.running = follower.run(this.#ending.signal);
  }

  connected(clock: number): void {
    this.clock = clock;
    this.#tell("connected");
  }

  async message(message: Message): Promise<void> {
    this.messages.push(message);
    await this.onMessage();
  }

  away(reason: string): void {
    this.#tell(`away: ${reason}`);
  }

  refused(reason: string): void {
    this.#tell(`refused: ${reason}`);
  }

  async heard(count: number): Promise<void> {
    await eventually(`${count} words`, () => this.told.length >= count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.running;
  }

  #tell(text: string): void {
    this.told.push(text);
    this.times.push(performance.now());
  }
}

/** A server that answers what it is told to. */
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

Deno.test("following a daemon", async (t) => {
  await t.step(
    "takes silence for an end, and comments for signs of life",
    async () => {
      await using daemon = new FixtureDaemon();
      await using recorder = new Recorder(daemon.url);
      await recorder.heard(1);
      for (let beat = 0; beat < 8; beat++) {
        await pause(100);
        daemon.write(":\n\n");
      }
      assertEquals(recorder.told, ["connected"]);
      await recorder.heard(3);
      assertEquals(recorder.told, [
        "connected",
        "away: nothing came for 0.4 s",
        "connected",
      ]);
      assertEquals(daemon.asked[1]!.lastEventId, "one-0");
    },
  );

  await t.step(
    "does not take its own reader's slowness for silence",
    async () => {
      await using daemon = new FixtureDaemon();
      await using recorder = new Recorder(daemon.url);
      recorder.onMessage = () => pause(2.5 * SHORT.silence);
      daemon.preamble = "";
      await eventually("state", () => recorder.messages.length === 1);
      daemon.say(MAC, ADDRESS, event("init", 0));
      await eventually("event", () => recorder.messages.length === 2);
      assertEquals(recorder.told, ["connected"]);
    },
  );

  await t.step("does not wait for ever for an answer", async () => {
    await using server = answering(() => pause(1000).then(() => stream("")));
    await using recorder = new Recorder(server.url);
    await recorder.heard(1);
    assertEquals(recorder.told, ["away: it does not answer"]);
  });

  await t.step("says in words what went wrong", async () => {
    const daemon = new FixtureDaemon();
    await daemon.stop();
    await using recorder = new Recorder(daemon.url);
    await recorder.heard(1);
    assertMatch(recorder.told[0]!, /^away: tcp connect error: .*refused/);
  });

  await t.step("waits twice as long each time, up to a bound", async () => {
    await using server = answering(() => new Response(null, { status: 503 }));
    await using recorder = new Recorder(server.url);
    await recorder.heard(7);
    assertEquals(
      new Set(recorder.told),
      new Set(["away: it answers with status 503"]),
    );
    const waits = recorder.times.slice(1).map((time, index) =>
      time - recorder.times[index]!
    );
    for (const [index, least] of [50, 100, 200, 400, 400, 400].entries()) {
      assert(waits[index]! >= least - 5, `${waits}`);
    }
    assert(waits[5]! < 790, `${waits}`);
  });

  await t.step("waits as long as the daemon asks, within bounds", async () => {
    for (const [asked, least] of [[200, 200], [1, 50], [10_000, 400]]) {
      await using server = answering(() => stream(`retry: ${asked}\n\n`));
      await using recorder = new Recorder(server.url);
      await recorder.heard(3);
      assertEquals(
        recorder.told.slice(0, 3).map((text) => text.split(":")[0]),
        [
          "connected",
          "away",
          "connected",
        ],
      );
      const wait = recorder.times[2]! - recorder.times[1]!;
      assert(wait >= least! - 5 && wait < least! + 1000, `${asked}: ${wait}`);
    }
  });

  await t.step("asks again where it was refused, slowly", async () => {
    await using daemon = new FixtureDaemon();
    daemon.refusal = new Response(null, { status: 403 });
    await using recorder = new Recorder(daemon.url, { refusedWait: 300 });
    await recorder.heard(2);
    assert(recorder.times[1]! - recorder.times[0]! >= 295);
    daemon.refusal = undefined;
    await recorder.heard(3);
    assertEquals(recorder.told[2], "connected");
  });

  await t.step("does not read a state without end", async () => {
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
    await using recorder = new Recorder(server.url, { refusedWait: 60_000 });
    await recorder.heard(2);
    assertMatch(
      recorder.told[1]!,
      /^refused: its state has more than 64 Mi characters: .*\?mac=/,
    );
  });

  await t.step("does not send back an ID that fits no header", async () => {
    const ids: (string | null)[] = [];
    await using server = answering((request) => {
      ids.push(request.headers.get("last-event-id"));
      return stream(`id: ${["a-1", "🖧", "x".repeat(300)][ids.length - 1]}
data: {}

`);
    });
    await using recorder = new Recorder(server.url);
    await recorder.heard(7);
    assertEquals(ids.slice(0, 4), [null, "a-1", null, null]);
  });

  await t.step("passes over messages of a later version", async () => {
    await using server = answering(() =>
      stream("data: 1\n\nevent: bye\ndata: {}\n\nid: 5\ndata: null\n\n")
    );
    await using recorder = new Recorder(server.url);
    await recorder.heard(2);
    assertEquals(recorder.told[1], "away: it ended the stream");
    assertEquals(recorder.messages, [{ kind: "state", machines: [] }]);
  });

  await t.step("knows the daemon's clock", async () => {
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
    await wrong.heard(1);
    assert(Math.abs(wrong.clock! - 3_600_000) < 10_000, `${wrong.clock}`);
    await using right = new Recorder(`${server.url}?mac=${MAC}`);
    await right.heard(1);
    assertEquals(right.clock, 0);
  });

  await t.step("ends when its observer fails", async () => {
    await using daemon = new FixtureDaemon();
    const recorder = new Recorder(daemon.url);
    recorder.onMessage = () => Promise.reject(new Error("no reader"));
    await assertRejects(() => recorder.running, Error, "no reader");
  });
});
