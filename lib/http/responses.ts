/**
 * Small answers, and what requests say of themselves.
 *
 * @module
 */

/** A status and a sentence that tells why. */
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

/** The parts of a request's target as it was sent. */
export interface Target {
  /** Whom the request is meant for, as far as it says. */
  readonly authority: string;
  readonly path: string;
  /** What comes behind the question mark. */
  readonly query: string;
}

/**
 * A request's target as it was sent: the URL parser would resolve dot segments,
 * and refuses what some clients send as Host. `undefined` if there is no path.
 */
export function targetOf(url: string): Target | undefined {
  const match = /^https?:\/\/([^/?#]*)(\/[^?#]*)(?:\?([^#]*))?/s.exec(url);
  return match === null ? undefined : {
    authority: match[1]!,
    path: match[2]!,
    query: match[3] ?? "",
  };
}

/** Text without its percent signs, or as it is if they make no sense. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
