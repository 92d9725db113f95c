/**
 * Why a request by `fetch` failed.
 *
 * @module
 */

/**
 * The reason of a failed `fetch`, such as `client error (Connect): tcp connect
 * error: Connection refused (os error 111)`, without the URL, which may hold a
 * password. Deno 2.9 has the reason in the cause of the error, earlier versions
 * have it in the error itself.
 */
export function fetchErrorReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause ?? error : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.replace(/^error sending request for url \(.*?\): /, "");
}
