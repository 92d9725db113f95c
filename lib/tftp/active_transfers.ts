/**
 * The transfers of a TFTP server: which requests get one, and which transfer has
 * to end for another.
 *
 * @module
 */

import {
  MAX_TFTP_TRANSFERS_PER_CLIENT,
  MIN_TFTP_RATE,
  TFTP_EVICTION_IDLE_TIMEOUT,
} from "../overload/limits.ts";
import type { Content } from "./content.ts";
import type { Transfer } from "./transfer.ts";
import type { TransferSocket } from "./transfer_socket.ts";
import { keyOf } from "./waiting_requests.ts";

/** A transfer with its socket. */
export interface ActiveTransfer {
  /** The raw request packet. */
  readonly request: Uint8Array;
  readonly transfer: Transfer;
  /** What it sends. */
  readonly content: Content;
  readonly socket: TransferSocket;
  /** The client as the kernel reports it, without a zone. */
  readonly client: Deno.NetAddr;
  /** Whether its packets are being sent. */
  isSending: boolean;
  /** Whether a file is open for it. */
  readonly hasFile: boolean;
  /** Called when the transfer has ended while it waits for its file. */
  onOver: (() => void) | undefined;
}

/** Whether a request gets a transfer, and if not, why. */
export type Admission =
  | "admitted"
  | "retransmission"
  | "other_transfer"
  /** All places are taken: it has to wait until a transfer ends. */
  | "no_place"
  /** The host has too many transfers. */
  | "too_many_of_host"
  /** The same, but some of them may be forged: to be asked again later. */
  | "too_many_unacknowledged";

/** `undefined` while the file is being read. */
type Entry = ActiveTransfer | undefined;

/** Whether the request of a transfer came once more. */
function isRetransmission(
  request: Uint8Array,
  active: ActiveTransfer,
  now: number,
): boolean {
  return active.transfer.isActive(now) &&
    request.length === active.request.length &&
    request.every((byte, index) => byte === active.request[index]);
}

/** Whether the client has acknowledged something of a transfer just now. */
function isAcknowledging({ transfer }: ActiveTransfer, now: number): boolean {
  return transfer.state === "sending" && transfer.isActive(now);
}

/**
 * Which of these transfers, which their clients acknowledge, ends for another one:
 * that which was idle for the longest time, if that is long enough; else one of a
 * host that has several; else the slowest one, if it is slower than
 * {@linkcode MIN_TFTP_RATE}. A client could hold its places with one packet now and
 * then.
 *
 * @param idleTime Milliseconds that are long enough.
 */
function acknowledgedToEvict(
  oldestFirst: readonly ActiveTransfer[],
  now: number,
  idleTime: number,
): ActiveTransfer | undefined {
  return idlest(oldestFirst, now, idleTime) ?? oneOfSeveral(oldestFirst, now) ??
    slowest(oldestFirst, now);
}

/** The one that was idle for the longest time, and at least for so long. */
function idlest(
  all: readonly ActiveTransfer[],
  now: number,
  idleTime: number,
): ActiveTransfer | undefined {
  let idlest: ActiveTransfer | undefined;
  let longestIdleTime = idleTime;
  for (const active of all) {
    const idleTime = active.transfer.idleTime(now);
    if (idleTime < longestIdleTime) continue;
    longestIdleTime = idleTime;
    idlest = active;
  }
  return idlest;
}

/** Of the host that has the most transfers, the idlest. Firmware has one. */
function oneOfSeveral(
  all: readonly ActiveTransfer[],
  now: number,
): ActiveTransfer | undefined {
  const byHost = Map.groupBy(
    all.filter(({ transfer }) => transfer.age(now) >= MIN_AGE),
    ({ client }) => client.hostname,
  );
  let most: readonly ActiveTransfer[] = [];
  for (const ofHost of byHost.values()) {
    if (ofHost.length > most.length) most = ofHost;
  }
  return most.length > 1 ? idlest(most, now, 0) : undefined;
}

/** The one with the lowest rate, if that is low. */
function slowest(
  all: readonly ActiveTransfer[],
  now: number,
): ActiveTransfer | undefined {
  let slowest: ActiveTransfer | undefined;
  let lowestRate = MIN_TFTP_RATE;
  for (const active of all) {
    const rate = active.transfer.rate(now);
    if (rate >= lowestRate) continue;
    lowestRate = rate;
    slowest = active;
  }
  return slowest;
}

/**
 * Milliseconds in which the first packet is acknowledged, and the acknowledgment
 * read, while very many machines boot.
 */
const BUSY_ACKNOWLEDGMENT_TIME = 5000;

/**
 * The same while most transfers serve no client, and then also the time in which
 * something further is acknowledged.
 */
const FORGED_ACKNOWLEDGMENT_TIME = 500;

/** The share of transfers that served no client from which it is so. */
const FORGED_SHARE = 0.75;

/**
 * Milliseconds that each transfer has of a host with several: it may have begun
 * again, and the other is over soon.
 */
const MIN_AGE = 1000;

/** How much the last transfer counts in that share. */
const SHARE_WEIGHT = 1 / 16;

/** What becomes of a transfer that ends for another one. */
const ENDED_FOR_ANOTHER =
  "ended for another transfer, as the limit was reached";

/** One transfer at most for each client address and port. */
export class ActiveTransfers {
  readonly #limit: number;
  readonly #maxDescriptors: number;
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>();
  /** The share of the last transfers that ended for others and served no client. */
  #forgedShare = 0;

  /**
   * @param limit The most transfers at once; at least 1.
   * @param maxDescriptors The most descriptors of them.
   */
  constructor(limit: number, maxDescriptors: number) {
    this.#limit = limit;
    this.#maxDescriptors = maxDescriptors;
  }

  /** How many there are, with those whose file is being read. */
  get size(): number {
    return this.#entries.size;
  }

  /** Descriptors of sockets, and of files open for transfers. */
  get descriptors(): number {
    let count = 0;
    for (const active of this.#entries.values()) {
      count += active?.hasFile ? 2 : 1;
    }
    return count;
  }

  /**
   * Whether there is a descriptor for the file of one more transfer, whose client
   * has reserved its place; other transfers end for it if they must.
   */
  makeRoomForFile(now: number): boolean {
    return this.#makeRoom(0, 1, now);
  }

  /** Whether there is room for so many more, as others end if they must. */
  #makeRoom(transfers: number, descriptors: number, now: number): boolean {
    while (
      this.#entries.size + transfers > this.#limit ||
      this.descriptors + descriptors > this.#maxDescriptors
    ) {
      if (!this.#evict(this.#active(() => true), now)) return false;
    }
    return true;
  }

  /**
   * Decides on a request, and ends another transfer for it if it must.
   *
   * @param now The time of `performance.now()`, in milliseconds.
   */
  admit(client: Deno.NetAddr, request: Uint8Array, now: number): Admission {
    const key = keyOf(client);
    const active = this.#entries.get(key);
    if (active !== undefined) {
      // The reply is on its way or was lost: the transfer repeats it.
      if (isRetransmission(request, active, now)) return "retransmission";
      // The client is busy with its transfer, so that this request is forged. A
      // client that begins anew has left the old transfer idle.
      if (isAcknowledging(active, now)) return "other_transfer";
      this.#end(active, "the client has begun another transfer");
    } else if (this.#entries.has(key)) return "retransmission";
    return this.place(client.hostname, 1, now);
  }

  /**
   * Whether there is a place for one more transfer of a host, made if need be.
   *
   * @param descriptors The descriptors that it needs.
   * @param now The time of `performance.now()`, in milliseconds.
   */
  place(
    hostname: string,
    descriptors: number,
    now: number,
  ): Exclude<Admission, "retransmission" | "other_transfer"> {
    if (this.#countOf(hostname) >= MAX_TFTP_TRANSFERS_PER_CLIENT) {
      return this.#placeOf(hostname, now);
    }
    return this.#makeRoom(1, descriptors, now) ? "admitted" : "no_place";
  }

  /** Whether one of the transfers of a host that has too many can end for it. */
  #placeOf(hostname: string, now: number) {
    // A host whose transfers are all acknowledged gets no other.
    const unacknowledged = this.#active(({ client, transfer }) =>
      client.hostname === hostname && transfer.state === "offered"
    );
    const late = unacknowledged.filter(({ transfer }) =>
      transfer.isUnacknowledged(now)
    );
    if (late.length > 0) {
      this.#end(late[0]!, ENDED_FOR_ANOTHER);
      return "admitted";
    }
    return unacknowledged.length > 0
      ? "too_many_unacknowledged"
      : "too_many_of_host";
  }

  /**
   * Ends the oldest transfer that its client has not acknowledged yet, for a
   * request that cannot wait; whether there was one.
   */
  endUnacknowledged(): boolean {
    const [oldest] = this.#active(({ transfer }) =>
      transfer.state === "offered"
    );
    if (oldest === undefined) return false;
    this.#end(oldest, ENDED_FOR_ANOTHER);
    return true;
  }

  /** Takes the place of an admitted client while its file is being read. */
  reserve(client: Deno.NetAddr): void {
    this.#entries.set(keyOf(client), undefined);
  }

  /** Adds the transfer of a client that has reserved its place. */
  add(active: ActiveTransfer): void {
    this.#entries.set(keyOf(active.client), active);
  }

  /**
   * Removes a client's transfer or, if there is none, its reserved place. A
   * later transfer of that client stays.
   */
  remove(client: Deno.NetAddr, active: ActiveTransfer | undefined): void {
    const key = keyOf(client);
    if (this.#entries.get(key) === active) this.#entries.delete(key);
    if (active?.transfer.hasServed) this.#count(true);
  }

  /** Counts a transfer by whether it has served a client. */
  #count(hasServed: boolean): void {
    const share = hasServed ? 0 : 1;
    this.#forgedShare += (share - this.#forgedShare) * SHARE_WEIGHT;
  }

  /** Ends all transfers. */
  endAll(reason: string): void {
    for (const active of this.#active(() => true)) this.#end(active, reason);
  }

  #countOf(hostname: string): number {
    let count = 0;
    for (const key of this.#entries.keys()) {
      if (key.startsWith(`${hostname} `)) count++;
    }
    return count;
  }

  /** The transfers whose file was read, oldest first. */
  #active(matches: (active: ActiveTransfer) => boolean): ActiveTransfer[] {
    return [...this.#entries.values()].filter((entry) =>
      entry !== undefined && matches(entry)
    ) as ActiveTransfer[];
  }

  /**
   * Ends a transfer for another one: the oldest that its client has not
   * acknowledged in time, because a request with a forged source address is easily
   * sent and must not keep real clients out, else an idle or slow one.
   */
  #evict(oldestFirst: readonly ActiveTransfer[], now: number): boolean {
    const [time, idleTime] = this.#forgedShare < FORGED_SHARE
      ? [BUSY_ACKNOWLEDGMENT_TIME, TFTP_EVICTION_IDLE_TIMEOUT]
      : [FORGED_ACKNOWLEDGMENT_TIME, FORGED_ACKNOWLEDGMENT_TIME];
    const evicted =
      oldestFirst.find(({ transfer }) =>
        transfer.isUnacknowledged(now, time)
      ) ?? acknowledgedToEvict(oldestFirst, now, idleTime);
    if (evicted === undefined) return false;
    if (!evicted.transfer.hasServed) this.#count(false);
    this.#end(evicted, ENDED_FOR_ANOTHER);
    return true;
  }

  #end(active: ActiveTransfer, reason: string): void {
    active.transfer.cancel(reason);
    active.onOver?.();
    active.socket.close();
    this.#entries.delete(keyOf(active.client));
  }
}
