import { assert, assertEquals, assertLess } from "@std/assert";
import {
  FAVORED,
  favoredDaemonCommand,
  launchAs,
  type RunningDaemon,
} from "../../support/daemon.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import { median } from "../../../tools/bench/results.ts";
import { BASE } from "../../support/expect.ts";

const lacks = missing("tests of load", "perfdhcp", "tc");
const ignore = lacks.length > 0;

const OPTIONS = [
  "--interface=lan",
  `--base-address=${BASE}`,
  "--log-level=info",
];

/** Times that the load may be disturbed, and that an interface is made anew. */
const LOAD_ROUNDS = 6;
const ROUNDS = 3;

/** Starts a daemon that the processor runs first, and waits until it serves. */
async function startFavored(router: Host): Promise<RunningDaemon> {
  const daemon = await launchAs(favoredDaemonCommand(), router, ...OPTIONS);
  await daemon.logs("serving");
  return daemon;
}

/** The arguments of tests/support/probe.ts, as a command. */
function probe(
  interfaceName: string,
  count: number,
  interval: number,
): string[] {
  return [
    ...Deno.env.get("TEST_DENO")!.split("\n"),
    `${import.meta.dirname}/../../support/probe.ts`,
    interfaceName,
    BASE,
    String(count),
    String(interval),
  ];
}

Deno.test({
  name: "load",
  ignore,
  fn: async (t) => {
    await t.step("10,000 clients of perfdhcp, and no drop", async () => {
      await using lab = new Lab();
      const { router, client } = await lab.pair();
      await client.linkLocal("eth0");
      await startFavored(router);
      // What else the machine does may cost a datagram: once of some times there
      // is none lost, or the daemon loses them.
      let stdout = "";
      const of = (name: string) =>
        [...stdout.matchAll(new RegExp(`^${name}: (\\d+)`, "gm"))].map((
          match,
        ) => Number(match[1]));
      for (let round = 0; round < LOAD_ROUNDS; round++) {
        ({ stdout } = await client.run([
          ...FAVORED,
          ..."perfdhcp -6 -l eth0 -R 10000 -r 2000 -n 10000 -W 1000000 -s 7 ff02::1:2"
            .split(" "),
        ], { mayFail: true }));
        if (String(of("drops")) === "0,0") break;
      }
      assertEquals(of("drops"), [0, 0], stdout);
      // It may begin another exchange or two before it sees that it is done.
      const [solicits, requests] = of("sent packets");
      assert(solicits! >= 10000 && requests! >= 10000, stdout);
    });

    await t.step(
      "no reply carries the bytes of another through a slow link",
      async () => {
        await using lab = new Lab();
        const { router, client } = await lab.pair();
        await client.linkLocal("eth0");
        await router.run([
          ..."tc qdisc add dev lan root tbf rate 4mbit burst 4kb limit 300kb"
            .split(" "),
        ]);
        await startFavored(router);
        // Twice as many as the link takes answers.
        const program = client.start(probe("eth0", 6000, 0.2));
        await program.ended();
        const summary = JSON.parse(program.output.trim().split("\n").at(-1)!);
        assertEquals(summary.wrong, 0, program.output);
        // The kernel's queues are short: some are lost, but none is another's.
        assert(summary.answered > 500, program.output);
        assertEquals(summary.distinct, summary.answered, program.output);
      },
    );

    await t.step(
      "an interface deleted and made anew under load is served within a second",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        const client = await lab.host("client");
        const loader = await lab.host("loader");
        const network = await lab.network(
          "switch",
          [router, "lan"],
          [client, "eth0"],
          [loader, "eth0"],
        );
        await client.linkLocal("eth0");
        await loader.linkLocal("eth0");
        const daemon = await startFavored(router);
        loader.start([
          ..."perfdhcp -6 -l eth0 -R 10000 -r 1000 -p 300 ff02::1:2".split(" "),
        ]);
        const answers = client.start([
          ...FAVORED,
          ...probe("eth0", 15_000, 20),
        ]);
        await answers.says(/"time"/);
        const delays: number[] = [];
        for (let round = 1; round <= ROUNDS; round++) {
          await router.ip("link delete lan");
          await daemon.counts("waiting", round);
          await lab.plug(network, 0, router, "lan");
          await router.linkLocal("lan");
          const usable = Date.now();
          const delay = await eventually(
            "an answer after the interface is back",
            () => times(answers.output).find((time) => time >= usable),
          ) - usable;
          delays.push(delay);
        }
        // What else the machine does spoils one round, not most of them.
        assertLess(median(delays), 1000, `${delays}`);
        await daemon.counts("serving", ROUNDS + 1);
        const indexes = daemon.log.filter((line) => line.event === "serving")
          .map((line) => line.index);
        assertEquals(
          new Set(indexes).size,
          ROUNDS + 1,
          "each is another interface",
        );
      },
    );
  },
});

function times(output: string): number[] {
  return [...output.matchAll(/"time":(\d+)/g)].map((match) => Number(match[1]));
}
