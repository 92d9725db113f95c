import { assertEquals, assertLess } from "@std/assert";
import { BASE } from "../../support/expect.ts";
import { favoredDaemonCommand, RunningDaemon } from "../../support/daemon.ts";
import { type Host, Lab, missing } from "../../support/lab.ts";
import { health, isHealthy, metrics } from "../../support/metrics.ts";
import {
  getToKnow,
  labProgram,
  plugIn,
  SERVER,
  startMachines,
} from "./switch.ts";

const lacks = missing("the soak", "curl", "perfdhcp");
const ignore = lacks.length > 0;

/** Minutes that it takes; `SOAK=30` for the long run. */
const SOAK = Number(Deno.env.get("SOAK") ?? 0.5);

/** Seconds between two points of the curve. */
const WINDOW = 10;

/** Points of the curve that are shown. */
const SHOWN = 30;

/** Solicits in a window, and the machines that they are of. */
const PROBES = 1000;
const PROBED = 200;

/** Exchanges a second of so many machines, more than are remembered. */
const EXCHANGES = 300;
const MACHINES = 100_000;

/** Windows of which one has a flood, of so many Solicits a second. */
const FLOOD_EACH = 6;
const FLOOD = 5000;

const READERS = 50;
const MAC = "02:00:5e:00:53:01";

/** MiB that the daemon may hold. */
const MEMORY = 200;

/** How much more of it the last third may take than the one before. */
const GROWTH = 1.1;

/** Windows that it takes until memory is what it will be. */
const WARM = 30;

/** A moment of it. */
interface Point {
  readonly seconds: number;
  readonly mebibytes: number;
  readonly machines: number;
  readonly answered: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

function shown(points: readonly Point[]): string {
  const most = (of: (point: Point) => number) => Math.max(...points.map(of));
  const { seconds, machines } = points.at(-1)!;
  const answered = points.reduce((sum, point) => sum + point.answered, 0);
  const part = 100 * answered / (PROBES * points.length);
  return `${seconds} s: ${most(({ mebibytes }) => mebibytes).toFixed(0)} MiB, ${
    machines.toLocaleString("en")
  } machines, answers p50 ${most(({ p50 }) => p50).toFixed(2)} ms, p99 ${
    most(({ p99 }) => p99).toFixed(2)
  } ms, ${part.toFixed(2)} % answered`;
}

/** Fetches again and again, and says so when it could not. */
function fetching(host: Host, url: string, ...args: string[]) {
  const curl = `curl -sSfg -o /dev/null ${args.join(" ")} '${url}'`;
  return host.start(["sh", "-c", `while ${curl}; do :; done; echo over`]);
}

async function pointAt(
  begun: number,
  visitor: Host,
  router: Host,
): Promise<Point> {
  const probe = visitor.start(labProgram(
    "probe.ts",
    ...["eth0", BASE, String(PROBES), String(1000 * WINDOW / PROBES)],
    String(PROBED),
  ));
  assertEquals(await probe.ended(12 * WINDOW), 0, probe.output);
  const { answered, wrong, p50, p99 } = JSON.parse(
    probe.output.trim().split("\n").at(-1)!,
  );
  assertEquals(wrong, 0, "wrong answers");
  const counts = await metrics(router);
  let machines = 0;
  for (const [name, value] of counts) {
    if (name.startsWith("dhcpv6macd_machines{")) machines += value;
  }
  const mebibytes = counts.get("process_resident_memory_bytes")! / 2 ** 20;
  const seconds = Math.round((performance.now() - begun) / 1000);
  return { seconds, mebibytes, machines, answered, p50, p99 };
}

Deno.test({
  name: "soak",
  ignore,
  fn: async (t) => {
    await t.step(`${SOAK} minutes of everything at once`, async () => {
      await using lab = new Lab();
      const testLink = await plugIn(lab, 0);
      const { router, attacker, visitor } = testLink;
      await Deno.mkdir(`${lab.directory}/netboot/${MAC}`, { recursive: true });
      await Deno.writeFile(
        `${lab.directory}/netboot/${MAC}/boot.efi`,
        new Uint8Array(32 * 2 ** 20),
      );
      // Started here, for nothing records so many packets.
      const daemon = new RunningDaemon(router.start([
        ...favoredDaemonCommand(),
        ...["--interface=lan", `--base-address=${BASE}`, "--log-format=json"],
        ...[`--boot-address=${SERVER}`, "--log-level=warning"],
        `--netboot-dir=${lab.directory}/netboot`,
      ]));
      await isHealthy(router);
      // Whoever has had an address is answered at once in a flood, too.
      await getToKnow(testLink);
      await startMachines(attacker, MACHINES, EXCHANGES);
      const url = `http://[${SERVER}]:6315`;
      const loops = [
        ...Array.from(
          { length: 4 },
          () =>
            fetching(visitor, `${url}/mac/${MAC}/boot.efi`, "--limit-rate 30M"),
        ),
        ...Array.from(
          { length: 2 },
          () => fetching(visitor, `tftp://[${SERVER}]/${MAC}/ipxe.efi`),
        ),
        ...Array.from(
          { length: READERS },
          () => fetching(visitor, `${url}/events`, "-N"),
        ),
      ];
      const points: Point[] = [];
      const begun = performance.now();
      const together = Math.ceil(60 * SOAK / WINDOW / SHOWN);
      while (performance.now() - begun < 60_000 * SOAK) {
        const flood = points.length % FLOOD_EACH === FLOOD_EACH - 1
          ? attacker.start(labProgram(
            "flood.ts",
            ...["eth0", "spoofed", String(FLOOD * WINDOW / 2), String(FLOOD)],
          ))
          : undefined;
        points.push(await pointAt(begun, visitor, router));
        flood?.kill();
        assertEquals(await flood?.ended() ?? 0, 0);
        if (points.length % together === 0) {
          console.log(shown(points.slice(-together)));
        }
        assertLess(points.at(-1)!.mebibytes, MEMORY, "MiB");
        assertEquals(await health(router), 200);
        for (const { output } of loops) assertEquals(output, "");
      }
      const { length } = points;
      if (length > WARM) {
        const most = (from: number, to: number) =>
          Math.max(
            ...points.slice(from * length / 3, to * length / 3)
              .map(({ mebibytes }) => mebibytes),
          );
        assertLess(most(2, 3), GROWTH * most(1, 2), "MiB");
      }
      const answered = points.reduce((sum, point) => sum + point.answered, 0);
      // What else the machine does costs some: the curve tells how many.
      assertLess(0.95 * PROBES * length, answered, "answers");
      const errors = daemon.log.filter(({ level }) => level === "error");
      assertEquals(errors, []);
      assertEquals(await daemon.stop(), 0);
    });
  },
});
