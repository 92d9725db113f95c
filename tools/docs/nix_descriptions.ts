/**
 * What the options of the NixOS module mean, from the table of options.
 *
 * @module
 */

import {
  fallbackOf,
  meaningOf,
  type OptionName,
  OPTIONS,
  type OptionSpec,
} from "../../lib/cli/options.ts";

/** Options with which the daemon does not serve. */
const NO_SERVICE = ["check", "help", "version"];

/** tools/packaging/nix/descriptions.nix: a set of texts by option. */
export function nixDescriptions(): string {
  const lines = Object.entries<OptionSpec<unknown>>(OPTIONS)
    // Those of a command alone are none of the service's.
    .filter(([name, { commands }]) =>
      commands === undefined && !NO_SERVICE.includes(name)
    )
    .map(([name]) => name as OptionName)
    .toSorted()
    .map((name) => `  ${name} = ${nixString(descriptionOf(name))};\n`);
  return `# Made from the table of options by "deno task docs".\n{\n${
    lines.join("")
  }}\n`;
}

/** Sentences in Markdown. */
function descriptionOf(name: OptionName): string {
  const meaning = escapeMarkdown(meaningOf(name));
  const fallback = fallbackOf(name);
  // "iPXE" stays.
  const sentence = `${
    meaning.replace(
      /^[a-z]+\b/,
      (word) => word[0]!.toUpperCase() + word.slice(1),
    )
  }.`;
  return fallback === "required"
    ? `${sentence} Required.`
    : `${sentence} Default: ${escapeMarkdown(fallback)}.`;
}

/** Text that Markdown shows as it is. */
function escapeMarkdown(text: string): string {
  return text.replace(/[*_<[\]]/g, "\\$&");
}

/** A string in Nix that has this text. */
function nixString(text: string): string {
  return `"${text.replace(/["\\]|\$(?=\{)/g, "\\$&")}"`;
}
