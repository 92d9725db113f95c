/**
 * The connection to the daemon: its events, its names for machines, its clock.
 *
 * @module
 */

/** @import { StatusJson } from "../../lib/machines/status.ts" */
/** @import { MachineEventJson, MachineJson } from "./machines.js" */

/** Milliseconds between two requests for names, which also set the clock. */
const NAMES_INTERVAL = 60_000;

/** Milliseconds between two requests for the state of the daemon. */
const STATUS_INTERVAL = 10_000;

/** Milliseconds before the page reopens a stream that the browser gave up. */
const RETRY_DELAY = 3000;

/**
 * Milliseconds after which a hidden page reopens its stream when it is shown: a
 * device that slept does not notice that the connection is gone.
 */
const HIDDEN_LIMIT = 60_000;

/**
 * The daemon's clock. The browser's own may be wrong and may be set while the
 * page is open, so only its monotonic clock is used.
 */
class Clock {
  #offset = Date.now() - performance.now();
  #isSet = false;

  /** Milliseconds since 1970 by the daemon's clock. */
  now() {
    return performance.now() + this.#offset;
  }

  /**
   * Sets the clock from a Date header, which has whole seconds.
   *
   * @param {string | null} date
   * @param {number} sentAt When the request was sent, by `performance.now()`.
   */
  set(date, sentAt) {
    const seconds = Date.parse(date ?? "");
    if (Number.isNaN(seconds)) return;
    const middle = (sentAt + performance.now()) / 2;
    const offset = seconds + 500 - middle;
    // A Date header is off by up to 500 ms: a better estimate is kept.
    if (this.#isSet && Math.abs(offset - this.#offset) <= 500) return;
    this.#offset = offset;
    this.#isSet = true;
  }

  /**
   * Sets the clock from an event, which is not later than now.
   *
   * @param {string} timestamp
   */
  setFromEvent(timestamp) {
    const offset = Date.parse(timestamp) - performance.now();
    if (!(this.#isSet && offset <= this.#offset)) this.#offset = offset;
    this.#isSet = true;
  }
}

/** @typedef {Record<string, MachineJson>} State All machines, by their MAC. */

/**
 * Gets what the daemon sends.
 *
 * @typedef {{
 *   state(state: State): void,
 *   event(event: MachineEventJson): void,
 *   names(names: Record<string, string>): void,
 *   status(status: StatusJson): void,
 *   connection(isConnected: boolean): void,
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

/** Subscribes to the daemon and reconnects whenever the connection ends. */
export class Connection {
  clock = new Clock();
  #listener;
  /** @type {EventSource | undefined} */
  #source;
  #timer = 0;
  #hiddenSince = 0;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  start() {
    this.#open();
    setInterval(() => this.#fetchNames(), NAMES_INTERVAL);
    setInterval(() => this.#fetchStatus(), STATUS_INTERVAL);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#hiddenSince = performance.now();
      else if (performance.now() - this.#hiddenSince > HIDDEN_LIMIT) {
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
      this.#listener.connection(true);
      void this.#fetchNames();
      void this.#fetchStatus();
    };
    source.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    source.onerror = () => {
      this.#listener.connection(false);
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#open(), RETRY_DELAY);
    };
  }

  /** @param {State | MachineEventJson} message */
  #receive(message) {
    if (isEvent(message)) {
      this.clock.setFromEvent(message.event.timestamp);
      this.#listener.event(message);
    } else this.#listener.state(message);
  }

  async #fetchNames() {
    const sentAt = performance.now();
    const response = await this.#fetch("/names");
    if (response === undefined) return;
    this.clock.set(response.headers.get("date"), sentAt);
    this.#listener.names(response.json);
  }

  async #fetchStatus() {
    const response = await this.#fetch("/status");
    if (response !== undefined) this.#listener.status(response.json);
  }

  /**
   * Headers and JSON of a path; `undefined` while the page is hidden or the
   * daemon cannot be reached, which the event stream reports.
   *
   * @param {string} path
   */
  async #fetch(path) {
    if (document.hidden || this.#source?.readyState !== EventSource.OPEN) {
      return undefined;
    }
    try {
      const response = await fetch(path);
      if (!response.ok) return undefined;
      return { headers: response.headers, json: await response.json() };
    } catch {
      return undefined;
    }
  }
}
