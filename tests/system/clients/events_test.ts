import { assert, assertEquals, assertLess } from "@std/assert";
import { startDaemon } from "../../support/daemon.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
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
  const daemon = await startDaemon(
    router,
    "--interface=lan",
    `--base-address=${BASE}`,
    "--log-level=info",
    ...options,
  );
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
    program,
    SERVER,
    ...[PORT, steady, resuming, stalling].map(String),
  ]);
  await reading.says(/reading/, 60);
  return reading;
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

    await t.step("promtool finds nothing wrong with the metrics", async () => {
      await using lab = new Lab();
      const { router, client } = await place(lab);
      await client.run(exchanges(5, 5, 1), { mayFail: true });
      const { code, stdout, stderr } = await router.run([
        "sh",
        "-c",
        `curl -sg ${URL_BASE}/metrics | promtool check metrics`,
      ], { mayFail: true });
      assertEquals([code, stdout, stderr], [0, "", ""]);
      const count = (name: string) => metric(router, `dhcpv6macd_${name}`);
      assertEquals(await count('dhcpv6_received_total{type="solicit"}'), 5);
      assertEquals(await count('dhcpv6_answered_total{type="request"}'), 5);
      assertEquals(await count("dhcpv6_answer_duration_seconds_count"), 10);
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
        await eventually("it waits", async () => await health() === "503", 5);
        await router.ip("link set lan up");
        await eventually("it serves", async () => await health() === "200", 10);
      },
    );

    await t.step("1,000 readers, some that resume, 50 that stall", async () => {
      const SECONDS = 30;
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
      // Each message is an event, and the first of a machine two more.
      const { stdout } = await client.run([
        ...Deno.env.get("TEST_DENO")!.split("\n"),
        `${import.meta.dirname}/../../support/probe.ts`,
        "eth0",
        BASE,
        String(RATE * SECONDS),
        String(1000 / RATE),
        String(MACHINES),
      ], { seconds: SECONDS + 20 });
      const answers = JSON.parse(stdout.trim().split("\n").at(-1)!);
      const dropped = await metric(
        router,
        "dhcpv6macd_event_readers_dropped_total",
      );
      const after = await metric(router, "process_resident_memory_bytes");
      await all.stop(30);
      const result = JSON.parse(all.output.trim().split("\n").at(-1)!);
      console.log(
        JSON.stringify({ ...result, dropped, before, after, answers }),
      );
      assertEquals([result.disordered, result.states], [0, 0]);
      assertEquals(result.least, result.most, "all had the last event");
      assertEquals(result.events, 1000 * result.most, "all had every event");
      assert(result.most >= answers.answered + 2 * MACHINES);
      assert(result.connections > 1050 + 5 * SECONDS, "some have resumed");
      assertEquals(dropped, 50);
      assertLess(after - before, 300_000_000);
      // Load, daemon and a thousand readers share the machine, whatever it is:
      // how old events are, and how long answers take, is for the benchmark.
      assertLess(result.p99, 5000);
      assertLess(answers.p99, 500);
    });
  },
});
