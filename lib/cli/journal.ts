/**
 * Whether stderr leads to the journal of systemd.
 *
 * @module
 */

/** The file descriptor of stderr. */
const STDERR = 2;

/** Read when the module is loaded: the program may not do so later. */
const variable = journalStream();

function journalStream(): string | undefined {
  try {
    return Deno.env.get("JOURNAL_STREAM");
  } catch {
    return undefined; // The program was started without the permission.
  }
}

/**
 * Whether stderr is the stream that `$JOURNAL_STREAM` names by device and inode
 * (systemd.exec(5)). The variable alone says little: children inherit it and may
 * have their stderr elsewhere.
 */
export async function isJournal(): Promise<boolean> {
  if (!variable) return false;
  try {
    // Deno has no fstat for stderr, and forbids to read /proc/self/fd. Loaded
    // on demand, because it takes some milliseconds.
    const { fstatSync } = await import("node:fs");
    const { dev, ino } = fstatSync(STDERR);
    return variable === `${dev}:${ino}`;
  } catch {
    return false; // stderr is closed.
  }
}
