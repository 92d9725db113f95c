/**
 * Log lines about machines: one for each event, and warnings about what an
 * operator should look at.
 *
 * @module
 */

import { FIRST_STAGE, LAST_STAGE } from "../../assets/shared/boot_stages.js";
import {
  bootDuration,
  bootsOf,
  isWholeBoot,
  stagesOf,
} from "../../assets/shared/boots.js";
import {
  formatDetail,
  formatProtocol,
  transferIn,
} from "../../assets/shared/format.js";
import type { ClientMac } from "../dhcpv6/reply/client_mac.ts";
import type { RogueServer } from "../dhcpv6/server/rogue_servers.ts";
import { type Log, type LogFields } from "../telemetry/log.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import {
  type BootRefusal,
  type EventDetail,
  REFUSAL_REASONS,
} from "../machines/boot_refusal.ts";
import type { MachineWriter } from "../machines/json.ts";
import type { Names } from "../machines/names_file.ts";
import type { Machine } from "../machines/registry.ts";
import { truncate } from "../machines/transfer_progress.ts";
import {
  type EventName,
  isNote,
  type Note,
  severityOf,
} from "../machines/boot_stages.ts";
import { formatMac, type Mac, NO_MAC } from "../net/mac.ts";
import type { MachineTrackerObserver } from "./machine_tracker.ts";
import { MINUTE } from "../telemetry/throttle.ts";

const HOUR = 60 * MINUTE;

/** Where a MAC was found, in words. */
const SOURCE_WORDS: Record<ClientMac["source"], string> = {
  relay: "relay (option 79)",
  duid: "DUID",
  eui64: "link-local address",
};

/** Logs what happens to machines. */
export class MachineLog implements MachineTrackerObserver {
  readonly #log: Log;
  readonly #names: Names;
  readonly #writer: MachineWriter;

  constructor(log: Log, names: Names, writer: MachineWriter) {
    this.#log = log;
    this.#names = names;
    this.#writer = writer;
  }

  /** Logs an event. */
  onEvent(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: EventDetail | null,
  ): void {
    // `onRefused` logs it with what the event does not hold.
    if (event === "boot_refused") return;
    if (event === "released") return this.#logRelease(machine);
    if (isNote(event)) return this.#logNote(machine, event);
    const level = severityOf(event, repeat, transferIn(detail)?.state);
    if (!this.#log.tryTakeLine(level)) return;
    const { who, fields } = this.#describe(machine.mac);
    const address = this.#addressOf(machine);
    const message = event === "init"
      ? `${who}: new machine, address ${address}${sourceText(machine)}`
      : `${who}: ${event}${detail === null ? "" : ` ${formatDetail(detail)}`}`;
    this.#log[level](event, message, {
      ...fields,
      address,
      ...event === "init" && { mac_source: machine.macSource },
      ...repeat && { repeat_event: true },
      ...detail,
    });
    if (event === LAST_STAGE && !repeat) this.#logBoot(machine);
  }

  /** Logs a boot that has ended with the running system. */
  #logBoot(machine: Machine): void {
    const boot = bootsOf(this.#writer.machine(machine).Events).at(-1);
    if (boot === undefined || !isWholeBoot(boot)) return;
    if (!this.#log.tryTakeLine("info")) return;
    const { who, fields } = this.#describe(machine.mac);
    const took = bootDuration(boot);
    if (took === undefined) {
      return this.#log.info(
        "boot_succeeded",
        `${who}: booted; the clock was set meanwhile, so the duration is not known`,
        { ...fields, address: this.#addressOf(machine) },
      );
    }
    const stages = stagesOf(boot).filter(({ event, end }) =>
      event !== FIRST_STAGE && end !== undefined
    ).map(({ event, at, end }) => [event, seconds(end! - at)] as const);
    this.#log.info(
      "boot_succeeded",
      `${who}: booted in ${seconds(took)} s (${
        stages.map(([event, lasted]) => `${event} ${lasted} s`).join(", ")
      })`,
      {
        ...fields,
        address: this.#addressOf(machine),
        boot_seconds: seconds(took),
        ...Object.fromEntries(
          stages.map(([event, lasted]) => [`${event}_seconds`, lasted]),
        ),
      },
    );
  }

  onMoved(machine: Machine): void {
    if (!this.#log.tryTakeLine("info")) return;
    const { who, fields } = this.#describe(machine.mac);
    const address = this.#addressOf(machine);
    this.#log.info(
      "machine_moved",
      `${who}: moved to another subnet, address ${address}${
        sourceText(machine)
      }`,
      { ...fields, address, mac_source: machine.macSource },
    );
  }

  onTwoMacs({ mac, source, otherMac, otherSource }: ClientMac): void {
    const throttle = { key: formatMac(mac), every: HOUR };
    if (!this.#log.isDue("two_macs", throttle)) return;
    const { who, fields } = this.#describe(mac);
    const other = formatMac(otherMac);
    this.#log.warning(
      "two_macs",
      `${who}: using the MAC of its ${SOURCE_WORDS[source]}, but its ${
        SOURCE_WORDS[otherSource]
      } has ${other} (--mac-sources sets the order)`,
      {
        ...fields,
        mac_source: source,
        other_mac: other,
        other_mac_source: otherSource,
      },
    );
  }

  /**
   * Logs a refused request, at most once a minute for each client and cause. A
   * client that is no known machine has an event name of its own, so that its
   * lines use up no limit of machines' lines.
   */
  onRefused(machine: Machine | undefined, refusal: BootRefusal): void {
    const { cause, protocol, client, file, problem } = refusal;
    const path = truncate(refusal.path);
    const event = machine === undefined ? "request_refused" : "boot_refused";
    // A machine that is not listed boots from its disk, as the operator wants.
    const level = cause === "not_listed" ? "info" : "warning";
    if (!this.#log.isEnabled(level)) return;
    const throttle = {
      key: `${machine?.mac ?? client} ${cause}`,
      every: MINUTE,
    };
    if (!this.#log.isDue(event, throttle)) return;
    if (level === "info" && !this.#log.tryTakeLine(level)) return;
    const { who, fields } = machine === undefined
      ? { who: client, fields: {} }
      : this.#describe(machine.mac);
    this.#log[level](
      event,
      `${who}: refused ${escapeControls(path) || "a request"} over ${
        formatProtocol({ protocol })
      }: ${REFUSAL_REASONS[cause]}${hintOf(refusal)}`,
      {
        ...fields,
        client,
        protocol,
        path,
        reason: REFUSAL_REASONS[cause],
        file,
        problem,
      },
    );
  }

  /** Logs another DHCPv6 server on the link. */
  onRogueServer(
    { duid, mac, misaddressedClient }: RogueServer,
    interfaceName: string,
  ): void {
    const server = mac === NO_MAC ? undefined : formatMac(mac);
    const id = `${server === undefined ? "" : `MAC ${server}, `}DUID ${duid}`;
    const fields = { server_duid: duid, server_mac: server };
    if (misaddressedClient === undefined) {
      return this.#log.info(
        "other_server",
        `another DHCPv6 server on ${interfaceName} (${id}) gives the same addresses`,
        fields,
      );
    }
    const { address, ownAddress } = misaddressedClient;
    const { who, fields: machine } = this.#describe(misaddressedClient.mac);
    this.#log.warning(
      "other_server",
      `${who}: has ${address} instead of ${ownAddress} from another DHCPv6 server on ${interfaceName} (${id}); stop that server`,
      { ...machine, address: ownAddress, other_address: address, ...fields },
    );
  }

  #logRelease(machine: Machine): void {
    if (!this.#log.tryTakeLine("info")) return;
    const { who, fields } = this.#describe(machine.mac);
    const address = this.#addressOf(machine);
    this.#log.info("released", `${who}: released ${address}`, {
      ...fields,
      address,
    });
  }

  #logNote(
    machine: Machine,
    note: Exclude<Note, "boot_refused" | "released">,
  ): void {
    const throttle = { key: formatMac(machine.mac), every: MINUTE };
    if (!this.#log.isDue(note, throttle)) return;
    const { who, fields } = this.#describe(machine.mac);
    const address = this.#addressOf(machine);
    this.#log.warning(
      note,
      note === "address_declined"
        ? `${who}: declined ${address}, another host on the link uses it`
        : `${who}: no iPXE for its architecture, it gets no boot file`,
      { ...fields, address },
    );
  }

  #describe(mac: Mac): { who: string; fields: LogFields } {
    const text = formatMac(mac);
    const name = this.#names.of(mac);
    return name === undefined ? { who: text, fields: { mac: text } } : {
      who: `${text} (${escapeControls(name)})`,
      fields: { mac: text, name },
    };
  }

  #addressOf({ mac, subnetIndex }: Machine): string {
    return this.#writer.address(mac, subnetIndex);
  }
}

/** Where the cause of a refusal is, and its remedy. */
function hintOf({ cause, client, file, problem }: BootRefusal): string {
  const where = escapeControls(file ?? "");
  const target = escapeControls(problem ?? "");
  switch (cause) {
    case "permission_denied":
      return `, the daemon's user may not read ${where}`;
    case "link_leads_out":
      return `, ${where} leads to ${target} (--netboot-follow allows that)`;
    case "broken_link":
      return `, ${where} leads to ${target}`;
    case "no_netboot_dir":
      return " (set --netboot-dir)";
    case "not_listed":
      return ` (--boot-policy listed, ${where})`;
    case "address_not_allowed":
      return `: ${client} (--http-allow allows it)`;
    case "unreadable":
      return `, ${where}: ${target}`;
    default:
      return file === undefined ? "" : ` (${where})`;
  }
}

/** Milliseconds in seconds, with one decimal as the log has them. */
function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}

function sourceText({ macSource }: Machine): string {
  return macSource === undefined
    ? ""
    : ` (MAC from ${SOURCE_WORDS[macSource as ClientMac["source"]]})`;
}
