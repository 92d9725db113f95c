/**
 * One request to a collector, and what its answer means (OTLP 1, OTLP/HTTP).
 *
 * @module
 */

import { readBoundedText } from "../../net/bounded_text.ts";
import { fetchErrorReason } from "../../net/fetch_error.ts";
import { MAX_OTLP_RESPONSE, MAX_RETRY_AFTER } from "../../overload/limits.ts";
import { VERSION } from "../version.ts";

/** What has become of a request. */
export type Outcome =
  | {
    readonly kind: "delivered";
    /** How many of its items the collector did not take for good. */
    readonly rejected: number;
    /** What the collector says about that, or warns of. */
    readonly message: string;
  }
  | {
    /** It would be refused again. */
    readonly kind: "refused";
    readonly reason: string;
  }
  | {
    /** It may be tried again. */
    readonly kind: "failed";
    readonly reason: string;
    /** Milliseconds that the collector wants to be left alone. */
    readonly retryAfter: number | undefined;
  };

/** The only statuses after which a request may be sent again. */
const RETRYABLE = new Set([429, 502, 503, 504]);

/** Sends a request. Never throws. */
export async function post(
  url: URL,
  body: string,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        "user-agent": `dhcpv6macd/${VERSION}`,
      },
      // What was meant for this collector is for no other.
      redirect: "manual",
      signal,
    });
    const answer = parse(await answerOf(response));
    return response.ok ? delivered(answer) : notDelivered(response, answer);
  } catch (error) {
    return {
      kind: "failed",
      reason: failureText(error, signal),
      retryAfter: undefined,
    };
  }
}

function delivered(answer: Readonly<Record<string, unknown>>): Outcome {
  const partial = recordOf(answer.partialSuccess);
  const rejected = Number(
    partial.rejectedLogRecords ?? partial.rejectedDataPoints ?? 0,
  );
  return {
    kind: "delivered",
    rejected: Number.isSafeInteger(rejected) ? Math.max(0, rejected) : 0,
    message: textOf(partial.errorMessage),
  };
}

function notDelivered(
  { status, headers }: Response,
  answer: Readonly<Record<string, unknown>>,
): Outcome {
  const message = textOf(answer.message);
  const reason = `it answers ${status}` +
    (message === "" ? "" : `, ${message}`);
  return RETRYABLE.has(status)
    ? {
      kind: "failed",
      reason,
      retryAfter: parseRetryAfter(headers.get("retry-after"), Date.now()),
    }
    : { kind: "refused", reason };
}

/**
 * Milliseconds that a Retry-After header asks for (RFC 9110 §10.2.3), but no
 * more than {@linkcode MAX_RETRY_AFTER}; `undefined` if it asks for nothing.
 *
 * @param now Milliseconds since 1970.
 */
export function parseRetryAfter(
  header: string | null,
  now: number,
): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  const milliseconds = /^\d+$/.test(text)
    ? 1000 * Number(text)
    : Date.parse(text) - now;
  return Number.isNaN(milliseconds)
    ? undefined
    : Math.min(Math.max(0, milliseconds), MAX_RETRY_AFTER);
}

/** The answer as text; nothing if it is longer than any that has a meaning. */
async function answerOf(response: Response): Promise<string> {
  try {
    return await readBoundedText(response, MAX_OTLP_RESPONSE) ?? "";
  } catch {
    // The status has said what counts: who has taken a request need not get it
    // again because the rest of the answer is missing.
    return "";
  }
}

/** What a collector that keeps to the protocol answers; others say nothing. */
function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return {};
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null
    ? value as Record<string, unknown>
    : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function failureText(error: unknown, signal: AbortSignal): string {
  return signal.aborted
    ? "it does not answer in time"
    : fetchErrorReason(error);
}
