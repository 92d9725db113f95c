/**
 * The scripts, the style and the icon of the page, in each content coding.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";

const ASSETS = new URL("../../../assets/", import.meta.url);

const SCRIPT_TYPE = "text/javascript; charset=utf-8";

const SCRIPTS: readonly string[] = [
  "page/advice.js",
  "page/boot_bar.js",
  "page/connection.js",
  "page/detail.js",
  "page/elements.js",
  "page/explanation.js",
  "page/list.js",
  "page/machines.js",
  "page/now_view.js",
  "page/page.js",
  "page/progress.js",
  "page/status.js",
  "page/view.js",
  "shared/boot_stages.js",
  "shared/boots.js",
  "shared/escape_controls.js",
  "shared/explanation.js",
  "shared/format.js",
];

/** The files by their path below `assets/`, with their media type. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["page/page.css", "text/css; charset=utf-8"],
  ["page/page.svg", "image/svg+xml"],
  ...SCRIPTS.map((name) => [name, SCRIPT_TYPE] as const),
]);

/** The bytes that are sent for a file in one content coding. */
export interface Representation {
  /** Strong: other bytes have another one. */
  readonly etag: string;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly identity: Representation;
  readonly gzip: Representation;
}

/**
 * Reads and compresses the files of the page, by their path on the server. They
 * do not change while the daemon runs.
 */
export async function readPageFiles(): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const [name, type] of TYPES) {
    const content = await Deno.readFile(new URL(name, ASSETS));
    files.set(`/${name}`, {
      type,
      identity: await representation(content),
      gzip: await representation(await compress(content)),
    });
  }
  return files;
}

async function representation(
  content: Uint8Array<ArrayBuffer>,
): Promise<Representation> {
  const hash = await crypto.subtle.digest("SHA-256", content);
  return { content, etag: `"${encodeHex(new Uint8Array(hash, 0, 12))}"` };
}

async function compress(
  content: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([content]).stream().pipeThrough(
    new CompressionStream("gzip"),
  );
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
