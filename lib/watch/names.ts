/**
 * The names that an operator gave to machines, as a daemon tells them.
 *
 * @module
 */

import { readBoundedText } from "../net/bounded_body.ts";
import { MAX_NAMES_BYTES } from "../overload/limits.ts";

/** Milliseconds that an answer gets, names being no reason to wait. */
const ANSWER = 2000;

/** Names by MAC; `undefined` when the daemon does not tell. */
export async function fetchNames(
  url: URL,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER)]),
    });
    const text = await readBoundedText(response, MAX_NAMES_BYTES);
    return response.ok && text !== undefined ? namesOf(text) : undefined;
  } catch {
    // Lines are as true without a name, and the stream says what is wrong.
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
