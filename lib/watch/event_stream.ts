/**
 * Parses an event stream (HTML Living Standard, "Server-sent events") from chunks
 * of any size.
 *
 * @module
 */

/** An event of a stream. */
export interface StreamEvent {
  /** The last ID in the stream up to this event; may be empty. */
  readonly id: string;
  /** `message` if the stream gives no type. */
  readonly type: string;
  /** Its lines, joined by line feeds. */
  readonly data: string;
}

/** An event is longer than the limit. */
export class EventTooLongError extends Error {
  override name = "EventTooLongError";
}

/** Parses the stream of one connection. */
export class EventStreamParser {
  /** Milliseconds before a reconnection, from the `retry` field. */
  retry: number | undefined;
  readonly #limit: number;
  // Deno 2.9.6 drops every byte order mark that begins a later chunk, not only
  // the one that begins the stream (the test of chunk boundaries fails then).
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #isAtStart = true;
  #line = "";
  /** Whether the last chunk ended in CR: an LF that follows is part of the line end. */
  #endedInCr = false;
  #id = "";
  #type = "";
  #data: string[] = [];
  #length = 0;

  /** @param limit Characters of one event at most. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Parses the next chunk and yields the events that end in it.
   *
   * @throws {EventTooLongError} if an event is longer than the limit.
   */
  *push(bytes: Uint8Array): Generator<StreamEvent> {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return;
    const isSkipped = this.#isAtStart
      ? text[0] === "\ufeff"
      : this.#endedInCr && text[0] === "\n";
    this.#isAtStart = false;
    let from = isSkipped ? 1 : 0;
    this.#endedInCr = false;
    const lineEnd = /\r\n?|\n/g;
    lineEnd.lastIndex = from;
    for (
      let match = lineEnd.exec(text);
      match !== null;
      match = lineEnd.exec(text)
    ) {
      this.#extendLine(text.slice(from, match.index));
      from = lineEnd.lastIndex;
      const line = this.#line;
      this.#line = "";
      const event = this.#parseLine(line);
      if (event !== undefined) yield event;
    }
    this.#endedInCr = text.endsWith("\r");
    this.#extendLine(text.slice(from));
  }

  #extendLine(text: string): void {
    if (this.#length + this.#line.length + text.length > this.#limit) {
      throw new EventTooLongError(
        `an event has more than ${this.#limit} characters`,
      );
    }
    this.#line += text;
  }

  #parseLine(line: string): StreamEvent | undefined {
    if (line === "") return this.#endEvent();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0
      ? ""
      : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    this.#parseField(name, value);
    return undefined;
  }

  #parseField(name: string, value: string): void {
    switch (name) {
      case "data":
        this.#data.push(value);
        // +1: empty lines take memory as well.
        this.#length += value.length + 1;
        break;
      case "event":
        this.#type = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^[0-9]+$/.test(value)) this.retry = Number(value);
        break;
    }
  }

  #endEvent(): StreamEvent | undefined {
    const event = this.#data.length === 0 ? undefined : {
      id: this.#id,
      type: this.#type === "" ? "message" : this.#type,
      data: this.#data.join("\n"),
    };
    this.#type = "";
    this.#data = [];
    this.#length = 0;
    return event;
  }
}
