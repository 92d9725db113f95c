/**
 * The progress of a file transfer: the `detail` of events.
 *
 * @module
 */

import { MAX_KEPT_CHARACTERS } from "../overload/limits.ts";

/** Bytes between two reports of a transfer's progress. */
export const PROGRESS_STEP = 5 * 1024 * 1024;

/** The progress of a transfer, in JSON. */
export interface TransferDetail {
  readonly protocol: "tftp" | "http" | "https";
  readonly file_name: string;
  readonly state: "init" | "sending" | "complete" | "error";
  readonly sent_bytes: number;
  readonly total_bytes: number;
  /** Why the transfer failed, in state `error` only. */
  readonly error?: string;
}

/** Reports one transfer at its start, every 5 MiB, and at its end. */
export class TransferReport {
  readonly #file: Pick<
    TransferDetail,
    "protocol" | "file_name" | "total_bytes"
  >;
  readonly #report: (detail: TransferDetail) => void;
  /** Bytes at which the next report is due; `undefined` before the first. */
  #nextReportBytes: number | undefined;

  constructor(
    file: Pick<TransferDetail, "protocol" | "file_name" | "total_bytes">,
    report: (detail: TransferDetail) => void,
  ) {
    this.#file = { ...file, file_name: truncate(file.file_name) };
    this.#report = report;
  }

  /** The client has received so many bytes. The first call reports the start. */
  sending(sentBytes: number): void {
    if (this.#nextReportBytes === undefined) {
      this.#nextReportBytes = PROGRESS_STEP;
      this.#emit("init", sentBytes);
    } else if (sentBytes >= this.#nextReportBytes) {
      this.#nextReportBytes = sentBytes - sentBytes % PROGRESS_STEP +
        PROGRESS_STEP;
      this.#emit("sending", sentBytes);
    }
  }

  /** The client has received all that it requested, so many bytes. */
  complete(sentBytes: number): void {
    this.sending(sentBytes);
    this.#emit("complete", sentBytes);
  }

  /** The transfer failed. One that never started is not reported. */
  fail(sentBytes: number, error: string): void {
    if (this.#nextReportBytes === undefined) return;
    this.#report({
      ...this.#file,
      state: "error",
      sent_bytes: sentBytes,
      error: truncate(error),
    });
  }

  #emit(state: TransferDetail["state"], sent_bytes: number): void {
    this.#report({ ...this.#file, state, sent_bytes });
  }
}

/** Shortens a client's string to MAX_KEPT_CHARACTERS: many events may keep it. */
export function truncate(text: string): string {
  return text.length <= MAX_KEPT_CHARACTERS
    ? text
    : Array.from(text).slice(0, MAX_KEPT_CHARACTERS).join("");
}
