/**
 * Reads an event stream as it comes (HTML Living Standard, "Server-sent
 * events"), in whatever pieces.
 *
 * @module
 */

/** An event of a stream. */
export interface StreamEvent {
  /** The last ID that the stream gave, with this event or before; may be empty. */
  readonly id: string;
  /** `message` where the stream says nothing else. */
  readonly type: string;
  /** Its lines, joined by line feeds. */
  readonly data: string;
}

/** An event is longer than its reader can take. */
export class EventTooLongError extends Error {
  override name = "EventTooLongError";
}

/** Reads one stream; for the next connection, make another. */
export class EventStreamParser {
  /** Milliseconds that the server asks to wait before one connects again. */
  retry: number | undefined;
  readonly #limit: number;
  // Deno 2.9.6 drops every byte order mark that begins a later chunk, not only
  // the one that begins the stream (the test of chunk boundaries fails then).
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #isAtStart = true;
  #line = "";
  /** Whether the last piece ended in CR: an LF that follows belongs to it. */
  #endedInCr = false;
  #id = "";
  #type = "";
  #data: string[] = [];
  #length = 0;

  /** @param limit Characters that one event may have. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Takes the next piece of the stream, and gives the events that end in it.
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
      const event = this.#takeLine(line);
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

  #takeLine(line: string): StreamEvent | undefined {
    if (line === "") return this.#endEvent();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0
      ? ""
      : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    this.#takeField(name, value);
    return undefined;
  }

  #takeField(name: string, value: string): void {
    switch (name) {
      case "data":
        this.#data.push(value);
        // an empty line counts too: it is kept until the event ends
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
