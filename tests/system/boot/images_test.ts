import { assert, assertEquals } from "@std/assert";
import { X86_64_FIRMWARE } from "../../../tools/debian.ts";
import { command, eventually, missing, pause } from "../../support/lab.ts";
import { buildLinux, COMMAND_LINE, OS_ADDRESS, OS_STARTED } from "./linux.ts";
import { lacksFirmware, Machine, unpackFirmware } from "./machine.ts";
import { BootNetwork, type EventRecording, ROUTER } from "./network.ts";
import {
  assertConsole,
  assertStages,
  assertSystem,
  PATIENCE,
  variablesForHttp,
} from "./observation.ts";

const lacks = missing(
  "boots of disk images",
  "qemu-system-x86_64",
  "radvd",
  "tcpdump",
  "tshark",
  "apt-get",
  "xz",
  "mformat",
  "xorriso",
);
const ignore = lacksFirmware("boots of disk images", "x86-64") ||
  lacks.length > 0;

const SECTOR = 512;
const MIB = 1024 * 1024;

/** Bytes of a disk image: as much as the boot files of a large system. */
const DISK_SIZE = 60 * MIB;

/** Milliseconds for which nothing gets through, in the middle of a download. */
const LOSS = 10_000;

/** A file system (FAT) with one EFI program, which firmware starts. */
async function fatImage(
  program: string,
  path: string,
  size: number,
): Promise<void> {
  const sectors = size / SECTOR;
  const steps = [
    ["mformat", "-C", "-T", String(sectors), "-i", path, "::"],
    ["mmd", "-i", path, "::/EFI", "::/EFI/BOOT"],
    ["mcopy", "-i", path, program, "::/EFI/BOOT/BOOTX64.EFI"],
  ];
  for (const step of steps) await command(step, { seconds: 60 });
}

/** Takes a machine off the link for a while when a third of its file is there. */
async function loseInTheMiddle(
  { router }: BootNetwork,
  recording: EventRecording,
  mac: string,
  tap: string,
): Promise<void> {
  const sent = await eventually(
    "a third of the file is there",
    () => {
      const transfers = recording.transfers(mac);
      return transfers.find(({ sent_bytes }) => sent_bytes > DISK_SIZE / 3);
    },
    PATIENCE,
  );
  assert(sent.sent_bytes < DISK_SIZE, "the file was there before the loss");
  await router.ip(`link set ${tap} nomaster`);
  await pause(LOSS);
  await router.ip(`link set ${tap} master lan`);
}

/** A CD that starts an EFI program. */
async function isoImage(program: string, path: string): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const root = await Deno.makeTempDir({ dir: directory });
  const { size } = await Deno.stat(program);
  await fatImage(program, `${root}/efi.img`, (Math.ceil(size / MIB) + 4) * MIB);
  await command([
    ...["xorriso", "-as", "mkisofs", "-o", path],
    ...["-e", "efi.img", "-no-emul-boot", root],
  ], { seconds: 60 });
}

/** Boots an image by HTTP until its system has its address. */
async function boot(
  { directory, name, firmware, hasLoss }: {
    readonly directory: string;
    readonly name: string;
    /** Where the firmware's package is unpacked; else it is installed. */
    readonly firmware: string | undefined;
    readonly hasLoss: boolean;
  },
): Promise<void> {
  const mac = "52:54:00:12:34:22";
  await using network = await BootNetwork.create();
  const settings = {
    architecture: "x86-64",
    mac,
    megabytes: 1024,
    tap: await network.tap("tap0"),
    root: firmware,
  } as const;
  const variables = await variablesForHttp(network.router, settings);

  await Deno.mkdir(`${network.netboot}/${mac}`);
  await Deno.copyFile(
    `${directory}/${name}`,
    `${network.netboot}/${mac}/${name}`,
  );
  await network.advertise();
  const url = `http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/${name}`;
  const daemon = await network.daemon(
    "--tftp-listen-addr=off",
    `--boot-url=http=${url}`,
  );
  const recording = await network.listen();
  const machine = await Machine.start(network.router, {
    ...settings,
    variables,
  });
  if (hasLoss) await loseInTheMiddle(network, recording, mac, settings.tap);
  await assertSystem(name, network, daemon, machine);
  assertConsole(
    machine,
    `URI: http://[${ROUTER}]:6315/mac/${mac}/${name}`,
    `${OS_STARTED} ${COMMAND_LINE}`,
    OS_ADDRESS,
  );
  assertStages(daemon, machine, [
    "http_boot",
    "http_fetch_uki init",
    "http_fetch_uki complete",
    "os_init",
  ], ["unsupported_architecture"]);
  const reports = daemon.log.filter(({ event }) => event === "http_fetch_uki");
  assertEquals(
    new Set(reports.map((line) => line.file_name)),
    new Set([name]),
  );
  assertEquals(reports.at(-1)!.sent_bytes, reports.at(-1)!.total_bytes);
}

Deno.test("disk images by HTTP boot", { ignore }, async (t) => {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.adopt(
    await Deno.makeTempDir({ prefix: "dhcpv6macd-boot-" }),
    (path) => Deno.remove(path, { recursive: true }),
  );
  const { uki } = await buildLinux(directory);
  await fatImage(uki, `${directory}/disk.img`, DISK_SIZE);
  await isoImage(uki, `${directory}/cd.iso`);

  await t.step(
    "cd.iso",
    () =>
      boot({ directory, name: "cd.iso", firmware: undefined, hasLoss: false }),
  );

  const hasNew = await unpackFirmware(
    "the boot through loss",
    X86_64_FIRMWARE,
    `${directory}/firmware`,
  );
  const title = hasNew
    ? "60 MiB of disk.img, through 10 s of total loss"
    : "60 MiB of disk.img";
  await t.step(title, () =>
    boot({
      directory,
      name: "disk.img",
      firmware: hasNew ? `${directory}/firmware` : undefined,
      hasLoss: hasNew,
    }));
});
