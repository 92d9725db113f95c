/**
 * What the log says of machines: a line for each event, and for what an
 * operator must know besides.
 *
 * @module
 */

import { formatFileTransfer } from "../../assets/shared/format.js";
import type { ClientMac } from "../dhcpv6/reply/client_mac.ts";
import type { RogueServer } from "../dhcpv6/server/rogue_servers.ts";
import { escapeControls, type Log, type LogFields } from "../telemetry/log.ts";
import type { MachineWriter } from "../machines/json.ts";
import type { Names } from "../machines/names_file.ts";
import type { Machine } from "../machines/registry.ts";
import { type EventName, isNote, type Note } from "../machines/boot_stages.ts";
import type { TransferDetail } from "../machines/transfer_progress.ts";
import { formatMac, type Mac, NO_MAC } from "../net/mac.ts";

const MINUTE = 60_000;

/** Where a MAC was found, in words. */
const SOURCE_WORDS: Record<ClientMac["source"], string> = {
  relay: "relay (option 79)",
  duid: "DUID",
  eui64: "link-local address",
};

/**
 * How much an event matters. What only says again that a machine is where it
 * was is of level debug: a machine that renews its address does so all day.
 */
export function levelOf(
  event: EventName,
  repeat: boolean,
  detail: TransferDetail | null,
): "warning" | "info" | "debug" {
  if (isNote(event)) return "warning";
  return !repeat || detail !== null ? "info" : "debug";
}

/** Says what happens to machines. */
export class MachineLog {
  readonly #log: Log;
  readonly #names: Names;
  readonly #writer: MachineWriter;

  constructor(log: Log, names: Names, writer: MachineWriter) {
    this.#log = log;
    this.#names = names;
    this.#writer = writer;
  }

  /** One line for each event. */
  onEvent(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: TransferDetail | null,
  ): void {
    if (isNote(event)) return this.#noted(machine, event);
    const level = levelOf(event, repeat, detail);
    if (!this.#log.admits(level)) return;
    const { who, fields } = this.#about(machine.mac);
    const address = this.#addressOf(machine);
    const message = event === "init"
      ? `${who} is here and gets ${address}${sourceText(machine)}`
      : `${who}: ${event}${detail === null ? "" : ` ${transferText(detail)}`}`;
    this.#log[level](event, message, {
      ...fields,
      address,
      ...event === "init" && { mac_source: machine.macSource },
      ...repeat && { repeat_event: true },
      ...detail,
    });
  }

  /** A machine has come to another link. */
  moved(machine: Machine): void {
    if (!this.#log.admits("info")) return;
    const { who, fields } = this.#about(machine.mac);
    const address = this.#addressOf(machine);
    this.#log.info(
      "machine_moved",
      `${who} is on another link and gets ${address}${sourceText(machine)}`,
      { ...fields, address, mac_source: machine.macSource },
    );
  }

  /** A message names two MACs. */
  twoMacs({ mac, source, otherMac, otherSource }: ClientMac): void {
    const { who, fields } = this.#about(mac);
    const other = formatMac(otherMac);
    this.#log.warning(
      "two_macs",
      `${who} is what a machine's ${SOURCE_WORDS[source]} says, but its ${
        SOURCE_WORDS[otherSource]
      } says ${other}; the first counts, --mac-sources changes the order`,
      {
        ...fields,
        mac_source: source,
        other_mac: other,
        other_mac_source: otherSource,
      },
    );
  }

  /** Clients have turned to another server. */
  rogueServer(
    { duid, mac, misaddressedClient }: RogueServer,
    interfaceName: string,
  ): void {
    const server = mac === NO_MAC ? undefined : formatMac(mac);
    const named = `${interfaceName}, ${
      server === undefined ? "" : `with MAC ${server} and `
    }DUID ${escapeControls(duid)}`;
    const fields = { server_duid: duid, server_mac: server };
    if (misaddressedClient === undefined) {
      return this.#log.info(
        "other_server",
        `another DHCPv6 server answers on ${named}; no other address than the right one was seen from it`,
        fields,
      );
    }
    const { who, fields: machine } = this.#about(misaddressedClient.mac);
    this.#log.warning(
      "other_server",
      `${who} has ${misaddressedClient.address} instead of ${misaddressedClient.ownAddress}, from another DHCPv6 server on ${named}: stop that one, or give both the same base address`,
      {
        ...machine,
        address: misaddressedClient.ownAddress,
        other_address: misaddressedClient.address,
        ...fields,
      },
    );
  }

  /** One line a minute for each machine. */
  #noted(machine: Machine, note: Note): void {
    const now = performance.now();
    if (now - machine.notedAt < MINUTE) return;
    machine.notedAt = now;
    const { who, fields } = this.#about(machine.mac);
    const address = this.#addressOf(machine);
    this.#log.warning(
      note,
      note === "address_declined"
        ? `${who} found its address ${address} in use: another machine has it`
        : `${who} boots by PXE, but there is no iPXE for its architecture`,
      { ...fields, address },
    );
  }

  #about(mac: Mac): { who: string; fields: LogFields } {
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

function sourceText({ macSource }: Machine): string {
  return macSource === undefined
    ? ""
    : ` (MAC from its ${SOURCE_WORDS[macSource as ClientMac["source"]]})`;
}

/** The file of a transfer and how much of it the client has, in words. */
export function transferText(detail: TransferDetail): string {
  return formatFileTransfer(detail);
}
