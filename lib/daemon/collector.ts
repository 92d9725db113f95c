/**
 * What the OTLP exporter needs of the host: certificates that it trusts, and the
 * files of `--otlp-header NAME=@FILE`.
 *
 * @module
 */

import { fetchTrusting } from "../net/trusting_fetch.ts";
import type {
  CollectorOptions,
  ExporterOptions,
} from "../telemetry/otlp/exporter.ts";

/** Bytes of a file with the value of a header. */
const MAX_HEADER_FILE = 64 * 1024;

/** How the exporter reaches a collector. */
export function collectorAccess(
  collector: CollectorOptions,
  caCerts: readonly string[],
): Pick<ExporterOptions, "collector" | "fetch" | "readFile"> {
  return {
    collector,
    fetch: fetchTrusting(caCerts),
    readFile: readHeaderFile,
  };
}

/**
 * Reads a file before the daemon starts.
 *
 * @throws {Error} with the path and the reason.
 */
export function readHeaderFileSync(path: string): string {
  try {
    checkSize(Deno.statSync(path));
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw readError(path, error);
  }
}

/** The same while the daemon serves. */
export async function readHeaderFile(path: string): Promise<string> {
  try {
    checkSize(await Deno.stat(path));
    return await Deno.readTextFile(path);
  } catch (error) {
    throw readError(path, error);
  }
}

/** A FIFO or a device would never end. */
function checkSize({ isFile, size }: Deno.FileInfo): void {
  if (!isFile) throw new Error("it is no regular file");
  if (size > MAX_HEADER_FILE) {
    throw new Error(`it is larger than ${MAX_HEADER_FILE} bytes`);
  }
}

function readError(path: string, error: unknown): Error {
  // Only some errors of the runtime end with the path.
  const reason = (error as Error).message.replace(/: \w+ '.*'$/s, "");
  return new Error(`cannot read ${path}: ${reason}`);
}
