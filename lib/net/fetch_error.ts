/**
 * Why `fetch` failed, in words.
 *
 * @module
 */

/** Causes that are followed: a chain of causes may have a cycle. */
const MAX_CAUSES = 8;

/**
 * The innermost reason of an error that `fetch` threw, without the URL. Deno
 * says `error sending request for url (URL): REASON`; from 2.9 on, this is the
 * `cause` of an error that says only `fetch failed`.
 */
export function fetchErrorReason(error: unknown): string {
  let innermost = error;
  for (let count = 0; count < MAX_CAUSES; count++) {
    if (!(innermost instanceof Error && innermost.cause instanceof Error)) {
      break;
    }
    innermost = innermost.cause;
  }
  const message = innermost instanceof Error
    ? innermost.message
    : String(innermost);
  return message.replace(/^error sending request .*?\): /, "");
}
