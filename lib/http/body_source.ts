/**
 * Bodies that are written while their clients read them.
 *
 * @module
 */

/** Where the chunks of a body go. */
export type BodySink = Pick<
  ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>,
  "enqueue" | "close" | "error"
>;

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
    pull: (controller) => source.pull(controller),
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
