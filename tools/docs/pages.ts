/**
 * The documents that are made from the code: of options, from their table, and of
 * limits, from the comments of theirs.
 *
 * @module
 */

import {
  fallbackOf,
  GROUPS,
  meaningOf,
  type OptionName,
  OPTIONS,
  type OptionSpec,
} from "../../lib/cli/options.ts";
import { COMMANDS } from "../../lib/cli/help.ts";

/** The source of docs/limits.md. */
export const LIMITS = "lib/overload/limits.ts";

/** A heading of limits, or a limit with its comment. */
const LIMIT =
  /^\/\/ (.+)$|^\/\*\*((?:(?!\*\/)[^])*)\*\/\nexport const (\w+)(?:: \w+)? = ([^;]+);/gm;

/** docs/options.md. */
export function optionsPage(): string {
  const parts = [
    "# Options",
    paragraph(
      "Made from the table of options by `deno task docs`; `dhcpv6macd --help` " +
        "prints the same. An option has one dash or two, its value behind a " +
        "space or an equals sign. An empty value means that the option was not " +
        "given. Of an option that is not repeatable, the last value counts, and " +
        "a notice says so.",
    ),
  ];
  parts.push(
    "Without a command, the daemon serves.",
    table(
      ["command", "what it does"],
      Object.entries(COMMANDS).map(([name, { usage, help }]) => [
        `\`${`${name} ${usage}`.trim()}\``,
        help,
      ]),
    ),
  );
  for (const group of GROUPS) {
    const rows = Object.entries<OptionSpec<unknown>>(OPTIONS)
      .filter(([, spec]) => spec.group === group)
      .map(([name, { placeholder, repeatable }]) => [
        `\`${name}\``,
        placeholder === undefined ? "" : `\`${placeholder}\``,
        fallbackOf(name as OptionName),
        meaningOf(name as OptionName) + (repeatable ? "; repeatable" : ""),
      ]);
    parts.push(
      `## ${group}`,
      table(["option", "value", "default", "meaning"], rows),
    );
  }
  return `${parts.join("\n\n")}\n`;
}

/**
 * docs/limits.md.
 *
 * @param source The module with the limits.
 */
export function limitsPage(source: string): string {
  const parts = [
    "# Limits",
    paragraph(
      `Made from \`${LIMITS}\` by \`deno task docs\`. What exceeds a limit is ` +
        "refused, dropped or evicted, and counted; everything else goes on. " +
        "Options set further ones: see [options.md](options.md).",
    ),
  ];
  let rows: string[][] = [];
  const endSection = () => {
    if (rows.length > 0) parts.push(table(["limit", "value", "reason"], rows));
    rows = [];
  };
  for (const [, heading, comment, name, value] of source.matchAll(LIMIT)) {
    if (heading === undefined) {
      rows.push([`\`${name}\``, valueOf(value!), textOf(comment!)]);
    } else {
      endSection();
      parts.push(`## ${heading}`);
    }
  }
  endSection();
  return `${parts.join("\n\n")}\n`;
}

/** A value as people write it. */
function valueOf(source: string): string {
  return /^[0-9_]+$/.test(source)
    ? Number(source.replaceAll("_", "")).toLocaleString("en")
    : source.replace(/\s+/g, " ");
}

/** The text of a comment, on one line. */
function textOf(comment: string): string {
  return comment.replace(/\s+\* ?/g, " ").replace(/\s+/g, " ")
    .replace(/\{@linkcode (\w+)\}/g, "`$1`").trim();
}

/** Lines of at most 80 columns. */
function paragraph(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length > 80) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines.join("\n");
}

/** A table, as `deno fmt` formats it. */
function table(head: string[], rows: string[][]): string {
  const cells = [head, ...rows].map((row) =>
    row.map((cell) => cell.replaceAll("|", "\\|"))
  );
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => row[column]!.length))
  );
  const lines = cells.map((row) => rowOf(row, widths));
  lines.splice(1, 0, rowOf(widths.map((width) => "-".repeat(width)), widths));
  return lines.join("\n");
}

function rowOf(cells: string[], widths: number[]): string {
  return `| ${
    cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")
  } |`;
}
