/**
 * The commit of this tree, and how the daemon is told of it.
 *
 * @module
 */

/** Digits of a commit's name that are shown. */
const DIGITS = 12;

/**
 * The commit that a directory is a checkout of, with `-dirty` when files have
 * been changed since; `undefined` without git, or for a tree that is none.
 */
export function commitOf(root: string): string | undefined {
  // A tree without git of its own may lie in somebody else's checkout.
  if (git(root, "rev-parse", "--show-prefix") !== "") return undefined;
  return git(
    root,
    "describe",
    "--always",
    "--dirty",
    "--exclude=*",
    `--abbrev=${DIGITS}`,
  );
}

/** Deno's flags that tell the commit to `lib/telemetry/commit.ts`. */
export function commitFlags(commit: string | undefined): string[] {
  if (commit === undefined) return [];
  const code = `globalThis[Symbol.for("dhcpv6macd.commit")] = ${
    JSON.stringify(commit)
  };`;
  return [`--preload=data:text/javascript,${encodeURIComponent(code)}`];
}

function git(root: string, ...args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command("git", {
      args: ["-C", root, ...args],
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined; // no git on this machine
  }
}
