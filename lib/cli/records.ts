/**
 * The command `records`: DNS records of machines, without a running daemon.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { macEntries } from "../boot_files/mac_directories.ts";
import { readText } from "../files/read_file.ts";
import { parseNames } from "../machines/names_file.ts";
import { fileErrorReason } from "../net/file_error.ts";
import type { Mac } from "../net/mac.ts";
import { MAX_NAMES_FILE } from "../overload/limits.ts";
import { formatProblem, recordText } from "../records/formats.ts";
import type { RecordProblem } from "../records/records.ts";
import { domainOf } from "./config.ts";
import type { GivenOptions } from "./options.ts";
import { UsageError } from "./usage_error.ts";

/** Characters of the text that is printed at once. */
const PIECE = 65_536;

/** Names that one sentence gives as examples. */
const MAX_EXAMPLES = 3;

/** A file or directory cannot be read. */
export class RecordsError extends Error {
  override name = "RecordsError";
}

/**
 * Prints records.
 *
 * @param print For the records, in pieces of about {@linkcode PIECE} characters.
 * @param say For what people should know about them.
 * @throws {UsageError} if an option is missing or does not fit.
 * @throws {RecordsError} if names or directories cannot be read.
 * @throws what `print` throws.
 */
export async function printRecords(
  given: GivenOptions,
  print: (text: string) => Promise<void>,
  say: (sentence: string) => Promise<void>,
): Promise<void> {
  const { names: namesFile, format } = given;
  const directory = given["all-from"];
  const bases = given["base-address"];
  if (bases.length === 0) {
    throw new UsageError("records requires --base-address IPV6");
  }
  if (namesFile === undefined && directory === undefined) {
    throw new UsageError(
      "records requires --names FILE, --all-from DIRECTORY or both",
    );
  }
  const domain = domainOf(given);
  const problem = formatProblem(format, { bases, domain });
  if (problem !== undefined) throw new UsageError(problem);
  const names = namesFile === undefined ? [] : await readNames(namesFile, say);
  const macs = directory === undefined ? [] : await readMacs(directory);
  const problems: RecordProblem[] = [];
  const text = recordText(
    format,
    { bases, domain, names, macs },
    // Increases until 2106.
    Math.floor(Date.now() / 1000),
    (problem) => problems.push(problem),
  );
  let piece = "";
  for (const next of text) {
    piece += next;
    if (piece.length < PIECE) continue;
    await print(piece);
    piece = "";
  }
  await print(piece);
  await sayProblems(problems, say);
}

async function readNames(
  path: string,
  say: (sentence: string) => Promise<void>,
): Promise<Iterable<[Mac, string]>> {
  const text = await reading("names", path, readText(path, MAX_NAMES_FILE));
  const { names, problems } = parseNames(text);
  const [first] = problems;
  if (first !== undefined) {
    await say(
      `--names ${escapeControls(path)}: ${
        counted(problems.length, "line is", "lines are")
      } not MAC NAME, the first is line ${first.line}: ${
        escapeControls(first.text)
      }`,
    );
  }
  return names;
}

async function readMacs(directory: string): Promise<Mac[]> {
  const read = async () => {
    const macs = new Set<Mac>();
    for await (const { mac, entry } of macEntries(directory)) {
      if (entry.isDirectory || entry.isSymlink) macs.add(mac);
    }
    return [...macs];
  };
  return await reading("all-from", directory, read());
}

async function reading<T>(
  option: string,
  path: string,
  result: Promise<T>,
): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw new RecordsError(
      `--${option} ${escapeControls(path)}: ${
        escapeControls(fileErrorReason(error as Error))
      }`,
    );
  }
}

/** What is said of a kind of problem, of one name and of several. */
const SENTENCES = {
  no_host_name: ["name makes no host name", "names make no host name"],
  no_unicast_mac: [
    "name is of a MAC that no machine has",
    "names are of MACs that no machine has",
  ],
  shared: [
    "name makes the host name of another machine as well",
    "names make host names of other machines as well",
  ],
  changed: [
    "name has characters that host names do not have",
    "names have characters that host names do not have",
  ],
} as const satisfies Record<RecordProblem["kind"], [string, string]>;

async function sayProblems(
  problems: readonly RecordProblem[],
  say: (sentence: string) => Promise<void>,
): Promise<void> {
  for (const [kind, [one, several]] of Object.entries(SENTENCES)) {
    const found = problems.filter((problem) => problem.kind === kind);
    if (found.length === 0) continue;
    const examples = found.slice(0, MAX_EXAMPLES).map(({ name, host }) =>
      `"${escapeControls(name)}"${host === undefined ? "" : ` is ${host}`}`
    );
    const rest = found.length > examples.length ? " and others" : "";
    await say(
      `${counted(found.length, one, several)}: ${examples.join(", ")}${rest}`,
    );
  }
}

function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`;
}
