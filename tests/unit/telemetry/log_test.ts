import { assert, assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  MAX_LOG_LINES_PER_MINUTE,
  MAX_LOG_QUEUE,
  MAX_LOG_RESERVE,
  MAX_WARNINGS_PER_MINUTE,
} from "../../../lib/overload/limits.ts";
import { Log, type LogSink } from "../../../lib/telemetry/log.ts";

/** A reader that takes what is written when it is let. */
class Reader implements LogSink {
  text = "";
  #ready = Promise.resolve();
  #go = () => {};

  stall(): void {
    this.#ready = new Promise((resolve) => this.#go = resolve);
  }

  goOn(): void {
    this.#go();
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#ready;
    this.text += new TextDecoder().decode(bytes);
    return bytes.length;
  }

  get lines(): string[] {
    return this.text.trimEnd().split("\n");
  }
}

Deno.test("log", async (t) => {
  await t.step("writes text for people", async () => {
    using _time = new FakeTime("2026-01-02T03:04:05.678Z");
    const reader = new Reader();
    const log = new Log("text", "info", reader);
    log.info("seen", "a machine is here", { mac: "02:00:5e:00:53:01" });
    log.debug("packet", "not asked for");
    log.warning("notice", "look");
    await _time.runMicrotasks();
    assertEquals(
      reader.text,
      "2026-01-02T03:04:05.678Z info    a machine is here\n" +
        "2026-01-02T03:04:05.678Z warning look\n",
    );
  });

  await t.step("writes priorities for the journal, without time", async () => {
    using time = new FakeTime("2026-01-02T03:04:05.678Z");
    const reader = new Reader();
    const log = new Log("text", "debug", reader, true);
    log.error("a", "one");
    log.warning("b", "two");
    log.info("c", "three");
    log.debug("d", "four");
    await time.runMicrotasks();
    assertEquals(reader.lines, ["<3>one", "<4>two", "<6>three", "<7>four"]);
    const json = new Reader();
    new Log("json", "info", json, true).info("c", "three");
    await time.runMicrotasks();
    assertEquals(json.text.slice(0, 3), "<6>");
    assertEquals(JSON.parse(json.text.slice(3)).message, "three");
  });

  await t.step("writes JSON for collectors", async () => {
    using time = new FakeTime("2026-01-02T03:04:05.678Z");
    const reader = new Reader();
    new Log("json", "debug", reader).debug("packet", "one", { bytes: 5 });
    await time.runMicrotasks();
    assertEquals(JSON.parse(reader.text), {
      time: "2026-01-02T03:04:05.678Z",
      level: "debug",
      event: "packet",
      message: "one",
      bytes: 5,
    });
  });

  await t.step(
    "loses lines when its reader stalls, and logs how many",
    async () => {
      const reader = new Reader();
      reader.stall();
      const log = new Log("text", "info", reader);
      log.info("first", "goes into the pipe");
      for (let line = 0; line < MAX_LOG_QUEUE + 7; line++) log.info("x", "x");
      await log.flush(10);
      assertEquals(reader.text, "");
      reader.goOn();
      await log.flush(1000);
      assertEquals(reader.lines.length, 1 + MAX_LOG_QUEUE + 1);
      assert(reader.lines.at(-1)!.includes("lost 7 log lines"));
    },
  );

  await t.step("counts and reports lines that cannot be written", async () => {
    const written: string[] = [];
    let room = 30;
    const log = new Log("text", "info", {
      write(bytes) {
        if (room === 0) {
          return Promise.reject(new Error("No space left on device"));
        }
        const count = Math.min(room, bytes.length);
        room -= count;
        written.push(new TextDecoder().decode(bytes.subarray(0, count)));
        return Promise.resolve(count);
      },
    });
    for (const text of ["one", "two", "three"]) log.info("x", text);
    await log.flush(1000);
    assertEquals(log.totalLost, 1, "the first is cut off, the others wait");
    room = Infinity;
    log.info("x", "four");
    await log.flush(1000);
    const lines = written.join("").split("\n");
    assertEquals(lines[0]!.length, 30);
    assertEquals(
      lines.slice(1, 4).map((line) => line.split(" ").at(-1)),
      ["two", "three", "four"],
    );
    assert(
      lines[4]!.endsWith(
        "lost 1 log lines: stderr could not be written (No space left on device)",
      ),
      lines[4],
    );
  });

  await t.step("waits while a pipe that does not block is full", async () => {
    const written: string[] = [];
    let refusals = 3;
    const log = new Log("text", "info", {
      write(bytes) {
        if (refusals-- > 0) {
          return Promise.reject(new Deno.errors.WouldBlock("again"));
        }
        written.push(new TextDecoder().decode(bytes));
        return Promise.resolve(bytes.length);
      },
    });
    log.info("x", "one");
    await log.flush(5000);
    assertEquals(written.length, 1);
    assertEquals(log.totalLost, 0);
  });

  await t.step(
    "reserves room for warnings, and bounds it",
    async () => {
      const reader = new Reader();
      reader.stall();
      const log = new Log("text", "info", reader);
      log.info("first", "goes into the pipe");
      for (let line = 0; line < MAX_LOG_QUEUE + 7; line++) log.info("x", "x");
      for (let line = 0; line < MAX_LOG_RESERVE + 3; line++) {
        log.warning(`event${line % 10}`, `look ${line}`);
      }
      reader.goOn();
      await log.flush(1000);
      const looks = reader.lines.filter((line) => line.includes("look"));
      assertEquals(looks.length, MAX_LOG_RESERVE);
      assert(reader.lines.at(-1)!.includes("lost 10 log lines"));
    },
  );

  await t.step(
    "suppresses a flood, and logs that in the next minute",
    async () => {
      using time = new FakeTime(0);
      const reader = new Reader();
      const log = new Log("text", "info", reader);
      for (let line = 0; line < MAX_LOG_LINES_PER_MINUTE + 5; line++) {
        if (log.tryTakeLine("info")) log.info("x", "x");
        if (line % 1000 === 0) await time.runMicrotasks();
      }
      log.info("stopped", "not about a machine");
      log.warning("notice", "never suppressed");
      time.tick(60_000);
      log.info("later", "later");
      await time.runMicrotasks();
      assertEquals(reader.lines.length, MAX_LOG_LINES_PER_MINUTE + 4);
      assert(reader.lines.at(-3)!.endsWith("never suppressed"));
      assert(reader.lines.at(-2)!.includes("suppressed 5 log lines"));
    },
  );

  await t.step("suppresses a flood of one warning, and no other", async () => {
    using _time = new FakeTime(0);
    const reader = new Reader();
    const log = new Log("json", "info", reader);
    for (let line = 0; line < MAX_WARNINGS_PER_MINUTE + 5; line++) {
      log.warning("two_macs", "x");
    }
    log.warning("notice", "x");
    log.error("cannot_serve", "x");
    await log.flush(100);
    assertEquals(reader.lines.length, MAX_WARNINGS_PER_MINUTE + 2);
    assertEquals(log.totalSuppressed, 5);
  });

  await t.step("throttles a line by its key", async () => {
    const reader = new Reader();
    const log = new Log("json", "info", reader);
    const warn = (event: string, key: string, every = Infinity) =>
      log.warning(event, "x", { key }, { key, every });
    for (const key of ["a", "a", "b"]) warn("no_mac", key);
    warn("two_macs", "a");
    assertEquals(log.isDue("no_mac", { key: "b", every: Infinity }), false);
    for (const key of ["a", "a"]) warn("flood", key, 0);
    await log.flush(1000);
    assertEquals(
      reader.lines.map((line) => JSON.parse(line)).map(({ event, key }) =>
        `${event} ${key}`
      ),
      ["no_mac a", "no_mac b", "two_macs a", "flood a", "flood a"],
    );
    assertEquals(log.totalSuppressed, 0, "a throttled line is not a lost one");
  });

  await t.step("knows when a polled state has changed", () => {
    const log = new Log("json", "info", new Reader());
    assertEquals(
      [undefined, "x", "x", "y", undefined, undefined].map((state) =>
        log.hasChanged("interfaces", state)
      ),
      [false, true, false, true, true, false],
    );
    assertEquals(log.hasChanged("other", "x"), true);
  });

  await t.step("goes on when its sink is closed", async () => {
    const log = new Log("text", "info", {
      write: () => Promise.reject(new Deno.errors.BrokenPipe()),
    });
    log.info("x", "x");
    await log.flush(100);
    log.info("x", "x");
    await log.flush(100);
  });
});
