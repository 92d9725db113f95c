/**
 * Plain-text responses, responses to HEAD, and the targets of requests.
 *
 * @module
 */

/**
 * A response with one line of text.
 *
 * @param text The line, without a line feed.
 */
export function textResponse(
  status: number,
  text: string,
  headers: Record<string, string> = {},
): Response {
  const body = new TextEncoder().encode(`${text}\n`);
  return new Response(body, {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(body.length),
      ...headers,
    },
  });
}

/**
 * The response to HEAD: status and headers of the response to GET.
 *
 * Workaround: with a `null` body, Deno 2.8.3 and 2.9.0 send a Content-Length of 0
 * whatever the headers say (deno#35728; 2.6.8 and 2.9.6 do not), and firmware
 * sizes its buffer by that. The stream is empty. Without it "keeps the
 * Content-Length of a response to HEAD" in tests/unit/http/responses_test.ts fails
 * with these versions.
 */
export function headResponse(
  { status = 200, headers }: { status?: number; headers: Headers },
): Response {
  const empty = new ReadableStream({
    pull: (controller) => controller.close(),
  }, { highWaterMark: 0 });
  return new Response(status === 304 ? null : empty, { status, headers });
}

/** The parts of a request target, as the client sent them. */
export interface Target {
  /** The host and port; those of the Host header if the target has none. */
  readonly authority: string;
  readonly path: string;
  /** What follows the question mark. */
  readonly query: string;
}

/**
 * Splits the URL of a request. `new URL` would resolve dot segments, and throws
 * for the Host `[fe80::1%25eth0]` that some clients send.
 *
 * @returns `undefined` if there is no path.
 */
export function targetOf(url: string): Target | undefined {
  const match = /^https?:\/\/([^/?#]*)(\/[^?#]*)(?:\?([^#]*))?/s.exec(url);
  return match === null ? undefined : {
    authority: match[1]!,
    path: match[2]!,
    query: match[3] ?? "",
  };
}

/** Percent-decoded text; the text itself if the encoding is malformed. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
