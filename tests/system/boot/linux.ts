/**
 * A Linux system: Debian's cloud kernel with an initramfs that runs a DHCPv6
 * client and says which address it has, and both in one EFI file behind systemd's
 * stub.
 *
 * @module
 */

import { BUSYBOX, unpackFromArchive } from "../../../tools/debian.ts";
import { command } from "../../support/lab.ts";

/** What the system writes before its command line. */
export const OS_STARTED = "OS STARTED:";

/** What the system writes before its address. */
export const OS_ADDRESS = "OS ADDRESS";

/** What is in the file as its command line. */
export const COMMAND_LINE = "console=ttyS0 quiet mitigations=off nokaslr";

/** Gets an address on the first interface, tells it and switches off. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
# iPXE's name for the file is all of the command line then: no console= is in it
exec > /dev/ttyS0 2>&1
echo "${OS_STARTED} $(cat /proc/cmdline)"
while read -r module; do insmod "/modules/$module"; done < /modules/order
ip link set eth0 up
# udhcpc6 sends nothing before there is a link-local address that is not tentative
count=0
until ip -6 addr show dev eth0 scope link | grep -v tentative | grep -q inet6; do
  count=$((count + 1)); [ $count -lt 200 ] || break
  usleep 50000
done
udhcpc6 -n -q -t 10 -T 1 -i eth0 -s /set-address
echo "${OS_ADDRESS} $(ip -6 addr show dev eth0 scope global | sed -n 's/ *inet6 \\([^/]*\\).*/\\1/p' | tr '\\n' ' ')END"
poweroff -f
`;

const SET_ADDRESS = `#!/bin/busybox sh
[ -z "$ipv6" ] || ip -6 addr replace "\${ipv6%%/*}/128" dev "$interface"
`;

/** Modules that the network interface of QEMU needs; what those need is found. */
const MODULES = ["virtio_pci", "virtio_net"];

const encoder = new TextEncoder();

/** Where the files of the system are. */
export interface LinuxFiles {
  /** As Debian signed it. */
  readonly kernel: string;
  readonly initramfs: string;
  /** Both in one, not signed. */
  readonly uki: string;
}

/** Makes the files in `directory`, where packages are unpacked too. */
export async function buildLinux(directory: string): Promise<LinuxFiles> {
  await unpackFromArchive(BUSYBOX, directory);
  await unpackNewest("systemd-boot-efi", directory);
  await unpackNewest(await kernelPackage(), directory);
  const initrd = await buildInitramfs(directory);
  const initramfs = `${directory}/initramfs`;
  await Deno.writeFile(initramfs, initrd);
  const kernel = await only(`${directory}/boot`, /^vmlinuz-/);
  const uki = `${directory}/linux.efi`;
  await Deno.writeFile(
    uki,
    addSections(
      await Deno.readFile(
        `${directory}/usr/lib/systemd/boot/efi/linuxx64.efi.stub`,
      ),
      [
        [".cmdline", encoder.encode(`${COMMAND_LINE}\0`)],
        [".linux", await Deno.readFile(kernel)],
        [".initrd", initrd],
      ],
    ),
  );
  return { kernel, initramfs, uki };
}

/** The kernel that Debian's package for clouds stands for now. */
async function kernelPackage(): Promise<string> {
  const { stdout } = await command([
    "apt-cache",
    "depends",
    "linux-image-cloud-amd64",
  ]);
  const found = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`no kernel in: ${stdout}`);
  return found;
}

/** Unpacks a package without installing it: no kernel shall be set up here. */
export async function unpackNewest(
  name: string,
  directory: string,
): Promise<void> {
  const download = await Deno.makeTempDir({ dir: directory });
  // It runs as root, in a directory that apt's own user cannot write to.
  const output = await new Deno.Command("apt-get", {
    args: ["-q", "-o", "APT::Sandbox::User=root", "download", name],
    cwd: download,
    stdin: "null",
    signal: AbortSignal.timeout(180_000),
  }).output();
  if (!output.success) {
    throw new Error(
      `apt-get download ${name}: ${new TextDecoder().decode(output.stderr)}`,
    );
  }
  await command([
    "dpkg-deb",
    "--extract",
    await only(download, /\.deb$/),
    directory,
  ], { seconds: 120 });
}

/** The only entry of a directory whose name matches. */
async function only(directory: string, name: RegExp): Promise<string> {
  const found = (await Array.fromAsync(Deno.readDir(directory)))
    .filter((entry) => name.test(entry.name));
  if (found.length !== 1) {
    throw new Error(`${found.length} files match ${name} in ${directory}`);
  }
  return `${directory}/${found[0]!.name}`;
}

async function buildInitramfs(directory: string): Promise<Uint8Array> {
  const modules = await findModules(directory);
  const order: string[] = [];
  for (const name of MODULES) await addModule(modules, name, order);
  const archive = new Archive();
  for (const name of ["bin", "dev", "modules", "proc", "sys"]) {
    archive.add(name, 0o40755);
  }
  archive.add("init", 0o100755, encoder.encode(INIT));
  archive.add("set-address", 0o100755, encoder.encode(SET_ADDRESS));
  archive.add(
    "bin/busybox",
    0o100755,
    await Deno.readFile(`${directory}/usr/bin/busybox`),
  );
  archive.add(
    "modules/order",
    0o100644,
    encoder.encode(order.map((name) => `${name}\n`).join("")),
  );
  for (const name of order) {
    archive.add(
      `modules/${name}`,
      0o100644,
      await Deno.readFile(modules.get(name)!),
    );
  }
  return archive.end();
}

/** Where each kernel module is, unpacked. */
async function findModules(directory: string): Promise<Map<string, string>> {
  const { stdout } = await command([
    "find",
    directory,
    "-name",
    "*.ko",
    "-o",
    "-name",
    "*.ko.xz",
  ]);
  return new Map(
    stdout.split("\n").filter((path) => path !== "").map((path) => [
      path.replace(/.*\/|\.ko.*/g, "").replaceAll("-", "_"),
      path,
    ]),
  );
}

/** Adds a module behind those that it needs, as its own section says. */
async function addModule(
  modules: Map<string, string>,
  name: string,
  order: string[],
): Promise<void> {
  if (order.includes(name)) return;
  let path = modules.get(name);
  if (path === undefined) throw new Error(`there is no kernel module ${name}`);
  if (path.endsWith(".xz")) {
    await command(["xz", "--decompress", path]);
    path = path.slice(0, -".xz".length);
    modules.set(name, path);
  }
  const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
  const needs = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? "";
  for (const other of needs.split(",").filter((word) => word !== "")) {
    await addModule(modules, other.replaceAll("-", "_"), order);
  }
  order.push(name);
}

/** An archive in the form that Linux takes for its first file system (newc). */
class Archive {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  #inode = 1;

  add(
    name: string,
    mode: number,
    content: Uint8Array<ArrayBuffer> = new Uint8Array(),
    [major, minor]: readonly [number, number] = [0, 0],
  ): void {
    const path = encoder.encode(`${name}\0`);
    const numbers = [
      this.#inode++,
      mode,
      0, // owner
      0, // group
      1, // links
      0, // time
      content.length,
      0,
      0,
      major,
      minor,
      path.length,
      0,
    ];
    const header = "070701" +
      numbers.map((number) => number.toString(16).padStart(8, "0")).join("");
    this.#push(encoder.encode(header), path);
    this.#push(content);
  }

  end(): Uint8Array {
    this.add("TRAILER!!!", 0);
    return joined(this.#parts);
  }

  /** Each part begins at a multiple of four. */
  #push(...parts: Uint8Array<ArrayBuffer>[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#parts.push(...parts, new Uint8Array(-length & 3));
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Octets of a section's entry in the table of a PE file. */
const ENTRY = 40;

/** Readable, and data. */
const SECTION_FLAGS = 0x4000_0040;

/** Adds sections to an EFI program (a PE file), behind those that it has. */
function addSections(
  program: Uint8Array,
  sections: readonly (readonly [string, Uint8Array])[],
): Uint8Array {
  const view = new DataView(
    program.buffer,
    program.byteOffset,
    program.byteLength,
  );
  const header = view.getUint32(0x3c, true);
  const count = view.getUint16(header + 6, true);
  const optional = header + 24;
  const table = optional + view.getUint16(header + 20, true);
  const alignment = Math.max(view.getUint32(optional + 32, true), 4096);
  const fileAlignment = view.getUint32(optional + 36, true);
  const headers = view.getUint32(optional + 60, true);
  if (table + (count + sections.length) * ENTRY > headers) {
    throw new Error("the stub has no room for more sections");
  }
  let address = view.getUint32(optional + 56, true);
  let length = program.length;
  const parts = [program];
  const pad = () => {
    const rest = up(length, fileAlignment) - length;
    parts.push(new Uint8Array(rest));
    length += rest;
  };
  for (const [index, [name, content]] of sections.entries()) {
    pad();
    address = up(address, alignment);
    const entry = table + (count + index) * ENTRY;
    program.fill(0, entry, entry + ENTRY);
    program.set(encoder.encode(name), entry);
    view.setUint32(entry + 8, content.length, true);
    view.setUint32(entry + 12, address, true);
    view.setUint32(entry + 16, up(content.length, fileAlignment), true);
    view.setUint32(entry + 20, length, true);
    view.setUint32(entry + 36, SECTION_FLAGS, true);
    parts.push(content);
    length += content.length;
    address += content.length;
  }
  pad();
  view.setUint16(header + 6, count + sections.length, true);
  view.setUint32(optional + 56, up(address, alignment), true);
  return joined(parts);
}

/** The next multiple. */
function up(number: number, of: number): number {
  return Math.ceil(number / of) * of;
}
