import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../../support/daemon.ts";
import {
  eventually,
  type Host,
  Lab,
  missing,
  type Program,
} from "../../support/lab.ts";
import {
  readLogs,
  readMetrics,
  type ReadRecord,
} from "../../support/otlp_strict.ts";
import { BASE } from "../../support/expect.ts";

const lacks = missing("tests of OTLP", "tcpdump", "tshark");
const ignore = lacks.length > 0;

const PORT = 4318;
const MACHINES = 200;

/** A new machine is here, jumps over its boot and has a system. */
const EVENTS_OF_NEW = ["init", "jump_to", "os_init"];

const script = (path: string, ...args: string[]) => [
  ...Deno.env.get("TEST_DENO")!.split("\n"),
  `${import.meta.dirname}/../../${path}`,
  ...args,
];

async function startCollector(host: Host): Promise<Program> {
  const program = host.start(
    script("unit/telemetry/otlp/collector.ts", "::1", String(PORT)),
  );
  await program.says(/^ready$/m);
  return program;
}

/** What a collector took at a path. */
function taken({ output }: Program, path: string): string[] {
  return output.split("\n").slice(0, -1).filter((line) =>
    line.startsWith("{") && line.endsWith("}")
  ).map((line) => JSON.parse(line)).filter((one) => {
    assert(one.isTaken, one.body);
    return one.path === path;
  }).map(({ body }) => body);
}

function eventsOf(...collectors: Program[]): ReadRecord[] {
  return collectors.flatMap((one) =>
    taken(one, "/v1/logs").flatMap((body) => readLogs(body).items)
  );
}

/** Each machine asks once; all are answered rightly. */
async function machinesAsk(client: Host): Promise<void> {
  const { stdout } = await client.run(
    script("support/probe.ts", "eth0", BASE, String(MACHINES), "5"),
    { seconds: 60 },
  );
  const { answered, wrong } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  assertEquals({ answered, wrong }, { answered: MACHINES, wrong: 0 });
}

Deno.test({
  name: "a collector",
  ignore,
  fn: async (t) => {
    await t.step(
      "has every event and the metrics, though it was away",
      async () => {
        await using lab = new Lab();
        const { router, client } = await lab.pair();
        await client.linkLocal("eth0");
        const first = await startCollector(router);
        const daemon = await startDaemon(
          router,
          "--interface=lan",
          `--base-address=${BASE}`,
          `--otlp-endpoint=http://[::1]:${PORT}`,
          "--log-level=info",
        );
        let count = MACHINES * EVENTS_OF_NEW.length;
        await machinesAsk(client);
        await eventually(
          "first events",
          () => eventsOf(first).length === count,
        );

        first.kill("SIGKILL");
        await first.ended();
        count += MACHINES;
        await machinesAsk(client);
        await daemon.logs("collector_away");
        const second = await startCollector(router);
        await daemon.logs("collector_back", undefined, 60);
        await eventually(
          "the events of meanwhile",
          () => eventsOf(first, second).length === count,
          60,
        );

        count += MACHINES;
        await machinesAsk(client);
        assertEquals(await daemon.stop(), 0);
        await eventually(
          "the last events",
          () => eventsOf(first, second).length === count,
        );

        const events = eventsOf(first, second);
        const runs = new Set<string>();
        events.forEach(({ attributes }, index) => {
          const [run, number] = String(attributes["log.record.uid"]).split("-");
          runs.add(run!);
          assertEquals(Number(number), index + 1);
        });
        assertEquals(runs.size, 1);
        const ofOne = events.filter(({ attributes }) =>
          attributes.mac === "02:00:00:00:00:07"
        );
        assertEquals(
          ofOne.map(({ eventName, attributes }) => [
            eventName,
            attributes.repeat_event,
            attributes.ipv6_address,
          ]),
          [...EVENTS_OF_NEW, "os_init", "os_init"].map((event, index) => [
            event,
            index >= EVENTS_OF_NEW.length,
            "2001:db8:1:2:0:200:0:7",
          ]),
        );

        // The collector that came back gets them a while later than the events.
        const answered = "dhcpv6macd_dhcpv6_answered_total";
        const { resource, items } = await eventually("the metrics", () => {
          const json = taken(second, "/v1/metrics").at(-1);
          const metrics = json === undefined ? undefined : readMetrics(json);
          const isLast = metrics?.items.get(answered)?.some(({ value }) =>
            value === 3 * MACHINES
          );
          return isLast ? metrics : undefined;
        }, 60);
        assertEquals([resource["service.instance.id"]], [...runs]);
        assertEquals(resource["network.interface.name"], "lan");
        const valueOf = (name: string, label: string, value: string) =>
          items.get(name)?.find(({ attributes }) => attributes[label] === value)
            ?.value;
        assertEquals(
          valueOf(answered, "type", "solicit"),
          3 * MACHINES,
        );
        assertEquals(
          valueOf("dhcpv6macd_otlp_events_total", "outcome", "lost"),
          0,
        );
        assertEquals(
          items.get("dhcpv6macd_dhcpv6_answer_duration_seconds")?.[0]?.value,
          3 * MACHINES,
        );
        assertEquals(daemon.count("collector_away"), 1);
        assertEquals(daemon.count("events_lost"), 0);
      },
    );
  },
});
