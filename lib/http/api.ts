/**
 * What people and programs ask about machines: the event stream, the machines,
 * their names, metrics, and whether all is well.
 *
 * @module
 */

import type { EventStream } from "./event_stream.ts";
import { type MachineWriter, objectByMac } from "../machines/json.ts";
import type { Names } from "../machines/names_file.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import type { Metric } from "../telemetry/metrics.ts";
import { PROMETHEUS_TYPE, prometheusText } from "../telemetry/prometheus.ts";
import { parseMac } from "../net/mac.ts";
import type { CooperativeScheduler } from "../overload/scheduler.ts";
import { decoded, type Target, textResponse } from "./responses.ts";
import { slicedBody } from "./sliced_body.ts";

/** What the API tells of. */
export interface ApiOptions {
  readonly registry: MachineRegistry;
  readonly writer: MachineWriter;
  readonly eventStream: EventStream;
  readonly names: Names;
  /** In which answers are written. */
  readonly scheduler: CooperativeScheduler;
  readonly metrics: () => Iterable<Metric>;
  /** Why machines get no answers now; `undefined` if they do. */
  readonly problem: () => string | undefined;
}

const MACHINES = "/machines/";

/** What is so now, and may be otherwise the next moment. */
const NOW = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** Answers for the API. */
export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** Answers GET of what there is now; `undefined` if it is not there. */
  respond({ path }: Target): Response | undefined {
    const { registry, writer, names, metrics } = this.#options;
    switch (path) {
      case "/machines":
        return this.#written(writer.machines(registry.history.next - 1));
      case "/names":
        return this.#written(objectByMac(names.entries()));
      case "/metrics":
        return this.#written(
          [prometheusText(metrics())].values(),
          PROMETHEUS_TYPE,
        );
    }
    return path.startsWith(MACHINES)
      ? this.#machine(path.slice(MACHINES.length))
      : undefined;
  }

  /** Whether machines are answered, for whoever watches over the daemon. */
  health(): Response {
    const problem = this.#options.problem();
    return problem === undefined
      ? textResponse(200, "ok", NOW)
      : textResponse(503, problem, NOW);
  }

  /** Answers GET of what happens, to `client`. */
  events(target: Target, headers: Headers, client: string): Response {
    const query = new URLSearchParams(target.query);
    const macText = query.get("mac");
    const mac = macText === null ? undefined : parseMac(macText);
    if (macText !== null && mac === undefined) return badMac("?mac=");
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
    return new Response(body, {
      headers: {
        ...NOW,
        "content-type": "text/event-stream",
        // Proxies that gather answers would make them late.
        "x-accel-buffering": "no",
      },
    });
  }

  #machine(macText: string): Response {
    const mac = parseMac(decoded(macText));
    if (mac === undefined) return badMac("/machines/");
    const machine = this.#options.registry.get(mac);
    if (machine === undefined) {
      return Response.json(null, { status: 404, headers: NOW });
    }
    const text = JSON.stringify(this.#options.writer.machine(machine));
    return this.#written([text].values());
  }

  #written(pieces: Iterator<string>, type = "application/json"): Response {
    return new Response(slicedBody(pieces, this.#options.scheduler), {
      headers: { ...NOW, "content-type": type },
    });
  }
}

function badMac(where: string): Response {
  return textResponse(
    400,
    `bad request: ${where} takes a MAC such as 02:00:5e:00:53:01`,
  );
}
