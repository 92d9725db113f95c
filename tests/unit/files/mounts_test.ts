import { assertEquals } from "@std/assert";
import { mountOf, parseMounts, readMounts } from "../../../lib/files/mounts.ts";

const MOUNTS = parseMounts(`\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:24 / /srv rw shared:2 master:1 - nfs4 server:/srv rw,addr=2001:db8::1
31 30 0:25 / /srv/netboot rw - tmpfs tmpfs rw
32 22 0:26 / /mnt/with\\040blank\\011tab rw - fuse.sshfs host: rw
33 22 0:27 / /over rw - ext4 /dev/vda2 rw
34 33 0:28 / /over rw - cifs //server/share rw
35 22 0:29 /sub /subvolume rw - btrfs /dev/vda3 rw
`);

Deno.test("the mount of a path", async (t) => {
  for (
    const [path, id, isLocal] of [
      ["/", 22, true],
      ["/etc/passwd", 22, true],
      ["/srv", 30, false],
      ["/srv/x", 30, false],
      ["/srvx", 22, true],
      ["/srv/netboot", 31, true],
      ["/srv/netboot/a/b", 31, true],
      ["/srv/netbootx", 30, false],
      ["/mnt/with blank\ttab/x", 32, false],
      ["/over/x", 34, false],
      ["/subvolume/x", 35, true],
    ] as const
  ) {
    await t.step(path, () => {
      const mount = mountOf(path, MOUNTS);
      assertEquals([mount?.id, mount?.isLocal], [id, isLocal]);
    });
  }

  await t.step("without any mounts", () => {
    assertEquals(mountOf("/etc/passwd", []), undefined);
  });

  await t.step("of this system", () => {
    assertEquals(mountOf("/proc/self/status", readMounts())?.isLocal, true);
  });
});
