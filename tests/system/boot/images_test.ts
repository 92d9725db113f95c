import { assertEquals } from "@std/assert";
import { command, missing } from "../../support/lab.ts";
import { buildLinux, COMMAND_LINE, OS_ADDRESS, OS_STARTED } from "./linux.ts";
import { lacksFirmware, Machine } from "./machine.ts";
import { BootNetwork, ROUTER } from "./network.ts";
import {
  assertConsole,
  assertStages,
  assertSystem,
  PATIENCE,
} from "./observation.ts";
import { bootFirst } from "./variables.ts";

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

/** A file system (FAT) with one EFI program, which firmware starts. */
async function fatImage(program: string, path: string): Promise<void> {
  const { size } = await Deno.stat(program);
  const sectors = Math.ceil((size + 4 * MIB) / SECTOR);
  const steps = [
    ["mformat", "-C", "-T", String(sectors), "-i", path, "::"],
    ["mmd", "-i", path, "::/EFI", "::/EFI/BOOT"],
    ["mcopy", "-i", path, program, "::/EFI/BOOT/BOOTX64.EFI"],
  ];
  for (const step of steps) await command(step, { seconds: 60 });
}

/** A CD that starts the EFI program of a FAT image. */
async function isoImage(fat: string, path: string): Promise<void> {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const root = await Deno.makeTempDir({ dir: directory });
  await Deno.copyFile(fat, `${root}/efi.img`);
  await command([
    ...["xorriso", "-as", "mkisofs", "-o", path],
    ...["-e", "efi.img", "-no-emul-boot", root],
  ], { seconds: 60 });
}

Deno.test("disk images by HTTP boot", { ignore }, async (t) => {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.adopt(
    await Deno.makeTempDir({ prefix: "dhcpv6macd-boot-" }),
    (path) => Deno.remove(path, { recursive: true }),
  );
  const { uki } = await buildLinux(directory);
  const fat = `${directory}/disk.img`;
  await fatImage(uki, fat);
  await isoImage(fat, `${directory}/cd.iso`);
  const mac = "52:54:00:12:34:22";
  const settings = { architecture: "x86-64", mac, megabytes: 1024 } as const;
  const variables = `${directory}/variables.fd`;
  {
    await using network = await BootNetwork.create();
    const tap = await network.tap("tap0");
    const fresh = await Machine.start(network.router, { ...settings, tap });
    await fresh.shows(/>>Start PXE over IPv6/, PATIENCE);
    await fresh.program.stop();
    await bootFirst(fresh.variables, "UEFI PXEv6", "UEFI HTTPv6");
    await Deno.copyFile(fresh.variables, variables);
  }

  for (const name of ["disk.img", "cd.iso"]) {
    await t.step(name, async () => {
      await using network = await BootNetwork.create();
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
      const tap = await network.tap("tap0");
      const machine = await Machine.start(network.router, {
        ...settings,
        tap,
        variables,
      });
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
      const reports = daemon.log.filter(({ event }) =>
        event === "http_fetch_uki"
      );
      assertEquals(
        new Set(reports.map((line) => line.file_name)),
        new Set([name]),
      );
      assertEquals(reports.at(-1)!.sent_bytes, reports.at(-1)!.total_bytes);
    });
  }
});
