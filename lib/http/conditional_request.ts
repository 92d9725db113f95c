/**
 * Preconditions and ranges of a request for a file (RFC 9110 §13 and §14).
 *
 * @module
 */

import { ifMatch, ifNoneMatch } from "@std/http/etag";

/** What preconditions compare. */
export interface Validators {
  /** A strong entity tag, in quotes. */
  readonly etag: string;
  /**
   * The time of the last change; `undefined` if it is not known: dates are
   * ignored then (RFC 9110 §13.1.3 and §13.1.4). HTTP dates have whole seconds
   * only.
   */
  readonly modified: Date | undefined;
}

/** The result of the preconditions of a request. */
export type Verdict = "proceed" | "not_modified" | "precondition_failed";

/** IMF-fixdate and the obsolete RFC 850 format (RFC 9110 §5.6.7). */
const DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
];
/** The obsolete asctime format. */
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** An HTTP date in seconds since 1970; `undefined` if it is malformed. */
function secondsOf(value: string | null): number | undefined {
  if (value === null) return undefined;
  const isDate = DATES.some((form) => form.test(value));
  // Date.parse accepts many other formats, and reads asctime in local time.
  const time = isDate
    ? Date.parse(value)
    : ASCTIME.test(value)
    ? Date.parse(`${value} GMT`)
    : NaN;
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}

function secondsAt(time: Date | undefined): number | undefined {
  return time && Math.floor(time.getTime() / 1000);
}

/**
 * A list of entity tags without blanks. Parsing one with blanks takes time
 * quadratic in their number; a tag has none (RFC 9110 §8.8.3).
 */
function withoutBlanks(tags: string): string {
  const list = tags.split(",").map((tag) => tag.trim())
    .filter((tag) => !/\s/.test(tag)).join(",");
  // An asterisk stands for any tag only by itself (RFC 9110 §13.1.2).
  return list === "*" && tags.trim() !== "*" ? "*," : list;
}

/** Whether an If-None-Match header has a tag, by weak comparison. */
export function hasAlready(noneMatch: string, etag: string): boolean {
  return !ifNoneMatch(withoutBlanks(noneMatch), etag);
}

/** Evaluates the preconditions, in the order of RFC 9110 §13.2.2. */
export function evaluateConditions(
  headers: Headers,
  { etag, modified }: Validators,
): Verdict {
  const changed = secondsAt(modified);
  const match = headers.get("if-match");
  const unmodifiedSince = secondsOf(headers.get("if-unmodified-since"));
  if (match !== null) {
    if (!ifMatch(withoutBlanks(match), etag)) return "precondition_failed";
  } else if (changed !== undefined && changed > (unmodifiedSince ?? Infinity)) {
    return "precondition_failed";
  }
  const noneMatch = headers.get("if-none-match");
  const modifiedSince = secondsOf(headers.get("if-modified-since"));
  if (noneMatch !== null) {
    if (hasAlready(noneMatch, etag)) return "not_modified";
  } else if (changed !== undefined && changed <= (modifiedSince ?? -Infinity)) {
    return "not_modified";
  }
  return "proceed";
}

/** The bytes from `start` to `end`, without `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The range of a GET request (RFC 9110 §14.2).
 *
 * @param size Of the file, in bytes.
 * @returns `undefined` for the whole file: there is no Range header, it is
 * malformed, has several ranges or another unit than bytes, or If-Range does not
 * match. `unsatisfiable` if the range begins after the end of the file.
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
    if (suffix === 0) return "unsatisfiable";
    // All of an empty file, which is no range of bytes.
    if (size === 0) return undefined;
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

/** Whether If-Range has the same tag or the same date (RFC 9110 §13.1.5). */
function ifRangeHolds(
  headers: Headers,
  { etag, modified }: Validators,
): boolean {
  const value = headers.get("if-range");
  if (value === null) return true;
  if (value.startsWith('"')) return value === etag;
  return modified !== undefined && secondsOf(value) === secondsAt(modified);
}
