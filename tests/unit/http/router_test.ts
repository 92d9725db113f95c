import { streamOf } from "../../../lib/http/body_source.ts";
import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type StepHooks, stepsWith } from "../../support/steps.ts";
import { Downloads } from "../../../lib/http/download.ts";
import type { Router } from "../../../lib/http/router.ts";
import { BootFileHandler } from "../../../lib/http/boot_files.ts";
import { BootDirectory } from "../../../lib/boot_files/directory.ts";
import {
  MAX_CHUNK_BYTES,
  MAX_DOWNLOADS_PER_CLIENT,
  MAX_TOTAL_CHUNK_BYTES,
  MIN_CHUNK_BYTES,
} from "../../../lib/overload/limits.ts";
import {
  PROGRESS_STEP,
  type TransferDetail,
} from "../../../lib/machines/transfer_progress.ts";
import type { Mac } from "../../../lib/net/mac.ts";
import { fc } from "../../support/fast_check.ts";
import {
  ask,
  type Asked,
  findClosed,
  Known,
  MAC,
  MAC_TEXT,
  nextTick,
  octets,
} from "../../support/http.ts";

const CLIENT = "2001:db8:1:2:0:200:5e00:5301";
const MIB = 1024 * 1024;

/** A report of a boot file. */
interface BootFileReport {
  readonly mac: Mac;
  readonly client: string;
  readonly detail: TransferDetail;
}

/**
 * Reads at least so many bytes.
 *
 * @returns The size of the last chunk.
 */
async function readBytes(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  bytes: number,
): Promise<number> {
  for (let received = 0;;) {
    const { length } = (await reader.read()).value!;
    received += length;
    if (received >= bytes) return length;
  }
}

Deno.test("Router", async (t) => {
  await using cleanup = new AsyncDisposableStack();
  let bootFiles: BootFileHandler;
  let router: Router;
  let reports: BootFileReport[];

  const root = await Deno.makeTempDir();
  const own = `${root}/${MAC_TEXT}`;
  await Deno.mkdir(own);

  const hooks: StepHooks = {
    before: () => {
      reports = [];
      bootFiles = new BootFileHandler(
        new BootDirectory(root),
        (mac, client, detail) => reports.push({ mac, client, detail }),
      );
      router = new Known().handler(
        bootFiles,
        (hostname) => hostname === CLIENT,
      );
    },
    after: () => {
      assertEquals(bootFiles.downloads.active, 0, "every download has ended");
    },
  };
  const step = stepsWith(t, hooks);

  cleanup.defer(async () => {
    await Deno.remove(root, { recursive: true });
  });

  /** Asks for a file of the machine. */
  function askFor(name: string, asked: Asked = {}): Promise<Response> {
    return ask(router, `/mac/${MAC_TEXT}/${name}`, {
      client: CLIENT,
      ...asked,
    });
  }

  async function write(
    name: string,
    content: string | Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    await Deno.writeFile(`${own}/${name}`, bytes);
  }

  /** `state sent_bytes` of each report. */
  function states(): string[] {
    return reports.map(({ detail }) => `${detail.state} ${detail.sent_bytes}`);
  }

  /** Checks a plain-text refusal of one line; its text. */
  async function isRefusal(
    response: Response,
    status: number,
  ): Promise<string> {
    const text = await response.text();
    assertEquals(response.status, status, text);
    assertEquals(response.headers.get("content-length"), String(text.length));
    assertEquals(
      response.headers.get("content-type"),
      "text/plain; charset=utf-8",
    );
    assertEquals(response.headers.get("location"), null);
    assertMatch(text, /^[^\n]+\n$/);
    return text;
  }

  await t.step("reports clients that an option would allow", async () => {
    const refused: string[] = [];
    const router = new Known().handler(
      undefined,
      (hostname) => hostname === CLIENT,
      ["boot.lab.example"],
      {
        onHostRefused: (name, client) => refused.push(`${name} ${client}`),
        onClientRefused: (client) => refused.push(client),
      },
    );
    const client = CLIENT;
    for (
      const [path, asked, status, expected] of [
        ["/events", { headers: { host: "Router.Lab:6315" } }, 421, [
          `router.lab ${client}`,
        ]],
        ["/metrics", { headers: { host: "router." } }, 421, [
          `router ${client}`,
        ]],
        ["/", { host: "router:6315" }, 421, [`router ${client}`]],
        // No option makes a name of these.
        ["/metrics", { headers: { host: "" } }, 400, []],
        ["/metrics", { headers: { host: "rou ter" } }, 400, []],
        ["/metrics", { headers: { host: "a".repeat(300) } }, 421, []],
        ["/metrics", { headers: { host: "boot.lab.example" } }, 200, []],
        ["/healthz", { headers: { host: "router" } }, 200, []],
        ["/metrics", { client: "2001:db8::9" }, 403, ["2001:db8::9"]],
        ["/machines/x", { client: "192.0.2.9" }, 403, ["192.0.2.9"]],
        ["/events", { client: "2001:db8::9" }, 403, ["2001:db8::9"]],
        ["/wp-login.php", { client: "2001:db8::9" }, 403, []],
      ] as [string, Asked, number, string[]][]
    ) {
      refused.length = 0;
      const response = await ask(router, path, { client, ...asked });
      await response.body?.cancel();
      assertEquals([response.status, refused], [status, expected], path);
    }
  });

  await t.step("a file", async (t) => {
    const step = stepsWith(t, hooks);
    const CONTENT = "0123456789";
    let etag: string;
    let modified: string;

    {
      await write("f.efi", CONTENT);
      // In the second of its last change, a file has no Last-Modified.
      const past = new Date(Date.now() - 5000);
      await Deno.utime(`${own}/f.efi`, past, past);
      await write("empty.efi", "");
      const file = await findClosed(new BootDirectory(root), MAC, "f.efi");
      etag = file!.etag;
      modified = file!.modified!.toUTCString();
    }

    await step("200 with the headers that firmware needs", async () => {
      const response = await askFor("f.efi");
      assertEquals(response.status, 200);
      assertEquals(
        Object.fromEntries(response.headers),
        {
          "accept-ranges": "bytes",
          "cache-control": "no-transform",
          "content-length": "10",
          "content-type": "application/efi",
          etag,
          "last-modified": modified,
          "x-content-type-options": "nosniff",
        },
      );
      assertMatch(etag, /^"[\x21\x23-\x7e]+"$/);
      assertMatch(
        modified,
        /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/,
      );
      assertEquals(await response.text(), CONTENT);
    });

    await step("HEAD: the same headers, and no body", async () => {
      const get = await askFor("f.efi");
      await get.body!.cancel();
      const head = await askFor("f.efi", { method: "HEAD" });
      assertEquals(head.status, 200);
      assertEquals(
        Object.fromEntries(head.headers),
        Object.fromEntries(get.headers),
      );
      assertEquals(await head.text(), "");
    });

    await step("HEAD ignores ranges and evaluates preconditions", async () => {
      const head = (headers: Record<string, string>) =>
        askFor("f.efi", { method: "HEAD", headers });
      const ranged = await head({ range: "bytes=2-3" });
      assertEquals(ranged.status, 200);
      assertEquals(ranged.headers.get("content-length"), "10");
      assertEquals(ranged.headers.get("content-range"), null);
      assertEquals((await head({ range: "bytes=99-" })).status, 200);
      assertEquals((await head({ "if-none-match": etag })).status, 304);
      const failed = await head({ "if-match": '"x"' });
      assertEquals(failed.status, 412);
      await failed.body?.cancel();
    });

    await step("an empty file", async () => {
      const response = await askFor("empty.efi");
      assertEquals(response.status, 200);
      assertEquals(response.headers.get("content-length"), "0");
      assertEquals(await response.text(), "");
      const ranged = await askFor("empty.efi", {
        headers: { range: "bytes=0-" },
      });
      await isRefusal(ranged, 416);
      assertEquals(ranged.headers.get("content-range"), "bytes */0");
    });

    for (
      const [range, status, contentRange, body] of [
        ["bytes=2-5", 206, "bytes 2-5/10", "2345"],
        ["bytes=0-9", 206, "bytes 0-9/10", CONTENT],
        ["bytes=0-0", 206, "bytes 0-0/10", "0"],
        ["bytes=9-", 206, "bytes 9-9/10", "9"],
        ["bytes=7-100", 206, "bytes 7-9/10", "789"],
        ["bytes=-3", 206, "bytes 7-9/10", "789"],
        ["bytes=-30", 206, "bytes 0-9/10", CONTENT],
        ["bytes=0-1,3-4", 200, null, CONTENT],
        ["bytes=5-2", 200, null, CONTENT],
        ["chars=2-5", 200, null, CONTENT],
      ] as const
    ) {
      await step(`${range}: ${status}`, async () => {
        const response = await askFor("f.efi", { headers: { range } });
        assertEquals(response.status, status);
        assertEquals(response.headers.get("content-range"), contentRange);
        assertEquals(
          response.headers.get("content-length"),
          String(body.length),
        );
        assertEquals(response.headers.get("etag"), etag);
        assertEquals(response.headers.get("last-modified"), modified);
        assertEquals(response.headers.get("content-type"), "application/efi");
        assertEquals(await response.text(), body);
      });
    }

    await step("416 with the length of the file", async () => {
      for (const range of ["bytes=10-", "bytes=10-20", "bytes=-0"]) {
        const response = await askFor("f.efi", { headers: { range } });
        await isRefusal(response, 416);
        assertEquals(response.headers.get("content-range"), "bytes */10");
      }
    });

    await step("an interrupted download resumes", async () => {
      for (
        const [name, value] of [
          ["if-match", etag],
          ["if-unmodified-since", modified],
          ["if-range", etag],
          ["if-range", modified],
        ] as const
      ) {
        const response = await askFor("f.efi", {
          headers: { range: "bytes=4-9", [name]: value },
        });
        assertEquals(response.status, 206, name);
        assertEquals(response.headers.get("content-range"), "bytes 4-9/10");
        assertEquals(await response.text(), CONTENT.slice(4));
      }
    });

    await step(
      "412 when the file has changed, before any range",
      async () => {
        const past = "Mon, 13 Oct 2025 20:08:24 GMT";
        for (
          const headers of [
            { "if-match": '"x"' },
            { "if-match": '"x"', range: "bytes=4-9" },
            { "if-match": '"x"', range: "bytes=99-" },
            { "if-unmodified-since": past, range: "bytes=4-9" },
          ] as Record<string, string>[]
        ) await isRefusal(await askFor("f.efi", { headers }), 412);
        const whole = await askFor("f.efi", {
          headers: { "if-range": '"x"', range: "bytes=4-9" },
        });
        assertEquals(whole.status, 200);
        assertEquals(await whole.text(), CONTENT);
      },
    );

    await step(
      "304 with ETag and without body",
      async () => {
        for (
          const headers of [
            { "if-none-match": etag },
            { "if-none-match": `W/${etag}` },
            { "if-modified-since": modified },
            { "if-none-match": etag, range: "bytes=4-9" },
            { "if-none-match": etag, range: "bytes=99-" },
          ] as Record<string, string>[]
        ) {
          const response = await askFor("f.efi", { headers });
          assertEquals(response.status, 304);
          assertEquals(response.body, null);
          assertEquals(response.headers.get("etag"), etag);
          assertEquals(response.headers.get("last-modified"), modified);
        }
      },
    );

    await step("every range has its bytes", async () => {
      const content = octets(5000);
      await write("parts.img", content);
      await fc.assert(
        fc.asyncProperty(
          fc.nat({ max: 4999 }),
          fc.nat({ max: 5500 }),
          async (first, length) => {
            const response = await askFor("parts.img", {
              headers: { range: `bytes=${first}-${first + length}` },
            });
            assertEquals(response.status, 206);
            const end = Math.min(5000, first + length + 1);
            assertEquals(
              response.headers.get("content-range"),
              `bytes ${first}-${end - 1}/5000`,
            );
            assertEquals(await response.bytes(), content.slice(first, end));
          },
        ),
      );
    });
  });

  await t.step("refused requests", async (t) => {
    const step = stepsWith(t, hooks);
    await step("403 for clients not allowed, for every request", async () => {
      await write("f.efi", "content");
      for (
        const [path, method] of [
          [`/mac/${MAC_TEXT}/f.efi`, "GET"],
          [`/mac/${MAC_TEXT}/f.efi`, "HEAD"],
          [`/mac/${MAC_TEXT}/f.efi`, "PUT"],
          ["/", "GET"],
          ["/plain", "GET"],
          ["", "GET"],
          ["/mac/x/y", "GET"],
        ] as const
      ) {
        const response = await ask(router, path, {
          method,
          client: "2001:db8:9::1",
        });
        await isRefusal(response, 403);
      }
    });

    await step("405 with Allow", async () => {
      for (
        const method of [
          ...["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"],
          ...["get", "HEADER"],
        ]
      ) {
        for (const name of ["f.efi", "nothing.efi", "../x"]) {
          const response = await askFor(name, { method });
          await isRefusal(response, 405);
          assertEquals(response.headers.get("allow"), "GET, HEAD");
        }
      }
    });

    await step("400 with an example for a malformed MAC", async () => {
      for (const path of ["/mac/x/f.efi", "/mac/", "/mac//f.efi"]) {
        const response = await ask(router, path, { client: CLIENT });
        assertStringIncludes(await isRefusal(response, 400), "02:00:5e:00:53");
      }
    });

    await step("400 without a path", async () => {
      for (const path of ["", "*", "?x", "#"]) {
        const response = await ask(router, path, { client: CLIENT });
        await isRefusal(response, 400);
      }
    });

    await step("404 for other paths", async () => {
      for (
        const path of [
          "/index.html",
          "/page/",
          "/page/../page.css",
          "/mac",
          "/m/x",
          "/mac.efi",
        ]
      ) {
        const response = await ask(router, path, { client: CLIENT });
        await isRefusal(response, 404);
      }
      await isRefusal(await askFor("nothing.efi"), 404);
    });

    await step("404 without a netboot directory", async () => {
      router = new Known().handler();
      await isRefusal(await askFor("f.efi"), 404);
      const mac = await ask(router, "/mac/x/f.efi");
      await isRefusal(mac, 400);
    });

    await step("no response reflects the request", async () => {
      const mark = "<script>marked</script>";
      for (const path of [`/mac/${mark}/x`, `/mac/${MAC_TEXT}/${mark}`, mark]) {
        const response = await ask(router, path, { client: CLIENT });
        assert(!(await response.text()).includes("marked"));
        for (const [, value] of response.headers) {
          assert(!value.includes("marked"));
        }
      }
    });
  });

  await step("hosts that new URL refuses", async () => {
    await write("f.efi", "content");
    for (
      const host of ["[fe80::1%25eth0]:6315", "[fe80::1%eth0]:6315", "%zz"]
    ) {
      const response = await askFor("f.efi", { host, headers: { host } });
      assertEquals(response.status, 200, host);
      assertEquals(await response.text(), "content");
    }
  });

  await step("400 for what is no host, everywhere", async () => {
    await write("f.efi", "content");
    const paths = [
      ...["/", "/machines", "/events", "/healthz", "/mac/", "/x", "/metrics"],
      `/mac/${MAC_TEXT}/f.efi`,
    ];
    for (
      const host of [
        `/mac/${MAC_TEXT}/f.efi?`,
        `localhost/mac/${MAC_TEXT}/f.efi?`,
        `localhost/mac/${MAC_TEXT}/f.efi#`,
        ...["/healthz?", "localhost?", "localhost#", "localhost, localhost"],
        ...["foo bar", "a\tb", "a\x01b", "a\x7f", "a@b", "@", ":", ":80", ""],
        ...["[::1", "::1]", "[]", "[::1]x", "[::1].x", "[::1%evil]", "[::g]"],
        ...["fe80::1%eth0", "1::2::3", "host:x", "host:99999", "host:80:80"],
        ...["<x>", "a,b", "größe", "\\", "a|b", '"a"'],
      ]
    ) {
      for (const path of paths) {
        if (/^[\t\x20-\x7e\x80-\xff]*$/.test(host)) {
          const given = await ask(router, path, {
            client: CLIENT,
            headers: { host },
          });
          assertStringIncludes(await isRefusal(given, 400), "Host", host);
        }
        // The target alone, as in HTTP/2; the runtime refuses these itself.
        if (/[/?#]/.test(host)) continue;
        await isRefusal(await ask(router, path, { client: CLIENT, host }), 400);
      }
    }
  });

  await step("400 for a request without a host", async () => {
    for (const path of ["/", "/healthz", `/mac/${MAC_TEXT}/f.efi`]) {
      // What the runtime makes of such a request.
      const response = await ask(router, path, {
        client: CLIENT,
        host: "localhost:6315",
      });
      assertStringIncludes(await isRefusal(response, 400), "no Host");
    }
  });

  await t.step("reports of boot.efi", async (t) => {
    const step = stepsWith(t, hooks);
    const SIZE = 12 * MIB + 7;

    await write("boot.efi", octets(SIZE));
    for (const name of ["small.efi", "small.cfg", "initrd"]) {
      await write(name, "x");
    }

    await step(
      "at the start, every 5 MiB and at the end",
      async () => {
        const response = await askFor("boot.efi");
        assertEquals(states(), ["init 0"]);
        assertEquals((await response.bytes()).length, SIZE);
        assertEquals(states(), [
          "init 0",
          `sending ${PROGRESS_STEP}`,
          `sending ${2 * PROGRESS_STEP}`,
          `complete ${SIZE}`,
        ]);
        for (const { mac, client, detail } of reports) {
          assertEquals(mac, MAC);
          assertEquals(client, CLIENT);
          assertEquals(detail, {
            protocol: "http",
            file_name: "boot.efi",
            state: detail.state,
            sent_bytes: detail.sent_bytes,
            total_bytes: SIZE,
          });
        }
        assertEquals(bootFiles.downloads.sentBytes, SIZE);
      },
    );

    await step("have the protocol", async () => {
      const response = await askFor("boot.efi", { protocol: "https" });
      assertEquals(reports[0]!.detail.protocol, "https");
      await response.body!.cancel();
    });

    await step("of a small and an empty file", async () => {
      await write("boot.efi", "tiny");
      await (await askFor("boot.efi")).bytes();
      assertEquals(states(), ["init 0", "complete 4"]);
      reports = [];
      await write("boot.efi", "");
      await (await askFor("boot.efi")).bytes();
      assertEquals(states(), ["init 0", "complete 0"]);
      await write("boot.efi", octets(SIZE));
    });

    await step("of the default file", async () => {
      await Deno.mkdir(`${root}/default`);
      await Deno.writeTextFile(`${root}/default/boot.efi`, "all");
      const path = "/mac/02-00-5E-00-53-09/boot.efi";
      const response = await ask(router, path, { client: CLIENT });
      assertEquals(await response.text(), "all");
      assertEquals(states(), ["init 0", "complete 3"]);
      assertEquals(reports[0]!.mac, 0x0200_5e00_5309);
      assertEquals(reports[0]!.detail.file_name, "boot.efi");
    });

    await step("when the client disconnects", async () => {
      const response = await askFor("boot.efi");
      const reader = response.body!.getReader();
      await readBytes(reader, 2 * MIB);
      await reader.cancel();
      assertEquals(states(), ["init 0", `error ${2 * MIB}`]);
      const { detail } = reports.at(-1)!;
      assertEquals(detail.error, "the client has left");
      assertEquals(detail.total_bytes, SIZE);
    });

    await step(
      "once when the client disconnects before the first byte",
      async () => {
        const response = await askFor("boot.efi");
        await response.body!.cancel();
        await response.body!.cancel();
        assertEquals(states(), ["init 0", "error 0"]);
      },
    );

    await step("when the client disconnects during a read", async () => {
      const response = await askFor("boot.efi");
      const reader = response.body!.getReader();
      const reading = reader.read();
      await reader.cancel();
      await reading;
      await nextTick();
      assertEquals(states(), ["init 0", "error 0"]);
    });

    await step("when the file changes", async () => {
      const response = await askFor("boot.efi");
      const reader = response.body!.getReader();
      await readBytes(reader, MIB);
      await nextTick();
      await write("boot.efi", octets(SIZE, 8));
      await assertRejects(async () => {
        while (!(await reader.read()).done);
      }, Error);
      assertEquals(states(), ["init 0", `error ${MIB}`]);
      assertEquals(reports.at(-1)!.detail.error, "the file has changed");
    });

    await step("of a range that is the whole file", async () => {
      const response = await askFor("boot.efi", {
        headers: { range: "bytes=0-" },
      });
      assertEquals(response.status, 206);
      await response.bytes();
      assertEquals(states().at(0), "init 0");
      assertEquals(states().at(-1), `complete ${SIZE}`);
    });

    await step(
      "count only the bytes sent of a shorter range",
      async () => {
        const response = await askFor("boot.efi", {
          headers: { range: "bytes=0-99" },
        });
        await response.bytes();
        for (const { detail } of reports) {
          assert(detail.sent_bytes <= 100, `${states()}`);
        }
      },
    );

    await step("of a download that is resumed", async () => {
      const start = SIZE - 9;
      for (const range of [`${start}-`, "-9", `${start}-${SIZE - 1}`]) {
        const response = await askFor("boot.efi", {
          headers: { range: `bytes=${range}` },
        });
        assertEquals((await response.bytes()).length, 9);
        assertEquals(
          states(),
          [`sending ${start}`, `complete ${SIZE}`],
          range,
        );
        reports.splice(0);
      }
    });

    await step(
      "none for HEAD, ranges in the middle, refusals and other files",
      async () => {
        const etag = (await askFor("boot.efi", { method: "HEAD" })).headers
          .get("etag")!;
        for (
          const [name, method, headers] of [
            ["boot.efi", "HEAD", {}],
            ["boot.efi", "GET", { range: `bytes=1-${SIZE - 2}` }],
            ["boot.efi", "GET", { range: "bytes=7-9" }],
            ["boot.efi", "GET", { range: `bytes=${SIZE}-` }],
            ["boot.efi", "GET", { "if-none-match": etag }],
            ["boot.efi", "GET", { "if-match": '"x"' }],
            ["boot.efi", "POST", {}],
            ["small.efi", "HEAD", {}],
            ["small.cfg", "GET", {}],
            ["initrd", "GET", {}],
            ["nothing/boot.efi", "GET", {}],
          ] as [string, string, Record<string, string>][]
        ) {
          const response = await askFor(name, { method, headers });
          await response.bytes();
          assertEquals(states(), [], `${method} ${name}`);
        }
      },
    );

    await step("of programs, images and what the template names", async () => {
      const router = new Known().handler(
        new BootFileHandler(
          new BootDirectory(root),
          (mac, client, detail) => reports.push({ mac, client, detail }),
          undefined,
          {
            isBootPath: (path, mac) => mac === MAC && path.endsWith("/ker nel"),
          },
        ),
      );
      await Deno.mkdir(`${own}/EFI`);
      for (
        const [name, escaped = name] of [
          ["EFI/BOOTX64.EFI"],
          ["disk.img"],
          ["small.iso"],
          ["ker nel", "ker%20nel"],
        ] as [string, string?][]
      ) {
        await write(name, "12");
        const response = await ask(
          router,
          `/mac/${MAC_TEXT.toUpperCase()}/${escaped}`,
        );
        assertEquals(await response.text(), "12");
        const [begin, end] = reports.splice(0);
        assertEquals(
          [begin!.detail.file_name, begin!.detail.state, end!.detail.state],
          [name, "init", "complete"],
        );
      }
    });

    await step("none for clients not allowed", async () => {
      const response = await askFor("boot.efi", { client: "2001:db8:9::1" });
      assertEquals(response.status, 403);
      assertEquals(reports, []);
    });
  });

  await t.step("a file that changes during its download", async (t) => {
    const step = stepsWith(t, hooks);
    const SIZE = 4 * MIB;
    /** Bytes that tell the old content from the new. */
    const OLD = 0x6f;
    const NEW = 0x6e;
    const filled = (size: number, octet: number) =>
      new Uint8Array(size).fill(octet);

    for (
      const [what, change] of [
        ["grows", async (path) => {
          await Deno.writeFile(path, filled(10, NEW), { append: true });
        }],
        ["shrinks", (path) => Deno.truncate(path, 3 * MIB)],
        ["shrinks to what is sent", (path) => Deno.truncate(path, MIB)],
        ["is emptied", (path) => Deno.truncate(path, 0)],
        ["is overwritten in place", async (path) => {
          using file = await Deno.open(path, { write: true });
          await file.write(filled(SIZE, NEW));
        }],
        ["is overwritten at its end", async (path) => {
          using file = await Deno.open(path, { write: true });
          await file.seek(-1, Deno.SeekMode.End);
          await file.write(filled(1, NEW));
        }],
        ["is emptied and written again", async (path) => {
          await Deno.writeFile(path, filled(SIZE, NEW));
        }],
      ] as [string, (path: string) => Promise<void>][]
    ) {
      await step(`${what}: it is aborted`, async () => {
        await write("changing.img", filled(SIZE, OLD));
        await nextTick();
        const response = await askFor("changing.img");
        const reader = response.body!.getReader();
        let received = 0;
        const take = async () => {
          const { value, done } = await reader.read();
          if (done) return false;
          assert(value.every((octet) => octet === OLD), "never mixed");
          received += value.length;
          return true;
        };
        while (received < MIB) await take();
        await change(`${own}/changing.img`);
        await assertRejects(
          async () => {
            while (await take());
          },
          Error,
          "the file has changed",
        );
        assert(received < SIZE, `${received} octets`);
        const again = await askFor("changing.img", {
          headers: {
            range: `bytes=${received}-`,
            "if-match": response.headers.get("etag")!,
          },
        });
        await isRefusal(again, 412);
      });
    }

    for (
      const [what, change] of [
        ["replaced", async (path) => {
          await Deno.writeFile(`${path}.new`, filled(SIZE, NEW));
          await Deno.rename(`${path}.new`, path);
        }],
        ["removed", (path) => Deno.remove(path)],
        ["renamed, and replaced", async (path) => {
          await Deno.rename(path, `${path}.old`);
          await Deno.writeFile(path, filled(SIZE, NEW));
        }],
        ["linked, and replaced", async (path) => {
          await Deno.remove(`${path}.kept`).catch(() => {});
          await Deno.link(path, `${path}.kept`);
          await Deno.writeFile(`${path}.new`, filled(SIZE, NEW));
          await Deno.rename(`${path}.new`, path);
        }],
      ] as [string, (path: string) => Promise<void>][]
    ) {
      await step(`is ${what}: all bytes are of the old file`, async () => {
        await write("changing.img", filled(SIZE, OLD));
        await nextTick();
        const response = await askFor("changing.img");
        const reader = response.body!.getReader();
        let received = 0;
        await reader.read().then(({ value }) => received += value!.length);
        await change(`${own}/changing.img`);
        while (true) {
          const { value, done } = await reader.read();
          if (done) break;
          assert(value.every((octet) => octet === OLD), "never mixed");
          received += value.length;
        }
        assertEquals(received, SIZE);
        const again = await askFor("changing.img", {
          headers: {
            range: `bytes=${received - 1}-`,
            "if-match": response.headers.get("etag")!,
          },
        });
        await again.body?.cancel();
        assert([404, 412].includes(again.status), `${again.status}`);
      });
    }

    await step("is replaced between its finding and its sending", async () => {
      await write("boot.efi", "old");
      const files = new BootDirectory(root);
      const file = (await files.find(MAC, ["boot.efi"]))!;
      await Deno.writeTextFile(`${own}/boot.efi.new`, "new content");
      await Deno.rename(`${own}/boot.efi.new`, `${own}/boot.efi`);
      const downloads = new Downloads();
      const body = await downloads.body(
        file,
        { start: 0, end: 3 },
        downloads.reserve("::1")!,
        { client: "::1", protocol: "http" },
        undefined,
      );
      assertEquals(await new Response(streamOf(body)).text(), "old");
    });
  });

  await t.step("many downloads at once", async (t) => {
    const step = stepsWith(t, hooks);
    const SIZE = 3 * MIB;

    await write("many.img", octets(SIZE));

    await step("read smaller chunks the more there are", async () => {
      const { downloads } = bootFiles;
      assertEquals(downloads.chunkSize, MAX_CHUNK_BYTES);
      const bodies: ReadableStream<Uint8Array>[] = [];
      let last = downloads.chunkSize;
      for (let count = 1; count <= 100; count++) {
        bodies.push((await askFor("many.img")).body!);
        assertEquals(downloads.active, count);
        const { chunkSize } = downloads;
        assert(chunkSize <= last && chunkSize >= MIN_CHUNK_BYTES);
        assert(
          chunkSize === MIN_CHUNK_BYTES ||
            chunkSize * count <= MAX_TOTAL_CHUNK_BYTES,
        );
        last = chunkSize;
      }
      assertLess(last, MAX_CHUNK_BYTES);
      const readers = bodies.map((body) => body.getReader());
      const pieces = await Promise.all(
        readers.map((reader) => readBytes(reader, MIB)),
      );
      for (const piece of pieces) assertEquals(piece, last);
      for (const [index, reader] of readers.entries()) {
        assertEquals(downloads.active, 100 - index);
        await reader.cancel();
      }
      assertEquals(downloads.chunkSize, MAX_CHUNK_BYTES);
    });

    await step("each get every byte", async () => {
      const expected = octets(SIZE);
      const all = await Promise.all(
        Array.from({ length: 30 }, async () => {
          const bytes = await (await askFor("many.img")).bytes();
          return bytes.length === SIZE &&
            bytes.every((octet, index) => octet === expected[index]);
        }),
      );
      assert(all.every((isRight) => isRight));
      assertEquals(bootFiles.downloads.sentBytes, 30 * SIZE);
    });

    await step(
      "above the quota of one client are refused, others served",
      async () => {
        router = new Known().handler(bootFiles, () => true);
        const bodies: ReadableStream<Uint8Array>[] = [];
        for (let count = 0; count < MAX_DOWNLOADS_PER_CLIENT; count++) {
          bodies.push((await askFor("many.img")).body!);
        }
        const refused = await askFor("many.img");
        assertEquals(refused.headers.get("retry-after"), "10");
        await isRefusal(refused, 503);
        const other = await askFor("many.img", { client: "fe80::1" });
        assertEquals(other.status, 200);
        await other.body!.cancel();
        await bodies.pop()!.cancel();
        const again = await askFor("many.img");
        assertEquals(again.status, 200);
        for (const body of [again.body!, ...bodies]) await body.cancel();
        assertEquals(bootFiles.downloads.active, 0);
      },
    );

    await step(
      "begin with small chunks",
      async () => {
        const { downloads } = bootFiles;
        const file = (await new BootDirectory(root).find(MAC, ["many.img"]))!;
        const body = await downloads.body(
          file,
          { start: 0, end: SIZE },
          downloads.reserve(CLIENT)!,
          { client: CLIENT, protocol: "http" },
          undefined,
        );
        const reader = streamOf(body).getReader();
        const sizes: number[] = [];
        for (let count = 0; count < 8; count++) {
          sizes.push((await reader.read()).value!.length);
        }
        assertEquals(
          sizes,
          [16, 16, 32, 64, 128, 256, 512, 1024].map((size) => size * 1024),
        );
        await reader.cancel();
      },
    );

    await step("read nothing before the client does", async () => {
      const response = await askFor("many.img");
      await nextTick();
      assertEquals(bootFiles.downloads.sentBytes, 0);
      const reader = response.body!.getReader();
      await reader.read();
      await nextTick();
      assertEquals(bootFiles.downloads.sentBytes, MIN_CHUNK_BYTES);
      await reader.cancel();
    });
  });
});
