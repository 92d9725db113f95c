/** The event stream as `watch` reads it, and the lines that it makes of it. */

import {
  EventStreamParser,
  EventTooLongError,
  type StreamEvent,
} from "../../../lib/watch/event_stream.ts";
import { type Message, readMessage } from "../../../lib/watch/message.ts";
import {
  Columns,
  eventText,
  lineText,
  plain,
} from "../../../lib/watch/text.ts";
import { octetsOf, spliced } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, isShowable, texts } from "./text.ts";

const isSplitless = new Invariant("where the pieces end makes no difference");
const isStandard = new Invariant("events are those of the standard");
const isBounded = new Invariant("no event is longer than the limit");
const isMessage = new Invariant("data is a message, unknown or no JSON");
const isLine = new Invariant("a line can be shown, whatever the daemon says");

const LIMIT = 400;

const EVENT =
  '{"mac":"02:00:5e:00:53:01","ipv6_address":"2001:db8::1","event":{"event":"http_fetch_uki","timestamp":"2025-10-13T20:08:24.394955Z","repeat_event":false,"detail":{"protocol":"http","file_name":"boot.efi","state":"sending","sent_bytes":1,"total_bytes":2}}}';

const WORDS = texts(
  "data: ",
  "data:",
  "data",
  "id: 1-2",
  "id",
  "event: x",
  "retry: 3000",
  "retry: x",
  ":",
  "\n",
  "\r",
  "\r\n",
  "\n\n",
  "\ufeff",
  "\0",
  "é",
  "🖧",
  "null",
  "{}",
  '{"02:00:5e:00:53:01":{"Mac":"02:00:5e:00:53:01","IPv6Address":"::","Events":[]}}',
  `data: ${EVENT}\n\n`,
  '"event":',
  '"\\u001b[2J"',
  '"\\u202e"',
  '"\\ud83d"',
  "1e999",
  "-1",
  "[]",
  '"x"',
);

/** An input: how long its pieces are, then the stream. */
function inputOf(size: number, stream: string): Uint8Array {
  return spliced(octetsOf(stream), 0, 0, Uint8Array.of(size));
}

const SEEDS = [
  `retry: 3000\n\nid: a-1\ndata: ${EVENT}\n\n`,
  "\ufeffdata: a\r\ndata: b\r\rdata\n\nid\n\n:c\n\nevent: y\ndata: z\n\n",
  `data: ${"x".repeat(500)}\n\n`,
  "data: {\n\n",
  `data: ${EVENT.replace("boot.efi", "\\u001b[2J\\u202e\\ud83d")}\n\n`,
  `data: ${EVENT.replace("02:00:5e:00:53:01", "\\u001b\\n")}\n\n`,
  `data: ${EVENT.replace("http_fetch_uki", "\\u202e\\n")}\n\n`,
  `data: ${EVENT.replace("2025-10-13T20:08:24.394955Z", "1\\u202e")}\n\n`,
].flatMap((stream) => [inputOf(0, stream), inputOf(3, stream)]);

/** Fuzzes the reader of the event stream. */
export class EventStreamTarget implements Target {
  readonly name = "event_stream";
  readonly weight = 4;
  readonly maxLength = 1500;
  readonly invariants = [
    isSplitless,
    isStandard,
    isBounded,
    isMessage,
    isLine,
  ];
  readonly seeds = SEEDS;
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    return spliced(
      anyText(random, WORDS),
      0,
      0,
      Uint8Array.of(random.below(20)),
    );
  }

  run(input: Uint8Array): string {
    const [size = 0] = input;
    const stream = input.subarray(1);
    const whole = read([stream]);
    const pieces = read(cut(stream, size));
    isSplitless.holds(
      JSON.stringify(whole) === JSON.stringify(pieces),
      () => ({ whole, pieces }),
    );
    const { events, retry, isTooLong } = whole;
    if (!isTooLong) {
      const wanted = standard(stream);
      isStandard.holds(
        JSON.stringify(wanted) === JSON.stringify({ events, retry }),
        () => ({ wanted, events, retry }),
      );
    }
    const kinds = events.map(({ data }) => {
      isBounded.holds(data.length <= LIMIT, () => data.length);
      return checkData(data);
    });
    return `${isTooLong} ${retry !== undefined} ${[...new Set(kinds)].sort()} ${
      events.length > 3
    }`;
  }
}

interface Read {
  readonly events: StreamEvent[];
  readonly retry: number | undefined;
  readonly isTooLong: boolean;
}

function read(pieces: readonly Uint8Array[]): Read {
  const parser = new EventStreamParser(LIMIT);
  const events: StreamEvent[] = [];
  try {
    for (const piece of pieces) {
      for (const event of parser.push(piece)) events.push(event);
    }
  } catch (error) {
    if (!(error instanceof EventTooLongError)) throw error;
    return { events, retry: parser.retry, isTooLong: true };
  }
  return { events, retry: parser.retry, isTooLong: false };
}

function cut(stream: Uint8Array, size: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const length = size % 16 + 1;
  for (let at = 0; at < stream.length; at += length) {
    pieces.push(stream.subarray(at, at + length));
  }
  return pieces;
}

/** Reads a stream that is whole, line by line, as the standard has it. */
function standard(
  stream: Uint8Array,
): { events: StreamEvent[]; retry: number | undefined } {
  // What no line end follows never becomes a line, nor does half a character.
  const lines = new TextDecoder().decode(stream, { stream: true })
    .split(/\r\n|\r|\n/).slice(0, -1);
  const events: StreamEvent[] = [];
  let id = "", type = "", data: string[] = [];
  let retry: number | undefined;
  for (const line of lines) {
    if (line === "") {
      if (data.length > 0) {
        events.push({ id, type: type || "message", data: data.join("\n") });
      }
      type = "";
      data = [];
      continue;
    }
    const [, field, value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line)!;
    if (field === "data") data.push(value);
    else if (field === "event") type = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    else if (field === "retry" && /^\d+$/.test(value)) retry = Number(value);
  }
  return { events, retry };
}

function checkData(data: string): string {
  let message: Message | undefined;
  try {
    message = readMessage(data);
  } catch (error) {
    isMessage.holds(error instanceof SyntaxError, () => error);
    return "no JSON";
  }
  isMessage.holds(
    message === undefined || ["state", "event"].includes(message.kind),
  );
  if (message?.kind !== "event") return message?.kind ?? "unknown";
  const { mac, address, event } = message;
  const at = Date.parse(event.timestamp);
  const described = eventText({
    mac,
    address,
    event,
    at,
    elapsed: 1000,
    begins: true,
    skipped: false,
    previous: { stage: event.event, took: 1 },
  }, plain);
  const text = lineText(
    { at, labels: [mac], mac, name: address, address },
    described ?? "",
    at,
    { paint: plain, columns: new Columns(), isLabeled: true },
  );
  isLine.holds(isShowable(text), () => text);
  return `event ${described !== undefined} ${event.detail != null}`;
}
