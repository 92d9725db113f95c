/**
 * Preconditions and ranges of a request for a file (RFC 9110 §13 and §14).
 *
 * @module
 */

import { ifMatch, ifNoneMatch } from "@std/http/etag";

/**
 * Characters read of an If-Match or If-None-Match header. Browsers and firmware
 * send one tag. Parsing takes time quadratic in the blanks between tags.
 */
const MAX_CONDITION = 1024;

/** What a file is compared by. */
export interface Validators {
  /** A strong tag, in quotes. */
  readonly etag: string;
  /** When it was changed; HTTP knows whole seconds only. */
  readonly modified: Date;
}

/** What the preconditions of a request leave to be done. */
export type Verdict = "proceed" | "not_modified" | "precondition_failed";

/** The forms of a date (RFC 9110 §5.6.7): today's, and two that are obsolete. */
const DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
];
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** A date header in seconds; `undefined` if it is none. */
function secondsOf(value: string | null): number | undefined {
  if (value === null) return undefined;
  const isDate = DATES.some((form) => form.test(value));
  // The runtime reads nearly anything as some date, asctime in local time.
  const time = isDate
    ? Date.parse(value)
    : ASCTIME.test(value)
    ? Date.parse(`${value} GMT`)
    : NaN;
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}

/**
 * Whether an If-None-Match says that the client has what a tag stands for. One
 * that is too long to be read says nothing.
 */
export function hasAlready(noneMatch: string, etag: string): boolean {
  return noneMatch.length <= MAX_CONDITION && !ifNoneMatch(noneMatch, etag);
}

/** Evaluates the preconditions, in the order of RFC 9110 §13.2.2. */
export function evaluateConditions(
  headers: Headers,
  { etag, modified }: Validators,
): Verdict {
  const changed = Math.floor(modified.getTime() / 1000);
  const match = headers.get("if-match");
  const unmodifiedSince = secondsOf(headers.get("if-unmodified-since"));
  if (match !== null) {
    if (match.length > MAX_CONDITION || !ifMatch(match, etag)) {
      return "precondition_failed";
    }
  } else if (unmodifiedSince !== undefined && changed > unmodifiedSince) {
    return "precondition_failed";
  }
  const noneMatch = headers.get("if-none-match");
  const modifiedSince = secondsOf(headers.get("if-modified-since"));
  if (noneMatch !== null) {
    if (hasAlready(noneMatch, etag)) return "not_modified";
  } else if (modifiedSince !== undefined && changed <= modifiedSince) {
    return "not_modified";
  }
  return "proceed";
}

/** Octets from `start` up to, but not with, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The one range that a GET asks for of `size` octets; `undefined` for the whole
 * file: no range, several, a unit other than bytes, a header that is none, or an
 * If-Range that does not hold. `unsatisfiable` if it begins behind the end.
 */
export function evaluateRange(
  headers: Headers,
  size: number,
  validators: Validators,
): ByteRange | undefined | "unsatisfiable" {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(headers.get("range") ?? "");
  if (match === null || !ifRangeHolds(headers, validators)) return undefined;
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "") {
    if (last === "") return undefined;
    const suffix = Number(last);
    if (suffix === 0 || size === 0) return "unsatisfiable";
    return { start: Math.max(0, size - suffix), end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return {
    start,
    end: last === "" ? size : Math.min(size, Number(last) + 1),
  };
}

/** RFC 9110 §13.1.5: the same tag, or exactly the same date. */
function ifRangeHolds(
  headers: Headers,
  { etag, modified }: Validators,
): boolean {
  const value = headers.get("if-range");
  if (value === null) return true;
  if (value.startsWith('"')) return value === etag;
  return secondsOf(value) === Math.floor(modified.getTime() / 1000);
}
