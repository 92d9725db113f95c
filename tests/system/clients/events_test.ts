import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import {
  FAVORED,
  favoredDaemonCommand,
  launchAs,
} from "../../support/daemon.ts";
import { median } from "../../../tools/bench/results.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
  pause,
  type Program,
} from "../../support/lab.ts";
import { BASE } from "../../support/expect.ts";

const SERVER = "2001:db8:1:2::1";
const PORT = 6315;
const URL_BASE = `http://[${SERVER}]:${PORT}`;

const lacks = missing(
  "tests of the event stream",
  "curl",
  "perfdhcp",
  "promtool",
  "gcc",
);
const ignore = lacks.length > 0;

/** A daemon, and a client that has a link-local address only. */
async function place(lab: Lab, ...options: string[]) {
  const { router, client } = await lab.pair();
  await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
  await client.linkLocal("eth0");
  const daemon = await launchAs(
    favoredDaemonCommand(),
    router,
    "--interface=lan",
    `--base-address=${BASE}`,
    "--log-level=info",
    ...options,
  );
  await daemon.logs("serving");
  return { router, client, daemon };
}

/** Exchanges of so many machines, so many a second, each of two events at least. */
function exchanges(machines: number, rate: number, seconds: number): string[] {
  return `perfdhcp -6 -l eth0 -R ${machines} -r ${rate} -n ${
    rate * seconds
  } -W 1000000 -s 7 ff02::1:2`.split(" ");
}

/** Starts a program that reads events as many readers at once. */
async function readers(
  host: Host,
  counts: { steady: number; resuming: number; stalling: number },
) {
  const program = `${host.lab.directory}/event_readers`;
  const source = `${import.meta.dirname}/../../support/event_readers.c`;
  await command(["gcc", "-O2", "-Wall", "-Werror", "-o", program, source]);
  const { steady, resuming, stalling } = counts;
  const reading = host.start([
    ...FAVORED,
    program,
    SERVER,
    ...[PORT, steady, resuming, stalling].map(String),
  ]);
  await reading.says(/reading/, 120);
  return reading;
}

/** Waits until all readers have the last event, and so many at least. */
async function allHave(readers: Program, events: number): Promise<void> {
  try {
    await eventually("all have all events", async () => {
      readers.kill("SIGUSR1");
      await pause(200);
      const [, least, most] =
        [...readers.output.matchAll(/^least (\d+) most (\d+)$/gm)].at(-1) ?? [];
      return least === most && Number(most) >= events;
    }, 120);
  } catch (error) {
    throw new Error(
      `${(error as Error).message}: ${events}\n${readers.output.slice(-500)}`,
    );
  }
}

async function metric(host: Host, name: string): Promise<number> {
  const { stdout } = await host.run(["curl", "-sg", `${URL_BASE}/metrics`]);
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(stdout)?.[1]);
}

Deno.test({
  name: "event stream",
  ignore,
  fn: async (t) => {
    await t.step(
      "curl -N shows a machine that comes, and the state after",
      async () => {
        await using lab = new Lab();
        const { router, client } = await place(lab);
        const curl = router.start(["curl", "-sgN", `${URL_BASE}/events`]);
        await curl.says(/^data: \{\}$/m);
        await client.run(exchanges(1, 1, 1), { mayFail: true });
        await curl.says(/"event":"os_init".*"repeat_event":true/);
        const events = [...curl.output.matchAll(/^data: (\{"mac".*)$/gm)].map(
          ([, data]) => JSON.parse(data!).event.event,
        );
        assertEquals(events.slice(0, 3), ["init", "jump_to", "os_init"]);
        await curl.stop();
        const again = router.start(["curl", "-sgN", `${URL_BASE}/events`]);
        const [, state] = await again.says(/^data: (\{"..:.*)$/m);
        const [machine] = Object.values(
          JSON.parse(state!) as Record<string, { Events: { event: string }[] }>,
        );
        assertEquals(
          machine!.Events.map(({ event }) => event),
          ["init", "jump_to", "os_init"],
        );
      },
    );

    await t.step(
      "promtool takes the examples, and the alerts fire",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("alerts");
        const examples = `${import.meta.dirname}/../../../docs/examples`;
        const { stdout } = await router.run([
          ...["promtool", "check", "config", `${examples}/prometheus.yml`],
        ]);
        assertMatch(stdout, /6 rules found/);
        const alert = (
          name: string,
          summary: string,
          labels: Record<string, string> = {},
        ) => ({
          eval_time: "15m",
          alertname: name,
          exp_alerts: [{
            exp_labels: { severity: "warning", instance: "r", ...labels },
            exp_annotations: { summary },
          }],
        });
        // The runtime has no YAML; JSON is a part of it.
        const tests = await lab.file(
          "alerts.json",
          JSON.stringify({
            rule_files: [`${examples}/alerts.yml`],
            tests: [{
              interval: "1m",
              input_series: [
                ["up{job='dhcpv6macd',instance='r'}", "0x20"],
                ["dhcpv6macd_serving{instance='r'}", "1x5 0x15"],
                ["dhcpv6macd_base_prefix_present{instance='r'}", "0x20"],
                [
                  "dhcpv6macd_dhcpv6_dropped_total{instance='r',reason='no_mac'}",
                  "0+1x20",
                ],
                [
                  "dhcpv6macd_machine_events_total{instance='r',event='boot_refused'}",
                  "0x10 1x10",
                ],
                [
                  "dhcpv6macd_http_connections_closed_total{instance='r'}",
                  "0+50x20",
                ],
              ].map(([series, values]) => ({ series, values })),
              alert_rule_test: [
                alert("Dhcpv6macdAbsent", "r does not answer", {
                  severity: "critical",
                  job: "dhcpv6macd",
                }),
                alert(
                  "Dhcpv6NotServed",
                  "r does not serve DHCPv6, /healthz says why",
                  { severity: "critical" },
                ),
                alert(
                  "Dhcpv6BasePrefixAbsent",
                  "the interface of r has no address in the base address's /64",
                ),
                alert(
                  "Dhcpv6ClientsNotServed",
                  "r drops messages of clients: no_mac",
                  { reason: "no_mac" },
                ),
                alert(
                  "NetbootFileRefused",
                  "a machine asked r for a file in vain, the page says which",
                ),
                alert(
                  "Dhcpv6macdConnectionsClosed",
                  "r closes idle HTTP connections, so many are open",
                ),
              ],
            }],
          }),
        );
        const { code, stderr, stdout: said } = await router.run(
          ["promtool", "test", "rules", tests],
          { mayFail: true },
        );
        assertEquals(code, 0, said + stderr);
      },
    );

    await t.step("promtool finds nothing wrong with the metrics", async () => {
      await using lab = new Lab();
      const { router, client } = await place(lab);
      const asked = await client.run(exchanges(5, 5, 1), { mayFail: true });
      // It may begin another exchange before it sees that it is done.
      const [solicits, requests] = [
        ...asked.stdout.matchAll(/^sent packets: (\d+)/gm),
      ].map(([, count]) => Number(count));
      assert(solicits! >= 5 && requests! >= 5, asked.stdout);
      const count = (name: string) => metric(router, `dhcpv6macd_${name}`);
      await eventually(
        "all of it is answered",
        async () =>
          await count('dhcpv6_answered_total{type="request"}') === requests,
      );
      const { code, stdout, stderr } = await router.run([
        "sh",
        "-c",
        `curl -sg ${URL_BASE}/metrics | promtool check metrics`,
      ], { mayFail: true });
      assertEquals([code, stdout, stderr], [0, "", ""]);
      assertEquals(
        await count('dhcpv6_received_total{type="solicit"}'),
        solicits,
      );
      assertEquals(
        await count("dhcpv6_answer_duration_seconds_count"),
        solicits! + requests!,
      );
      assertEquals(await count('machines{stage="os_init"}'), 5);
      assertEquals(await count("serving"), 1);
    });

    await t.step(
      "health tells the truth while the interface goes and comes",
      async () => {
        await using lab = new Lab();
        const { router } = await place(lab);
        const health = async () =>
          (await router.run([
            ..."curl -s -o /dev/null -w %{http_code}".split(" "),
            `http://[::1]:${PORT}/healthz`,
          ])).stdout;
        assertEquals(await health(), "200");
        await router.ip("link set lan down");
        await eventually("it waits", async () => await health() === "503");
        await router.ip("link set lan up");
        await eventually("it serves", async () => await health() === "200");
      },
    );

    await t.step("1,000 readers, some that resume, 50 that stall", async () => {
      const PARTS = 10;
      const SECONDS_OF_PART = 3;
      // With EVENTS_RATE=3000, two cores are just enough for all of it.
      const RATE = Number(Deno.env.get("EVENTS_RATE") ?? 1500);
      const MACHINES = 500;
      await using lab = new Lab();
      const { router, client } = await place(lab);
      const all = await readers(router, {
        steady: 990,
        resuming: 10,
        stalling: 50,
      });
      const before = await metric(router, "process_resident_memory_bytes");
      // Each message is an event, and the first of a machine two more. They come
      // in parts, so that a busy machine takes longer and no reader lags behind.
      let answered = 0;
      const p99s: number[] = [];
      for (let part = 0; part < PARTS; part++) {
        const { stdout } = await client.run([
          ...FAVORED,
          ...Deno.env.get("TEST_DENO")!.split("\n"),
          `${import.meta.dirname}/../../support/probe.ts`,
          "eth0",
          BASE,
          String(RATE * SECONDS_OF_PART),
          String(1000 / RATE),
          String(MACHINES),
        ]);
        const answers = JSON.parse(stdout.trim().split("\n").at(-1)!);
        answered += answers.answered;
        p99s.push(answers.p99);
        await allHave(all, answered + 2 * MACHINES);
      }
      const dropped = () =>
        metric(router, "dhcpv6macd_event_readers_dropped_total");
      await eventually(
        "those that stall are dropped",
        async () => await dropped() === 50,
        60,
      );
      const after = await metric(router, "process_resident_memory_bytes");
      await all.stop();
      const result = JSON.parse(all.output.trim().split("\n").at(-1)!);
      console.log(
        JSON.stringify({ ...result, before, after, answered, p99s }),
      );
      assertEquals([result.disordered, result.states], [0, 0]);
      assertEquals(result.least, result.most, "all had the last event");
      assertEquals(result.events, 1000 * result.most, "all had every event");
      assert(result.most >= answered + 2 * MACHINES);
      assert(
        result.connections > 1050 + 5 * PARTS * SECONDS_OF_PART,
        "some have resumed",
      );
      assertLess(after - before, 300_000_000);
      // Load, daemon and a thousand readers share the machine, whatever it is:
      // how old events are, and how long answers take, is for the benchmark.
      assertLess(result.p99, 5000);
      assertLess(median(p99s), 500);
    });
  },
});
