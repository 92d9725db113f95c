import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { BootFileHandler } from "../../../lib/http/boot_files.ts";
import {
  BootDirectory,
  lastModified,
  urlPathNames,
} from "../../../lib/boot_files/directory.ts";
import type { PathProblem } from "../../../lib/boot_files/served_roots.ts";
import { fileVersion } from "../../../lib/boot_files/file_version.ts";
import { formatMac, NO_MAC, parseMac } from "../../../lib/net/mac.ts";
import { fc } from "../../support/fast_check.ts";
import {
  ask,
  findClosed,
  Known,
  MAC,
  MAC_TEXT,
  nextTick,
  OTHER_MAC,
  OTHER_MAC_TEXT,
} from "../../support/http.ts";

const SECRET = "SECRET, which nobody may see";
const OWN = "the machine's own";
const OTHERS = "another machine's";
const SHARED = "everybody's";

/** Where the machines' directories are, with much around that is not theirs. */
interface Place {
  /** Holds the netboot directory, and secrets beside it. */
  readonly root: string;
  readonly netboot: string;
}

async function makePlace(): Promise<Place> {
  const root = await Deno.realPath(await Deno.makeTempDir());
  const netboot = `${root}/netboot`;
  const own = `${netboot}/${MAC_TEXT}`;
  const others = `${netboot}/${OTHER_MAC_TEXT}`;
  const shared = `${netboot}/default`;
  const outside = `${root}/outside`;
  // Its name begins like that of the netboot directory.
  const sibling = `${root}/netboot-2`;
  for (
    const directory of [
      `${own}/sub/deep`,
      `${own}/empty.efi`,
      `${others}/sub`,
      `${shared}/empty.efi.d`,
      `${outside}/${MAC_TEXT}`,
      sibling,
    ]
  ) await Deno.mkdir(directory, { recursive: true });
  for (
    const [path, content] of [
      [`${root}/secret.txt`, SECRET],
      [`${netboot}/secret.txt`, SECRET], // of no machine
      [`${outside}/secret.txt`, SECRET],
      [`${outside}/${MAC_TEXT}/secret.txt`, SECRET],
      [`${sibling}/secret.txt`, SECRET],
      [`${own}/boot.efi`, OWN],
      [`${own}/sub/deep/inner.img`, OWN],
      [`${own}/a b%c+d.txt`, OWN],
      [`${own}/größe.txt`, OWN],
      [`${own}/...`, OWN],
      [`${own}/..boot`, OWN],
      [`${own}/back\\slash.efi`, SECRET],
      [`${own}/covered.efi`, OWN],
      [`${others}/boot.efi`, OTHERS],
      [`${others}/only.efi`, OTHERS],
      [`${shared}/boot.efi`, SHARED],
      [`${shared}/covered.efi`, SHARED],
      [`${shared}/shared.iso`, SHARED],
      [`${shared}/empty.efi`, SHARED],
      [`${shared}/out.efi`, SHARED],
    ] as const
  ) await Deno.writeTextFile(path, content);
  for (
    const [path, target] of [
      [`${own}/inside.efi`, "../default/shared.iso"],
      [`${own}/inside-absolute.efi`, `${own}/boot.efi`],
      [`${own}/inside-directory`, "sub/deep"],
      [`${own}/out.efi`, "../../secret.txt"],
      [`${own}/out-file.efi`, "../../secret.txt"],
      [`${own}/out-absolute.efi`, `${root}/secret.txt`],
      [`${own}/out-directory`, "../../outside"],
      [`${own}/out-sibling`, "../../netboot-2"],
      [`${own}/out-parent`, "../.."],
      [`${own}/out-root`, "/"],
      [`${own}/out-chain.efi`, "out-file.efi"],
      [`${own}/out-and-in.efi`, `../../outside/back/boot.efi`],
      [`${outside}/back`, own],
      [`${own}/loop.efi`, "loop.efi"],
      [`${own}/dangling.efi`, "nothing.efi"],
      [`${own}/itself`, "."],
      [`${own}/device.img`, "/dev/zero"],
      [`${own}/process.txt`, "/proc/self/environ"],
      [`${netboot}/02:00:5e:00:53:03`, "../outside"],
      [`${shared}/out-file-of-all.efi`, "../../secret.txt"],
    ] as const
  ) await Deno.symlink(target, path);
  const { success } = await new Deno.Command("mkfifo", {
    args: [`${own}/pipe.efi`],
  }).output();
  assert(success);
  return { root, netboot };
}

Deno.test("paths of URLs", async (t) => {
  for (
    const [escaped, expected] of [
      ["boot.efi", ["boot.efi"]],
      ["a/b/c.efi", ["a", "b", "c.efi"]],
      ["a%20b.txt", ["a b.txt"]],
      ["a+b.txt", ["a+b.txt"]],
      ["%62oot%2eefi", ["boot.efi"]],
      ["gr%C3%B6%C3%9Fe", ["größe"]],
      ["größe", ["größe"]],
      ["...", ["..."]],
      ["..a", ["..a"]],
      [".hidden", [".hidden"]],
      ["a..b", ["a..b"]],
      ["%252e%252e", ["%2e%2e"]],
      [" ", [" "]],
      ["", undefined],
      ["/", undefined],
      ["/boot.efi", ["boot.efi"]],
      ["//sub///boot.efi", ["sub", "boot.efi"]],
      ["boot.efi/", undefined],
      ["boot.efi//", undefined],
      ["a//b", ["a", "b"]],
      ["a/%2fb", undefined],
      ["a//../b", undefined],
      [".", undefined],
      ["..", undefined],
      ["a/./b", undefined],
      ["a/../b", undefined],
      ["%2e", undefined],
      ["%2E%2e", undefined],
      [".%2e", undefined],
      ["%2e.", undefined],
      ["a%2fb", undefined],
      ["a%2Fb", undefined],
      ["a%5cb", undefined],
      ["a\\b", undefined],
      ["a%00", undefined],
      ["a\0", undefined],
      ["%", undefined],
      ["%2", undefined],
      ["%zz", undefined],
      ["%c0%ae%c0%ae", undefined],
      ["%ff", undefined],
      ["%ed%a0%80", undefined],
    ] as [string, string[] | undefined][]
  ) {
    await t.step(JSON.stringify(escaped), () => {
      assertEquals(urlPathNames(escaped), expected);
    });
  }

  await t.step("never lead up, whatever they are made of", () => {
    const piece = fc.constantFrom(
      ...["/", ".", "..", "%2e", "%2f", "%5c", "\\", "%00", "%25", "a", "%"],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const names = urlPathNames(pieces.join(""));
        if (names === undefined) return;
        assert(names.length > 0);
        const { pathname } = new URL(
          names.map(encodeURIComponent).join("/"),
          "file:///top/",
        );
        assertEquals(
          decodeURIComponent(pathname.replaceAll("%25", "%2525")).split("/")
            .length,
          names.length + 2,
        );
        for (const name of names) {
          assert(!["", ".", ".."].includes(name) && !/[/\\\0]/.test(name));
        }
      }),
      { numRuns: 5000 },
    );
  });
});

Deno.test("a modification time that says nothing is none", async (t) => {
  const now = Date.UTC(2026, 6, 1);
  for (
    const [time, isKnown] of [
      [null, false],
      [-86_400_000, false],
      [0, false], // OSTree, casync
      [1, false],
      [1000, false], // stores of Nix and Guix
      [1999, false],
      [Date.UTC(1980, 0, 1), false], // zip, FAT
      [Date.UTC(1980, 0, 1, 14), false],
      [Date.UTC(1980, 0, 3), true],
      [Date.UTC(2025, 9, 13), true],
      [now - 1, true],
      [now, false], // it may change again in this second
      [now + 1, false],
    ] as const
  ) {
    await t.step(`${time}: ${isKnown}`, () => {
      const mtime = time === null ? null : new Date(time);
      assertEquals(
        lastModified(mtime, now),
        isKnown ? mtime ?? undefined : undefined,
      );
    });
  }
});

Deno.test("netboot files", async (t) => {
  await using cleanup = new AsyncDisposableStack();
  const place = await makePlace();
  const files = new BootDirectory(place.netboot);
  const router = new Known().handler(new BootFileHandler(files, () => {}));

  cleanup.defer(async () => {
    await Deno.remove(place.root, { recursive: true });
  });

  /** What `find` leads to. */
  async function found(escaped: string, mac = MAC) {
    const file = await findClosed(files, mac, escaped);
    return file === undefined ? undefined : await Deno.readTextFile(file.path);
  }

  await t.step("a machine's own come before those of all", async () => {
    assertEquals(await found("boot.efi"), OWN);
    assertEquals(await found("boot.efi", OTHER_MAC), OTHERS);
    assertEquals(await found("boot.efi", 0x0200_5e00_53ff), SHARED);
    assertEquals(await found("covered.efi"), OWN);
    assertEquals(await found("shared.iso"), SHARED);
    assertEquals(await found("only.efi"), undefined);
    assertEquals(await found("nothing.efi"), undefined);
  });

  await t.step(
    "what is there is not replaced by the file for all",
    async () => {
      for (
        const [name, kind] of [
          ["empty.efi", "no_file"],
          ["out.efi", "link_leads_out"],
          ["dangling.efi", "broken_link"],
          ["pipe.efi", "no_file"],
          ["loop.efi", "unreadable"],
        ] as const
      ) {
        await Deno.writeTextFile(
          `${place.netboot}/default/${name}.all`,
          SHARED,
        );
        await Deno.rename(
          `${place.netboot}/default/${name}.all`,
          `${place.netboot}/default/${name}`,
        );
        assertEquals(await found(name, 0x0200_5e00_53ff), SHARED);
        const problems: PathProblem[] = [];
        assertEquals(await findClosed(files, MAC, name, problems), undefined);
        assertEquals(problems.map((problem) => problem.kind), [kind], name);
        await Deno.remove(`${place.netboot}/default/${name}`);
      }
    },
  );

  await t.step("in directories, and with any name", async () => {
    assertEquals(await found("sub/deep/inner.img"), OWN);
    assertEquals(await found("a%20b%25c+d.txt"), OWN);
    assertEquals(await found("gr%C3%B6%C3%9Fe.txt"), OWN);
    assertEquals(await found("..."), OWN);
    assertEquals(await found("..boot"), OWN);
  });

  await t.step("through links that stay inside", async () => {
    assertEquals(await found("inside.efi"), SHARED);
    assertEquals(await found("inside-absolute.efi"), OWN);
    assertEquals(await found("inside-directory/inner.img"), OWN);
    assertEquals(await found("itself/itself/boot.efi"), OWN);
  });

  await t.step("have the type of the name that was asked for", async () => {
    const own = `${place.netboot}/${MAC_TEXT}`;
    for (
      const [name, type] of [
        ["t.efi", "application/efi"],
        ["t.EFI", "application/efi"],
        ["t.iso", "application/vnd.efi-iso"],
        ["t.img", "application/vnd.efi-img"],
        ["t.ipxe", "text/plain; charset=utf-8"],
        ["t.txt", "text/plain; charset=utf-8"],
        ["t.cfg", "text/plain; charset=utf-8"],
        ["t.json", "application/json"],
        ["t.xml", "application/xml"],
        ["t.html", "text/html; charset=utf-8"],
        ["t.tar.gz", "application/gzip"],
        ["t.xz", "application/x-xz"],
        ["t.zst", "application/zstd"],
        ["t.constructor", "application/octet-stream"],
        ["t.efi.sig", "application/octet-stream"],
        ["vmlinuz", "application/octet-stream"],
        ["efi", "application/octet-stream"],
        ["t.", "application/octet-stream"],
      ] as const
    ) {
      await Deno.writeTextFile(`${own}/${name}`, "");
      assertEquals((await findClosed(files, MAC, name))?.type, type, name);
    }
    // A link says by its own name what it is, as the firmware does.
    assertEquals(
      (await findClosed(files, MAC, "inside.efi"))!.type,
      "application/efi",
    );
  });

  await t.step("have another tag when their content is another", async () => {
    const path = `${place.netboot}/${MAC_TEXT}/changing.efi`;
    const seen = new Set<string>();
    const look = async (what: string) => {
      const file = (await findClosed(files, MAC, "changing.efi"))!;
      assertEquals(fileVersion(file.info), fileVersion(await Deno.stat(path)));
      assertEquals(file.size, (await Deno.stat(path)).size);
      assert(/^"[^"\\]+"$/.test(file.etag), file.etag);
      const again = (await findClosed(files, MAC, "changing.efi"))!;
      assertEquals(again.etag, file.etag, "as long as nothing changes");
      assert(!seen.has(file.etag), what);
      seen.add(file.etag);
      await nextTick();
    };
    await Deno.writeTextFile(path, "one");
    await look("new");
    await Deno.writeTextFile(path, "two");
    await look("written in place");
    await Deno.writeTextFile(path, "!", { append: true });
    await look("longer");
    await Deno.truncate(path, 1);
    await look("shorter");
    await Deno.writeTextFile(`${path}.new`, "t");
    await Deno.rename(`${path}.new`, path);
    await look("another file of that name");
    // Who sets the time back cannot hide that there was a change, unless it is
    // within a second: the runtime tells the time of that in seconds only.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { mtime } = await Deno.stat(path);
    await Deno.writeTextFile(path, "u");
    await Deno.utime(path, mtime!, mtime!);
    await look("the time set back");
    await Deno.utime(path, 1, 1);
    await look("a time of long ago");
    const file = (await findClosed(files, MAC, "changing.efi"))!;
    assertEquals(file.modified, undefined);
    const other = (await findClosed(files, MAC, "boot.efi"))!;
    assertNotEquals(other.etag, file.etag);
  });

  await t.step("have no tag twice on an image without times", async () => {
    const { stat } = Deno;
    const { stat: statOpen } = Deno.FsFile.prototype;
    const time = new Date(1000);
    Deno.FsFile.prototype.stat = async function () {
      return { ...await statOpen.call(this), mtime: time, ctime: time };
    };
    Deno.stat = async (path) => ({
      ...await stat(path),
      mtime: time,
      ctime: time,
    });
    try {
      const file = (await findClosed(files, MAC, "boot.efi"))!;
      const again = (await findClosed(files, MAC, "boot.efi"))!;
      assertEquals(file.modified, undefined);
      assertEquals(fileVersion(file.info), fileVersion(again.info));
      assertNotEquals(file.etag, again.etag);
    } finally {
      Deno.stat = stat;
      Deno.FsFile.prototype.stat = statOpen;
    }
  });

  await t.step("are there or not, as the directory is", async () => {
    const late = new BootDirectory(`${place.root}/late`);
    assertEquals(await findClosed(late, MAC, "boot.efi"), undefined);
    await Deno.symlink(place.netboot, `${place.root}/late`);
    assertEquals(
      (await findClosed(late, MAC, "boot.efi"))?.path,
      `${place.netboot}/${MAC_TEXT}/boot.efi`,
      "the directory itself may be a link",
    );
    await Deno.remove(`${place.root}/late`);
    assertEquals(await findClosed(late, MAC, "boot.efi"), undefined);
  });

  await t.step("the MAC in all its notations", async () => {
    for (
      const text of [
        MAC_TEXT,
        MAC_TEXT.toUpperCase(),
        "02-00-5e-00-53-01",
        "02-00-5E-00-53-01",
        "0200.5e00.5301",
        "02005e005301",
        "02005E005301",
        "02%3a00%3A5e%3a00%3a53%3a01",
      ]
    ) {
      const response = await ask(router, `/mac/${text}/boot.efi`);
      assertEquals(response.status, 200, text);
      assertEquals(await response.text(), OWN, text);
    }
  });

  await t.step(
    "of the machine whose address asks, without a MAC in the path",
    async () => {
      const refused: string[] = [];
      const stages: string[] = [];
      const own = new Known().handler(
        new BootFileHandler(
          files,
          (mac, _client, { file_name, state }) =>
            stages.push(`${formatMac(mac)} ${file_name} ${state}`),
          undefined,
          {
            macOf: (client) => client === "2001:db8:1:2::9" ? NO_MAC : MAC,
            isMachine: () => true,
            onRefused: ({ path, cause }) => refused.push(`${path} ${cause}`),
          },
        ),
      );
      const textOf = async (path: string, client?: string) => {
        const response = await ask(own, path, { client });
        return `${response.status} ${await response.text()}`;
      };
      assertEquals(await textOf("/boot.efi"), `200 ${OWN}`);
      assertEquals(await textOf("//boot.efi"), `200 ${OWN}`);
      assertEquals(await textOf(`//mac//${MAC_TEXT}//boot.efi`), `200 ${OWN}`);
      assertEquals(stages.slice(0, 2), [
        `${MAC_TEXT} boot.efi init`,
        `${MAC_TEXT} boot.efi complete`,
      ]);
      // What the daemon serves itself stays what it is.
      assertMatch(await textOf("/"), /^200 <!doctype html>/i);
      assertMatch(await textOf("/healthz"), /^200 ok/);
      assertMatch(await textOf("/machines"), /^200 /);
      assertEquals(refused, []);
      assertEquals(await textOf("/none.efi"), "404 not found\n");
      assertEquals(await textOf("/../secret.txt"), "404 not found\n");
      assertEquals(await textOf("/favicon.ico"), "404 not found\n");
      assertEquals(refused, [
        "/none.efi not_found",
        "/../secret.txt malformed_path",
      ]);
      assertEquals(
        await textOf("/boot.efi", "2001:db8:1:2::9"),
        "404 not found\n",
      );
    },
  );

  await t.step("path attacks", async (t) => {
    const LONG = "a".repeat(10_000);
    /** Paths behind the MAC that lead to nothing. */
    const attacks = [
      // Dot segments.
      "..",
      "../",
      "../secret.txt",
      "../../secret.txt",
      "../../outside/secret.txt",
      "../../netboot-2/secret.txt",
      "sub/../../../secret.txt",
      "sub/deep/../../boot.efi",
      "./boot.efi",
      "sub/./deep/inner.img",
      ".",
      "boot.efi/..",
      "boot.efi/.",
      "../../../../../../../../../../etc/passwd",
      "..;/..;/secret.txt",
      "...//...//secret.txt",
      "....//....//secret.txt",

      // Encoded ones.
      "%2e%2e/%2e%2e/secret.txt",
      "%2E%2E/%2E%2E/secret.txt",
      ".%2e/%2e./secret.txt",
      "%2e%2e%2f%2e%2e%2fsecret.txt",
      "..%2f..%2fsecret.txt",
      "..%2F..%2Fsecret.txt",
      "%2e/boot.efi",
      "sub%2fdeep%2finner.img",
      "%252e%252e/%252e%252e/secret.txt",
      "%252e%252e%252f%252e%252e%252fsecret.txt",
      "%25252e%25252e%25252fsecret.txt",
      "..%252f..%252fsecret.txt",
      "%c0%ae%c0%ae/%c0%ae%c0%ae/secret.txt",
      "..%c0%af..%c0%afsecret.txt",
      "..%e0%80%af..%e0%80%afsecret.txt",
      "%uff0e%uff0e/secret.txt",
      "．．/．．/secret.txt",
      "%ef%bc%8e%ef%bc%8e/secret.txt",

      // Backslashes.
      "..\\..\\secret.txt",
      "..%5c..%5csecret.txt",
      "\\..\\..\\secret.txt",
      "back\\slash.efi",
      "back%5cslash.efi",

      // Octets that end a name elsewhere.
      "boot.efi\0",
      "boot.efi%00",
      "boot.efi%00.txt",
      "%00",
      "..%00/..%00/secret.txt",
      "../../secret.txt%00.efi",
      "boot.efi%0a",
      "boot.efi%0d%0aX-Header:%20x",
      "boot.efi%20",
      "boot.efi.",
      "boot.efi::$DATA",
      "boot.efi;",
      "boot%",
      "%",
      "%ff%fe",

      // Absolute ones and empty names.
      "",
      "/",
      "//etc/passwd",
      "/etc/passwd",
      "%2fetc%2fpasswd",
      "file:///etc/passwd",
      "~root/.profile",
      "boot.efi/",
      "boot.efi/boot.efi",

      // Other machines' files, and those of none.
      `../${OTHER_MAC_TEXT}/only.efi`,
      `..%2f${OTHER_MAC_TEXT}%2fonly.efi`,
      `%2e%2e/${OTHER_MAC_TEXT}/only.efi`,
      `${OTHER_MAC_TEXT}/only.efi`,
      "../default/shared.iso",
      "default/shared.iso",
      `../${MAC_TEXT}/boot.efi`,
      "secret.txt",

      // Links that lead out.
      "out-file.efi",
      "out-absolute.efi",
      "out-directory/secret.txt",
      `out-directory/${MAC_TEXT}/secret.txt`,
      "out-sibling/secret.txt",
      "out-parent/secret.txt",
      "out-root/etc/passwd",
      "out-chain.efi",
      "out-file-of-all.efi",
      "itself/out-file.efi",
      "inside-directory/../../../secret.txt",
      "loop.efi",
      "dangling.efi",

      // What is no file.
      "sub",
      "sub/deep",
      "sub/",
      "itself",
      "pipe.efi",
      "device.img",
      "process.txt",

      // Too long for any name, and for any path.
      LONG,
      "a/".repeat(5_000) + "a",
      "../".repeat(3_333) + "etc/passwd",
      "%2e%2e/".repeat(1_500) + "etc/passwd",
      "sub/".repeat(2_500),
      `sub/deep/${LONG}.img`,
    ];

    for (const path of attacks) {
      const name = path.length > 60
        ? `${path.slice(0, 20)}... (${path.length})`
        : path;
      await t.step(JSON.stringify(name), async () => {
        assertEquals(await findClosed(files, MAC, path), undefined);
        const response = await ask(router, `/mac/${MAC_TEXT}/${path}`);
        const text = await response.text();
        assertEquals(response.status, 404);
        assertEquals(text, "not found\n");
        const head = await ask(router, `/mac/${MAC_TEXT}/${path}`, {
          method: "HEAD",
        });
        assertEquals(head.status, 404);
        await head.body?.cancel();
      });
    }

    await t.step("are many", () => assert(new Set(attacks).size >= 40));

    await t.step(
      "a link that goes out and comes back leads to what is inside",
      async () => {
        assertEquals(await found("out-and-in.efi"), OWN);
      },
    );

    await t.step("a machine's directory that leads out is none", async () => {
      const mac = parseMac("02:00:5e:00:53:03")!;
      for (const path of ["secret.txt", `${MAC_TEXT}/secret.txt`]) {
        assertEquals(await findClosed(files, mac, path), undefined);
      }
    });

    for (
      const [target, status, body] of [
        // What comes behind ? and # is no part of the path.
        [`/mac/${MAC_TEXT}/boot.efi?../../secret.txt`, 200, OWN],
        [`/mac/${MAC_TEXT}/boot.efi?`, 200, OWN],
        [`/mac/${MAC_TEXT}/boot.efi#/../../secret.txt`, 200, OWN],
        [`/mac/${MAC_TEXT}?/boot.efi`, 404, undefined],
        [`/mac/${MAC_TEXT}`, 404, undefined],
        [`/mac/${MAC_TEXT}%2fboot.efi`, 400, undefined],
        [`/mac/${MAC_TEXT}%00/boot.efi`, 400, undefined],
        [`/mac/${MAC_TEXT} /boot.efi`, 400, undefined],
        [`/mac/${MAC_TEXT}%0a/boot.efi`, 400, undefined],
        ["/mac/", 400, undefined],
        ["/mac//boot.efi", 400, undefined],
        ["/mac//secret.txt", 400, undefined],
        ["/mac/../secret.txt", 400, undefined],
        ["/mac/..", 400, undefined],
        ["/mac/.", 400, undefined],
        ["/mac/./secret.txt", 400, undefined],
        ["/mac/%2e%2e/secret.txt", 400, undefined],
        ["/mac/..%2f..%2fsecret.txt", 400, undefined],
        ["/mac/default/shared.iso", 400, undefined],
        ["/mac/boot.efi", 400, undefined],
        ["/mac/%zz/boot.efi", 400, undefined],
        [`/mac/02:00:5e:00:53/boot.efi`, 400, undefined],
        [`/mac/02:00:5e:00:53:01:02/boot.efi`, 400, undefined],
        [`/mac/02:00:5e:00:53:0g/boot.efi`, 400, undefined],
        [`/mac/${LONG}/boot.efi`, 400, undefined],
        [`/mac/..;${MAC_TEXT}/boot.efi`, 400, undefined],
        ["/mac", 404, undefined],
        ["//mac/" + MAC_TEXT + "/boot.efi", 200, OWN],
        ["//mac/..//boot.efi", 400, undefined],
        ["/./mac/" + MAC_TEXT + "/boot.efi", 404, undefined],
        ["/x/../mac/" + MAC_TEXT + "/boot.efi", 404, undefined],
        ["/MAC/" + MAC_TEXT + "/boot.efi", 404, undefined],
        ["/%6dac/" + MAC_TEXT + "/boot.efi", 404, undefined],
        ["/secret.txt", 404, undefined],
        ["/etc/passwd", 404, undefined],
        ["/..", 404, undefined],
        ["/" + LONG, 404, undefined],
      ] as const
    ) {
      const name = target.length > 60 ? `${target.slice(0, 20)}...` : target;
      await t.step(`${JSON.stringify(name)}: ${status}`, async () => {
        const response = await ask(router, target);
        const text = await response.text();
        assertEquals(response.status, status, text);
        if (body === undefined) assert(!text.includes("SECRET"));
        else assertEquals(text, body);
      });
    }

    await t.step("of any make never lead to a secret", async () => {
      const piece = fc.constantFrom(
        ...[
          "..",
          ".",
          "/",
          "%2e",
          "%2f",
          "%00",
          "%5c",
          "secret.txt",
          "boot.efi",
        ],
        ...[
          "sub",
          "out-directory",
          "out-parent",
          "itself",
          "default",
          "netboot",
        ],
        ...["outside", MAC_TEXT, OTHER_MAC_TEXT, "%25", "?", "mac"],
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(piece, { minLength: 1, maxLength: 9 }),
          fc.boolean(),
          async (pieces, behindMac) => {
            const start = behindMac ? `/mac/${MAC_TEXT}/` : "/mac/";
            const response = await ask(router, start + pieces.join(""));
            const text = await response.text();
            assert(
              [200, 400, 404].includes(response.status) &&
                !text.includes("SECRET"),
              `${response.status}: ${text}`,
            );
          },
        ),
        { numRuns: 2000 },
      );
    });
  });
});
