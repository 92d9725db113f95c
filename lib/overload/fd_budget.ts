/**
 * How the file descriptors that the process may open are shared out.
 *
 * @module
 */

import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_PER_CLIENT,
  MAX_IDLE_CONNECTIONS,
  MAX_TFTP_TRANSFERS,
} from "./limits.ts";

/**
 * File descriptors that the daemon needs besides connections and transfers:
 * those of the runtime, its listening sockets, and files that are read briefly.
 */
const RESERVED_FDS = 64;

/** What of them is needed in any case. */
const MIN_RESERVED_FDS = 32;

/**
 * File descriptors for connections that were accepted and not counted yet, by
 * those for idle ones. When there is none left, the runtime stops to listen.
 */
const ACCEPTED_SHARE = 0.25;

/** File descriptors by their use. */
export interface FdShares {
  /** HTTP connections without a request in progress. */
  readonly idleConnections: number;
  /** Sockets of TFTP transfers, and files opened for them. */
  readonly tftp: number;
  /** HTTP connections with a response in progress, and files opened for them. */
  readonly responses: number;
  /** Readers of the event stream; part of `responses`. */
  readonly eventReaders: number;
  readonly eventReadersPerClient: number;
}

/**
 * Shares out the file descriptors of the process. Each use has its own share,
 * so that one that uses up its share leaves the others working.
 *
 * @param maxOpenFiles File descriptors that the process may have open;
 * `Infinity` leaves only the limits of each use.
 */
export function fdSharesOf(maxOpenFiles: number): FdShares {
  const idleConnections = Math.min(
    MAX_IDLE_CONNECTIONS,
    Math.floor(maxOpenFiles / 4),
  );
  const reserved = Math.min(
    RESERVED_FDS,
    Math.max(MIN_RESERVED_FDS, Math.floor(maxOpenFiles / 4)),
  );
  const tftp = Math.min(2 * MAX_TFTP_TRANSFERS, Math.floor(maxOpenFiles / 8));
  const responses = Math.max(
    0,
    maxOpenFiles - reserved - idleConnections -
      Math.ceil(ACCEPTED_SHARE * idleConnections) - tftp,
  );
  const eventReaders = Math.min(MAX_EVENT_READERS, Math.floor(responses / 2));
  return {
    idleConnections,
    tftp,
    responses,
    eventReaders,
    eventReadersPerClient: Math.min(
      MAX_EVENT_READERS_PER_CLIENT,
      Math.ceil(eventReaders * 3 / 4),
    ),
  };
}

/**
 * Counts the file descriptors that this process has open. Costs about 1 µs for
 * each.
 *
 * @throws {Error} if `/proc` is not mounted or no file descriptor is left.
 */
export function countOpenFds(): number {
  let count = 0;
  for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
  return count;
}
