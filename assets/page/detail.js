/**
 * The view of one machine, with all events that the page has of it.
 *
 * @module
 */

import {
  FIRST_STAGE,
  LAST_STAGE,
  noteText,
  stageNames,
} from "../shared/boot_stages.js";
import { bootDuration } from "../shared/boots.js";
import { escapeControls } from "../shared/escape_controls.js";
import {
  formatDuration,
  formatFileName,
  formatProtocol,
  formatRefusal,
  formatTransfer,
  refusalIn,
  transferIn,
} from "../shared/format.js";
import { bootBar, describeBoot, drawBoot, piecesOf } from "./boot_bar.js";
import { byId, copyable, element, write } from "./elements.js";
import { explanationOf } from "./explanation.js";
import { noteOf, NowView } from "./now_view.js";

/** @import { Boot, Step } from "../shared/boots.js" */
/** @import { Machine, Machines } from "./machines.js" */

/**
 * What is drawn: which version of which machine, and the elements that change
 * every second.
 *
 * @typedef {{mac: string, version: number, bar: HTMLElement, now: NowView, current: HTMLElement, last: HTMLElement, heard: HTMLElement}} Drawn
 */

const TIME = new Intl.DateTimeFormat([], {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat([], { dateStyle: "medium" });

/**
 * @param {number} at
 * @param {string} timestamp
 */
function timeElement(at, timestamp, withDay = false) {
  const date = new Date(at);
  const text = withDay
    ? `${DAY.format(date)}, ${TIME.format(date)}`
    : TIME.format(date);
  const made = element("time", "", text);
  made.dateTime = timestamp;
  made.title = timestamp;
  return made;
}

/** The view of one machine. */
export class Detail {
  #machines;
  #clock;
  #view = byId("machine");
  /** @type {Drawn | undefined} */
  #drawn;

  /**
   * @param {Machines} machines
   * @param {{now(): number}} clock
   */
  constructor(machines, clock) {
    this.#machines = machines;
    this.#clock = clock;
  }

  /** @param {string | undefined} mac `undefined` closes the view. */
  show(mac) {
    this.#view.hidden = mac === undefined;
    if (mac === undefined) {
      this.#drawn = undefined;
      this.#view.replaceChildren();
      return;
    }
    const machine = this.#machines.get(mac);
    if (machine === undefined) return this.#showUnknown(mac);
    const now = this.#clock.now();
    if (this.#drawn?.mac !== mac || this.#drawn.version !== machine.version) {
      this.#build(machine, now);
    }
    this.#tick(machine, now);
  }

  /** @param {string} mac */
  title(mac) {
    return this.#machines.get(mac)?.name || mac;
  }

  /** @param {string} mac */
  #showUnknown(mac) {
    this.#drawn = undefined;
    const text = this.#machines.hasState
      ? "The daemon does not know this machine: it has sent no DHCPv6 message since the daemon started."
      : "Connecting to the daemon…";
    if (this.#view.querySelector("p")?.textContent === text) return;
    this.#view.replaceChildren(back(), heading(mac), element("p", "", text));
  }

  /**
   * @param {Machine} machine
   * @param {number} now
   */
  #build(machine, now) {
    const { mac, version, address, boot, boots, name } = machine;
    const open = new Set(
      [...this.#view.querySelectorAll("details[open]")].map(({ id }) => id),
    );
    const focus = keyOfFocus(this.#view);
    const bar = bootBar("large");
    bar.setAttribute("aria-label", describeBoot(boot));
    const nowView = new NowView();
    const current = element("p", "current", ...nowView.parts);
    const heard = element("p", "muted heard");
    const table = this.#tableOf(boot, undefined, now);
    const earlier = boots.slice(0, -1).map((one, index) =>
      this.#earlier(one, boots[index + 1]?.steps[0]?.at, now, open)
    ).reverse();
    this.#view.replaceChildren(
      back(),
      heading(name || mac),
      element(
        "p",
        "addresses",
        copyable("mac", mac),
        copyable("address", address),
      ),
      current,
      bar,
      heard,
      element("h3", "", boots.length > 1 ? "This boot" : "Boot"),
      table.element,
      explanationOf(mac, open),
      ...(earlier.length === 0
        ? []
        : [element("h3", "", "Earlier boots"), ...earlier]),
    );
    restoreFocus(this.#view, focus);
    this.#drawn = {
      mac,
      version,
      bar,
      now: nowView,
      current,
      last: table.last,
      heard,
    };
  }

  /**
   * Updates what changes every second.
   *
   * @param {Machine} machine
   * @param {number} now
   */
  #tick(machine, now) {
    if (this.#drawn === undefined) return;
    const { usual } = this.#machines;
    const { bar, current, last, heard, now: view } = this.#drawn;
    const { boot } = machine;
    const progress = machine.progress(now, usual);
    view.show(progress, machine.stage, noteOf(boot));
    current.className = `current ${progress.kind}`;
    drawBoot(bar, piecesOf(boot, { now, usual, kind: progress.kind }));
    write(last, formatDuration(progress.elapsed, true));
    const silence = formatDuration(now - machine.lastHeard, true);
    write(heard, machine.lastHeard === 0 ? "" : `Last heard ${silence} ago`);
  }

  /**
   * @param {Boot} boot
   * @param {number | undefined} end When the next boot began.
   * @param {number} now
   * @param {Set<string>} open
   */
  #earlier(boot, end, now, open) {
    const first = /** @type {Step} */ (boot.steps[0]);
    const bar = bootBar();
    bar.setAttribute("aria-label", describeBoot(boot));
    drawBoot(bar, piecesOf(boot, { now, end }));
    const took = bootDuration(boot);
    const summary = element(
      "summary",
      "",
      timeElement(first.at, first.timestamp, true),
      element(
        "span",
        took === undefined ? "muted broken" : "muted",
        took === undefined
          ? lastOf(boot) === LAST_STAGE
            ? "system was up"
            : `stopped at: ${stageNames(lastOf(boot)).words}`
          : `booted in ${formatDuration(took)}`,
      ),
      bar,
    );
    const details = element(
      "details",
      "",
      summary,
      this.#tableOf(boot, end, now).element,
    );
    details.id = `boot-${first.timestamp}`;
    details.open = open.has(details.id);
    return details;
  }

  /**
   * A table of the events of a boot. `end`: when the next boot began.
   *
   * @param {Boot} boot
   * @param {number | undefined} end
   * @param {number} now
   */
  #tableOf(boot, end, now) {
    const body = element("tbody");
    let last = element("td");
    for (const step of boot.steps) {
      const lasted = element("td", "number");
      if (!step.isNote) {
        const until = step.end ?? end ?? now;
        lasted.textContent = formatDuration(until - step.at);
        if (step.end === undefined && end === undefined) last = lasted;
      }
      const usual = step.isNote
        ? undefined
        : this.#machines.usual.of(step.event);
      body.append(element(
        "tr",
        step.isNote ? "note" : "",
        element("td", "number", timeElement(step.at, step.timestamp)),
        this.#eventCell(step),
        lasted,
        element(
          "td",
          "number muted",
          usual === undefined ? "" : formatDuration(usual),
        ),
      ));
    }
    const head = element("tr");
    for (const text of ["Time", "Event", "Lasted", "Usually"]) {
      const cell = element("th", text === "Event" ? "" : "number", text);
      cell.scope = "col";
      head.append(cell);
    }
    return {
      element: element("table", "events", element("thead", "", head), body),
      last,
    };
  }

  /** @param {Step} step */
  #eventCell({ event, detail, skipped }) {
    const cell = element(
      "td",
      "event",
      element("span", "what", noteText(event) ?? stageNames(event).words),
      element("code", "", ...breakable(escapeControls(event))),
    );
    if (skipped) {
      cell.append(
        element("span", "muted", "earlier steps not seen"),
      );
    }
    const transfer = transferIn(detail);
    if (transfer !== null) {
      cell.append(element(
        "span",
        transfer.state === "error" ? "file failed" : "file",
        element("bdi", "", formatFileName(transfer)),
        ` over ${formatProtocol(transfer)}: ${formatTransfer(transfer)}`,
      ));
    }
    const refusal = refusalIn(detail);
    if (refusal !== null) {
      cell.append(element("span", "file failed", formatRefusal(refusal)));
    }
    return cell;
  }
}

/**
 * An event name with break opportunities behind its underscores.
 *
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
function breakable(text) {
  return text.split(/(?<=_)/).flatMap((part) => [part, element("wbr")]);
}

function back() {
  const link = element("a", "back", "All machines");
  link.href = "#";
  return link;
}

/** @param {string} text */
function heading(text) {
  const made = element("h2", "", text);
  made.tabIndex = -1;
  return made;
}

/** @param {Boot} boot */
function lastOf(boot) {
  return boot.steps.findLast(({ isNote }) => !isNote)?.event ?? FIRST_STAGE;
}

/**
 * The elements that can have the focus, in order.
 *
 * @param {HTMLElement} view
 * @returns {NodeListOf<HTMLElement>}
 */
function focusableIn(view) {
  return view.querySelectorAll("a, h2, button, summary");
}

/**
 * Which element has the focus, to restore it after a rebuild.
 *
 * @param {HTMLElement} view
 */
function keyOfFocus(view) {
  const focused = document.activeElement;
  const summary = focused?.closest("details")?.id;
  return {
    summary,
    index: [...focusableIn(view)].findIndex((one) => one === focused),
  };
}

/**
 * @param {HTMLElement} view
 * @param {ReturnType<typeof keyOfFocus>} key
 */
function restoreFocus(view, { summary, index }) {
  const target = summary !== undefined
    ? document.getElementById(summary)?.querySelector("summary")
    : focusableIn(view)[index];
  target?.focus({ preventScroll: true });
}
