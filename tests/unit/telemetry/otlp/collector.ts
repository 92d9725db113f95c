/**
 * A collector for tests: takes OTLP/HTTP in either encoding, strictly, and answers
 * what a test has set. Also a program, to run inside a namespace: `collector.ts HOSTNAME
 * PORT [CERT_FILE KEY_FILE]` writes a line of JSON for each request that it has
 * read; with a certificate it speaks HTTPS.
 *
 * @module
 */

import {
  type Read,
  readLogs,
  readMetrics,
  type ReadPoint,
  type ReadRecord,
} from "../../../support/otlp_strict.ts";
import { freePort } from "../../../support/free_port.ts";
import { decodeProtobuf } from "./protobuf.ts";

/** A request that came. */
export interface Received {
  readonly path: string;
  readonly headers: Headers;
  /** JSON, also of what came as protobuf. */
  readonly body: string;
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
  /** Whether it was answered with status 200. */
  readonly isTaken: boolean;
}

/** What to answer; `undefined`: that all is well. */
export type Answer = (
  path: string,
) => Promise<Response | undefined> | Response | undefined;

/** What a collector says that has taken all. */
function fullSuccess(): Response {
  return Response.json({});
}

/** A collector that runs. */
export class Collector implements AsyncDisposable {
  /** All requests, in the order in which they were answered. */
  readonly received: Received[] = [];
  /** What was wrong with requests. */
  readonly faults: string[] = [];
  /** Before anything is read: a request that is answered here is not taken. */
  answer: Answer = () => undefined;

  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #port = freePort("127.0.0.1");

  /** Where it is. */
  get endpoint(): URL {
    return new URL(`http://127.0.0.1:${this.#port}`);
  }

  /** Starts, where it was before if it was. */
  start(
    hostname = "127.0.0.1",
    port = this.#port,
    keyPair?: { cert: string; key: string },
  ): void {
    this.#server = Deno.serve(
      { hostname, port, ...keyPair, onListen: () => {} },
      (request) => this.#take(request),
    );
    this.#port = this.#server.addr.port;
  }

  /** Ends at once, with whatever is going on. */
  async stop(): Promise<void> {
    // Its connections must end too, or a client goes on as if it were there.
    const server = this.#server;
    this.#server = undefined;
    await server?.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The bodies that were taken at a path. */
  taken(path: string): string[] {
    return this.received.filter((one) => one.isTaken && one.path === path)
      .map(({ body }) => body);
  }

  /** The events that were taken, in order. */
  get events(): ReadRecord[] {
    return this.taken("/v1/logs").flatMap((body) => readLogs(body).items);
  }

  /** The metrics that were taken last. */
  get metrics(): Read<Map<string, ReadPoint[]>> | undefined {
    const last = this.taken("/v1/metrics").at(-1);
    return last === undefined ? undefined : readMetrics(last);
  }

  async #take(request: Request): Promise<Response> {
    const at = performance.now();
    const path = new URL(request.url).pathname;
    // Those of the request itself cannot be read when it has been answered.
    const headers = new Headers(request.headers);
    const bytes = await request.bytes();
    const body = this.#decode(request, path, bytes);
    const response = await this.answer(path) ?? this.#read(request, path, body);
    this.received.push({
      path,
      headers,
      body,
      at,
      isTaken: response.status === 200,
    });
    return response;
  }

  #decode({ headers }: Request, path: string, bytes: Uint8Array): string {
    if (headers.get("content-type") !== "application/x-protobuf") {
      return new TextDecoder().decode(bytes);
    }
    try {
      const signal = path.endsWith("/v1/logs") ? "logs" : "metrics";
      const request = decodeProtobuf(signal, bytes);
      return JSON.stringify(withAttributes(request));
    } catch (error) {
      return (error as Error).message;
    }
  }

  #read({ method, headers }: Request, path: string, body: string): Response {
    try {
      const type = headers.get("content-type");
      if (
        method !== "POST" ||
        !["application/json", "application/x-protobuf"].includes(type ?? "")
      ) {
        throw new Error(`${method} with ${type}`);
      }
      if (path.endsWith("/v1/logs")) readLogs(body);
      else if (path.endsWith("/v1/metrics")) readMetrics(body);
      else throw new Error(`nothing is at ${path}`);
      return fullSuccess();
    } catch (error) {
      const { message } = error as Error;
      this.faults.push(message);
      return Response.json({ code: 3, message }, { status: 400 });
    }
  }
}

/** Protobuf has no empty lists; the strict reader wants those of attributes. */
function withAttributes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withAttributes);
  if (typeof value !== "object" || value === null) return value;
  const all = Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, withAttributes(one)]),
  );
  return "timeUnixNano" in all && !("attributes" in all)
    ? { ...all, attributes: [] }
    : all;
}

if (import.meta.main) {
  const [hostname, port, ...files] = Deno.args as [string, string];
  const collector = new Collector();
  const [cert, key] = files.map((file) => Deno.readTextFileSync(file));
  collector.start(
    hostname,
    Number(port),
    cert === undefined || key === undefined ? undefined : { cert, key },
  );
  let printed = 0;
  console.log("ready");
  setInterval(() => {
    for (; printed < collector.received.length; printed++) {
      const { path, headers, body, isTaken } = collector.received[printed]!;
      console.log(JSON.stringify({
        path,
        headers: Object.fromEntries(headers),
        body,
        isTaken,
      }));
    }
  }, 50);
}
