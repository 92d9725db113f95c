/**
 * Whether stderr leads to the journal of systemd.
 *
 * @module
 */

/** The file descriptor of stderr. */
const STDERR = 2;

/**
 * Whether stderr is the stream that `$JOURNAL_STREAM` names by device and inode
 * (systemd.exec(5)). The variable alone says little: children inherit it and may
 * have their stderr elsewhere.
 */
export async function isJournal(): Promise<boolean> {
  try {
    const variable = Deno.env.get("JOURNAL_STREAM");
    if (!variable) return false;
    // Deno has no fstat for stderr, and forbids to read /proc/self/fd. Loaded
    // on demand, because it takes some milliseconds.
    const { fstatSync } = await import("node:fs");
    const { dev, ino } = fstatSync(STDERR);
    return variable === `${dev}:${ino}`;
  } catch {
    return false; // The runtime may not read the variable.
  }
}
