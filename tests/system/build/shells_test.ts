/** The manual page and the completions, in the programs that read them. */

import { assert, assertEquals } from "@std/assert";
import { command, missing } from "../../support/lab.ts";

const lacks = missing(
  "tests of the manual page and completions",
  ...["groff", "bash", "zsh", "fish"],
);
const ignore = lacks.length > 0;

const PACKAGING = `${import.meta.dirname}/../../../tools/packaging`;
const COMPLETIONS = `${PACKAGING}/completions`;

/** What a shell offers for a command line whose last word is not complete. */
type Offers = (words: string[]) => Promise<string[]>;

const SHELLS: Record<string, Offers> = {
  bash: async (words) => {
    // As bash divides them.
    const divided = words.flatMap((word) => word.split(/(=)/))
      .filter((word, index, all) => word !== "" || index === all.length - 1);
    const script = `
      source ${COMPLETIONS}/dhcpv6macd.bash
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
      _dhcpv6macd
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    return await offered(["bash", "-c", script, "bash", ...divided]);
  },
  fish: async (words) => {
    const script = `source ${COMPLETIONS}/dhcpv6macd.fish
      complete -C "${words.join(" ")}"`;
    const lines = await offered(["fish", "--no-config", "-c", script]);
    // Descriptions follow a tab.
    return lines.map((line) => line.split("\t")[0]!);
  },
  zsh: async (words) => {
    const program = `${import.meta.dirname}/../../support/zsh_complete.py`;
    return await offered(["python3", program, COMPLETIONS, words.join(" ")]);
  },
};

async function offered(args: string[]): Promise<string[]> {
  const { stdout } = await command(args);
  return stdout.split("\n").map((line) => line.trim()).filter((line) =>
    line !== ""
  );
}

/** Whether an offer is that word, whatever the shell puts before it. */
function has(offers: string[], word: string): boolean {
  return offers.some((offer) => offer === word || offer.endsWith(`=${word}`));
}

Deno.test({
  name: "shells",
  ignore,
  fn: async (t) => {
    await t.step("the manual page has no errors", async () => {
      const page = `${PACKAGING}/man/dhcpv6macd.8`;
      const { stdout, stderr } = await command(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", page],
      );
      assertEquals(stderr, "");
      for (const word of ["NAME", "watch", "base-address", "EXIT STATUS"]) {
        assert(stdout.includes(word), word);
      }
    });

    for (const [shell, offers] of Object.entries(SHELLS)) {
      await t.step(`${shell} completes commands and options`, async () => {
        assert(has(await offers(["dhcpv6macd", "addr"]), "address"));
        const options = await offers(["dhcpv6macd", "--boot-"]);
        assert(has(options, "--boot-policy"), String(options));
        assert(!has(options, "--names"), String(options));
      });

      await t.step(`${shell} completes values`, async () => {
        for (
          const [words, word] of [
            [["--boot-policy", "lis"], "listed"],
            [["--interface", "l"], "lo"],
            [["--log-level", "warn"], "warning"],
          ] as const
        ) {
          const values = await offers(["dhcpv6macd", ...words]);
          assert(has(values, word), `${words}: ${values}`);
        }
      });
    }
  },
});
