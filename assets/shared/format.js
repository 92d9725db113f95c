/**
 * Durations, sizes and transfers as text: the same in the log, in `watch` and on
 * the page.
 *
 * @module
 */

import { escapeControls } from "./escape_controls.js";

/** @import * as daemon from "../../lib/machines/transfer_progress.ts" */
/** @import * as refusal from "../../lib/machines/boot_refusal.ts" */

/** @typedef {daemon.TransferDetail} TransferDetail */
/** @typedef {refusal.RefusalDetail} RefusalDetail */
/** @typedef {refusal.EventDetail} EventDetail */

/**
 * Formats a duration in its two largest units, rounded down. A duration that is
 * still growing has whole seconds, so that the display does not flicker.
 *
 * @param {number} milliseconds Negative counts as 0: clocks of two hosts differ.
 */
export function formatDuration(milliseconds, isGrowing = false) {
  const span = Math.max(0, milliseconds);
  const seconds = Math.floor(span / 1000);
  if (!isGrowing) {
    if (span < 1000) return `${Math.floor(span)} ms`;
    if (seconds < 10) return `${(Math.floor(span / 100) / 10).toFixed(1)} s`;
  }
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return twoUnits(minutes, "min", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return twoUnits(hours, "h", minutes % 60, "min");
  return twoUnits(Math.floor(hours / 24), "d", hours % 24, "h");
}

/**
 * @param {number} large
 * @param {string} largeUnit
 * @param {number} small
 * @param {string} smallUnit
 */
function twoUnits(large, largeUnit, small, smallUnit) {
  return small === 0
    ? `${large} ${largeUnit}`
    : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * The unit of a size: B below 1 KiB, KiB below 1 MiB, otherwise MiB.
 *
 * @param {number} bytes
 * @returns {{unit: string, size: number}} `size`: bytes in one unit.
 */
function unitOf(bytes) {
  // No size is written as 1024 KiB.
  if (bytes >= MIB - KIB / 2) return { unit: "MiB", size: MIB };
  return bytes >= KIB ? { unit: "KiB", size: KIB } : { unit: "B", size: 1 };
}

/**
 * A size in a unit, with one decimal below 100 KiB or MiB.
 *
 * @param {number} bytes
 * @param {number} size Bytes in one unit.
 */
function inUnit(bytes, size) {
  const amount = bytes / size;
  return amount.toFixed(size > 1 && amount < 99.95 ? 1 : 0);
}

/**
 * Formats a size in B, KiB or MiB.
 *
 * @param {number} bytes
 */
export function formatBytes(bytes) {
  const { unit, size } = unitOf(bytes);
  return `${inUnit(bytes, size)} ${unit}`;
}

/**
 * Formats the state of a transfer: how much of the file the client has, or why
 * the transfer failed.
 *
 * @param {Omit<TransferDetail, "protocol" | "file_name">} transfer
 */
export function formatTransfer({ state, sent_bytes, total_bytes, error }) {
  if (state === "complete") return `${formatBytes(sent_bytes)}, complete`;
  const { unit, size } = unitOf(total_bytes);
  const amount = `${inUnit(sent_bytes, size)} of ${
    inUnit(total_bytes, size)
  } ${unit}`;
  if (state === "error") {
    return `error after ${amount}: ${
      escapeControls(error ?? "no reason given")
    }`;
  }
  // 100 % is for the whole file only.
  return total_bytes > 0
    ? `${Math.floor(100 * sent_bytes / total_bytes)} %, ${amount}`
    : amount;
}

/**
 * Formats the name of a file that a client loads.
 *
 * @param {Pick<TransferDetail, "file_name">} transfer
 */
export function formatFileName({ file_name }) {
  return escapeControls(file_name);
}

/**
 * Formats the protocol of a transfer or of a refused request.
 *
 * @param {Pick<EventDetail, "protocol">} detail
 */
export function formatProtocol({ protocol }) {
  return escapeControls(protocol).toUpperCase();
}

/**
 * The transfer in the detail of an event.
 *
 * @param {EventDetail | null | undefined} detail
 * @returns {TransferDetail | null}
 */
export function transferIn(detail) {
  return detail && "state" in detail ? detail : null;
}

/**
 * The refused request in the detail of an event.
 *
 * @param {EventDetail | null | undefined} detail
 * @returns {RefusalDetail | null}
 */
export function refusalIn(detail) {
  return detail && "reason" in detail ? detail : null;
}

/**
 * Formats a refused request on one line.
 *
 * @param {RefusalDetail} refusal
 */
export function formatRefusal({ protocol, path, reason }) {
  return `${escapeControls(path) || "a request"} over ${
    formatProtocol({ protocol })
  }: ${escapeControls(reason)}`;
}

/**
 * Formats the detail of an event on one line.
 *
 * @param {EventDetail} detail
 */
export function formatDetail(detail) {
  const refusal = refusalIn(detail);
  return refusal === null
    ? formatFileTransfer(/** @type {TransferDetail} */ (detail))
    : formatRefusal(refusal);
}

/**
 * Formats a transfer with its file and protocol, on one line.
 *
 * @param {TransferDetail} transfer
 */
export function formatFileTransfer(transfer) {
  return `${formatFileName(transfer)} over ${formatProtocol(transfer)}: ${
    formatTransfer(transfer)
  }`;
}
