/**
 * The boot files of machines, by MAC.
 *
 * @module
 */

import {
  type TransferDetail,
  TransferReport,
} from "../machines/transfer_progress.ts";
import { type Mac, parseMac } from "../net/mac.ts";
import { evaluateConditions, evaluateRange } from "./conditional_request.ts";
import { Downloads } from "./download.ts";
import type { Protocol } from "./host_check.ts";
import type { BootDirectory, BootFile } from "../boot_files/directory.ts";
import { decoded, textResponse } from "./responses.ts";

/** The file whose download is a stage of a boot. */
const BOOT_FILE = "boot.efi";

/** Told how boot files go to `client`. Must not wait. */
export type OnBootFile = (
  mac: Mac,
  client: string,
  detail: TransferDetail,
) => void;

/** Serves `/mac/MAC/FILE`. */
export class BootFileHandler {
  /** The downloads that go on. */
  readonly downloads: Downloads;

  readonly #files: BootDirectory | undefined;
  readonly #onBootFile: OnBootFile;

  /** @param files `undefined`: there are no files to serve. */
  constructor(
    files: BootDirectory | undefined,
    onBootFile: OnBootFile,
    downloads: Downloads = new Downloads(),
  ) {
    this.downloads = downloads;
    this.#files = files;
    this.#onBootFile = onBootFile;
  }

  /** Answers GET or HEAD of `path`, which begins with `/mac/`. */
  async handle(
    request: Request,
    path: string,
    client: string,
    protocol: Protocol,
  ): Promise<Response> {
    const [, macText, escaped] = /^\/mac\/([^/]*)(?:\/(.*))?$/s.exec(path)!;
    const mac = parseMac(decoded(macText!));
    if (mac === undefined) {
      return textResponse(
        400,
        "the path is /mac/MAC/FILE, MAC as 02:00:5e:00:53:01",
      );
    }
    const file = await this.#files?.find(mac, escaped ?? "");
    if (file === undefined) return textResponse(404, "not found");
    return await this.#send(request, file, {
      mac,
      client,
      protocol,
      isBootFile: escaped === BOOT_FILE,
    });
  }

  async #send(
    request: Request,
    file: BootFile,
    { mac, client, protocol, isBootFile }: {
      mac: Mac;
      client: string;
      protocol: Protocol;
      isBootFile: boolean;
    },
  ): Promise<Response> {
    const headers = new Headers({
      "accept-ranges": "bytes",
      "content-type": file.type,
      etag: file.etag,
      "last-modified": file.modified.toUTCString(),
      // Compressed on the way it would have no Content-Length, which firmware
      // needs, and no strong tag, by which it resumes.
      "cache-control": "no-transform",
      "x-content-type-options": "nosniff",
    });
    switch (evaluateConditions(request.headers, file)) {
      case "not_modified":
        return new Response(null, { status: 304, headers });
      case "precondition_failed":
        return textResponse(412, "the file is another one by now");
    }
    if (request.method === "HEAD") {
      headers.set("content-length", String(file.size));
      return new Response(null, { headers });
    }
    const range = evaluateRange(request.headers, file.size, file);
    if (range === "unsatisfiable") {
      return textResponse(416, "the file is shorter", {
        "content-range": `bytes */${file.size}`,
      });
    }
    const { start, end } = range ?? { start: 0, end: file.size };
    if (range !== undefined) {
      headers.set("content-range", `bytes ${start}-${end - 1}/${file.size}`);
    }
    headers.set("content-length", String(end - start));
    const report = isBootFile && start === 0
      ? new TransferReport({
        protocol,
        file_name: BOOT_FILE,
        total_bytes: file.size,
      }, (detail) => this.#onBootFile(mac, client, detail))
      : undefined;
    let body: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
    try {
      body = await this.downloads.open(
        file,
        { start, end },
        client,
        report,
      );
    } catch {
      return textResponse(404, "not found");
    }
    if (body === undefined) {
      return textResponse(503, "too many downloads at once", {
        "retry-after": "10",
      });
    }
    report?.sending(0);
    return new Response(body, {
      status: range === undefined ? 200 : 206,
      headers,
    });
  }
}
