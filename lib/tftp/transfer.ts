/**
 * The transfer of a file to a client as a state machine: packets and the time go
 * in, packets and a deadline come out. It has no socket and no clock.
 *
 * @module
 */

import {
  MAX_TFTP_UNACKNOWLEDGED,
  TFTP_EVICTION_IDLE_TIMEOUT,
} from "../overload/limits.ts";
import type { Content } from "./content.ts";
import {
  DATA_HEADER_SIZE,
  decodeError,
  encodeOptionAcknowledgment,
  ErrorCode,
  Opcode,
  opcodeOf,
  type Request,
} from "./packet.ts";

/** Bytes of a block without the option `blksize` (RFC 1350 §2). */
const DEFAULT_BLOCK_SIZE = 512;

/** The range of `blksize`, in bytes (RFC 2348 §2). */
const MIN_BLOCK_SIZE = 8;
const MAX_BLOCK_SIZE = 65464;

/**
 * The largest window (RFC 7440), in blocks and in bytes: what fits into the
 * receive buffer of a client.
 */
export const MAX_WINDOW_BLOCKS = 64;
export const MAX_WINDOW_BYTES = 256 * 1024;

/**
 * Milliseconds before the first retransmission, until the round-trip time has
 * been measured.
 */
const INITIAL_TIMEOUT = 1000;

/**
 * Milliseconds in which a client on the link acknowledges the first packet. It
 * bounds how many transfers one client begins in a second, and is less than the
 * time in which some forged requests a second take all its places.
 */
export const ACKNOWLEDGMENT_TIME = 100;

/** Bytes that only a client acknowledges that wants all of them. */
const SERVED_BYTES = 256 * 1024;

/** Milliseconds in which the rate of a transfer is measured, or more. */
const RATE_PERIOD = TFTP_EVICTION_IDLE_TIMEOUT;

/** Milliseconds of the shortest timeout that a measurement leads to. */
const MIN_TIMEOUT = 300;

/** The timeout is so many times the measured round-trip time. */
const ROUND_TRIPS_PER_TIMEOUT = 4;

/**
 * The factor between two successive timeouts. All of them together are longer
 * than the 10 s after which some clients repeat their ACK.
 */
const BACK_OFF = 2.5;

/** Milliseconds of the longest timeout, unless the client asked for a longer one. */
const MAX_RETRANSMISSION_TIMEOUT = 30_000;

/** Retransmissions of one packet before the transfer fails. */
const MAX_RETRANSMISSIONS = 5;

/**
 * Milliseconds without a new acknowledgment after which a transfer fails, even
 * if the client repeats an old one; or twice the timeout that the client asked
 * for, if that is longer.
 */
export const IDLE_TIMEOUT = 60_000;

/** Block numbers have 16 bits: 0 follows 65,535. */
const BLOCK_MASK = 0xffff;

/** The options of a transfer (RFC 2347). */
export interface NegotiatedOptions {
  /** Bytes of a block. */
  readonly blockSize: number;
  /** Blocks of a window (RFC 7440). */
  readonly windowSize: number;
  /** The timeout that the client requested, in milliseconds (RFC 2349 §2). */
  readonly timeout: number | undefined;
  /** Whether the client requested the size of the file (RFC 2349 §3). */
  readonly isSizeRequested: boolean;
  /** The options of the OACK; without any, no OACK is sent. */
  readonly acknowledged: ReadonlyMap<string, string>;
}

function numberIn(text: string, min: number, max: number): number | undefined {
  const value = Number(text);
  return /^[0-9]{1,10}$/.test(text) && value >= min && value <= max
    ? value
    : undefined;
}

/**
 * Accepts the known options of a request whose values are valid.
 *
 * @param size The length of the file in bytes.
 * @param maxWindowBytes Bytes of the largest window.
 */
export function negotiate(
  request: Request,
  size: number,
  maxWindowBytes = MAX_WINDOW_BYTES,
): NegotiatedOptions {
  const acknowledged = new Map<string, string>();
  let blockSize = DEFAULT_BLOCK_SIZE;
  let requestedWindow: number | undefined;
  let timeout: number | undefined;
  let isSizeRequested = false;
  for (const [name, text] of request.options) {
    if (name === "blksize") {
      const requested = numberIn(text, MIN_BLOCK_SIZE, BLOCK_MASK);
      if (requested === undefined) continue;
      blockSize = Math.min(requested, MAX_BLOCK_SIZE);
      acknowledged.set(name, String(blockSize));
    } else if (name === "tsize") {
      if (numberIn(text, 0, 0xffff_ffff) === undefined) continue;
      isSizeRequested = true;
      acknowledged.set(name, String(size));
    } else if (name === "timeout") {
      const seconds = numberIn(text, 1, 255);
      if (seconds === undefined) continue;
      timeout = 1000 * seconds;
      acknowledged.set(name, text);
    } else if (name === "windowsize") {
      requestedWindow = numberIn(text, 1, BLOCK_MASK);
    }
  }
  let windowSize = 1;
  if (requestedWindow !== undefined) {
    // The limit in bytes depends on `blksize`, which may follow `windowsize`.
    windowSize = Math.min(
      requestedWindow,
      MAX_WINDOW_BLOCKS,
      Math.max(1, Math.floor(maxWindowBytes / blockSize)),
    );
    acknowledged.set("windowsize", String(windowSize));
  }
  return { blockSize, windowSize, timeout, isSizeRequested, acknowledged };
}

/**
 * The state of a transfer: `offered` until the client has acknowledged something,
 * then `sending`; at the end `complete`, `failed`, or `probed` by a client that
 * requested the size only.
 */
export type TransferState =
  | "offered"
  | "sending"
  | "complete"
  | "failed"
  | "probed";

/** Sends one file to one client. */
export class Transfer {
  state: TransferState = "offered";
  /** Why the transfer failed. */
  error: string | undefined;
  /** When to call {@linkcode expire}, on the clock of `now`. */
  deadline: number;

  /** When it began. */
  readonly #startedAt: number;
  readonly #content: Pick<Content, "size" | "copy">;
  readonly #options: NegotiatedOptions;
  /** Number of the last block, counted from 1 without wrapping. */
  readonly #lastBlock: number;
  /** The OACK, until it is acknowledged. */
  #offer: Uint8Array | undefined;
  #offerDue: boolean;
  /** The last block that the client acknowledged. */
  #acknowledged = 0;
  /** The next block to be sent. */
  #next = 1;
  /** The last block that was ever sent. */
  #highest = 0;
  /** Whether the blocks after `#acknowledged` were already sent again. */
  #wentBack = false;
  #timeout: number;
  #retransmissions = 0;
  #lastSent: number;
  #lastProgress: number;
  /** When {@linkcode Transfer.rate} was last measured, and the bytes then. */
  #measuredAt: number;
  #measuredBytes = 0;
  #rate = Infinity;
  /** The block whose round-trip time is measured, and when it was sent. */
  #timedBlock = 0;
  #timedAt = 0;

  /**
   * @param content The file; it must not change during the transfer.
   * @param options The result of {@linkcode negotiate}.
   * @param now Milliseconds of a monotonic clock, here and in all methods.
   */
  constructor(
    content: Pick<Content, "size" | "copy">,
    options: NegotiatedOptions,
    now: number,
  ) {
    this.#content = content;
    this.#options = options;
    this.#lastBlock = Math.floor(content.size / options.blockSize) + 1;
    this.#offer = options.acknowledged.size > 0
      ? encodeOptionAcknowledgment(options.acknowledged)
      : undefined;
    this.#offerDue = this.#offer !== undefined;
    this.#timeout = options.timeout ?? INITIAL_TIMEOUT;
    this.#startedAt = now;
    this.#lastSent = this.#lastProgress = this.#measuredAt = now;
    this.deadline = now + this.#timeout;
  }

  /** Bytes of a block. */
  get blockSize(): number {
    return this.#options.blockSize;
  }

  /** Bytes of the longest packet that {@linkcode next} writes. */
  get packetSize(): number {
    return Math.max(
      DATA_HEADER_SIZE + this.#options.blockSize,
      this.#offer?.length ?? 0,
    );
  }

  /** Bytes of the file that the client has acknowledged. */
  get sentBytes(): number {
    return Math.min(
      this.#acknowledged * this.#options.blockSize,
      this.#content.size,
    );
  }

  /** Bytes of the file. */
  get totalBytes(): number {
    return this.#content.size;
  }

  /**
   * Whether the client is a real one, as far as it can be known: it has the file,
   * or its size, or very much of it.
   */
  get hasServed(): boolean {
    return this.state === "probed" || this.state === "complete" ||
      this.sentBytes >= SERVED_BYTES;
  }

  /**
   * Whether the client may still be receiving: it has not acknowledged anything
   * yet, or did so in the last second.
   */
  isActive(now: number): boolean {
    return this.state === "offered" ||
      this.state === "sending" && now - this.#lastProgress < INITIAL_TIMEOUT;
  }

  /** Milliseconds since it has begun. */
  age(now: number): number {
    return now - this.#startedAt;
  }

  /** Milliseconds since the client has acknowledged something new. */
  idleTime(now: number): number {
    return now - this.#lastProgress;
  }

  /**
   * Bytes a second that the client acknowledged between the last two calls that
   * were {@linkcode RATE_PERIOD} apart; infinite before that.
   */
  rate(now: number): number {
    const elapsed = now - this.#measuredAt;
    if (elapsed >= RATE_PERIOD) {
      this.#rate = (this.sentBytes - this.#measuredBytes) / (elapsed / 1000);
      this.#measuredAt = now;
      this.#measuredBytes = this.sentBytes;
    }
    return this.#rate;
  }

  /**
   * Whether the client has had the time to acknowledge the first packet, and has
   * not: the request may be forged.
   *
   * @param time Milliseconds that this takes.
   */
  isUnacknowledged(now: number, time: number = ACKNOWLEDGMENT_TIME): boolean {
    return this.state === "offered" && now - this.#lastProgress >= time;
  }

  /** Whether the transfer has ended. */
  get isOver(): boolean {
    return this.state !== "offered" && this.state !== "sending";
  }

  /**
   * Where the bytes that {@linkcode next} writes begin in the file, at most a block
   * of them; -1 if it writes none.
   */
  get nextStart(): number {
    return this.isOver || this.#offer !== undefined ||
        this.#next > this.#windowEnd
      ? -1
      : (this.#next - 1) * this.#options.blockSize;
  }

  /** The last block that may be sent now. */
  get #windowEnd(): number {
    return Math.min(
      this.#acknowledged + this.#options.windowSize,
      this.#lastBlock,
    );
  }

  /**
   * Writes the next packet to send into `target`, from `at` on. Its bytes of the
   * file must be in memory.
   *
   * @returns Its length; 0 if nothing is to be sent before a packet comes or the
   * deadline passes.
   */
  next(target: Uint8Array, now: number, at = 0): number {
    if (this.isOver) return 0;
    if (this.#offer !== undefined) {
      if (!this.#offerDue) return 0;
      this.#offerDue = false;
      target.set(this.#offer, at);
      this.#onSent(now);
      return this.#offer.length;
    }
    if (this.#next > this.#windowEnd) return 0;
    const length = this.#writeBlock(this.#next, target, at);
    if (this.#timedBlock === 0 && this.#next > this.#highest) {
      this.#timedBlock = this.#next;
      this.#timedAt = now;
    }
    this.#highest = Math.max(this.#highest, this.#next);
    this.#next++;
    this.#onSent(now);
    return length;
  }

  /** Processes a packet of the client. All but ACK and ERROR are ignored. */
  receive(bytes: Uint8Array, now: number): void {
    if (this.isOver || bytes.length < 4) return;
    switch (opcodeOf(bytes)) {
      case Opcode.Acknowledgment:
        this.#acknowledge(bytes[2]! << 8 | bytes[3]!, now);
        break;
      case Opcode.Error:
        this.#onError(bytes);
        break;
    }
  }

  /** Retransmits or fails, if the deadline has passed. */
  expire(now: number): void {
    if (this.isOver || now < this.deadline) return;
    const limit = this.state === "offered"
      ? MAX_TFTP_UNACKNOWLEDGED - 1
      : MAX_RETRANSMISSIONS;
    if (this.#retransmissions >= limit) {
      return this.#fail("the client does not respond");
    }
    this.#retransmissions++;
    // Of a block that was sent twice, the round-trip time is not known.
    this.#timedBlock = 0;
    this.#goBack();
    this.deadline = now + Math.min(
      this.#timeout * BACK_OFF ** this.#retransmissions,
      Math.max(this.#timeout, MAX_RETRANSMISSION_TIMEOUT),
    );
  }

  /** Fails the transfer for a reason on the side of the server. */
  cancel(reason: string): void {
    if (!this.isOver) this.#fail(reason);
  }

  #writeBlock(block: number, target: Uint8Array, at: number): number {
    const { blockSize } = this.#options;
    const start = (block - 1) * blockSize;
    const end = Math.min(start + blockSize, this.#content.size);
    target[at] = 0;
    target[at + 1] = Opcode.Data;
    // Only the last 16 bits of the number count.
    target[at + 2] = block >>> 8;
    target[at + 3] = block;
    this.#content.copy(start, end, target, at + DATA_HEADER_SIZE);
    return DATA_HEADER_SIZE + end - start;
  }

  #onSent(now: number): void {
    this.#lastSent = now;
    if (this.#retransmissions === 0) this.deadline = now + this.#timeout;
  }

  #acknowledge(number: number, now: number): void {
    if (this.#offer !== undefined) {
      // RFC 2347 §3: an OACK is acknowledged as block 0.
      if (number !== 0) return;
      this.#offer = undefined;
      this.#progress(now);
      return;
    }
    const ahead = (number - this.#acknowledged) & BLOCK_MASK;
    if (ahead === 0) return this.#acknowledgeAgain(now);
    const block = this.#acknowledged + ahead;
    // A delayed ACK, or the ACK of a block that was never sent.
    if (block > this.#highest) return;
    if (this.#timedBlock !== 0 && block >= this.#timedBlock) {
      this.#measure(now - this.#timedAt);
      this.#timedBlock = 0;
    }
    this.#acknowledged = block;
    this.#progress(now);
    if (block === this.#lastBlock) {
      this.state = "complete";
      return;
    }
    // An ACK of a part of the window: the blocks after it were lost (RFC 7440
    // §4), and are sent again once.
    this.#wentBack = this.#next > block + 1;
    if (this.#wentBack) this.#timedBlock = 0;
    this.#next = block + 1;
  }

  /**
   * Processes the second ACK of a block. With a window, it means that the next
   * block was lost: every block after that causes such an ACK, and only the first
   * leads to a retransmission. Without a window, the network has duplicated the
   * ACK: answering it would duplicate all blocks that follow (the Sorcerer's
   * Apprentice bug, RFC 1123 §4.2.3.1). But an ACK long after the last packet
   * comes from a client that waits for a lost block. A client that has
   * acknowledged nothing yet gets no retransmission: an ACK of block 0 without an
   * OACK may have a forged source address.
   */
  #acknowledgeAgain(now: number): void {
    if (this.state === "offered" || this.#next === this.#acknowledged + 1) {
      return;
    }
    const isClientWaiting = now - this.#lastSent >= this.#timeout / 2;
    if (
      !isClientWaiting && (this.#options.windowSize === 1 || this.#wentBack)
    ) return;
    const idleTimeout = Math.max(IDLE_TIMEOUT, 2 * this.#timeout);
    if (this.idleTime(now) > idleTimeout) {
      return this.#fail("the client acknowledges nothing new");
    }
    this.#timedBlock = 0;
    this.#goBack();
    this.#wentBack = true;
    this.#retransmissions = 0;
    this.deadline = now + this.#timeout;
  }

  #goBack(): void {
    if (this.#offer !== undefined) this.#offerDue = true;
    else this.#next = this.#acknowledged + 1;
  }

  #progress(now: number): void {
    this.state = "sending";
    this.#retransmissions = 0;
    this.#lastProgress = now;
    this.deadline = now + this.#timeout;
  }

  #measure(roundTrip: number): void {
    if (this.#options.timeout !== undefined) return;
    this.#timeout = Math.min(
      INITIAL_TIMEOUT,
      Math.max(MIN_TIMEOUT, ROUND_TRIPS_PER_TIMEOUT * roundTrip),
    );
  }

  #onError(bytes: Uint8Array): void {
    const { code, message } = decodeError(bytes);
    if (
      this.state === "offered" && this.#options.isSizeRequested &&
      code === ErrorCode.OptionRefused
    ) {
      this.state = "probed";
      return;
    }
    this.#fail(`the client sent error ${code}: ${message}`);
  }

  #fail(error: string): void {
    this.state = "failed";
    this.error = error;
  }
}
