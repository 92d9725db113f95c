/**
 * Runs Nix for tests, and evaluates `evaluate.nix` with it.
 *
 * @module
 */

import { command, type Result } from "../../support/lab.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;

/** A service of systemd, as Nix has it. */
export interface Unit {
  readonly description: string;
  readonly after: string[];
  readonly wantedBy: string[];
  readonly unitConfig: Record<string, unknown>;
  readonly serviceConfig: Record<string, unknown> & {
    readonly ExecStart: string;
    readonly LoadCredential?: string[];
  };
}

/** What the module made of a configuration. */
export interface Made {
  readonly failed: string[];
  readonly warnings: string[];
  readonly firewall: Record<
    string,
    { allowedTCPPorts: number[]; allowedUDPPorts: number[] }
  >;
  readonly unit: Unit | null;
}

/** Runs a command with a Nix store in a directory of the test's. */
export async function runNix(
  directory: string,
  args: readonly string[],
  options: { mayFail?: boolean } = {},
): Promise<Result> {
  return await command([
    "env",
    // a store of its own: nothing of the machine's is read or written
    ...["STORE", "STATE", "LOG", "CONF"].map((name) =>
      `NIX_${name}_DIR=${directory}/nix/${name}`
    ),
    `HOME=${directory}/home`,
    "NIX_CONFIG=experimental-features = nix-command flakes",
    ...args,
  ], { ...options, seconds: 120 });
}

/** The command that evaluates an attribute of `evaluate.nix`. */
export function evaluationCommand(
  directory: string,
  attribute: string,
): string[] {
  const own = Deno.env.get("NIXPKGS_LIB");
  return [
    ...[
      "nix-instantiate",
      "--eval",
      "--read-write-mode",
      "--strict",
      "--json",
    ],
    ...["-A", attribute],
    ...["--argstr", "directory", directory],
    ...(own === undefined ? [] : ["--arg", "nixpkgsLib", own]),
    `${ROOT}tests/system/nix/evaluate.nix`,
  ];
}

/** The value of an attribute of `evaluate.nix`. */
export async function evaluateAttribute<T>(
  directory: string,
  attribute: string,
): Promise<T> {
  const { stdout } = await runNix(
    directory,
    evaluationCommand(directory, attribute),
  );
  return JSON.parse(stdout);
}
