/** Metrics and events for collectors that take one signal, a token, or HTTPS. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Authority, makeKey } from "../../support/certificates.ts";
import {
  runDaemon,
  type RunningDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import {
  eventually,
  type Host,
  Lab,
  missing,
  type Program,
} from "../../support/lab.ts";
import { metrics } from "../../support/metrics.ts";
import { readLogs, readMetrics } from "../../support/otlp_strict.ts";
import { watchCommand } from "../../support/watch_program.ts";
import { BASE } from "../../support/expect.ts";
import { unpackFromArchive, VICTORIA_METRICS } from "../../../tools/debian.ts";
import { place, SERVER } from "./place.ts";

const SECRET = "Bearer s3cr3t";
const MACHINES = 20;

const lacks = missing(
  "OTLP in other people's networks",
  "nginx",
  "openssl",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

const script = (path: string, ...args: string[]) => [
  ...Deno.env.get("TEST_DENO")!.split("\n"),
  `${import.meta.dirname}/../../${path}`,
  ...args,
];

function serve(router: Host, ...options: string[]): Promise<RunningDaemon> {
  return startDaemon(
    router,
    "--interface=lan",
    `--base-address=${BASE}`,
    "--tftp-listen-addr=off",
    ...options,
  );
}

/** Each machine asks once. */
async function machinesAsk(client: Host): Promise<void> {
  await client.run(
    script("support/probe.ts", "eth0", BASE, String(MACHINES), "5"),
    { seconds: 60 },
  );
}

/** A request that the collector of tests has read. */
interface Request {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isTaken: boolean;
}

async function collector(host: Host, ...args: string[]): Promise<Program> {
  const program = host.start(
    script("unit/telemetry/otlp/collector.ts", ...args),
  );
  await program.says(/^ready$/m);
  return program;
}

function requestsOf({ output }: Program, path: string): Request[] {
  return output.split("\n").filter((line) =>
    line.startsWith("{") && line.endsWith("}")
  ).map((line) => JSON.parse(line) as Request).filter((one) => {
    assert(one.isTaken, one.body);
    return one.path === path;
  });
}

/** A metric's name, and its labels (`name="value"`) in alphabetical order. */
function sampleName(name: string, labels: readonly string[]): string {
  return labels.length === 0 ? name : `${name}{${labels.toSorted().join()}}`;
}

/**
 * The latest values in a VictoriaMetrics, by name and labels, without the labels
 * that say whose they are.
 */
async function storedIn(host: Host, url: string): Promise<Map<string, number>> {
  const { stdout } = await host.run([
    "curl",
    "-sSg",
    `${url}/api/v1/export`,
    "--data",
    'match[]={__name__!=""}',
  ]);
  return new Map(
    stdout.split("\n").filter(Boolean).map((line) => {
      const { metric, values } = JSON.parse(line);
      const { __name__: name, base_address: _, ...labels } = metric;
      const own = Object.entries<string>(labels).filter(([label]) =>
        !label.includes(".")
      ).map(([label, value]) => `${label}="${value}"`);
      return [sampleName(name, own), values.at(-1)];
    }),
  );
}

/** The events of machines that a collector has taken at a path. */
function eventsAt(program: Program, path: string) {
  return requestsOf(program, path).flatMap(({ body }) => readLogs(body).items);
}

Deno.test({
  name: "OTLP in other people's networks",
  ignore,
  fn: async (t) => {
    await t.step("a server with metrics only", async () => {
      await using lab = new Lab();
      const { router, client } = await place(lab);
      const server = await collector(router, "::1", "4318");
      // nginx passes metrics on, and has nothing else.
      const config = await lab.file(
        "nginx.conf",
        `daemon off; master_process off; pid ${lab.directory}/pid;
        error_log stderr notice; events {}
        http {
          access_log ${lab.directory}/access.log;
          server {
            listen [::1]:8080;
            root ${lab.directory};
            location /v1/metrics { proxy_pass http://[::1]:4318; }
          }
        }`,
      );
      const nginx = router.start(["nginx", "-c", config]);
      await nginx.says(/start worker|using the "epoll"/);
      const daemon = await serve(router, "--otlp-endpoint=http://[::1]:8080");
      await machinesAsk(client);
      const { message } = await daemon.logs("collector_lacks_signal");
      assertMatch(
        message,
        /takes no events: it answers 404, 404 Not Found; .*--otlp-logs-endpoint/,
      );
      await machinesAsk(client);
      // Metrics go on, and tell of the events.
      const pushes = requestsOf(server, "/v1/metrics").length;
      await eventually(
        "more metrics",
        () => requestsOf(server, "/v1/metrics").length > pushes + 1,
        40,
      );
      assertEquals(await daemon.stop(), 0);
      const log = await Deno.readTextFile(`${lab.directory}/access.log`);
      assertEquals(log.match(/POST \/v1\/logs/g)?.length, 1, log);
      const last = requestsOf(server, "/v1/metrics").at(-1)!;
      const points = readMetrics(last.body).items;
      const counted = points.get("dhcpv6macd_otlp_events_total")!;
      assertEquals(
        counted.find(({ attributes }) => attributes.outcome === "refused")!
          .value,
        4 * MACHINES,
      );
      assertEquals(daemon.count("collector_lacks_signal"), 1);
      for (const event of ["collector_refuses", "events_lost"]) {
        assertEquals(daemon.count(event), 0);
      }
    });

    await t.step("VictoriaMetrics of Debian", async (t) => {
      await using lab = new Lab();
      const { router, client } = await place(lab);
      const database = "http://[::1]:8428";
      await unpackFromArchive(VICTORIA_METRICS, `${lab.directory}/victoria`);
      const victoria = router.start([
        `${lab.directory}/victoria/usr/bin/victoria-metrics`,
        "-httpListenAddr=[::1]:8428",
        "-enableTCP6",
        `-storageDataPath=${lab.directory}/victoria/data`,
        "-memory.allowedBytes=64MB",
      ]);
      await victoria.says(/started server at/);

      await t.step("has the figures that /metrics has", async () => {
        const daemon = await serve(
          router,
          `--otlp-metrics-endpoint=${database}/opentelemetry/v1/metrics`,
        );
        await machinesAsk(client);
        // Metrics that stay the same without messages of clients.
        const own = [...await metrics(router)].filter(([name]) =>
          /^dhcpv6macd_(dhcpv6|machine|tftp)\w*_(total|count)\b/.test(name)
        ).map(([sample, value]) => {
          const [name, ...labels] = sample.match(/^\w+|\w+="[^"]*"/g)!;
          return [sampleName(name!, labels), value] as const;
        });
        assert(own.length > 50, String(own));
        // It stores what comes in one request little by little.
        let different = own;
        await eventually("the same figures", async () => {
          const stored = await storedIn(router, database);
          different = own.filter(([name, value]) => stored.get(name) !== value);
          return different.length === 0;
        }, 60).catch((error) => assertEquals(different, [], error.message));
        assertEquals(await daemon.stop(), 0);
      });

      await t.step("refuses JSON, and its reason is in the log", async () => {
        const daemon = await serve(
          router,
          `--otlp-metrics-endpoint=${database}/opentelemetry/v1/metrics`,
          "--otlp-encoding=json",
        );
        const { message } = await daemon.logs("collector_refuses");
        assertMatch(message, /json/);
        assertEquals(await daemon.stop(), 0);
      });
      await victoria.stop();
    });

    await t.step("a collector behind HTTPS and a token", async (t) => {
      await using lab = new Lab();
      const { router, client } = await place(lab);
      const authority = await Authority.create(lab.directory, "ca");
      const keyFile = await makeKey(`${lab.directory}/server.key`);
      const certFile = `${lab.directory}/server.pem`;
      await authority.certify({
        address: SERVER,
        name: "lab.example",
        keyFile,
        certFile,
      });
      const url = `https://[${SERVER}]:4318`;
      const token = await lab.file("token", `${SECRET}\n`, 0o600);
      const startCollector = () =>
        collector(router, SERVER, "4318", certFile, keyFile);

      for (const encoding of ["protobuf", "json"]) {
        await t.step(`takes both signals in ${encoding}`, async () => {
          const server = await startCollector();
          const daemon = await serve(
            router,
            `--otlp-metrics-endpoint=${url}/tenant/v1/metrics`,
            `--otlp-logs-endpoint=${url}`,
            `--otlp-header=authorization=@${token}`,
            "--otlp-header=x-scope-orgid=lab",
            `--otlp-encoding=${encoding}`,
            `--ca-file=${authority.certFile}`,
          );
          await machinesAsk(client);
          await eventually(
            "events",
            () => eventsAt(server, "/v1/logs").length === 3 * MACHINES,
          );
          await eventually(
            "metrics",
            () => requestsOf(server, "/tenant/v1/metrics").length > 0,
          );
          const all = [
            ...requestsOf(server, "/tenant/v1/metrics"),
            ...requestsOf(server, "/v1/logs"),
          ];
          for (const { headers } of all) {
            assertEquals(headers.authorization, SECRET);
            assertEquals(headers["x-scope-orgid"], "lab");
            assertMatch(headers["content-type"]!, RegExp(encoding));
          }
          readMetrics(all[0]!.body);
          assertEquals(await daemon.stop(), 0);
          assert(!daemon.program.output.includes("s3cr3t"));
          assert(!daemon.program.output.includes("collector_"));
          await server.stop();
        });
      }

      await t.step("gets headers that are read again at SIGHUP", async () => {
        const tenant = await lab.file("tenant", "first\n");
        const server = await startCollector();
        const daemon = await serve(
          router,
          `--otlp-logs-endpoint=${url}`,
          `--otlp-header=x-scope-orgid=@${tenant}`,
          `--ca-file=${authority.certFile}`,
        );
        await Deno.writeTextFile(tenant, "second\n");
        daemon.program.kill("SIGHUP");
        await daemon.logs("reloading");
        await machinesAsk(client);
        await eventually(
          "events",
          () => eventsAt(server, "/v1/logs").length === 3 * MACHINES,
        );
        for (const { headers } of requestsOf(server, "/v1/logs")) {
          assertEquals(headers["x-scope-orgid"], "second");
        }
        assertEquals(await daemon.stop(), 0);
        await server.stop();
      });

      await t.step("is trusted by a file that is read at SIGHUP", async () => {
        const other = await Authority.create(lab.directory, "other");
        const caFile = `${lab.directory}/trusted.pem`;
        await Deno.copyFile(other.certFile, caFile);
        const server = await startCollector();
        const daemon = await serve(
          router,
          `--otlp-logs-endpoint=${url}`,
          `--ca-file=${caFile}`,
        );
        await machinesAsk(client);
        await daemon.logs("collector_away");
        await Deno.writeTextFile(caFile, "no certificate");
        daemon.program.kill("SIGHUP");
        await daemon.logs("ca_file_refused");
        await Deno.copyFile(authority.certFile, caFile);
        daemon.program.kill("SIGHUP");
        await eventually(
          "events",
          () => eventsAt(server, "/v1/logs").length === 3 * MACHINES,
        );
        assertEquals(await daemon.stop(), 0);
        await server.stop();
      });

      await t.step("is not trusted without --ca-file", async () => {
        const server = await startCollector();
        const daemon = await serve(
          router,
          `--otlp-endpoint=${url}`,
          `--otlp-header=authorization=${SECRET}`,
        );
        const { message } = await daemon.logs("collector_away");
        assertMatch(message, /certificate/);
        assertEquals(await daemon.stop(), 0);
        assert(!daemon.program.output.includes("s3cr3t"));
        assertEquals(requestsOf(server, "/v1/metrics"), []);
        await server.stop();
      });

      await t.step("check and errors do not show the token", async () => {
        for (
          const args of [
            [`--otlp-header=authorization=${SECRET}`],
            [`--otlp-header=authorization=@${token}`],
            [`--otlp-header=authorization:${SECRET}`],
            [`--otlp-header=authorization=@${token}`, "s3cr3t"],
            [`--otlp-headers=authorization=${SECRET}`],
            [`--otlp-header=authorization=@${lab.directory}/none`],
          ]
        ) {
          const { code, stdout, stderr } = await runDaemon(
            router,
            "--check",
            "--interface=lan",
            `--base-address=${BASE}`,
            `--otlp-endpoint=${url}`,
            ...args,
          );
          assert(!(stdout + stderr).includes("s3cr3t"), stdout + stderr);
          const isRight = args.length === 1 &&
            /^--otlp-header=authorization=(Bearer|.*token$)/.test(args[0]!);
          assertEquals(code, isRight ? 0 : 2, args.join(" "));
        }
      });

      await t.step("watch trusts what --ca-file has", async () => {
        const daemon = await serve(
          router,
          `--tls-cert-file=${certFile}`,
          `--tls-key-file=${keyFile}`,
        );
        await machinesAsk(client);
        const watched = `https://[${SERVER}]:443`;
        const watching = router.start(
          watchCommand("--json", `--ca-file=${authority.certFile}`, watched),
        );
        await watching.says(/"event":"os_init"/);
        const without = router.start(watchCommand("--json", watched));
        await without.says(/is unreachable: .*certificate/);
        for (const program of [watching, without]) await program.stop();
        assertEquals(await daemon.stop(), 0);
        const { code, stderr } = await runDaemon(
          router,
          "watch",
          `--ca-file=${keyFile}`,
          watched,
        );
        assertEquals(code, 2);
        assertMatch(stderr, /^dhcpv6macd: --ca-file: cannot use [^\n]*\n$/);
      });
    });
  },
});
