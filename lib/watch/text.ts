/**
 * Lines for people: values in, text out.
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
import { type MachineEvent, transferOf } from "./message.ts";
import type { Happening, Timeline } from "./timelines.ts";

/** What a piece of a line is. */
export type Style = "faint" | "label" | "mac" | "busy" | "good" | "bad";

/** Makes a piece of a line look like what it is. */
export type Paint = (style: Style, text: string) => string;

/** For files and programs. */
export const plain: Paint = (_style, text) => text;

/** Select Graphic Rendition (ECMA-48): the sixteen colors of every terminal. */
const SGR: Record<Style, number> = {
  faint: 2,
  label: 35,
  mac: 1,
  busy: 36,
  good: 32,
  bad: 31,
};

/** For terminals. */
export const colored: Paint = (style, text) =>
  text === "" ? "" : `\x1b[${SGR[style]}m${text}\x1b[0m`;

/** Spaces between columns. */
const GAP = "  ";

/** Longest name that makes its column wider. */
const MAX_NAME_WIDTH = 24;

/** Columns as wide as what they had to hold so far. */
export class Columns {
  readonly #widths = new Map<string, number>();

  /** Makes room for a name and an address before the line that has them. */
  expect(name: string | undefined, address: string): void {
    this.fit("name", escapeControls(name ?? ""), MAX_NAME_WIDTH);
    this.fit("address", escapeControls(address));
  }

  /** `text` with blanks behind it. */
  fit(column: string, text: string, most = Infinity): string {
    const width = Math.max(
      this.#widths.get(column) ?? 0,
      Math.min(text.length, most),
    );
    this.#widths.set(column, width);
    return text.padEnd(width);
  }
}

/** How lines look. */
export interface ViewOptions {
  readonly paint: Paint;
  readonly columns: Columns;
  /** Whether several daemons are watched, so that each line names its own. */
  readonly labelled: boolean;
}

/** What stands at the beginning of a line. */
export interface Subject {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly labels: readonly string[];
  readonly mac: string;
  readonly name: string | undefined;
  readonly address: string;
}

/** A line: when, which daemons, which machine, what. */
export function line(
  { at, labels, mac, name, address }: Subject,
  words: string,
  now: number,
  { paint, columns, labelled }: ViewOptions,
): string {
  const cells = [
    paint("faint", timeText(at, now)),
    labelled
      ? paint("label", columns.fit("label", escapeControls(labels.join(","))))
      : "",
    paint("mac", columns.fit("mac", escapeControls(mac))),
    columns.fit("name", escapeControls(name ?? ""), MAX_NAME_WIDTH),
    columns.fit("address", escapeControls(address)),
    words,
  ];
  return cells.filter((cell) => cell !== "").join(GAP);
}

/**
 * Describes an event; `undefined` for one that needs no line of its own.
 */
export function happeningWords(
  { event, elapsed, begins, skipped, previous }: Happening,
  paint: Paint,
): string | undefined {
  // The next event's line tells of the jump.
  if (event.event === JUMP) return undefined;
  if (event.repeat_event && transferOf(event) === undefined) {
    return paint("faint", `${eventWords(event, elapsed, plain)}, again`);
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
  return paint("label", before) + eventWords(event, elapsed, paint) +
    paint("faint", after);
}

/** Describes a machine's stage and its duration. */
export function timelineWords(
  { stage, since, note }: Timeline,
  now: number,
  paint: Paint,
): string {
  const words = stage === undefined
    ? "no stage known"
    : `${eventWords(stage, 0, paint)}${
      paint("faint", `, for ${formatDuration(now - since)}`)
    }`;
  const text = note && noteText(note);
  return text === undefined ? words : `${words}; ${paint("bad", text)}`;
}

/** @param elapsed Milliseconds since the stage began; 0 if not to be shown. */
function eventWords(
  event: MachineEvent,
  elapsed: number,
  paint: Paint,
): string {
  const transfer = transferOf(event);
  const words = noteText(event.event) ?? stageWords(event.event, transfer);
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
  if (isNote(event.event) || state === "error") return "bad";
  return event.event === LAST_STAGE || state === "complete" ? "good" : "busy";
}

/** Local time, with the date when that is another day's than `now`. */
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
