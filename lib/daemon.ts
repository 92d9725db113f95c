/**
 * The one place that knows all the parts: starts them, tells the operator what
 * they do, stops them.
 *
 * @module
 */

import { bootAddressesOf } from "./dhcpv6/boot_address.ts";
import { messageName } from "./dhcpv6/codes.ts";
import type { Packet } from "./dhcpv6/message.ts";
import type { Outcome, ResponderSettings } from "./dhcpv6/responder.ts";
import { type Dhcpv6Observer, Dhcpv6Server } from "./dhcpv6/server.ts";
import type { UrlTemplate } from "./dhcpv6/template.ts";
import { MAX_NO_MAC_SOURCES } from "./limits.ts";
import type { Log } from "./log.ts";
import { MachineRegistry } from "./machines/registry.ts";
import type { Interface } from "./net/interface.ts";
import { addressOf, formatIpv6, type GivenAddress } from "./net/ipv6.ts";
import { formatMac, NO_MAC } from "./net/mac.ts";
import { VERSION } from "./version.ts";

/** What a daemon is set up with. */
export interface DaemonSettings {
  readonly interfaceName: string;
  /** The UDP port of DHCPv6. */
  readonly port: number;
  readonly answers: Omit<ResponderSettings, "boot">;
  /** Where machines boot from; `undefined`: they get no instructions. */
  readonly template: UrlTemplate | undefined;
  /** This daemon's address in URLs, where it is not to be found out. */
  readonly bootAddress: GivenAddress | undefined;
  readonly maxMachines: number;
  /** What the operator should know, but need not change. */
  readonly notices: readonly string[];
}

/** Why a daemon cannot start: a sentence for the operator. */
export class StartError extends Error {
  override name = "StartError";
}

const MINUTE = 60_000;

/** Milliseconds without a message after which the operator is told why. */
const SILENCE = 5 * MINUTE;

/** Milliseconds that the last log lines get to be written. */
const LOG_FLUSH = 500;

/** What to say when somebody else holds a port. */
export function portTakenText(port: number, where: string): string {
  return `UDP port ${port} on ${where} is taken, as a rule by odhcpd, dnsmasq, Kea or a second dhcpv6macd; ` +
    `stop that one, or its DHCPv6 on this link (ss -ulpn "sport = ${port}" names it)`;
}

/** What is answered while the interface is as it is. */
export function responderSettingsFor(
  settings: DaemonSettings,
  link: Interface,
): ResponderSettings {
  const { answers, template, bootAddress } = settings;
  if (template === undefined) return { ...answers, boot: undefined };
  const found = bootAddressesOf(answers.links[0]!, link.addresses);
  return {
    ...answers,
    boot: {
      template,
      tftpAddress: bootAddress?.text ?? found.tftp,
      bootAddress: bootAddress?.text ?? found.http,
      builds: new Set(),
      instructs: () => true,
    },
  };
}

/** A running daemon. */
export class Daemon implements Dhcpv6Observer {
  readonly #settings: DaemonSettings;
  readonly #log: Log;
  readonly #machines: MachineRegistry;
  readonly #dhcpv6: Dhcpv6Server;
  readonly #noMacSources = new Map<string, number>();
  #silence: number | undefined;

  constructor(settings: DaemonSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
    this.#machines = new MachineRegistry(settings.maxMachines);
    this.#dhcpv6 = new Dhcpv6Server({
      interfaceName: settings.interfaceName,
      port: settings.port,
      settingsFor: (link) => responderSettingsFor(settings, link),
      observer: this,
    });
  }

  /**
   * Starts everything.
   *
   * @throws {StartError} if a port cannot be had.
   */
  start(): void {
    const { interfaceName, port, notices } = this.#settings;
    this.#log.info("starting", `dhcpv6macd ${VERSION}`, { version: VERSION });
    for (const notice of notices) this.#log.warning("notice", notice);
    try {
      this.#dhcpv6.start();
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) {
        throw new StartError(portTakenText(port, interfaceName));
      }
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new StartError(
          `UDP port ${port} may not be bound: run as root, or with the capability CAP_NET_BIND_SERVICE`,
        );
      }
      throw error;
    }
    this.#silence = setTimeout(() => this.#sayIfSilent(), SILENCE);
  }

  /** Stops everything, and waits for what was begun. */
  async stop(): Promise<void> {
    clearTimeout(this.#silence);
    this.#dhcpv6.stop();
    const { receivedInAll, answeredInAll, dropped } = this.#dhcpv6.counters;
    const drops = Object.entries(dropped).filter(([, count]) => count > 0);
    this.#log.info(
      "stopped",
      `stopped; of ${receivedInAll} DHCPv6 messages ${answeredInAll} were answered` +
        (drops.length === 0
          ? ""
          : `, and dropped: ${
            drops.map(([reason, count]) => `${count} ${reason}`).join(", ")
          }`),
      {
        received: receivedInAll,
        answered: answeredInAll,
        ...Object.fromEntries(drops),
      },
    );
    await this.#log.flush(LOG_FLUSH);
  }

  serving(link: Interface): void {
    const { answers, port } = this.#settings;
    const base = answers.links[0]!.text;
    this.#log.info(
      "serving",
      `serving ${link.name}: every machine gets the first 80 bits of ${base} and its MAC`,
      {
        interface: link.name,
        index: link.index,
        mac: formatMac(link.mac),
        base_address: base,
        port,
      },
    );
  }

  waiting(): void {
    const { interfaceName } = this.#settings;
    this.#log.warning(
      "waiting",
      `${interfaceName} is absent, down or has no usable link-local address yet; waiting for it`,
      { interface: interfaceName },
    );
  }

  addressTaken(address: string): void {
    const { port } = this.#settings;
    this.#log.warning(
      "address_taken",
      `${portTakenText(port, address)}; relays are not heard at that address`,
      { address, port },
    );
  }

  portTaken(): void {
    const { interfaceName, port } = this.#settings;
    this.#log.error("port_taken", portTakenText(port, interfaceName), {
      interface: interfaceName,
      port,
    });
  }

  handled(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void {
    const { identity, drop, link } = outcome;
    if (this.#log.writes("debug")) this.#logPacket(packet, outcome, sender);
    if (identity.mac === NO_MAC) {
      if (drop === "no_mac") this.#sayNoMac(sender.hostname);
      return;
    }
    if (drop !== undefined) return;
    let machine = this.#machines.see(identity.mac);
    if (machine === undefined) {
      machine = this.#machines.add(identity.mac);
      const mac = formatMac(identity.mac);
      const address = formatIpv6(addressOf(link!.base, identity.mac));
      this.#log.info(
        "machine_seen",
        `${mac} is here and gets ${address} (MAC from its ${
          SOURCE_WORDS[identity.source]
        })`,
        { mac, address, mac_source: identity.source },
      );
    }
    if (identity.otherMac !== NO_MAC && !machine.toldOfTwoMacs) {
      machine.toldOfTwoMacs = true;
      this.#sayTwoMacs(outcome);
    }
    if (outcome.note === "address_declined") this.#sayDeclined(outcome);
  }

  #sayTwoMacs({ identity }: Outcome): void {
    const mac = formatMac(identity.mac);
    const other = formatMac(identity.otherMac);
    this.#log.warning(
      "two_macs",
      `${mac} is what a machine's ${
        SOURCE_WORDS[identity.source]
      } says, but its ${
        SOURCE_WORDS[identity.otherSource]
      } says ${other}; the first counts, --mac-sources changes the order`,
      {
        mac,
        mac_source: identity.source,
        other_mac: other,
        other_mac_source: identity.otherSource,
      },
    );
  }

  #sayDeclined({ identity, link }: Outcome): void {
    const mac = formatMac(identity.mac);
    const address = formatIpv6(addressOf(link!.base, identity.mac));
    this.#log.warning(
      "address_declined",
      `${mac} found its address ${address} in use: another machine has it`,
      { mac, address },
    );
  }

  /** One line a minute for each address. */
  #sayNoMac(source: string): void {
    const now = performance.now();
    const last = this.#noMacSources.get(source);
    if (last !== undefined && now - last < MINUTE) return;
    if (this.#noMacSources.size >= MAX_NO_MAC_SOURCES) {
      for (const [address, time] of this.#noMacSources) {
        if (now - time >= MINUTE) this.#noMacSources.delete(address);
      }
      if (this.#noMacSources.size >= MAX_NO_MAC_SOURCES) return;
    }
    this.#noMacSources.set(source, now);
    this.#log.warning(
      "no_mac",
      `a message from ${source} names no MAC: its DUID holds none, and its link-local address is not made from one`,
      { source },
    );
  }

  #sayIfSilent(): void {
    if (this.#dhcpv6.counters.receivedInAll > 0) return;
    const { interfaceName, port } = this.#settings;
    this.#log.warning(
      "silence",
      `no DHCPv6 message in 5 minutes: machines ask only if router advertisements on ${interfaceName} have the M flag, and a firewall must let UDP port ${port} in`,
      { interface: interfaceName, port },
    );
  }

  #logPacket(packet: Packet, outcome: Outcome, sender: Deno.NetAddr): void {
    const { identity, drop, length } = outcome;
    const message = messageName(packet.type);
    const mac = identity.mac === NO_MAC ? undefined : formatMac(identity.mac);
    this.#log.debug(
      "packet",
      `${message} from ${sender.hostname} port ${sender.port}` +
        (packet.depth === 0 ? "" : ` through ${packet.depth} relays`) +
        (mac === undefined ? "" : `, MAC ${mac}`) +
        (drop === undefined ? `: ${length} octets back` : `: ${drop}`),
      {
        type: message,
        source: sender.hostname,
        port: sender.port,
        relays: packet.depth,
        mac,
        drop,
        answer_octets: drop === undefined ? length : undefined,
      },
    );
  }
}

const SOURCE_WORDS = {
  relay: "relay (option 79)",
  duid: "DUID",
  eui64: "link-local address",
} as const;
