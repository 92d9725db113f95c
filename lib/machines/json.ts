/**
 * Machines and events in JSON, as the API and the event stream have them. The
 * page imports the types of this file, so that it must not depend on Deno.
 *
 * @module
 */

import { addressOf, formatIpv6, type ParsedAddress } from "../net/ipv6.ts";
import { formatMac, type Mac } from "../net/mac.ts";
import type { MachineEvent } from "./event_history.ts";
import type { Machine, MachineRegistry } from "./registry.ts";
import type { EventName } from "./boot_stages.ts";
import { formatTimestamp, type Timestamp } from "./event_clock.ts";
import { MAX_STATE_LINE_BYTES } from "../overload/limits.ts";
import type { EventDetail } from "./boot_refusal.ts";
import { type Presence, presenceOf } from "./presence.ts";

/** An event in JSON. */
export interface EventJson {
  readonly event: EventName;
  /** RFC 3339, UTC. */
  readonly timestamp: string;
  /** Whether the machine was in this stage already. */
  readonly repeat_event: boolean;
  readonly detail: EventDetail | null;
}

/** A machine with its history, oldest event first. */
export interface MachineJson {
  readonly Mac: string;
  readonly IPv6Address: string;
  readonly Events: readonly EventJson[];
  /** When it was last heard: RFC 3339, UTC. */
  readonly LastHeard?: string;
  /** When its address expires unless it is heard before. */
  readonly ValidUntil?: string;
  readonly State?: Presence;
}

/** An event with its machine. */
export interface MachineEventJson {
  readonly mac: string;
  readonly ipv6_address: string;
  readonly event: EventJson;
}

/** Why clients are not served: a drop reason, or a prefix of another link. */
export type UnservedCause =
  | "answer_too_long"
  | "packet_too_long"
  | "relay_too_deep"
  | "too_many_options"
  | "link_unknown"
  | "mac_not_allowed"
  | "no_mac"
  | "prefix_absent";

/** Clients that are not served for one cause on one link. */
export interface UnservedJson {
  readonly cause: UnservedCause;
  /** The link's /64; `null` if a relay has named none. */
  readonly link: string | null;
  /** Messages since the daemon has started. */
  readonly count: number;
  /** The client of the latest message. */
  readonly mac: string | null;
  /** The source address of the latest message: the client, or its relay. */
  readonly source: string | null;
  /** When the latest message arrived: RFC 3339, UTC. */
  readonly timestamp: string | null;
  /** What is wrong, and the remedy. */
  readonly message: string;
}

const encoder = new TextEncoder();

/** Milliseconds by which the wall clock is corrected at least. */
const CLOCK_CORRECTION = 20;

/** Writes the machines and events of a registry. */
export class MachineWriter {
  readonly #registry: MachineRegistry;
  readonly #subnets: readonly ParsedAddress[];
  readonly #validLifetime: number | undefined;
  /** The wall clock minus the monotonic clock, in milliseconds. */
  #clockOffset = NaN;

  /**
   * @param subnets The base addresses, in the order of `subnetIndex`.
   * @param validLifetime Seconds; without it, machines are written without the
   * members that tell their age.
   */
  constructor(
    registry: MachineRegistry,
    subnets: readonly ParsedAddress[],
    validLifetime?: number,
  ) {
    this.#registry = registry;
    this.#subnets = subnets;
    this.#validLifetime = validLifetime;
  }

  /** The IPv6 address of a MAC in a subnet. */
  address(mac: Mac, subnetIndex: number): string {
    return formatIpv6(addressOf(this.#subnets[subnetIndex]!.bytes, mac));
  }

  /** A machine with its events up to a sequence number. */
  machine(machine: Machine, sequence?: number): MachineJson {
    const { mac, subnetIndex } = machine;
    return {
      Mac: formatMac(mac),
      IPv6Address: this.address(mac, subnetIndex),
      Events: Array.from(
        this.#registry.eventsOf(machine, sequence),
        ({ event, timestamp, detail }) =>
          eventJson(event, timestamp, false, detail),
      ),
      ...this.#age(machine),
    };
  }

  /** When a machine was last heard, and its state as of now. */
  #age({ lastHeard, isReleased }: Machine): Partial<MachineJson> {
    if (this.#validLifetime === undefined) return {};
    const lifetime = 1000 * this.#validLifetime;
    const now = performance.now();
    const silence = now - lastHeard;
    const offset = Date.now() - now;
    // Two answers give the same time, unless the wall clock was corrected between.
    if (!(Math.abs(offset - this.#clockOffset) < CLOCK_CORRECTION)) {
      this.#clockOffset = offset;
    }
    const heard = this.#clockOffset + lastHeard;
    return {
      LastHeard: formatTimestamp(Math.round(1000 * heard)),
      ValidUntil: formatTimestamp(Math.round(1000 * (heard + lifetime))),
      State: presenceOf(isReleased, silence, lifetime),
    };
  }

  /** All machines by their MAC as pieces of JSON, as of a sequence number. */
  machines(sequence: number): Generator<string> {
    return objectByMac(this.#entries(sequence));
  }

  /**
   * The same as lines of JSON without their line feeds: one for each machine, more
   * for one that would exceed {@linkcode MAX_STATE_LINE_BYTES}.
   */
  *machineLines(sequence: number): Generator<string> {
    // The last line so far: whether a comma follows is not known yet.
    let line = "{";
    let separator = "";
    for (const [mac, machine] of this.#entries(sequence)) {
      if (separator !== "") yield line + separator;
      const lines = linesOf(machine);
      if (separator !== "") line = "";
      line += `"${formatMac(mac)}":${lines[0]}`;
      for (const next of lines.slice(1)) {
        yield line;
        line = next;
      }
      separator = ",";
    }
    yield `${line}}`;
  }

  /** An event with its machine. */
  event(machineEvent: MachineEvent): MachineEventJson {
    const { mac, subnetIndex, event, timestamp, repeat, detail } = machineEvent;
    return {
      mac: formatMac(mac),
      ipv6_address: this.address(mac, subnetIndex),
      event: eventJson(event, timestamp, repeat, detail),
    };
  }

  *#entries(sequence: number): Generator<[Mac, MachineJson]> {
    for (const machine of this.#registry.at(sequence)) {
      yield [machine.mac, this.machine(machine, sequence)];
    }
  }
}

/** A machine as lines of JSON; more than one if it is very long. */
export function linesOf(machine: MachineJson): string[] {
  const text = JSON.stringify(machine);
  if (!isTooLong(text)) return [text];
  const { Events, ...rest } = machine;
  const lines: string[] = [];
  // Ends in `[`: the events and `]}` follow.
  let line = JSON.stringify({ ...rest, Events: [] }).slice(0, -2);
  for (const [index, event] of Events.entries()) {
    const next = JSON.stringify(event) +
      (index < Events.length - 1 ? "," : "]}");
    if (isTooLong(line + next)) {
      lines.push(line);
      line = "";
    }
    line += next;
  }
  return [...lines, line];
}

/** Whether the UTF-8 of a text exceeds the limit of a line. */
function isTooLong(text: string): boolean {
  // A UTF-16 code unit takes 3 bytes at most.
  return 3 * text.length > MAX_STATE_LINE_BYTES &&
    encoder.encode(text).length > MAX_STATE_LINE_BYTES;
}

/** A JSON object with one member for each MAC, as pieces of text. */
export function* objectByMac(
  entries: Iterable<readonly [Mac, unknown]>,
): Generator<string> {
  let start = "{";
  for (const [mac, value] of entries) {
    yield `${start}"${formatMac(mac)}":${JSON.stringify(value)}`;
    start = ",";
  }
  yield start === "{" ? "{}" : "}";
}

function eventJson(
  event: EventName,
  timestamp: Timestamp,
  repeat: boolean,
  detail: EventDetail | null,
): EventJson {
  return {
    event,
    timestamp: formatTimestamp(timestamp),
    repeat_event: repeat,
    detail,
  };
}
