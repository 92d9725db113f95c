/**
 * The page: machines as the daemon tells of them, drawn a few times a second.
 *
 * @module
 */

import { Connection } from "./connection.js";
import { Detail } from "./detail.js";
import { byId, say } from "./elements.js";
import { List } from "./list.js";
import { canonicalMac, Machines } from "./machines.js";

/** Least milliseconds between two drawings of what the daemon has told. */
const DRAW_INTERVAL = 100;

/** Most milliseconds between them, whatever one has cost. */
const MAX_DRAW_INTERVAL = 1000;

/** Milliseconds between two drawings of how time goes by. */
const TICK = 1000;

/** Milliseconds that a connection may be away before people are told. */
const PATIENCE = 700;

const machines = new Machines();
const banner = byId("away");
const overview = byId("overview");
const title = document.title;

let isDrawing = false;
let drawnAt = 0;
/** How long a drawing took last, in ms. */
let cost = 0;
let awayTimer = 0;

const connection = new Connection({
  state(state) {
    machines.replace(state, connection.clock.now());
    draw();
  },
  event(event) {
    machines.take(event);
    draw();
  },
  names(names) {
    machines.name(names);
    draw();
  },
  isConnected(is) {
    clearTimeout(awayTimer);
    if (!is) {
      awayTimer = setTimeout(() => showAway(true), PATIENCE);
    } else if (!banner.hidden) showAway(false);
  },
});

const list = new List(machines, connection.clock, () => drawNow(true));
const detail = new Detail(machines, connection.clock);
/** The machine whose view is open. */
let open = macInHash();
let scrolled = 0;

/** Draws soon, however often it is asked for that. Nobody sees a hidden page. */
function draw() {
  if (isDrawing || document.hidden) return;
  isDrawing = true;
  // What is slow leaves time for whoever scrolls and types. A machine that
  // slept meanwhile makes it seem very slow.
  const interval = Math.min(
    Math.max(DRAW_INTERVAL, 4 * cost),
    MAX_DRAW_INTERVAL,
  );
  setTimeout(() => drawNow(), drawnAt + interval - performance.now());
}

function drawNow(anew = false) {
  isDrawing = false;
  const begin = performance.now();
  detail.show(open);
  if (open === undefined) list.show(anew);
  document.title = open === undefined
    ? title
    : `${detail.title(open)} · ${title}`;
  drawnAt = performance.now();
  cost = drawnAt - begin;
}

/** @param {boolean} isAway */
function showAway(isAway) {
  banner.hidden = !isAway;
  document.documentElement.classList.toggle("offline", isAway);
  say(isAway ? banner.textContent : "Connected again");
}

/** The machine that the address names. */
function macInHash() {
  return canonicalMac(location.hash.slice(1).replaceAll(/%3a/gi, ":"));
}

function follow() {
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

addEventListener("hashchange", follow);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && open !== undefined) location.hash = "";
});
document.addEventListener("visibilitychange", () => draw());
setInterval(() => draw(), TICK);
byId("live").hidden = false;
follow();
connection.start();
