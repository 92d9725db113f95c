/**
 * Bodies that are written while their clients read them.
 *
 * @module
 */

/** Where the chunks of a body go. */
export interface BodySink {
  enqueue(chunk: Uint8Array<ArrayBuffer>): void;
  /** Takes the last chunk, which may be empty: the body ends with it. */
  last(chunk: Uint8Array<ArrayBuffer>): void;
  /** Ends the body at once. */
  close(): void;
  error(reason: unknown): void;
  /**
   * How many of so many bytes may be written at once, besides the part that each
   * body has. `undefined`: all.
   */
  roomFor?(bytes: number): number;
}

/** What writes a body. */
export interface BodySource {
  /**
   * Called when the client takes another chunk, which may be written at once or
   * later. Not called again before that.
   *
   * @throws {Error} if the body ends early.
   */
  pull(sink: BodySink): Promise<void> | void;
  /** The client has left. */
  cancel(reason: unknown): void;
  /** The runtime has got the last byte. */
  onSent?(): void;
  /** Whether it has nothing to write now. */
  isIdle?(): boolean;
  /** Called with each chunk when the runtime has taken it. */
  release?(chunk: Uint8Array<ArrayBuffer>): void;
}

/** A stream that asks a source only for what is read. */
export function streamOf(
  source: BodySource,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    pull: (controller) =>
      source.pull({
        enqueue: (chunk) => controller.enqueue(chunk),
        last: (chunk) => {
          if (chunk.length > 0) controller.enqueue(chunk);
          controller.close();
          source.onSent?.();
        },
        close: () => controller.close(),
        error: (reason) => controller.error(reason),
      }),
    cancel: (reason) => source.cancel(reason),
  }, { highWaterMark: 0 });
}

/** A response whose body is written while its client reads it. */
export class SourceResponse extends Response {
  /** @param source What writes the body. */
  constructor(
    readonly source: BodySource,
    init: { readonly status?: number; readonly headers: HeadersInit },
  ) {
    super(streamOf(source), init);
  }

  /** The same response with another stream, of the same source. */
  with(body: ReadableStream<Uint8Array<ArrayBuffer>>): Response {
    const { status, headers } = this;
    return new Response(body, { status, headers });
  }
}
