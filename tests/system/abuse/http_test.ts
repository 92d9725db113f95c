import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { BASE } from "../../support/expect.ts";
import {
  FAVORED,
  favoredDaemonCommand,
  RunningDaemon,
} from "../../support/daemon.ts";
import {
  eventually,
  Lab,
  missing,
  pause,
  type Program,
} from "../../support/lab.ts";
import { isHealthy, metrics, residentMib } from "../../support/metrics.ts";
import { labProgram, plugIn, SERVER } from "./switch.ts";

const lacks = missing("tests of HTTP abuse", "curl", "prlimit", "nft");
const ignore = lacks.length > 0;

const PORT = 6315;
const MAC = "02:00:5e:00:53:01";
const MIB = 1024 * 1024;

/**
 * Memory of the daemon, in MiB, whatever is done to it. It has had 188 to 263 in
 * these tests, by how late its garbage was collected.
 */
const MEMORY = 384;

Deno.test({
  name: "HTTP abuse",
  ignore,
  fn: async (t) => {
    let next = 0;

    await using lab = new Lab();
    const testLink = await plugIn(lab, 0);
    const own = `${lab.directory}/netboot/${MAC}`;
    await Deno.mkdir(own, { recursive: true });
    await Deno.writeFile(`${own}/boot.efi`, new Uint8Array(16 * MIB));
    await Deno.writeTextFile(`${own}/small.txt`, "0123456789");
    const daemon = new RunningDaemon(
      // A compiled daemon keeps the limit that it was given; the runtime would
      // raise it to the hard one.
      testLink.router.start([
        ...["prlimit", "--nofile=1024:1024"],
        ...favoredDaemonCommand(),
        ...["--interface=lan", `--base-address=${BASE}`],
        ...[`--boot-address=${SERVER}`, "--log-format=json"],
        `--netboot-dir=${lab.directory}/netboot`,
      ]),
    );
    await daemon.logs("serving");

    const hold = (count: number, kind: string, path = "/"): Program =>
      testLink.attacker.start([
        ...["prlimit", "--nofile=8192:8192"],
        ...labProgram(
          "connections.ts",
          ...[SERVER, String(PORT), String(count), kind, path],
        ),
      ]);

    /** Fetches something as the visitor; curl's exit code and what it says. */
    const fetches = async (url: string, seconds: number, ...args: string[]) => {
      const { code, stdout, stderr } = await testLink.visitor.run([
        ...["curl", "-sS", "-g", "--max-time", String(seconds)],
        ...["-o", "/dev/null", "-w", "%{http_code}", ...args, url],
      ], { mayFail: true });
      return { code, status: stdout, stderr };
    };

    /** DHCPv6 and TFTP go on, all the time. */
    async function othersAnswer(seconds = 1): Promise<void> {
      const messages = 100 * seconds;
      const probe = testLink.visitor.start([
        ...FAVORED,
        ...labProgram("probe.ts", "eth0", BASE, String(messages), "10"),
      ]);
      const end = Date.now() + 1000 * seconds;
      do {
        const tftp = await fetches(`tftp://[${SERVER}]/${MAC}/ipxe.efi`, 50);
        assertEquals(tftp.code, 0, tftp.stderr);
      } while (Date.now() < end);
      assertEquals(await probe.ended(seconds + 60), 0, probe.output);
      const lines = probe.output.trim().split("\n").map((line) =>
        JSON.parse(line)
      );
      const { wrong, distinct, stalled } = lines.pop();
      assertEquals(wrong, 0);
      assertLess(0.9 * messages, distinct);
      const gaps = lines.slice(1).map(({ time }, index) =>
        time - lines[index].time
      );
      // While the machine does not run the probe, it may not run the daemon.
      assertLess(
        Math.max(...gaps),
        1000 + 2 * stalled,
        "milliseconds without an answer",
      );
    }

    /** New connections are served, by themselves and while old ones stay. */
    async function httpAnswers(): Promise<void> {
      await eventually(
        "HTTP answers",
        async () =>
          (await fetches(
            `http://[${SERVER}]:${PORT}/mac/${MAC}/small.txt`,
            5,
          )).status === "200",
      );
    }

    /** A download and a reader of the events, begun before what may harm them. */
    async function begin(): Promise<{ goOn(): Promise<void> }> {
      const url = `http://[${SERVER}]:${PORT}`;
      const download = testLink.visitor.start([
        ...["curl", "-sS", "-g", "--limit-rate", "1M", "-o", "/dev/null"],
        ...[
          "-w",
          "%{http_code} %{size_download}",
          `${url}/mac/${MAC}/boot.efi`,
        ],
      ]);
      const reader = testLink.visitor.start(["curl", "-sSNg", `${url}/events`]);
      await reader.says(/data: /);
      return {
        goOn: async () => {
          assertEquals(await download.ended(120), 0, download.output);
          assertEquals(download.output.trim(), `200 ${16 * MIB}`);
          const heard = reader.output.length;
          await eventually(
            "the reader hears",
            () => reader.output.length > heard,
          );
          reader.kill();
          await reader.ended();
        },
      };
    }

    await t.step("2,000 idle connections at 1,024 descriptors", async () => {
      const others = othersAnswer(15);
      const begun = await begin();
      const idle = hold(2000, "idle");
      await idle.says(/held/);
      await others;
      await testLink.router.linkLocal("lan");
      await httpAnswers();
      await ended(idle);
      await httpAnswers();
      await othersAnswer();
      await begun.goOn();
      const told = ["connections_closed", "http_restarted"];
      assert(told.some((event) => daemon.count(event) > 0));
      assertLess(await residentMib(testLink.router), MEMORY);
    });

    await t.step("2,000 connections that come and go at once", async () => {
      const begun = await begin();
      for (let round = 0; round < 3; round++) {
        const burst = hold(2000, "idle");
        await burst.says(/held/);
        burst.kill("SIGKILL");
        await burst.ended();
        await httpAnswers();
      }
      await begun.goOn();
    });

    await t.step(
      "a firewall that refuses the daemon itself: nothing ends",
      async () => {
        const before = daemon.count("http_restarted");
        const { router } = testLink;
        await router.run(["nft", "add table inet refusing"]);
        await router.run([
          "nft",
          "add chain inet refusing in { type filter hook input priority 0; }",
        ]);
        await router.run([
          "nft",
          "add rule inet refusing in iif lo tcp dport 6315 reject with tcp reset",
        ]);
        await pause(3500);
        await httpAnswers();
        await router.run(["nft", "delete table inet refusing"]);
        assertEquals(daemon.count("http_restarted"), before);
      },
    );

    await t.step("200 slow senders and 100 slow readers", async () => {
      const slow = [
        hold(200, "sending"),
        hold(100, "reading", `/mac/${MAC}/boot.efi`),
      ];
      for (const program of slow) await program.says(/held/);
      await othersAnswer();
      await httpAnswers();
      assertLess(await residentMib(testLink.router), MEMORY);
      await downloadsAre(100);
      for (const [index, count] of [200, 100].entries()) {
        const { open } = JSON.parse(
          (await ended(slow[index]!)).split("\n").at(-1)!,
        );
        assertEquals(open, count, "nobody is cut off for being slow");
      }
      await downloadsAre(0);
    });

    async function downloadsAre(count: number): Promise<void> {
      await eventually(
        `there are ${count} downloads`,
        async () =>
          (await metrics(testLink.router)).get("dhcpv6macd_http_downloads") ===
            count,
      );
    }

    async function ended(program: Program): Promise<string> {
      program.kill();
      await program.ended();
      return program.output.trim();
    }

    for (const isAlone of [true, false]) {
      await t.step(
        `600 connections that ask for ever and read nothing, ${
          isAlone ? "alone" : "next to others"
        }`,
        async () => {
          const descriptors = async () =>
            (await metrics(testLink.router)).get("process_open_fds")!;
          const before = await descriptors();
          const begun = isAlone ? undefined : await begin();
          const deaf = hold(600, "pipelining", "/page/page.css");
          await deaf.says(/held/);
          await othersAnswer(3);
          await httpAnswers();
          const idle = hold(600, "idle");
          await idle.says(/held/);
          await othersAnswer(3);
          await httpAnswers();
          await ended(idle);
          await ended(deaf);
          await httpAnswers();
          await begun?.goOn();
          await eventually(
            `nothing is left but ${before} descriptors`,
            async () => await descriptors() <= before + 2,
          );
          assertLess(await residentMib(testLink.router), MEMORY);
        },
      );
    }

    for (
      const [count, path] of [
        [21, "/events"],
        [50, "/page/page.css"],
        [50, "/healthz"],
      ] as const
    ) {
      await t.step(
        `${count} connections with ${path} 195 times each, unread`,
        async () => {
          const streams = hold(count, "streams", path);
          await streams.says(/held/);
          const idle = hold(600, "idle");
          await idle.says(/held/);
          await othersAnswer(3);
          await httpAnswers();
          assertLess(await residentMib(testLink.router), MEMORY);
          await ended(idle);
          await ended(streams);
          await httpAnswers();
        },
      );
    }

    await t.step("600 connections whose other end is gone", async () => {
      const { attacker } = testLink;
      const gone = [
        hold(500, "idle"),
        hold(100, "reading", `/mac/${MAC}/boot.efi`),
      ];
      for (const program of gone) await program.says(/held/);
      await attacker.run(["nft", "add table inet gone"]);
      await attacker.run([
        "nft",
        "add chain inet gone out { type filter hook output priority 0; policy drop; }",
      ]);
      for (const program of gone) {
        program.kill("SIGKILL");
        await program.ended();
      }
      await othersAnswer();
      await httpAnswers();
      // The next ones find room, though nobody ever closes the first.
      const next = testLink.visitor.start([
        ...["prlimit", "--nofile=8192:8192"],
        ...labProgram("connections.ts", SERVER, String(PORT), "500", "idle"),
      ]);
      await next.says(/held/);
      await httpAnswers();
      await ended(next);
      await attacker.run(["nft", "delete table inet gone"]);
    });

    /** Sends octets and returns what comes back. */
    async function raw(text: string, seconds = 40): Promise<string> {
      const file = await lab.file(`raw-${next++}`, text);
      const { stdout } = await testLink.visitor.run(
        labProgram("raw_http.ts", SERVER, String(PORT), file, String(seconds)),
      );
      return stdout;
    }

    for (
      const [what, head] of [
        ["a header of 64 MiB", `X: ${"x".repeat(64 * MIB)}`],
        [
          "200,000 headers",
          Array.from({ length: 200_000 }, (_, index) => `X${index}: y`)
            .join("\r\n"),
        ],
      ] as const
    ) {
      await t.step(`${what}: refused, and no memory`, async () => {
        const answer = await raw(
          `GET /healthz HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`,
        );
        assertMatch(answer, /^(HTTP\/1\.1 4\d\d|$)/);
        assertLess(await residentMib(testLink.router), MEMORY);
        await httpAnswers();
      });
    }

    await t.step("a target of 1 MiB is refused", async () => {
      const answer = await raw(
        `GET /${"a/".repeat(MIB / 2)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      );
      assertMatch(answer, /^(HTTP\/1\.1 4\d\d|$)/);
      await httpAnswers();
    });

    await t.step(
      "500 requests at once in one connection, in order",
      async () => {
        const request = (path: string) =>
          `GET ${path} HTTP/1.1\r\nHost: [${SERVER}]\r\n\r\n`;
        const paths = ["/healthz", `/mac/${MAC}/small.txt`, `/mac/${MAC}/none`];
        const count = 500;
        const answer = await raw(
          Array.from(
            { length: count },
            (_, index) => request(paths[index % 3]!),
          )
            .join("") +
            "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        );
        const bodies = [...answer.matchAll(/\r\n\r\n([^H]*)/g)].map((
          [, body],
        ) => body!.trim());
        assertEquals(bodies.length, count + 1);
        for (const [index, body] of bodies.slice(0, -1).entries()) {
          assertEquals(body, ["ok", "0123456789", "not found"][index % 3]);
        }
      },
    );

    await t.step("a thousand ranges are one file at most", async () => {
      const ranges = Array.from({ length: 1000 }, () => "0-").join(",");
      const answer = await raw(
        `GET /mac/${MAC}/small.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=${ranges}\r\nConnection: close\r\n\r\n`,
      );
      assertMatch(answer, /^HTTP\/1\.1 (200|416) /);
      assertLess(answer.length, 1000);
      const sent = (await metrics(testLink.router)).get(
        "dhcpv6macd_http_sent_bytes_total",
      )!;
      const big = Array.from({ length: 1300 }, (_, at) => `${at}-`).join(",");
      await raw(
        `GET /mac/${MAC}/boot.efi HTTP/1.1\r\nHost: a\r\nRange: bytes=${big}\r\nConnection: close\r\n\r\n`,
      );
      const after = (await metrics(testLink.router)).get(
        "dhcpv6macd_http_sent_bytes_total",
      )!;
      assert(after - sent <= 16 * MIB, `${after - sent}`);
    });

    for (
      const [path, headers, status] of [
        ["/", ["Host: evil.example"], "421"],
        ["/events", ["Host: evil.example:6315"], "421"],
        ["/machines", ["Host: evil.example"], "421"],
        ["/metrics", ["Host: localhost.evil.example"], "421"],
        ["/names", ["Host: [::1].evil.example"], "400"],
        ["/machines", ["Origin: http://evil.example"], "403"],
        ["/machines", ["Origin: null"], "403"],
        ["/machines", [`Origin: http://[${SERVER}]:${PORT}`], "200"],
        ["/healthz", ["Host: evil.example"], "200"],
        [`/mac/${MAC}/small.txt`, ["Host: evil.example"], "200"],
      ] as [string, string[], string][]
    ) {
      await t.step(`${path} with ${headers}: ${status}`, async () => {
        const answer = await fetches(
          `http://[${SERVER}]:${PORT}${path}`,
          30,
          ...headers.flatMap((header) => ["-H", header]),
        );
        assertEquals(answer.status, status, answer.stderr);
      });
    }

    await t.step(
      "a second Host, or one that is a path: no way around",
      async () => {
        for (
          const head of [
            `GET http://evil.example/machines HTTP/1.1\r\nHost: [${SERVER}]`,
            `GET http://[${SERVER}]/machines HTTP/1.1\r\nHost: evil.example`,
            `GET /machines HTTP/1.1\r\nHost: [${SERVER}]\r\nHost: evil.example`,
            `GET /machines HTTP/1.1\r\nHost: evil.example\r\nHost: [${SERVER}]`,
            `GET / HTTP/1.1\r\nHost: [${SERVER}]/machines?`,
            "GET /machines HTTP/1.1\r\nHost: /healthz?",
            `GET /machines HTTP/1.1\r\nHost: /mac/${MAC}/small.txt?`,
          ]
        ) {
          const answer = await raw(`${head}\r\nConnection: close\r\n\r\n`);
          assertMatch(answer, /^HTTP\/1\.1 4(00|21) /, head);
        }
      },
    );

    await t.step("a MAC that was never seen becomes no machine", async () => {
      const unseen = "02:00:5e:00:53:99";
      await fetches(`http://[${SERVER}]:${PORT}/mac/${unseen}/boot.efi`, 30);
      await fetches(`http://[${SERVER}]:${PORT}/mac/${MAC}/boot.efi`, 50);
      await fetches(`tftp://[${SERVER}]/${unseen}/ipxe.efi`, 50);
      await isHealthy(testLink.router);
      for (const mac of [unseen, MAC]) {
        const { status } = await fetches(
          `http://[${SERVER}]:${PORT}/machines/${mac}`,
          30,
        );
        assertEquals(status, "404");
      }
    });
  },
});
