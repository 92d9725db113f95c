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
import {
  type PathProblem,
  type PathProblemKind,
  problemAt,
} from "../boot_files/served_roots.ts";
import type { BootRefusal, RefusalCause } from "../machines/boot_refusal.ts";
import { decoded, headResponse, textResponse } from "./responses.ts";

/** Names of EFI programs and of images that firmware boots. */
const BOOTABLE = /\.(?:efi|img|iso)$/i;

/** What browsers ask every server for, on a machine that is up as well. */
const OF_BROWSERS =
  /^\/(?:favicon\.ico|robots\.txt|apple-touch-icon[^/]*|\.well-known\/.*)$/;

/** Problems with a machine's own file that an operator does not expect. */
const SKIPPED: ReadonlySet<PathProblemKind> = new Set([
  "broken_link",
  "link_leads_out",
  "permission_denied",
  "unreadable",
]);

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
  /** Whether an address is that of a known machine. */
  readonly isMachine?: (client: string) => boolean;
  /** Called for each refused request of a boot. Must not block. */
  readonly onRefused?: (refusal: BootRefusal) => void;
}

/** Which machine's file is requested, and by which client. */
interface FileRequest {
  readonly mac: Mac;
  /** Of the request target. */
  readonly path: string;
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
      this.refuse("no_mac", path, client, protocol);
      return textResponse(
        400,
        "bad request: the path is /mac/MAC/FILE, with a MAC such as 02:00:5e:00:53:01",
      );
    }
    const asked = { mac, path, escapedPath, client, protocol };
    const problems: PathProblem[] = [];
    const file = await this.#files?.find(mac, escapedPath, problems);
    if (file === undefined) return this.#notFound(asked, problems);
    // The file for all machines replaces the machine's own, which is not served.
    const skipped = problems.find(({ kind }) => SKIPPED.has(kind));
    if (skipped !== undefined) this.#refuse(skipped.kind, asked, skipped);
    const headers = headersOf(file);
    switch (evaluateConditions(request.headers, file)) {
      case "not_modified":
        return new Response(null, { status: 304, headers });
      case "precondition_failed":
        this.#refuse("file_changed", asked);
        return textResponse(412, "precondition failed: the file has changed");
    }
    if (request.method === "HEAD") {
      headers.set("content-length", String(file.size));
      return headResponse({ headers });
    }
    const range = evaluateRange(request.headers, file.size, file);
    if (range === "unsatisfiable") {
      this.#refuse("range_not_satisfiable", asked);
      return textResponse(416, "range not satisfiable: the file is shorter", {
        "content-range": `bytes */${file.size}`,
      });
    }
    return await this.#send(file, range, headers, asked);
  }

  /**
   * Reports a request that is refused before it leads to a file. Of a client
   * that is no known machine, only paths below `/mac/` and those that machines
   * boot from are reported.
   *
   * @param path Of the request target.
   */
  refuse(
    cause: RefusalCause,
    path: string,
    client: string,
    protocol: Protocol,
  ): void {
    const macText = /^\/mac\/([^/]*)/.exec(path)?.[1];
    const isReported = macText !== undefined ||
      this.#isBootPath(decoded(path), undefined) ||
      !OF_BROWSERS.test(path) && this.#options.isMachine?.(client);
    if (!isReported) return;
    const mac = parseMac(decoded(macText ?? ""));
    this.#options.onRefused?.({ cause, protocol, client, path, mac });
  }

  #refuse(
    cause: RefusalCause,
    { mac, path, client, protocol }: FileRequest,
    problem?: Pick<PathProblem, "path" | "detail">,
  ): void {
    this.#options.onRefused?.({
      cause,
      protocol,
      client,
      path,
      mac,
      file: problem?.path,
      problem: problem?.detail,
    });
  }

  /** @param problems Of the machine's file and of that for all machines. */
  #notFound(request: FileRequest, problems: readonly PathProblem[]): Response {
    const problem = problems.find(({ kind }) => kind !== "not_found") ??
      problems[0];
    const cause = problem?.kind ??
      (this.#files === undefined ? "no_netboot_dir" : "malformed_path");
    this.#refuse(cause, request, problem);
    return textResponse(404, "not found");
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
    } catch (error) {
      return this.#notOpened(file, request, error as Error);
    }
    if (body === undefined) {
      this.#refuse("too_many_transfers", request);
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

  /** Answers when a file was found and could not be opened. */
  async #notOpened(
    { path }: BootFile,
    request: FileRequest,
    error: Error,
  ): Promise<Response> {
    const problem = await problemAt(path, error);
    const { kind } = problem;
    this.#refuse(
      kind === "not_found" ? "file_changed" : kind,
      request,
      problem,
    );
    return textResponse(404, "not found");
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
