/**
 * `@std/http/etag` for strings, on the runtime's own digest.
 *
 * @module
 */

import { encodeBase64 } from "../encoding/base64.ts";

/** Characters of the digest that a tag keeps. */
const DIGEST_CHARACTERS = 27;

/**
 * The strong tag (RFC 9110 §8.8.3) of a text: its length in bytes of UTF-8, and
 * the first characters of its SHA-256 in base64.
 */
export async function eTag(entity: string): Promise<string> {
  const bytes = new TextEncoder().encode(entity);
  const digest = encodeBase64(await crypto.subtle.digest("SHA-256", bytes));
  return `"${bytes.length.toString(16)}-${digest.slice(0, DIGEST_CHARACTERS)}"`;
}

function tagsOf(value: string): string[] {
  return value.split(",").map((tag) => tag.trim());
}

function isAny(value: string): boolean {
  return /^\s*\*\s*$/.test(value);
}

/**
 * Whether the condition of an If-Match header holds (RFC 9110 §13.1.1); a weak
 * tag, no tag or no header do not match.
 */
export function ifMatch(
  value: string | null,
  etag: string | undefined,
): boolean {
  if (!value || !etag || etag.startsWith("W/")) return false;
  return isAny(value) || tagsOf(value).includes(etag);
}

/**
 * Whether the condition of an If-None-Match header holds (RFC 9110 §13.1.2):
 * none of its tags is this one, weak or not.
 */
export function ifNoneMatch(
  value: string | null,
  etag: string | undefined,
): boolean {
  if (!value || !etag) return true;
  if (isAny(value)) return false;
  const weak = (tag: string) => tag.replace(/^W\//, "");
  return !tagsOf(value).map(weak).includes(weak(etag));
}
