/**
 * The file descriptors of the daemon: how many it may have, and what it serves
 * with them.
 *
 * @module
 */

import { tcpSockets } from "../net/tcp_sockets.ts";
import { type FdShares, fdSharesOf } from "../overload/fd_budget.ts";
import type { Log } from "../telemetry/log.ts";
import type { DaemonConfig } from "./config.ts";

/** File descriptors below which the daemon says what it serves with them. */
const FEW_DESCRIPTORS = 256;

/** As many as `--max-open-files` says and the kernel allows. */
function maxOpenFilesOf({ maxOpenFiles }: DaemonConfig): number {
  return Math.min(maxOpenFiles, tcpSockets?.maxDescriptors ?? Infinity);
}

/** How they are shared out. */
export function fdSharesFor(config: DaemonConfig): FdShares {
  return fdSharesOf(maxOpenFilesOf(config));
}

/** Says what is served if there are few, or fewer than the option says. */
export function warnOfFewDescriptors(config: DaemonConfig, log: Log): void {
  const count = maxOpenFilesOf(config);
  const isLess = count < config.maxOpenFiles;
  if (!isLess && count >= FEW_DESCRIPTORS) return;
  const { responses, tftp } = fdSharesFor(config);
  const source = isLess
    ? `the process may open ${count} file descriptors (ulimit -n), fewer than --max-open-files ${config.maxOpenFiles}`
    : `--max-open-files is ${count}`;
  log.warning(
    "few_descriptors",
    `${source}: HTTP serves ${responses} connections at once, half as many downloads, and TFTP ${tftp} transfers`,
    { max_open_files: count, responses, tftp },
  );
}
