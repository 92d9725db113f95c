/**
 * Writes what is made from the code for people and shells: pages of options and
 * limits, the manual page, completions, and descriptions for NixOS.
 *
 * Usage: `deno task docs`
 *
 * @module
 */

import {
  bashCompletion,
  fishCompletion,
  zshCompletion,
} from "./docs/completions.ts";
import { manPage } from "./docs/man_page.ts";
import { nixDescriptions } from "./docs/nix_descriptions.ts";
import { LIMITS, limitsPage, optionsPage } from "./docs/pages.ts";

const ROOT = new URL("../", import.meta.url);

/** The files: their paths, and what they contain. */
export async function documents(): Promise<Map<string, string>> {
  const limits = await Deno.readTextFile(new URL(LIMITS, ROOT));
  const completions = "tools/packaging/completions";
  return new Map([
    ["docs/options.md", optionsPage()],
    ["docs/limits.md", limitsPage(limits)],
    ["tools/packaging/man/dhcpv6macd.8", manPage()],
    [`${completions}/dhcpv6macd.bash`, bashCompletion()],
    [`${completions}/_dhcpv6macd`, zshCompletion()],
    [`${completions}/dhcpv6macd.fish`, fishCompletion()],
    ["tools/packaging/nix/descriptions.nix", nixDescriptions()],
  ]);
}

if (import.meta.main) {
  for (const [path, content] of await documents()) {
    const url = new URL(path, ROOT);
    await Deno.mkdir(new URL(".", url), { recursive: true });
    await Deno.writeTextFile(url, content);
    console.error(`tools/docs.ts: ${path}`);
  }
}
