/**
 * What a machine's events mean to people: its stages in words, its boots, how
 * long they took. Pure; the server uses it as well as the page.
 *
 * @module
 */

/** @import * as daemon from "../../lib/machines/json.ts" */
/** @import { TransferDetail } from "../../lib/machines/transfer_progress.ts" */

/**
 * An event as the daemon writes it. Its name is any string, because a page that
 * stays open may outlive the daemon's version. The page replaces details.
 *
 * @typedef {Omit<daemon.EventJson, "event" | "detail"> & {event: string, detail: TransferDetail | null}} EventJson
 */

/**
 * One entry of a boot. Times are milliseconds of the daemon's clock; `end` is
 * when the next stage began. `skipped`: steps before it were not seen.
 *
 * @typedef {{event: string, at: number, timestamp: string, detail: TransferDetail | null, isNote: boolean, skipped: boolean, end: number | undefined}} Step
 */

/** @typedef {{steps: Step[]}} Boot */

/** @typedef {{short: string, words: string, hue: string}} StageNames */

/** @typedef {{kind: "up" | "booting" | "stuck", words: string, elapsed: number, usual: number | undefined}} Progress */

/**
 * The stages, in the order of a boot: how one is called on a timeline, what a
 * machine in it does, and which colour it has.
 *
 * @type {Map<string, StageNames>}
 */
export const STAGES = new Map([
  ["init", { short: "Seen", words: "Seen for the first time", hue: "none" }],
  ["firmware_init", {
    short: "Firmware",
    words: "In its firmware",
    hue: "firmware",
  }],
  ["http_boot", {
    short: "HTTP boot",
    words: "Told where to boot from",
    hue: "firmware",
  }],
  ["point_pxe_to_ipxe_over_tftp", {
    short: "PXE",
    words: "Told to load iPXE",
    hue: "firmware",
  }],
  ["serve_ipxe_over_tftp", {
    short: "TFTP",
    words: "Loading iPXE",
    hue: "load",
  }],
  ["served_ipxe_over_tftp", {
    short: "Start",
    words: "Starting iPXE",
    hue: "ipxe",
  }],
  ["point_ipxe_to_http_boot", {
    short: "iPXE",
    words: "iPXE told where to boot from",
    hue: "ipxe",
  }],
  ["http_fetch_uki", {
    short: "System",
    words: "Loading the system",
    hue: "system",
  }],
  ["os_init", { short: "Up", words: "System is up", hue: "up" }],
]);

/** The last stage: nothing is waited for any more. */
export const LAST_STAGE = "os_init";

const BEGINNINGS = new Set([
  "firmware_init",
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
]);

/** Events that change no stage. */
const NOTES = new Map([
  ["unsupported_architecture", "There is no iPXE for its architecture"],
  ["address_declined", "Its address is in use by another machine"],
]);

const PATHS = [
  ["firmware_init", "http_boot", "http_fetch_uki", LAST_STAGE],
  [
    "firmware_init",
    "point_pxe_to_ipxe_over_tftp",
    "serve_ipxe_over_tftp",
    "served_ipxe_over_tftp",
    "point_ipxe_to_http_boot",
    "http_fetch_uki",
    LAST_STAGE,
  ],
];

/** Samples from which a usual duration is told. */
export const LEAST_SAMPLES = 3;

/** How many times the usual duration is too long, and the least that is, in ms. */
const STUCK_FACTOR = 3;
const STUCK_LEAST = 15_000;

/** Milliseconds that are too long where nothing is known of this stage. */
const STUCK_UNKNOWN = 120_000;

/** Milliseconds without news after which a transfer that had some stands still. */
const STANDSTILL = 60_000;

/** @param {string} event Whether it changes the stage of a machine. */
export function isStage(event) {
  return event !== "jump_to" && !NOTES.has(event);
}

/**
 * A stage's names. One that a later daemon may have is called as it is.
 *
 * @param {string} event
 * @returns {StageNames}
 */
export function stageNamed(event) {
  const text = escapeControls(event);
  return STAGES.get(event) ?? { short: text, words: text, hue: "ipxe" };
}

/**
 * Whether an event that follows a `jump_to` begins another boot.
 *
 * @param {string | undefined} stage Where the machine was.
 * @param {string} event
 */
export function beginsBoot(stage, event) {
  if (stage === undefined || stage === "init") return false;
  return BEGINNINGS.has(event) || stage === LAST_STAGE;
}

/**
 * A machine's boots, oldest first.
 *
 * @param {readonly EventJson[]} events
 * @returns {Boot[]}
 */
export function bootsOf(events) {
  /** @type {Boot[]} */
  const boots = [];
  /** @type {Step | undefined} */
  let last;
  let jumped = false;
  for (const { event, timestamp, detail = null } of events) {
    if (event === "jump_to") {
      jumped = true;
      continue;
    }
    const at = Date.parse(timestamp);
    const isNote = NOTES.has(event);
    const isNew = !isNote && jumped && beginsBoot(last?.event, event);
    if (boots.length === 0 || isNew) boots.push({ steps: [] });
    /** @type {Step} */
    const step = {
      event,
      at,
      timestamp,
      detail,
      isNote,
      skipped: jumped && !isNew,
      end: undefined,
    };
    boots[boots.length - 1]?.steps.push(step);
    if (isNote) continue;
    jumped = false;
    if (last !== undefined && !isNew) last.end = at;
    last = step;
  }
  return boots;
}

/**
 * The stages of a boot, without notes.
 *
 * @param {Boot} boot
 */
export function stagesOf(boot) {
  return boot.steps.filter(({ isNote }) => !isNote);
}

/**
 * How long a boot took until the system was up, in ms; `undefined` where it did
 * not come so far, or where nothing before that was seen.
 *
 * @param {Boot} boot
 */
export function bootDuration(boot) {
  const stages = stagesOf(boot).filter(({ event }) => event !== "init");
  const last = stages[stages.length - 1];
  const first = stages[0];
  return last?.event === LAST_STAGE && first !== undefined && first !== last
    ? last.at - first.at
    : undefined;
}

/**
 * The stages that a machine has before it, as far as can be told.
 *
 * @param {readonly string[]} stages Those it has behind it, and its own.
 */
export function stagesAhead(stages) {
  const stage = stages[stages.length - 1] ?? "";
  // Until the ways part, nobody knows which one it takes.
  const path =
    PATHS.find((path) =>
      path.includes(stage) && stages.some((one) => path.indexOf(one) > 0)
    ) ?? [];
  return path.slice(path.indexOf(stage) + 1);
}

/**
 * What a machine does, and whether it does so for too long.
 *
 * @param {Pick<Step, "event" | "at" | "detail">} step Its latest stage.
 * @param {number} now By the daemon's clock, in ms.
 * @param {number | undefined} usual How long this stage usually takes here, in ms.
 * @param {number} heard When its transfer was last heard of, in ms.
 * @returns {Progress}
 */
export function progressOf({ event, at, detail }, now, usual, heard = at) {
  const elapsed = Math.max(0, now - at);
  const { words } = stageNamed(event);
  if (event === LAST_STAGE) {
    return { kind: "up", words, elapsed, usual: undefined };
  }
  if (detail?.state === "error") {
    return { kind: "stuck", words: `${words} failed`, elapsed, usual };
  }
  const limit = usual === undefined
    ? STUCK_UNKNOWN
    : Math.max(STUCK_LEAST, STUCK_FACTOR * usual);
  const isMoving = detail?.state === "sending" && now - heard < STANDSTILL;
  return {
    kind: elapsed > limit && !isMoving ? "stuck" : "booting",
    words: event === "http_fetch_uki" && detail?.state === "complete"
      ? "Starting the system"
      : words,
    elapsed,
    usual,
  };
}

/**
 * What a note says; `undefined` for what is none.
 *
 * @param {string} event
 */
export function noteText(event) {
  return NOTES.get(event);
}

/**
 * How far a file is on its way, in words.
 *
 * @param {TransferDetail} detail
 */
export function transferText({ state, sent_bytes, total_bytes, error }) {
  const sent = formatBytes(sent_bytes);
  if (state === "complete") return sent;
  const text = `${sent} of ${formatBytes(total_bytes)}`;
  return state === "error"
    ? `${escapeControls(error ?? "failed")}, after ${text}`
    : text;
}

/**
 * A duration as people say it, finer below ten seconds unless it still grows.
 *
 * @param {number} milliseconds
 */
export function formatDuration(milliseconds, isGrowing = false) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (!isGrowing) {
    if (seconds < 0.095) return `${Math.round(1000 * seconds)} ms`;
    if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  }
  const whole = isGrowing ? Math.floor(seconds) : Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return twoUnits(minutes, "min", whole % 60, "s");
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

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** @param {number} bytes */
export function formatBytes(bytes) {
  let unit = 0;
  let size = bytes;
  while (size >= 999.5 && unit < BYTE_UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  const isWhole = unit < 2 || size >= 100;
  return `${isWhole ? Math.round(size) : size.toPrecision(3)} ${
    BYTE_UNITS[unit]
  }`;
}

/** Characters of a client's string that are shown, as in the log. */
const MAX_SHOWN_CHARACTERS = 128;
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/**
 * A string that a client sent, fit to be shown: what would act instead of being
 * seen is escaped, and what is too long is cut.
 *
 * @param {string} text
 */
export function escapeControls(text) {
  let result = "";
  for (const character of text) {
    const next = UNSHOWABLE.test(character)
      ? `\\u{${character.codePointAt(0)?.toString(16)}}`
      : character;
    if (result.length + next.length > MAX_SHOWN_CHARACTERS) return `${result}…`;
    result += next;
  }
  return result;
}
