/**
 * The machines that the boot policy lets boot from the network.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { directoryReader, ListedMacs } from "../boot_files/listed_macs.ts";
import type { Log } from "../telemetry/log.ts";
import type { DaemonConfig } from "./config.ts";

/**
 * Reads the machines of `--boot-policy listed`, and logs when it cannot;
 * `undefined` if nothing depends on them.
 */
export function bootListOf(
  { template, bootPolicy, netbootDirectory, netbootFollow }: DaemonConfig,
  log: Log,
): ListedMacs | undefined {
  if (template === undefined || bootPolicy !== "listed") return undefined;
  return new ListedMacs(
    netbootDirectory!,
    directoryReader(netbootFollow),
    (problem) => {
      if (problem === undefined) return;
      log.warning("listed_incomplete", escapeControls(problem));
    },
  );
}
