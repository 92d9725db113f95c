/**
 * What is wrong with the files and directories that a configuration names.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { type PathProblem, ServedRoots } from "../boot_files/served_roots.ts";
import { parseNames } from "../machines/names_file.ts";
import { fileErrorReason } from "../net/file_error.ts";
import { isUnicastMac, parseMac } from "../net/mac.ts";
import { MAX_NAMES_FILE } from "../overload/limits.ts";

/** Findings, each one sentence for the operator. */
export interface Findings {
  /** What prevents that files are served or read. */
  readonly problems: string[];
  /** What may be meant so. */
  readonly warnings: string[];
}

/** Files of the netboot directory that are examined. */
const MAX_EXAMINED = 10_000;

/** Directories below each other that are examined. */
const MAX_DEPTH = 8;

/** Findings of one kind that are listed; the others are counted. */
const MAX_LISTED = 10;

/** Who can read a file, or list and enter a directory. */
type Access = "everybody" | "group" | "owner" | "none";

/** Permission bits of a mode for users that neither own a file nor share its group. */
const READ = 0o4;
const ENTER = 0o5;
/** To reach what is below a directory, without listing it. */
const PASS = 0o1;

/** How to open a directory to others. */
const CHMOD = "(chmod o+x)";

/**
 * Directories that the user of the service cannot enter. Each is reported once,
 * however many paths lead through it.
 */
export class ClosedDirectories {
  /** The device and the inode of each directory that was examined. */
  readonly #seen = new Set<string>();

  /** Whether a directory was not examined before. */
  isNew({ dev, ino }: Deno.FileInfo): boolean {
    const key = `${dev} ${ino}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  /**
   * Warns of the directories above a path that cannot be entered: above the path
   * itself, and above the target if links are part of it. They do not disturb a
   * daemon that runs as root.
   *
   * @param what The path, as the findings name it.
   * @param remedy For directories that only their owner can enter.
   */
  addParents(
    path: string,
    what: string,
    findings: Findings,
    remedy = CHMOD,
  ): void {
    const start = path.startsWith("/") ? path : `${realPathOf(".")}/${path}`;
    for (const whole of new Set([start, realPathOf(start)])) {
      for (
        let end = whole.lastIndexOf("/");
        end > 0;
        end = whole.lastIndexOf("/", end - 1)
      ) this.add(whole.slice(0, end), `, above ${what},`, findings, remedy);
    }
  }

  /** Warns of a directory if it cannot be entered. */
  add(
    directory: string,
    where: string,
    findings: Findings,
    remedy = CHMOD,
  ): void {
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(directory);
    } catch {
      return; // It is gone, or not even this process can reach it.
    }
    const mode = info.mode ?? 0o777;
    if (!info.isDirectory || (mode & PASS) !== 0 || !this.isNew(info)) return;
    const start = `cannot enter ${escapeControls(directory)}, mode ${
      modeOf(info)
    }${where} as the user of the shipped units`;
    const isGroupOpen = (mode >> 3 & PASS) !== 0;
    findings.warnings.push(
      `${start} ${isGroupOpen ? "without SupplementaryGroups=" : remedy}`,
    );
  }
}

/** A path without links; the path itself if that cannot be determined. */
function realPathOf(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/**
 * Who can read a path. `none`: not even this process. The shipped units run
 * the daemon as a user that owns nothing, whatever user checks.
 */
function accessOf(path: string, info: Deno.FileInfo): Access {
  try {
    if (info.isDirectory) [...Deno.readDirSync(path)];
    // Opening a FIFO would wait for another process.
    else if (info.isFile) Deno.openSync(path).close();
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return "none";
  }
  const needed = info.isDirectory ? ENTER : READ;
  const mode = info.mode ?? 0o777;
  if ((mode & needed) === needed) return "everybody";
  return (mode >> 3 & needed) === needed ? "group" : "owner";
}

/** The finding about a path, where the user of a service may not read it. */
function accessFinding(
  what: string,
  info: Deno.FileInfo,
  access: Access,
  findings: Findings,
): void {
  if (access === "everybody") return;
  const start = `cannot read ${what}, mode ${modeOf(info)}`;
  if (access === "none") {
    findings.problems.push(`${start}: permission denied`);
  } else if (access === "owner") {
    findings.problems.push(
      `${start}, as the user of the shipped units, who owns nothing (chmod o+rX)`,
    );
  } else {
    findings.warnings.push(
      `${start}, as the user of the shipped units without SupplementaryGroups=`,
    );
  }
}

function modeOf({ mode }: Deno.FileInfo): string {
  return ((mode ?? 0) & 0o7777).toString(8).padStart(4, "0");
}

/**
 * What is wrong with the netboot directory. An absent one may come yet.
 *
 * @param follow Directories that links in it may lead to.
 * @param closed Reports what leads to the files, once for all findings.
 */
export async function netbootFindings(
  directory: string,
  follow: readonly string[],
  closed: ClosedDirectories,
): Promise<Findings> {
  const findings: Findings = { problems: [], warnings: [] };
  followFindings(follow, closed, findings);
  closed.addParents(directory, "--netboot-dir", findings);
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      findings.problems.push(
        `cannot read --netboot-dir ${escapeControls(directory)}: ${
          pathErrorText(error)
        }`,
      );
    }
    return findings;
  }
  if (!info.isDirectory) {
    findings.problems.push(
      `--netboot-dir ${escapeControls(directory)} is a file, not a directory`,
    );
    return findings;
  }
  const what = `--netboot-dir ${escapeControls(directory)}`;
  closed.isNew(info);
  accessFinding(what, info, accessOf(directory, info), findings);
  await examine(new ServedRoots(directory, follow), closed, findings);
  return findings;
}

/** What is wrong with the directories that links may lead to. */
function followFindings(
  follow: readonly string[],
  closed: ClosedDirectories,
  findings: Findings,
): void {
  for (const directory of follow) {
    const what = `--netboot-follow ${escapeControls(directory)}`;
    closed.addParents(directory, what, findings);
    try {
      if (!Deno.statSync(directory).isDirectory) {
        findings.problems.push(`${what} is a file, not a directory`);
        continue;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        findings.problems.push(`cannot read ${what}: ${pathErrorText(error)}`);
      }
      continue;
    }
    closed.add(directory, ", of --netboot-follow,", findings);
  }
}

/** Why a path that the configuration names leads to nothing. */
function pathErrorText(error: unknown): string {
  return error instanceof Deno.errors.NotADirectory
    ? "a part of its path is a file"
    : (error as Error).message;
}

/** What is wrong with a link in the netboot directory. */
function linkFinding(path: string, problem: PathProblem): string {
  const target = escapeControls(problem.detail ?? "");
  return problem.kind === "link_leads_out"
    ? `${path} leads to ${target}, out of the netboot directory (--netboot-follow allows that)`
    : problem.kind === "broken_link"
    ? `${path} leads to nothing: ${
      escapeControls(problem.path)
    } is a link to ${target}`
    : `cannot read what ${path} leads to: ${target || problem.kind}`;
}

/** Examines what the netboot directory holds. */
async function examine(
  roots: ServedRoots,
  closed: ClosedDirectories,
  findings: Findings,
): Promise<void> {
  const found: Findings = { problems: [], warnings: [] };
  let left = MAX_EXAMINED;
  const visit = async (relative: string, depth: number): Promise<void> => {
    const directory = `${roots.directory}/${relative}`;
    let entries: Deno.DirEntry[];
    try {
      entries = [...Deno.readDirSync(directory)];
    } catch {
      return;
    }
    entries.sort((a, b) => a.name < b.name ? -1 : 1);
    for (const { name, isSymlink } of entries) {
      if (left-- <= 0) return;
      const isMachine = depth === 0 &&
        (name === "default" || parseMac(name) !== undefined);
      if (depth === 0 && !isMachine) continue;
      const path = escapeControls(`${directory}${name}`);
      const served = await roots.resolve(relative + name);
      if ("kind" in served) {
        if (isSymlink) found.problems.push(linkFinding(path, served));
        else if (served.kind === "permission_denied") {
          found.problems.push(`cannot read ${path}: permission denied`);
        }
        continue;
      }
      const { info } = served;
      if (isMachine && !info.isDirectory) {
        findings.problems.push(
          `${path} is a file, not a directory of boot files`,
        );
        continue;
      }
      if (!info.isDirectory && !info.isFile) continue;
      const access = accessOf(served.path, info);
      if (!info.isDirectory || closed.isNew(info)) {
        accessFinding(path, info, access, found);
      }
      if (isSymlink) {
        closed.addParents(served.path, `the target of ${path}`, found);
      }
      if (info.isDirectory && access !== "none" && depth < MAX_DEPTH) {
        await visit(`${relative}${name}/`, depth + 1);
      }
    }
  };
  await visit("", 0);
  for (const kind of ["problems", "warnings"] as const) {
    const rest = found[kind].length - MAX_LISTED;
    findings[kind].push(...found[kind].slice(0, MAX_LISTED));
    if (rest > 0) {
      findings[kind].push(`${rest} further boot files have such problems`);
    }
  }
}

/** What is wrong with the file of names. An absent one may come yet. */
export function namesFindings(
  path: string,
  closed: ClosedDirectories,
): Findings {
  const findings: Findings = { problems: [], warnings: [] };
  const { problems } = findings;
  closed.addParents(path, "--names", findings);
  let text: string;
  try {
    const info = Deno.statSync(path);
    if (info.isDirectory) {
      problems.push(
        `--names ${escapeControls(path)} is a directory, not a file`,
      );
      return findings;
    }
    if (!info.isFile) {
      problems.push(`--names ${escapeControls(path)} is no regular file`);
      return findings;
    }
    if (info.size > MAX_NAMES_FILE) {
      problems.push(
        `--names ${escapeControls(path)} has more than ${MAX_NAMES_FILE} bytes`,
      );
      return findings;
    }
    const access = accessOf(path, info);
    accessFinding(`--names ${escapeControls(path)}`, info, access, findings);
    if (access === "none") return findings;
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      problems.push(
        `cannot read --names ${escapeControls(path)}: ${
          (error as Error).message
        }`,
      );
    }
    return findings;
  }
  const { names, problems: malformed } = parseNames(text);
  for (const { line, text } of malformed.slice(0, MAX_LISTED)) {
    problems.push(
      `--names ${escapeControls(path)}, line ${line}: expected MAC NAME, got "${
        escapeControls(text)
      }"`,
    );
  }
  const rest = malformed.length - MAX_LISTED;
  if (rest > 0) {
    problems.push(
      `--names ${escapeControls(path)}: ${rest} further malformed lines`,
    );
  }
  for (const [mac, name] of names) {
    if (isUnicastMac(mac)) continue;
    problems.push(
      `--names ${escapeControls(path)}: the MAC of ${
        escapeControls(name)
      } is no unicast address`,
    );
  }
  return findings;
}

/**
 * What the user of the shipped units may not read of files that other options
 * name. A daemon that runs as root can, so these are warnings.
 *
 * @param files The option and the path of each.
 */
export function optionFileFindings(
  files: readonly (readonly [option: string, path: string])[],
  closed: ClosedDirectories,
): Findings {
  const findings: Findings = { problems: [], warnings: [] };
  for (const [option, path] of files) {
    const what = `--${option} ${escapeControls(path)}`;
    let info: Deno.FileInfo;
    try {
      info = Deno.statSync(path);
      if (!info.isFile) throw new Error("it is no regular file");
      Deno.openSync(path).close();
    } catch (error) {
      findings.problems.push(`cannot read ${what}: ${fileErrorReason(error)}`);
      continue;
    }
    const access = accessOf(path, info);
    if (access !== "everybody") {
      findings.warnings.push(
        `cannot read ${what}, mode ${
          modeOf(info)
        }, as the user of the shipped units without ${
          access === "group" ? "SupplementaryGroups=" : "LoadCredential="
        }`,
      );
    }
    closed.addParents(path, what, findings, "without LoadCredential=");
  }
  return findings;
}
