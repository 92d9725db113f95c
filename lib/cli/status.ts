/**
 * The command `status`: a summary of a running daemon.
 *
 * @module
 */

import { STAGES } from "../../assets/shared/boot_stages.js";
import type { UnservedJson } from "../machines/json.ts";
import type { StatusJson } from "../machines/status.ts";
import { labelled, shown } from "./summary.ts";

/** Milliseconds after which a client that was not served is no warning any more. */
const RECENT = 600_000;

/** How well a daemon is, as exit codes of monitoring plug-ins say it. */
export const OK = 0, WARNING = 1, CRITICAL = 2;

/**
 * How well a daemon is: critical if DHCPv6 is not served; a warning while clients
 * are not served or files do not answer.
 *
 * @param now Milliseconds since 1970 by the daemon's clock: those of its timestamps
 * are.
 */
export function severityOf(
  { serving, unserved, stalled_files }: StatusJson,
  now: number,
): typeof OK | typeof WARNING | typeof CRITICAL {
  if (serving !== true) return CRITICAL;
  return unserved.some((one) => isRecent(one, now)) || stalled_files.length > 0
    ? WARNING
    : OK;
}

function isRecent({ timestamp }: UnservedJson, now: number): boolean {
  return timestamp !== null && now - Date.parse(timestamp) < RECENT;
}

/**
 * A summary for people; its first line is that of a monitoring plug-in.
 *
 * @param now Milliseconds since 1970 by the daemon's clock.
 */
export function statusText(status: StatusJson, now: number): string {
  const { listening, unserved, stalled_files } = status;
  const severity = severityOf(status, now);
  const recent = unserved.filter((one) => isRecent(one, now));
  const isServed = severity !== CRITICAL;
  const first = status.problem ??
    (isServed ? recent[0]?.message ?? stalled_files[0] : undefined) ??
    `DHCPv6 is ${isServed ? "" : "not "}served on ${status.interface}`;
  const lines = [
    shown(`${["OK", "WARNING", "CRITICAL"][severity]}: ${first}`),
    labelled("version", `${status.version}, started ${status.started}`),
    labelled(
      "link",
      `${status.interface}, base address ${status.base_addresses.join(", ")}`,
    ),
  ];
  for (const [label, addresses] of Object.entries(listening)) {
    if (addresses.length === 0) continue;
    lines.push(labelled(label.toUpperCase(), addresses.join(", ")));
  }
  lines.push(labelled("machines", machinesText(status)));
  for (const { count, message } of recent) {
    lines.push(
      labelled("unserved", `${message} (${count} messages)`),
    );
  }
  for (const sentence of stalled_files) {
    lines.push(labelled("files", sentence));
  }
  return `${lines.join("\n")}\n`;
}

function machinesText({ stages, states }: StatusJson): string {
  const counts = Object.entries(stages).filter(([, count]) => count > 0)
    .map(([stage, count]) =>
      `${count} ${STAGES.get(stage)?.words.toLowerCase() ?? stage}`
    );
  const total = Object.values(stages).reduce((sum, count) => sum + count, 0);
  const offline = states.offline === 0 ? "" : `; ${states.offline} offline`;
  return total === 0 ? "none seen" : `${total}: ${counts.join(", ")}${offline}`;
}
