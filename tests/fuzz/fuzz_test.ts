import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fc } from "../support/fast_check.ts";
import { readCorpus } from "./corpus.ts";
import { Fuzzer } from "./fuzzer.ts";
import { octetsOf, textOf } from "./mutate.ts";
import { Random } from "./random.ts";
import { Invariant, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

/** Two letters in a row break it; a long run of digits makes it throw. */
class Planted implements Target {
  readonly name = "planted";
  readonly weight = 1;
  readonly maxLength = 100;
  readonly isBroken = new Invariant("no x before y");
  readonly isNever = new Invariant("what nothing reaches");
  readonly invariants = [this.isBroken, this.isNever];
  readonly seeds = [octetsOf("something with an x in it, and digits 12345")];
  readonly words = [octetsOf("y")];

  make(random: Random): Uint8Array {
    return random.octets(random.below(20));
  }

  run(input: Uint8Array): string {
    const text = textOf(input);
    this.isBroken.holds(!text.includes("xy"), () => text);
    if (/[0-9]{9}/.test(text)) throw new TypeError("too many digits");
    return String(/[0-9]*/.exec(text)![0].length);
  }
}

Deno.test("fuzzer", async (t) => {
  await t.step("finds what is wrong, and makes it short", async () => {
    const target = new Planted();
    const fuzzer = new Fuzzer(target, new Random(1));
    await fuzzer.seed(target.seeds);
    await fuzzer.step(30_000);
    const broken = fuzzer.failures.get(target.isBroken)!;
    assertEquals(textOf(broken.input), "xy");
    assertEquals(broken.error.message, "no x before y: xy");
    const thrown = fuzzer.failures.get(fuzzer.throwsNothing)!;
    assertEquals(thrown.input.length, 9);
    assert(thrown.error instanceof TypeError);
    assertEquals(target.isNever.checked, 0);
  });

  await t.step(
    "does the same again with the same seed, and else something else",
    async () => {
      const run = async (seed: number) => {
        const target = new Planted();
        const fuzzer = new Fuzzer(target, new Random(seed));
        await fuzzer.seed(target.seeds);
        await fuzzer.step(500);
        return fuzzer.corpus.map((input) => input.toHex()).join();
      };
      assertEquals(await run(5), await run(5));
      assert(await run(5) !== await run(6));
    },
  );

  await t.step("has random numbers that are even, for any seed", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const counts = new Array(8).fill(0);
        for (let draw = 0; draw < 8000; draw++) counts[random.below(8)]++;
        for (const count of counts) assert(count > 800 && count < 1200);
      }),
      { numRuns: 20 },
    );
  });

  await t.step(
    "takes its options as words, or prints what is wrong",
    async () => {
      const [program, ...args] = Deno.env.get("TEST_DENO")!.split("\n");
      const run = async (...given: string[]) => {
        const { code, stdout, stderr } = await new Deno.Command(program!, {
          args: [...args, `${import.meta.dirname}/main.ts`, ...given],
        }).output();
        return { code, text: textOf(stdout) + textOf(stderr) };
      };
      const names = await run("--only", "nothing");
      assertEquals(names.code, 2);
      assertStringIncludes(names.text, "there are dhcpv6,");
      const one = await run("--only", "shown", "--input", "0041202e");
      assertEquals(one.code, 0);
      assertStringIncludes(one.text, "1 passed, 0 failed");
      const few = await run("--only", "names", "--inputs", "50", "--seed", "1");
      assertEquals(few.code, 0, few.text);
      assertStringIncludes(few.text, "seed 1\n");
      assertStringIncludes(few.text, "4 passed, 0 failed");
    },
  );
});

Deno.test("corpus", async (t) => {
  for (const make of TARGETS) {
    await t.step(
      `of ${make().name} holds, and reaches all there is to look at`,
      async () => {
        const target = make();
        const fuzzer = new Fuzzer(target, new Random(0));
        try {
          await fuzzer.seed([
            ...target.seeds,
            ...await readCorpus(target.name),
          ]);
        } finally {
          await target.close?.();
        }
        for (const { error } of fuzzer.failures.values()) throw error;
        for (const { name, checked } of fuzzer.invariants) {
          assert(checked > 0, `never looked at: ${name}`);
        }
      },
    );
  }
});
