/**
 * One request to a collector, and what its answer means (OTLP 1, OTLP/HTTP).
 *
 * @module
 */

import { readBoundedBytes } from "../../net/bounded_body.ts";
import { fetchErrorReason } from "../../net/fetch_error.ts";
import type { Fetch } from "../../net/trusting_fetch.ts";
import { MAX_OTLP_REASON, MAX_OTLP_RESPONSE } from "../../overload/limits.ts";
import { VERSION } from "../version.ts";
import { readMessage } from "./protobuf.ts";
import type { RequestBody } from "./request.ts";

/**
 * Milliseconds of the longest Retry-After obeyed. A collector that asks for a
 * day by mistake does not need the daemon's restart.
 */
export const MAX_RETRY_AFTER = 5 * 60_000;

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
    readonly status: number;
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

/** A header of a request. */
export interface Header {
  readonly name: string;
  readonly value: string;
}

/** What a request is sent with. */
export interface PostOptions {
  readonly headers?: readonly Header[];
  readonly fetch?: Fetch;
}

/** Sends a request. Never throws. */
export async function post(
  url: URL,
  { contentType, bytes }: RequestBody,
  signal: AbortSignal,
  { headers: given = [], fetch = globalThis.fetch }: PostOptions = {},
): Promise<Outcome> {
  try {
    const headers = new Headers({ "user-agent": `dhcpv6macd/${VERSION}` });
    for (const { name, value } of given) headers.set(name, value);
    headers.set("content-type", contentType);
    const response = await fetch(url, {
      method: "POST",
      body: bytes,
      headers,
      // What was meant for this collector is for no other.
      redirect: "manual",
      signal,
    });
    const answer = await answerOf(response);
    return response.ok ? delivered(answer) : notDelivered(response, answer);
  } catch (error) {
    return {
      kind: "failed",
      reason: failureText(error, signal),
      retryAfter: undefined,
    };
  }
}

function delivered({ rejected, message }: Answer): Outcome {
  return { kind: "delivered", rejected, message };
}

function notDelivered(
  { status, headers }: Response,
  { message }: Answer,
): Outcome {
  const reason = `it answers ${status}` +
    (message === "" ? "" : `, ${message}`);
  return RETRYABLE.has(status)
    ? {
      kind: "failed",
      reason,
      retryAfter: parseRetryAfter(headers.get("retry-after"), Date.now()),
    }
    : { kind: "refused", status, reason };
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

/** What an answer says. */
interface Answer {
  /** Items that were not taken. */
  readonly rejected: number;
  /** Why, or another text; may be empty. */
  readonly message: string;
}

const SILENCE: Answer = { rejected: 0, message: "" };

/** The meaning of an answer; silence if it is longer than any that has one. */
async function answerOf(response: Response): Promise<Answer> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readBoundedBytes(response, MAX_OTLP_RESPONSE);
  } catch {
    // The status has said what counts: who has taken a request need not get it
    // again because the rest of the answer is missing.
  }
  if (bytes === undefined || bytes.length === 0) return SILENCE;
  const type = response.headers.get("content-type") ?? "";
  const { rejected, message } = /^application\/(x-)?protobuf\b/i.test(type)
    ? fromProtobuf(bytes, response.ok)
    : fromText(new TextDecoder().decode(bytes), type, response.ok);
  return { rejected, message: shorten(message) };
}

/** An ExportLogsServiceResponse, one of metrics, or a google.rpc.Status. */
function fromProtobuf(bytes: Uint8Array, isSuccess: boolean): Answer {
  const message = readMessage(bytes);
  if (!isSuccess) return { rejected: 0, message: textOf(message?.get(2)) };
  const partial = message?.get(1);
  const fields = partial instanceof Uint8Array
    ? readMessage(partial)
    : undefined;
  const rejected = fields?.get(1);
  return {
    rejected: countOf(typeof rejected === "bigint" ? rejected : 0),
    message: textOf(fields?.get(2)),
  };
}

/** The same as JSON, or whatever a server answers that is no collector. */
function fromText(text: string, type: string, isSuccess: boolean): Answer {
  const value = parseJson(text);
  if (isSuccess) {
    const partial = recordOf(recordOf(value).partialSuccess);
    return {
      rejected: countOf(
        partial.rejectedLogRecords ?? partial.rejectedDataPoints ?? 0,
      ),
      message: textOf(partial.errorMessage),
    };
  }
  if (value === undefined) {
    return { rejected: 0, message: isHtml(type, text) ? titleOf(text) : text };
  }
  const { message, error, detail } = recordOf(value);
  return {
    rejected: 0,
    message: textOf(message) || textOf(error) ||
      textOf(recordOf(error).message) || textOf(detail),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isHtml(type: string, text: string): boolean {
  return /\bhtml\b/i.test(type) || /^\s*</.test(text);
}

function titleOf(html: string): string {
  return /<title>([^<]*)/i.exec(html)?.[1] ?? "";
}

function countOf(value: unknown): number {
  const count = Number(value);
  return Number.isSafeInteger(count) ? Math.max(0, count) : 0;
}

/** White space at the ends, and what exceeds the limit, is left out. */
function shorten(text: string): string {
  const trimmed = text.trim();
  return trimmed.length <= MAX_OTLP_REASON
    ? trimmed
    : `${trimmed.slice(0, MAX_OTLP_REASON)}...`;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null
    ? value as Record<string, unknown>
    : {};
}

/** A text of JSON, or of protobuf. */
function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  return typeof value === "string" ? value : "";
}

function failureText(error: unknown, signal: AbortSignal): string {
  return signal.aborted
    ? "it does not answer in time"
    : fetchErrorReason(error);
}
