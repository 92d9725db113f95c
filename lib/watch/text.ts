/**
 * Formats the lines for people. Pure.
 *
 * @module
 */

import {
  isNote,
  JUMP,
  LAST_STAGE,
  noteText,
  stageNames,
  stageWords,
} from "../../assets/shared/boot_stages.js";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import {
  formatDuration,
  formatFileTransfer,
} from "../../assets/shared/format.js";
import { type MachineEvent, refusalOf, transferOf } from "./message.ts";
import type { Timeline, TimelineEvent } from "./timelines.ts";

/** The kind of a part of a line. */
export type Style = "faint" | "label" | "mac" | "busy" | "good" | "bad";

/** Colors a part of a line by its kind. */
export type Paint = (style: Style, text: string) => string;

/** No colors, for files and pipes. */
export const plain: Paint = (_style, text) => text;

/** Select Graphic Rendition (ECMA-48): the 16 colors of every terminal. */
const SGR: Record<Style, number> = {
  faint: 2,
  label: 35,
  mac: 1,
  busy: 36,
  good: 32,
  bad: 31,
};

/** Colors for terminals. */
export const colored: Paint = (style, text) =>
  text === "" ? "" : `\x1b[${SGR[style]}m${text}\x1b[0m`;

/** Spaces between columns. */
const GAP = "  ";

/** Characters of a name up to which its column grows. */
const MAX_NAME_WIDTH = 24;

/** Columns as wide as their widest cell so far. */
export class Columns {
  readonly #widths = new Map<string, number>();

  /** Widens the columns for a name and an address of a later line. */
  expect(name: string | undefined, address: string): void {
    this.fit("name", escapeControls(name ?? ""), MAX_NAME_WIDTH);
    this.fit("address", escapeControls(address));
  }

  /** Pads `text` to the width of its column, which grows up to `maxWidth`. */
  fit(column: string, text: string, maxWidth = Infinity): string {
    const width = Math.max(
      this.#widths.get(column) ?? 0,
      Math.min(text.length, maxWidth),
    );
    this.#widths.set(column, width);
    return text.padEnd(width);
  }
}

/** How lines look. */
export interface LineOptions {
  readonly paint: Paint;
  readonly columns: Columns;
  /** Whether each line names its daemons. */
  readonly isLabeled: boolean;
}

/** The cells before the text of a line. */
export interface Subject {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly labels: readonly string[];
  readonly mac: string;
  readonly name: string | undefined;
  readonly address: string;
}

/**
 * A line: time, daemons, machine, text.
 *
 * @param now Milliseconds since 1970 by the daemon's clock.
 */
export function lineText(
  { at, labels, mac, name, address }: Subject,
  text: string,
  now: number,
  { paint, columns, isLabeled }: LineOptions,
): string {
  const cells = [
    paint("faint", timeText(at, now)),
    isLabeled
      ? paint("label", columns.fit("label", escapeControls(labels.join(","))))
      : "",
    paint("mac", columns.fit("mac", escapeControls(mac))),
    columns.fit("name", escapeControls(name ?? ""), MAX_NAME_WIDTH),
    columns.fit("address", escapeControls(address)),
    text,
  ];
  return cells.filter((cell) => cell !== "").join(GAP);
}

/** Describes an event; `undefined` if the event has no line of its own. */
export function eventText(
  { event, elapsed, begins, skipped, previous }: TimelineEvent,
  paint: Paint,
): string | undefined {
  // The line of the next event says that steps were skipped.
  if (event.event === JUMP) return undefined;
  if (event.repeat_event && transferOf(event) === undefined) {
    return paint("faint", `${stageText(event, elapsed, plain)}, again`);
  }
  const before = begins
    ? "new boot: "
    : skipped
    ? "earlier steps not seen: "
    : "";
  const after = previous === undefined
    ? ""
    : ` (${stageNames(previous.stage).short} lasted ${
      formatDuration(previous.took)
    })`;
  return paint("label", before) + stageText(event, elapsed, paint) +
    paint("faint", after);
}

/**
 * Describes a machine's stage and its duration.
 *
 * @param now Milliseconds since 1970 by the daemon's clock.
 */
export function timelineText(
  { stage, since, note, noteDetail, absence }: Timeline,
  now: number,
  paint: Paint,
): string {
  const text = stage === undefined
    ? "no stage known"
    : `${stageText(stage, 0, paint)}${
      paint("faint", `, for ${formatDuration(now - since)}`)
    }`;
  const away = absence === undefined ? "" : paint(
    "faint",
    `; ${escapeControls(absence.state)}, last heard ${
      formatDuration(now - absence.lastHeard)
    } ago`,
  );
  const noted = note && note !== "released"
    ? noteText(note, refusalOf(noteDetail))
    : undefined;
  return `${text}${
    noted === undefined ? "" : `; ${paint("bad", noted)}`
  }${away}`;
}

/** @param elapsed Milliseconds since the stage began; 0 if not to be shown. */
function stageText(
  event: MachineEvent,
  elapsed: number,
  paint: Paint,
): string {
  const transfer = transferOf(event);
  const words = noteText(event.event, refusalOf(event.detail)) ??
    stageWords(event.event, transfer);
  const style = styleOf(event);
  if (transfer === undefined) return paint(style, words);
  const took = transfer.state === "complete" && elapsed > 0
    ? ` in ${formatDuration(elapsed)}`
    : "";
  return paint(
    style,
    `${words}${GAP}${formatFileTransfer(transfer)}${took}`,
  );
}

function styleOf(event: MachineEvent): Style {
  const state = transferOf(event)?.state;
  if (event.event === "released") return "faint";
  if (isNote(event.event) || state === "error") return "bad";
  return event.event === LAST_STAGE || state === "complete" ? "good" : "busy";
}

/**
 * Local time, with the date if the day is not that of `now`; both in ms since
 * 1970.
 */
export function timeText(at: number, now: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${
    two(date.getSeconds())
  }.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return date.toDateString() === new Date(now).toDateString()
    ? time
    : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${
      two(date.getDate())
    } ${time}`;
}
