/**
 * What tools/packaging/nix/module.nix says, read without Nix.
 *
 * @module
 */

/** The module's text. */
export const MODULE = await Deno.readTextFile(
  new URL("../../../tools/packaging/nix/module.nix", import.meta.url),
);

/** The module's options that are no option of the command line. */
export const OWN_OPTIONS = [
  "enable",
  "httpBootRootCertificate",
  "openFirewall",
  "package",
];

/** What is nothing for a service: what ends at once, and how `watch` writes. */
export const COMMANDS = [
  "check",
  "help",
  "version",
  "json",
  "mac",
  "format",
  "all-from",
];

/** Each option of the module, and what it is on the command line. */
export const ARGUMENT_NAMES: ReadonlyMap<string, string> = new Map(
  [
    ...block("argumentNames = {").matchAll(/^ {4}(\w+) = "([a-z0-9-]+)";$/gm),
  ].map(([, name, argument]) => [name!, argument!]),
);

/** The names under which the module declares options. */
export const DECLARED: readonly string[] = [
  ...block("options.services.dhcpv6macd = {").matchAll(/^ {4}(\w+) ?=/gm),
].map(([, name]) => name!);

/** The lines behind one that begins a set, up to its end. */
function block(beginning: string): string {
  const [, rest] = MODULE.split(`  ${beginning}\n`);
  if (rest === undefined) throw new Error(`no ${beginning} in module.nix`);
  return rest.slice(0, rest.indexOf("\n  };"));
}

/** An option of the command line, as NixOS would call it. */
export function nixosName(argument: string): string {
  return argument.replace("x86-64", "x86_64").replace(/-addr$/, "-address")
    .replace(/-dir$/, "-directory")
    .replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
