import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  FULL_PIPE_TIMEOUT,
  Printer,
  Speaker,
  WaitingSink,
} from "../../../lib/cli/standard_streams.ts";
import type { LogSink } from "../../../lib/telemetry/log.ts";
import { Output, OutputError } from "../../../lib/watch/output.ts";
import { FakeClock } from "../../support/clock.ts";

/** A non-blocking pipe that takes a few bytes at once, and then is full. */
class FakePipe implements LogSink {
  text = "";
  /** What each write fails with. */
  error: Error | undefined;
  /** How many writes were tried. */
  tries = 0;
  readonly #fullFor: number;
  #fullUntil = -Infinity;

  /** @param fullFor Milliseconds for which it is full after each write. */
  constructor(fullFor = 0) {
    this.#fullFor = fullFor;
  }

  write(bytes: Uint8Array): Promise<number> {
    this.tries++;
    if (this.error !== undefined) return Promise.reject(this.error);
    if (performance.now() < this.#fullUntil) {
      return Promise.reject(new Deno.errors.WouldBlock("again"));
    }
    this.#fullUntil = performance.now() + this.#fullFor;
    const part = bytes.subarray(0, 10);
    this.text += new TextDecoder().decode(part);
    return Promise.resolve(part.length);
  }
}

const TEXT = "first line\nsecond line\n";

Deno.test("text on stdout", async (t) => {
  await t.step("is written whole through a pipe that fills up", async () => {
    using clock = new FakeClock();
    // Each write has its own time.
    const pipe = new FakePipe(FULL_PIPE_TIMEOUT - 1000);
    const printed = new Printer(new WaitingSink(pipe, FULL_PIPE_TIMEOUT))
      .print(TEXT);
    await clock.advance(2 * FULL_PIPE_TIMEOUT);
    await printed;
    assertEquals(pipe.text, TEXT);
  });

  await t.step("goes past the runtime's buffer in small pieces", async () => {
    const pieces: string[] = [];
    const sink = new WaitingSink({
      write(bytes) {
        pieces.push(new TextDecoder().decode(bytes));
        return Promise.resolve(bytes.length);
      },
    });
    for (
      const text of [
        "short\n",
        "line\n".repeat(2000),
        `${"x".repeat(9000)}\n`,
        // Without a line feed, as a part of a JSON array.
        "x".repeat(4096 + 1023),
        "x".repeat(3 * 4096 + 1),
      ]
    ) {
      pieces.length = 0;
      await new Printer(sink).print(text);
      assertEquals(pieces.join(""), text);
      for (const piece of pieces) {
        assert(piece.length <= 4096, `${piece.length} bytes`);
        assert(
          piece.endsWith("\n") ||
            piece.length >= 1024 && !piece.includes("\n"),
          `${piece.length} bytes`,
        );
      }
    }
  });

  await t.step("fails if the pipe stays full", async () => {
    using clock = new FakeClock();
    const pipe = new FakePipe(Infinity);
    const failed = assertRejects(
      () => new Printer(new WaitingSink(pipe, FULL_PIPE_TIMEOUT)).print(TEXT),
      OutputError,
      "cannot write to stdout: its reader has read nothing for 10 s",
    );
    await clock.advance(FULL_PIPE_TIMEOUT + 1000);
    assert(!(await failed).isClosed);
    assertEquals(pipe.text, TEXT.slice(0, 10));
  });

  await t.step("fails at once for another reason", async () => {
    const pipe = new FakePipe();
    pipe.error = new Error("No space left on device (os error 28)");
    await assertRejects(
      () => new Printer(new WaitingSink(pipe)).print(TEXT),
      OutputError,
      "cannot write to stdout: No space left on device (os error 28)",
    );
    assertEquals(pipe.tries, 1);
  });

  await t.step("ends without an error when the pipe is closed", async () => {
    const pipe = new FakePipe();
    const printer = new Printer(new WaitingSink(pipe));
    pipe.error = new Deno.errors.BrokenPipe("closed");
    await printer.print(TEXT);
    await printer.print(TEXT);
    assertEquals(pipe.tries, 1);
  });

  await t.step("of watch waits as well, without a limit", async () => {
    using clock = new FakeClock();
    const pipe = new FakePipe(2 * FULL_PIPE_TIMEOUT);
    const written = new Output(new WaitingSink(pipe)).write(["first line"]);
    await clock.advance(3 * FULL_PIPE_TIMEOUT);
    await written;
    assertEquals(pipe.text, "first line\n");
  });
});

Deno.test("sentences on stderr", async (t) => {
  await t.step("are written in order, through a full pipe", async () => {
    using clock = new FakeClock();
    const pipe = new FakePipe(1000);
    const speaker = new Speaker(new WaitingSink(pipe));
    void speaker.say("first line");
    void speaker.say("second line");
    await clock.advance(5000);
    await speaker.flush();
    assertEquals(pipe.text, TEXT);
  });

  await t.step("that cannot be written do not end the command", async () => {
    const pipe = new FakePipe();
    pipe.error = new Error("No space left on device (os error 28)");
    const speaker = new Speaker(pipe);
    await speaker.say("lost");
    pipe.error = undefined;
    await speaker.say("said");
    assertEquals(pipe.text, "said\n");
  });
});
