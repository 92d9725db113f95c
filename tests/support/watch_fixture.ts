/** A server with the event stream of a daemon, which can be made to fail. */

import type { MachineEvent } from "../../lib/watch/message.ts";
import type { machine } from "./watch_samples.ts";

/** A request for the event stream. */
export interface StreamRequest {
  readonly lastEventId: string | null;
  readonly query: string;
  readonly accept: string | null;
}

const encoder = new TextEncoder();

/** A daemon's event stream, on loopback. */
export class FixtureDaemon implements AsyncDisposable {
  readonly port: number;
  /** The requests for its event stream so far. */
  readonly requests: StreamRequest[] = [];
  state: Record<string, ReturnType<typeof machine>> = {};
  names: Record<string, string> = {};
  /** The response instead of events. */
  refusal: Response | undefined;
  /** What begins a stream, before the state. */
  preamble = "retry: 1000\n\n";
  #run: string;
  #emitted: string[] = [];
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  readonly #readers = new Set<ReadableStreamDefaultController<Uint8Array>>();

  constructor(run = "one") {
    this.#run = run;
    this.#server = this.#serve(0);
    this.port = this.#server.addr.port;
  }

  /** Its URL. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Readers of its events. */
  get readers(): number {
    return this.#readers.size;
  }

  /** Sends an event to all readers, and keeps it for those that reconnect. */
  emit(mac: string, address: string, event: MachineEvent): void {
    this.#emitted.push(
      JSON.stringify({ mac, ipv6_address: address, event }),
    );
    this.write(this.#line(this.#emitted.length));
  }

  /** Writes text to all readers. */
  write(text: string): void {
    for (const reader of this.#readers) reader.enqueue(encoder.encode(text));
  }

  /** Ends all connections; readers may reconnect. */
  drop(): void {
    for (const reader of this.#readers) reader.close();
    this.#readers.clear();
  }

  /** Stops the server. */
  async stop(): Promise<void> {
    this.drop();
    await this.#server?.shutdown();
    this.#server = undefined;
  }

  /** Restarts as another run, which remembers nothing. */
  start(run: string): void {
    this.#run = run;
    this.#emitted = [];
    this.#server = this.#serve(this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #serve(port: number): Deno.HttpServer<Deno.NetAddr> {
    return Deno.serve(
      { hostname: "127.0.0.1", port, onListen: () => {} },
      (request) => this.#respond(request),
    );
  }

  #respond(request: Request): Response {
    const { pathname, search, searchParams } = new URL(request.url);
    if (pathname === "/names") return Response.json(this.names);
    if (pathname !== "/events") return new Response(null, { status: 404 });
    const lastEventId = request.headers.get("last-event-id");
    const accept = request.headers.get("accept");
    this.requests.push({ lastEventId, query: search, accept });
    if (this.refusal !== undefined) return this.refusal.clone();
    let reader: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader = controller;
        this.#readers.add(controller);
        const begin = this.preamble +
          this.#begin(searchParams, lastEventId ?? "");
        controller.enqueue(encoder.encode(begin));
      },
      cancel: () => void this.#readers.delete(reader),
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream; charset=utf-8" },
    });
  }

  /** The missed events if they are known, otherwise the state. */
  #begin(query: URLSearchParams, lastEventId: string): string {
    const [run, number] = lastEventId.split("-");
    if (query.get("resume") === "1" && run === this.#run) {
      return this.#emitted.map((_, index) => this.#line(index + 1)).slice(
        Number(number),
      ).join("");
    }
    const mac = query.get("mac");
    const state = mac === null ? this.state : this.state[mac] ?? null;
    return `id: ${this.#run}-${this.#emitted.length}\ndata: ${
      JSON.stringify(state)
    }\n\n`;
  }

  #line(number: number): string {
    return `id: ${this.#run}-${number}\ndata: ${this.#emitted[number - 1]}\n\n`;
  }
}
