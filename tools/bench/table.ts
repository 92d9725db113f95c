/**
 * The figures as one table, and as JSON.
 *
 * @module
 */

import {
  BEST,
  meets,
  OWN,
  type Quantity,
  type Results,
  type Target,
} from "./results.ts";

/** A number with three digits that count. */
export function rounded(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

function withUnit(value: number, { unit }: Quantity): string {
  return unit.startsWith("/")
    ? `${rounded(value)}${unit}`
    : `${rounded(value)} ${unit}`;
}

/** What a target demands. */
function demand(quantity: Quantity, { against, value }: Target): string {
  const bound = quantity.better === "more" ? "at least" : "at most";
  return against === undefined
    ? `${bound} ${withUnit(value, quantity)}`
    : `${bound} ${value} x ${against}`;
}

function verdict(
  results: Results,
  quantity: Quantity,
  target: Target,
): string | undefined {
  const isMet = meets(results, quantity, target);
  if (isMet === undefined) return undefined;
  const text = demand(quantity, target);
  if (isMet) return `${text}: yes`;
  const value = results.compared(quantity, target)!;
  const { against } = target;
  return `${text}: NO` + (against === BEST ? `, ${rounded(value)} x` : "");
}

/** The rows of the table: ratios first, then targets, then figures. */
function rows(results: Results): string[][] {
  return results.quantities.map((quantity) => {
    const others = results.serversOf(quantity).filter((name) => name !== OWN);
    const figure = (server: string) =>
      withUnit(results.figure(quantity, server)!, quantity);
    return [
      quantity.words,
      others.flatMap((server) => {
        const ratio = results.ratio(quantity, server);
        return ratio === undefined ? [] : `${rounded(ratio)} x ${server}`;
      }).join(", "),
      (quantity.targets ?? []).map((target) =>
        verdict(results, quantity, target)
      ).filter((text) => text !== undefined).join("; "),
      figure(OWN),
      others.map((server) => `${server} ${figure(server)}`).join(", "),
    ];
  });
}

const HEADINGS = ["", `${OWN} is`, "target", OWN, "others"];

/** The table in Markdown. */
export function table(results: Results): string {
  const lines = [HEADINGS, ...rows(results)];
  const widths = HEADINGS.map((_, column) =>
    Math.max(3, ...lines.map((line) => line[column]!.length))
  );
  const text = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")
    } |`;
  return [
    text(HEADINGS),
    text(widths.map((width) => "-".repeat(width))),
    ...lines.slice(1).map(text),
  ].join("\n");
}

/** Everything that was measured, for programs. */
export function json(results: Results): unknown {
  return results.quantities.map((quantity) => ({
    group: quantity.group,
    quantity: quantity.words,
    unit: quantity.unit,
    better: quantity.better,
    servers: Object.fromEntries(
      results.serversOf(quantity).map((server) => [server, {
        median: results.figure(quantity, server),
        runs: results.valuesOf(quantity, server),
        ratio: results.ratio(quantity, server),
      }]),
    ),
    targets: (quantity.targets ?? []).map((target) => ({
      demand: demand(quantity, target),
      value: results.compared(quantity, target),
      met: meets(results, quantity, target),
    })),
  }));
}
