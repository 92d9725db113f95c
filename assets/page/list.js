/**
 * The list of machines.
 *
 * @module
 */

import { bootDuration } from "../shared/boots.js";
import { formatDuration } from "../shared/format.js";
import { bootBar, describeBoot, drawBoot, piecesOf } from "./boot_bar.js";
import { byId, copyable, element, write } from "./elements.js";
import { matcher } from "./machines.js";
import { noteOf, NowView } from "./now_view.js";
import { KINDS, searchOf, viewIn } from "./view.js";

/** @import { Boot } from "../shared/boots.js" */
/** @import { Machine, Machines } from "./machines.js" */
/** @import { UsualDurations } from "./progress.js" */
/** @import { Filter, Order, View } from "./view.js" */

/** Rows at first, and rows that "Show more" adds. */
const FIRST_ROWS = 100;
const MORE_ROWS = 400;

/** Milliseconds after a use of the pointer in which no row moves. */
const POINTER_HOLD = 2000;

/** One machine's row. */
class Row {
  element = element("tr");
  #name = element("a", "name");
  #mac = copyable("mac", "");
  #address = copyable("address", "");
  #bar = bootBar();
  #more = element("a", "more");
  #now = new NowView();
  #drawn = -1;
  #stage = "";

  /** @param {Machine} machine */
  constructor(machine) {
    const who = element(
      "th",
      "who",
      this.#name,
      element("span", "addresses", this.#mac, this.#address),
    );
    who.scope = "row";
    const cells = [
      who,
      element("td", "boot", this.#bar),
      element("td", "now", ...this.#now.parts, this.#more),
    ];
    this.element.append(...cells);
    // CSS changes their layout on a narrow screen, which removes implicit roles.
    this.element.setAttribute("role", "row");
    who.setAttribute("role", "rowheader");
    for (const cell of cells.slice(1)) cell.setAttribute("role", "cell");
    const link = `#${machine.mac}`;
    this.#name.href = link;
    this.#more.href = link;
    this.#stage = machine.stage.event;
  }

  /**
   * @param {Machine} machine
   * @param {number} now
   * @param {UsualDurations} usual
   */
  show(machine, now, usual) {
    const progress = machine.progress(now, usual);
    const { boot } = machine;
    const isNew = this.#drawn !== machine.version;
    if (isNew) this.#showMachine(machine, boot);
    if (this.element.className !== progress.kind) {
      this.element.className = progress.kind;
    }
    this.#now.show(progress, machine.stage, noteOf(boot));
    if (isNew || progress.kind !== "up") {
      drawBoot(this.#bar, piecesOf(boot, { now, usual, kind: progress.kind }));
    }
  }

  /**
   * @param {Machine} machine
   * @param {Boot} boot
   */
  #showMachine(machine, boot) {
    this.#drawn = machine.version;
    write(this.#name, machine.name || machine.mac);
    this.#name.classList.toggle("unnamed", machine.name === "");
    write(this.#mac, machine.mac);
    this.#mac.hidden = machine.name === "";
    write(this.#address, machine.address);
    const described = describeBoot(boot);
    this.#bar.setAttribute("aria-label", described);
    this.#bar.title = described;
    const took = bootDuration(boot);
    const earlier = machine.boots.length - 1;
    write(
      this.#more,
      [
        took === undefined ? "" : `booted in ${formatDuration(took)}`,
        earlier === 0
          ? ""
          : `${earlier} earlier ${earlier === 1 ? "boot" : "boots"}`,
      ].filter((text) => text !== "").join(", "),
    );
    if (machine.stage.event === this.#stage) return;
    this.#stage = machine.stage.event;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    this.element.animate(
      [{ backgroundColor: "var(--flash)" }, {}],
      { duration: 900, easing: "ease-out" },
    );
  }
}

/** The list with its search, filters, order and limit. */
export class List {
  #machines;
  #clock;
  #body = byId("rows");
  #search = /** @type {HTMLInputElement} */ (byId("search"));
  #table = byId("machines");
  #tools = byId("tools");
  #none = byId("none");
  #empty = byId("empty");
  #more = byId("more");
  #newer = byId("newer");
  #filters = [...byId("filters").querySelectorAll("button")];
  #order = /** @type {HTMLSelectElement} */ (byId("order"));
  #compact = byId("compact");
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Machine[]} */
  #shown = [];
  #limit = FIRST_ROWS;
  #view = viewIn(location.search);
  #heldUntil = 0;

  /**
   * @param {Machines} machines
   * @param {{now(): number}} clock
   * @param {() => void} onChange Called when the user changes what is shown.
   */
  constructor(machines, clock, onChange) {
    this.#machines = machines;
    this.#clock = clock;
    this.#search.value = this.#view.query;
    this.#showView();
    /** @param {Partial<View>} changes */
    const change = (changes) => {
      this.#view = { ...this.#view, ...changes };
      this.#limit = FIRST_ROWS;
      this.#showView();
      history.replaceState(
        null,
        "",
        location.pathname + searchOf(this.#view) + location.hash,
      );
      onChange();
    };
    this.#search.addEventListener("input", () => {
      change({ query: this.#search.value.trim() });
    });
    this.#search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.#search.value = "";
        change({ query: "" });
      } else if (event.key === "ArrowDown") {
        event.preventDefault();
        nameLinkIn(this.#body)?.focus();
      }
    });
    this.#body.addEventListener("keydown", (event) => this.#moveFocus(event));
    for (const type of ["pointermove", "pointerdown"]) {
      this.#body.addEventListener(type, () => {
        this.#heldUntil = performance.now() + POINTER_HOLD;
      }, { passive: true });
    }
    this.#more.addEventListener("click", () => {
      this.#limit += MORE_ROWS;
      onChange();
    });
    this.#newer.addEventListener("click", () => {
      this.#search.focus({ preventScroll: true });
      this.#heldUntil = 0;
      scrollTo({ top: 0 });
      onChange();
    });
    for (const button of this.#filters) {
      button.addEventListener("click", () => {
        change({ filter: filterOf(button) });
      });
    }
    this.#order.addEventListener("change", () => {
      change({ order: /** @type {Order} */ (this.#order.value) });
    });
    this.#compact.addEventListener("click", () => {
      change({ isCompact: !this.#view.isCompact });
    });
  }

  /** Shows which view is chosen. */
  #showView() {
    const { filter, order, isCompact } = this.#view;
    for (const button of this.#filters) {
      button.setAttribute("aria-pressed", String(filterOf(button) === filter));
    }
    this.#order.value = order;
    this.#compact.setAttribute("aria-pressed", String(isCompact));
    this.#table.classList.toggle("compact", isCompact);
  }

  /** @param isReordered Whether rows may move although the list is in use. */
  show(isReordered = false) {
    const now = this.#clock.now();
    const { usual } = this.#machines;
    const { wanted, found } = this.#select(now);
    const isHeld = !isReordered && this.#isInUse();
    const isOther = wanted.length !== this.#shown.length ||
      wanted.some(({ mac }, index) => mac !== this.#shown[index]?.mac);
    this.#newer.hidden = !(isHeld && isOther);
    // Rows that are held still show changes of their machines.
    this.#shown = isHeld
      ? this.#shown.map(({ mac }) => this.#machines.get(mac)).filter((one) =>
        one !== undefined
      )
      : wanted;
    this.#place(this.#shown);
    for (const machine of this.#shown) {
      this.#rows.get(machine.mac)?.show(machine, now, usual);
    }
    const rest = found - wanted.length;
    this.#more.hidden = rest <= 0;
    write(this.#more, `Show more (${rest.toLocaleString("en")} left)`);
    this.#showTexts(found);
  }

  /**
   * The machines to show, and how many match. Shows how many are in each state.
   *
   * @param {number} now
   */
  #select(now) {
    const { usual, size } = this.#machines;
    const { query, filter, order } = this.#view;
    const matches = matcher(query);
    const counts = { all: size, stuck: 0, booting: 0, up: 0, offline: 0 };
    /** Stuck machines come first in every order. @type {Machine[][]} */
    const groups = KINDS.map(() => []);
    let found = 0;
    for (const machine of this.#machines.in(order)) {
      const { kind } = machine.progress(now, usual);
      counts[kind]++;
      if (filter !== "all" && filter !== kind) continue;
      if (!matches(machine)) continue;
      found++;
      const group = order === "state"
        ? KINDS.indexOf(kind)
        : Number(kind !== "stuck");
      groups[group]?.push(machine);
    }
    for (const button of this.#filters) {
      const count = counts[filterOf(button)];
      const label = /** @type {Element} */ (button.lastElementChild);
      write(label, count.toLocaleString("en"));
      button.dataset.none = String(count === 0);
    }
    return { wanted: groups.flat().slice(0, this.#limit), found };
  }

  /** Whether the list is in use, so that no row may move. */
  #isInUse() {
    return this.#shown.length > 0 &&
      (this.#body.contains(document.activeElement) ||
        performance.now() < this.#heldUntil ||
        this.#table.getBoundingClientRect().top < -40);
  }

  /** @param {Machine[]} machines */
  #place(machines) {
    /** @type {Map<string, Row>} */
    const rows = new Map();
    let next = this.#body.firstElementChild;
    for (const machine of machines) {
      const row = this.#rows.get(machine.mac) ?? new Row(machine);
      rows.set(machine.mac, row);
      if (row.element === next) next = next.nextElementSibling;
      else this.#body.insertBefore(row.element, next);
    }
    while (next !== null) {
      const gone = next;
      next = next.nextElementSibling;
      gone.remove();
    }
    this.#rows = rows;
  }

  /** @param {number} found */
  #showTexts(found) {
    const isEmpty = this.#machines.hasState && this.#machines.size === 0;
    this.#empty.hidden = !isEmpty;
    this.#tools.hidden = isEmpty;
    this.#table.hidden = found === 0;
    const isNone = found === 0 && this.#machines.size > 0;
    this.#none.hidden = !isNone;
    if (isNone) {
      write(
        this.#none,
        this.#view.query === ""
          ? "No machine is in this state."
          : `No machine has “${this.#view.query}” in its name, MAC or address.`,
      );
    }
  }

  /**
   * Moves the focus to the next machine with the arrow keys.
   *
   * @param {KeyboardEvent} event
   */
  #moveFocus(event) {
    const isUp = event.key === "ArrowUp";
    if (!isUp && event.key !== "ArrowDown") return;
    const row = /** @type {Element} */ (event.target).closest("tr");
    if (row === null) return;
    event.preventDefault();
    const other = isUp ? row.previousElementSibling : row.nextElementSibling;
    (nameLinkIn(other) ?? (isUp ? this.#search : undefined))?.focus();
  }
}

/**
 * The name link of the first machine in an element.
 *
 * @param {Element | null} within
 * @returns {HTMLElement | null | undefined}
 */
function nameLinkIn(within) {
  return within?.querySelector("a.name");
}

/** @param {HTMLButtonElement} button One of the filters. */
function filterOf({ value }) {
  return /** @type {Filter} */ (value);
}
