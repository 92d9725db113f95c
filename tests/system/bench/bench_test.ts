/**
 * The benchmark in a short form. What it measures depends on the machine and on
 * what else runs there; so only ratios to servers that were measured in the
 * same minute count, and only when they are far below their targets and below
 * what the runtime alone can do.
 */
import { assertEquals } from "@std/assert";
import {
  type MeasureOptions,
  STORM,
} from "../../../tools/bench/measure_options.ts";
import { GROUPS } from "../../../tools/bench/groups.ts";
import { Testbed } from "../../../tools/bench/testbed.ts";
import {
  BARE,
  meets,
  type Quantity,
  Results,
} from "../../../tools/bench/results.ts";
import { DENO_ECHO } from "../../../tools/bench/servers.ts";
import { table } from "../../../tools/bench/table.ts";
import { missingBinary } from "../build/binary.ts";
import { missing } from "../../support/lab.ts";

/** How many times worse than its target a ratio may be here. */
const SLACK = 2;

/** What a neighbour on the machine disturbs once, it does not disturb always. */
const ATTEMPTS = 5;

const MEASURE_OPTIONS: MeasureOptions = {
  runs: 2,
  seconds: 1,
  isShort: true,
  storm: STORM,
};

const NAME = "tests of speed";
const lacks = [
  ...missing(
    NAME,
    "taskset",
    "gcc",
    "kea-dhcp6",
    "dnsmasq",
    "in.tftpd",
    "nginx",
    "h2load",
    "openssl",
  ),
  ...missingBinary(NAME),
];
const ignore = lacks.length > 0;

/** Whether the runtime alone is hardly better: how far one gets here. */
function isTheGround(results: Results, quantity: Quantity): boolean {
  return [BARE, DENO_ECHO.name].some((against) =>
    meets(results, quantity, { against, value: 1 }, SLACK) === true
  );
}

/** What is far from its target, though the runtime can come nearer. */
function failures(results: Results): string[] {
  return results.quantities.flatMap((quantity) =>
    (quantity.targets ?? []).filter((target) =>
      (target.against !== undefined || quantity.unit === "x") &&
      meets(results, quantity, target, SLACK) === false &&
      !isTheGround(results, quantity)
    ).map((target) =>
      `${quantity.words}: ${
        results.compared(quantity, target)
      } where ${target.value} x ${target.against} is the target`
    )
  );
}

Deno.test({
  name: "speed",
  ignore,
  fn: async (t) => {
    await using testbed = await Testbed.make();

    for (const [name, measure] of Object.entries(GROUPS)) {
      await t.step(
        `${name}: no ratio is below half of its target`,
        async () => {
          let failed: string[] = [];
          for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
            const results = new Results();
            try {
              await measure(testbed, results, MEASURE_OPTIONS);
              failed = failures(results);
            } catch (error) {
              // Such as a reader that the machine has kept from reading.
              failed = [(error as Error).message];
            } finally {
              await testbed.clear();
            }
            console.log(table(results));
            if (failed.length === 0) return;
          }
          assertEquals(failed, []);
        },
      );
    }
  },
});
