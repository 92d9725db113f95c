/**
 * The commit that the program was made from.
 *
 * @module
 */

/**
 * The commit as `tools/commit.ts` has written it beside this file, where
 * `deno compile` finds it, too. A module cannot contain the commit that it is
 * part of, so the file is not in git: without it the commit is unknown.
 */
async function readCommit(): Promise<string | undefined> {
  try {
    const { default: commit } = await import("./commit.generated.json", {
      with: { type: "json" },
    });
    return commit;
  } catch {
    return undefined;
  }
}

/** The commit, as git describes it; unknown in a bare `deno run main.ts`. */
export const COMMIT: string | undefined = await readCommit();
