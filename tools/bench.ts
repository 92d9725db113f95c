/**
 * Measures the daemon and other servers, one after another, between two hosts
 * of a lab, and prints one table.
 *
 * Usage: `deno task bench [--only GROUP,...] [--runs N] [--seconds N] [--json]`,
 * as root. It measures `dist/dhcpv6macd`, which `deno task build` makes. Of the
 * group `storm`, `--machines N` are switched on at once, and their link has a
 * round trip of `--delay 2ms` and loses `--loss 1%`, where the kernel has netem.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { missing } from "../tests/support/lab.ts";
import {
  type MeasureOptions,
  STORM,
  type Storm,
} from "./bench/measure_options.ts";
import { GROUPS } from "./bench/groups.ts";
import { Testbed } from "./bench/testbed.ts";
import { Results } from "./bench/results.ts";
import { BINARY } from "./bench/servers.ts";
import { json, table } from "./bench/table.ts";

function say(text: string): void {
  console.error(`tools/bench.ts: ${text}`);
}

interface Options {
  readonly groups: readonly string[];
  readonly measureOptions: MeasureOptions;
  readonly asJson: boolean;
}

/** @throws {RangeError} with a sentence. */
function readOptions(): Options {
  const args = parseArgs(Deno.args, {
    string: ["only", "runs", "seconds", "machines", "delay", "loss"],
    boolean: ["json"],
    unknown: (arg: string) => {
      throw new RangeError(
        `unknown argument ${arg}; there are --only, --runs, --seconds, ` +
          "--machines, --delay, --loss and --json",
      );
    },
  }) as Record<string, unknown>;
  const names = Object.keys(GROUPS);
  const groups = (args.only as string | undefined)?.split(",") ?? names;
  const unknown = groups.find((group) => !names.includes(group));
  if (unknown !== undefined) {
    throw new RangeError(
      `--only has ${unknown}; the groups are ${names.join(", ")}`,
    );
  }
  const number = (name: string, otherwise: number) => {
    const value = Number(args[name] ?? otherwise);
    if (value > 0 && Number.isInteger(value)) return value;
    throw new RangeError(`--${name} is a number from 1 on, not ${args[name]}`);
  };
  return {
    groups,
    measureOptions: {
      runs: number("runs", 5),
      seconds: number("seconds", 3),
      isShort: false,
      storm: {
        machines: atMost("machines", number("machines", STORM.machines), 900),
        delay: withUnit(args, "delay", "ms", STORM.delay),
        loss: atMost("loss", withUnit(args, "loss", "%", STORM.loss), 50),
      } satisfies Storm,
    },
    asJson: args.json === true,
  };
}

/** A number with a unit, from 0 on. */
function withUnit(
  args: Readonly<Record<string, unknown>>,
  name: string,
  unit: string,
  otherwise: number,
): number {
  const text = args[name] as string | undefined;
  if (text === undefined) return otherwise;
  if (
    /^\d+(\.\d+)?$/.test(text.slice(0, -unit.length)) && text.endsWith(unit)
  ) {
    return parseFloat(text);
  }
  throw new RangeError(`--${name} is a number and ${unit}, not ${text}`);
}

function atMost(name: string, value: number, most: number): number {
  if (value <= most) return value;
  throw new RangeError(`--${name} is ${most} at most, not ${value}`);
}

async function run(): Promise<number> {
  const { groups, measureOptions, asJson } = readOptions();
  if (missing("the benchmark", "ip", "taskset", "gcc").length > 0) {
    say("Debian's packages iproute2, util-linux, gcc and libc6-dev have these");
    return 1;
  }
  try {
    await Deno.stat(BINARY);
  } catch {
    say("dist/dhcpv6macd is not there: run deno task build first");
    return 1;
  }
  const results = new Results();
  const isComplete = await measure(groups, measureOptions, results);
  console.log(
    asJson ? JSON.stringify(json(results), null, 2) : table(results),
  );
  return isComplete ? 0 : 1;
}

/** Measures one group after the other; whether all of them could be. */
async function measure(
  groups: readonly string[],
  measureOptions: MeasureOptions,
  results: Results,
): Promise<boolean> {
  const interruption = Promise.withResolvers<never>();
  interruption.promise.catch(() => {});
  let isInterrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      isInterrupted = true;
      interruption.reject(new Error(signal));
    });
  }
  let isComplete = true;
  await using testbed = await Testbed.make();
  for (const group of groups) {
    if (isInterrupted) break;
    say(`measuring ${group}, load ${Deno.loadavg()[0]!.toFixed(1)}`);
    const measured = (async () => {
      await GROUPS[group]!(testbed, results, measureOptions);
    })();
    // What it does after an interruption fails, for its hosts are gone.
    measured.catch(() => {});
    try {
      await Promise.race([measured, interruption.promise]);
    } catch (error) {
      isComplete = false;
      say(`${group} is not complete: ${Deno.inspect(error)}`);
      await testbed.clear();
    }
  }
  return isComplete;
}

try {
  Deno.exit(await run());
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  say(error.message);
  Deno.exit(2);
}
