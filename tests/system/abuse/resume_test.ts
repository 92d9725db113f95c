/**
 * Readers of the event stream that are cut off in the middle of a burst, while
 * another one stays: all of them have all events in the end.
 */
import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../../support/daemon.ts";
import { cutConnections } from "../../support/cut.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, Lab, missing, type Program } from "../../support/lab.ts";
import { watchCommand } from "../../support/watch_program.ts";

const lacks = missing("tests of readers that resume", "curl", "nft");
const ignore = lacks.length > 0;

const SERVER = "2001:db8:1:2::1";
const EVENTS = `http://[${SERVER}]:6315/events?resume=1`;
const MACHINES = 20;

/** The IDs of the whole messages in a stream, without that of a state. */
function idsIn(text: string): string[] {
  return [...text.matchAll(/^id: (.*)\ndata: \{.*"ipv6_address".*\n\n/gm)].map(
    ([, id]) => id!,
  );
}

function numberOf(id: string): number {
  return Number(id.split("-")[1]);
}

/** Which machines `watch --json` has shown. */
function machinesIn({ output }: Program): Set<string> {
  return new Set(
    output.split("\n").filter((line) =>
      line.startsWith("{") && line.endsWith("}")
    ).map((line) => JSON.parse(line).mac),
  );
}

Deno.test({
  name: "readers that resume",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await client.ip("addr add 2001:db8:1:2::9/64 dev eth0 nodad");
    await client.linkLocal("eth0");
    await startDaemon(
      router,
      "--interface=lan",
      `--base-address=${BASE}`,
      "--log-level=info",
    );

    /** Lets so many machines, whose MACs begin like this, ask for addresses. */
    async function appear(first: string, count = MACHINES): Promise<void> {
      const program = client.start([
        ...Deno.env.get("TEST_DENO")!.split("\n"),
        `${import.meta.dirname}/../page/solicits.ts`,
        ...["eth0", "system", first, String(count)],
      ]);
      assertEquals(await program.ended(), 0, program.output);
    }

    const follow = (...args: string[]) =>
      client.start(["curl", "-sSN", "--globoff", ...args, EVENTS]);

    await t.step("after any event of a burst, continue there", async () => {
      const stays = follow();
      await stays.says(/^data: /m);
      await appear("02:00:5e:00:53:00");
      const ids = await eventually("all events", () => {
        const ids = idsIn(stays.output);
        return new Set(machinesOf(stays.output)).size === MACHINES && ids;
      });
      const last = numberOf(ids.at(-1)!);
      const readers = ids.slice(0, -1).map((id) => ({
        id,
        program: follow("-H", `Last-Event-ID: ${id}`),
      }));
      for (const { id, program } of readers) {
        await eventually(
          `what comes after ${id}`,
          () => numberOf(idsIn(program.output).at(-1) ?? "-0") >= last,
        );
        assertEquals(
          idsIn(program.output).slice(0, last - numberOf(id)),
          ids.filter((other) =>
            numberOf(other) > numberOf(id) && numberOf(other) <= last
          ),
        );
        assert(!program.output.includes('"Events"'), "it got the state again");
        await program.stop();
      }
      await stays.stop();
    });

    await t.step("watch shows all machines, also when it is cut", async () => {
      const stays = follow();
      const watching = client.start(watchCommand("--json", SERVER));
      await eventually(
        "the machines of before",
        () => machinesIn(watching).size === MACHINES,
      );
      {
        await using _cut = await cutConnections(
          router,
          client,
          /"(?:deno|dhcpv6macd)"/,
        );
        await appear("02:00:5e:00:54:00");
        await watching.says(/is unreachable/);
        await appear("02:00:5e:00:55:00");
      }
      await eventually(
        "all machines",
        () => machinesIn(watching).size === 3 * MACHINES,
        60,
      );
      await watching.stop();
      await stays.stop();
    });
  },
});

/** The MAC of each event in a stream. */
function machinesOf(text: string): string[] {
  return [...text.matchAll(/^data: \{"mac":"([^"]+)"/gm)].map(([, mac]) =>
    mac!
  );
}
