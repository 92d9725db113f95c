/**
 * The OTLP exporter with what it needs of the host: certificates that it trusts,
 * and the files of `--otlp-header NAME=@FILE`.
 *
 * @module
 */

import { fileWork } from "../files/file_work.ts";
import { readText } from "../files/read_file.ts";
import { fileErrorReason } from "../net/file_error.ts";
import { checkCaCerts, TrustingFetch } from "../net/trusting_fetch.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import { MAX_PEM_FILE } from "../overload/limits.ts";
import type { Log } from "../telemetry/log.ts";
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
  | "reloadTrust"
  | "interfaceName"
  | "baseAddress";

/** The exporter of a configuration; `undefined` if that names no collector. */
export function exporterOf(
  { collector, caCerts, caFile, interfaceName, responder }: DaemonConfig,
  parts: Omit<ExporterOptions, Configured>,
): OtlpExporter | undefined {
  if (collector === undefined) return undefined;
  const trusting = new TrustingFetch(caCerts);
  return new OtlpExporter({
    ...parts,
    collector,
    fetch: trusting.fetch,
    readFile: readHeaderFile,
    reloadTrust: () => reloadTrust(trusting, caFile, parts.log),
    interfaceName,
    baseAddress: responder.subnets[0]!.text,
  });
}

/** Reads a file of the collector: all that do not answer occupy four threads. */
function readInTime(path: string, limit: number): Promise<string> {
  return fileWork.run("collector", path, () => readText(path, limit));
}

/** Reads the file of `--ca-file`. */
export function readCaFile(path: string): Promise<string> {
  return readInTime(path, MAX_PEM_FILE);
}

/** Reads the file of `--ca-file` again. */
async function reloadTrust(
  trusting: TrustingFetch,
  caFile: string | undefined,
  log: Log,
): Promise<void> {
  if (caFile === undefined) return;
  try {
    const pem = await readCaFile(caFile);
    checkCaCerts(pem);
    trusting.trust([pem]);
  } catch (error) {
    log.error(
      "ca_file_refused",
      `--ca-file: cannot use ${escapeControls(caFile)}: ${
        fileErrorReason(error)
      }; keeping the certificates in use`,
    );
  }
}

/**
 * Reads a file with the value of a header.
 *
 * @throws {Error} with the path and the reason.
 */
export async function readHeaderFile(path: string): Promise<string> {
  try {
    return await readInTime(path, MAX_HEADER_FILE);
  } catch (error) {
    throw new Error(`cannot read ${path}: ${fileErrorReason(error)}`);
  }
}
