/**
 * What is answered to an HTTP request.
 *
 * @module
 */

import {
  type TransferDetail,
  TransferReport,
} from "../machines/transfer_detail.ts";
import { type Mac, parseMac } from "../net/mac.ts";
import { evaluateConditions, evaluateRange } from "./conditions.ts";
import { Downloads } from "./download.ts";
import type { NetbootFile, NetbootFiles } from "./netboot_files.ts";

/** The file whose download is a stage of a boot. */
const BOOT_FILE = "boot.efi";

/** What a handler works with. */
export interface HandlerOptions {
  /** `undefined`: there are no files to serve. */
  readonly files: NetbootFiles | undefined;
  /** Whether an address is answered at all. */
  readonly allows: (hostname: string) => boolean;
  /** Told how boot files go to `client`. Must not wait. */
  readonly onBootFile: (
    mac: Mac,
    client: string,
    detail: TransferDetail,
  ) => void;
}

/** Answers HTTP requests. */
export class Handler {
  /** The downloads that go on. */
  readonly downloads: Downloads = new Downloads();

  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Answers one request from `client`. */
  async handle(
    request: Request,
    client: string,
    protocol: "http" | "https",
  ): Promise<Response> {
    if (!this.#options.allows(client)) {
      return sentence(403, "this address is not served");
    }
    const path = pathOf(request.url);
    if (path === undefined) return sentence(400, "no path");
    if (path.startsWith("/mac/")) {
      return await this.#netboot(request, path, client, protocol);
    }
    return sentence(404, "not found");
  }

  async #netboot(
    request: Request,
    path: string,
    client: string,
    protocol: "http" | "https",
  ): Promise<Response> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return sentence(405, "only GET and HEAD", { allow: "GET, HEAD" });
    }
    const [, macText, escaped] = /^\/mac\/([^/]*)(?:\/(.*))?$/s.exec(path)!;
    const mac = parseMac(decoded(macText!));
    if (mac === undefined) {
      return sentence(
        400,
        "the path is /mac/MAC/FILE, MAC as 02:00:5e:00:53:01",
      );
    }
    const file = await this.#options.files?.find(mac, escaped ?? "");
    if (file === undefined) return sentence(404, "not found");
    return await this.#send(request, file, {
      mac,
      client,
      protocol,
      isBootFile: escaped === BOOT_FILE,
    });
  }

  async #send(
    request: Request,
    file: NetbootFile,
    { mac, client, protocol, isBootFile }: {
      mac: Mac;
      client: string;
      protocol: "http" | "https";
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
        return sentence(412, "the file is another one by now");
    }
    if (request.method === "HEAD") {
      headers.set("content-length", String(file.size));
      return new Response(null, { headers });
    }
    const range = evaluateRange(request.headers, file.size, file);
    if (range === "unsatisfiable") {
      return sentence(416, "the file is shorter", {
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
      }, (detail) => this.#options.onBootFile(mac, client, detail))
      : undefined;
    let body: ReadableStream<Uint8Array<ArrayBuffer>>;
    try {
      body = await this.downloads.open(file, { start, end }, report);
    } catch {
      return sentence(404, "not found");
    }
    report?.sending(0);
    return new Response(body, {
      status: range === undefined ? 200 : 206,
      headers,
    });
  }
}

/**
 * The path of a request's target as it was sent: the URL parser would resolve
 * dot segments, and refuses what some clients send as Host.
 */
function pathOf(url: string): string | undefined {
  return /^https?:\/\/[^/]*(\/[^?#]*)/s.exec(url)?.[1];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function sentence(
  status: number,
  text: string,
  headers: Record<string, string> = {},
): Response {
  const body = `${text}\n`;
  return new Response(body, {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(body.length),
      ...headers,
    },
  });
}
