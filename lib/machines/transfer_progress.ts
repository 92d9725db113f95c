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

/** A transfer, as its reports tell it from others. */
export interface ReportedTransfer {
  /** How often it was reported, the report in progress included. */
  readonly reports: number;
  /** Bytes of the file before those that it sends: above 0 if it is resumed. */
  readonly start: number;
  /** Bytes of the file up to the last that the client has received. */
  readonly position: number;
  /** Whether this report is the last one. */
  readonly isOver: boolean;
}

/** Called with a report. Must not block. */
export type OnReport = (
  detail: TransferDetail,
  transfer: ReportedTransfer,
) => void;

/**
 * Reports one transfer at its start, every 5 MiB, and at its end. One that is
 * resumed has no state `init`.
 */
export class TransferReport implements ReportedTransfer {
  reports = 0;
  position: number;
  readonly start: number;
  #isOver = false;
  readonly #file: Pick<
    TransferDetail,
    "protocol" | "file_name" | "total_bytes"
  >;
  readonly #report: OnReport;
  /** Bytes at which the next report is due; `undefined` before the first. */
  #nextReportBytes: number | undefined;

  /** @param start Bytes of the file before those that it sends. */
  constructor(
    file: Pick<TransferDetail, "protocol" | "file_name" | "total_bytes">,
    report: OnReport,
    start = 0,
  ) {
    this.start = this.position = start;
    this.#file = { ...file, file_name: truncate(file.file_name) };
    this.#report = report;
  }

  /** The client has received so many bytes. The first call reports the start. */
  sending(sentBytes: number): void {
    const position = this.position = this.start + sentBytes;
    const isFirst = this.#nextReportBytes === undefined;
    if (!isFirst && position < this.#nextReportBytes!) return;
    this.#nextReportBytes = position - position % PROGRESS_STEP + PROGRESS_STEP;
    this.#emit(isFirst && this.start === 0 ? "init" : "sending", sentBytes);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * The client has received all that it requested, so many bytes. The file is
   * complete if they reach its end, else a further transfer may go on there.
   */
  complete(sentBytes: number): void {
    if (this.#isOver) return;
    this.sending(sentBytes);
    this.#isOver = true;
    const isAll = this.position >= this.#file.total_bytes;
    this.#emit(isAll ? "complete" : "sending", sentBytes);
  }

  /** The transfer failed. One that never started is not reported. */
  fail(sentBytes: number, error: string): void {
    if (this.#nextReportBytes === undefined || this.#isOver) return;
    this.#isOver = true;
    this.#emit("error", sentBytes, { error: truncate(error) });
  }

  #emit(
    state: TransferDetail["state"],
    sentBytes: number,
    problem: Pick<TransferDetail, "error"> = {},
  ): void {
    this.reports++;
    const sent_bytes = this.start + sentBytes;
    this.#report({ ...this.#file, state, sent_bytes, ...problem }, this);
  }
}

/** Shortens a client's string to MAX_KEPT_CHARACTERS: many events may keep it. */
export function truncate(text: string): string {
  return text.length <= MAX_KEPT_CHARACTERS
    ? text
    : Array.from(text).slice(0, MAX_KEPT_CHARACTERS).join("");
}
