import { assertEquals } from "@std/assert";
import {
  type Mount,
  mountOf,
  parseMounts,
  readMounts,
  remoteMountOn,
} from "../../../lib/files/mounts.ts";

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

Deno.test("the first mount on the way that may not answer", async (t) => {
  const directory = await Deno.realPath(await Deno.makeTempDir());
  await Deno.mkdir(`${directory}/local/sub`, { recursive: true });
  await Deno.mkdir(`${directory}/remote`);
  const links = {
    "local/out": "../remote/file",
    "local/absolute": `${directory}/remote`,
    "local/twice": "sub/on",
    "local/sub/on": "../out",
    "local/here": "sub",
    "local/loop": "loop",
    "local/broken": "none/file",
    "remote/back": "../local",
  };
  for (const [path, target] of Object.entries(links)) {
    await Deno.symlink(target, `${directory}/${path}`);
  }
  const local: Mount = { id: 1, point: "/", isLocal: true };
  const mounts = [local, {
    id: 2,
    point: `${directory}/remote`,
    isLocal: false,
  }];

  for (
    const [path, id] of [
      ["local/sub/file", undefined],
      ["local/here/file", undefined],
      ["local/out", 2],
      ["local/absolute", 2],
      ["local/absolute/a/b", 2],
      ["local/twice", 2],
      ["local/here/on", 2],
      ["local/./sub/../out", 2],
      ["local//out/", 2],
      ["remote", 2],
      ["remote/file", 2],
      // What it asks would not answer: where this leads is not known.
      ["remote/../local/sub", 2],
      ["remote/back/sub", 2],
      ["local/loop", undefined],
      ["local/loop/../out", undefined],
      ["local/broken", undefined],
      ["none", undefined],
      ["remotely", undefined],
    ] as const
  ) {
    await t.step(`of ${path} is ${id ?? "none"}`, async () => {
      const mount = await remoteMountOn(`${directory}/${path}`, mounts);
      assertEquals(mount?.id, id);
    });
  }

  await t.step("of a relative path", async () => {
    const remote = { id: 3, point: `${Deno.cwd()}/lib`, isLocal: false };
    const found = (path: string) => remoteMountOn(path, [local, remote]);
    assertEquals((await found("lib/files"))?.id, 3);
    assertEquals(await found("tests"), undefined);
  });

  await t.step("is none when all mounts are local", async () => {
    assertEquals(await remoteMountOn("/none", [local]), undefined);
  });

  await Deno.remove(directory, { recursive: true });
});
