/**
 * A daemon to which everything happens that its metrics count.
 *
 * Where a metric has a label, each value of the label gets a count of its own,
 * so that the exact test notices two that were mixed up.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { parseCommandLine } from "../../../lib/cli/options.ts";
import { configOf } from "../../../lib/cli/config.ts";
import { Daemon } from "../../../lib/daemon/daemon.ts";
import {
  type DropReason,
  MAX_DHCPV6_PACKET,
  MAX_OPTIONS,
  MAX_RELAY_DEPTH,
  MessageType,
} from "../../../lib/dhcpv6/wire/constants.ts";
import type { Option } from "../../../lib/dhcpv6/wire/packet.ts";
import {
  MAX_API_RESPONSES_PER_CLIENT,
  MAX_DOWNLOADS_PER_CLIENT,
  MAX_MESSAGES_PER_SOURCE,
  MAX_NETASCII_FILE,
  MAX_OTLP_BATCH,
  MAX_PENDING_REPLIES,
  MAX_TFTP_TRANSFERS_PER_CLIENT,
  NEW_MACHINE_BURST,
  OVERLOAD_MESSAGES,
} from "../../../lib/overload/limits.ts";
import { Log } from "../../../lib/telemetry/log.ts";
import {
  encodeError,
  encodeRequest,
  ErrorCode,
  Opcode,
  opcodeOf,
} from "../../../lib/tftp/packet.ts";
import {
  ascii,
  hex,
  iaNa,
  message,
  numbers,
  opt,
  oro,
  relayed,
} from "../../support/dhcpv6.ts";
import {
  type Endpoint,
  type HttpQuery,
  type OpenResponse,
  SimulatedHost,
  until,
} from "../../support/simulated_host.ts";
import { presentFiles } from "../../support/option_files.ts";

const {
  Solicit,
  Advertise,
  Request,
  Confirm,
  Renew,
  Rebind,
  Reply,
  Release,
  Decline,
  Reconfigure,
  InformationRequest,
} = MessageType;

const OWN_ADDRESS = "2001:db8:1:2::1";
const INTERFACE: Deno.NetworkInterfaceInfo = {
  name: "lan",
  family: "IPv6",
  address: "fe80::ff:fe00:aa",
  netmask: "ffff:ffff:ffff:ffff::",
  scopeid: 7,
  cidr: "fe80::ff:fe00:aa/64",
  mac: "02:00:00:00:00:aa",
};
const INTERFACES = [INTERFACE, {
  ...INTERFACE,
  address: OWN_ADDRESS,
  scopeid: 0,
  cidr: `${OWN_ADDRESS}/64`,
}];

const DHCPV6_PORT = 547;
const TFTP_PORT = 69;
const ALL_SERVERS = { hostname: "ff02::1:2%lan", port: DHCPV6_PORT };
const UNICAST = { hostname: OWN_ADDRESS, port: DHCPV6_PORT };
const TFTP = { hostname: OWN_ADDRESS, port: TFTP_PORT };
const RELAY = "2001:db8:1:2::fe";
/** An address that neither HTTP nor TFTP answers. */
const STRANGER = "2001:db8:ffff::1";

/** The Server Identifiers of this daemon and of another server. */
const OURS = opt(2, "000300010200000000aa");
const OTHERS = opt(2, "000300010200000000bb");

/** As many machines as boot, so that the others are forgotten. */
const MAX_MACHINES = 55;
/** Of five full requests to the collector, four are answered. */
const MAX_EVENTS = 5 * MAX_OTLP_BATCH;

/** What the daemon makes of the usual limit of 1024 file descriptors. */
const MAX_EVENT_READERS_OF_ONE = 189;
/** Idle ones, and as many new ones as half of the places for responses. */
const MAX_SILENT_CONNECTIONS = 256 + 256;
/** File descriptors that the daemon takes for its own. */
const OWN_DESCRIPTORS = 64;

const BLOCK_SIZE = 1000;
const IPXE = new Uint8Array(3 * BLOCK_SIZE);
const BOOT_FILE = "x".repeat(500);
const KERNEL = "y".repeat(700);

/** A machine on the link, by the last 24 bits of its MAC. */
class Client {
  readonly mac: string;
  /** Its Client Identifier. */
  readonly duid: Option;
  readonly linkLocal: string;
  /** The address that the daemon gives it. */
  readonly address: string;

  constructor(number: number) {
    const digits = number.toString(16).padStart(6, "0");
    const [high, low] = [digits.slice(0, 2), digits.slice(2)];
    this.mac = `02005e${digits}`.replace(/..(?=.)/g, "$&:");
    this.duid = opt(1, `0003000102005e${digits}`);
    this.linkLocal = `fe80::5eff:fe${high}:${low}`;
    this.address = `2001:db8:1:2:0:200:5e${high}:${low}`;
  }
}

/** The client that sends whatever needs no client of its own. */
const TALKER = new Client(0xffff);
/** A client that sends more than others. */
const LOUD = new Client(0xfffe);
/** A client that the daemon must not answer. */
const DENIED = new Client(0xfffd);
/** A machine that the daemon never hears of. */
const UNSEEN = new Client(0xfffc);

/** What firmware says of itself: its vendor class and its architecture. */
const NO_VENDOR = [opt(61, numbers(2, 7))];
const PXE = [vendorClass("PXEClient"), ...NO_VENDOR];
const IPXE_CLIENT = [...PXE, opt(15, `${numbers(2, 4)}${ascii("iPXE")}`)];
const HTTP_CLIENT = [vendorClass("HTTPClient"), opt(61, numbers(2, 16))];
const RASPBERRY_PI = [oro(59, 60), opt(61, numbers(2, 41))];
const UNSUPPORTED = [vendorClass("PXEClient"), opt(61, numbers(2, 2))];

function vendorClass(name: string): Option {
  return opt(16, numbers(4, 343) + numbers(2, name.length) + ascii(name));
}

function solicit({ duid }: Client, ...options: Option[]): Uint8Array {
  return message(Solicit, duid, iaNa(1), ...options);
}

function inRelays(count: number): Uint8Array {
  let bytes = solicit(TALKER);
  for (let hops = 0; hops < count; hops++) bytes = relayed(bytes, { hops });
  return bytes;
}

/** A message, and how it comes to the daemon: by multicast from the talker. */
interface Arrival {
  readonly bytes: Uint8Array;
  readonly from?: string;
  readonly to?: Endpoint;
}

/**
 * Messages that the daemon drops because of what they are. The first one comes
 * once, the second one twice, and so on; of several for a reason, one after the
 * other.
 */
const DROPPED: Partial<Record<DropReason, Arrival | readonly Arrival[]>> = {
  packet_too_long: { bytes: new Uint8Array(MAX_DHCPV6_PACKET + 1) },
  packet_too_short: { bytes: hex("010000") },
  option_malformed: { bytes: message(Solicit, opt(1, "00")) },
  too_many_options: {
    bytes: message(Rebind, ...Array(MAX_OPTIONS + 1).fill(opt(1000))),
  },
  unknown_message_type: [{ bytes: message(14) }, { bytes: message(255) }],
  relay_too_deep: { bytes: inRelays(MAX_RELAY_DEPTH + 1) },
  relay_message_missing: { bytes: hex("0c00".padEnd(68, "0")) },
  client_id_missing: { bytes: message(Renew, OURS) },
  client_id_empty: { bytes: message(Rebind, opt(1)) },
  not_for_servers: [
    ...Array(1).fill({ bytes: message(Reconfigure) }),
    ...Array(2).fill({ bytes: relayed(solicit(TALKER), { type: 13 }) }),
    ...Array(3).fill({ bytes: message(Advertise) }),
    ...Array(4).fill({ bytes: message(Reply) }),
  ],
  server_id_missing: { bytes: message(Decline, TALKER.duid) },
  server_id_unexpected: { bytes: message(Confirm, TALKER.duid, OURS) },
  server_id_foreign: { bytes: message(Request, TALKER.duid, OTHERS) },
  ia_unexpected: { bytes: message(InformationRequest, TALKER.duid, iaNa(1)) },
  confirm_without_address: { bytes: message(Confirm, TALKER.duid, iaNa(1)) },
  client_message_not_multicast: {
    bytes: message(Release, TALKER.duid, OURS),
    to: UNICAST,
  },
  source_not_link_local: { bytes: solicit(TALKER), from: LOUD.address },
  link_unknown: {
    bytes: relayed(solicit(TALKER), { link: "2001:db8:9:9::1" }),
    from: RELAY,
    to: UNICAST,
  },
  no_mac: {
    bytes: message(Solicit, opt(1, "0004".padEnd(36, "0")), iaNa(1)),
    from: "fe80::1",
  },
  mac_not_allowed: { bytes: solicit(DENIED), from: DENIED.linkLocal },
  answer_too_long: {
    bytes: relayed(solicit(TALKER), {}, opt(18, "00".repeat(1300))),
  },
};

/** Malformed options: one of the first kind, two of the second, and so on. */
const MALFORMED = [
  opt(14, "00"),
  opt(15, ascii("linuxboot")),
  opt(16, "000000ab 0800 4449522d38363700"),
  opt(61, "000700"),
  opt(0),
].flatMap((option, index) => Array<Option>(index + 1).fill(option));

/**
 * Messages that the daemon answers: the first one comes once, the second one
 * twice, and so on.
 */
const ANSWERED = [
  solicit(TALKER),
  message(Request, TALKER.duid, OURS, iaNa(1)),
  message(Confirm, TALKER.duid, iaNa(1, TALKER.address)),
  message(Renew, TALKER.duid, OURS, iaNa(1)),
  message(Rebind, TALKER.duid, iaNa(1)),
  message(Release, TALKER.duid, OURS, iaNa(1)),
  message(Decline, TALKER.duid, OURS, iaNa(1)),
  message(InformationRequest, TALKER.duid, oro(23), ...MALFORMED),
];

/**
 * How long answers take in milliseconds, at least one for each bucket of the
 * histogram. In seconds they are powers of two, so that their sum is exact.
 */
const ANSWER_TIMES = Array.from(
  { length: 19 },
  (_, index) => 1000 * 2 ** (index - 17),
);

/** The pipe that the log is written to. Its reader may stall. */
class LogPipe {
  #text = "";
  #stall: Promise<void> | undefined;
  #resume = () => {};

  async write(bytes: Uint8Array): Promise<number> {
    await this.#stall;
    this.#text += new TextDecoder().decode(bytes);
    return bytes.length;
  }

  stall(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stall = promise;
    this.#resume = resolve;
  }

  resume(): void {
    this.#stall = undefined;
    this.#resume();
  }

  /** Whether a line of this event was written. */
  has(event: string): boolean {
    return this.#text.includes(`"event":"${event}"`);
  }
}

/** A client that reads an event stream until it leaves. */
class EventReader {
  text = "";
  readonly #open: OpenResponse;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(open: OpenResponse) {
    this.#open = open;
    this.#reader = open.response.body!.getReader();
    void this.#read();
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
    this.#open.complete();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    while (true) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      this.text += decoder.decode(value, { stream: true });
    }
  }
}

/** Stages of a boot, in the order in which machines come to them. */
const STAGES = [
  "init",
  "firmware_init",
  "http_boot",
  "point_pxe_to_ipxe_over_tftp",
  "serve_ipxe_over_tftp",
  "served_ipxe_over_tftp",
  "point_ipxe_to_http_boot",
  "point_loader_to_boot_file",
  "http_fetch_uki",
  "os_init",
] as const;
type Stage = typeof STAGES[number];

/** What happens to the daemon, one thing after the other. */
class Scenario implements AsyncDisposable {
  readonly #directory = Deno.makeTempDirSync();
  readonly #host = new SimulatedHost(INTERFACES);
  readonly #pipe = new LogPipe();
  readonly #daemon: Daemon;
  readonly #readers: EventReader[] = [];
  readonly #downloads: OpenResponse[] = [];
  /** TFTP transfers that go on: the client, and the daemon's address for it. */
  readonly #transfers: [Endpoint, Endpoint][] = [];

  constructor() {
    Deno.mkdirSync(`${this.#directory}/netboot/default`, { recursive: true });
    this.#write("netboot/default/boot.efi", BOOT_FILE);
    this.#write("netboot/default/kernel", KERNEL);
    this.#write("netboot/default/long.txt", "x".repeat(MAX_NETASCII_FILE + 1));
    const arm64 = this.#write("arm64.efi", "");
    const { options } = parseCommandLine([
      "--interface=lan",
      "--base-address=2001:db8:1:2::",
      `--boot-address=${OWN_ADDRESS}`,
      `--deny-mac=${DENIED.mac}`,
      "--http-boot-url-template=http://[{{.BootAddress}}]/{{.MAC}}",
      `--netboot-dir=${this.#directory}/netboot`,
      `--ipxe-x86-64-efi=${this.#write("x86-64.efi", IPXE)}`,
      `--ipxe-arm64-efi=${arm64}`,
      "--otlp-endpoint=http://[2001:db8:1:2::5]:4318",
      `--max-machines=${MAX_MACHINES}`,
      `--max-events=${MAX_EVENTS}`,
    ]);
    this.#daemon = new Daemon(
      configOf(options, presentFiles),
      new Log("json", "info", this.#pipe),
    );
    // TFTP cannot find this file any more.
    Deno.removeSync(arm64);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const host = this.#host;
    try {
      for (const reader of this.#readers) await reader.leave();
      for (const download of this.#downloads) await download.abandon();
      for (const [client, server] of this.#transfers) {
        host.deliver(server, encodeError(ErrorCode.NotDefined, "end"), client);
      }
      host.releaseCollector();
      host.releaseSends();
      await this.#daemon.stop();
    } finally {
      host[Symbol.dispose]();
      await Deno.remove(this.#directory, { recursive: true });
    }
  }

  /** The daemon starts, connections stay silent, the collector is slow. */
  async start(): Promise<void> {
    const host = this.#host;
    // 10 s are between two pushes of metrics: they pass while one is answered.
    const answer = (status: number) => () => {
      host.advance(10_000);
      return Response.json({}, { status });
    };
    host.collectorAnswers.set("/v1/metrics", [
      ...Array(3).fill(answer(400)),
      ...Array(1).fill(answer(503)),
      ...Array(2).fill(answer(200)),
    ]);
    await this.#daemon.start();
    host.descriptors = OWN_DESCRIPTORS + 13;
    await this.#dhcpv6(message(Release, TALKER.duid, OURS, iaNa(1)));
    await until(
      "the collector has got metrics seven times, and the first event",
      () =>
        host.waitingRequests("/v1/metrics") === 1 &&
        host.waitingRequests("/v1/logs") === 1,
    );
    // The clock stands still now.
    for (let port = 1; port <= MAX_SILENT_CONNECTIONS + 44; port++) {
      host.tcp.connect("fe80::dead", port);
    }
    await until(
      "the daemon closes the silent connections",
      () => this.#pipe.has("connections_closed"),
    );
    host.tcp.connections.clear();
  }

  /** There is a flood of messages, while readers of log and events stall. */
  async flood(): Promise<void> {
    const host = this.#host;
    const slowReaders: OpenResponse[] = [];
    for (let count = 0; count < 2; count++) {
      slowReaders.push(
        await host.open(`/events?mac=${TALKER.mac}`, {
          client: TALKER.linkLocal,
        }),
      );
    }
    // In a new minute, no log line was written yet.
    host.advance(60_000);
    this.#pipe.stall();
    const machines = Array.from(
      { length: NEW_MACHINE_BURST + 7 },
      (_, number) => new Client(0x10000 + number),
    );
    for (const machine of machines) {
      this.#send(solicit(machine, ...NO_VENDOR), machine.linkLocal);
    }
    const loud = message(InformationRequest, LOUD.duid);
    for (let count = machines.length; count <= OVERLOAD_MESSAGES; count++) {
      this.#send(loud, LOUD.linkLocal);
    }
    await host.idle();
    // The daemon limits loud clients only when others have to retransmit.
    const elapsedTime = opt(8, numbers(2, 100));
    for (const machine of machines.slice(0, 3)) {
      await this.#dhcpv6(
        solicit(machine, ...NO_VENDOR, elapsedTime),
        machine.linkLocal,
      );
    }
    // In a new window of time, nobody's messages were counted yet.
    host.advance(250);
    for (let count = 0; count < MAX_MESSAGES_PER_SOURCE + 23; count++) {
      this.#send(loud, LOUD.linkLocal);
    }
    await host.idle();
    this.#pipe.resume();
    // In a new minute, log lines and new machines are admitted again.
    host.advance(60_000);
    for (const reader of slowReaders) {
      await assertRejects(() => reader.result(), Error, "too slow");
    }
  }

  /** Clients send what the daemon drops. */
  async drops(): Promise<void> {
    const host = this.#host;
    for (const [index, given] of Object.values(DROPPED).entries()) {
      const arrivals = [given].flat();
      for (let count = 0; count <= index; count++) {
        const { bytes, from, to } = arrivals[count % arrivals.length]!;
        await this.#dhcpv6(bytes, from, to);
      }
    }
    const inform = message(InformationRequest, TALKER.duid);
    host.sendFaults.set(DHCPV6_PORT, "hold");
    for (let count = 0; count < MAX_PENDING_REPLIES + 22; count++) {
      await this.#dhcpv6(inform);
    }
    host.sendFaults.set(DHCPV6_PORT, new Error("the network is down"));
    host.releaseSends();
    await host.idle();
    for (let count = 0; count < 24; count++) await this.#dhcpv6(inform);
    host.sendFaults.delete(DHCPV6_PORT);
  }

  /** Clients send what the daemon answers, and it takes its time. */
  async answers(): Promise<void> {
    const times: number[] = [];
    this.#host.sendTimes.set(DHCPV6_PORT, times);
    let sent = 0;
    for (const [index, bytes] of ANSWERED.entries()) {
      for (let count = 0; count <= index; count++) {
        times.push(ANSWER_TIMES[sent++ % ANSWER_TIMES.length]!);
        await this.#dhcpv6(bytes);
      }
    }
    assertEquals(times, []);
  }

  /** Two clients begin to read all events, a third one those of a machine. */
  async readers(): Promise<void> {
    for (const path of ["/events", "/events", `/events?mac=${UNSEEN.mac}`]) {
      const open = await this.#host.open(path, { client: TALKER.linkLocal });
      this.#readers.push(new EventReader(open));
    }
    await until(
      "all readers have the state",
      () => this.#readers.every(({ text }) => /data: .*\n\n/.test(text)),
    );
  }

  /** Machines boot: one comes to the first stage, two to the second ... */
  async boots(): Promise<void> {
    let number = 0;
    for (const [index, stage] of STAGES.entries()) {
      // Those before have said nothing for more than the valid lifetime.
      if (stage === "serve_ipxe_over_tftp") this.#host.advance(1_201_000);
      for (let count = 0; count <= index; count++) {
        await this.#boot(new Client(++number), stage);
      }
    }
    assertEquals(number, MAX_MACHINES);
    const [first, second] = [new Client(1), new Client(2)];
    for (let count = 0; count < 2; count++) {
      await this.#dhcpv6(solicit(second, ...UNSUPPORTED), second.linkLocal);
    }
    for (let count = 0; count < 11; count++) {
      const { status } = await this.#host.ask(`/mac/${second.mac}/absent`, {
        client: second.address,
      });
      assertEquals(status, 404);
    }
    const up = new Client(MAX_MACHINES);
    for (let count = 0; count < 7; count++) {
      await this.#dhcpv6(
        message(Release, up.duid, OURS, iaNa(1, up.address)),
        up.linkLocal,
      );
    }
    for (let count = 0; count < 5; count++) {
      await this.#dhcpv6(
        message(Decline, first.duid, OURS, iaNa(1, first.address)),
        first.linkLocal,
      );
    }
    const last = new RegExp(
      `^data: .*"${first.mac}".*"address_declined"`,
      "gm",
    );
    await until(
      "two readers have every event",
      () =>
        this.#readers.slice(0, 2).every(({ text }) =>
          text.match(last)?.length === 5
        ),
    );
  }

  /** Clients ask over TFTP for what they do not get, or do not want. */
  async tftp(): Promise<void> {
    const host = this.#host;
    const newClient = () => host.newEndpoint(TALKER.linkLocal);
    const ipxe = `${UNSEEN.mac}/ipxe.efi`;
    const arm64 = `${UNSEEN.mac}/ipxe-arm64.efi`;

    host.deliver(TFTP, hex("0003"), newClient());
    for (let count = 0; count < 2; count++) {
      this.#tftpRequest(ipxe, host.newEndpoint(STRANGER));
    }
    for (let count = 0; count < 4; count++) {
      // From an address that tells no MAC.
      this.#tftpRequest("ipxe.efi", host.newEndpoint("fe80::77"));
    }
    for (let count = 0; count < 5; count++) {
      const client = newClient();
      this.#tftpRequest(arm64, client);
      assertEquals(opcodeOf((await host.received(client)).bytes), Opcode.Error);
    }
    const text = encodeRequest({
      opcode: Opcode.ReadRequest,
      fileName: `${UNSEEN.mac}/long.txt`,
      mode: "netascii",
      options: new Map(),
    });
    for (let count = 0; count < 10; count++) {
      const client = newClient();
      host.deliver(TFTP, text, client);
      assertEquals(opcodeOf((await host.received(client)).bytes), Opcode.Error);
    }
    // A client that only wants to know the size.
    for (let count = 0; count < 3; count++) {
      const client = newClient();
      this.#tftpRequest(ipxe, client, ["tsize", "0"]);
      const { from } = await host.received(client);
      host.deliver(from, encodeError(ErrorCode.OptionRefused, ""), client);
    }
    for (let count = 0; count < 2; count++) {
      const client = newClient();
      this.#tftpRequest(ipxe, client);
      const { from } = await host.received(client);
      host.deliver(from, encodeError(ErrorCode.DiskFull, "full"), client);
    }
    for (let count = 0; count < MAX_TFTP_TRANSFERS_PER_CLIENT; count++) {
      await this.#beginTransfer(UNSEEN.mac, newClient());
    }
    for (let count = 0; count < 6; count++) {
      this.#tftpRequest(ipxe, newClient());
    }
    const [busyClient, transfer] = this.#transfers.at(-1)!;
    for (let count = 0; count < 9; count++) {
      host.deliver(transfer, acknowledgment(0), newClient());
    }
    for (let count = 0; count < 7; count++) {
      this.#tftpRequest(arm64, busyClient);
    }
    await host.idle();
    host.sendFaults.set(TFTP_PORT, "hold");
    for (let count = 0; count < MAX_PENDING_REPLIES + 8; count++) {
      const writeRequest = encodeRequest({
        opcode: Opcode.WriteRequest,
        fileName: ipxe,
        mode: "octet",
        options: new Map(),
      });
      host.deliver(TFTP, writeRequest, newClient());
    }
    await host.idle();
    host.sendFaults.delete(TFTP_PORT);
    host.releaseSends();
    await host.idle();
  }

  /** Clients ask over HTTP: there is a request for each status. */
  async http(): Promise<void> {
    const host = this.#host;
    const client = TALKER.linkLocal;
    const file = `/mac/${UNSEEN.mac}/kernel`;
    const queries: [number, string, Partial<HttpQuery>?][] = [
      [200, "/machines"],
      [206, file, { headers: { range: "bytes=100-149" } }],
      [304, file, { headers: { "if-none-match": "*" } }],
      [400, "/mac/none/kernel"],
      [403, file, { client: STRANGER }],
      // From an address that tells no MAC, and so no machine's file.
      [404, "/nothing", { client: "fe80::78" }],
      [405, "/machines", { method: "DELETE" }],
      [412, file, { headers: { "if-match": '"other"' } }],
      [416, file, { headers: { range: "bytes=5000-" } }],
      [421, "/machines", { host: "other.example" }],
    ];
    for (const [index, [expected, path, query]] of queries.entries()) {
      for (let count = 0; count <= index; count++) {
        const { status } = await host.ask(path, { client, ...query });
        assertEquals(status, expected, path);
      }
    }
    const greedyClient = { client: "fe80::99" };
    for (
      const [path, limit, refused] of [
        [file, MAX_DOWNLOADS_PER_CLIENT, 2],
        ["/events", MAX_EVENT_READERS_OF_ONE, 3],
        ["/names", MAX_API_RESPONSES_PER_CLIENT, 7],
      ] as const
    ) {
      const open: OpenResponse[] = [];
      for (let count = 0; count < limit + refused; count++) {
        open.push(await host.open(path, greedyClient));
      }
      assertEquals(
        open.map(({ response }) => response.status),
        [...Array(limit).fill(200), ...Array(refused).fill(503)],
      );
      for (const one of open) await one.abandon();
    }
    for (let count = 0; count < 2; count++) {
      this.#downloads.push(await host.open(file, greedyClient));
    }
  }

  /** The collector takes events, but not all of them. */
  async collector(): Promise<void> {
    const host = this.#host;
    const path = "/v1/logs";
    host.collectorAnswers.set(path, [
      () => Response.json({}, { status: 400 }),
      () => Response.json({}),
      () => Response.json({}, { status: 400 }),
      () => Response.json({ partialSuccess: { rejectedLogRecords: "5" } }),
      () => Response.json({}),
    ]);
    // The first event again, then four requests that are full.
    host.answerWaiting(path, Response.json({}, { status: 503 }));
    await until(
      "the collector has got the last events",
      () => host.waitingRequests(path) === 1,
    );
  }

  /** What the daemon says then. */
  async metrics(): Promise<string> {
    const { status, text } = await this.#host.ask("/metrics", {
      client: TALKER.linkLocal,
    });
    assertEquals(status, 200);
    return text;
  }

  #write(name: string, content: Uint8Array | string): string {
    const path = `${this.#directory}/${name}`;
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  #send(bytes: Uint8Array, from: string, to: Endpoint = ALL_SERVERS): void {
    this.#host.deliver(to, bytes, { hostname: from, port: 546 });
  }

  /** Sends a message and waits until the daemon has handled it. */
  async #dhcpv6(
    bytes: Uint8Array,
    from = TALKER.linkLocal,
    to?: Endpoint,
  ): Promise<void> {
    this.#send(bytes, from, to);
    await this.#host.idle();
  }

  /** A new machine boots until it has come to a stage. */
  async #boot(machine: Client, last: Stage): Promise<void> {
    const { duid, linkLocal, address, mac } = machine;
    const firmware = (options: Option[]) =>
      this.#dhcpv6(solicit(machine, ...options), linkLocal);
    switch (last) {
      case "init":
        return await this.#dhcpv6(
          message(Release, duid, OURS, iaNa(1)),
          linkLocal,
        );
      case "firmware_init":
        return await firmware(NO_VENDOR);
      case "http_boot":
        return await firmware(HTTP_CLIENT);
      case "point_loader_to_boot_file":
        return await firmware(RASPBERRY_PI);
    }
    await firmware(PXE);
    if (last === "point_pxe_to_ipxe_over_tftp") return;
    await this.#beginTransfer(mac, this.#host.newEndpoint(address));
    if (last === "serve_ipxe_over_tftp") return;
    await this.#finishTransfer();
    if (last === "served_ipxe_over_tftp") return;
    await firmware(IPXE_CLIENT);
    if (last === "point_ipxe_to_http_boot") return;
    const { text } = await this.#host.ask(`/mac/${mac}/boot.efi`, {
      client: address,
    });
    assertEquals(text, BOOT_FILE);
    if (last === "http_fetch_uki") return;
    await this.#dhcpv6(solicit(machine), linkLocal);
  }

  #tftpRequest(
    fileName: string,
    client: Endpoint,
    ...options: [string, string][]
  ): void {
    const request = encodeRequest({
      opcode: Opcode.ReadRequest,
      fileName,
      mode: "octet",
      options: new Map([["blksize", String(BLOCK_SIZE)], ...options]),
    });
    this.#host.deliver(TFTP, request, client);
  }

  /** A client begins to load iPXE: it has got the first block. */
  async #beginTransfer(mac: string, client: Endpoint): Promise<void> {
    const host = this.#host;
    this.#tftpRequest(`${mac}/ipxe.efi`, client);
    const { from: server } = await host.received(client);
    host.deliver(server, acknowledgment(0), client);
    assertEquals(opcodeOf((await host.received(client)).bytes), Opcode.Data);
    this.#transfers.push([client, server]);
  }

  /** The client that has begun last loads the rest: 3 blocks, and an empty one. */
  async #finishTransfer(): Promise<void> {
    const host = this.#host;
    const [client, server] = this.#transfers.pop()!;
    for (let block = 1; block <= 3; block++) {
      host.deliver(server, acknowledgment(block), client);
      await host.received(client);
    }
    host.deliver(server, acknowledgment(4), client);
    await host.idle();
  }
}

function acknowledgment(block: number): Uint8Array {
  return Uint8Array.of(0, Opcode.Acknowledgment, 0, block);
}

/** The metrics of a daemon that has seen one of everything, as Prometheus text. */
export async function metricsOfEverything(): Promise<string> {
  await using scenario = new Scenario();
  await scenario.start();
  await scenario.flood();
  await scenario.drops();
  await scenario.answers();
  await scenario.readers();
  await scenario.boots();
  await scenario.tftp();
  await scenario.http();
  await scenario.collector();
  return await scenario.metrics();
}
