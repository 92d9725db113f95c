import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { MAX_OTLP_BATCH } from "../../../../lib/overload/limits.ts";
import { Log } from "../../../../lib/telemetry/log.ts";
import { MachineWriter } from "../../../../lib/machines/json.ts";
import { MachineRegistry } from "../../../../lib/machines/registry.ts";
import { single } from "../../../../lib/telemetry/metrics.ts";
import {
  type CollectorOptions,
  type ExporterTimingOptions,
  OtlpExporter,
} from "../../../../lib/telemetry/otlp/exporter.ts";
import { readHeaderFile } from "../../../../lib/daemon/collector.ts";
import { CollectorHeader } from "../../../../lib/telemetry/otlp/headers.ts";
import { formatMac } from "../../../../lib/net/mac.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";
import { CooperativeScheduler } from "../../../../lib/overload/scheduler.ts";
import { FakeClock } from "../../../support/clock.ts";
import { eventually, pause } from "../../../support/lab.ts";
import { Collector } from "./collector.ts";
import { readLogs } from "../../../support/otlp_strict.ts";

const BASE = "2001:db8:1:2::";
const RUN = "0123456789abcdef";

/** As in life, but a hundred times as fast where nothing depends on it. */
const TIMING: ExporterTimingOptions = {
  metricsInterval: 100,
  batchDelay: 20,
  requestTimeout: 60_000,
  minBackoff: 20,
  maxBackoff: 100,
  stopTimeout: 60_000,
  minUnsupportedPause: 5000,
  maxUnsupportedPause: 10_000,
};

interface Options {
  readonly timing?: Partial<ExporterTimingOptions>;
  readonly maxEvents?: number;
  readonly scheduler?: CooperativeScheduler;
  /** Moves on while something is waited for. */
  readonly clock?: FakeClock;
  /** Behind the collector's own address. */
  readonly path?: string;
  readonly password?: string;
  /** Reads the file of a header. */
  readonly readFile?: (path: string) => Promise<string>;
  /** Changes what is said of the collector, which is at this URL. */
  readonly collector?: (url: URL) => Partial<CollectorOptions>;
}

/** What a daemon has of it: machines that events happen to, and a log. */
class Setup implements AsyncDisposable {
  readonly collector = new Collector();
  readonly registry: MachineRegistry;
  readonly exporter: OtlpExporter;
  readonly #clock: FakeClock | undefined;
  #log = "";
  #machines = 0;
  #isStopped = false;

  constructor(
    {
      timing,
      maxEvents = 100_000,
      scheduler = new CooperativeScheduler(),
      clock,
      path = "/",
      password = "",
      readFile = readHeaderFile,
      collector,
    }: Options = {},
  ) {
    this.#clock = clock;
    this.registry = new MachineRegistry(
      { machines: 65_536, events: maxEvents },
      { onEvent: () => this.exporter.notify() },
    );
    this.collector.start();
    const sink = {
      write: (bytes: Uint8Array) => {
        this.#log += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
    };
    const endpoint = new URL(path, this.collector.endpoint);
    if (password !== "") Object.assign(endpoint, { username: "me", password });
    this.exporter = new OtlpExporter({
      collector: {
        endpoint,
        // Decoding protobuf takes the tests' collector much longer.
        encoding: "json",
        headers: [],
        ...collector?.(this.collector.endpoint),
      },
      readFile,
      run: RUN,
      interfaceName: "lan",
      baseAddress: BASE,
      events: this.registry.history,
      writer: new MachineWriter(this.registry, [{
        text: BASE,
        bytes: parseIpv6(BASE)!,
      }]),
      names: { of: (mac) => mac === 1 ? "the first" : undefined },
      metrics: () => [
        single("counter", "machines_seen_total", "", this.#machines),
      ],
      scheduler,
      log: new Log("json", "info", sink),
    }, { ...TIMING, ...timing });
    this.exporter.start();
  }

  /** So many new machines come: event `n` is of the machine with MAC `n`. */
  happen(count: number): void {
    while (count-- > 0) this.registry.add(++this.#machines, 0);
  }

  /** The log's lines of an event. */
  async logged(event: string): Promise<Record<string, unknown>[]> {
    await Promise.resolve();
    return this.#log.split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line)).filter((line) => line.event === event);
  }

  /** The numbers of the events that the collector has, as they came. */
  get numbers(): number[] {
    return this.collector.events.map(({ attributes, eventName }) => {
      const id = String(attributes["log.record.uid"]);
      const number = Number(id.slice(RUN.length + 1));
      assertEquals(id, `${RUN}-${number}`);
      assertEquals(eventName, "init");
      assertEquals(attributes.mac, formatMac(number));
      return number;
    });
  }

  /** Waits until the collector has all events, which end with this one. */
  async has(number: number): Promise<void> {
    await this.eventually(
      `event ${number}`,
      () =>
        this.exporter.waitingEvents === 0 &&
        this.registry.history.next === number + 1,
    );
    assertEquals(this.numbers.at(-1), number);
  }

  /** Waits for something, by the clock if there is one. */
  async eventually(what: string, isSo: () => boolean): Promise<void> {
    if (this.#clock === undefined) await eventually(what, isSo);
    else await this.#clock.eventually(what, isSo);
  }

  /** Requests for events that came, taken or not. */
  get asked() {
    return this.collector.received.filter(({ path }) => path === "/v1/logs");
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    let isOver = false;
    const stopping = this.exporter.stop().finally(() => isOver = true);
    await this.eventually("its end", () => isOver);
    await stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.collector.stop();
    assertEquals(this.collector.faults, []);
  }
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Answers the first requests for events so, and takes what comes then. */
function firstAnswers(...answers: (() => Response | Promise<Response>)[]) {
  return (path: string) =>
    path === "/v1/logs" ? answers.shift()?.() : undefined;
}

Deno.test("events", async (t) => {
  await t.step("come in order, each once, in batches", async () => {
    await using setup = new Setup();
    for (let burst = 0; burst < 10; burst++) {
      setup.happen(burst * 100);
      await pause(10);
    }
    await setup.has(4500);
    assertEquals(setup.numbers, upTo(4500));
    const sizes = setup.collector.taken("/v1/logs").map((body) =>
      readLogs(body).items.length
    );
    assertEquals(Math.max(...sizes), MAX_OTLP_BATCH);
    assertEquals(setup.exporter.deliveredEvents, 4500);
    assertEquals(setup.exporter.waitingEvents, 0);
    assertEquals(setup.exporter.lostEvents, 0);
  });

  await t.step("are gathered for a while", async () => {
    using clock = new FakeClock();
    await using setup = new Setup({ clock, timing: { batchDelay: 300 } });
    setup.happen(1);
    await clock.advance(290);
    assertEquals(setup.asked.length, 0);
    setup.happen(2);
    await setup.has(3);
    assertEquals(setup.asked.length, 1);
  });

  await t.step("are not held back when a batch is full", async () => {
    await using setup = new Setup({ timing: { batchDelay: 60_000 } });
    await pause(50);
    setup.happen(1);
    await pause(50);
    setup.happen(MAX_OTLP_BATCH - 1);
    await setup.has(MAX_OTLP_BATCH);
  });

  await t.step(
    "have their source, their machine and their content",
    async () => {
      await using setup = new Setup();
      const machine = setup.registry.add(1, 0);
      setup.registry.reach(machine, "http_boot");
      await eventually("2 events", () => setup.collector.events.length === 2);
      const { resource, items } = readLogs(
        setup.collector.taken("/v1/logs")[0]!,
      );
      assertEquals(resource["service.instance.id"], RUN);
      assertEquals(resource["network.interface.name"], "lan");
      assertEquals(resource.base_address, BASE);
      assertEquals(items.map(({ attributes }) => attributes.name), [
        "the first",
        "the first",
      ]);
      assertEquals(items[0]!.attributes.ipv6_address, "2001:db8:1:2::1");
      assertEquals(items.map(({ eventName }) => eventName), [
        "init",
        "http_boot",
      ]);
    },
  );

  await t.step("go below the path of the endpoint", async () => {
    for (const path of ["/otlp", "/a/b/"]) {
      await using setup = new Setup({ path });
      setup.happen(1);
      const base = path.replace(/\/$/, "");
      await eventually(
        path,
        () =>
          setup.collector.taken(`${base}/v1/logs`).length === 1 &&
          setup.collector.taken(`${base}/v1/metrics`).length > 0,
      );
    }
  });

  await t.step("do not wait for metrics that hang", async () => {
    await using setup = new Setup();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    setup.collector.answer = (path) =>
      path === "/v1/metrics" ? promise : undefined;
    setup.happen(1);
    await setup.has(1);
    assertEquals(setup.collector.taken("/v1/metrics").length, 0);
    resolve(undefined);
  });
});

Deno.test("metrics", async (t) => {
  await t.step("come again and again, with what is so then", async () => {
    await using setup = new Setup();
    const valueOf = () =>
      setup.collector.metrics?.items.get("machines_seen_total")?.[0]?.value;
    await eventually("the first", () => valueOf() === 0);
    setup.happen(3);
    await eventually("the second", () => valueOf() === 3);
    setup.happen(4);
    await eventually("the third", () => valueOf() === 7);
  });

  await t.step("come at their interval", async () => {
    await using setup = new Setup();
    const begun = performance.now();
    await eventually(
      "6 times",
      () => setup.collector.taken("/v1/metrics").length === 6,
    );
    // The first comes at once.
    assert(performance.now() - begun >= 5 * TIMING.metricsInterval - 50);
  });
});

Deno.test("a collector that is away", async (t) => {
  await t.step(
    "has everything when it is back, and is logged once",
    async () => {
      await using setup = new Setup();
      setup.happen(100);
      await setup.has(100);
      await setup.collector.stop();
      setup.happen(1);
      await eventually(
        "a failure",
        () => setup.exporter.requests.logs.failed > 0,
      );
      const begun = performance.now();
      for (let burst = 0; burst < 20; burst++) {
        setup.happen(200);
        await pause(50);
      }
      await eventually(
        "5 failures",
        () => setup.exporter.requests.logs.failed >= 5,
      );
      const { failed } = setup.exporter.requests.logs;
      // 50 to 100 ms lie between two, and less between the first ones.
      const most = 5 + (performance.now() - begun) / 50;
      assert(failed <= most, `${failed} tries`);
      assertEquals(setup.exporter.waitingEvents, 4001);
      assertEquals((await setup.logged("collector_away")).length, 1);
      setup.collector.start();
      await setup.has(4101);
      assertEquals(setup.numbers, upTo(4101));
      assertEquals(setup.exporter.lostEvents, 0);
      assertEquals((await setup.logged("collector_away")).length, 1);
      await eventually(
        "back",
        async () => (await setup.logged("collector_back")).length === 1,
      );
      assertEquals(await setup.logged("events_lost"), []);
    },
  );

  await t.step(
    "for too long loses what the log forgets; that is counted",
    async () => {
      await using setup = new Setup({ maxEvents: 1000 });
      await setup.collector.stop();
      setup.happen(10);
      await eventually(
        "a failure",
        () => setup.exporter.requests.logs.failed > 0,
      );
      setup.happen(3000);
      // Ten were written already, and wait besides what the log remembers.
      assertEquals(setup.exporter.lostEvents, 2000);
      assertEquals(setup.exporter.waitingEvents, 1010);
      setup.collector.start();
      await setup.has(3010);
      assertEquals(setup.numbers, [...upTo(10), ...upTo(3010, 2011)]);
      assertEquals(setup.exporter.lostEvents, 2000);
      assertEquals(setup.exporter.deliveredEvents, 1010);
      const lines = await setup.logged("events_lost");
      assertEquals(lines.map(({ events }) => events), [2000]);
    },
  );

  await t.step("is logged without the password that it gets", async () => {
    await using setup = new Setup({ password: "secret" });
    setup.happen(1);
    await setup.has(1);
    assertEquals(
      setup.asked[0]!.headers.get("authorization"),
      `Basic ${btoa("me:secret")}`,
    );
    await setup.collector.stop();
    const [line] = await eventually("a line", async () => {
      const lines = await setup.logged("collector_away");
      return lines.length > 0 && lines;
    });
    assertMatch(String(line!.endpoint), /^http:\/\/127\.0\.0\.1:\d+$/);
    assertMatch(String(line!.reason), /refused/);
    assert(!JSON.stringify(line).includes("secret"));
  });
});

Deno.test("a collector that has too much to do", async (t) => {
  await t.step("gets the same batch when it has asked to", async () => {
    using clock = new FakeClock();
    await using setup = new Setup({ clock });
    setup.collector.answer = firstAnswers(() =>
      new Response("", { status: 429, headers: { "retry-after": "1" } })
    );
    setup.happen(3);
    await setup.has(3);
    setup.happen(1);
    await setup.has(4);
    const [first, second, third] = setup.asked;
    assertEquals(first!.body, second!.body);
    assert(second!.at - first!.at >= 990, `${second!.at - first!.at} ms`);
    assertLess(third!.at - second!.at, 900);
    assertEquals(setup.numbers, upTo(4));
    assertEquals(setup.exporter.requests.logs, {
      delivered: 2,
      failed: 1,
      refused: 0,
    });
  });

  await t.step("gets it later and later when it has not", async () => {
    using clock = new FakeClock();
    await using setup = new Setup({
      clock,
      timing: { minBackoff: 100, maxBackoff: 10_000 },
    });
    const busy = () => new Response("", { status: 503 });
    setup.collector.answer = firstAnswers(busy, busy, busy);
    setup.happen(1);
    await setup.has(1);
    const pauses = setup.asked.map(({ at }) => at).map((at, index, all) =>
      at - (all[index - 1] ?? at)
    ).slice(1);
    pauses.forEach((pause, index) => {
      assert(pause >= 50 * 2 ** index - 5, `${pauses}`);
    });
  });

  await t.step("and hangs is asked again", async () => {
    using clock = new FakeClock();
    await using setup = new Setup({ clock, timing: { requestTimeout: 5000 } });
    const { promise, resolve } = Promise.withResolvers<Response>();
    let isAsked = false;
    setup.collector.answer = firstAnswers(() => {
      isAsked = true;
      return promise;
    });
    setup.happen(2);
    await setup.eventually("a request", () => isAsked);
    await clock.advance(5000);
    await setup.has(2);
    setup.happen(1);
    await setup.has(3);
    assertEquals(setup.numbers, upTo(3));
    assertEquals(setup.exporter.requests.logs.failed, 1);
    const [line] = await setup.logged("collector_away");
    assertMatch(String(line!.message), /does not answer in time/);
    resolve(new Response("", { status: 503 }));
  });
});

Deno.test("a collector that refuses", async (t) => {
  await t.step("gets what comes next, and is logged once", async () => {
    await using setup = new Setup();
    const refuse = () =>
      Response.json({ code: 3, message: "what\nis this" }, { status: 400 });
    setup.collector.answer = firstAnswers(refuse, refuse, refuse);
    for (let number = 1; number <= 4; number++) {
      setup.happen(1);
      await eventually("an answer", () => setup.asked.length === number);
    }
    await setup.has(4);
    assertEquals(setup.numbers, [4]);
    assertEquals(setup.exporter.requests.logs, {
      delivered: 1,
      failed: 0,
      refused: 3,
    });
    assertEquals(setup.exporter.refusedEvents, 3);
    assertEquals(setup.exporter.deliveredEvents, 1);
    const lines = await setup.logged("collector_refuses");
    assertEquals(lines.length, 1);
    assertEquals(lines[0]!.signal, "logs");
    assertMatch(
      String(lines[0]!.reason),
      /^it answers 400, what\\u\{a\}is this$/,
    );
    assertEquals(await setup.logged("collector_away"), []);
  });

  await t.step("one signal again and again is left in peace", async () => {
    using clock = new FakeClock();
    await using setup = new Setup({ clock });
    setup.collector.answer = (path) =>
      path === "/v1/logs"
        ? new Response("unsupported path requested", { status: 400 })
        : undefined;
    await setup.eventually(
      "metrics",
      () => setup.exporter.requests.metrics.delivered > 0,
    );
    for (let number = 1; number <= 5; number++) {
      setup.happen(1);
      await setup.eventually("it", () => setup.asked.length === number);
    }
    for (let number = 0; number < 5; number++) {
      setup.happen(1);
      await clock.advance(100);
    }
    assertEquals(setup.asked.length, 5);
    assertEquals((await setup.logged("collector_refuses")).length, 1);
    const lines = await setup.logged("collector_lacks_signal");
    assertEquals(lines.map(({ signal }) => signal), ["logs"]);
    assertMatch(String(lines[0]!.message), /unsupported path requested/);
  });

  await t.step("a part: that is counted and logged once", async () => {
    await using setup = new Setup();
    const partly = () =>
      Response.json({
        partialSuccess: { rejectedLogRecords: "2", errorMessage: "too old" },
      });
    setup.collector.answer = firstAnswers(partly, partly);
    setup.happen(5);
    await eventually("an answer", () => setup.asked.length === 1);
    setup.happen(5);
    await eventually("another", () => setup.asked.length === 2);
    await eventually("a count", () => setup.exporter.deliveredEvents === 6);
    assertEquals(setup.exporter.refusedEvents, 4);
    const lines = await setup.logged("collector_rejects");
    assertEquals(lines.length, 1);
    assertEquals(lines[0]!.signal, "logs");
    assertEquals(lines[0]!.reason, "too old");
  });
});

/** What was asked for at a path. */
function countAt({ collector }: Setup, path: string): number {
  return collector.received.filter((one) => one.path === path).length;
}

Deno.test("a collector with one signal", async (t) => {
  const rejectAll = (path: string) =>
    Response.json({
      partialSuccess: path === "/v1/logs"
        ? { rejectedLogRecords: "1", errorMessage: "no logs here" }
        : { rejectedDataPoints: "1", errorMessage: "no metrics here" },
    });
  const status = (status: number) => () =>
    new Response("404 page not found", { status });
  for (
    const [what, answer] of [
      ["404", status(404)],
      ["405", status(405)],
      ["501", status(501)],
      ["all rejected", rejectAll],
    ] as [string, (path: string) => Response][]
  ) {
    await t.step(`has no logs, by ${what}`, async () => {
      using clock = new FakeClock();
      await using setup = new Setup({ clock });
      setup.collector.answer = (path) =>
        path === "/v1/logs" ? answer(path) : undefined;
      setup.happen(1);
      await setup.eventually("an answer", () => setup.asked.length === 1);
      setup.happen(9);
      await setup.eventually(
        "metrics",
        () => setup.collector.taken("/v1/metrics").length > 1,
      );
      assertEquals(setup.asked.length, 1);
      assertEquals(setup.exporter.refusedEvents, 10);
      assertEquals(setup.exporter.waitingEvents, 0);
      setup.happen(1);
      await clock.advance(TIMING.minUnsupportedPause);
      setup.happen(1);
      // Asked again, with what has happened since.
      await setup.eventually("another", () => setup.asked.length === 2);
      // A pause is at least half as long as it may be at most.
      await clock.advance(TIMING.maxUnsupportedPause / 2 - 500);
      assertEquals(setup.asked.length, 2);
      await clock.advance(TIMING.maxUnsupportedPause);
      setup.happen(1);
      await setup.eventually("a third", () => setup.asked.length === 3);
      const lines = await setup.logged("collector_lacks_signal");
      assertEquals(lines.length, 1);
      assertMatch(
        String(lines[0]!.message),
        /takes no events: .*(404 page not found|no logs here).*--otlp-logs-end/,
      );
      assertEquals(await setup.logged("collector_refuses"), []);
      await setup.stop();
      assertEquals(await setup.logged("events_lost"), []);
      assertEquals(setup.exporter.lostEvents, 0);
    });

    await t.step(`has no metrics, by ${what}`, async () => {
      using clock = new FakeClock();
      await using setup = new Setup({ clock });
      setup.collector.answer = (path) =>
        path === "/v1/metrics" ? answer(path) : undefined;
      setup.happen(3);
      await setup.has(3);
      await setup.eventually(
        "an answer",
        () => countAt(setup, "/v1/metrics") === 1,
      );
      await clock.advance(3 * TIMING.metricsInterval);
      assertEquals(countAt(setup, "/v1/metrics"), 1);
      setup.collector.answer = () => undefined;
      await clock.advance(TIMING.minUnsupportedPause);
      await setup.eventually(
        "metrics",
        () => setup.collector.metrics !== undefined,
      );
      const lines = await setup.logged("collector_lacks_signal");
      assertEquals(lines.map(({ signal }) => signal), ["metrics"]);
    });
  }

  await t.step("that it has had is not given up", async () => {
    await using setup = new Setup();
    setup.happen(1);
    await setup.has(1);
    setup.collector.answer = firstAnswers(status(404));
    setup.happen(1);
    await eventually("an answer", () => setup.asked.length === 2);
    setup.happen(1);
    await eventually("the next", () => setup.asked.length === 3);
    assertEquals((await setup.logged("collector_lacks_signal")).length, 0);
    assertEquals((await setup.logged("collector_refuses")).length, 1);
  });
});

Deno.test("endpoints of their own", async (t) => {
  for (
    const [what, collector, metrics, logs] of [
      [
        "of metrics",
        (url) => ({
          endpoint: undefined,
          metricsEndpoint: new URL("/a/v1/metrics", url),
        }),
        "/a/v1/metrics",
        undefined,
      ],
      [
        "of logs",
        (url) => ({
          endpoint: undefined,
          logsEndpoint: new URL("/b/v1/logs", url),
        }),
        undefined,
        "/b/v1/logs",
      ],
      [
        "of both",
        (url) => ({
          endpoint: undefined,
          metricsEndpoint: new URL("/a/v1/metrics", url),
          logsEndpoint: new URL("/b/v1/logs", url),
        }),
        "/a/v1/metrics",
        "/b/v1/logs",
      ],
      [
        "of logs, beside the other",
        (url) => ({ logsEndpoint: new URL("/b/v1/logs", url) }),
        "/v1/metrics",
        "/b/v1/logs",
      ],
      [
        "without a path",
        (url) => ({
          endpoint: undefined,
          metricsEndpoint: url,
          logsEndpoint: url,
        }),
        "/v1/metrics",
        "/v1/logs",
      ],
    ] as [
      string,
      NonNullable<Options["collector"]>,
      string | undefined,
      string | undefined,
    ][]
  ) {
    await t.step(what, async () => {
      await using setup = new Setup({ collector });
      setup.happen(1);
      const paths = [metrics, logs].filter((path) => path !== undefined);
      await eventually(
        `${paths}`,
        () => paths.every((path) => setup.collector.taken(path).length > 0),
      );
      await setup.stop();
      assertEquals(
        new Set(setup.collector.received.map(({ path }) => path)),
        new Set(paths),
      );
      assertEquals(await setup.logged("events_lost"), []);
      assertEquals(setup.exporter.waitingEvents, 0);
    });
  }
});

Deno.test("headers of the collector", async (t) => {
  const header = (text: string) => {
    const header = CollectorHeader.parse(text)!;
    if (header.file !== undefined) {
      header.take(Deno.readTextFileSync(header.file));
    }
    return header;
  };

  await t.step("go with every request, in either encoding", async () => {
    for (const encoding of ["json", "protobuf"] as const) {
      await using setup = new Setup({
        collector: () => ({
          encoding,
          headers: [
            header("X-Scope-OrgID=lab"),
            header("authorization=Basic a=b="),
          ],
        }),
      });
      setup.happen(1);
      await setup.has(1);
      await eventually("metrics", () => setup.collector.metrics !== undefined);
      for (const { headers } of setup.collector.received) {
        assertEquals(headers.get("x-scope-orgid"), "lab");
        assertEquals(headers.get("authorization"), "Basic a=b=");
        assertEquals(
          headers.get("content-type"),
          `application/${encoding === "json" ? "json" : "x-protobuf"}`,
        );
      }
    }
  });

  await t.step("are read again when they are refused", async () => {
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, "Bearer first\n");
    await using setup = new Setup({
      collector: () => ({ headers: [header(`authorization=@${file}`)] }),
    });
    setup.happen(1);
    await setup.has(1);
    assertEquals(
      setup.asked[0]!.headers.get("authorization"),
      "Bearer first",
    );
    await Deno.writeTextFile(file, "Bearer second\n");
    setup.collector.answer = firstAnswers(() =>
      new Response("expired", { status: 401 })
    );
    setup.happen(1);
    await setup.has(2);
    assertEquals(setup.numbers, [1, 2]);
    assertEquals(
      setup.asked.at(-1)!.headers.get("authorization"),
      "Bearer second",
    );
    await Deno.remove(file);
    setup.collector.answer = firstAnswers(() =>
      new Response("expired", { status: 403 })
    );
    setup.happen(1);
    await eventually("an answer", () => setup.asked.length === 4);
    const [line] = await eventually("a line", async () => {
      const lines = await setup.logged("collector_header_unreadable");
      return lines.length > 0 && lines;
    });
    assertMatch(
      String(line!.message),
      RegExp(`--otlp-header authorization: cannot read ${file}: No such file`),
    );
    const [refusal] = await setup.logged("collector_refuses");
    assertEquals(refusal!.reason, "it answers 403, expired");
    for (const lines of [line, refusal]) {
      assert(!JSON.stringify(lines).includes("Bearer"));
    }
  });

  await t.step("are read again on request", async () => {
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, "tenant-a\n");
    await using setup = new Setup({
      collector: () => ({ headers: [header(`x-scope-orgid=@${file}`)] }),
    });
    setup.happen(1);
    await setup.has(1);
    await Deno.writeTextFile(file, "tenant-b\n");
    await setup.exporter.reload();
    setup.happen(1);
    await setup.has(2);
    assertEquals(
      setup.asked.map(({ headers }) => headers.get("x-scope-orgid")),
      ["tenant-a", "tenant-b"],
    );
    await Deno.remove(file);
  });

  await t.step("are one line of text, and none that a request has", () => {
    for (
      const text of [
        "authorization",
        "authorization=",
        "=secret",
        "authorization=@",
        "a b=secret",
        "content-type=secret",
        "Content-Length=5",
        "host=secret",
        "a=se\ncret",
        "a=\u4e2d",
        "authorization: secret",
      ]
    ) assertEquals(CollectorHeader.parse(text), undefined, text);
    const kept = CollectorHeader.parse("authorization=secret")!;
    assertEquals([kept.name, kept.value], ["authorization", "secret"]);
    assert(!JSON.stringify(kept).includes("secret"));
    assert(!Deno.inspect(kept).includes("secret"));
  });

  await t.step("come from a file with one line", async () => {
    const file = await Deno.makeTempFile();
    const parsed = CollectorHeader.parse(`a=@${file}`)!;
    for (const content of ["", "\n", "one\ntwo"]) {
      const { message } = assertThrows(() => parsed.take(content), Error);
      assertEquals(
        message,
        `${file} has no value of a header, which is one line`,
      );
    }
    await Deno.writeTextFile(file, "Bearer x\r\n");
    assertEquals(parsed.take(await readHeaderFile(file)), true);
    assertEquals(parsed.value, "Bearer x");
    assertEquals(parsed.take(await readHeaderFile(file)), false);
    await Deno.writeTextFile(file, "x".repeat(70_000));
    await assertRejects(
      () => readHeaderFile(file),
      Error,
      "more than 65536 bytes",
    );
    await Deno.remove(file);
    await assertRejects(
      () => readHeaderFile("/dev/zero"),
      Error,
      "cannot read /dev/zero: it is no regular file",
    );
    for (const path of [file, "/"]) {
      await assertRejects(
        () => readHeaderFile(path),
        Error,
        `cannot read ${path}: `,
      );
    }
  });
});

Deno.test("the end", async (t) => {
  await t.step("does not wait for the file of a header", async () => {
    let reads = 0;
    const never = Promise.withResolvers<string>();
    const header = CollectorHeader.parse("authorization=@/token")!;
    header.take("secret");
    await using setup = new Setup({
      timing: { stopTimeout: 100 },
      collector: () => ({ headers: [header] }),
      readFile: () => {
        reads++;
        return never.promise;
      },
    });
    setup.collector.answer = () => new Response(null, { status: 401 });
    setup.happen(3);
    await eventually("it is read", () => reads > 0);
    const reloads = Array.from({ length: 20 }, () => setup.exporter.reload());
    await pause(100);
    // One for each signal, and one for all reloads.
    assert(reads <= 3, `${reads}`);
    await setup.stop();
    never.resolve("secret");
    await Promise.all(reloads);
  });

  await t.step("comes after a last push of everything", async () => {
    await using setup = new Setup({
      timing: { batchDelay: 60_000, metricsInterval: 60_000 },
    });
    await eventually(
      "metrics",
      () => setup.collector.taken("/v1/metrics").length === 1,
    );
    setup.happen(400);
    await pause(50);
    assertEquals(setup.asked.length, 0);
    setup.happen(2000);
    await setup.stop();
    assertEquals(setup.numbers, upTo(2400));
    assertEquals(
      setup.collector.metrics?.items.get("machines_seen_total")?.[0]?.value,
      2400,
    );
    assertEquals(await setup.logged("events_lost"), []);
  });

  await t.step("comes at once when there is nothing to push", async () => {
    await using setup = new Setup({ timing: { metricsInterval: 60_000 } });
    await pause(100);
    const begun = performance.now();
    await setup.stop();
    assertLess(performance.now() - begun, TIMING.stopTimeout / 2);
    assertEquals(setup.asked.length, 0);
  });

  for (const what of ["hangs from before", "hangs then", "is away"]) {
    await t.step(`comes in time when the collector ${what}`, async () => {
      using clock = new FakeClock();
      const stopTimeout = 5000;
      await using setup = new Setup({
        clock,
        timing: { stopTimeout, maxBackoff: 60_000, minBackoff: 60_000 },
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      const busy = () => new Response("", { status: 503 });
      let isAsked = false;
      setup.collector.answer = (path) => {
        if (path === "/v1/logs") isAsked = true;
        return promise.then(busy);
      };
      setup.happen(1);
      if (what !== "hangs then") {
        await setup.eventually("a request", () => isAsked);
      }
      if (what === "is away") {
        resolve();
        await setup.collector.stop();
        await setup.eventually(
          "a failure",
          () => setup.exporter.requests.logs.failed > 0,
        );
      }
      setup.happen(2);
      // Of the faked time, 10 ms pass between two looks.
      const begun = performance.now();
      const stopping = setup.stop();
      await clock.advance(stopTimeout);
      await stopping;
      assertLess(performance.now() - begun, 2 * stopTimeout);
      const lines = await setup.logged("events_lost");
      assertEquals(lines.map(({ events }) => events), [3]);
      resolve();
    });
  }
});

Deno.test("packets", async (t) => {
  await t.step("have their turn while much is written", async () => {
    /** Counts slices; in each pause between two, more happens. */
    class BusyTurns extends CooperativeScheduler {
      slices = 0;
      between = () => {};
      override async run<T>(work: () => T): Promise<T> {
        this.slices++;
        this.between();
        return await super.run(work);
      }
    }
    const turns = new BusyTurns();
    await using setup = new Setup({ scheduler: turns, maxEvents: 600 });
    // The log runs over what is just being read, in the midst of a batch.
    turns.between = () => {
      if (setup.registry.history.next < 5000) setup.happen(150);
    };
    setup.happen(150);
    await eventually("the last", () =>
      setup.registry.history.next >= 5000 &&
      setup.exporter.waitingEvents === 0);
    const { numbers } = setup;
    const { exporter, registry } = setup;
    assertEquals(numbers.length, exporter.deliveredEvents);
    assert(numbers.every((one, at) => at === 0 || one > numbers[at - 1]!));
    assert(turns.slices > setup.asked.length);
    assertEquals(
      numbers.length + exporter.lostEvents + exporter.waitingEvents,
      registry.history.next - 1,
    );
  });
});
