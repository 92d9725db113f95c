/** Sample events of daemons for the tests of watch. */

import type { RefusalDetail } from "../../lib/machines/boot_refusal.ts";
import type { TransferDetail } from "../../lib/machines/transfer_progress.ts";
import type { MachineEvent } from "../../lib/watch/message.ts";

export const MAC = "02:00:5e:00:53:01";
export const ADDRESS = "2001:db8:1:2:0:200:5e00:5301";
export const OTHER_MAC = "02:00:5e:00:53:02";
export const OTHER_ADDRESS = "2001:db8:1:2:0:200:5e00:5302";

const START = Date.parse("2026-03-04T05:06:07.000Z");

/** A timestamp as daemons write it, so many seconds after a fixed time. */
export function timestamp(seconds: number): string {
  const at = new Date(START + Math.round(1000 * seconds));
  return at.toISOString().replace("Z", "000Z");
}

/** An event so many seconds after a fixed time. */
export function event(
  name: string,
  seconds: number,
  detail: Partial<TransferDetail> | Partial<RefusalDetail> | null = null,
): MachineEvent {
  return {
    event: name,
    timestamp: timestamp(seconds),
    repeat_event: false,
    detail,
  };
}

/** The same event again. */
export function again(
  name: string,
  seconds: number,
  detail: Partial<TransferDetail> | null = null,
): MachineEvent {
  return { ...event(name, seconds, detail), repeat_event: true };
}

/** A transfer of 4 MiB of which so many MiB have come. */
export function transfer(
  state: TransferDetail["state"],
  mebibytes: number,
  more: Partial<TransferDetail> = {},
): TransferDetail {
  return {
    protocol: "http",
    file_name: "boot.efi",
    state,
    sent_bytes: mebibytes * 2 ** 20,
    total_bytes: 4 * 2 ** 20,
    ...more,
  };
}

/** A machine of the state. */
export function machine(
  mac: string,
  address: string,
  ...events: MachineEvent[]
) {
  return { Mac: mac, IPv6Address: address, Events: events };
}
