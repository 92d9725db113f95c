/**
 * Virtual routing domains of Linux, in which an interface has routes and sockets
 * of its own.
 *
 * @module
 */

/** The VRF that an interface is in and this process is not, if there is one. */
export function foreignVrfOf(interfaceName: string): string | undefined {
  const master = readText(`/sys/class/net/${interfaceName}/master/uevent`);
  if (!/^DEVTYPE=vrf$/m.test(master)) return undefined;
  const [, name] = /^INTERFACE=(.+)$/m.exec(master) ?? [];
  // `ip vrf exec` puts a process into a control group of this name.
  const groups = readText("/proc/self/cgroup").split("\n");
  return groups.some((group) => group.endsWith(`/vrf/${name}`))
    ? undefined
    : name;
}

/** The text of a file of the kernel; empty if there is none. */
function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
