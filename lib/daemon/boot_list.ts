/**
 * The machines that the boot policy lets boot from the network.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { directoryReader, ListedMacs } from "../boot_files/listed_macs.ts";
import type { Log } from "../telemetry/log.ts";
import { type DaemonConfig, templatesOf } from "./config.ts";

/**
 * Reads the machines of `--boot-policy listed`, and logs when it cannot;
 * `undefined` if nothing depends on them.
 */
export function bootListOf(
  config: DaemonConfig,
  log: Log,
): ListedMacs | undefined {
  const { bootPolicy, netbootDirectory, netbootFollow } = config;
  if (templatesOf(config).length === 0 || bootPolicy !== "listed") {
    return undefined;
  }
  return new ListedMacs(
    netbootDirectory!,
    directoryReader(netbootFollow),
    (problem) => {
      if (problem === undefined) return;
      log.warning("listed_incomplete", escapeControls(problem));
    },
  );
}
