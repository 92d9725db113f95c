/**
 * The files of the page, as they are sent.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";

const DIRECTORY = new URL("../../../assets/page/", import.meta.url);

const SCRIPT_TYPE = "text/javascript; charset=utf-8";

const SCRIPTS: readonly string[] = [
  "connection.js",
  "detail.js",
  "elements.js",
  "list.js",
  "machines.js",
  "page.js",
  "timeline.js",
];

/** The files by their path, with their media type. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["page.css", "text/css; charset=utf-8"],
  ["page.svg", "image/svg+xml"],
  ...SCRIPTS.map((name) => [name, SCRIPT_TYPE] as const),
]);

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  /** Strong: another content has another one. */
  readonly etag: string;
  readonly content: string;
  /** Octets of the content. */
  readonly size: number;
}

/**
 * Reads the files of the page, by their path on the server. They are small, and
 * do not change while the daemon runs.
 */
export async function readPageFiles(): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const [name, type] of TYPES) {
    const source = await Deno.readTextFile(new URL(name, DIRECTORY));
    const content = withoutComments(source);
    const bytes = new TextEncoder().encode(content);
    const hash = await crypto.subtle.digest("SHA-256", bytes);
    const etag = `"${encodeHex(new Uint8Array(hash, 0, 12))}"`;
    files.set(`/page/${name}`, {
      type,
      etag,
      content,
      size: bytes.length,
    });
  }
  return files;
}

/**
 * Source without indentation and without the comments that have lines of their
 * own: phones need not load what only its authors read.
 */
export function withoutComments(source: string): string {
  return source.replace(/^\s*(?:\/\*(?:[^*]|\*(?!\/))*\*\/|\/\/.*)$/gm, "")
    .replace(/\n\s*/g, "\n").trimStart();
}
