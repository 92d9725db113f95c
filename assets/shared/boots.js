/**
 * A machine's events folded into boots and their steps.
 *
 * @module
 */

import {
  beginsBoot,
  FIRST_STAGE,
  isNote,
  JUMP,
  LAST_STAGE,
  REFUSAL,
} from "./boot_stages.js";

/** @import * as daemon from "../../lib/machines/json.ts" */
/** @import { EventDetail } from "./format.js" */

/**
 * An event as the daemon writes it. Its name is any string: a page that stays
 * open, or another version's `watch`, may be older than the daemon.
 *
 * @typedef {Omit<daemon.EventJson, "event" | "detail"> & {event: string, detail: EventDetail | null}} EventJson
 */

/**
 * One entry of a boot. Times are milliseconds of the daemon's clock; `end` is
 * when the next stage began. `skipped`: the daemon did not see the steps before.
 *
 * @typedef {{event: string, at: number, timestamp: string, detail: EventDetail | null, isNote: boolean, skipped: boolean, end: number | undefined}} Step
 */

/** @typedef {{steps: Step[]}} Boot */

/**
 * What an event changes. `kind`: it enters a stage, repeats the current one, is a
 * note, or announces a jump. Only an event that enters a stage has the others:
 * `begins` another boot, `skipped` steps, `previous` stage and its duration in
 * ms.
 *
 * @typedef {{kind: "stage" | "repeat" | "note" | "jump", begins: boolean, skipped: boolean, previous: {stage: string, took: number} | undefined}} Change
 */

/** @param {Change["kind"]} kind @returns {Change} */
function without(kind) {
  return { kind, begins: false, skipped: false, previous: undefined };
}

/** Folds the events of one machine, oldest first. */
export class BootTracker {
  /** The current stage. @type {string | undefined} */
  stage;
  /** When it began, in ms of the daemon's clock. */
  since = 0;
  /** The last note in it. @type {string | undefined} */
  note;
  /** What that note is about. @type {unknown} */
  noteDetail;
  #jumped = false;

  /**
   * Adds the next event.
   *
   * @param {Pick<EventJson, "event" | "timestamp" | "repeat_event"> & {detail?: unknown}} event
   * @returns {Change}
   */
  add({ event, timestamp, repeat_event, detail }) {
    if (event === JUMP) {
      this.#jumped = true;
      return without("jump");
    }
    if (isNote(event)) {
      this.note = event;
      this.noteDetail = detail;
      return without("note");
    }
    if (repeat_event && event === this.stage) return without("repeat");
    const at = Date.parse(timestamp);
    const begins = this.#jumped && beginsBoot(this.stage, event);
    /** @type {Change} */
    const change = {
      kind: "stage",
      begins,
      skipped: this.#jumped && !begins,
      previous: this.stage === undefined
        ? undefined
        : { stage: this.stage, took: at - this.since },
    };
    this.stage = event;
    this.since = at;
    this.note = undefined;
    this.#jumped = false;
    return change;
  }
}

/**
 * A machine's boots, oldest first.
 *
 * @param {readonly EventJson[]} events
 * @returns {Boot[]}
 */
export function bootsOf(events) {
  const tracker = new BootTracker();
  /** @type {Boot[]} */
  const boots = [];
  /** @type {Step | undefined} */
  let last;
  for (const event of events) {
    const { kind, begins, skipped } = tracker.add(event);
    if (kind === "jump" || kind === "repeat") continue;
    const { timestamp, detail = null } = event;
    if (boots.length === 0 || begins) boots.push({ steps: [] });
    /** @type {Step} */
    const step = {
      event: event.event,
      at: Date.parse(timestamp),
      timestamp,
      detail,
      isNote: kind === "note",
      skipped,
      end: undefined,
    };
    boots[boots.length - 1]?.steps.push(step);
    if (step.isNote) continue;
    // The clock may have been set back.
    if (last !== undefined && !begins) last.end = Math.max(last.at, step.at);
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
 * The notes of a boot that still matter. Of refused requests that is the latest,
 * while its stage lasts: boot loaders probe for files that need not exist.
 *
 * @param {Boot} boot
 */
export function notesOf({ steps }) {
  const latest = steps.findLast(({ event, isNote }) =>
    !isNote || event === REFUSAL
  );
  return steps.filter((step) =>
    step.isNote && (step.event !== REFUSAL || step === latest)
  );
}

/** Milliseconds that no boot takes: of a longer one, the clock was set meanwhile. */
const LONGEST_BOOT = 24 * 3_600_000;

/**
 * Whether a boot has reached the running system, and the daemon saw something of
 * it before.
 *
 * @param {Boot} boot
 */
export function isWholeBoot(boot) {
  const stages = timedStagesOf(boot);
  return stages.length > 1 && stages[stages.length - 1]?.event === LAST_STAGE;
}

/**
 * Milliseconds from a boot's first stage to the running system; `undefined` if it
 * is not {@linkcode isWholeBoot}, or if the daemon's clock was set meanwhile.
 *
 * @param {Boot} boot
 */
export function bootDuration(boot) {
  const times = timedStagesOf(boot).map(({ at }) => at);
  const took = (times[times.length - 1] ?? 0) - (times[0] ?? 0);
  const isSteady = times.every((at, index) => at >= (times[index - 1] ?? at));
  return isWholeBoot(boot) && isSteady && took <= LONGEST_BOOT
    ? took
    : undefined;
}

/** @param {Boot} boot */
function timedStagesOf(boot) {
  return stagesOf(boot).filter(({ event }) => event !== FIRST_STAGE);
}
