/**
 * Looks at the files that options name, before the configuration is made of
 * them. A file system that does not answer delays the start, and does not prevent
 * it.
 *
 * @module
 */

import { readCaFile, readHeaderFile } from "../daemon/collector.ts";
import { IPXE_FILE_KEYS, type IpxeFileKey } from "../boot_files/ipxe.ts";
import { fileWork } from "../files/file_work.ts";
import { waitAtMost } from "../overload/timeout.ts";
import type { GivenOptions } from "./options.ts";

/** Milliseconds that all files together are waited for. */
const TIMEOUT = 1000;

/** The file system has not answered. */
export type Stalled = "stalled";

/** What is at a path. */
export type FileStatus = Deno.FileInfo | Stalled | "absent" | "unreadable";

/** What the files of options are. */
export interface OptionFiles {
  /** The status of a file or directory. */
  status(path: string): FileStatus;
  /**
   * The content of a file.
   *
   * @throws {Error} if it cannot be read.
   */
  text(path: string): string | Stalled;
}

/** What an operation gave; `undefined`: nothing yet. */
type Outcome<T> = { readonly value: T } | { readonly error: Error } | undefined;

/** Results of operations on files, by path. */
class Results<T> {
  readonly #outcomes = new Map<string, Outcome<T>>();

  async look(path: string, operation: () => Promise<T>): Promise<void> {
    this.#outcomes.set(path, undefined);
    try {
      this.#outcomes.set(path, { value: await operation() });
    } catch (error) {
      this.#outcomes.set(path, { error: error as Error });
    }
  }

  of(path: string): Outcome<T> {
    return this.#outcomes.get(path);
  }
}

/** All files that do not answer occupy four threads. */
function statusOf(path: string): Promise<Deno.FileInfo> {
  const status = () => Deno.stat(path);
  return fileWork.run("options", path, status, { isPatient: true });
}

/** What is at a path whose status cannot be had. */
export function statusOfError(error: unknown): "absent" | "unreadable" {
  return error instanceof Deno.errors.NotFound ? "absent" : "unreadable";
}

/** The option that names one of the files for PXE clients. */
export function ipxeOption(key: IpxeFileKey) {
  if (key === "script") return "ipxe-script";
  return key === "shim-x86-64" || key === "shim-arm64"
    ? `${key}-efi` as const
    : `ipxe-${key}-efi` as const;
}

/** Looks at the files of options, for at most 1 s. */
export async function examineOptionFiles(
  given: GivenOptions,
): Promise<OptionFiles> {
  const infos = new Results<Deno.FileInfo>();
  const texts = new Results<string>();
  const paths = [
    given["netboot-dir"],
    ...given["netboot-follow"],
    given.names,
    ...IPXE_FILE_KEYS.map((key) => given[ipxeOption(key)]),
  ].filter((path) => path !== undefined);
  const caFile = given["ca-file"];
  const headerFiles = given["otlp-header"].map(({ file }) => file)
    .filter((file) => file !== undefined);
  const looking = Promise.all([
    ...paths.map((path) => infos.look(path, () => statusOf(path))),
    caFile !== undefined && texts.look(caFile, () => readCaFile(caFile)),
    ...headerFiles.map((path) => texts.look(path, () => readHeaderFile(path))),
  ]);
  await waitAtMost(TIMEOUT, looking);
  return {
    status: (path) => {
      const outcome = infos.of(path);
      if (outcome === undefined) return "stalled";
      return "value" in outcome ? outcome.value : statusOfError(outcome.error);
    },
    text: (path) => {
      const outcome = texts.of(path);
      if (outcome === undefined) return "stalled";
      if ("error" in outcome) throw outcome.error;
      return outcome.value;
    },
  };
}
