import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { CONTENT_SECURITY_POLICY } from "../../../../lib/http/web_ui/html.ts";
import { pageHtml } from "../../../../lib/http/web_ui/page.ts";
import {
  machineRow,
  plainHead,
  plainTail,
} from "../../../../lib/http/web_ui/plain.ts";
import {
  type PageFile,
  readPageFiles,
} from "../../../../lib/http/web_ui/files.ts";
import type { EventJson, MachineJson } from "../../../../lib/machines/json.ts";
import type { EventName } from "../../../../lib/machines/boot_stages.ts";
import { ask, Known, MAC, MAC_TEXT } from "../../../support/http.ts";

/** Bytes of the page with every file that it loads. */
const MAX_PAGE_BYTES = 100_000;
const MAX_COMPRESSED_PAGE_BYTES = 40_000;

const OPTIONS = {
  interfaceName: "lan",
  baseAddress: "2001:db8:1:2::",
};
const PLAIN_OPTIONS = {
  ...OPTIONS,
  machineCount: 1,
  now: Date.parse("2025-10-13T20:08:24Z"),
};

const EMPTY_OPTIONS = { ...PLAIN_OPTIONS, machineCount: 0 };

/** Both pages in HTML, /plain with and without machines. */
const PAGES = [
  pageHtml(OPTIONS),
  plainHead(PLAIN_OPTIONS) + machineRow(machine(), "a") +
  plainTail(PLAIN_OPTIONS),
  plainHead(EMPTY_OPTIONS) + plainTail(EMPTY_OPTIONS),
];

function event(
  name: EventName,
  second: number,
  detail: EventJson["detail"] = null,
): EventJson {
  return {
    event: name,
    timestamp: `2025-10-13T20:08:${String(second).padStart(2, "0")}.394955Z`,
    repeat_event: false,
    detail,
  };
}

function machine(...events: EventJson[]): MachineJson {
  return {
    Mac: "02:00:5e:00:53:01",
    IPv6Address: "2001:db8:1:2:0:200:5e00:5301",
    Events: events,
  };
}

function assertNoMatch(text: string, pattern: RegExp): void {
  assertEquals(text.match(pattern)?.[0], undefined);
}

/** The text of each cell of a row. */
function cells(row: string): string[] {
  return [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, content]) =>
    content!.replaceAll("<br>", " ").replace(/<\/?b>/g, "")
  );
}

function textOf({ identity }: PageFile): string {
  return new TextDecoder().decode(identity.content);
}

/** Sends one HTTP/1.1 request and reads the response byte by byte. */
async function exchange(port: number, request: string, header: string) {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const text = `${request} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
    `${header}\r\nConnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(text));
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) break;
    chunks.push(buffer.slice(0, length));
  }
  const bytes = await new Blob(chunks).bytes();
  const raw = new TextDecoder("latin1").decode(bytes);
  const end = raw.indexOf("\r\n\r\n");
  const lines = raw.slice(0, end).split("\r\n").slice(1);
  return {
    headers: new Headers(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      }),
    ),
    body: bytes.slice(end + 4),
  };
}

Deno.test("the page as the server makes it", async (t) => {
  await t.step(
    "has a row for each machine: who, its boot, where it is, since when",
    () => {
      const row = machineRow(
        machine(
          event("init", 10),
          event("firmware_init", 10),
          event("http_boot", 15),
          event("http_fetch_uki", 17, {
            protocol: "http",
            file_name: "boot.efi",
            state: "sending",
            sent_bytes: 31_200_000,
            total_bytes: 51_000_000,
          }),
        ),
        "rack-1-left",
      );
      assertEquals(cells(row), [
        "rack-1-left 02:00:5e:00:53:01 2001:db8:1:2:0:200:5e00:5301",
        "Firmware 5.0 s, HTTP boot 2.0 s",
        "Loading the system, 61 %, 29.8 of 48.6 MiB",
        "2025-10-13 20:08:17 UTC",
      ]);
    },
  );

  await t.step(
    "shows a boot that has come to its end, and the last one only",
    () => {
      const row = machineRow(
        machine(
          event("init", 10),
          event("jump_to", 10),
          event("os_init", 10),
          event("jump_to", 20),
          event("http_boot", 20),
          event("http_fetch_uki", 25),
          event("os_init", 37),
          event("address_declined", 38),
          event("boot_refused", 39, {
            protocol: "http",
            path: "/mac/x/<b>",
            reason: "not found",
          }),
        ),
        undefined,
      );
      assertEquals(cells(row), [
        "02:00:5e:00:53:01 2001:db8:1:2:0:200:5e00:5301",
        "HTTP boot 5.0 s, System 12 s",
        "System is up, booted in 17 s, Its address is in use by another machine, Boot refused: /mac/x/&lt;b&gt; over HTTP: not found",
        "2025-10-13 20:08:37 UTC",
      ]);
    },
  );

  await t.step("shows what clients and files say, and never does it", () => {
    const evil = `<script>alert("1")</script>&'\u202e\n`;
    const row = machineRow(
      machine(
        event(evil as EventName, 10),
        event("serve_ipxe_over_tftp", 11, {
          protocol: "tftp",
          file_name: evil,
          state: "error",
          sent_bytes: 0,
          total_bytes: 1,
          error: evil,
        }),
      ),
      evil,
    );
    assertNoMatch(row, /<script|"1"|&'|\u202e|\n./);
    assertStringIncludes(row, "&lt;script&gt;alert(&quot;1&quot;)");
    const names = { interfaceName: evil, baseAddress: evil };
    assertNoMatch(pageHtml({ ...OPTIONS, ...names }), /alert\("1"\)/);
    assertNoMatch(plainHead({ ...PLAIN_OPTIONS, ...names }), /alert\("1"\)/);
  });

  await t.step("takes a machine without events", () => {
    assertEquals(cells(machineRow(machine(), undefined)).slice(1), [
      "",
      "",
      "",
    ]);
  });

  await t.step("says what to do when there is no machine yet", () => {
    const plain = (machineCount: number) =>
      plainHead({ ...PLAIN_OPTIONS, machineCount });
    assertMatch(plain(0), /M \(managed\) flag.*UDP port 547/s);
    assertNoMatch(plain(1), /flag/);
    assertMatch(pageHtml(OPTIONS), /M \(managed\) flag.*UDP port 547/s);
  });

  await t.step("closes every element that it opens", () => {
    const isVoid = /^(meta|link|input|br)$/;
    for (const page of PAGES) {
      const open: string[] = [];
      for (const [, slash, name] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)/g)) {
        if (slash !== "") assertEquals(open.pop(), name);
        else if (!isVoid.test(name!)) open.push(name!);
      }
      assertEquals(open, []);
    }
  });

  await t.step("does not need what its policy forbids", async () => {
    assertMatch(CONTENT_SECURITY_POLICY, /^default-src 'none';/);
    assertNoMatch(CONTENT_SECURITY_POLICY, /unsafe|https?:|data:|\*/);
    const served = new Set([...(await readPageFiles()).keys(), "/", "/plain"]);
    for (const page of PAGES) {
      assertNoMatch(page, / style=| on[a-z]+=|<style|<form/);
      assertNoMatch(page, /<script(?![^>]* src="\/)/);
      for (const [, url] of page.matchAll(/(?:src|href)="([^"#]*)"/g)) {
        assert(served.has(url!), `${url} is served`);
      }
    }
  });
});

Deno.test("the files of the page", async (t) => {
  await t.step("are small, with the page itself", async () => {
    const page = pageHtml(OPTIONS).length;
    const files = [...(await readPageFiles()).values()];
    const sum = (lengths: readonly number[]) =>
      lengths.reduce((total, length) => total + length, page);
    assertLess(
      sum(files.map(({ identity }) => identity.content.length)),
      MAX_PAGE_BYTES,
    );
    assertLess(
      sum(files.map(({ gzip }) => gzip.content.length)),
      MAX_COMPRESSED_PAGE_BYTES,
    );
  });

  await t.step("are all that the scripts import", async () => {
    const files = await readPageFiles();
    const imported = [...files].flatMap(([path, file]) =>
      [...textOf(file).matchAll(/^(?:import\b.*|\}) from "(\.[^"]*)";$/gm)].map(
        ([, name]) => new URL(name!, `http://host${path}`).pathname,
      )
    );
    const served = [...files.keys()].filter((path) => path.endsWith(".js"));
    assertEquals(
      [...new Set([...imported, "/page/page.js"])].toSorted(),
      served.toSorted(),
    );
  });

  await t.step("ask for nothing outside", async () => {
    for (const [path, file] of await readPageFiles()) {
      const urls = textOf(file).match(
        /(?:https?:)?\/\/[a-z][^\s"'`]*/g,
      );
      if (path.endsWith(".svg")) {
        assertEquals(urls, ["http://www.w3.org/2000/svg"]);
      } else assertEquals(urls, null, path);
    }
  });

  await t.step("are sent as they are in assets/", async () => {
    const assets = new URL("../../../../assets/", import.meta.url);
    for (const [path, { identity, gzip }] of await readPageFiles()) {
      const source = await Deno.readFile(new URL(`.${path}`, assets));
      assertEquals(identity.content, source);
      const stream = new Blob([gzip.content]).stream().pipeThrough(
        new DecompressionStream("gzip"),
      );
      assertEquals(await new Response(stream).bytes(), source);
    }
  });

  await t.step(
    "have a tag for each content coding, each another one",
    async () => {
      const tags = [...(await readPageFiles()).values()].flatMap((
        { identity, gzip },
      ) => [identity.etag, gzip.etag]);
      for (const etag of tags) assertMatch(etag, /^"[0-9a-f]{24}"$/);
      assertEquals(new Set(tags).size, tags.length);
    },
  );
});

Deno.test("answers for the page", async (t) => {
  for (const path of ["/", "/plain"]) {
    await t.step(`${path} has its policy and is never kept`, async () => {
      const response = await ask(new Known().handler(), path);
      assertEquals(response.status, 200);
      assertEquals(
        response.headers.get("content-security-policy"),
        CONTENT_SECURITY_POLICY,
      );
      assertEquals(
        response.headers.get("cache-control"),
        "no-store, no-transform",
      );
      const html = await response.text();
      assertStringIncludes(html, "<title>Machines on lan</title>");
      assert(html.endsWith("</html>\n"));
    });
  }

  await t.step("/ is the same for any number of machines", async () => {
    const known = new Known();
    const pages: string[] = [];
    for (let count = 0; count < 100; count += 50) {
      for (let mac = 0; mac < count; mac++) known.registry.add(MAC + mac, 0);
      const response = await ask(known.handler(), "/");
      const bytes = await response.bytes();
      assertEquals(
        response.headers.get("content-length"),
        String(bytes.length),
      );
      pages.push(new TextDecoder().decode(bytes));
    }
    assertEquals(pages[0], pages[1]);
    assertEquals(
      /<noscript>(.*?)<\/noscript>/s.exec(pages[0]!)?.[1]?.match(/href="(.*?)"/)
        ?.[1],
      "/plain",
    );
  });

  await t.step("/plain has the machines, and when it was made", async () => {
    const known = new Known();
    known.registry.reach(known.registry.add(MAC, 0), "os_init");
    const response = await ask(known.handler(), "/plain");
    const html = await response.text();
    assertStringIncludes(
      html,
      `${MAC_TEXT}</b><br>2001:db8:1:2:0:200:5e00:5301<`,
    );
    assertStringIncludes(html, "System is up");
    const time = /As of ([-0-9]+ [:0-9]+) UTC/.exec(html)![1]!;
    assertLess(
      Math.abs(Date.now() - Date.parse(`${time.replace(" ", "T")}Z`)),
      10_000,
    );
  });

  await t.step("are its files, and only what is new of them", async () => {
    const router = new Known().handler();
    const first = await ask(router, "/page/page.css");
    assertEquals(first.headers.get("content-type"), "text/css; charset=utf-8");
    assertStringIncludes(await first.text(), ":root");
    const etag = first.headers.get("etag")!;
    for (const [tags, status] of [[etag, 304], ['"other"', 200]] as const) {
      const again = await ask(router, "/page/page.css", {
        headers: { "if-none-match": tags },
      });
      assertEquals(again.status, status);
      await again.body?.cancel();
    }
  });

  await t.step("are compressed for clients that accept gzip", async () => {
    const router = new Known().handler();
    const get = (headers: Record<string, string>, method = "GET") =>
      ask(router, "/page/page.css", { method, headers });
    const tags: string[] = [];
    for (
      const [encodings, coding] of [["br", null], ["gzip, br", "gzip"]] as const
    ) {
      const accepting = { "accept-encoding": encodings };
      const full = await get(accepting);
      const head = await get(accepting, "HEAD");
      const bytes = await full.bytes();
      const etag = full.headers.get("etag")!;
      tags.push(etag);
      for (const { status, headers } of [full, head]) {
        assertEquals(status, 200);
        assertEquals(headers.get("content-encoding"), coding);
        assertEquals(headers.get("content-length"), String(bytes.length));
        assertEquals(headers.get("vary"), "accept-encoding");
        assertEquals(headers.get("etag"), etag);
      }
      assertEquals(await head.text(), "");
      const known = await get({ ...accepting, "if-none-match": etag });
      assertEquals(known.status, 304);
      assertEquals(known.body, null);
      assertEquals(known.headers.get("vary"), "accept-encoding");
      assertEquals(known.headers.get("etag"), etag);
    }
    assertEquals(new Set(tags).size, 2);
    const other = await get({
      "accept-encoding": "gzip",
      "if-none-match": tags[0]!,
    });
    assertEquals(other.status, 200, "the tag of another coding");
    await other.body?.cancel();
  });

  await t.step("keep their length and tag on the wire", async () => {
    const router = new Known().handler();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request, { completed }) =>
        router.handle(request, { client: "::1", protocol: "http", completed }),
    );
    try {
      const files = await readPageFiles();
      for (const method of ["GET", "HEAD"]) {
        for (const encodings of ["gzip", "br, deflate, zstd"]) {
          for (const [path, { identity, gzip }] of files) {
            const { content, etag } = encodings === "gzip" ? gzip : identity;
            const { headers, body } = await exchange(
              server.addr.port,
              `${method} ${path}`,
              `Accept-Encoding: ${encodings}`,
            );
            assertEquals(headers.get("etag"), etag);
            assertEquals(headers.get("content-length"), String(content.length));
            assertEquals(headers.get("transfer-encoding"), null);
            assertEquals(body, method === "GET" ? content : new Uint8Array());
          }
        }
      }
    } finally {
      await server.shutdown();
    }
  });

  await t.step(
    "go on when machines are forgotten while they are written",
    async () => {
      const known = new Known({ machines: 500, events: 5000 });
      for (let index = 0; index < 500; index++) known.registry.add(index, 0);
      const { body } = await ask(known.handler(), "/plain");
      let html = "";
      for await (const text of body!.pipeThrough(new TextDecoderStream())) {
        for (let index = 500; html === "" && index < 900; index++) {
          known.registry.add(index, 0);
        }
        html += text;
      }
      assert(html.endsWith("</html>\n"));
      const rows = html.match(/<tr role="row"><th scope="row"/g)!.length;
      assert(rows >= 100 && rows < 500, `${rows} rows`);
    },
  );
});
