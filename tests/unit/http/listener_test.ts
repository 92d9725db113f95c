import { assert, assertEquals, assertMatch } from "@std/assert";
import { Connections } from "../../../lib/http/connections.ts";
import { HttpServer } from "../../../lib/http/listener.ts";
import { eventually } from "../../support/lab.ts";
import { freePort } from "../../support/free_port.ts";
import { Known } from "../../support/http.ts";

const HOSTNAME = "::1";

/** A server of a daemon that knows no machine, and what it reports. */
class RunningServer {
  readonly port = freePort(HOSTNAME);
  readonly known = new Known();
  readonly reports: string[] = [];
  readonly server = new HttpServer({
    address: { hostname: HOSTNAME, port: this.port },
    router: this.known.handler(),
    connections: new Connections(),
    sendWindows: undefined,
    observer: {
      httpUnavailable: ({ port }) => this.reports.push(`unavailable ${port}`),
      httpRestarted: ({ port }) => this.reports.push(`restarted ${port}`),
    },
  });

  get url(): string {
    return `http://[${HOSTNAME}]:${this.port}`;
  }

  async isHealthy(): Promise<boolean> {
    try {
      return await (await fetch(`${this.url}/healthz`)).text() === "ok\n";
    } catch {
      return false;
    }
  }

  connect(): Promise<Deno.TcpConn> {
    return Deno.connect({ hostname: HOSTNAME, port: this.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.known.eventStream.stop();
    await this.server.stop();
  }
}

Deno.test("HttpServer", async (t) => {
  await t.step("listens between start and stop", async () => {
    await using running = new RunningServer();
    assert(!await running.isHealthy());
    running.server.start();
    assert(await running.isHealthy());
    await running.server.stop();
    assert(!await running.isHealthy());
  });

  await t.step("does not compress on the way", async () => {
    await using running = new RunningServer();
    running.known.registry.add(0x0200_5e00_5301, 0);
    running.server.start();
    for (const path of ["/healthz", "/machines", "/metrics", "/plain"]) {
      const connection = await running.connect();
      await connection.write(
        new TextEncoder().encode(
          `GET ${path} HTTP/1.1\r\nHost: [${HOSTNAME}]\r\n` +
            "Accept-Encoding: gzip, br\r\nConnection: close\r\n\r\n",
        ),
      );
      const text = await new Response(connection.readable).text();
      assertMatch(text, /^HTTP\/1\.1 200 /);
      assert(!/^content-encoding:/mi.test(text), text);
    }
  });

  await t.step("waits for a port in use, and reports that once", async () => {
    await using running = new RunningServer();
    const other = Deno.listen({ hostname: HOSTNAME, port: running.port });
    running.server.start();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assertEquals(running.reports, [`unavailable ${running.port}`]);
    other.close();
    await eventually("it listens", () => running.isHealthy(), 5);
    assertEquals(running.reports.length, 1);
  });

  await t.step("listens again when the runtime has ended it", async () => {
    await using running = new RunningServer();
    const { serve } = Deno;
    let ended: Deno.HttpServer<Deno.NetAddr> | undefined;
    Deno.serve = ((...args: Parameters<typeof serve>) =>
      ended = serve(...args)) as typeof serve;
    running.server.start();
    Deno.serve = serve;
    await running.server.ensureListening();
    assertEquals(running.reports, []);
    await ended!.shutdown();
    await running.server.ensureListening();
    await eventually("it listens again", () =>
      running.isHealthy(), 5);
  });
});
