/**
 * Fetches the names that an operator gave to machines from a daemon.
 *
 * @module
 */

import { readBoundedText } from "../net/bounded_body.ts";
import type { Fetch } from "../net/trusting_fetch.ts";
import { MAX_NAMES_BYTES } from "../overload/limits.ts";

/** Milliseconds for the response: events are shown without names after that. */
const RESPONSE_TIMEOUT = 2000;

/** Names by MAC; `undefined` if they cannot be fetched. */
export async function fetchNames(
  url: URL,
  signal: AbortSignal,
  fetch: Fetch = globalThis.fetch,
): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(RESPONSE_TIMEOUT)]),
    });
    const text = await readBoundedText(response, MAX_NAMES_BYTES);
    return response.ok && text !== undefined ? namesOf(text) : undefined;
  } catch {
    // The subscription reports an unreachable daemon; lines do not need names.
    return undefined;
  }
}

function namesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(JSON.parse(text) as Record<string, unknown>).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}
