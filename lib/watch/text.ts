/**
 * Lines for people: values in, text out.
 *
 * @module
 */

import { escapeControls } from "../net/escape_controls.ts";
import { type EventName, isNote } from "../machines/boot_stages.ts";
import type { TransferDetail } from "../machines/transfer_progress.ts";
import { FIRST, JUMP, type MachineEvent, transferOf } from "./message.ts";
import type { Happening, Timeline } from "./timelines.ts";

/** What a piece of a line is. */
export type Style = "faint" | "label" | "mac" | "busy" | "good" | "bad";

/** Makes a piece of a line look like what it is. */
export type Paint = (style: Style, text: string) => string;

/** For files and programs. */
export const plain: Paint = (_style, text) => text;

/** Select Graphic Rendition (ECMA-48): the sixteen colours of every terminal. */
const SGR: Record<Style, number> = {
  faint: 2,
  label: 35,
  mac: 1,
  busy: 36,
  good: 32,
  bad: 31,
};

/** For terminals. */
export const coloured: Paint = (style, text) =>
  text === "" ? "" : `\x1b[${SGR[style]}m${text}\x1b[0m`;

/** What is happening in a stage, and what that stage is called afterwards. */
const STAGES: ReadonlyMap<string, readonly [string, string]> = new Map<
  EventName,
  readonly [string, string]
>([
  [FIRST, ["seen for the first time", "wait"]],
  ["firmware_init", ["firmware asks for an address", "firmware"]],
  ["http_boot", ["HTTP boot: has its URL", "HTTP boot"]],
  ["point_pxe_to_ipxe_over_tftp", ["PXE: sent to iPXE", "PXE"]],
  ["serve_ipxe_over_tftp", ["loads iPXE", "TFTP"]],
  ["served_ipxe_over_tftp", ["has iPXE", "start of iPXE"]],
  ["point_ipxe_to_http_boot", ["iPXE: has its URL", "iPXE"]],
  ["http_fetch_uki", ["loads its boot file", "download"]],
  ["os_init", ["operating system", "operating system"]],
  ["unsupported_architecture", ["no iPXE for its architecture", ""]],
  ["address_declined", ["its address is in use by another machine", ""]],
]);

/** Stages in which a boot begins. */
const BEGINNINGS: ReadonlySet<string> = new Set([
  "firmware_init",
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
]);

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
 * What happened, in short words; `undefined` for what needs no line of its own.
 */
export function happeningWords(
  { event, elapsed, jumped, previous }: Happening,
  paint: Paint,
): string | undefined {
  // It says of the next event how it came, and that one says so itself.
  if (event.event === JUMP) return undefined;
  const words = eventWords(event, elapsed, paint);
  if (event.repeat_event) {
    return transferOf(event) === undefined
      ? paint("faint", `${eventWords(event, elapsed, plain)}, again`)
      : words;
  }
  const before = jumped && !isNote(event.event)
    ? paint(
      "label",
      BEGINNINGS.has(event.event) ? "new boot: " : "steps left out: ",
    )
    : "";
  const after = previous === undefined ? "" : paint(
    "faint",
    ` (${stageName(previous.stage)} took ${durationText(previous.took)})`,
  );
  return before + words + after;
}

/** Where a machine is, and for how long, in short words. */
export function timelineWords(
  { stage, since, note }: Timeline,
  now: number,
  paint: Paint,
): string {
  const words = stage === undefined
    ? "nothing known"
    : `${eventWords(stage, 0, paint)}${
      paint("faint", `, for ${durationText(now - since)}`)
    }`;
  return note === undefined
    ? words
    : `${words}; ${paint("bad", STAGES.get(note)![0])}`;
}

function eventWords(event: MachineEvent, elapsed: number, paint: Paint) {
  const transfer = transferOf(event);
  if (transfer !== undefined) return transferWords(transfer, elapsed, paint);
  const words = STAGES.get(event.event)?.[0] ?? escapeControls(event.event);
  return paint(
    isNote(event.event) ? "bad" : event.event === "os_init" ? "good" : "busy",
    words,
  );
}

function stageName(stage: string): string {
  return STAGES.get(stage)?.[1] ?? escapeControls(stage);
}

function transferWords(
  { protocol, file_name, state, sent_bytes, total_bytes, error }:
    TransferDetail,
  elapsed: number,
  paint: Paint,
): string {
  const what = `${escapeControls(file_name)} over ${escapeControls(protocol)}`;
  const part = `${percentText(sent_bytes, total_bytes)}${GAP}${
    bytesText(sent_bytes, total_bytes)
  }`;
  if (state === "error") {
    return paint(
      "bad",
      `failed to load ${what}${GAP}${part}: ${
        escapeControls(error ?? "no reason given")
      }`,
    );
  }
  if (state === "complete") {
    const took = elapsed > 0 ? ` in ${durationText(elapsed)}` : "";
    return paint(
      "good",
      `loaded ${what}${GAP}${bytesText(sent_bytes, sent_bytes)}${took}`,
    );
  }
  return paint("busy", `loads ${what}${GAP}${part}`);
}

/** How much has come: whole percents, and 100 % for all of it only. */
function percentText(sent: number, total: number): string {
  const percent = total > 0 ? Math.floor(100 * sent / total) : 0;
  return `${percent} %`.padStart(5);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `sent/total` in the unit that fits the total; once where both are the same. */
export function bytesText(sent: number, total: number): string {
  let unit = 0;
  while (unit < UNITS.length - 1 && total >= 1024 ** (unit + 1)) unit++;
  const digits = unit === 0 ? 0 : 1;
  const inUnit = (bytes: number) => (bytes / 1024 ** unit).toFixed(digits);
  return sent === total
    ? `${inUnit(total)} ${UNITS[unit]}`
    : `${inUnit(sent)}/${inUnit(total)} ${UNITS[unit]}`;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A time span in the two units that matter; milliseconds in. */
export function durationText(milliseconds: number): string {
  // Clocks of two hosts, and one that is being set, may be at odds.
  const span = Math.max(0, milliseconds);
  if (span < SECOND) return `${Math.floor(span)} ms`;
  if (span < 10 * SECOND) {
    return `${(Math.floor(span / 100) / 10).toFixed(1)} s`;
  }
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < HOUR) return twoUnits(span, MINUTE, "min", SECOND, "s");
  if (span < DAY) return twoUnits(span, HOUR, "h", MINUTE, "min");
  return twoUnits(span, DAY, "d", HOUR, "h");
}

function twoUnits(
  span: number,
  large: number,
  largeName: string,
  small: number,
  smallName: string,
): string {
  return `${Math.floor(span / large)} ${largeName} ${
    Math.floor(span % large / small)
  } ${smallName}`;
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
