/**
 * The state of the whole daemon, as the API has it.
 *
 * @module
 */

import { fileWork, stalledText } from "../files/file_work.ts";
import { authorityOf } from "../http/listener.ts";
import { codeOf, type Stage, STAGES } from "../machines/boot_stages.ts";
import type { UnservedJson } from "../machines/json.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import type { StatusJson } from "../machines/status.ts";
import { VERSION } from "../telemetry/version.ts";
import { type DaemonConfig, tftpPortOf } from "./config.ts";

/** What the state is made of. */
export interface StatusSources {
  readonly config: DaemonConfig;
  readonly registry: MachineRegistry;
  readonly unserved: () => readonly UnservedJson[];
  /** The addresses at which TFTP is served now. */
  readonly tftp: () => Iterable<string>;
  /** Why DHCPv6 is not served now; `undefined` if it is. */
  readonly problem: () => string | undefined;
}

const STARTED = new Date(Date.now() - performance.now()).toISOString();

/** The state now. */
export function statusOf(sources: StatusSources): StatusJson {
  const { config, registry } = sources;
  const problem = sources.problem();
  const port = tftpPortOf(config);
  return {
    version: VERSION,
    interface: config.interfaceName,
    base_addresses: config.responder.subnets.map(({ text }) => text),
    started: STARTED,
    serving: problem === undefined,
    problem: problem ?? null,
    listening: {
      http: config.http.map(authorityOf),
      https: config.https?.addresses.map(authorityOf) ?? [],
      tftp: Array.from(
        sources.tftp(),
        (hostname) => authorityOf({ hostname, port }),
      ),
    },
    stages: Object.fromEntries(
      STAGES.map((stage) => [stage, registry.stageCounts[codeOf(stage)]!]),
    ) as Record<Stage, number>,
    states: registry.presenceCounts(
      1000 * config.responder.validLifetime,
      performance.now(),
    ),
    unserved: sources.unserved(),
    stalled_files: fileWork.stalled().map(stalledText),
  };
}
