/**
 * What a machine does now: words, a transfer, for how long.
 *
 * @module
 */

import { noteText } from "../shared/boot_stages.js";
import { notesOf } from "../shared/boots.js";
import {
  formatDuration,
  formatFileName,
  formatTransfer,
  transferIn,
} from "../shared/format.js";
import { adviceOn } from "./advice.js";
import { element, write } from "./elements.js";

/** @import { Boot } from "../shared/boots.js" */
/** @import { Progress, Stage } from "./progress.js" */

/** The elements that show what a machine does now. */
export class NowView {
  #words = element("strong", "words");
  #badge = element("span", "badge", "Stuck");
  #time = element("span", "time");
  #file = element("span", "file");
  #bar = element("progress");
  #note = element("span", "note");
  #advice = element("span", "advice");
  /** The elements, in their order. */
  parts = [
    this.#words,
    " ",
    this.#badge,
    this.#time,
    this.#bar,
    this.#file,
    this.#note,
    this.#advice,
  ];

  /**
   * @param {Progress} progress
   * @param {Stage} stage
   * @param {string} note
   */
  show({ words, elapsed, usual, kind }, stage, note) {
    const detail = transferIn(stage.detail);
    write(this.#words, words);
    write(
      this.#time,
      `for ${formatDuration(elapsed, true)}` +
        (usual === undefined ? "" : `, usually ${formatDuration(usual)}`),
    );
    const isRunning = detail !== null &&
      (detail.state === "init" || detail.state === "sending");
    this.#bar.hidden = !isRunning;
    if (isRunning) {
      this.#bar.max = Math.max(1, detail.total_bytes);
      this.#bar.value = detail.sent_bytes;
      this.#bar.setAttribute(
        "aria-label",
        `${words}: ${formatFileName(detail)}`,
      );
    }
    const isShown = isRunning || detail?.state === "error";
    this.#file.hidden = !isShown;
    if (isShown) {
      write(this.#file, formatTransfer(detail));
    }
    this.#note.hidden = note === "";
    write(this.#note, note);
    const isStuck = kind === "stuck";
    this.#badge.hidden = !isStuck;
    // A note says more than can be known from the stage.
    this.#advice.hidden = !isStuck || note !== "";
    if (isStuck) write(this.#advice, adviceOn(stage));
  }
}

/**
 * The text of a boot's latest note; empty if it has none.
 *
 * @param {Boot} boot
 */
export function noteOf(boot) {
  const note = notesOf(boot).at(-1);
  return note === undefined ? "" : noteText(note.event, note.detail) ?? "";
}
