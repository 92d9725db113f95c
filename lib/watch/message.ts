/**
 * The messages of a daemon's event stream: the state of all machines, or one event.
 *
 * @module
 */

import type {
  RefusalDetail,
  TransferDetail,
} from "../../assets/shared/format.js";

/** An event of a machine; a later daemon may add fields. */
export interface MachineEvent {
  readonly event: string;
  /** RFC 3339, UTC. */
  readonly timestamp: string;
  /** Whether the machine was in that stage already. */
  readonly repeat_event: boolean;
  readonly detail: unknown;
}

/** A machine of the state, with the events that its daemon keeps. */
export interface KeptMachine {
  readonly mac: string;
  readonly address: string;
  /** The oldest first. */
  readonly events: readonly MachineEvent[];
  /** Whether it is `online`, `released` or `offline`, if the daemon says. */
  readonly state?: string;
  /** When it was last heard, in ms since 1970 by the daemon's clock. */
  readonly lastHeard?: number;
}

/** One message. */
export type Message =
  | { readonly kind: "state"; readonly machines: readonly KeptMachine[] }
  | {
    readonly kind: "event";
    readonly mac: string;
    readonly address: string;
    readonly event: MachineEvent;
  };

/**
 * Parses the data of an event of the stream; `undefined` if its kind is unknown.
 *
 * @throws {SyntaxError} if it is not JSON.
 */
export function readMessage(data: string): Message | undefined {
  const value: unknown = JSON.parse(data);
  // With ?mac= the state is one machine, or null if the daemon has not seen it.
  if (value === null) return { kind: "state", machines: [] };
  if (!isObject(value)) return undefined;
  if ("event" in value) return readEvent(value);
  if (isMachine(value)) return { kind: "state", machines: [machineOf(value)] };
  return {
    kind: "state",
    machines: Object.values(value).filter(isMachine).map(machineOf),
  };
}

function readEvent(value: Record<string, unknown>): Message | undefined {
  const { mac, ipv6_address, event } = value;
  return typeof mac === "string" && typeof ipv6_address === "string" &&
      isMachineEvent(event)
    ? { kind: "event", mac, address: ipv6_address, event }
    : undefined;
}

interface MachineValue {
  readonly Mac: string;
  readonly IPv6Address: string;
  readonly Events: readonly unknown[];
  readonly State?: unknown;
  readonly LastHeard?: unknown;
}

function machineOf(
  { Mac, IPv6Address, Events, State, LastHeard }: MachineValue,
): KeptMachine {
  const lastHeard = typeof LastHeard === "string" ? Date.parse(LastHeard) : NaN;
  return {
    ...typeof State === "string" && !Number.isNaN(lastHeard) &&
      { state: State, lastHeard },
    mac: Mac,
    address: IPv6Address,
    events: Events.filter(isMachineEvent),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMachine(value: unknown): value is MachineValue {
  return isObject(value) && typeof value.Mac === "string" &&
    typeof value.IPv6Address === "string" && Array.isArray(value.Events);
}

function isMachineEvent(value: unknown): value is MachineEvent {
  return isObject(value) && typeof value.event === "string" &&
    typeof value.timestamp === "string" &&
    !Number.isNaN(Date.parse(value.timestamp)) &&
    typeof value.repeat_event === "boolean";
}

/** The transfer in an event's detail; `undefined` if there is none. */
export function transferOf({ detail }: MachineEvent):
  | TransferDetail
  | undefined {
  return isObject(detail) && typeof detail.protocol === "string" &&
      typeof detail.file_name === "string" &&
      typeof detail.state === "string" &&
      typeof detail.sent_bytes === "number" &&
      typeof detail.total_bytes === "number" &&
      (detail.error === undefined || typeof detail.error === "string")
    ? detail as unknown as TransferDetail
    : undefined;
}

/** The refused request in a note's detail; `undefined` if there is none. */
export function refusalOf(detail: unknown): RefusalDetail | undefined {
  return isObject(detail) && typeof detail.protocol === "string" &&
      typeof detail.path === "string" && typeof detail.reason === "string"
    ? detail as unknown as RefusalDetail
    : undefined;
}
