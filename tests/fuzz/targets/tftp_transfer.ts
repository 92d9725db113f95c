/** A TFTP transfer: any sequence of packets and time. */

import { MAX_TFTP_UNACKNOWLEDGED } from "../../../lib/overload/limits.ts";
import { MemoryContent } from "../../../lib/tftp/content.ts";
import { Opcode, opcodeOf } from "../../../lib/tftp/packet.ts";
import {
  IDLE_TIMEOUT,
  negotiate,
  type NegotiatedOptions,
  Transfer,
} from "../../../lib/tftp/transfer.ts";
import { equalBytes } from "../../../lib/net/ipv6.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";

const isModest = new Invariant(
  "who confirms nothing gets three packets at most",
);
const isWindow = new Invariant("no more than a window is sent at once");
const isPacket = new Invariant(
  "what is sent is the offer or bytes of the file",
);
const isOver = new Invariant("what is over stays over");
const isPatient = new Invariant("a deadline lies ahead");
const ends = new Invariant("a silent client ends it");
const endsRepeats = new Invariant("a client that only repeats itself ends it");
const isComplete = new Invariant(
  "it is complete when the client has all, and only then",
);
const grows = new Invariant(
  "what is confirmed only grows, up to what was sent",
);

/** Octets of an input before its steps. */
const HEADER = 6;

const BLOCK_SIZES = ["", "8", "100", "512", "1428", "65464"];
const WINDOWS = ["", "1", "2", "4", "64"];
const TIMEOUTS = ["", "1", "5", "255"];
const MAX_CONTENT = 6000;

const CONTENT = Uint8Array.from(
  { length: MAX_CONTENT },
  (_, index) => index * 7 ^ index >> 5,
);

/** What an input does at each step. */
const STEPS = 8;

/** Fuzzes transfers. */
export class TftpTransferTarget implements Target {
  readonly name = "tftp_transfer";
  readonly weight = 60;
  readonly maxLength = 300;
  readonly invariants = [
    isModest,
    isWindow,
    isPacket,
    isOver,
    isPatient,
    ends,
    endsRepeats,
    isComplete,
    grows,
  ];
  readonly seeds = [
    [0, 200, 0, 0, 0, 0],
    [9, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2],
    [9, 0, 1, 3, 1, 0, 2, 2, 6, 0, 2, 1, 2, 2],
    [9, 0, 1, 2, 0, 1, 2, 3, 0, 3, 1, 0, 200, 3, 0],
    [9, 0, 0, 0, 0, 0, 0, 100, 3, 0, 0, 100, 3, 0],
    [1, 0, 3, 2, 2, 1, 2, 0, 255, 6, 2],
    [1, 0, 0, 0, 0, 1, 4, 8],
    [1, 0, 2, 4, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1],
  ].map((octets) => Uint8Array.from(octets));
  readonly words: readonly Uint8Array[] = [
    Uint8Array.of(2, 2, 2),
    Uint8Array.of(0, 60, 3, 0),
    Uint8Array.of(1, 1),
    Uint8Array.of(6, 2),
  ];

  make(random: Random): Uint8Array {
    const input = random.octets(HEADER + random.below(40));
    for (let at = HEADER; at < input.length; at++) {
      if (random.once(2)) input[at]! %= STEPS;
    }
    return input;
  }

  run(input: Uint8Array): string {
    const session = new Session(input);
    for (let at = HEADER; at < input.length; at++) {
      const step = input[at]! % STEPS;
      at += session.step(step, input[at + 1] ?? 0);
    }
    const { state } = session.transfer;
    const end = session.end((input[5] ?? 0) % 3);
    return `${state} ${end} ${session.summary}`;
  }
}

/** A transfer and a client that follows it, or does not. */
class Session {
  readonly transfer: Transfer;
  readonly #agreement: NegotiatedOptions;
  readonly #content: Uint8Array;
  readonly #packet: Uint8Array;
  #now = 1000;
  /** The last block that the client has got in order. */
  #got = 0;
  #gotOffer: boolean;
  /** Blocks that are on the way. */
  #inFlight: number[] = [];
  #offerInFlight = false;
  /** The last block that was ever sent. */
  #highest = 0;
  /** Whether the client has said what an honest one would not. */
  #isHonest = true;
  /** Whether anything that the client said confirms something. */
  #hasConfirmed = false;
  #unconfirmed = 0;
  /** How often time has passed since the client said something. */
  #silences = 0;
  #confirmedOctets = 0;
  #kinds = new Set<string>();

  constructor(input: Uint8Array) {
    const [high = 0, low = 0, block = 0, window = 0, timeout = 0, size = 0] =
      input;
    this.#content = CONTENT.subarray(0, (high << 8 | low) % MAX_CONTENT);
    const options = [
      ["blksize", BLOCK_SIZES[block % BLOCK_SIZES.length]!],
      ["windowsize", WINDOWS[window % WINDOWS.length]!],
      ["timeout", TIMEOUTS[timeout % TIMEOUTS.length]!],
      ["tsize", (size & 64) === 0 ? "" : "0"],
    ].filter(([, value]) => value !== "") as [string, string][];
    this.#agreement = negotiate({
      opcode: Opcode.ReadRequest,
      fileName: "f",
      mode: "octet",
      options: new Map(options),
    }, this.#content.length);
    this.#gotOffer = this.#agreement.acknowledged.size === 0;
    this.transfer = new Transfer(
      new MemoryContent(this.#content),
      this.#agreement,
      this.#now,
    );
    this.#packet = new Uint8Array(this.transfer.packetSize);
    this.#send();
  }

  /** What happened, in short. */
  get summary(): string {
    return `${this.#isHonest} ${
      [...this.#kinds].sort()
    } ${this.#agreement.acknowledged.size}`;
  }

  /** Number of the last block. */
  get #last(): number {
    return Math.floor(this.#content.length / this.#agreement.blockSize) + 1;
  }

  /** Does one step; how many octets of the input it took besides. */
  step(step: number, argument: number): number {
    switch (step) {
      case 0:
        this.#wait(argument * 10);
        return 1;
      case 1:
        this.#expire();
        return 0;
      case 2:
        this.#deliver();
        return 0;
      case 3: // a number near what was confirmed, or any
        this.#acknowledge(
          argument > 200 ? argument * 257 : this.#got + argument - 4,
        );
        return 1;
      case 4:
        this.#kinds.add("error");
        this.#receive(Uint8Array.of(0, 5, 0, argument, 65, 0));
        this.#isHonest = false;
        return 1;
      case 5:
        this.#kinds.add("octets");
        this.#receive(CONTENT.subarray(argument, argument + argument % 7));
        this.#isHonest = false;
        return 1;
      case 6:
        this.#kinds.add("lost");
        this.#inFlight.splice(argument % (this.#inFlight.length + 1), 1);
        if (this.#inFlight.length === 0) this.#offerInFlight = false;
        return 1;
      default:
        this.#kinds.add("again");
        this.#acknowledge(this.#got);
        return 0;
    }
  }

  /** Goes on to the end: in silence, saying the same, or as it should be. */
  end(how: number): string {
    switch (how) {
      case 0:
        for (let tries = 0; tries < 12 && !this.transfer.isOver; tries++) {
          this.#expire();
        }
        ends.holds(this.transfer.isOver, () => this.transfer);
        return this.transfer.state;
      case 1: {
        const start = this.#now;
        const limit = 4 * IDLE_TIMEOUT +
          7 * (this.#agreement.timeout ?? 0);
        while (!this.transfer.isOver && this.#now - start < limit) {
          this.#acknowledge(this.#got);
          this.#wait(900);
        }
        endsRepeats.holds(this.transfer.isOver, () => this.transfer);
        return this.transfer.state;
      }
      default:
        return this.#finish();
    }
  }

  /** An honest client on a good network gets everything. */
  #finish(): string {
    const { transfer } = this;
    const timeout = this.#agreement.timeout ?? 1000;
    // After two timeouts without a new block, the transfer has failed.
    const mayFail = !this.#isHonest || transfer.isOver || this.#silences > 1 ||
      transfer.idleTime(this.#now) > timeout;
    const limit = this.#last * 4 + 20;
    for (let turn = 0; turn < limit && !transfer.isOver; turn++) {
      if (this.#inFlight.length > 0 || this.#offerInFlight) this.#deliver();
      else if (this.#hasSpoken) {
        // It is a little more impatient than it wants the server to be.
        this.#wait(timeout - 1);
        this.#acknowledge(this.#got);
        this.#expire();
      } else this.#expire();
    }
    isComplete.holds(
      mayFail || transfer.state === "complete",
      () => ({ transfer, got: this.#got, last: this.#last }),
    );
    return transfer.state;
  }

  /** Whether the client has confirmed what was sent last, or part of it. */
  get #hasSpoken(): boolean {
    return this.#got > 0 || this.#offered && this.#gotOffer;
  }

  /** The client gets what is on the way, and says so. */
  #deliver(): void {
    if (this.#offerInFlight) {
      this.#offerInFlight = false;
      if (!this.#gotOffer) {
        this.#gotOffer = true;
        return this.#acknowledge(0);
      }
    }
    const blocks = this.#inFlight;
    this.#inFlight = [];
    if (blocks.length === 0) return;
    for (const block of blocks) if (block === this.#got + 1) this.#got++;
    this.#acknowledge(this.#got);
  }

  #acknowledge(block: number): void {
    const number = block & 0xffff;
    if (number !== this.#got) this.#isHonest = false;
    // A client that got nothing of the file says 0 to an offer only.
    if (number === 0 && this.#got === 0 && !this.#offered) {
      this.#isHonest = false;
    }
    this.#receive(Uint8Array.of(0, 4, number >> 8, number));
  }

  get #offered(): boolean {
    return this.#agreement.acknowledged.size > 0;
  }

  #receive(packet: Uint8Array): void {
    const { transfer } = this;
    this.#silences = 0;
    const before = transfer.state;
    transfer.receive(packet, this.#now);
    this.#check(before);
    this.#send();
  }

  #wait(milliseconds: number): void {
    this.#now += milliseconds;
    this.#silences++;
    const before = this.transfer.state;
    this.transfer.expire(this.#now);
    this.#check(before);
    this.#send();
  }

  #expire(): void {
    this.#wait(Math.max(0, this.transfer.deadline - this.#now));
  }

  #check(before: string): void {
    const { transfer } = this;
    const { sentBytes: sentOctets, totalBytes: totalOctets } = transfer;
    grows.holds(
      sentOctets >= this.#confirmedOctets && sentOctets <= totalOctets &&
        sentOctets <= this.#highest * this.#agreement.blockSize,
      () => transfer,
    );
    this.#confirmedOctets = sentOctets;
    if (["complete", "failed", "probed"].includes(before)) {
      isOver.holds(transfer.isOver && transfer.state === before);
    }
    if (transfer.state !== "offered") this.#hasConfirmed = true;
    if (transfer.state === "complete") {
      isComplete.holds(
        !this.#isHonest || this.#got === this.#last,
        () => transfer,
      );
    } else if (this.#isHonest && this.#got === this.#last) {
      // It was told with the last acknowledgment, unless it had given up.
      isComplete.holds(transfer.state === "failed", () => transfer);
    }
  }

  /** Takes what the transfer sends now. */
  #send(): void {
    const { transfer } = this;
    let count = 0;
    while (true) {
      const length = transfer.next(this.#packet, this.#now);
      if (length === 0) break;
      count++;
      isWindow.holds(count <= this.#agreement.windowSize, () => count);
      isOver.holds(!transfer.isOver, () => transfer);
      if (!this.#hasConfirmed) this.#unconfirmed++;
      this.#take(length);
    }
    isModest.holds(
      this.#unconfirmed <= MAX_TFTP_UNACKNOWLEDGED,
      () => this.#unconfirmed,
    );
    isPatient.holds(
      transfer.isOver || transfer.deadline > this.#now,
      () => transfer,
    );
  }

  #take(length: number): void {
    const packet = this.#packet;
    if (opcodeOf(packet) === Opcode.OptionAcknowledgment) {
      isPacket.holds(
        this.#offered && length === packet.indexOf(0, length - 1) + 1,
      );
      this.#offerInFlight = true;
      return;
    }
    const { blockSize } = this.#agreement;
    const block = packet[2]! << 8 | packet[3]!;
    const start = (block - 1) * blockSize;
    const octets = Math.min(blockSize, this.#content.length - start);
    isPacket.holds(
      packet[0] === 0 && packet[1] === Opcode.Data && block >= 1 &&
        octets >= 0 && length === 4 + octets &&
        equalBytes(packet, 4, this.#content, start, octets),
      () => ({ block, length, octets }),
    );
    this.#highest = Math.max(this.#highest, block);
    this.#inFlight.push(block);
  }
}
