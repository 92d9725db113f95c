/**
 * Responses for the page, the plain table and the files of the page.
 *
 * @module
 */

import type { MachineWriter } from "../../machines/json.ts";
import type { Names } from "../../machines/names_file.ts";
import type { MachineRegistry } from "../../machines/registry.ts";
import type { CooperativeScheduler } from "../../overload/scheduler.ts";
import { hasAlready } from "../conditional_request.ts";
import { SourceResponse } from "../body_source.ts";
import { slicedBody } from "../sliced_body.ts";
import { acceptsGzip } from "./content_coding.ts";
import { type PageFile, readPageFiles } from "./files.ts";
import { CONTENT_SECURITY_POLICY } from "./html.ts";
import { pageHtml } from "./page.ts";
import { machineRow, plainHead, plainTail } from "./plain.ts";

/** What the pages show. */
export interface WebUiOptions {
  readonly registry: MachineRegistry;
  readonly writer: MachineWriter;
  readonly names: Names;
  /** Writes the plain table in slices. */
  readonly scheduler: CooperativeScheduler;
  readonly interfaceName: string;
  readonly baseAddress: string;
}

const HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const HTML_HEADERS = {
  ...HEADERS,
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "cache-control": "no-store, no-transform",
};

/** Responds to requests for the pages and their files. */
export class WebUi {
  readonly #options: WebUiOptions;
  #files: Promise<Map<string, PageFile>> | undefined;

  constructor(options: WebUiOptions) {
    this.#options = options;
  }

  /** The response to GET; `undefined` if the path is unknown. */
  async respond(
    path: string,
    headers: Headers,
  ): Promise<Response | undefined> {
    if (path === "/") return this.#page();
    if (path === "/plain") return this.#plainTable();
    const file = (await this.#pageFiles()).get(path);
    return file && this.#file(file, headers);
  }

  /** Whether {@linkcode respond} has a response for a path. */
  async has(path: string): Promise<boolean> {
    return path === "/" || path === "/plain" ||
      (await this.#pageFiles()).has(path);
  }

  #pageFiles(): Promise<Map<string, PageFile>> {
    return this.#files ??= readPageFiles();
  }

  #file(file: PageFile, headers: Headers): Response {
    const isCompressed = acceptsGzip(headers.get("accept-encoding"));
    const { etag, content } = isCompressed ? file.gzip : file.identity;
    const validators = {
      ...HEADERS,
      etag,
      // Another daemon may have this address the next time. The runtime must not
      // compress what it sends: the tag is that of the bytes.
      "cache-control": "no-cache, no-transform",
      "vary": "accept-encoding",
    };
    const known = headers.get("if-none-match");
    if (known !== null && hasAlready(known, etag)) {
      return new Response(null, { status: 304, headers: validators });
    }
    return new Response(content, {
      headers: {
        ...validators,
        ...isCompressed && { "content-encoding": "gzip" },
        "content-type": file.type,
        "content-length": String(content.length),
      },
    });
  }

  #page(): Response {
    const content = new TextEncoder().encode(pageHtml(this.#options));
    return new Response(content, {
      headers: { ...HTML_HEADERS, "content-length": String(content.length) },
    });
  }

  #plainTable(): Response {
    const body = slicedBody(this.#plainPieces(), this.#options.scheduler);
    return new SourceResponse(body, { headers: HTML_HEADERS });
  }

  *#plainPieces(): Generator<string> {
    const { registry, writer, names, interfaceName, baseAddress } =
      this.#options;
    // Machines come, go and change places between two slices.
    const macs = Array.from(registry, ({ mac }) => mac);
    const machineCount = macs.length;
    yield plainHead({
      interfaceName,
      baseAddress,
      machineCount,
      now: Date.now(),
    });
    for (const mac of macs) {
      const machine = registry.get(mac);
      if (machine === undefined) continue;
      yield machineRow(writer.machine(machine), names.of(mac));
    }
    yield plainTail({ machineCount });
  }
}
