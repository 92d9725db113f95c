/**
 * Which DHCPv6 message or transfer means which event of which machine. The
 * rules are pure functions; {@linkcode MachineTracker} applies them to the
 * registry, and has no clock, socket or log.
 *
 * @module
 */

import type { Outcome } from "../dhcpv6/reply/responder.ts";
import type { Subnet } from "../dhcpv6/reply/subnet.ts";
import type { ClientMac } from "../dhcpv6/reply/client_mac.ts";
import { type DropReason, MessageType } from "../dhcpv6/wire/constants.ts";
import { isIpxeName, isOptional, isScriptName } from "../boot_files/ipxe.ts";
import type { PathProblem } from "../boot_files/served_roots.ts";
import {
  type BootRefusal,
  isRefusal,
  refusalDetail,
} from "../machines/boot_refusal.ts";
import type { Stage } from "../machines/boot_stages.ts";
import type { Machine, MachineRegistry } from "../machines/registry.ts";
import {
  PROGRESS_STEP,
  type ReportedTransfer,
  type TransferDetail,
} from "../machines/transfer_progress.ts";
import {
  addressOf,
  BASE_BYTES,
  equalBytes,
  formatIpv6,
  IPV6_LENGTH,
  isLinkLocal,
  macOfAddress,
  macOfEui64,
  macOfInterfaceId,
  parseIpv6,
} from "../net/ipv6.ts";
import { formatMac, type Mac, NO_MAC } from "../net/mac.ts";
import {
  NEW_MACHINE_BURST,
  NEW_MACHINE_BURST_OTHER,
  NEW_MACHINES_PER_SECOND,
  REFUSAL_BURST,
} from "../overload/limits.ts";
import { TokenBucket } from "../overload/token_bucket.ts";

/**
 * Whether a message is a reason to remember its client, and which token bucket
 * an unknown client takes a token from: a Solicit is the first message of every
 * client, and needs a larger rate than all others.
 */
export type Admission = "none" | "solicit" | "other";

/**
 * The admission of a message's client. Clients that got no reply, or only
 * information, have no address from this daemon and are not remembered.
 */
export function admissionOf(
  type: number,
  drop: DropReason | undefined,
  mac: Mac,
): Admission {
  if (mac === NO_MAC || drop !== undefined) return "none";
  if (type === MessageType.InformationRequest) return "none";
  return type === MessageType.Solicit ? "solicit" : "other";
}

/** Whether a client gives up its own address with a message. */
export function isReleaseOf(
  type: number,
  { hasReleased, note }: Pick<Outcome, "hasReleased" | "note">,
): boolean {
  return type === MessageType.Release
    ? hasReleased === true
    : note === "address_declined";
}

const NO_STAGES: readonly Stage[] = [];
const SERVING: readonly Stage[] = ["serve_ipxe_over_tftp"];
const SERVED: readonly Stage[] = [
  "serve_ipxe_over_tftp",
  "served_ipxe_over_tftp",
];

/** The stages that the download of a boot file means. */
export const FETCHING: readonly Stage[] = ["http_fetch_uki"];

/**
 * The stages that a report of a TFTP transfer means. iPXE's script is none, nor is
 * a file of the machine that does not boot, such as a configuration.
 *
 * @param isIpxe Whether the file is an iPXE, or its script, of this daemon.
 * @param isBoot Whether the machine boots a file of this name.
 */
export function tftpStagesOf(
  { file_name, state }: Pick<TransferDetail, "file_name" | "state">,
  isIpxe: boolean,
  isBoot: boolean,
): readonly Stage[] {
  if (!isIpxe && !isIpxeName(file_name)) return isBoot ? FETCHING : NO_STAGES;
  if (isScriptName(file_name.replace(/.*\//s, ""))) return NO_STAGES;
  return state === "complete" ? SERVED : SERVING;
}

/**
 * The subnet in which an address is the machine's own: the derived address in
 * any subnet, or its EUI-64 link-local address, which is on the interface and
 * so in the first. -1 if it belongs to another machine: a request from there
 * does not prove that the machine exists.
 *
 * @param client An IPv6 address without a zone.
 */
export function subnetIndexOf(
  mac: Mac,
  client: string,
  subnets: readonly Subnet[],
): number {
  const address = parseIpv6(client);
  if (address === undefined) return -1;
  if (isLinkLocal(address)) return macOfEui64(address) === mac ? 0 : -1;
  return subnets.findIndex(({ bytes }) =>
    equalBytes(addressOf(bytes, mac), 0, address, 0, IPV6_LENGTH)
  );
}

/**
 * The MAC of the machine that an address belongs to: by a derived address in any
 * subnet, or by an EUI-64 interface identifier under any prefix. `NO_MAC` if the
 * address does not tell.
 *
 * @param client An IPv6 address without a zone.
 */
export function macOfClient(client: string, subnets: readonly Subnet[]): Mac {
  const address = parseIpv6(client);
  if (address === undefined) return NO_MAC;
  const isDerived = subnets.some(({ bytes }) =>
    equalBytes(bytes, 0, address, 0, BASE_BYTES)
  );
  return isDerived ? macOfAddress(address) : macOfInterfaceId(address);
}

/** A report of a transfer. */
export interface TransferProgress {
  /** The machine whose file it is. */
  readonly mac: Mac;
  /** The client's address. */
  readonly client: string;
  readonly detail: TransferDetail;
  readonly transfer: ReportedTransfer;
  /** The stages that the report means. */
  readonly stages: readonly Stage[];
}

/** Gets what an operator should know and the registry does not report. */
export interface MachineTrackerObserver {
  /** A machine has sent a message through another subnet than before. */
  onMoved(machine: Machine): void;
  /** The sources of a message's MAC contradict each other. */
  onTwoMacs(clientMac: ClientMac): void;
  /**
   * A request was refused.
   *
   * @param machine `undefined` if the client's address is no known machine's.
   */
  onRefused(machine: Machine | undefined, refusal: BootRefusal): void;
}

/** The machines that the boot policy lets boot from the network. */
export interface BootList {
  /** Whether a machine gets boot instructions. */
  isListed(mac: Mac): boolean;
  /** Which file a machine lacks that gets no boot instructions, if any. */
  whyUnlisted(mac: Mac): PathProblem | undefined;
  /** A machine has sent a message. */
  onMessage?(mac: Mac): void;
  /** A machine has got a boot URL. */
  onBootUrl?(mac: Mac): void;
  /** A machine's system is up. */
  onSystem?(mac: Mac): void;
}

/** Events of machines that get a boot URL. */
const BOOT_URL_EVENTS: ReadonlySet<Stage> = new Set<Stage>([
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
  "point_ipxe_to_http_boot",
  "point_loader_to_boot_file",
]);

/** Events that do not come from an iPXE which firmware has loaded. */
const NOT_FROM_IPXE: ReadonlySet<Stage> = new Set<Stage>([
  "firmware_init",
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
  "os_init",
]);

/** Records in the registry what messages and transfers say about machines. */
export class MachineTracker {
  readonly #registry: MachineRegistry;
  readonly #subnets: readonly Subnet[];
  readonly #observer: MachineTrackerObserver;
  readonly #bootList: BootList | undefined;
  readonly #buckets = {
    solicit: new TokenBucket(NEW_MACHINE_BURST, NEW_MACHINES_PER_SECOND),
    other: new TokenBucket(NEW_MACHINE_BURST_OTHER, NEW_MACHINES_PER_SECOND),
  };
  readonly #refusals = new TokenBucket(REFUSAL_BURST, NEW_MACHINES_PER_SECOND);
  /** The transfer of each machine's boot that goes on. */
  readonly #transfers = new Map<Mac, ReportedTransfer>();

  constructor(
    registry: MachineRegistry,
    subnets: readonly Subnet[],
    observer: MachineTrackerObserver,
    bootList?: BootList,
  ) {
    this.#registry = registry;
    this.#subnets = subnets;
    this.#observer = observer;
    this.#bootList = bootList;
  }

  /** New machines that were not remembered because of the rate limit. */
  get rejected(): number {
    return this.#buckets.solicit.refused + this.#buckets.other.refused;
  }

  /**
   * Records a message that was handled.
   *
   * @param type The client's message type.
   * @param now Milliseconds of a monotonic clock.
   */
  onMessage(type: number, outcome: Outcome, now: number): void {
    const { clientMac, drop, subnet, event, note, loader } = outcome;
    const admission = admissionOf(type, drop, clientMac.mac);
    if (admission === "none") return;
    const known = this.#registry.see(clientMac.mac);
    if (known === undefined && !this.#buckets[admission].tryTake(now)) return;
    const subnetIndex = this.#subnets.indexOf(subnet!);
    const machine = known ??
      this.#registry.add(clientMac.mac, subnetIndex, clientMac.source);
    if (machine.subnetIndex !== subnetIndex) {
      machine.subnetIndex = subnetIndex;
      this.#observer.onMoved(machine);
    }
    const isReleased = isReleaseOf(type, outcome);
    machine.heard(now, isReleased);
    if (clientMac.otherMac !== NO_MAC) this.#observer.onTwoMacs(clientMac);
    if (event !== undefined) {
      // Firmware may renew its address while it loads.
      const isLoading = this.#transfers.has(clientMac.mac) &&
        (type === MessageType.Renew || type === MessageType.Rebind);
      if (!isLoading) {
        this.#checkIpxe(machine, event, now);
        this.#reach(machine, event);
      }
      if (BOOT_URL_EVENTS.has(event)) {
        this.#bootList?.onBootUrl?.(clientMac.mac);
      }
      if (event === "os_init") this.#bootList?.onSystem?.(clientMac.mac);
    }
    this.#bootList?.onMessage?.(clientMac.mac);
    if (note !== undefined) this.#registry.note(machine, note);
    if (loader !== undefined) this.#noteLoader(machine, loader, now);
    // Firmware releases its address before it starts what it has loaded.
    if (
      isReleased && type === MessageType.Release && machine.stage === "os_init"
    ) this.#registry.note(machine, "released");
    if (event === "firmware_init") this.#checkListed(machine, now);
  }

  /** Records a stage; what the machine has loaded before is over. */
  #reach(machine: Machine, stage: Stage): void {
    if (stage !== machine.stage) this.#transfers.delete(machine.mac);
    this.#registry.reach(machine, stage);
  }

  /**
   * Records it when there is no boot URL for a boot loader.
   *
   * @param loader What it is, in words.
   */
  #noteLoader(machine: Machine, loader: string, now: number): void {
    this.#refuse(machine, {
      cause: "no_boot_url",
      protocol: "dhcpv6",
      client: this.#addressOf(machine),
      path: loader,
      mac: machine.mac,
    }, now);
  }

  /** Records it when a machine has loaded iPXE, and something else goes on. */
  #checkIpxe(machine: Machine, event: Stage, now: number): void {
    if (
      machine.stage !== "served_ipxe_over_tftp" || !NOT_FROM_IPXE.has(event)
    ) {
      return;
    }
    const { mac } = machine;
    this.#refuse(machine, {
      cause: "ipxe_not_started",
      protocol: "tftp",
      client: this.#addressOf(machine),
      path: `${formatMac(mac)}/${this.#ipxeNameOf(machine)}`,
      mac,
    }, now);
  }

  /** The name of the iPXE that a machine has loaded last. */
  #ipxeNameOf(machine: Machine): string {
    let name = "ipxe.efi";
    for (const { event, detail } of this.#registry.eventsOf(machine)) {
      if (
        event === "serve_ipxe_over_tftp" && detail !== null &&
        !isRefusal(detail)
      ) name = detail.file_name;
    }
    return name;
  }

  /** Records it when the boot policy gives a machine's firmware no URL. */
  #checkListed(machine: Machine, now: number): void {
    const { mac } = machine;
    const problem = this.#bootList?.whyUnlisted(mac);
    if (problem === undefined) return;
    const { kind, path: file, detail } = problem;
    this.#refuse(machine, {
      cause: kind === "not_found" || kind === "no_file" ? "not_listed" : kind,
      protocol: "dhcpv6",
      client: this.#addressOf(machine),
      path: `${formatMac(mac)}/`,
      mac,
      file,
      problem: detail,
    }, now);
  }

  #addressOf({ mac, subnetIndex }: Machine): string {
    return formatIpv6(addressOf(this.#subnets[subnetIndex]!.bytes, mac));
  }

  /**
   * Records a report of a transfer. Those of a transfer that belongs to an earlier
   * boot, or in whose place another one has come, are ignored: a client that was
   * switched off is noticed late.
   *
   * @param now Milliseconds of a monotonic clock.
   */
  onTransfer(
    { mac, client, detail, transfer, stages }: TransferProgress,
    now: number,
  ): void {
    const [stage, ...further] = stages;
    if (stage === undefined) return;
    const isCurrent = this.#transfers.get(mac) === transfer;
    const { isOver } = transfer;
    if (isCurrent && isOver) this.#transfers.delete(mac);
    const machine = this.#machineOf(mac, client, now);
    if (machine === undefined) return;
    const begins = transfer.reports === 1 &&
      (transfer.start === 0 ||
        machine.stage === stage && this.#continues(mac, transfer));
    if (!begins && !isCurrent) return;
    if (begins && !isOver) this.#transfers.set(mac, transfer);
    this.#registry.reach(machine, stage, detail);
    for (const next of further) this.#registry.reach(machine, next);
  }

  /**
   * Whether a transfer that is resumed goes on where the machine's last one is, and
   * is no second one beside it.
   */
  #continues(mac: Mac, { start }: ReportedTransfer): boolean {
    const current = this.#transfers.get(mac);
    return current === undefined ||
      Math.abs(start - current.position) <= PROGRESS_STEP;
  }

  /**
   * The machine whose own address an address is, or `NO_MAC`. Addresses that a
   * person has chosen, such as `::7`, look like MACs that begin with zeros: they
   * count only if there is such a machine.
   */
  macOf(client: string): Mac {
    const mac = macOfClient(client, this.#subnets);
    if (subnetIndexOf(mac, client, this.#subnets) === -1) return NO_MAC;
    return mac < 2 ** 24 && this.#registry.get(mac) === undefined
      ? NO_MAC
      : mac;
  }

  /** Whether an address is that of a known machine. */
  isMachine(client: string): boolean {
    const mac = macOfClient(client, this.#subnets);
    return mac !== NO_MAC && this.#registry.get(mac) !== undefined;
  }

  /**
   * Records a request that was refused. Only requests from a machine's own
   * address are noted on its timeline, whatever MAC their path names. No machine
   * becomes known by a TFTP request, whose source is easily forged, or by a
   * client elsewhere, which chooses its interface identifier. That a shim does not
   * find what hardly anybody has is no refusal.
   *
   * @param now Milliseconds of a monotonic clock.
   */
  onRefused(refusal: BootRefusal, now: number): void {
    const { cause, client, protocol, path } = refusal;
    if (cause === "not_found" && isOptional(path)) return;
    const mac = macOfClient(client, this.#subnets);
    const isCredible = mac === refusal.mac && protocol !== "tftp" &&
      cause !== "address_not_allowed";
    const machine = mac === NO_MAC
      ? undefined
      : isCredible
      ? this.#machineOf(mac, client, now)
      : this.#registry.see(mac);
    this.#refuse(machine, refusal, now);
  }

  #refuse(
    machine: Machine | undefined,
    refusal: BootRefusal,
    now: number,
  ): void {
    this.#observer.onRefused(machine, refusal);
    if (machine === undefined || !this.#refusals.tryTake(now)) return;
    this.#registry.refuse(machine, refusalDetail(refusal));
  }

  /** The machine of a request whose path names a MAC. */
  #machineOf(mac: Mac, client: string, now: number): Machine | undefined {
    const known = this.#registry.see(mac);
    if (known !== undefined) {
      // Another host may load a machine's files.
      if (macOfClient(client, this.#subnets) === mac) known.heard(now);
      return known;
    }
    const subnetIndex = subnetIndexOf(mac, client, this.#subnets);
    return subnetIndex === -1 || !this.#buckets.other.tryTake(now)
      ? undefined
      : this.#registry.add(mac, subnetIndex);
  }
}
