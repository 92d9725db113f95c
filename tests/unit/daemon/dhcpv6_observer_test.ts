import { assertEquals, assertMatch } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { parseCommandLine } from "../../../lib/cli/options.ts";
import { configOf } from "../../../lib/cli/config.ts";
import { DaemonDhcpv6Observer } from "../../../lib/daemon/dhcpv6_observer.ts";
import { MachineLog } from "../../../lib/daemon/machine_log.ts";
import {
  MachineTracker,
  tftpStagesOf,
} from "../../../lib/daemon/machine_tracker.ts";
import type { TransferDetail } from "../../../lib/machines/transfer_progress.ts";
import { NamesLog } from "../../../lib/daemon/operator_log.ts";
import { RogueServerDetector } from "../../../lib/dhcpv6/server/rogue_servers.ts";
import { Responder } from "../../../lib/dhcpv6/reply/responder.ts";
import {
  MAX_OWN_DUIDS,
  MAX_ROGUE_SERVERS,
  MAX_UNSERVED,
} from "../../../lib/overload/limits.ts";
import { MachineWriter } from "../../../lib/machines/json.ts";
import { Names } from "../../../lib/machines/names_file.ts";
import { MachineRegistry } from "../../../lib/machines/registry.ts";
import { MAX_DHCPV6_REPLY } from "../../../lib/dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../../../lib/dhcpv6/wire/duid.ts";
import { Log } from "../../../lib/telemetry/log.ts";
import { parseIpv6 } from "../../../lib/net/ipv6.ts";
import { hex, iaNa, message, opt, relayed } from "../../support/dhcpv6.ts";
import type { AddressState } from "../../../lib/net/address_states.ts";
import type { NetworkInterface } from "../../../lib/net/interface.ts";
import { presentFiles } from "../../support/option_files.ts";

const DUID = "000300010200000000aa";
const EUI = "fe80::5054:ff:fe12:3456";
const OWN = "2001:db8:1:2:0:5254:12:3456";
const UUID = opt(1, "000400112233445566778899aabbccddeeff");
const DETAIL = {
  protocol: "tftp",
  file_name: "ipxe.efi",
  total_bytes: 9,
} as const;

/** The interface of these tests, with global addresses. */
function interfaceWith(...addresses: string[]): NetworkInterface {
  return {
    name: "x",
    index: 2,
    mac: 0x0200_0000_00aa,
    linkLocals: ["fe80::1"],
    addresses,
    states: addresses.map(() => "permanent"),
    prefixes: [],
  };
}

/** What a daemon does with messages and transfers, and its log. */
class Fixture {
  readonly #config = configOf(
    parseCommandLine([
      "--interface=x",
      "--base-address=2001:db8:1:2::",
      "--base-address=2001:db8:7:8::",
      "--max-machines=2",
    ]).options,
    presentFiles,
  );
  readonly #responder: Responder;
  readonly observer: DaemonDhcpv6Observer;
  readonly tracker: MachineTracker;
  #text = "";

  get answers() {
    return this.#config.responder;
  }

  constructor() {
    const sink = {
      write: (bytes: Uint8Array) => {
        this.#text += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
    };
    const log = new Log("json", "info", sink);
    const config = this.#config;
    const { subnets } = config.responder;
    const registry = new MachineRegistry(
      { machines: config.maxMachines, events: config.maxEvents },
      { onEvent: (...event) => machineLog.onEvent(...event) },
    );
    const writer = new MachineWriter(registry, subnets);
    const names = new Names(undefined, new NamesLog(log, undefined));
    const machineLog = new MachineLog(log, names, writer);
    this.tracker = new MachineTracker(registry, subnets, machineLog);
    this.observer = new DaemonDhcpv6Observer({
      config,
      log,
      machineLog,
      tracker: this.tracker,
    });
    this.#responder = new Responder(
      { ...config.responder, boot: undefined },
      hex(DUID),
    );
  }

  /** Handles a packet. */
  packet(bytes: Uint8Array, from = EUI): void {
    const outcome = this.#responder.respond(
      bytes,
      bytes.length,
      parseIpv6(from)!,
      546,
      true,
      new Uint8Array(MAX_DHCPV6_REPLY),
    );
    this.observer.onMessage(this.#responder.packet, outcome, {
      transport: "udp",
      hostname: from,
      port: 546,
    });
  }

  /** The events of the log so far, each with one field or none. */
  async log(field = "mac"): Promise<string[]> {
    await Promise.resolve();
    await new Promise((resolve) => resolve(undefined));
    return this.#text.split("\n").filter((line) => line !== "").map((line) => {
      const parsed = JSON.parse(line);
      return [parsed.event, parsed[field]].filter((word) => word !== undefined)
        .join(" ");
    });
  }
}

/** Milliseconds of the monotonic clock. */
const NOW = 1_000_000;

Deno.test("the log of a daemon that handles messages", async (t) => {
  await t.step(
    "has a machine once, and again when it moves to another subnet",
    async () => {
      const fixture = new Fixture();
      for (let count = 0; count < 3; count++) {
        fixture.packet(message(1, UUID, iaNa(1)));
      }
      const far = relayed(message(1, UUID, iaNa(1)), {
        link: "2001:db8:7:8::1",
        peer: EUI,
      });
      fixture.packet(far);
      fixture.packet(far);
      assertEquals(await fixture.log("address"), [
        `init ${OWN}`,
        `jump_to ${OWN}`,
        `os_init ${OWN}`,
        "machine_moved 2001:db8:7:8:0:5254:12:3456",
      ]);
    },
  );

  await t.step("has each state of the interface once", async () => {
    const fixture = new Fixture();
    const { observer } = fixture;
    const iface = interfaceWith();
    const inUse = new Deno.errors.AddrInUse("in use");
    for (let poll = 0; poll < 3; poll++) observer.onWaiting();
    for (let poll = 0; poll < 3; poll++) observer.onServeError(inUse);
    observer.onServing(iface, hex(DUID));
    observer.onWaiting();
    observer.stop();
    assertEquals(await fixture.log("interface"), [
      "waiting x",
      "cannot_serve x",
      "serving x",
      "served_at",
      "waiting x",
    ]);
  });

  await t.step("has no machine that only requests information", async () => {
    const fixture = new Fixture();
    fixture.packet(message(11, UUID));
    assertEquals(await fixture.log(), []);
  });

  await t.step("has two MACs once for each machine", async () => {
    const fixture = new Fixture();
    const packet = message(1, opt(1, "000300010200000000cc"), iaNa(1));
    fixture.packet(packet);
    fixture.packet(packet);
    assertEquals(
      (await fixture.log("other_mac")).filter((line) => /two_macs/.test(line)),
      ["two_macs 52:54:00:12:34:56"],
    );
  });

  await t.step("has no MAC once for each link within a minute", async () => {
    using time = new FakeTime();
    const fixture = new Fixture();
    const packet = message(1, UUID, iaNa(1));
    for (const from of ["fe80::1", "fe80::1", "fe80::2"]) {
      fixture.packet(packet, from);
      time.tick(1);
      fixture.packet(relayed(packet, { link: "2001:db8:7:8::1" }), from);
    }
    assertEquals(await fixture.log("link"), [
      "no_mac 2001:db8:1:2::/64",
      "no_mac 2001:db8:7:8::/64",
    ]);
    assertEquals(
      fixture.observer.unserved.json().map(({ link, count, source }) => [
        link,
        count,
        source,
      ]),
      [
        ["2001:db8:7:8::/64", 3, "fe80::2"],
        ["2001:db8:1:2::/64", 3, "fe80::2"],
      ],
    );
  });

  await t.step(
    "has clients whose messages or replies are too long",
    async () => {
      const fixture = new Fixture();
      const small = message(1, opt(1, DUID), iaNa(1));
      const many = Array.from({ length: 40 }, (_, index) => iaNa(2 + index));
      fixture.packet(message(1, opt(1, DUID), ...many), "fe80::5");
      fixture.packet(relayed(message(1, opt(1, DUID), ...many), {}), "fe80::6");
      let deep = small;
      for (let depth = 0; depth < 10; depth++) deep = relayed(deep, {});
      fixture.packet(deep, "fe80::7");
      fixture.packet(message(1, opt(1, DUID), opt(999, "00".repeat(4096))));
      const options = Array.from({ length: 70 }, () => opt(999, "00"));
      fixture.packet(message(1, opt(1, DUID), ...options), "fe80::8");
      const causes = fixture.observer.unserved.json().map(({ cause, count }) =>
        `${cause} ${count}`
      );
      assertEquals(causes.toSorted(), [
        "answer_too_long 2",
        "packet_too_long 1",
        "relay_too_deep 1",
        "too_many_options 1",
      ]);
      assertEquals((await fixture.log()).toSorted(), [
        "answer_too_long 02:00:00:00:00:aa",
        "packet_too_long",
        "relay_too_deep",
        "too_many_options",
      ]);
    },
  );

  await t.step(
    "has each unknown link once a minute, with the cure",
    async () => {
      const fixture = new Fixture();
      const packet = message(1, opt(1, DUID), iaNa(1));
      for (const link of ["2001:db8:9:9::1", "2001:db8:9:9::2", "fd00::1"]) {
        fixture.packet(relayed(packet, { link }), "fe80::5");
      }
      assertEquals(await fixture.log("link"), [
        "link_unknown 2001:db8:9:9::/64",
        "link_unknown fd00::/64",
      ]);
      const entry = fixture.observer.unserved.json().find(({ count }) =>
        count === 2
      )!;
      assertEquals(
        [entry.cause, entry.link, entry.mac, entry.source],
        [
          "link_unknown",
          "2001:db8:9:9::/64",
          "02:00:00:00:00:aa",
          "fe80::5",
        ],
      );
      assertEquals(
        entry.message,
        "relay fe80::5 is on link 2001:db8:9:9::/64, which no base address covers: add a --base-address in it, or --link-prefix 2001:db8:9:9::/64=BASE",
      );
    },
  );

  await t.step("knows which link-addresses name no link", async () => {
    const fixture = new Fixture();
    const packet = message(1, opt(1, DUID), iaNa(1));
    for (const link of ["::1", "::ffff:192.0.2.1", "ff02::1", "0:0:0:0:1::"]) {
      fixture.packet(relayed(packet, { link }), "fe80::5");
    }
    const [entry, ...others] = fixture.observer.unserved.json();
    assertEquals(others, []);
    assertEquals([entry?.link, entry?.count], [null, 4]);
    assertMatch(entry!.message, /sends no link-address of a link: configure/);
    assertEquals(await fixture.log("link"), ["link_unknown"]);
  });

  await t.step("forgets the least seen of too many links", () => {
    const fixture = new Fixture();
    const packet = message(1, opt(1, DUID), iaNa(1));
    fixture.packet(relayed(packet, { link: "fd00::1" }));
    fixture.packet(relayed(packet, { link: "fd00::1" }));
    for (let link = 1; link < 3 * MAX_UNSERVED; link++) {
      fixture.packet(
        relayed(packet, { link: `fd00:0:0:${link.toString(16)}::` }),
      );
    }
    const kept = fixture.observer.unserved.json();
    assertEquals(kept.length, MAX_UNSERVED);
    assertEquals(
      kept.filter(({ count }) => count === 2).map(({ link }) => link),
      ["fd00::/64"],
    );
  });

  await t.step("has the base prefix when it goes and comes", async () => {
    const fixture = new Fixture();
    const packet = message(1, opt(1, DUID), iaNa(1));
    fixture.observer.onInterface(interfaceWith("2001:db8:1:2::7"));
    fixture.observer.onInterface(undefined);
    fixture.packet(packet);
    assertEquals(fixture.observer.unserved.json(), []);
    fixture.observer.onInterface(interfaceWith("2001:db8:1:3::7", "fd00::1"));
    assertEquals(fixture.observer.hasBasePrefix, false);
    fixture.packet(packet);
    fixture.packet(relayed(packet, { link: "2001:db8:7:8::1" }));
    const [entry] = fixture.observer.unserved.json();
    assertEquals(
      [entry?.cause, entry?.link, entry?.count, entry?.mac],
      ["prefix_absent", "2001:db8:1:2::/64", 1, "02:00:00:00:00:aa"],
    );
    assertEquals(
      entry?.message,
      "x has no address in 2001:db8:1:2::/64 (it has 2001:db8:1:3::7, fd00::1): clients get addresses of a prefix that is not on this link; correct --base-address, or give x an address in it",
    );
    fixture.observer.onInterface(interfaceWith("2001:db8:1:2::7"));
    assertEquals(fixture.observer.hasBasePrefix, true);
    assertEquals(fixture.observer.unserved.json(), []);
    const renumbered = interfaceWith("2001:db8:1:2::7", "2001:db8:5:6::7");
    const deprecated = (state: AddressState) => ({
      ...renumbered,
      states: [state, "dynamic"] as const,
    });
    fixture.observer.onInterface(deprecated("deprecated"));
    assertEquals(fixture.observer.hasBasePrefix, true);
    fixture.observer.onInterface(deprecated("expiring"));
    assertEquals(fixture.observer.hasBasePrefix, false);
    assertMatch(
      fixture.observer.unserved.json()[0]!.message,
      /^all addresses of x in 2001:db8:1:2::\/64 are deprecated \(2001:db8:1:2::7\)/,
    );
    fixture.observer.onInterface(interfaceWith("2001:db8:1:2::7"));
    assertEquals(
      (await fixture.log()).filter((line) => line.startsWith("prefix")),
      ["prefix_absent", "prefix_present", "prefix_present"],
    );
  });

  await t.step(
    "has a rogue server once, and again when it gives other addresses",
    async () => {
      const fixture = new Fixture();
      const other = (server: string, address: string) =>
        message(3, UUID, opt(2, server), iaNa(1, address));
      const first = "000300010200000000bb";
      const second = "0002000000090c";
      fixture.packet(other(first, OWN));
      fixture.packet(other(first, OWN));
      fixture.packet(other(second, OWN));
      fixture.packet(other(first, "2001:db8:1:2::77"));
      fixture.packet(other(first, "2001:db8:1:2::78"));
      fixture.packet(other(first, OWN));
      // A right address of another link is none to worry about.
      fixture.packet(
        other("000300010200000000cc", "2001:db8:7:8:0:5254:12:3456"),
      );
      assertEquals(await fixture.log("other_address"), [
        "other_server",
        "other_server",
        "other_server 2001:db8:1:2::77",
        "other_server",
      ]);
      assertEquals(await fixture.log("server_mac"), [
        "other_server 02:00:00:00:00:bb",
        "other_server",
        "other_server 02:00:00:00:00:bb",
        "other_server 02:00:00:00:00:cc",
      ]);
    },
  );

  await t.step(
    "has no earlier DUID of this server as another one",
    async () => {
      const fixture = new Fixture();
      const { observer } = fixture;
      const iface = interfaceWith();
      const pinned = "0002000000090c0d";
      observer.onServing(iface, hex(pinned));
      observer.onServing({ ...iface, mac: 0x0200_0000_00bb }, hex(pinned));
      observer.onServing(
        { ...iface, index: 3, mac: 0x0200_0000_00cc },
        hex(DUID),
      );
      observer.stop();
      const renew = (server: string) =>
        fixture.packet(message(5, UUID, opt(2, server), iaNa(1, OWN)));
      for (const last of ["bb", "cc"]) renew(`0003000102000000 00${last}`);
      renew(pinned);
      // A DUID-LLT of the same MAC was made by another program.
      renew("000100012a3b4c5d0200000000bb");
      renew("000300010200000000dd");
      assertEquals(
        (await fixture.log("server_duid")).filter((line) =>
          line.startsWith("other_server")
        ),
        [
          "other_server 000100012a3b4c5d0200000000bb",
          "other_server 000300010200000000dd",
        ],
      );
    },
  );

  await t.step("has no more rogue servers than the limit", async () => {
    const fixture = new Fixture();
    for (let count = 0; count < 2 * MAX_ROGUE_SERVERS; count++) {
      const duid = `0003000102000000${(0x1000 + count).toString(16)}`;
      fixture.packet(message(3, UUID, opt(2, duid), iaNa(1, "2001:db8:9::1")));
    }
    assertEquals((await fixture.log()).length, MAX_ROGUE_SERVERS);
  });

  await t.step("has a limit of own DUIDs, of which the latest count", () => {
    const { subnets, macSources } = new Fixture().answers;
    const servers = new RogueServerDetector(subnets, macSources);
    const responder = new Responder(
      { ...new Fixture().answers, boot: undefined },
      hex(DUID),
    );
    const duid = (count: number) => linkLayerDuid(0x0200_0001_0000 + count);
    for (let count = 0; count <= MAX_OWN_DUIDS; count++) {
      servers.addOwn(duid(count));
      servers.addOwn(duid(0));
    }
    const isReported = (count: number) => {
      const bytes = message(3, UUID, { code: 2, data: duid(count) }, iaNa(1));
      const sender = parseIpv6(EUI)!;
      const room = new Uint8Array(MAX_DHCPV6_REPLY);
      responder.respond(bytes, bytes.length, sender, 546, true, room);
      return servers.observe(responder.packet, sender, 0) !== undefined;
    };
    assertEquals(isReported(1), true);
    for (const count of [0, 2, MAX_OWN_DUIDS]) {
      assertEquals(isReported(count), false);
    }
  });

  await t.step("has a server that forged ones hide, a minute later", () => {
    const { subnets, macSources } = new Fixture().answers;
    const servers = new RogueServerDetector(subnets, macSources);
    const responder = new Responder(
      { ...new Fixture().answers, boot: undefined },
      hex(DUID),
    );
    const hears = (last: number, now: number) => {
      const duid = `0003000102000000${(0x1000 + last).toString(16)}`;
      const bytes = message(3, UUID, opt(2, duid), iaNa(1, "2001:db8:9::1"));
      const sender = parseIpv6(EUI)!;
      const room = new Uint8Array(MAX_DHCPV6_REPLY);
      responder.respond(bytes, bytes.length, sender, 546, true, room);
      return servers.observe(responder.packet, sender, now) !== undefined;
    };
    for (let count = 0; count < MAX_ROGUE_SERVERS; count++) {
      assertEquals(hears(count, count), true);
    }
    assertEquals(hears(99, 59_999), false);
    assertEquals(hears(99, 60_000), true);
    assertEquals(hears(99, 60_001), false);
    assertEquals(hears(98, 60_001), true);
  });

  await t.step(
    "has a declined address once for each machine within a minute",
    async () => {
      const fixture = new Fixture();
      const decline = message(9, UUID, opt(2, DUID), iaNa(1, OWN));
      fixture.packet(decline);
      fixture.packet(decline);
      assertEquals(
        (await fixture.log("address")).filter((line) => /declined/.test(line)),
        [`address_declined ${OWN}`],
      );
    },
  );

  await t.step(
    "has transfers of machines that were seen, or that use their own address",
    async () => {
      const fixture = new Fixture();
      const mac = 0x5254_0012_3456;
      const init = { ...DETAIL, state: "init", sent_bytes: 0 } as const;
      const complete = { ...DETAIL, state: "complete", sent_bytes: 9 } as const;
      /** The reports of one transfer of iPXE. */
      const transferTo = ({ tracker }: Fixture, client: string) => {
        const transfer = { reports: 0, start: 0, position: 0, isOver: false };
        return (detail: TransferDetail) => {
          transfer.reports++;
          transfer.isOver = detail.state === "complete";
          const stages = tftpStagesOf(detail, true, true);
          tracker.onTransfer({ mac, client, detail, transfer, stages }, NOW);
        };
      };
      transferTo(fixture, "2001:db8:1:2::99")(init);
      assertEquals(await fixture.log(), []);
      const own = transferTo(fixture, OWN);
      own(init);
      own(complete);
      assertEquals(await fixture.log("state"), [
        "init",
        "jump_to",
        "serve_ipxe_over_tftp init",
        "serve_ipxe_over_tftp complete",
        "served_ipxe_over_tftp",
      ]);
      const other = new Fixture();
      transferTo(other, EUI)(init);
      transferTo(other, EUI)({ ...init, file_name: "autoexec.ipxe" });
      assertEquals(await other.log("state"), [
        "init",
        "jump_to",
        "serve_ipxe_over_tftp init",
      ]);
    },
  );
});
