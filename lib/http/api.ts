/**
 * The API: machines and their names as JSON, the event stream, metrics, and the
 * health check.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { type StalledOperation, stalledText } from "../files/file_work.ts";
import { SourceResponse } from "./body_source.ts";
import type { EventStream } from "./event_stream.ts";
import {
  type MachineWriter,
  objectByMac,
  type UnservedJson,
} from "../machines/json.ts";
import type { ExplanationJson } from "../machines/explanation.ts";
import type { StatusJson } from "../machines/status.ts";
import type { Names } from "../machines/names_file.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import type { Metric } from "../telemetry/metrics.ts";
import { PROMETHEUS_TYPE, prometheusText } from "../telemetry/prometheus.ts";
import { isUnicastMac, type Mac, parseMac } from "../net/mac.ts";
import {
  formatProblem,
  RECORD_FORMATS,
  recordText,
  typeOfRecords,
} from "../records/formats.ts";
import type { RecordSources } from "../records/records.ts";
import type { CooperativeScheduler } from "../overload/scheduler.ts";
import { decoded, type Target, textResponse } from "./responses.ts";
import { slicedBody } from "./sliced_body.ts";

/** What an {@linkcode Api} serves. */
export interface ApiOptions {
  readonly registry: MachineRegistry;
  readonly writer: MachineWriter;
  readonly eventStream: EventStream;
  readonly names: Names;
  /** What DNS records are made of, besides the names. */
  readonly records: Pick<RecordSources, "bases" | "domain">;
  /** Schedules the writing of responses. */
  readonly scheduler: CooperativeScheduler;
  readonly metrics: () => Iterable<Metric>;
  /** The clients that are not served, by cause and link. */
  readonly unserved: () => readonly UnservedJson[];
  readonly status: () => StatusJson;
  /** What a machine gets, and why; a client's file operations are limited. */
  readonly explain: (mac: Mac, client: string) => Promise<ExplanationJson>;
  /** Why DHCPv6 is not served now; `undefined` if it is. */
  readonly problem: () => string | undefined;
  /** The files that the daemon waits for. */
  readonly stalledFiles?: () => readonly StalledOperation[];
}

/** Files that a health check names. */
const MAX_STALLED_FILES = 8;

const MACHINES = "/machines/";

/** Behind the path of a machine: which boot URLs it gets, and why. */
const EXPLAIN = "/explain";

/** The paths of the API, apart from those of single machines. */
const PATHS = new Set([
  "/events",
  "/machines",
  "/metrics",
  "/names",
  "/records",
  "/status",
  "/unserved",
]);

/** Whether the API has a path. */
export function isApiPath(path: string): boolean {
  return PATHS.has(path) || path.startsWith(MACHINES);
}

/** Headers of responses that must not be cached. */
const UNCACHED = {
  "cache-control": "no-store, no-transform",
  "x-content-type-options": "nosniff",
};

/** Answers requests to the API. */
export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /**
   * Answers GET; `undefined` if the API has no such path.
   *
   * @param client The client's address.
   */
  respond(
    target: Target,
    client: string,
  ): Response | Promise<Response> | undefined {
    const { path } = target;
    const { registry, writer, names, metrics } = this.#options;
    switch (path) {
      case "/machines":
        return this.#text(writer.machines(registry.history.next - 1));
      case "/names":
        return this.#text(objectByMac(names.entries()));
      case "/status":
        return this.#json(this.#options.status());
      case "/records":
        return this.#records(target);
      case "/unserved":
        return this.#json(this.#options.unserved());
      case "/metrics":
        return this.#text(
          [prometheusText(metrics())].values(),
          PROMETHEUS_TYPE,
        );
    }
    return path.startsWith(MACHINES)
      ? this.#machine(path.slice(MACHINES.length), client)
      : undefined;
  }

  /**
   * Answers a health check: 200, or 503 with the reason why DHCPv6 is not served.
   * Files that the daemon waits for are named in further lines.
   */
  health(): Response {
    const problem = this.#options.problem();
    const stalled = this.#options.stalledFiles?.() ?? [];
    const lines = [
      problem ?? "ok",
      ...stalled.slice(0, MAX_STALLED_FILES).map((operation) =>
        escapeControls(stalledText(operation))
      ),
    ];
    const status = problem === undefined ? 200 : 503;
    return textResponse(status, lines.join("\n"), UNCACHED);
  }

  /**
   * Answers GET of the event stream.
   *
   * @param client The client's address.
   */
  events(target: Target, headers: Headers, client: string): Response {
    const query = new URLSearchParams(target.query);
    // An empty value is a form field that was left empty.
    const macText = query.get("mac") ?? "";
    const mac = macText === "" ? undefined : parseMac(macText);
    if (macText !== "" && mac === undefined) return badMac("?mac=");
    const body = this.#options.eventStream.open({
      client,
      mac,
      resumeAfter: query.get("resume") === "1"
        ? headers.get("last-event-id") ?? undefined
        : undefined,
    });
    if (body === undefined) {
      return textResponse(
        503,
        "service unavailable: too many readers of the event stream",
        { "retry-after": "60" },
      );
    }
    return new SourceResponse(body, {
      headers: {
        ...UNCACHED,
        "content-type": "text/event-stream",
        // Keeps nginx from buffering the events.
        "x-accel-buffering": "no",
      },
    });
  }

  #records({ query }: Target): Response {
    const { names, records: { bases, domain } } = this.#options;
    const text = new URLSearchParams(query).get("format") || "hosts";
    const format = RECORD_FORMATS.find((format) => format === text);
    const sources = { bases, domain, names: names.entries() };
    const problem = format === undefined
      ? `?format= takes one of ${RECORD_FORMATS.join(", ")}`
      : formatProblem(format, sources);
    if (format === undefined || problem !== undefined) {
      return textResponse(400, `bad request: ${problem}`);
    }
    const serial = Math.floor(Date.now() / 1000);
    return this.#text(
      recordText(format, sources, serial),
      typeOfRecords(format),
    );
  }

  #machine(rest: string, client: string): Response | Promise<Response> {
    const isExplanation = rest.endsWith(EXPLAIN);
    const macText = isExplanation ? rest.slice(0, -EXPLAIN.length) : rest;
    const mac = parseMac(decoded(macText));
    if (mac === undefined || isExplanation && !isUnicastMac(mac)) {
      return badMac("/machines/");
    }
    if (isExplanation) return this.#explain(mac, client);
    const machine = this.#options.registry.get(mac);
    if (machine === undefined) {
      return Response.json(null, { status: 404, headers: UNCACHED });
    }
    return this.#json(this.#options.writer.machine(machine));
  }

  async #explain(mac: Mac, client: string): Promise<Response> {
    return this.#json(await this.#options.explain(mac, client));
  }

  #json(value: unknown): Response {
    return this.#text([JSON.stringify(value)].values());
  }

  #text(pieces: Iterator<string>, type = "application/json"): Response {
    return new SourceResponse(slicedBody(pieces, this.#options.scheduler), {
      headers: { ...UNCACHED, "content-type": type },
    });
  }
}

function badMac(where: string): Response {
  return textResponse(
    400,
    `bad request: ${where} takes a MAC such as 02:00:5e:00:53:01`,
  );
}
