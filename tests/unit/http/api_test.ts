import { assertEquals, assertMatch } from "@std/assert";
import { type StepHooks, stepsWith } from "../../support/steps.ts";
import { isOwnOrigin } from "../../../lib/http/host_check.ts";
import { single } from "../../../lib/telemetry/metrics.ts";
import { ask, type Asked, Known, MAC, MAC_TEXT } from "../../support/http.ts";

Deno.test("Api", async (t) => {
  let known: Known;

  const hooks: StepHooks = {
    before: () => {
      known = new Known();
      known.registry.add(MAC, 0);
    },
  };
  const step = stepsWith(t, hooks);

  const askFor = (path: string, asked?: Asked) =>
    ask(
      known.handler(undefined, (client) => client !== "2001:db8:f::1", [
        "boot.lab.example",
      ]),
      path,
      asked,
    );

  async function status(path: string, asked?: Asked): Promise<number> {
    const response = await askFor(path, asked);
    await response.body?.cancel();
    return response.status;
  }

  await step("serves all machines, and one", async () => {
    const all = await (await askFor("/machines")).json();
    assertEquals(Object.keys(all), [MAC_TEXT]);
    for (const text of [MAC_TEXT, "02-00-5E-00-53-01", "02%3A00:5e:00:53:01"]) {
      const one = await askFor(`/machines/${text}`);
      assertEquals(one.headers.get("content-type"), "application/json");
      assertEquals(await one.json(), all[MAC_TEXT]);
    }
    const unknown = await askFor("/machines/02:00:00:00:00:09");
    assertEquals([unknown.status, await unknown.json()], [404, null]);
    assertEquals(await status("/machines/x"), 400);
    known = new Known();
    assertEquals(await (await askFor("/machines")).json(), {});
  });

  await step("serves the clients that are not served", async () => {
    const empty = await askFor("/unserved");
    assertEquals(empty.headers.get("content-type"), "application/json");
    assertEquals(await empty.json(), []);
    known.unserved.push({
      cause: "no_mac",
      link: "2001:db8:1:2::/64",
      count: 3,
      mac: null,
      source: "fe80::1",
      timestamp: "2025-10-13T20:08:24.394Z",
      message: "no MAC",
    });
    assertEquals(await (await askFor("/unserved")).json(), known.unserved);
    assertEquals(
      await status("/unserved", { host: "evil.example" }),
      421,
    );
  });

  await step("answers health checks", async () => {
    const well = await askFor("/healthz");
    assertEquals([well.status, await well.text()], [200, "ok\n"]);
    known.problem = "DHCPv6 is not served on eth1 now";
    const ill = await askFor("/healthz");
    assertEquals([ill.status, await ill.text()], [503, `${known.problem}\n`]);
  });

  await step("counts bytes, not characters, in Content-Length", async () => {
    known.problem = "größe0 is absent, down or has no address";
    const response = await askFor("/healthz");
    const length = Number(response.headers.get("content-length"));
    assertEquals(length, (await response.bytes()).length);
  });

  await step("serves metrics and names", async () => {
    known.metrics = [single("gauge", "x", "X.", 1)];
    const metrics = await askFor("/metrics");
    assertMatch(metrics.headers.get("content-type")!, /^text\/plain; version/);
    assertMatch(await metrics.text(), /^x 1$/m);
    assertEquals(await (await askFor("/names")).json(), {});
  });

  await step("allows GET and HEAD only", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const response = await askFor("/machines", { method });
      assertEquals(response.status, 405);
      assertEquals(response.headers.get("allow"), "GET, HEAD");
      await response.body?.cancel();
    }
    for (
      const path of [
        "/machines",
        "/events",
        "/",
        "/plain",
        "/metrics",
        "/healthz",
      ]
    ) {
      const head = await askFor(path, { method: "HEAD" });
      assertEquals([head.status, await head.text()], [200, ""]);
    }
    assertEquals(known.eventStream.readers, 0);
  });

  const GUARDED = [
    "/",
    "/plain",
    "/events",
    "/machines",
    `/machines/${MAC_TEXT}`,
    "/metrics",
    "/names",
    "/page/page.js",
  ];

  for (const path of GUARDED) {
    await step(`serves ${path} under its own host names only`, async () => {
      for (
        const host of [
          "[2001:db8:1:2::1]:6315",
          "[fe80::1%25eth0]:6315",
          "192.0.2.1",
          "localhost:6315",
          "LocalHost",
          "boot.lab.example",
          "Boot.Lab.Example.:6315",
          // Some firmware omits the brackets.
          "2001:db8:1:2::1:6315",
          "2001:db8:1:2:0:0:0:1:6315",
          "2001:db8:1:2::1",
          "2001:db8:1:2::1:16315",
        ]
      ) {
        assertEquals(
          await status(path, { host, headers: { host } }),
          200,
          host,
        );
      }
      for (
        const host of [
          "evil.example",
          "evil.example:6315",
          "localhost.evil.example",
          "lab.example",
          "192.0.2.1.evil.example",
          "192.0.2.1%evil",
        ]
      ) {
        assertEquals(
          await status(path, { headers: { host } }),
          421,
          `Host ${host}`,
        );
        assertEquals(await status(path, { host }), 421, `target ${host}`);
      }
      for (
        const host of [
          "[2001:db8::1].evil.example",
          "x@localhost",
          "[::1%evil]:6315",
          "fe80::1%eth0",
          "2001:db8::1::6315",
          "2001:db8:1:2:0:0:0:1:6315:6315",
          "2001:db8::1:6315.evil.example",
          "",
        ]
      ) {
        assertEquals(
          await status(path, { headers: { host } }),
          400,
          `Host ${host}`,
        );
        assertEquals(await status(path, { host }), 400, `target ${host}`);
      }
    });

    await step(`refuses ${path} to other origins`, async () => {
      const host = "[2001:db8:1:2::1]:6315";
      const from = (origin: string) =>
        status(path, { headers: { host, origin } });
      assertEquals(await from(`http://${host}`), 200);
      for (
        const origin of [
          "null",
          "http://evil.example",
          "http://[2001:db8:1:2::1]",
          "http://[2001:db8:1:2::1]:80",
          "http://192.0.2.1:6315",
        ]
      ) assertEquals(await from(origin), 403, origin);
    });
  }

  await step("compares origins with default ports", () => {
    assertEquals(
      isOwnOrigin("https://a.example", "a.example:443", "https"),
      true,
    );
    assertEquals(isOwnOrigin("https://a.example", "A.example", "https"), true);
    assertEquals(
      isOwnOrigin("http://a.example:443", "a.example", "http"),
      false,
    );
    assertEquals(
      isOwnOrigin("http://a.example:443", "a.example:443", "https"),
      false,
    );
    assertEquals(
      isOwnOrigin("https://a.example:80", "a.example:80", "http"),
      false,
    );
    assertEquals(isOwnOrigin("http://[::1]", "[::1]:80", "http"), true);
    assertEquals(isOwnOrigin("file://", "a.example", "http"), false);
  });

  await step(
    "serves health checks and boot files under any host name",
    async () => {
      const headers = { host: "evil.example", origin: "http://evil.example" };
      assertEquals(await status("/healthz", { headers }), 200);
      assertEquals(await status(`/mac/${MAC_TEXT}/x`, { headers }), 404);
    },
  );

  await step(
    "refuses other clients, and does not find other paths",
    async () => {
      const client = "2001:db8:f::1";
      for (const path of ["/healthz", "/", "/x"]) {
        assertEquals(await status(path, { client }), 403);
      }
      for (
        const path of ["/x", "/machinesx", "/events/", "/page/", "/page/x"]
      ) {
        assertEquals(await status(path), 404, path);
      }
    },
  );
});
