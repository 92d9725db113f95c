/**
 * All machines that the page knows, most recently changed first.
 *
 * @module
 */

import {
  beginsBoot,
  FIRST_STAGE,
  isRelease,
  isStage,
  JUMP,
  STAGES,
} from "../shared/boot_stages.js";
import { bootsOf, stagesOf } from "../shared/boots.js";
import { absenceOf, progressOf, UsualDurations } from "./progress.js";

/** @import * as daemon from "../../lib/machines/json.ts" */
/** @import { Boot, EventJson } from "../shared/boots.js" */
/** @import { Progress, Stage } from "./progress.js" */
/** @import { Order } from "./view.js" */

/**
 * What the daemon writes. The page takes over the arrays of events.
 *
 * @typedef {Omit<daemon.MachineJson, "Events"> & {Events: EventJson[]}} MachineJson
 * @typedef {Omit<daemon.MachineEventJson, "event"> & {event: EventJson}} MachineEventJson
 */

/** Machines that are remembered; the default of --max-machines. */
const MAX_MACHINES = 65_536;

/** Events of one machine that are remembered, as in the daemon. */
const MAX_EVENTS = 50;

/** Machines whose boots are sampled when the state arrives. */
const MAX_SAMPLED_MACHINES = 2000;

/** A machine, linked to its neighbors in the order of changes. */
export class Machine {
  /** @type {Machine | undefined} */
  newer;
  /** @type {Machine | undefined} */
  older;
  /** When its transfer last made progress, in ms by the daemon's clock. */
  lastProgress = 0;
  name = "";
  /** When it was last heard, in ms by the daemon's clock. */
  lastHeard = 0;
  /** Ms without a message after which it is offline. @type {number | undefined} */
  lifetime;
  /** Whether it has released its address since it was last heard. */
  isReleased = false;
  /** Incremented by every change. */
  version = 0;
  /** @type {Boot[] | undefined} */
  #boots;

  /**
   * @param {string} mac
   * @param {string} address
   * @param {EventJson[]} events
   */
  constructor(mac, address, events) {
    this.mac = mac;
    this.digits = mac.replaceAll(":", "");
    this.address = address;
    this.events = events;
    this.stage = stageIn(events);
  }

  /** Its boots, oldest first; there is at least one. */
  get boots() {
    this.#boots ??= bootsOf(this.events);
    if (this.#boots.length === 0) this.#boots.push({ steps: [] });
    return this.#boots;
  }

  /** The latest of its boots. */
  get boot() {
    return /** @type {Boot} */ (this.boots.at(-1));
  }

  /**
   * Takes over what the daemon's state says of its age, if it does.
   *
   * @param {MachineJson} machine
   */
  age({ LastHeard, ValidUntil, State }) {
    if (LastHeard === undefined || ValidUntil === undefined) return;
    this.lastHeard = Date.parse(LastHeard);
    this.lifetime = Date.parse(ValidUntil) - this.lastHeard;
    this.isReleased = State === "released";
  }

  /** @param {EventJson} event */
  heard(event) {
    this.lastHeard = Math.max(this.lastHeard, Date.parse(event.timestamp));
    this.isReleased = isRelease(event.event);
  }

  /** @param {EventJson} event */
  add(event) {
    this.events.push(event);
    if (this.events.length > MAX_EVENTS) this.events.shift();
    this.#changed();
  }

  /**
   * Replaces the detail of an event by that of a repetition.
   *
   * @param {EventJson} event
   */
  repeat(event) {
    if (!event.detail) return;
    const entry = this.events.findLast((one) => one.event === event.event);
    if (entry === undefined) return;
    entry.detail = event.detail;
    this.lastProgress = Date.parse(event.timestamp);
    this.#changed();
  }

  #changed() {
    this.stage = stageIn(this.events);
    this.#boots = undefined;
    this.version++;
  }

  /**
   * @param {number} now
   * @param {UsualDurations} usual
   * @returns {Progress}
   */
  progress(now, usual) {
    return absenceOf(this, now) ?? progressOf(
      this.stage,
      now,
      usual.of(this.stage.event),
      Math.max(this.lastProgress, this.stage.at),
    );
  }
}

/**
 * A machine's current stage. Computed at each change: it is read every second.
 *
 * @param {readonly EventJson[]} events
 * @returns {Stage}
 */
function stageIn(events) {
  const entry = events.findLast(({ event }) => isStage(event));
  return {
    event: entry?.event ?? FIRST_STAGE,
    at: Date.parse(entry?.timestamp ?? events[0]?.timestamp ?? ""),
    detail: entry?.detail ?? null,
  };
}

/** All machines. */
export class Machines {
  /** @type {Map<string, Machine>} */
  #byMac = new Map();
  /** @type {Machine | undefined} */
  #newest;
  /** @type {Machine | undefined} */
  #oldest;
  /** @type {Record<string, string>} */
  #names = {};
  /** By name, until a machine or a name changes. @type {Machine[] | undefined} */
  #byName;
  usual = new UsualDurations();
  /** That of all machines, as far as the state has it. @type {number | undefined} */
  #lifetime;
  /** Whether the daemon has sent its state. */
  hasState = false;

  get size() {
    return this.#byMac.size;
  }

  /** @param {string} mac */
  get(mac) {
    return this.#byMac.get(mac);
  }

  /**
   * Replaces all machines by the daemon's state.
   *
   * @param {Record<string, MachineJson>} state
   * @param {number} now By the daemon's clock, in ms.
   */
  replace(state, now) {
    const earlier = this.#byMac;
    this.#byMac = new Map();
    this.#byName = undefined;
    this.#newest = this.#oldest = undefined;
    this.usual = new UsualDurations();
    this.hasState = true;
    const all = Object.values(state);
    /**
     * Timestamps have one length: they sort as text.
     *
     * @param {MachineJson} machine
     */
    const last = ({ Events }) => Events[Events.length - 1]?.timestamp ?? "";
    all.sort((a, b) => last(a) < last(b) ? -1 : last(a) > last(b) ? 1 : 0);
    for (const entry of all) {
      const { Mac, IPv6Address, Events } = entry;
      const machine = this.#insert(new Machine(Mac, IPv6Address, Events));
      machine.age(entry);
      this.#lifetime = machine.lifetime ?? this.#lifetime;
      machine.version = (earlier.get(Mac)?.version ?? 0) + 1;
      // The state does not say when a transfer last made progress.
      machine.lastProgress = now;
    }
    let left = MAX_SAMPLED_MACHINES;
    for (const machine of this) {
      if (left-- === 0) break;
      this.#sample(machine);
    }
  }

  /**
   * Adds one event.
   *
   * @param {MachineEventJson} event
   * @returns The machine.
   */
  add({ mac, ipv6_address, event }) {
    const machine = this.#byMac.get(mac) ??
      this.#insert(new Machine(mac, ipv6_address, []));
    machine.address = ipv6_address;
    machine.lifetime ??= this.#lifetime;
    machine.heard(event);
    if (event.repeat_event) {
      machine.repeat(event);
      return machine;
    }
    const { event: stage, at } = machine.stage;
    const jumped = machine.events[machine.events.length - 1]?.event === JUMP;
    const isSample = machine.events.length > 0 && isStage(event.event) &&
      STAGES.has(stage) && !(jumped && beginsBoot(stage, event.event));
    machine.add(event);
    if (isSample) this.usual.add(stage, machine.stage.at - at);
    this.#moveToFront(machine);
    return machine;
  }

  /** @param {Record<string, string>} names By MAC. */
  setNames(names) {
    this.#names = names;
    for (const machine of this) {
      const name = nameIn(names, machine.mac);
      if (name === machine.name) continue;
      machine.name = name;
      machine.version++;
      this.#byName = undefined;
    }
  }

  /**
   * The machines in an order: by name, those without one by MAC behind them; else
   * most recently changed first.
   *
   * @param {Order} order
   * @returns {Iterable<Machine>}
   */
  in(order) {
    return order === "name"
      ? this.#byName ??= [...this].sort(compareNames)
      : this;
  }

  /** The machines, most recently changed first. */
  *[Symbol.iterator]() {
    for (
      let machine = this.#newest;
      machine !== undefined;
      machine = machine.older
    ) yield machine;
  }

  /** @param {Machine} machine */
  #insert(machine) {
    machine.name = nameIn(this.#names, machine.mac);
    this.#byMac.set(machine.mac, machine);
    this.#byName = undefined;
    this.#link(machine);
    if (this.#byMac.size > MAX_MACHINES && this.#oldest !== undefined) {
      this.#byMac.delete(this.#oldest.mac);
      this.#unlink(this.#oldest);
    }
    return machine;
  }

  /** @param {Machine} machine */
  #moveToFront(machine) {
    if (machine === this.#newest) return;
    this.#unlink(machine);
    this.#link(machine);
  }

  /** @param {Machine} machine */
  #link(machine) {
    machine.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = machine;
    this.#newest = machine;
    this.#oldest ??= machine;
  }

  /** @param {Machine} machine */
  #unlink(machine) {
    if (machine.newer === undefined) this.#newest = machine.older;
    else machine.newer.older = machine.older;
    if (machine.older === undefined) this.#oldest = machine.newer;
    else machine.older.newer = machine.newer;
    machine.newer = machine.older = undefined;
  }

  /** @param {Machine} machine */
  #sample(machine) {
    for (const boot of machine.boots) {
      const stages = stagesOf(boot);
      for (const [index, { event, at }] of stages.entries()) {
        const next = stages[index + 1];
        if (next !== undefined) this.usual.add(event, next.at - at);
      }
    }
  }
}

/** "rack-2" is before "rack-10". */
const { compare } = new Intl.Collator("en", { numeric: true });

/**
 * @param {Machine} a
 * @param {Machine} b
 */
function compareNames(a, b) {
  if (a.name !== b.name) {
    if (a.name === "") return 1;
    if (b.name === "") return -1;
    const order = compare(a.name, b.name);
    if (order !== 0) return order;
  }
  return a.mac < b.mac ? -1 : 1;
}

/**
 * @param {Record<string, string>} names
 * @param {string} mac
 */
function nameIn(names, mac) {
  return Object.hasOwn(names, mac) ? names[mac] ?? "" : "";
}

/**
 * A test for machines: by name, by MAC in any notation or a part of it, by
 * address in any notation or a part of it. An empty query matches all.
 *
 * @param {string} query
 * @returns {(machine: Machine) => boolean}
 */
export function matcher(query) {
  const text = query.trim().toLowerCase().replace(/^\[|\](:\d*)?$/g, "");
  if (text === "") return () => true;
  const stripped = text.replace(/[:.-]/g, "");
  const digits = /^[0-9a-f]{2,12}$/.test(stripped) ? stripped : undefined;
  const address = canonicalAddress(text);
  const mac = canonicalMac(text);
  return (machine) =>
    (mac !== undefined && machine.mac === mac) ||
    (digits !== undefined && machine.digits.includes(digits)) ||
    machine.address.includes(text) ||
    (address !== undefined && machine.address.includes(address)) ||
    machine.name.toLowerCase().includes(text);
}

/**
 * A MAC in any notation as the daemon writes it.
 *
 * @param {string} text
 */
export function canonicalMac(text) {
  const digits = text.toLowerCase().split(/[:-]/).map((group) =>
    // macOS omits leading zeros.
    group.padStart(2, "0")
  ).join("").replaceAll(".", "");
  return /^[0-9a-f]{12}$/.test(digits)
    ? digits.match(/../g)?.join(":")
    : undefined;
}

/** @param {string} text */
function canonicalAddress(text) {
  if (!/^[0-9a-f:]*:[0-9a-f:]*$/.test(text)) return undefined;
  try {
    return new URL(`http://[${text}]`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
}
