/**
 * The files that machines boot from: `<directory>/<mac>/<path>`, else
 * `<directory>/default/<path>`, and nothing outside of the directory.
 *
 * @module
 */

import { eTag } from "@std/http/etag";
import { fileVersion } from "./file_version.ts";
import { formatMac, type Mac } from "../net/mac.ts";
import type { Validators } from "../http/conditional_request.ts";

/** A file that was found. */
export interface BootFile extends Validators {
  /** Where it really is. */
  readonly path: string;
  readonly size: number;
  /** What tells whether it is still the same. */
  readonly version: string;
  /** What firmware and browsers take it for. */
  readonly type: string;
}

const TYPES: ReadonlyMap<string, string> = new Map(Object.entries({
  efi: "application/efi",
  iso: "application/vnd.efi-iso",
  img: "application/vnd.efi-img",
  ipxe: "text/plain; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  cfg: "text/plain; charset=utf-8",
  json: "application/json",
  xml: "application/xml",
  html: "text/html; charset=utf-8",
  gz: "application/gzip",
  xz: "application/x-xz",
  zst: "application/zstd",
}));

function typeOf(path: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return TYPES.get(extension) ?? "application/octet-stream";
}

/**
 * The names in a path as a URL has it, percent escapes decoded; `undefined` if
 * it could mean anything but a file below a directory: dot segments, empty
 * names, slashes or zeros inside a name.
 */
export function pathNames(escaped: string): string[] | undefined {
  const names: string[] = [];
  for (const part of escaped.split("/")) {
    let name: string;
    try {
      name = decodeURIComponent(part);
    } catch {
      return undefined;
    }
    if (name === "" || name === "." || name === ".." || /[/\\\0]/.test(name)) {
      return undefined;
    }
    names.push(name);
  }
  return names;
}

/** A directory of netboot files. */
export class BootDirectory {
  constructor(readonly directory: string) {}

  /** The file that a machine gets for a path of a URL, if there is one. */
  async find(mac: Mac, escaped: string): Promise<BootFile | undefined> {
    const names = pathNames(escaped);
    if (names === undefined) return undefined;
    for (const folder of [formatMac(mac), "default"]) {
      const file = await this.#stat([folder, ...names].join("/"));
      if (file !== undefined) return file;
    }
    return undefined;
  }

  async #stat(relative: string): Promise<BootFile | undefined> {
    try {
      const root = await Deno.realPath(this.directory);
      const path = await Deno.realPath(`${root}/${relative}`);
      if (!path.startsWith(`${root}/`)) return undefined;
      const info = await Deno.stat(path);
      // Opening a pipe would wait for its other end.
      if (!info.isFile) return undefined;
      const version = fileVersion(info);
      return {
        path,
        size: info.size,
        version,
        etag: await eTag(version),
        modified: info.mtime ?? new Date(0),
        type: typeOf(relative),
      };
    } catch {
      return undefined;
    }
  }
}
