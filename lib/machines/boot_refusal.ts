/**
 * Refused requests of booting machines: the `detail` of the note `boot_refused`.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { type TransferDetail, truncate } from "./transfer_progress.ts";

/** Why a request is refused, by cause. */
export const REFUSAL_REASONS = {
  not_found: "not found",
  broken_link: "the link leads to nothing",
  link_leads_out: "the link leads out of the netboot directory",
  permission_denied: "permission denied",
  no_file: "not a regular file",
  unreadable: "cannot be read",
  stalled: "the file system does not answer",
  file_changed: "the file has changed",
  no_netboot_dir: "not found, there is no netboot directory",
  no_boot_url: "no boot URL, --boot-url gives one",
  ipxe_not_started:
    "the firmware did not start iPXE: is Secure Boot on, or was the machine switched off?",
  not_listed: "not listed, there is no directory for this machine",
  malformed_path: "malformed path",
  no_mac: "no MAC in the path",
  malformed_request: "malformed request",
  wrong_method: "only reading is allowed",
  range_not_satisfiable: "the range begins after the end of the file",
  address_not_allowed: "the client's address is not allowed",
  host_not_served: "the host name is not served",
  too_long: "too long for the mode netascii",
  too_many_transfers: "too many transfers in progress",
} as const;

/** The cause of a refusal. */
export type RefusalCause = keyof typeof REFUSAL_REASONS;

/** The protocol of a request. */
export type RefusalProtocol = "dhcpv6" | TransferDetail["protocol"];

/** A refused request, in JSON. */
export interface RefusalDetail {
  readonly protocol: RefusalProtocol;
  /** What was requested, as the client sent it. */
  readonly path: string;
  /** One of {@linkcode REFUSAL_REASONS}. */
  readonly reason: string;
}

/** The detail of an event: of a transfer, or of a refused request. */
export type EventDetail = TransferDetail | RefusalDetail;

/** A refused request, with what only the log gets. */
export interface BootRefusal {
  readonly cause: RefusalCause;
  readonly protocol: RefusalProtocol;
  /** The client's address, without a zone. */
  readonly client: string;
  /** What was requested, as the client sent it. */
  readonly path: string;
  /** The MAC in the path, if it has one. */
  readonly mac: Mac | undefined;
  /** The path of this host that the cause is about. */
  readonly file?: string;
  /** What a link leads to, or the message of an error. */
  readonly problem?: string;
}

/** The detail of a refused request. */
export function refusalDetail(
  { cause, protocol, path }: BootRefusal,
): RefusalDetail {
  return { protocol, path: truncate(path), reason: REFUSAL_REASONS[cause] };
}

/** Whether a detail is about a refused request. */
export function isRefusal(detail: EventDetail | null): detail is RefusalDetail {
  return detail !== null && "reason" in detail;
}
