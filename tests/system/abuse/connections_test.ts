import { assert, assertEquals, assertLess } from "@std/assert";
import { Authority, makeKey } from "../../support/certificates.ts";
import {
  favoredDaemonCommand,
  type LogLine,
  RunningDaemon,
} from "../../support/daemon.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, Lab, missing, pause, Program } from "../../support/lab.ts";
import { limitsMemory, MemoryGroup } from "../../support/memory_group.ts";
import {
  metrics,
  requestsAnswered,
  residentMib,
  RETRIES,
} from "../../support/metrics.ts";
import {
  getToKnow,
  plugIn,
  SERVER,
  startMachines,
  type Switched,
} from "./switch.ts";

const lacks = missing("tests of connections", "curl", "prlimit", "python3");
const ignore = lacks.length > 0;
const ignoreLimited = ignore || !await limitsMemory();

const PORT = 6315;
const TLS_PORT = 8443;
const MAC = "02:00:5e:00:53:01";
const MIB = 1024 * 1024;
const FILE_SIZE = 8 * MIB;

/** Addresses that an attacker may have. */
const MAX_SOURCES = 200;

/** Bytes that a small router can spare. */
const SMALL_MEMORY = 160 * MIB;

/** MiB of a daemon, whatever is held open. It has had 115 to 165 in these tests. */
const MEMORY = 256;

/** MiB that 80,000 connections may add, one after the other. */
const CONNECTIONS_GROWTH = 32;

/** Descriptors of a daemon without connections: it has some 35. */
const FEW_DESCRIPTORS = 45;

/** A file of the machine, as a path in URLs. It takes no room on the disk. */
async function largeFile(
  lab: Lab,
  size = 200 * MIB,
): Promise<AsyncDisposable & { readonly path: string; readonly size: number }> {
  const name = `${MAC}/large.img`;
  const file = `${lab.directory}/netboot/${name}`;
  await Deno.writeFile(file, new Uint8Array());
  await Deno.truncate(file, size);
  return {
    path: `/mac/${name}`,
    size,
    [Symbol.asyncDispose]: () => Deno.remove(file),
  };
}

/** A link with a daemon and an attacker that has many addresses. */
class AttackedDaemon {
  static async start(
    lab: Lab,
    before: string[] = [],
    { descriptors = 1024 } = {},
  ): Promise<AttackedDaemon> {
    const link = await plugIn(lab, 0);
    for (let source = 1; source <= MAX_SOURCES; source++) {
      await link.attacker.ip(`addr add ${sourceOf(source)}/64 dev eth0 nodad`);
    }
    const own = `${lab.directory}/netboot/${MAC}`;
    await Deno.mkdir(own, { recursive: true });
    await Deno.writeFile(`${own}/boot.efi`, new Uint8Array(FILE_SIZE));
    const authority = await Authority.create(lab.directory, "lab");
    const certFile = `${lab.directory}/own.pem`;
    const keyFile = await makeKey(`${lab.directory}/own.key`);
    const certify = () =>
      authority.certify({ address: SERVER, name: "router", keyFile, certFile });
    await certify();
    const program = new Program([
      ...before,
      ...["ip", "netns", "exec", link.router.namespace],
      ...["prlimit", `--nofile=${descriptors}:${descriptors}`],
      ...favoredDaemonCommand(),
      ...["--interface=lan", `--base-address=${BASE}`, "--log-format=json"],
      ...[`--boot-address=${SERVER}`, `--https-listen-addr=:${TLS_PORT}`],
      `--netboot-dir=${lab.directory}/netboot`,
      ...[`--tls-cert-file=${certFile}`, `--tls-key-file=${keyFile}`],
    ]);
    lab.programs.push(program);
    const daemon = new RunningDaemon(program);
    await daemon.logs("serving");
    return new AttackedDaemon(link, daemon, certify);
  }

  /** What is to be known of it when a test fails. */
  about: (() => Promise<string>) | undefined;

  private constructor(
    readonly link: Switched,
    readonly daemon: RunningDaemon,
    readonly certify: () => Promise<void>,
  ) {}

  /** Waits until it has another certificate. */
  async replaceCertificate(): Promise<void> {
    const count = this.daemon.count("certificate_replaced");
    await this.certify();
    this.daemon.program.kill("SIGHUP");
    await this.daemon.counts("certificate_replaced", count + 1);
  }

  /** Holds connections, see tests/support/hold_connections.py. */
  async hold(
    kind: string,
    count: number,
    { rate = 2000, sources = 1, port = PORT, path = "/" } = {},
  ): Promise<Program> {
    const addresses = Array.from(
      { length: sources },
      (_, index) => sourceOf(index + 1),
    );
    const program = this.link.attacker.start([
      ...["prlimit", "--nofile=8192:8192", "python3"],
      `${import.meta.dirname}/../../support/hold_connections.py`,
      ...[SERVER, String(port), kind, String(count), String(rate)],
      ...[addresses.join(","), path],
    ]);
    await program.says(/held/);
    return program;
  }

  /** Fetches a URL on the visitor's host, which attacks nothing. */
  async fetches(url: string, seconds: number): Promise<void> {
    const { code, stderr } = await this.link.visitor.run([
      ...["curl", "-sSgfk", "--max-time", String(seconds)],
      ...RETRIES,
      ...["-o", "/dev/null", url],
    ], { mayFail: true });
    if (code === 0) return;
    const log = this.daemon.log.filter(({ level, event }) =>
      level !== "info" && event !== "request_refused" && event !== "two_macs"
    );
    const lines = log.slice(-5).map((line) => JSON.stringify(line));
    assertEquals(
      code,
      0,
      [url, stderr, ...lines, await this.about?.() ?? ""].join("\n"),
    );
  }

  /** Health checks, iPXE over TFTP and downloads, all of them at once. */
  async serves(rounds: number, seconds = 20): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      await Promise.all([
        this.fetches(`http://[${SERVER}]:${PORT}/healthz`, seconds),
        this.fetches(`https://[${SERVER}]:${TLS_PORT}/healthz`, seconds),
        this.fetches(`tftp://[${SERVER}]/${MAC}/ipxe.efi`, seconds),
        this.fetches(`http://[${SERVER}]:${PORT}/mac/${MAC}/boot.efi`, seconds),
      ]);
    }
  }

  /** What `/machines` says. */
  async machines(): Promise<Record<string, unknown>> {
    const { stdout } = await this.link.visitor.run([
      ...["curl", "-sSgf", "--max-time", "20"],
      `http://[${SERVER}]:${PORT}/machines`,
    ]);
    return JSON.parse(stdout);
  }

  async metric(name: string): Promise<number> {
    return (await metrics(this.link.router)).get(`dhcpv6macd_${name}`)!;
  }
}

function sourceOf(index: number): string {
  return `2001:db8:1:2::bad:${index.toString(16)}`;
}

/** Bytes of a file that one reads, see tests/support/http2_reader.py. */
async function readOverHttp2(
  { link }: AttackedDaemon,
  path: string,
  kind: "steps" | "frames",
): Promise<number> {
  const reader = link.visitor.start([
    "python3",
    `${import.meta.dirname}/../../support/http2_reader.py`,
    ...[SERVER, String(PORT), path, kind],
  ]);
  assertEquals(await reader.ended(120), 0, reader.output);
  return Number(reader.output);
}

/** Ends an attack. What it says of its connections. */
async function end(
  attack: Program,
): Promise<{ opened: number; closed: number; held: number }> {
  attack.kill();
  await attack.ended();
  return JSON.parse(attack.output.trim().split("\n").at(-1)!);
}

Deno.test({
  name: "connections without a request",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab);

    for (const sources of [1, 17, MAX_SOURCES]) {
      for (
        const [kind, port] of [
          ["half", PORT],
          ["silent", PORT],
          ["preface", PORT],
          ["silent", TLS_PORT],
          ["hello", TLS_PORT],
        ] as const
      ) {
        await t.step(
          `2,000 ${kind} ones at port ${port} from ${sources} addresses, opened again and again`,
          async () => {
            const attack = await attacked.hold(kind, 2000, {
              rate: 1500,
              sources,
              port,
            });
            const served = await attacked.serves(3).then(() => {}, String);
            const { held } = await end(attack);
            assertEquals(served, undefined);
            assertLess(held, 1024);
          },
        );
      }
    }

    for (const sources of [1, 17]) {
      await t.step(
        `1,500 that send requests and read nothing, from ${sources} addresses`,
        async () => {
          const attack = await attacked.hold("pipelined", 1500, {
            rate: 150,
            sources,
            path: "/healthz",
          });
          // All of them are there by then, if none is closed.
          await pause(8000);
          const open = (await metrics(attacked.link.router))
            .get("process_open_fds")!;
          assertLess(open, 800);
          await attacked.serves(3);
          const { held, closed } = await end(attack);
          assertLess(held, 1024);
          assertLess(0, closed);
        },
      );
    }

    for (const sources of [1, 17]) {
      await t.step(
        `640 that ask for a boot file, again and again, from ${sources} addresses`,
        async () => {
          const path = `/mac/${MAC}/boot.efi`;
          const attack = await attacked.hold("pipelined", 640, {
            sources,
            path,
          });
          await pause(2000);
          for (let round = 0; round < 3; round++) {
            for (const wanted of [path, "/machines"]) {
              // The first answer counts: firmware does not ask again. For some
              // milliseconds there may be none.
              const get = async () =>
                (await attacked.link.visitor.run([
                  ...["curl", "-sSg", "--max-time", "20", "-o", "/dev/null"],
                  ...["-w", "%{http_code}"],
                  `http://[${SERVER}]:${PORT}${wanted}`,
                ], { mayFail: true })).stdout;
              let status = await get();
              for (let again = 0; status === "000" && again < 3; again++) {
                await pause(500);
                status = await get();
              }
              assertEquals(status, "200", wanted);
            }
          }
          await end(attack);
        },
      );
    }

    await t.step(
      "75 half requests a second: every download is whole",
      async () => {
        const before = await attacked.metric("http_connections_closed_total");
        const attack = await attacked.hold("half", 100_000, { rate: 75 });
        await attacked.serves(12);
        const { opened, closed } = await end(attack);
        const count = await attacked.metric("http_connections_closed_total");
        assert(closed > 0 && count - before >= closed, `${opened} ${closed}`);
      },
    );

    await t.step("a burst that takes all descriptors at once", async () => {
      const attack = await attacked.hold("half", 3000, { rate: 100_000 });
      await end(attack);
      await eventually("HTTP is served", async () => {
        const { code } = await attacked.link.visitor.run([
          ...["curl", "-sgf", "--max-time", "5", "-o", "/dev/null"],
          `http://[${SERVER}]:${PORT}/healthz`,
        ], { mayFail: true });
        return code === 0;
      }, 5);
    });

    for (
      const kind of [
        "silent",
        "half",
        "unread",
        // While a request waits in it, the runtime does not see the end.
        "twice",
        "streams",
        // The runtime never ends most of their responses.
        "overflow",
      ]
    ) {
      await t.step(
        `${kind} ones that end by themselves leave nothing`,
        async () => {
          const count = async () =>
            (await metrics(attacked.link.router)).get("process_open_fds")!;
          await using file = await largeFile(lab);
          const attack = await attacked.hold(kind, 100, {
            sources: 17,
            path: file.path,
          });
          assertLess(100, await count());
          // The runtime has sent all that it has got by then.
          await pause(1000);
          await end(attack);
          await eventually(
            "they are closed",
            async () => await count() < FEW_DESCRIPTORS,
          );
        },
      );
    }

    await t.step("one that sends no request is closed after 20 s", async () => {
      const attack = await attacked.hold("silent", 3, { rate: 3 });
      await eventually(
        "it is closed",
        async () => await attacked.metric("http_connections_closed_total") > 0,
      );
      await pause(25_000);
      const { closed } = await end(attack);
      assertLess(2, closed);
    });

    assertLess(await residentMib(attacked.link.router), MEMORY);
  },
});

Deno.test({
  name: "a connection from the port of a reset one gets its file",
  ignore,
  fn: async () => {
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab);
    await using file = await largeFile(lab);
    for (let round = 0; round < 3; round++) {
      const { stdout } = await attacked.link.visitor.run([
        "python3",
        `${import.meta.dirname}/../../support/same_port.py`,
        ...[SERVER, String(PORT), file.path, String(20 * MIB)],
      ]);
      // And the header.
      assertLess(file.size, Number(stdout));
    }
  },
});

Deno.test({
  name: "few file descriptors",
  ignore,
  fn: async (t) => {
    for (const limit of [64, 100]) {
      await t.step(
        `${limit}: what is served is said, and is served`,
        async () => {
          await using lab = new Lab();
          const attacked = await AttackedDaemon.start(lab, [], {
            descriptors: limit,
          });
          const line = await attacked.daemon.logs("few_descriptors");
          assertEquals(line.max_open_files, limit);
          const attack = await attacked.hold("half", 200, {
            rate: 20,
            sources: 17,
          });
          for (let round = 0; round < 3; round++) {
            await attacked.fetches(`http://[${SERVER}]:${PORT}/healthz`, 20);
            await attacked.fetches(`tftp://[${SERVER}]/${MAC}/ipxe.efi`, 20);
          }
          await end(attack);
        },
      );
    }
  },
});

Deno.test({
  name: "clients that do not read",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab);
    const path = `/mac/${MAC}/boot.efi`;

    for (const round of [1, 2, 3]) {
      await t.step(
        `256 downloads that stand still, round ${round}: bounded memory`,
        async () => {
          const attack = await attacked.hold("unread", 256, {
            sources: 17,
            path,
          });
          await attacked.serves(2);
          assertLess(await residentMib(attacked.link.router), MEMORY);
          await end(attack);
          await eventually(
            "no download is left",
            async () => await attacked.metric("http_downloads") === 0,
          );
        },
      );
    }

    for (
      const [kind, what] of [
        ["unread", "read nothing"],
        ["trickle", "read 100 bytes a second"],
      ] as const
    ) {
      await t.step(
        `those who ${what} lose their places to others`,
        async () => {
          const attack = await attacked.hold(kind, 256, { sources: 17, path });
          const closedBefore = await attacked.metric(
            "http_connections_closed_total",
          );
          await eventually(
            "they are closed",
            async () =>
              await attacked.metric("http_connections_closed_total") >
                closedBefore,
            60,
          );
          await attacked.serves(2);
          const { closed } = await end(attack);
          assertLess(0, closed);
        },
      );
    }

    await t.step(
      "256 answers from 4 addresses: others get theirs",
      async () => {
        const attack = await attacked.hold("unread", 256, {
          sources: 4,
          path: "/page/page.js",
        });
        for (const path of ["/machines", "/metrics", "/"]) {
          await attacked.fetches(`http://[${SERVER}]:${PORT}${path}`, 10);
        }
        await end(attack);
      },
    );

    await t.step("slow downloads go on among them", async () => {
      // Its kernel takes some megabytes more, and then nothing.
      await using large = await largeFile(lab, 40 * MIB);
      const pausing = attacked.link.visitor.start([
        "python3",
        `${import.meta.dirname}/../../support/pausing_reader.py`,
        ...[SERVER, String(PORT), large.path, String(MIB), "25"],
      ]);
      await pausing.says(/paused/);
      const slow = attacked.link.visitor.start([
        ...["curl", "-sSgf", "--limit-rate", "20k", "--max-time", "25"],
        // The responses before are over soon.
        ...["--retry", "5", "--retry-max-time", "10"],
        ...["-o", "/dev/null", "-w", "%{size_download}"],
        `http://[${SERVER}]:${PORT}${path}`,
      ]);
      const attack = await attacked.hold("unread", 512, { sources: 17, path });
      // Curl ends it by itself.
      assertEquals(await slow.ended(60), 28, slow.output);
      assertLess(300_000, Number(/\d+$/.exec(slow.output.trim())![0]));
      await pausing.ended(60);
      // With the head of the response.
      assertLess(large.size, Number(/\d+$/.exec(pausing.output.trim())![0]));
      await end(attack);
    });

    await t.step("one that lets little come at a time is whole", async () => {
      await using large = await largeFile(lab);
      assertEquals(
        await readOverHttp2(attacked, large.path, "steps"),
        large.size,
      );
    });
  },
});

Deno.test({
  name: "160 MB of memory, and clients that ask one after the other",
  ignore: ignoreLimited,
  fn: async () => {
    await using group = (await MemoryGroup.create(SMALL_MEMORY))!;
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab, group.command);
    attacked.about = () => group.peak();
    // What the kernel and the runtime take of it is all that is left of it.
    const name = "small.efi";
    await Deno.writeFile(
      `${lab.directory}/netboot/${MAC}/${name}`,
      new Uint8Array(3 * MIB),
    );
    const path = `/mac/${MAC}/${name}`;
    const attack = await attacked.hold("large", 240, { rate: 24, path });
    await pause(8000);
    await attacked.serves(1);
    await end(attack);
    assertEquals(await attacked.daemon.stop(), 0, await group.peak());
  },
});

Deno.test({
  name: "a download of a slow client",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab);
    const path = `/mac/${MAC}/small.efi`;
    await Deno.writeFile(
      `${lab.directory}/netboot${path.slice(4)}`,
      new Uint8Array(3 * MIB),
    );
    // What its kernel takes for it counts as read.
    await attacked.link.visitor.run(
      ["sysctl", "-qw", "net.ipv4.tcp_rmem=4096 65536 65536"],
    );
    const start = (url: string, version = "--http1.1") =>
      attacked.link.visitor.start([
        ...["curl", "-sSgfk", "--limit-rate", "150k", "-o", "/dev/null"],
        ...["--max-time", "60", "-w", "%{size_download}", version, url],
      ]);

    await t.step("is whole when 200 clients connect near its end", async () => {
      const slow = start(`http://[${SERVER}]:${PORT}${path}`);
      await pause(5000);
      const attack = await attacked.hold("half", 500, { sources: 200 });
      assertEquals(await slow.ended(80), 0, slow.output);
      assertEquals(slow.output, String(3 * MIB));
      await end(attack);
    });

    for (const version of ["--http1.1", "--http2"]) {
      await t.step(
        `is whole with another certificate, ${version}`,
        async () => {
          const slow = start(`https://[${SERVER}]:${TLS_PORT}${path}`, version);
          await pause(5000);
          await attacked.replaceCertificate();
          assertEquals(await slow.ended(80), 0, slow.output);
          assertEquals(slow.output, String(3 * MIB));
        },
      );
    }

    await t.step("is complete when the client has it", async () => {
      await getToKnow(attacked.link);
      const mac = Object.keys(await attacked.machines())[0]!;
      const own = `${lab.directory}/netboot/${mac}`;
      await Deno.mkdir(own);
      await Deno.writeFile(`${own}/boot.efi`, new Uint8Array(MIB / 4));
      const path = `/mac/${mac}/boot.efi`;
      const client = await attacked.hold("unread", 1, { path });
      await pause(2000);
      await end(client);
      await attacked.daemon.logs(
        "http_fetch_uki",
        ({ state }) => state === "error",
      );
      const isComplete = ({ state }: LogLine) => state === "complete";
      assertEquals(attacked.daemon.count("http_fetch_uki", isComplete), 0);
    });
  },
});

Deno.test({
  name: "256 MB of memory, and clients that send more than requests",
  ignore: ignoreLimited,
  fn: async (t) => {
    await using group = (await MemoryGroup.create(MEMORY * MIB))!;
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab, group.command);
    const { router, visitor } = attacked.link;
    attacked.about = () => group.peak();
    await getToKnow(attacked.link);
    for (
      const [kind, count] of [
        ["header", 600],
        ["body", 1],
        ["body", 100],
        ["frames", 200],
      ] as const
    ) {
      await t.step(`${kind} on ${count} connections`, async () => {
        const attack = await attacked.hold(kind, count);
        await pause(4000);
        const served = Promise.all([
          attacked.fetches(`http://[${SERVER}]:${PORT}/healthz`, 30),
          attacked.fetches(
            `http://[${SERVER}]:${PORT}/mac/${MAC}/boot.efi`,
            60,
          ),
        ]).then(() => {}, String);
        const before = await requestsAnswered(router);
        const exchange = await startMachines(visitor, 100, 100);
        await eventually(
          "100 machines are answered",
          async () => await requestsAnswered(router) >= before + 100,
          60,
        );
        await exchange.stop();
        const failure = await served;
        const { closed } = await end(attack);
        assertEquals(failure, undefined);
        assertLess(0, closed, "they are closed");
      });
    }
    await t.step("empty frames for what is read", async () => {
      // One window of HTTP/2.
      await using huge = await largeFile(lab, 2047 * MIB);
      const read = await readOverHttp2(attacked, huge.path, "frames");
      assertLess(read, huge.size, "it is closed");
      await attacked.serves(1);
    });
    assertEquals(await attacked.daemon.stop(), 0, await group.peak());
    assertLess(0, attacked.daemon.count("connections_excessive"));
  },
});

Deno.test({
  name: "memory after many connections",
  ignore,
  fn: async () => {
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab);
    const { router } = attacked.link;
    const answered = () =>
      attacked.metric('http_responses_total{status="200"}');
    const attack = await attacked.hold("closing", 50, {
      rate: 20_000,
      path: "/healthz",
    });
    const sizes: number[] = [];
    for (const connections of [20_000, 100_000]) {
      await eventually(
        `${connections} connections were answered`,
        async () => await answered() >= connections,
        300,
      );
      sizes.push(await residentMib(router));
    }
    await end(attack);
    const [before, after] = sizes as [number, number];
    assertLess(after - before, CONNECTIONS_GROWTH, `${before} to ${after} MiB`);
  },
});

Deno.test({
  name: "160 MB of memory, with 12,000 machines",
  ignore: ignoreLimited,
  fn: async () => {
    await using group = (await MemoryGroup.create(SMALL_MEMORY))!;
    await using lab = new Lab();
    const attacked = await AttackedDaemon.start(lab, group.command);
    const { link } = attacked;
    attacked.about = () => group.peak();
    await getToKnow(link);
    const machines = await startMachines(link.visitor, 12_000, 1000);
    await eventually(
      "there are 12,000 machines",
      async () => await attacked.metric('machines{stage="os_init"}') >= 11_000,
      120,
    );
    await machines.stop();
    const path = `/mac/${MAC}/boot.efi`;
    // Each of its parts is in another chunk.
    const large = `/mac/${MAC}/large.img`;
    using file = await Deno.create(
      `${lab.directory}/netboot${large.slice(4)}`,
    );
    await file.truncate(400 * MIB);
    const attacks = [
      await attacked.hold("ranges", 512, { sources: 4, path: large }),
      await attacked.hold("unread", 128, { path }),
      await attacked.hold("unread", 256, { sources: 17, path }),
      await attacked.hold("unread", 256, { sources: 2, path: "/events" }),
      await attacked.hold("unread", 256, { sources: 9, path: "/machines" }),
      await attacked.hold("half", 2000, { rate: 500, sources: 17 }),
      await attacked.hold("streams", 120, { rate: 40, path }),
    ];
    for (let round = 0; round < 5; round++) {
      const before = await requestsAnswered(link.router);
      const exchange = await startMachines(link.visitor, 100, 100);
      await attacked.fetches(`http://[${SERVER}]:${PORT}/healthz`, 20);
      await attacked.fetches(`tftp://[${SERVER}]/${MAC}/ipxe.efi`, 60);
      await eventually(
        "100 machines are answered",
        async () => await requestsAnswered(link.router) >= before + 100,
        60,
      );
      await exchange.stop();
    }
    for (const attack of attacks) await end(attack);
    await attacked.fetches(`http://[${SERVER}]:${PORT}${path}`, 60);
    assertEquals(await attacked.daemon.stop(), 0, await group.peak());
  },
});
