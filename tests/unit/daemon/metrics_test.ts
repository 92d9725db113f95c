/**
 * The whole of `/metrics`. `metrics.txt` holds names, types, labels and
 * values: dashboards and alerts rely on them. Whoever changes one of them on
 * purpose changes that file by hand, from what the failed test shows.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { metricsOfEverything } from "./one_of_everything.ts";

const EXPECTED = new URL("metrics.txt", import.meta.url);

/** Lines without the help, and with a word for each value that varies. */
function comparable(text: string): string {
  return text.replace(/^# HELP .*\n/gm, "")
    .replace(
      /(?<=^dhcpv6macd_build_info\{version=")[^"]+(?="\} 1$)/m,
      "VERSION",
    )
    .replace(/(?<=^process_start_time_seconds )[0-9]{10}\.?[0-9]*$/m, "SECONDS")
    .replace(/(?<=^process_resident_memory_bytes )[1-9][0-9]*$/m, "BYTES");
}

/** The lines of a text that another one lacks. */
function linesOnlyIn(text: string, other: string): string[] {
  const lines = new Set(other.split("\n"));
  return text.split("\n").filter((line) => !lines.has(line));
}

Deno.test("the metrics of a daemon that has seen one of everything", async (t) => {
  let text = "";

  text = await metricsOfEverything();

  await t.step("are exactly those of metrics.txt", async () => {
    const actual = comparable(text);
    const expected = await Deno.readTextFile(EXPECTED);
    assertEquals(
      {
        missing: linesOnlyIn(expected, actual),
        unexpected: linesOnlyIn(actual, expected),
      },
      { missing: [], unexpected: [] },
    );
    assertEquals(actual, expected);
  });

  await t.step("leave nothing out that could be counted", () => {
    const zeros = text.split("\n").filter((line) => line.endsWith(" 0"));
    assertEquals(zeros, []);
  });

  await t.step("differ from label to label", () => {
    // With two labels there are too many combinations for that.
    const samples = [...text.matchAll(/^(\w+)\{\w+="[^"]*"\} (.*)$/gm)]
      .filter(([, name]) => !name!.endsWith("_bucket"));
    assert(samples.length > 50);
    const seen = new Map<string, string>();
    for (const [line, name, value] of samples) {
      const other = seen.get(`${name} ${value}`);
      assertEquals(other, undefined, `${other} is like ${line}`);
      seen.set(`${name} ${value}`, line);
    }
  });

  await t.step("have one help text each, a sentence of its own", () => {
    const lines = text.split("\n");
    const names = lines.filter((line) => line.startsWith("# TYPE "))
      .map((line) => line.split(" ")[2]!);
    const helps = lines.filter((line) => line.startsWith("# HELP "));
    assertEquals(helps.map((line) => line.split(" ")[2]!), names);
    assertEquals(new Set(names).size, names.length);
    const sentences = helps.map((line) => line.replace(/^# HELP \w+ /, ""));
    for (const sentence of sentences) assertMatch(sentence, /^\S.*\.$/);
    assertEquals(new Set(sentences).size, sentences.length);
  });
});
