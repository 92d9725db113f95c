/**
 * The daemon, as the page hears it: its events, its names for machines, its
 * clock.
 *
 * @module
 */

/** @import { MachineEventJson, MachineJson } from "./machines.js" */

/** Milliseconds between two questions for names, which also set the clock. */
const NAMES_INTERVAL = 60_000;

/** Milliseconds before a stream that the browser has given up is opened again. */
const RETRY = 3000;

/** Milliseconds that a page was hidden after which its stream may be dead. */
const LONG_HIDDEN = 60_000;

/**
 * The daemon's clock. The browser's own may be wrong, and may be set while the
 * page is open: it only counts how much time has gone by.
 */
class Clock {
  #offset = Date.now() - performance.now();
  #isSet = false;

  /** Milliseconds since 1970, as the daemon would say. */
  now() {
    return performance.now() + this.#offset;
  }

  /**
   * Takes a Date header, which has whole seconds.
   *
   * @param {string | null} date
   * @param {number} asked When it was asked for, by `performance.now()`.
   */
  set(date, asked) {
    const seconds = Date.parse(date ?? "");
    if (Number.isNaN(seconds)) return;
    const between = (asked + performance.now()) / 2;
    const offset = seconds + 500 - between;
    // What it says is half a second off: a better guess is kept.
    if (this.#isSet && Math.abs(offset - this.#offset) <= 500) return;
    this.#offset = offset;
    this.#isSet = true;
  }

  /**
   * Takes the time of an event: it is not later than that now.
   *
   * @param {string} timestamp
   */
  isAfter(timestamp) {
    const offset = Date.parse(timestamp) - performance.now();
    if (!(this.#isSet && offset <= this.#offset)) this.#offset = offset;
    this.#isSet = true;
  }
}

/** @typedef {Record<string, MachineJson>} State All machines, by their MAC. */

/**
 * What a connection calls.
 *
 * @typedef {{
 *   state(state: State): void,
 *   event(event: MachineEventJson): void,
 *   names(names: Record<string, string>): void,
 *   isConnected(is: boolean): void,
 * }} Listener
 */

/**
 * Whether a message of the stream is an event and not the state.
 *
 * @param {State | MachineEventJson} message
 * @returns {message is MachineEventJson}
 */
function isEvent(message) {
  return typeof message.mac === "string";
}

/** Follows the daemon, and comes back to it whenever it was away. */
export class Connection {
  clock = new Clock();
  #told;
  /** @type {EventSource | undefined} */
  #source;
  #timer = 0;
  #hiddenSince = 0;

  /** @param {Listener} told */
  constructor(told) {
    this.#told = told;
  }

  start() {
    this.#open();
    setInterval(() => this.#askNames(), NAMES_INTERVAL);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#hiddenSince = performance.now();
      else if (performance.now() - this.#hiddenSince > LONG_HIDDEN) {
        this.#open();
      }
    });
  }

  #open() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const source = new EventSource("/events?resume=1");
    this.#source = source;
    source.onopen = () => {
      this.#told.isConnected(true);
      void this.#askNames();
    };
    source.onmessage = ({ data }) => this.#take(JSON.parse(data));
    source.onerror = () => {
      this.#told.isConnected(false);
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#open(), RETRY);
    };
  }

  /** @param {State | MachineEventJson} message */
  #take(message) {
    if (isEvent(message)) {
      this.clock.isAfter(message.event.timestamp);
      this.#told.event(message);
    } else this.#told.state(message);
  }

  async #askNames() {
    if (document.hidden || this.#source?.readyState !== EventSource.OPEN) {
      return;
    }
    const asked = performance.now();
    try {
      const response = await fetch("/names");
      if (!response.ok) return;
      this.clock.set(response.headers.get("date"), asked);
      this.#told.names(await response.json());
    } catch {
      // The stream tells whether the daemon is there.
    }
  }
}
