/**
 * The OTLP exporter with what it needs of the host: certificates that it trusts,
 * and the files of `--otlp-header NAME=@FILE`.
 *
 * @module
 */

import { readText } from "../files/read_file.ts";
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
 * Reads a file with the value of a header.
 *
 * @throws {Error} with the path and the reason.
 */
export async function readHeaderFile(path: string): Promise<string> {
  try {
    return await readText(path, MAX_HEADER_FILE);
  } catch (error) {
    throw new Error(`cannot read ${path}: ${fileErrorReason(error)}`);
  }
}
