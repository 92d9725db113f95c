/** The file of machines' names. */

import { parseNames } from "../../../lib/machines/names_file.ts";
import { formatMac, parseMac } from "../../../lib/net/mac.ts";
import { textOf } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, texts } from "./text.ts";

const countsLines = new Invariant("each line is a name, a problem or nothing");
const isName = new Invariant("a name is what stands behind its MAC");

const WORDS = texts(
  "02:00:5e:00:53:01 rack3-left",
  "02005e005302\talpha beta",
  "02-00-5e-00-53-03  x",
  "# comment",
  "\n",
  "\r\n",
  "\r",
  " ",
  "\t",
  "\u2028",
  "\u00a0",
  "\ufeff",
  "\0",
);

/** Fuzzes the file of names. */
export class NamesTarget implements Target {
  readonly name = "names";
  readonly weight = 20;
  readonly maxLength = 400;
  readonly invariants = [countsLines, isName];
  readonly seeds = [
    ...WORDS,
    ...texts("02:00:5e:00:53:01 a\n\n#x\nbad\n02:00:5e:00:53:01 b\r\n"),
  ];
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    return anyText(random, WORDS);
  }

  run(input: Uint8Array): string {
    const text = textOf(input);
    const { names, problems } = parseNames(text);
    const lines = text.replaceAll("\r\n", "\n").split(/[\r\n]/).map((line) =>
      line.trim()
    );
    const wanted = new Map<string, string>();
    const wrong: number[] = [];
    lines.forEach((line, index) => {
      if (line === "" || line[0] === "#") return;
      const end = line.search(/\s/);
      const mac = end === -1 ? undefined : parseMac(line.slice(0, end));
      const name = line.slice(end).trim();
      if (mac === undefined || /[\u2028\u2029]/.test(name)) {
        wrong.push(index + 1);
      } else wanted.set(formatMac(mac), name);
    });
    countsLines.holds(
      String(problems.map(({ line }) => line)) === String(wrong) &&
        problems.every(({ line, text }) => lines[line - 1] === text),
      () => problems,
    );
    isName.holds(
      names.size === wanted.size &&
        [...names].every(([mac, name]) => wanted.get(formatMac(mac)) === name),
      () => names,
    );
    return `${names.size} ${problems.length}`;
  }
}
