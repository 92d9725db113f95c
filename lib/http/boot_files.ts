/**
 * Serves the boot files of machines, by MAC.
 *
 * @module
 */

import {
  type ReportedTransfer,
  type TransferDetail,
  TransferReport,
} from "../machines/transfer_progress.ts";
import { formatMac, type Mac, NO_MAC, parseMac } from "../net/mac.ts";
import {
  type ByteRange,
  evaluateConditions,
  evaluateRange,
} from "./conditional_request.ts";
import { SourceResponse } from "./body_source.ts";
import { Downloads } from "./download.ts";
import type { Protocol } from "./host_check.ts";
import {
  type BootDirectory,
  type BootFile,
  isBootable,
  urlPathNames,
} from "../boot_files/directory.ts";
import { mainProblem, type PathProblem } from "../boot_files/served_roots.ts";
import { BOOT_SCRIPT_NAME } from "../boot_files/boot_script.ts";
import type { BootScriptOf } from "../boot_files/tftp_files.ts";
import { FileStalledError } from "../files/operation_places.ts";
import type { BootRefusal, RefusalCause } from "../machines/boot_refusal.ts";
import { decoded, headResponse, textResponse } from "./responses.ts";

/** What browsers ask every server for, on a machine that is up as well. */
const OF_BROWSERS =
  /^\/(?:favicon\.ico|robots\.txt|apple-touch-icon[^/]*|\.well-known\/.*)$/;

/** Called with the progress of a download that boots. Must not block. */
export type OnBootFile = (
  mac: Mac,
  client: string,
  detail: TransferDetail,
  transfer: ReportedTransfer,
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
  /** The MAC that an address tells, or `NO_MAC`. */
  readonly macOf?: (client: string) => Mac;
  /** The script that a machine's iPXE loads; `undefined` if there is none. */
  readonly scriptOf?: BootScriptOf;
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

/** Serves `/mac/MAC/FILE`, and `/FILE` at the address of a machine. */
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
    return await this.#serve(request, {
      mac,
      path,
      escapedPath,
      client,
      protocol,
    });
  }

  /**
   * Answers GET or HEAD of a path without a MAC, if the client's address tells
   * one: a boot loader asks so for what lies beside it.
   */
  async handleOwn(
    request: Request,
    path: string,
    client: string,
    protocol: Protocol,
  ): Promise<Response | undefined> {
    const mac = this.#options.macOf?.(client) ?? NO_MAC;
    if (mac === NO_MAC) return undefined;
    const escapedPath = path.slice(1);
    return await this.#serve(request, {
      mac,
      path,
      escapedPath,
      client,
      protocol,
    });
  }

  async #serve(request: Request, asked: FileRequest): Promise<Response> {
    const place = this.downloads.reserve(asked.client);
    if (place === undefined) return this.#tooMany(asked);
    let response: Response | undefined;
    try {
      response = await this.#serveAt(place, request, asked);
      return response;
    } finally {
      // The body of a file gives it up at its end.
      if (!(response instanceof SourceResponse)) place[Symbol.dispose]();
    }
  }

  async #serveAt(
    place: Disposable,
    request: Request,
    asked: FileRequest,
  ): Promise<Response> {
    const problems: PathProblem[] = [];
    let file: BootFile | undefined;
    try {
      file = await this.#find(asked, problems);
    } catch (error) {
      return this.#unavailable(asked, error as Error);
    }
    if (file === undefined) {
      return this.#script(request, asked, problems) ??
        this.#notFound(asked, problems);
    }
    const headers = headersOf(file);
    const range = evaluateRange(request.headers, file.size, file);
    const answer = this.#withoutBody(request, file, range, headers, asked);
    if (answer === undefined) {
      return await this.#send(file, range as ByteRange, place, headers, asked);
    }
    file.handle.close();
    return answer;
  }

  /** The script for iPXE, if that is requested and the machine has no such file. */
  #script(
    { method }: Request,
    { mac, escapedPath }: FileRequest,
    problems: readonly PathProblem[],
  ): Response | undefined {
    if (
      escapedPath !== BOOT_SCRIPT_NAME ||
      problems.some(({ kind }) => kind !== "not_found")
    ) return undefined;
    const script = this.#options.scriptOf?.(mac);
    if (script === undefined) return undefined;
    const headers = new Headers({
      "cache-control": "no-store",
      "content-length": String(script.length),
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
    });
    return method === "HEAD"
      ? headResponse({ headers })
      : new Response(script as Uint8Array<ArrayBuffer>, { headers });
  }

  /** Opens the file of a request; `undefined` if it is not served. */
  async #find(
    { mac, path, escapedPath, client }: FileRequest,
    problems: PathProblem[],
  ): Promise<BootFile | undefined> {
    const names = urlPathNames(escapedPath);
    return await this.#files?.open(client, path, mac, names, problems);
  }

  /** The response to a request that gets no part of the file. */
  #withoutBody(
    { method, headers: conditions }: Request,
    file: BootFile,
    range: ReturnType<typeof evaluateRange>,
    headers: Headers,
    asked: FileRequest,
  ): Response | undefined {
    switch (evaluateConditions(conditions, file)) {
      case "not_modified":
        return new Response(null, { status: 304, headers });
      case "precondition_failed":
        this.#refuse("file_changed", asked);
        return textResponse(412, "precondition failed: the file has changed");
    }
    if (method === "HEAD") {
      headers.set("content-length", String(file.size));
      return headResponse({ headers });
    }
    if (range !== "unsatisfiable") return undefined;
    this.#refuse("range_not_satisfiable", asked);
    return textResponse(416, "range not satisfiable: the file is shorter", {
      "content-range": `bytes */${file.size}`,
    });
  }

  /** Answers when a file cannot be opened now, for no fault of its own. */
  #unavailable(request: FileRequest, error: Error): Response {
    const isStalled = error instanceof FileStalledError;
    this.#refuse(isStalled ? "stalled" : "too_many_transfers", request, {
      path: this.#files!.directory,
      detail: error.message,
    });
    return textResponse(
      503,
      isStalled
        ? "service unavailable: the file system does not answer"
        : "service unavailable: too many open files",
      { "retry-after": "10" },
    );
  }

  #tooMany(request: FileRequest): Response {
    this.#refuse("too_many_transfers", request);
    return textResponse(
      503,
      "service unavailable: too many downloads in progress",
      { "retry-after": "10" },
    );
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
    if (!this.#isReported(path, client)) return;
    const macText = /^\/mac\/([^/]*)/.exec(path)?.[1] ?? "";
    const mac = parseMac(decoded(macText));
    this.#options.onRefused?.({ cause, protocol, client, path, mac });
  }

  /** Whether a refused request may be that of a machine that boots. */
  #isReported(path: string, client: string): boolean {
    return path.startsWith("/mac/") ||
      this.#isBootPath(decoded(path), undefined) ||
      !OF_BROWSERS.test(path) && (this.#options.isMachine?.(client) ?? false);
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
    const problem = mainProblem(problems);
    const cause = problem?.kind ??
      (this.#files === undefined ? "no_netboot_dir" : "malformed_path");
    if (this.#isReported(request.path, request.client)) {
      this.#refuse(cause, request, problem);
    }
    return textResponse(404, "not found");
  }

  /** Whether a machine boots from a path, with percent escapes decoded. */
  #isBootPath(path: string, mac: Mac | undefined): boolean {
    return isBootable(path) ||
      (this.#options.isBootPath?.(path, mac) ?? false);
  }

  /** Sends a file, or the range of it. */
  async #send(
    file: BootFile,
    range: ByteRange | undefined,
    place: Disposable,
    headers: Headers,
    request: FileRequest,
  ): Promise<Response> {
    const { start, end } = range ?? { start: 0, end: file.size };
    // What begins later and ends with the file goes on with a download that was
    // broken off.
    const report = start === 0 || end === file.size
      ? this.#reportFor(file, start, request)
      : undefined;
    const body = await this.downloads.body(
      file,
      { start, end },
      place,
      request,
      report,
    );
    report?.sending(0);
    headers.set("content-length", String(end - start));
    if (range === undefined) {
      return new SourceResponse(body, { headers });
    }
    headers.set("content-range", `bytes ${start}-${end - 1}/${file.size}`);
    return new SourceResponse(body, { status: 206, headers });
  }

  /** Reports the progress of a download; `undefined` if it is no boot stage. */
  #reportFor(
    file: BootFile,
    start: number,
    { mac, path, escapedPath, client, protocol }: FileRequest,
  ): TransferReport | undefined {
    const name = urlPathNames(escapedPath)!.join("/");
    const paths = [`/mac/${formatMac(mac)}/${name}`, decoded(path)];
    if (!paths.some((one) => this.#isBootPath(one, mac))) return undefined;
    return new TransferReport(
      { protocol, file_name: name, total_bytes: file.size },
      (detail, transfer) => this.#onBootFile(mac, client, detail, transfer),
      start,
    );
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
