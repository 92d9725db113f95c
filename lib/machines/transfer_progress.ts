/**
 * How a file's way to a machine is told: the `detail` of its events.
 *
 * @module
 */

import { MAX_KEPT_CHARACTERS } from "../overload/limits.ts";

/** Bytes between two reports of a transfer's progress. */
export const PROGRESS_STEP = 5 * 1024 * 1024;

/** How far a transfer is, as its consumers read it. */
export interface TransferDetail {
  readonly protocol: "tftp" | "http" | "https";
  readonly file_name: string;
  readonly state: "init" | "sending" | "complete" | "error";
  readonly sent_bytes: number;
  readonly total_bytes: number;
  /** Why it failed, in state `error` only. */
  readonly error?: string;
}

/** Tells of one transfer: at the start, every few MiB, and at the end. */
export class TransferReport {
  readonly #about: Pick<
    TransferDetail,
    "protocol" | "file_name" | "total_bytes"
  >;
  readonly #report: (detail: TransferDetail) => void;
  /** Octets at which the next report is due; `undefined` before the first. */
  #due: number | undefined;

  constructor(
    about: Pick<TransferDetail, "protocol" | "file_name" | "total_bytes">,
    tell: (detail: TransferDetail) => void,
  ) {
    this.#about = { ...about, file_name: kept(about.file_name) };
    this.#report = tell;
  }

  /** The client has so many octets; the first call tells that it began. */
  sending(sentBytes: number): void {
    if (this.#due === undefined) {
      this.#due = PROGRESS_STEP;
      this.#emit("init", sentBytes);
    } else if (sentBytes >= this.#due) {
      this.#due = sentBytes - sentBytes % PROGRESS_STEP + PROGRESS_STEP;
      this.#emit("sending", sentBytes);
    }
  }

  /** The client has all that it asked for, so many octets. */
  complete(sentBytes: number): void {
    this.sending(sentBytes);
    this.#emit("complete", sentBytes);
  }

  /** It ended early; one that never began is not told of. */
  fail(sentBytes: number, error: string): void {
    if (this.#due === undefined) return;
    this.#report({
      ...this.#about,
      state: "error",
      sent_bytes: sentBytes,
      error: kept(error),
    });
  }

  #emit(state: TransferDetail["state"], sent_bytes: number): void {
    this.#report({ ...this.#about, state, sent_bytes });
  }
}

/** A client's string as it is kept, very many times perhaps. */
function kept(text: string): string {
  return text.length <= MAX_KEPT_CHARACTERS
    ? text
    : Array.from(text).slice(0, MAX_KEPT_CHARACTERS).join("");
}
