/**
 * The entry point of the page: connects to the daemon and draws its machines.
 *
 * @module
 */

import { Connection } from "./connection.js";
import { Detail } from "./detail.js";
import { announce, byId } from "./elements.js";
import { List } from "./list.js";
import { canonicalMac, Machines } from "./machines.js";
import { showStatus } from "./status.js";

/** Milliseconds between two drawings of changes, at least. */
const MIN_DRAW_INTERVAL = 100;

/** Milliseconds between them at most, however long a drawing takes. */
const MAX_DRAW_INTERVAL = 1000;

/** Milliseconds between two drawings of durations that grow. */
const TICK_INTERVAL = 1000;

/** Milliseconds without a connection before the banner is shown. */
const BANNER_DELAY = 700;

const machines = new Machines();
const banner = byId("away");
const overview = byId("overview");
const title = document.title;

let isDrawing = false;
let drawnAt = 0;
/** How long the last drawing took, in ms. */
let drawDuration = 0;
let bannerTimer = 0;

const connection = new Connection({
  state(state) {
    machines.replace(state, connection.clock.now());
    draw();
  },
  event(event) {
    machines.add(event);
    draw();
  },
  names(names) {
    machines.setNames(names);
    draw();
  },
  status: showStatus,
  connection(isConnected) {
    clearTimeout(bannerTimer);
    if (!isConnected) {
      bannerTimer = setTimeout(() => showBanner(true), BANNER_DELAY);
    } else if (!banner.hidden) showBanner(false);
  },
});

const list = new List(machines, connection.clock, () => drawNow(true));
const detail = new Detail(machines, connection.clock);
/** The MAC of the machine whose view is open. */
let open = macInHash();
let scrolled = 0;

/** Schedules a drawing, unless one is scheduled or the page is hidden. */
function draw() {
  if (isDrawing || document.hidden) return;
  isDrawing = true;
  // Slow drawings must leave time for input. The maximum is for a device that
  // slept during a drawing, which then seems very slow.
  const interval = Math.min(
    Math.max(MIN_DRAW_INTERVAL, 4 * drawDuration),
    MAX_DRAW_INTERVAL,
  );
  setTimeout(() => drawNow(), drawnAt + interval - performance.now());
}

/** @param isReordered Whether rows may move although the list is in use. */
function drawNow(isReordered = false) {
  isDrawing = false;
  const begin = performance.now();
  detail.show(open);
  if (open === undefined) list.show(isReordered);
  document.title = open === undefined
    ? title
    : `${detail.title(open)} · ${title}`;
  drawnAt = performance.now();
  drawDuration = drawnAt - begin;
}

/** @param {boolean} isShown */
function showBanner(isShown) {
  banner.hidden = !isShown;
  document.documentElement.classList.toggle("offline", isShown);
  announce(isShown ? banner.textContent : "Connected again");
}

/** The MAC in the fragment of the URL. */
function macInHash() {
  return canonicalMac(location.hash.slice(1).replaceAll(/%3a/gi, ":"));
}

/** Shows the machine that the fragment of the URL names, or the list. */
function navigate() {
  const before = open;
  open = macInHash();
  if (before === undefined && open !== undefined) scrolled = scrollY;
  overview.hidden = open !== undefined;
  drawNow(before !== open && open === undefined);
  if (open !== undefined) {
    scrollTo(0, 0);
    byId("machine").querySelector("h2")?.focus({ preventScroll: true });
  } else if (before !== undefined) {
    scrollTo(0, scrolled);
    /** @type {HTMLElement | null} */
    const link = document.querySelector(`#rows a.name[href="#${before}"]`);
    link?.focus({ preventScroll: true });
  }
}

addEventListener("hashchange", navigate);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && open !== undefined) location.hash = "";
});
document.addEventListener("visibilitychange", () => draw());
setInterval(() => draw(), TICK_INTERVAL);
byId("live").hidden = false;
navigate();
connection.start();
