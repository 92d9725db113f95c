/**
 * Closes the connections of clients that send no request, or much more than that,
 * or do not read what they have asked for, before they keep others out.
 *
 * @module
 */

import {
  IDLE_CONNECTION_TIMEOUT,
  MAX_EXCESS_BYTES,
  MAX_EXCESS_PER_CONNECTION,
  MAX_KEPT_BYTES,
  MAX_NEW_CONNECTIONS,
  MIN_READ_RATE,
  NEW_CONNECTION_TIME,
  PRESSED_MEMORY,
  SILENT_CONNECTION_TIMEOUT,
  STALLED_CONNECTION_TIMEOUT,
} from "../overload/limits.ts";
import { IDLE_INTERVAL, untilNext } from "../overload/timeout.ts";
import type {
  Connection,
  Connections,
  ConnectionTurns,
} from "./connections.ts";

/**
 * Milliseconds between two searches for connections while there is none, where the
 * kernel does not announce them.
 */
const EMPTY_INTERVAL = 500;

/** The same while few are idle. */
const QUIET_INTERVAL = 250;

/** The same while many are, and when one may have come. */
const BUSY_INTERVAL = 10;

/** Milliseconds between two looks at what clients have sent. */
const EXCESS_INTERVAL = 50;

/** Connections that are measured for that at once, with a system call each. */
const MEASURED_AT_ONCE = 256;

/** What more excess than is allowed is reduced to, as a share of that. */
const LEFT_EXCESS = 0.5;

/**
 * Parts of a search done at once: about 1 ms of work if all descriptors in them
 * are open.
 */
const SEARCHES_AT_ONCE = 2;

/** The same while few descriptors are free. */
const URGENT_SEARCHES_AT_ONCE = 4;

/** Connections without a response in progress above which they are many. */
const FEW_IDLE = 32;

/** Milliseconds over which the speed of a client is measured. */
const MEASURING_TIME = 10_000;

/** The share of the places in use above which slow clients lose theirs. */
const MAX_PRESSURE = 0.5;

/** What too many connections are reduced to. */
const KEPT_SHARE = 0.75;

/**
 * Searches in which a connection has to be found quiet before it counts as idle:
 * its request may be on its way through the runtime.
 */
const MIN_QUIET_SEARCHES = 2;

/** Milliseconds for which the connections that were closed are counted. */
const CLOSINGS_KEPT_FOR = 60_000;

/** Clients whose closed connections are counted, some 100 bytes each. */
const MAX_CLOSING_CLIENTS = 4096;

/** Called when connections were closed. */
export interface ConnectionGuardObserver {
  /** There were too many connections without a request in progress. */
  onIdle(closed: readonly Connection[]): void;
  /** Clients have asked and do not read the responses. */
  onStalled(closed: readonly Connection[]): void;
  /** Clients have sent much more than requests. */
  onExcess(closed: readonly Connection[]): void;
  /** The runtime keeps so much for ever that one response at a time is allowed. */
  onStuck(): void;
  /** Fewer sockets listen than servers should: the runtime has ended some. */
  onListenerLost(): void;
}

/** Limits, and what the guard reports to. */
export interface ConnectionGuardOptions {
  readonly connections: Connections;
  /** Connections that may be without a request in progress. */
  readonly maxIdle: number;
  /** Connections that may have responses in progress. */
  readonly places: number;
  /** How many servers should listen now. */
  readonly servers: () => number;
  /** The share of the places that is in use, 0 to 1. */
  readonly pressure: () => number;
  /** Bytes of memory of the process outside of JavaScript. */
  readonly memory: () => number;
  readonly observer: ConnectionGuardObserver;
}

/** Looks after the connections of all HTTP servers. */
export class ConnectionGuard {
  readonly #options: ConnectionGuardOptions;
  #closed = 0;
  readonly #closings = new Closings();
  /** Of those that have sent much more than requests. */
  readonly #excessClosings = new Closings();
  /** Where {@linkcode #closeExcessive} goes on. */
  readonly #turns: ConnectionTurns;
  #hasExcess = false;
  /** Milliseconds since {@linkcode #closeExcessive}, and since the last search. */
  #sinceExcess = 0;
  #sinceSearch = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #interval = 0;

  constructor(options: ConnectionGuardOptions) {
    this.#options = options;
    this.#turns = options.connections.turns();
  }

  /** Connections closed so far. */
  get closed(): number {
    return this.#closed + this.#options.connections.duplicates;
  }

  /** Begins to look. */
  start(): void {
    const { connections } = this.#options;
    if (!connections.areFound || this.#timer !== undefined) return;
    connections.onAnnounced(() => this.#hurry());
    this.#timer = this.#later(BUSY_INTERVAL);
  }

  /** Ends looking. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#options.connections.offAnnounced();
  }

  /** Makes the next look soon. */
  #hurry(): void {
    if (this.#timer === undefined || this.#interval <= BUSY_INTERVAL) return;
    clearTimeout(this.#timer);
    this.#timer = this.#later(BUSY_INTERVAL);
  }

  /** Milliseconds until the next look. */
  get #nextInterval(): number {
    const { connections } = this.#options;
    const isUrgent = this.#isBusy || this.#hasExcess ||
      !connections.areAllFound;
    if (isUrgent) return BUSY_INTERVAL;
    if (connections.size > 0) return EXCESS_INTERVAL;
    const { isNextAnnounced } = connections;
    if (isNextAnnounced === undefined) return untilNext(EMPTY_INTERVAL);
    return isNextAnnounced ? untilNext(IDLE_INTERVAL) : BUSY_INTERVAL;
  }

  #later(interval = this.#nextInterval): ReturnType<typeof setTimeout> {
    this.#interval = interval;
    return setTimeout(() => {
      this.#look(interval);
      this.#timer = this.#later();
    }, interval);
  }

  /** Whether many connections are idle. */
  get #isBusy(): boolean {
    const { connections } = this.#options;
    return connections.size - connections.answering > FEW_IDLE;
  }

  /** @param elapsed Milliseconds since the last look. */
  #look(elapsed: number): void {
    const { connections } = this.#options;
    this.#sinceExcess += elapsed;
    this.#sinceSearch += elapsed;
    if (this.#hasExcess || this.#sinceExcess >= EXCESS_INTERVAL) {
      this.#sinceExcess = 0;
      this.#closeExcessive(performance.now());
    }
    const isDue = this.#isBusy || connections.size === 0 ||
      connections.areNeedlesslyAnnounced ||
      this.#sinceSearch >= QUIET_INTERVAL;
    if (!isDue && connections.areAllFound) return;
    this.#sinceSearch = 0;
    const searches = connections.hasFewDescriptors
      ? URGENT_SEARCHES_AT_ONCE
      : SEARCHES_AT_ONCE;
    for (let search = 0; search < searches; search++) {
      if (connections.search()) return this.#endRound();
    }
  }

  #endRound(): void {
    const { connections, servers, observer } = this.#options;
    const now = performance.now();
    this.#closeIdle(now);
    this.#closeStalled(now);
    if (connections.maxResponses === 1) observer.onStuck();
    if (connections.listeners < servers()) observer.onListenerLost();
  }

  #closeIdle(now: number): void {
    const { connections, maxIdle, observer } = this.#options;
    const idle = [...connections].filter(({ places }) => places === 0);
    const old = idle.filter(({ responses, requests, idleSince }) =>
      responses === 0 &&
      now - idleSince >
        (requests > 0 ? IDLE_CONNECTION_TIMEOUT : SILENT_CONNECTION_TIMEOUT)
    );
    this.#closed += resetAll(old).length;
    const closing = new Set(old);
    const quiet = idle.filter((connection) =>
      connection.quietSearches >= MIN_QUIET_SEARCHES && !closing.has(connection)
    );
    const isOld = ({ idleSince }: Connection) =>
      now - idleSince > NEW_CONNECTION_TIME;
    let closed = this.#closeExcess(quiet.filter(isOld), maxIdle, now);
    if (closed.length === 0) {
      closed = this.#closeExcess(quiet, maxIdle + this.#maxNew, now);
    }
    if (closed.length > 0) observer.onIdle(closed);
  }

  /** New connections that may be without a request besides the idle ones. */
  get #maxNew(): number {
    const { places, pressure } = this.#options;
    return Math.min(MAX_NEW_CONNECTIONS, (1 - pressure()) * places / 2);
  }

  /** Closes connections if they are too many. Returns those. */
  #closeExcess(
    connections: Connection[],
    limit: number,
    now: number,
  ): readonly Connection[] {
    if (connections.length <= limit) return [];
    const excess = this.#byClaim(connections).slice(
      Math.floor(KEPT_SHARE * limit),
    );
    for (const { client } of excess) this.#closings.add(client, now);
    const closed = resetAll(excess);
    this.#closed += closed.length;
    return closed;
  }

  /**
   * Closes the connections whose clients read nothing; when places are short,
   * also of those that read very slowly.
   */
  #closeStalled(now: number): void {
    const { connections, observer } = this.#options;
    const stalled: Connection[] = [];
    for (const connection of connections) {
      if (connection.responses === 0) continue;
      const elapsed = now - connection.measuredAt;
      if (elapsed < MEASURING_TIME) continue;
      connection.measure();
      const { acknowledgedBytes, measured } = connection;
      const rate = (acknowledgedBytes - measured) / (elapsed / 1000);
      connection.measured = acknowledgedBytes;
      connection.measuredAt = now;
      connection.isSlow = !connection.hasCaughtUp && rate < MIN_READ_RATE;
      if (
        connection.isSlow &&
        now - connection.progressAt > STALLED_CONNECTION_TIMEOUT
      ) stalled.push(connection);
    }
    stalled.push(...this.#tooSlow(now));
    for (const connection of stalled) connection.wasStalled = true;
    const closed = resetAll(stalled);
    this.#closed += closed.length;
    if (closed.length > 0) observer.onStalled(closed);
  }

  /**
   * Connections of slow clients that have to end so that half of the places are
   * free: of clients that have more than their share of the other half, and first
   * of those that have read least. The kernel of a client that reads steadily may
   * take some megabytes at once, and nothing then for half a minute.
   */
  #tooSlow(now: number): readonly Connection[] {
    const { connections, pressure } = this.#options;
    const share = MAX_PRESSURE / pressure();
    if (share >= 1) return [];
    // Those that were closed leave their places soon.
    const holding = [...connections].filter(({ places, isReset }) =>
      places > 0 && !isReset
    );
    const slow = holding.filter((connection) =>
      connection.isSlow && isStillSlow(connection)
    );
    if (slow.length === 0) return [];
    const counts = new Map<string, number>();
    for (const { client } of holding) {
      counts.set(client, (counts.get(client) ?? 0) + 1);
    }
    const available = share * connections.answering;
    const allowed = fairShare([...counts.values()], available);
    let left = Math.ceil(holding.length - available);
    slow.sort((a, b) => a.speed(now) - b.speed(now));
    return slow.filter(({ client }) => {
      const count = counts.get(client)!;
      if (left <= 0 || count <= allowed) return false;
      counts.set(client, count - 1);
      left--;
      return true;
    });
  }

  /**
   * Closes the connections of clients that send much more than requests: the
   * runtime keeps it in memory, and has to read it before it turns to DHCPv6.
   */
  #closeExcessive(now: number): void {
    const { connections, observer } = this.#options;
    for (let left = MEASURED_AT_ONCE; left > 0; left--) {
      const connection = this.#turns.next();
      if (connection === undefined) break;
      connection.measure();
    }
    const excesses = [...connections]
      .map((connection) => ({ connection, bytes: connection.excessBytes }))
      .filter(({ bytes }) => bytes > 0)
      .sort((a, b) => b.bytes - a.bytes);
    this.#hasExcess = excesses.length > 0;
    let total = excesses.reduce((sum, { bytes }) => sum + bytes, 0);
    const limit = total > MAX_EXCESS_BYTES
      ? LEFT_EXCESS * MAX_EXCESS_BYTES
      : Infinity;
    const excessive: Connection[] = [];
    for (const { connection, bytes } of excesses) {
      const { client } = connection;
      // Who has sent too much before may send less.
      const allowed = MAX_EXCESS_PER_CONNECTION /
        (1 + this.#excessClosings.count(client));
      if (bytes <= allowed && total <= limit) continue;
      this.#excessClosings.add(client, now);
      excessive.push(connection);
      total -= bytes;
    }
    excessive.push(...this.#keptTooLong());
    const closed = resetAll(excessive);
    this.#closed += closed.length;
    if (closed.length > 0) observer.onExcess(closed);
  }

  /**
   * Connections for which the runtime may keep so much, as long as they have
   * responses in progress, that memory is short: their clients have sent it a
   * little at a time, while they have read.
   */
  #keptTooLong(): readonly Connection[] {
    const { connections, memory } = this.#options;
    let total = 0;
    for (const { keptBytes } of connections) total += keptBytes;
    if (total <= MAX_KEPT_BYTES || memory() <= PRESSED_MEMORY) return [];
    return [...connections]
      .sort((a, b) => b.keptBytes - a.keptBytes)
      .filter(({ keptBytes }) => {
        if (total <= LEFT_EXCESS * MAX_KEPT_BYTES) return false;
        total -= keptBytes;
        return true;
      });
  }

  /**
   * Puts connections in the order in which they may stay: first the latest one of
   * each client, then the second latest one of each, and so on. Those that were
   * closed before count as well: a client that connects once goes before one that
   * does so again and again.
   */
  #byClaim(connections: Connection[]): Connection[] {
    const counts = new Map<string, number>();
    return connections
      .toSorted((a, b) => b.idleSince - a.idleSince)
      .map((connection) => {
        const { client } = connection;
        const rank = counts.get(client) ?? this.#closings.count(client);
        counts.set(client, rank + 1);
        return { connection, rank };
      })
      .sort((a, b) => a.rank - b.rank)
      .map(({ connection }) => connection);
  }
}

/** How many connections of each client were closed lately. */
class Closings {
  readonly #counts = new Map<string, number>();
  #since = 0;

  /** @param now By the monotonic clock. */
  add(client: string, now: number): void {
    const isFull = this.#counts.size >= MAX_CLOSING_CLIENTS;
    if (isFull || now - this.#since > CLOSINGS_KEPT_FOR) {
      this.#counts.clear();
      this.#since = now;
    }
    this.#counts.set(client, this.count(client) + 1);
  }

  count(client: string): number {
    return this.#counts.get(client) ?? 0;
  }
}

/** Closes connections. Returns those that still existed. */
function resetAll(connections: readonly Connection[]): readonly Connection[] {
  return connections.filter((connection) => connection.reset());
}

/** Whether the client of a slow connection has gone on to read slowly. */
function isStillSlow(connection: Connection): boolean {
  connection.measure();
  return !connection.hasCaughtUp &&
    connection.acknowledgedBytes - connection.measured <
      MIN_READ_RATE * MEASURING_TIME / 1000;
}

/**
 * How many each may have at most, if what is there is shared equally and none
 * gets more than it has.
 *
 * @param counts How many each has.
 * @param available How many there are.
 */
function fairShare(counts: readonly number[], available: number): number {
  let left = available;
  let sharing = counts.length;
  for (const count of counts.toSorted((a, b) => a - b)) {
    const share = left / sharing;
    if (count > share) return share;
    left -= count;
    sharing--;
  }
  return Infinity;
}
