/**
 * The machines that the boot policy lets boot from the network.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { BootOnce } from "../boot_files/boot_once.ts";
import { directoryReader, ListedMacs } from "../boot_files/listed_macs.ts";
import type { Log } from "../telemetry/log.ts";
import { type DaemonConfig, templatesOf } from "./config.ts";
import type { BootList } from "./machine_tracker.ts";
import type { Service } from "./service.ts";

/**
 * The machines that the boot policy lets boot, with the log lines about them;
 * `undefined` if it lets all.
 */
export function bootListOf(
  config: DaemonConfig,
  log: Log,
): BootList & Service | undefined {
  const { bootPolicy, netbootDirectory, netbootFollow } = config;
  if (templatesOf(config).length === 0 || bootPolicy === "always") {
    return undefined;
  }
  if (bootPolicy === "once") return new BootOnce(netbootDirectory!);
  return new ListedMacs(
    netbootDirectory!,
    directoryReader(netbootFollow),
    (problem) => {
      if (problem === undefined) return;
      log.warning("listed_incomplete", escapeControls(problem));
    },
  );
}
