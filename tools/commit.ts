/**
 * The commit of this tree, and the file that passes it to the daemon.
 *
 * @module
 */

/** Digits of a commit's hash that are shown. */
const DIGITS = 12;

/**
 * The commit that a directory is a checkout of, with `-dirty` when files have
 * been changed since; `undefined` without git, or for a tree that is none.
 */
export function commitOf(root: string): string | undefined {
  // A tree without a repository of its own may be inside another checkout.
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

/** The file, which git ignores, that `lib/telemetry/commit.ts` imports. */
export const COMMIT_FILE = "lib/telemetry/commit.generated.json";

/**
 * Writes the file that says the commit, and removes it when it is disposed of:
 * later, a daemon that is started in another way would name a wrong commit.
 * Without a commit there is no file.
 *
 * @throws {Error} if the tree cannot be written to.
 */
export function writeCommit(
  root: string,
  commit: string | undefined,
): Disposable {
  const path = `${root}/${COMMIT_FILE}`;
  const remove = () => {
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  };
  if (commit === undefined) remove();
  else {
    // A daemon that starts now reads the old file or the new one.
    const temporary = `${path}.${Deno.pid}`;
    Deno.writeTextFileSync(temporary, `${JSON.stringify(commit)}\n`);
    Deno.renameSync(temporary, path);
  }
  return { [Symbol.dispose]: remove };
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
