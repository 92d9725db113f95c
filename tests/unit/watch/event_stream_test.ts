import { assertEquals, assertThrows } from "@std/assert";
import {
  EventStreamParser,
  EventTooLongError,
  type StreamEvent,
} from "../../../lib/watch/event_stream.ts";
import { fc } from "../../support/fast_check.ts";

const LIMIT = 1000;

/** All events of a stream that comes in these pieces. */
function read(
  pieces: readonly Uint8Array[],
  parser = new EventStreamParser(LIMIT),
): StreamEvent[] {
  return pieces.flatMap((piece) => [...parser.push(piece)]);
}

function readText(...texts: string[]): StreamEvent[] {
  const encoder = new TextEncoder();
  return read(texts.map((text) => encoder.encode(text)));
}

function message(data: string, id = "", type = "message"): StreamEvent {
  return { id, type, data };
}

Deno.test("event stream", async (t) => {
  for (
    const [what, text, events] of [
      ["one line", "data: a\n\n", [message("a")]],
      ["several lines", "data: a\ndata:b\ndata:  c\n\n", [
        message("a\nb\n c"),
      ]],
      ["empty lines of data", "data\n\ndata:\ndata: \n\n", [
        message(""),
        message("\n"),
      ]],
      ["CR", "data: a\r\rdata: b\r\r", [message("a"), message("b")]],
      ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", [message("a"), message("b")]],
      ["mixed ends", "data: a\r\ndata: b\rdata: c\n\r\n", [
        message("a\nb\nc"),
      ]],
      ["a byte order mark", "\ufeffdata: a\n\n", [message("a")]],
      ["a second one, which is a character", "\ufeff\ufeffdata: a\n\n", []],
      ["comments", ":\n: data: b\ndata: a\n:\n\n:\n\n", [message("a")]],
      ["IDs that stay", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [
        message("a", "1"),
        message("b", "1"),
        message("c", ""),
      ]],
      ["an ID without data", "id: 7\n\ndata: a\n\n", [message("a", "7")]],
      ["an ID with a zero", "id: 1\ndata: a\n\nid: \x002\ndata: b\n\n", [
        message("a", "1"),
        message("b", "1"),
      ]],
      ["types that do not stay", "event: x\ndata: a\n\ndata: b\n\n", [
        message("a", "", "x"),
        message("b"),
      ]],
      ["no data, no event", "event: x\n\nid: 1\n\n", []],
      ["unknown fields", "what: x\nDATA: x\n data: x\ndata: a\n\n", [
        message("a"),
      ]],
      ["an end without an empty line", "data: a\n\ndata: b\n", [message("a")]],
    ] as [string, string, StreamEvent[]][]
  ) {
    await t.step(`reads ${what}`, () => assertEquals(readText(text), events));
  }

  await t.step("reads the retry field", () => {
    const parser = new EventStreamParser(LIMIT);
    const push = (text: string) =>
      read([new TextEncoder().encode(text)], parser);
    push("data: a\n");
    assertEquals(parser.retry, undefined);
    push("retry: 3000\n");
    assertEquals(parser.retry, 3000);
    push("retry: 3 s\nretry: -1\nretry\n");
    assertEquals(parser.retry, 3000);
  });

  await t.step(
    "limits an event, in one line and in many, with comments",
    () => {
      const whole = `data: ${"a".repeat(LIMIT - "data: ".length)}\n\n`;
      assertEquals(readText(whole, whole).length, 2);
      for (
        const texts of [
          [`data: ${"a".repeat(LIMIT)}\n\n`],
          [`:${"a".repeat(LIMIT / 2)}`, "a".repeat(LIMIT / 2)],
          ["data: aaaa\n".repeat(LIMIT / 5 + 1)],
          ["data\n".repeat(LIMIT + 1)],
        ]
      ) {
        assertThrows(() => readText(...texts), EventTooLongError);
      }
    },
  );

  await t.step("has the same events with any chunk boundaries", () => {
    const line = fc.string({
      unit: fc.constantFrom("a", ":", " ", "é", "🖧", "0", "\ufeff", "\0"),
      maxLength: 8,
    });
    const field = fc.oneof(
      fc.record({
        name: fc.constantFrom("data", "id", "event", "retry", "", "x"),
        value: line,
      }).map(({ name, value }) => `${name}:${value}`),
      fc.constantFrom("data", ""),
      line,
    );
    const stream = fc.array(
      fc.tuple(field, fc.constantFrom("\n", "\r", "\r\n")).map((pair) =>
        pair.join("")
      ),
      { maxLength: 20 },
    ).map((lines) => new TextEncoder().encode(lines.join("")));
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.nat({ max: 200 }), { maxLength: 8 }),
        (bytes, cuts) => {
          const whole = read([bytes]);
          const at = [0, ...cuts, bytes.length].map((cut) =>
            Math.min(cut, bytes.length)
          ).sort((a, b) => a - b);
          const pieces = at.slice(1).map((end, index) =>
            bytes.subarray(at[index]!, end)
          );
          assertEquals(read(pieces), whole);
          assertEquals(
            read([...bytes].map((byte) => Uint8Array.of(byte))),
            whole,
          );
        },
      ),
    );
  });

  await t.step("has the events that were written", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", ":", " ", "é", "\n", "🖧"),
      maxLength: 12,
    });
    const written = fc.array(fc.record({
      id: fc.stringMatching(/^[0-9a-f]{1,4}-[0-9]{1,3}$/),
      data: text,
      end: fc.constantFrom("\n", "\r", "\r\n"),
      comment: fc.boolean(),
    }));
    fc.assert(fc.property(written, (events) => {
      const stream = events.map(({ id, data, end, comment }) =>
        [
          ...(comment ? [":"] : []),
          `id: ${id}`,
          ...data.split("\n").map((line) => `data: ${line}`),
          "",
          "",
        ].join(end)
      ).join("");
      assertEquals(
        readText(stream),
        events.map(({ id, data }) => message(data, id)),
      );
    }));
  });
});
