/**
 * Serves the boot files of machines, by MAC.
 *
 * @module
 */

import {
  type TransferDetail,
  TransferReport,
} from "../machines/transfer_progress.ts";
import { formatMac, type Mac, parseMac } from "../net/mac.ts";
import {
  type ByteRange,
  evaluateConditions,
  evaluateRange,
} from "./conditional_request.ts";
import { Downloads } from "./download.ts";
import type { Protocol } from "./host_check.ts";
import {
  type BootDirectory,
  type BootFile,
  pathNames,
} from "../boot_files/directory.ts";
import { decoded, headResponse, textResponse } from "./responses.ts";

/** Names of EFI programs and of images that firmware boots. */
const BOOTABLE = /\.(?:efi|img|iso)$/i;

/** Called with the progress of a download that boots. Must not block. */
export type OnBootFile = (
  mac: Mac,
  client: string,
  detail: TransferDetail,
) => void;

/** What a {@linkcode BootFileHandler} works with besides the files. */
export interface BootFileHandlerOptions {
  /**
   * Whether boot instructions lead to a path, with percent escapes decoded.
   *
   * @param mac The machine's MAC; `undefined`: of any machine.
   */
  readonly isBootPath?: (path: string, mac: Mac | undefined) => boolean;
}

/** Which machine's file is requested, and by which client. */
interface FileRequest {
  readonly mac: Mac;
  /** The path below the machine's directory, percent-encoded. */
  readonly escapedPath: string;
  /** The client's address. */
  readonly client: string;
  readonly protocol: Protocol;
}

/** Serves `/mac/MAC/FILE`. */
export class BootFileHandler {
  /** The downloads in progress. */
  readonly downloads: Downloads;

  readonly #files: BootDirectory | undefined;
  readonly #onBootFile: OnBootFile;
  readonly #options: BootFileHandlerOptions;

  /** @param files `undefined`: every file is not found. */
  constructor(
    files: BootDirectory | undefined,
    onBootFile: OnBootFile,
    downloads: Downloads = new Downloads(),
    options: BootFileHandlerOptions = {},
  ) {
    this.downloads = downloads;
    this.#files = files;
    this.#onBootFile = onBootFile;
    this.#options = options;
  }

  /**
   * Answers GET or HEAD.
   *
   * @param path Of the request target; begins with `/mac/`.
   */
  async handle(
    request: Request,
    path: string,
    client: string,
    protocol: Protocol,
  ): Promise<Response> {
    const [, macText, escapedPath = ""] = /^\/mac\/([^/]*)(?:\/(.*))?$/s
      .exec(path)!;
    const mac = parseMac(decoded(macText!));
    if (mac === undefined) {
      return textResponse(
        400,
        "bad request: the path is /mac/MAC/FILE, with a MAC such as 02:00:5e:00:53:01",
      );
    }
    const file = await this.#files?.find(mac, escapedPath);
    if (file === undefined) return textResponse(404, "not found");
    const headers = headersOf(file);
    switch (evaluateConditions(request.headers, file)) {
      case "not_modified":
        return new Response(null, { status: 304, headers });
      case "precondition_failed":
        return textResponse(412, "precondition failed: the file has changed");
    }
    if (request.method === "HEAD") {
      headers.set("content-length", String(file.size));
      return headResponse({ headers });
    }
    const range = evaluateRange(request.headers, file.size, file);
    if (range === "unsatisfiable") {
      return textResponse(416, "range not satisfiable: the file is shorter", {
        "content-range": `bytes */${file.size}`,
      });
    }
    return await this.#send(file, range, headers, {
      mac,
      escapedPath,
      client,
      protocol,
    });
  }

  /** Whether a machine boots from a path, with percent escapes decoded. */
  #isBootPath(path: string, mac: Mac | undefined): boolean {
    return BOOTABLE.test(path) ||
      (this.#options.isBootPath?.(path, mac) ?? false);
  }

  /** Sends a file, or the range of it. */
  async #send(
    file: BootFile,
    range: ByteRange | undefined,
    headers: Headers,
    request: FileRequest,
  ): Promise<Response> {
    const { start, end } = range ?? { start: 0, end: file.size };
    const report = start === 0 ? this.#reportFor(file, request) : undefined;
    let body: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
    try {
      body = await this.downloads.open(
        file,
        { start, end },
        request.client,
        report,
      );
    } catch {
      return textResponse(404, "not found");
    }
    if (body === undefined) {
      return textResponse(
        503,
        "service unavailable: too many downloads in progress",
        { "retry-after": "10" },
      );
    }
    report?.sending(0);
    headers.set("content-length", String(end - start));
    if (range === undefined) return new Response(body, { headers });
    headers.set("content-range", `bytes ${start}-${end - 1}/${file.size}`);
    return new Response(body, { status: 206, headers });
  }

  /** Reports the progress of a download; `undefined` if it is no boot stage. */
  #reportFor(
    file: BootFile,
    { mac, escapedPath, client, protocol }: FileRequest,
  ): TransferReport | undefined {
    const name = pathNames(escapedPath)!.join("/");
    if (!this.#isBootPath(`/mac/${formatMac(mac)}/${name}`, mac)) {
      return undefined;
    }
    return new TransferReport({
      protocol,
      file_name: name,
      total_bytes: file.size,
    }, (detail) => this.#onBootFile(mac, client, detail));
  }
}

function headersOf(file: BootFile): Headers {
  return new Headers({
    "accept-ranges": "bytes",
    "content-type": file.type,
    etag: file.etag,
    ...file.modified && { "last-modified": file.modified.toUTCString() },
    // A proxy that compresses the body removes Content-Length, which firmware
    // needs, and weakens the ETag, by which firmware resumes a download.
    "cache-control": "no-transform",
    "x-content-type-options": "nosniff",
  });
}
