/**
 * The log lines about files that cannot be read now.
 *
 * @module
 */

import { IpxeFiles } from "../boot_files/ipxe.ts";
import { fileWork, stalledText } from "../files/file_work.ts";
import { REFUSAL_REASONS } from "../machines/boot_refusal.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import type { Log } from "../telemetry/log.ts";
import type { DaemonConfig } from "./config.ts";

/** Milliseconds between two lines about one file. */
const MINUTE = 60_000;

/** The iPXE files, with a line once a minute while one cannot be read. */
export function ipxeFilesOf({ ipxe }: DaemonConfig, log: Log): IpxeFiles {
  return new IpxeFiles(ipxe, ({ kind, path, detail }) =>
    log.warning(
      "ipxe_stale",
      `cannot read ${escapeControls(path)}: ${
        escapeControls(detail ?? REFUSAL_REASONS[kind])
      }; serving what was read before`,
      {},
      { key: path, every: MINUTE },
    ));
}

/** Logs files that the daemon waits for, once a minute each. */
export function logStalledFiles(log: Log): void {
  for (const operation of fileWork.stalled()) {
    const { path } = operation;
    log.warning(
      "files_stalled",
      escapeControls(stalledText(operation)),
      { path },
      { key: path, every: MINUTE },
    );
  }
}
