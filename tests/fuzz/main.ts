/**
 * Fuzzes the parts of the daemon that parse untrusted input.
 *
 * `--inputs N`: total number of inputs; `--seconds S`: duration (default 60);
 * `--seed X`: repeats the inputs of an earlier run; `--only TARGET`; `--input HEX`:
 * runs one input of that target; `--save`: adds inputs with new behavior to the
 * corpus in `tests/fuzz/corpus/`.
 */

import { parseArgs } from "@std/cli/parse-args";
import { readCorpus, writeCorpus } from "./corpus.ts";
import { type Failure, Fuzzer } from "./fuzzer.ts";
import { minimised } from "./mutate.ts";
import { Random } from "./random.ts";
import { inputText, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";
import { Watchdog } from "./watchdog.ts";

/** Default duration in seconds. */
const DEFAULT_SECONDS = 60;

/** Milliseconds between two progress lines. */
const REPORT_INTERVAL = 60_000;

/** Maximum number of inputs in the corpus of one target. */
const MAX_SAVED = 120;

interface Options {
  readonly inputs: number;
  readonly seconds: number;
  readonly seed: number;
  readonly only: string | undefined;
  readonly input: string | undefined;
  readonly save: boolean;
}

function refuse(sentence: string): never {
  console.error(`fuzz: ${sentence}`);
  Deno.exit(2);
}

function optionsOf(args: readonly string[]): Options {
  const names = ["inputs", "seconds", "seed", "only", "input"] as const;
  const given = parseArgs([...args], {
    string: ["_", ...names],
    boolean: ["save"],
    unknown: (arg) => refuse(`unknown option ${arg}`),
  }) as Record<string, unknown>;
  const number = (name: typeof names[number]): number | undefined => {
    const text = given[name];
    if (text === undefined) return undefined;
    if (!/^[0-9]{1,12}$/.test(String(text))) {
      refuse(`--${name} takes a whole number, not "${text}"`);
    }
    return Number(text);
  };
  const inputs = number("inputs");
  return {
    inputs: inputs ?? Infinity,
    seconds: number("seconds") ??
      (inputs === undefined ? DEFAULT_SECONDS : Infinity),
    seed: number("seed") ?? crypto.getRandomValues(new Uint32Array(1))[0]!,
    only: given.only as string | undefined,
    input: given.input as string | undefined,
    save: given.save === true,
  };
}

function targetsOf({ only }: Options): Target[] {
  const targets = TARGETS.map((make) => make());
  if (only === undefined) return targets;
  const target = targets.find(({ name }) => name === only);
  return target === undefined
    ? refuse(
      `there is no target ${only}; there are ${
        targets.map(({ name }) => name).join(", ")
      }`,
    )
    : [target];
}

/** Runs the targets in rounds, each with its share of inputs. */
async function fuzz(
  fuzzers: readonly Fuzzer[],
  { inputs, seconds }: Options,
): Promise<void> {
  const start = performance.now();
  const end = start + 1000 * seconds;
  let reportedAt = start;
  const broken = new Set<Failure>();
  const total = () => fuzzers.reduce((sum, { inputs }) => sum + inputs, 0);
  let isStopped = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => isStopped = true);
  }
  while (!isStopped && performance.now() < end) {
    // Signal handlers run between two tasks.
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (const fuzzer of fuzzers) {
      const left = inputs - total();
      if (left <= 0) return;
      await fuzzer.step(Math.min(left, fuzzer.target.weight));
      for (const failure of fuzzer.failures.values()) {
        if (broken.has(failure)) continue;
        broken.add(failure);
        console.log(
          `FAILED  ${failure.invariant.name}\n${
            described(fuzzer.target, failure)
          }`,
        );
      }
    }
    if (performance.now() - reportedAt < REPORT_INTERVAL) continue;
    reportedAt = performance.now();
    console.log(
      `${total()} inputs in ${
        Math.round((reportedAt - start) / 1000)
      } s, ${broken.size} invariants broken`,
    );
  }
}

/** Adds inputs with new behavior to the corpus, minimized. */
async function save({ target, corpus }: Fuzzer): Promise<void> {
  const kept = await readCorpus(target.name);
  const fuzzer = new Fuzzer(target, new Random(0));
  await fuzzer.seed([...target.seeds, ...kept]);
  const byLength = corpus.toSorted((a, b) => a.length - b.length);
  for (const input of byLength) {
    if (kept.length >= MAX_SAVED) break;
    const before = fuzzer.behaviours;
    await fuzzer.try(input);
    if (fuzzer.behaviours === before) continue;
    const behaviour = await fuzzer.behaviourOf(input);
    kept.push(
      await minimised(
        input,
        async (candidate) => await fuzzer.behaviourOf(candidate) === behaviour,
      ),
    );
  }
  await writeCorpus(target.name, kept);
}

/** Describes a failure and the command that reproduces it. */
function described({ name }: Target, { error, input }: Failure): string {
  return `          ${error.stack ?? error.message}
          again: deno task fuzz --only ${name} --input ${inputText(input)}`;
}

/** Prints a line for each invariant; returns how many hold and how many do not. */
function report(fuzzer: Fuzzer): { passed: number; failed: number } {
  const { target, inputs, elapsed, behaviours, invariants } = fuzzer;
  console.log(
    `\n${target.name}: ${inputs} inputs, ${
      Math.round(1000 * inputs / Math.max(1, elapsed))
    } a second, ${behaviours} behaviours`,
  );
  let passed = 0, failed = 0;
  for (const invariant of invariants) {
    const failure = fuzzer.failures.get(invariant);
    if (failure === undefined && invariant.checked > 0) {
      passed++;
      console.log(`  ok      ${invariant.name} (${invariant.checked} times)`);
      continue;
    }
    failed++;
    console.log(`  FAILED  ${invariant.name}`);
    if (failure === undefined) {
      console.log("          no input came as far as this");
      continue;
    }
    console.log(described(target, failure));
  }
  return { passed, failed };
}

/** Runs one input and prints its behavior. */
async function replay(target: Target, hex: string): Promise<number> {
  if (!/^([0-9a-f]{2})*$/i.test(hex)) refuse("--input takes octets in hex");
  const fuzzer = new Fuzzer(target, new Random(0));
  await fuzzer.try(Uint8Array.fromHex(hex));
  for (const { error } of fuzzer.failures.values()) console.error(error);
  const isFine = fuzzer.failures.size === 0;
  if (isFine) {
    console.log(await fuzzer.behaviourOf(Uint8Array.fromHex(hex)));
  }
  console.log(isFine ? "1 passed, 0 failed" : "0 passed, 1 failed");
  return isFine ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const options = optionsOf(args);
  const targets = targetsOf(options);
  if (options.input !== undefined) {
    if (options.only === undefined) refuse("--input needs --only TARGET");
    return await replay(targets[0]!, options.input);
  }
  console.log(`seed ${options.seed}`);
  using watchdog = new Watchdog();
  const fuzzers = targets.map((target, index) =>
    new Fuzzer(
      target,
      new Random(options.seed + index),
      (target, input) => watchdog.sees(target.name, input),
    )
  );
  const start = performance.now();
  for (const fuzzer of fuzzers) {
    await fuzzer.seed([
      ...fuzzer.target.seeds,
      ...await readCorpus(fuzzer.target.name),
    ]);
  }
  await fuzz(fuzzers, options);
  const elapsed = performance.now() - start;
  let passed = 0, failed = 0;
  let inputs = 0;
  for (const fuzzer of fuzzers) {
    const counts = report(fuzzer);
    passed += counts.passed;
    failed += counts.failed;
    inputs += fuzzer.inputs;
    if (options.save) await save(fuzzer);
  }
  for (const target of targets) await target.close?.();
  console.log(
    `\n${inputs} inputs in ${Math.round(elapsed / 1000)} s, ${
      Math.round(1000 * inputs / elapsed)
    } a second; seed ${options.seed}`,
  );
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
