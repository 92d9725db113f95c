/**
 * The OTLP exporter with what it needs of the host: certificates that it trusts,
 * and the files of `--otlp-header NAME=@FILE`.
 *
 * @module
 */

import { fileErrorReason } from "../net/file_error.ts";
import { fetchTrusting } from "../net/trusting_fetch.ts";
import {
  type ExporterOptions,
  OtlpExporter,
} from "../telemetry/otlp/exporter.ts";
import type { DaemonConfig } from "./config.ts";

/** Bytes of a file with the value of a header. */
const MAX_HEADER_FILE = 64 * 1024;

/** What comes from the configuration, and not from other parts. */
type Configured =
  | "collector"
  | "fetch"
  | "readFile"
  | "interfaceName"
  | "baseAddress";

/** The exporter of a configuration; `undefined` if that names no collector. */
export function exporterOf(
  { collector, caCerts, interfaceName, responder }: DaemonConfig,
  parts: Omit<ExporterOptions, Configured>,
): OtlpExporter | undefined {
  return collector && new OtlpExporter({
    ...parts,
    collector,
    fetch: fetchTrusting(caCerts),
    readFile: readHeaderFile,
    interfaceName,
    baseAddress: responder.subnets[0]!.text,
  });
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
  return new Error(`cannot read ${path}: ${fileErrorReason(error)}`);
}
