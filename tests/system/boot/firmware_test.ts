import { assert, assertEquals, assertMatch } from "@std/assert";
import type { KeyPairFiles } from "../../../lib/http/tls_reload.ts";
import { isNote } from "../../../assets/shared/boot_stages.js";
import { refusalIn, transferIn } from "../../../assets/shared/format.js";
import { compiledIn } from "../../support/ipxe.ts";
import { eventually, missing } from "../../support/lab.ts";
import { Authority, makeKey } from "../../support/certificates.ts";
import { lacksFirmware, Machine } from "./machine.ts";
import {
  type BootDaemon,
  BootNetwork,
  type EventRecording,
  ROUTER,
  ROUTER_NAME,
  TLS_PORT,
} from "./network.ts";
import { buildLinux, COMMAND_LINE, OS_ADDRESS, OS_STARTED } from "./linux.ts";
import {
  assertConsole,
  assertStages,
  assertSystem,
  derived,
  type Message,
  PATIENCE,
  printTimeline,
  variablesForHttp,
} from "./observation.ts";

const lacks = missing(
  "boots of real firmware",
  "qemu-system-x86_64",
  "qemu-system-aarch64",
  "radvd",
  "tcpdump",
  "tshark",
  "apt-get",
  "xz",
  "openssl",
  "dnsmasq",
  "curl",
);
const ignore = lacksFirmware(
  "boots of real firmware",
  "x86-64",
  "x86-64 with Secure Boot",
  "arm64",
) ||
  lacks.length > 0;

/** An iPXE for x86-64 that carries this project's script. */
const SCRIPTED_IPXE = Deno.env.get("IPXE_WITH_SCRIPT");
if (SCRIPTED_IPXE === undefined) {
  console.error(
    "\n*** NOT RUN: the boot of a machine that was on before the router needs IPXE_WITH_SCRIPT, the path of an iPXE built with this project's script ***\n",
  );
}
const ignoreScripted = SCRIPTED_IPXE === undefined || ignore;

/** Where ca.pem and ca.key are: whom alone that iPXE trusts. */
const TRUST = Deno.env.get("IPXE_TRUST");
if (TRUST === undefined) {
  console.error(
    "\n*** NOT RUN: the boot by an iPXE that trusts one authority alone needs IPXE_TRUST, a directory with that authority's ca.pem and ca.key, and IPXE_WITH_SCRIPT, an iPXE built with its ca.pem ***\n",
  );
}
const ignoreTrusting = TRUST === undefined || ignoreScripted;

/** What the script says before each round but the first. */
const RETRY = "dhcpv6macd: trying all of them again";

/** From iPXE's own DHCPv6 on: the file, and the system in it. */
const LOADS_FILE = ["http_fetch_uki init", "http_fetch_uki complete"];
const IPXE = ["point_ipxe_to_http_boot", ...LOADS_FILE];
const PXE = [
  "point_pxe_to_ipxe_over_tftp",
  "serve_ipxe_over_tftp init",
  "serve_ipxe_over_tftp complete",
  "served_ipxe_over_tftp",
  ...IPXE,
];
const HTTP_BOOT = ["http_boot", ...LOADS_FILE];
const OS = "os_init";

/**
 * Asserts that the event stream told these events of a machine and no others,
 * each in the form that its readers know.
 */
async function assertStream(
  recording: EventRecording,
  { mac }: Machine,
  expected: readonly string[],
): Promise<void> {
  await eventually(
    "the stream has the event of the system",
    () =>
      recording.events(mac).some(({ event }) =>
        event.event === expected.at(-1)
      ),
  );
  const [state] = recording.messages;
  assertEquals(state, {}, "nobody was known at first");
  const events = recording.events(mac).filter(({ event }) =>
    !isNote(event.event)
  );
  assertEquals(events.map(({ event }) => event.event), expected);
  for (const message of events) {
    const { event, timestamp, detail } = message.event;
    assertEquals(message, {
      mac,
      ipv6_address: derived(mac),
      event: { event, timestamp, repeat_event: false, detail },
    });
    assertMatch(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const [file_name, protocol] = FILES[event] ?? [];
    assertEquals(
      detail as unknown,
      file_name === undefined ? null : {
        protocol,
        file_name,
        state: "init",
        sent_bytes: 0,
        total_bytes: transferIn(detail)?.total_bytes,
      },
    );
  }
}

/** The file of each event that tells of one. */
const FILES: Record<string, [string, string]> = {
  serve_ipxe_over_tftp: ["ipxe.efi", "tftp"],
  http_fetch_uki: ["boot.efi", "http"],
};

/** Makes a disk of one EFI program; the directory that it is. */
async function diskWith(
  network: BootNetwork,
  program: string,
): Promise<string> {
  const disk = `${network.lab.directory}/disk`;
  await Deno.mkdir(`${disk}/EFI/BOOT`, { recursive: true });
  await Deno.copyFile(program, `${disk}/EFI/BOOT/BOOTX64.EFI`);
  return disk;
}

/** Makes the daemon's key; it still needs a certificate. */
async function serverFiles({ lab }: BootNetwork): Promise<KeyPairFiles> {
  return {
    certFile: `${lab.directory}/server.pem`,
    keyFile: await makeKey(`${lab.directory}/server.key`),
  };
}

/** Waits until a machine has got its whole file over HTTPS. */
async function fetchedByTls(
  machine: Machine,
  daemon: BootDaemon,
): Promise<void> {
  try {
    await daemon.logs(
      "http_fetch_uki",
      ({ mac, protocol, state }) =>
        mac === machine.mac && protocol === "https" && state === "complete",
      PATIENCE,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${machine.told()}`);
  }
}

Deno.test("real firmware", { ignore }, async (t) => {
  await using cleanup = new AsyncDisposableStack();
  /** All DHCPv6 of the machine that booted by PXE. */
  let messages: Message[] = [];

  const directory = cleanup.adopt(
    await Deno.makeTempDir({ prefix: "dhcpv6macd-boot-" }),
    (path) => Deno.remove(path, { recursive: true }),
  );
  const { uki } = await buildLinux(directory);

  await t.step({
    name: "x86-64: PXE, iPXE over TFTP, Linux over HTTP when it is there",
    ignore,
    fn: async () => {
      const mac = "52:54:00:12:34:0a";
      await using network = await BootNetwork.create();
      await network.advertise();
      const daemon = await network.daemon();
      const recording = await network.listen();
      const machine = await Machine.start(network.router, {
        architecture: "x86-64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 1024,
      });
      await machine.shows(
        /dhcpv6macd: no boot file for this machine at http:.*boot\.efi/,
        PATIENCE,
      );
      await machine.shows(/dhcpv6macd: trying again in 4 seconds/, PATIENCE);
      await network.serve(mac, uki);
      messages = await assertSystem("x86-64 by PXE", network, daemon, machine);
      assertStages(daemon, machine, [...PXE, OS], ["boot_refused"]);
      const refused = recording.events(mac).filter(({ event }) =>
        isNote(event.event)
      );
      assert(refused.length >= 1, "the refused requests are noted");
      for (const { event: { event, detail } } of refused) {
        assertEquals([event, refusalIn(detail)?.path], [
          "boot_refused",
          `/mac/${mac}/boot.efi`,
        ]);
      }
      await assertStream(recording, machine, [
        "init",
        "point_pxe_to_ipxe_over_tftp",
        "serve_ipxe_over_tftp",
        "served_ipxe_over_tftp",
        "point_ipxe_to_http_boot",
        "http_fetch_uki",
        "os_init",
      ]);
      assertConsole(
        machine,
        ">>Start PXE over IPv6",
        `NBP filename is ${mac}/ipxe.efi`,
        "NBP file downloaded successfully",
        "iPXE",
        `tftp://[${ROUTER}]/${mac}/boot.ipxe`,
        `http://[${ROUTER}]:6315/mac/${mac}/boot.efi`,
        // iPXE's script leaves the file its own command line.
        `${OS_STARTED} ${COMMAND_LINE}`,
        OS_ADDRESS,
      );
    },
  });

  await t.step({
    name: "that machine was given one address in all stages",
    ignore,
    fn: () => {
      const given = messages.filter(({ name, address }) =>
        (name === "advertise" || name === "reply") && address !== ""
      );
      assertEquals(
        [...new Set(given.map(({ address }) => address))],
        [derived("52:54:00:12:34:0a")],
      );
      // The firmware, iPXE and Linux each name their own identity association.
      assert(new Set(given.map(({ iaid }) => iaid)).size >= 3);
    },
  });

  await t.step({
    name: "x86-64: HTTP boot of the same file",
    ignore,
    fn: async () => {
      const mac = "52:54:00:12:34:0b";
      await using network = await BootNetwork.create();
      await network.serve(mac, uki);
      const settings = {
        architecture: "x86-64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 1024,
      } as const;
      const variables = await variablesForHttp(network.router, settings);
      await network.advertise();
      const daemon = await network.daemon("--tftp-listen-addr=off");
      const recording = await network.listen();
      const machine = await Machine.start(network.router, {
        ...settings,
        variables,
      });
      await assertSystem("x86-64 by HTTP boot", network, daemon, machine);
      assertConsole(
        machine,
        ">>Start HTTP Boot over IPv6",
        `URI: http://[${ROUTER}]:6315/mac/${mac}/boot.efi`,
        // Firmware, unlike iPXE, leaves the file its own command line.
        `${OS_STARTED} ${COMMAND_LINE}`,
        OS_ADDRESS,
      );
      // It asked for PXE first, and there was no TFTP.
      assertStages(daemon, machine, [...HTTP_BOOT, OS], [
        "unsupported_architecture",
      ]);
      await assertStream(recording, machine, [
        "init",
        // It asked for PXE first, which is off.
        "firmware_init",
        "http_boot",
        "http_fetch_uki",
        "os_init",
      ]);
    },
  });

  await t.step({
    name: "x86-64: PXE, Linux over TFTP, without iPXE",
    ignore,
    fn: async () => {
      const mac = "52:54:00:12:34:11";
      await using network = await BootNetwork.create();
      await network.serve(mac, uki);
      await network.advertise();
      const daemon = await network.daemon(
        "--boot-url=pxe=tftp://[{{.BootAddress}}]/{{.MAC}}/boot.efi",
      );
      const machine = await Machine.start(network.router, {
        architecture: "x86-64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 1024,
      });
      await assertSystem(
        "x86-64 by PXE without iPXE",
        network,
        daemon,
        machine,
      );
      assertStages(daemon, machine, [
        "point_loader_to_boot_file",
        ...LOADS_FILE,
        OS,
      ]);
      assertConsole(
        machine,
        ">>Start PXE over IPv6",
        `NBP filename is ${mac}/boot.efi`,
        "NBP file downloaded successfully",
        `${OS_STARTED} ${COMMAND_LINE}`,
        OS_ADDRESS,
      );
    },
  });

  await t.step({
    name: "x86-64: Secure Boot does not start iPXE, and a note says so",
    ignore,
    fn: async () => {
      const mac = "52:54:00:12:34:0e";
      await using network = await BootNetwork.create();
      await network.serve(mac, new Uint8Array(9));
      await network.advertise();
      const daemon = await network.daemon();
      const machine = await Machine.start(network.router, {
        architecture: "x86-64 with Secure Boot",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 512,
      });
      const { reason } = await daemon.logs(
        "boot_refused",
        (line) => line.mac === mac,
        PATIENCE,
      );
      await printTimeline("x86-64 with Secure Boot", network, daemon, machine);
      assertMatch(String(reason), /^the firmware did not start iPXE/);
      assertStages(daemon, machine, [
        "point_pxe_to_ipxe_over_tftp",
        "serve_ipxe_over_tftp complete",
        "served_ipxe_over_tftp",
      ], ["boot_refused"]);
      assertConsole(
        machine,
        ">>Start PXE over IPv6",
        "NBP file downloaded successfully",
        "Access Denied",
      );
    },
  });

  await t.step({
    name:
      "arm64: PXE, its own iPXE over TFTP at a single port, a file over HTTP",
    ignore,
    fn: async () => {
      const mac = "52:54:00:12:34:0c";
      await using network = await BootNetwork.create();
      // Any EFI program for arm64 will do.
      const ipxe = await compiledIn("arm64");
      await network.serve(mac, ipxe);
      await network.advertise();
      const daemon = await network.daemon("--tftp-single-port");
      const machine = await Machine.start(network.router, {
        architecture: "arm64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 512,
      });
      await daemon.logs(
        "http_fetch_uki",
        (line) => line.mac === mac && line.state === "complete",
        PATIENCE,
      );
      await printTimeline("arm64 by PXE", network, daemon, machine);
      const served = await daemon.logs(
        "serve_ipxe_over_tftp",
        (line) => line.mac === mac && line.state === "complete",
      );
      assertEquals(
        [served.file_name, served.total_bytes],
        ["ipxe-arm64.efi", ipxe.length],
      );
      assertStages(daemon, machine, PXE);
      assertConsole(
        machine,
        ">>Start PXE over IPv6",
        `NBP filename is ${mac}/ipxe-arm64.efi`,
        "iPXE",
        `http://[${ROUTER}]:6315/mac/${mac}/boot.efi`,
      );
    },
  });

  await t.step({
    name: "x86-64: PXE, an iPXE that has the script inside",
    ignore: ignoreScripted,
    fn: async () => {
      const mac = "52:54:00:12:34:12";
      await using network = await BootNetwork.create();
      await network.serve(mac, uki);
      await network.advertise();
      const daemon = await network.daemon(
        `--ipxe-x86-64-efi=${SCRIPTED_IPXE}`,
      );
      const machine = await Machine.start(network.router, {
        architecture: "x86-64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 1024,
      });
      await assertSystem(
        "x86-64 by PXE, iPXE with the script inside",
        network,
        daemon,
        machine,
      );
      assertStages(daemon, machine, [...PXE, OS]);
      assertConsole(machine, `${OS_STARTED} ${COMMAND_LINE}`, OS_ADDRESS);
    },
  });

  await t.step({
    name: "x86-64: switched on before there is a router",
    ignore: ignoreScripted,
    fn: async () => {
      const mac = "52:54:00:12:34:0d";
      await using network = await BootNetwork.create();
      await network.serve(mac, uki);
      // The firmware's own PXE gives up, so this iPXE comes from a disk.
      const disk = await diskWith(network, SCRIPTED_IPXE!);
      const machine = await Machine.start(network.router, {
        architecture: "x86-64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 1024,
        disk,
      });
      await machine.shows(new RegExp(RETRY), PATIENCE);
      await network.advertise();
      const daemon = await network.daemon();
      await assertSystem(
        "x86-64, on before the router",
        network,
        daemon,
        machine,
      );
      assertStages(daemon, machine, [...IPXE, OS]);
      assertConsole(
        machine,
        RETRY,
        `http://[${ROUTER}]:6315/mac/${mac}/boot.efi`,
        OS_STARTED,
        OS_ADDRESS,
      );
    },
  });

  await t.step({
    name: "x86-64: iPXE takes no certificate but its authority's",
    ignore: ignoreTrusting,
    fn: async () => {
      const mac = "52:54:00:12:34:0f";
      await using network = await BootNetwork.create();
      await network.serve(mac, await compiledIn("x86-64"));
      const trusted = new Authority(`${TRUST}/ca.pem`, `${TRUST}/ca.key`);
      const other = await Authority.create(network.lab.directory, "other");
      const files = await serverFiles(network);
      await other.certify({ address: ROUTER, name: ROUTER_NAME, ...files });
      await network.advertise();
      await network.nameServer();
      const daemon = await network.daemonWithTls(
        // Not by address: iPXE would send that, in its brackets, as the name that
        // it wants to talk to, which the runtime's TLS refuses.
        ROUTER_NAME,
        files,
        `--dns=${ROUTER}`,
      );
      const machine = await Machine.start(network.router, {
        architecture: "x86-64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 512,
        disk: await diskWith(network, SCRIPTED_IPXE!),
      });
      await machine.shows(
        new RegExp(`(booting https:[^]*that did not boot[^]*${RETRY}[^]*){2}`),
        PATIENCE,
      );
      assertEquals(daemon.count("http_fetch_uki"), 0);
      // Only the certificate: a new key too would be no pair for a moment.
      await trusted.certify({ address: ROUTER, name: ROUTER_NAME, ...files });
      await fetchedByTls(machine, daemon);
      await printTimeline(
        "x86-64, iPXE with one authority",
        network,
        daemon,
        machine,
      );
      assertConsole(
        machine,
        RETRY,
        RETRY,
        `https://${ROUTER_NAME}:${TLS_PORT}/mac/${mac}/boot.efi`,
      );
      assertStages(daemon, machine, IPXE);
    },
  });
});
