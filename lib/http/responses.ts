/**
 * Plain-text responses, and the targets of requests.
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
