/**
 * The state of a whole daemon in JSON, for programs that monitor it and for the
 * page, so that it must not depend on Deno.
 *
 * @module
 */

import type { Stage } from "./boot_stages.ts";
import type { UnservedJson } from "./json.ts";
import type { Presence } from "./presence.ts";

/** A daemon's state. */
export interface StatusJson {
  readonly version: string;
  readonly interface: string;
  readonly base_addresses: readonly string[];
  /** When it was started: RFC 3339, UTC. */
  readonly started: string;
  /** Whether DHCPv6 is served now. */
  readonly serving: boolean;
  /** Why it is not, in a sentence; `null` if it is. */
  readonly problem: string | null;
  /** Where it listens, as `HOST:PORT` with brackets around IPv6 addresses. */
  readonly listening: {
    readonly http: readonly string[];
    readonly https: readonly string[];
    readonly tftp: readonly string[];
  };
  /** How many machines are in each stage. */
  readonly stages: Readonly<Record<Stage, number>>;
  /** How many machines are in each state. */
  readonly states: Readonly<Record<Presence, number>>;
  /** The clients that are not served, by cause and link, the latest first. */
  readonly unserved: readonly UnservedJson[];
  /** The files that do not answer, each in a sentence. */
  readonly stalled_files: readonly string[];
}
