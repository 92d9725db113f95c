import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import {
  daemonCommand,
  launchAs,
  type LogLine,
  runDaemon,
  type RunningDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import { BASE, derived } from "../../support/expect.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
} from "../../support/lab.ts";
import { parseMac } from "../../../lib/net/mac.ts";

const SERVER = "2001:db8:1:2::1";
const PORT = 6315;

/** A machine that sends nothing. */
const OTHER_MAC = "02:00:5e:00:53:77";

/** A user that owns what root without its capabilities may not read. */
const STRANGER = 65534;

/** Root as any other user: it may not read what others keep to themselves. */
const WITHOUT_ROOTS_RIGHTS = [
  "setpriv",
  "--bounding-set=-dac_override,-dac_read_search",
  "--inh-caps=-dac_override,-dac_read_search",
];

const lacks = missing(
  "tests of boot files in the field",
  "curl",
  "atftp",
  "setpriv",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

interface Note {
  readonly event: string;
  readonly repeat_event: boolean;
  readonly detail: {
    readonly protocol: string;
    readonly path: string;
    readonly reason: string;
  };
}

/** The last 64 bits of a SLAAC address of an interface (RFC 4291 appendix A). */
function interfaceId(macText: string): string {
  const mac = parseMac(macText)!;
  const [a, b, c, d, e, f] = [40, 32, 24, 16, 8, 0].map((bits) =>
    Math.floor(mac / 2 ** bits) & 0xff
  ) as [number, number, number, number, number, number];
  return [(a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f].map((
    group,
  ) => group.toString(16)).join(":");
}

/** A router with a netboot directory, and a machine on its link. */
class Place {
  readonly netboot: string;
  next = 0;

  private constructor(
    readonly lab: Lab,
    readonly router: Host,
    readonly client: Host,
    readonly address: string,
    readonly mac: string,
  ) {
    this.netboot = `${lab.directory}/netboot`;
  }

  static async make(lab: Lab): Promise<Place> {
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    const address = await derived(client, "eth0");
    await client.ip(`addr add ${address}/64 dev eth0 nodad`);
    await client.linkLocal("eth0");
    await router.linkLocal("lan");
    const mac = await client.mac("eth0");
    const place = new Place(lab, router, client, address, mac);
    await Deno.chmod(lab.directory, 0o755);
    await Deno.mkdir(place.own, { recursive: true });
    return place;
  }

  /** The directory of the machine's files. */
  get own(): string {
    return `${this.netboot}/${this.mac}`;
  }

  options(...args: string[]): string[] {
    return [
      "--interface=lan",
      `--base-address=${BASE}`,
      `--netboot-dir=${this.netboot}`,
      `--http-boot-url-template=http://[{{.BootAddress}}]:${PORT}/mac/{{.MAC}}/kernel?arch={{.Payload | urlquery}}`,
      ...args,
    ];
  }

  async start(...args: string[]) {
    return stopping(
      await startDaemon(this.router, ...this.options(...args)),
    );
  }

  async curl(path: string, ...args: string[]) {
    return await this.client.run([
      ...["curl", "-sS", "--globoff", "--path-as-is", "--max-time", "10"],
      ...args,
      `http://[${SERVER}]:${PORT}${path}`,
    ], { mayFail: true });
  }

  /** The status of the answer to a request. */
  async status(path: string, ...args: string[]): Promise<number> {
    const to = `${this.lab.directory}/body-${this.next++}`;
    const { stdout } = await this.curl(
      path,
      ...["-o", to, "-w", "%{http_code}"],
      ...args,
    );
    return Number(stdout);
  }

  async get(path: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.curl(path, "--fail", ...args);
    assertEquals(code, 0, `${path}: ${stderr}`);
    return stdout;
  }

  /** The header of the answer to HEAD, or to GET with more arguments. */
  async head(path: string, ...args: string[]): Promise<Map<string, string>> {
    const { stdout } = await this.curl(path, "-I", ...args);
    return new Map(
      stdout.split("\r\n").slice(1).filter((line) => line !== "").map(
        (line) => {
          const [name, value] = line.split(/: (.*)/) as [string, string];
          return [name.toLowerCase(), value];
        },
      ),
    );
  }

  async events(mac: string = this.mac): Promise<Note[]> {
    const { stdout } = await this.curl(`/machines/${mac}`);
    return stdout.startsWith("{") ? JSON.parse(stdout).Events : [];
  }

  /** The refusals on the machine's timeline. */
  async notes(): Promise<Note[]> {
    return (await this.events()).filter(({ event }) =>
      event === "boot_refused"
    );
  }

  /** Solicits of the machine, in a stage of a boot. */
  async solicit(stage: string): Promise<void> {
    await this.client.run([
      ...Deno.env.get("TEST_DENO")!.split("\n"),
      `${import.meta.dirname}/../page/solicits.ts`,
      ...["eth0", stage, this.mac, "1"],
    ]);
  }
}

/** A daemon that ends with the block, also when a test fails. */
function stopping(daemon: RunningDaemon) {
  return Object.assign(daemon, {
    async [Symbol.asyncDispose]() {
      await daemon.stop();
    },
  });
}

/** A log line about a refusal of a path. */
function isAbout(path: string, reason: string) {
  return (line: LogLine) => line.path === path && line.reason === reason;
}

Deno.test({
  name: "refused requests leave a trace",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const place = await Place.make(lab);
    const { router, client, own, mac } = place;
    /** A daemon that may not read what belongs to others. */
    const start = async (...args: string[]) => {
      const daemon = await launchAs(
        [...WITHOUT_ROOTS_RIGHTS, ...daemonCommand()],
        router,
        ...place.options(...args),
      );
      await daemon.logs("serving");
      return stopping(daemon);
    };
    /** Whether the last note on the machine's timeline is about a refusal. */
    const isNoted = async (
      path: string,
      reason: string,
      protocol = "http",
    ): Promise<void> => {
      const note = (await place.notes()).at(-1);
      assertEquals(note?.detail, { protocol, path, reason });
    };
    /** Waits for the trace of a refusal: the log line, and the note. */
    const leavesTrace = async (
      daemon: RunningDaemon,
      path: string,
      reason: string,
      protocol = "http",
    ): Promise<LogLine> => {
      const line = await daemon.logs("boot_refused", isAbout(path, reason), 5);
      assertEquals([line.mac, line.protocol], [mac, protocol]);
      assert(line.message.includes(path), line.message);
      assert(line.message.includes(reason), line.message);
      await isNoted(path, reason, protocol);
      return line;
    };
    const secretly = async (path: string) => {
      await Deno.chown(path, STRANGER, STRANGER);
      await Deno.chmod(path, (await Deno.stat(path)).isFile ? 0o600 : 0o700);
    };

    const openly = async (path: string) => {
      await Deno.chown(path, 0, 0);
      await Deno.chmod(path, 0o755);
    };

    await Deno.writeTextFile(`${own}/boot.efi`, "0123456789");
    await Deno.writeTextFile(`${own}/secret.efi`, "");
    await secretly(`${own}/secret.efi`);
    await Deno.mkdir(`${own}/private`);
    await Deno.writeTextFile(`${own}/private/boot.efi`, "");
    await secretly(`${own}/private`);
    await Deno.mkdir(`${own}/folder`);
    await Deno.symlink("/etc/hostname", `${own}/out.efi`);
    await Deno.symlink("nowhere", `${own}/broken.efi`);
    await Deno.symlink("private/boot.efi", `${own}/denied.efi`);
    await Deno.symlink("loop.efi", `${own}/loop.efi`);
    await command(["mkfifo", `${own}/pipe.efi`]);

    await t.step("files and requests", async (t) => {
      await using daemon = await start("--tftp-listen-addr=off");
      for (
        const [what, path, status, reason, hint, ...args] of [
          ["no file", "none.efi", 404, "not found", "/none.efi"],
          [
            "another user's file",
            "secret.efi",
            404,
            "permission denied",
            "may not read .*/secret.efi$",
          ],
          // Of each cause there is one line a minute, but every note.
          ["a closed directory", "private/boot.efi", 404, "permission denied"],
          [
            "a link that leads out",
            "out.efi",
            404,
            "the link leads out of the netboot directory",
            "/out.efi leads to /etc/hostname .*--netboot-follow",
          ],
          [
            "a broken link",
            "broken.efi",
            404,
            "the link leads to nothing",
            "/broken.efi leads to .*/nowhere$",
          ],
          ["a link to itself", "loop.efi", 404, "cannot be read", "loop.efi"],
          ["a directory", "folder", 404, "not a regular file", "/folder"],
          ["a FIFO", "pipe.efi", 404, "not a regular file"],
          ["a path with dots", "../boot.efi", 404, "malformed path", "boot"],
          [
            "a precondition",
            "boot.efi",
            412,
            "the file has changed",
            "changed$",
            "-H",
            'If-Match: "x"',
          ],
          [
            "a range",
            "boot.efi",
            416,
            "the range begins after the end of the file",
            "file$",
            "-H",
            "Range: bytes=99-",
          ],
          ["a method", "x.efi", 405, "only reading is allowed", "", "-XPUT"],
        ] as [string, string, number, string, string?, ...string[]][]
      ) {
        await t.step(`${what}: ${reason}`, async () => {
          const asked = `/mac/${mac}/${path}`;
          assertEquals(await place.status(asked, ...args), status);
          if (hint === undefined) return await isNoted(asked, reason);
          const line = await leavesTrace(daemon, asked, reason);
          assertMatch(line.message, new RegExp(hint));
          assertEquals(line.level, "warning");
        });
      }
    });

    await t.step("any path that a known machine asks for", async () => {
      await using daemon = await start("--tftp-listen-addr=off");
      await place.solicit("http");
      for (
        const path of ["/vmlinuz", "/boot/grub/grub.cfg", `/${mac}/kernel`]
      ) {
        assertEquals(await place.status(path), 404);
        await isNoted(path, "not found");
      }
      assertEquals(daemon.count("boot_refused"), 1);
      assertEquals(await place.status("/favicon.ico"), 404);
      await isNoted(`/${mac}/kernel`, "not found");
    });

    await t.step("a link into a directory of mode 0700", async () => {
      await using daemon = await start("--tftp-listen-addr=off");
      const path = `/mac/${mac}/denied.efi`;
      assertEquals(await place.status(path), 404);
      const line = await leavesTrace(daemon, path, "permission denied");
      assert(line.message.endsWith(`may not read ${own}/private`));
    });

    await t.step("the whole directory has mode 0700", async () => {
      await secretly(place.netboot);
      await using daemon = await start("--tftp-listen-addr=off");
      const path = `/mac/${mac}/boot.efi`;
      assertEquals(await place.status(path), 404);
      const line = await leavesTrace(daemon, path, "permission denied");
      assert(line.message.endsWith(`may not read ${place.netboot}`));
      await openly(place.netboot);
    });

    await t.step("requests that lead to no file at all", async (t) => {
      await using daemon = await start();
      // Only a machine that is known is noted without its MAC in the path.
      await eventually("the machine is known", async () => {
        await place.solicit("firmware");
        return (await place.events()).length > 0;
      });
      const wrong = "/mac/undefined/boot.efi";
      assertEquals(await place.status(wrong), 400);
      await leavesTrace(daemon, wrong, "no MAC in the path");
      // What the template would say if it were wrong.
      assertEquals(await place.status("/boot/UKI.EFI"), 404);
      await leavesTrace(daemon, "/boot/UKI.EFI", "not found");
      // Browsers ask for more than a machine boots.
      assertEquals(await place.status("/favicon.ico"), 404);
      assertEquals((await place.notes()).length, 2);

      await t.step(
        "another machine's path: the note is on the asker",
        async () => {
          const other = `/mac/${OTHER_MAC}/none.efi`;
          assertEquals(await place.status(other), 404);
          await eventually(
            "the note",
            async () =>
              (await place.notes()).some(({ detail }) => detail.path === other),
          );
          assertEquals(await place.events(OTHER_MAC), []);
        },
      );

      await t.step(
        "a request from the router itself adds no machine",
        async () => {
          const path = `/mac/${OTHER_MAC}/asked-by-the-router.efi`;
          await router.run([
            ...["curl", "-sS", "--globoff", "-o", `${lab.directory}/own`],
            `http://[${SERVER}]:${PORT}${path}`,
          ]);
          const line = await daemon.logs(
            "request_refused",
            isAbout(path, "not found"),
          );
          assertEquals([line.client, line.mac], [SERVER, undefined]);
          const all = JSON.parse(await place.get("/machines"));
          assertEquals(Object.keys(all), [mac]);
        },
      );
    });

    await t.step("sources that are not allowed", async () => {
      await using daemon = await start();
      const path = `/mac/${mac}/boot.efi`;
      assertEquals(await place.status(path), 200, "the machine is known now");
      const own = `2001:db8:77:0:${interfaceId(mac)}`;
      const strange = "2001:db8:77::7";
      for (const address of [own, strange]) {
        await client.ip(`addr add ${address}/128 dev eth0 nodad`);
        await router.ip(`-6 route add ${address}/128 dev lan`);
        assertEquals(await place.status(path, "--interface", address), 403);
      }
      const reason = "the client's address is not allowed";
      const line = await leavesTrace(daemon, path, reason);
      assertMatch(line.message, /--http-allow/);
      const other = await daemon.logs("request_refused", isAbout(path, reason));
      assertEquals([other.client, other.mac], [strange, undefined]);
      assertEquals((await place.notes()).length, 1);
      for (const address of [own, strange]) {
        await client.ip(`addr del ${address}/128 dev eth0`);
      }
    });

    await t.step("TFTP", async () => {
      const image = await lab.file("ipxe.efi", "iPXE");
      await secretly(image);
      await using daemon = await start(`--ipxe-x86-64-efi=${image}`);
      const fetch = async (action: string, path: string) =>
        await client.run([
          ...["atftp", action, "--remote-file", path, "--local-file"],
          ...[`${lab.directory}/own`, SERVER],
        ], { mayFail: true });
      await Deno.writeTextFile(`${lab.directory}/own`, "x");
      await place.solicit("firmware");
      await fetch("--get", `${mac}/ipxe.efi`);
      const line = await leavesTrace(
        daemon,
        `${mac}/ipxe.efi`,
        "permission denied",
        "tftp",
      );
      assert(line.message.endsWith(image), line.message);
      // The machine's address tells its MAC, another one does not.
      const path = "boot/ipxe.efi";
      await fetch("--get", path);
      // The log has had this cause, in this minute.
      await isNoted(path, "permission denied", "tftp");
      const other = "2001:db8:1:2:7::7";
      await client.ip(`addr add ${other}/64 dev eth0 nodad`);
      await client.run([
        ...["curl", "-sS", "-g", "--interface", other],
        `tftp://[${SERVER}]/${path}`,
      ], { mayFail: true });
      const refused = await daemon.logs(
        "request_refused",
        isAbout(path, "no MAC in the path"),
      );
      assertEquals(refused.client, other);
      await client.ip(`addr del ${other}/64 dev eth0`);
      await fetch("--put", `${mac}/new.efi`);
      await leavesTrace(
        daemon,
        `${mac}/new.efi`,
        "only reading is allowed",
        "tftp",
      );
    });

    await t.step("a machine that is not listed", async () => {
      await using daemon = await start("--boot-policy=listed");
      await Deno.rename(own, `${place.netboot}/elsewhere`);
      const reasons = async () =>
        (await place.notes()).map(({ detail }) => detail);
      const expected = (reason: string) => ({
        protocol: "dhcpv6",
        path: `${mac}/`,
        reason,
      });
      const absent = "not listed, there is no directory for this machine";
      await eventually("its note", async () => {
        await place.solicit("http");
        return (await reasons()).length > 0;
      });
      assertEquals(await reasons(), [expected(absent)]);
      const line = await daemon.logs(
        "boot_refused",
        isAbout(`${mac}/`, absent),
      );
      assertEquals([line.level, line.file], ["info", own]);
      await place.solicit("http");
      assertEquals((await reasons()).length, 1, "the same again is not kept");
      // It was listed before its directory went.
      const before = daemon.count("http_boot");

      // A link that is not followed is none, and says so.
      await Deno.symlink("/etc", own);
      const out = "the link leads out of the netboot directory";
      await eventually("the note about the link", async () => {
        await place.solicit("http");
        return (await reasons()).at(-1)?.reason === out;
      });
      assertEquals(daemon.count("http_boot"), before);
      await Deno.remove(own);
      // Nor is a directory that may not be read.
      await Deno.mkdir(`${place.netboot}/closed`);
      await secretly(`${place.netboot}/closed`);
      await Deno.rename(`${place.netboot}/closed`, own);
      await eventually("the note about the directory", async () => {
        await place.solicit("http");
        return (await reasons()).at(-1)?.reason === "permission denied";
      });
      assertEquals(daemon.count("http_boot"), before);
      await Deno.remove(own);
      await Deno.rename(`${place.netboot}/elsewhere`, own);
      await eventually("it is listed", async () => {
        await place.solicit("http");
        return daemon.count("http_boot") > before;
      });

      // When the list cannot be read, that is said as well.
      await secretly(place.netboot);
      const problem = await daemon.logs("listed_incomplete");
      assertMatch(problem.message, /cannot read .*netboot: .*ermission denied/);
      await openly(place.netboot);
    });

    await t.step("is throttled, and seen everywhere", async () => {
      await using daemon = await start();
      const watch = client.start([
        ...daemonCommand(),
        ...["watch", `http://[${SERVER}]:${PORT}`],
      ]);
      const path = (name: string) => `/mac/${mac}/${name}`;
      assertEquals(await place.status(path("none.efi")), 404);
      await watch.says(/Boot refused: \S+none\.efi over HTTP: not found/);
      assertEquals(await place.status(path("none.efi")), 404);
      await watch.says(/none\.efi over HTTP: not found, again/);
      for (let index = 0; index < 20; index++) {
        assertEquals(await place.status(path(`probe-${index}`)), 404);
      }
      await watch.says(/probe-19 over HTTP: not found/);
      assertEquals(daemon.count("boot_refused"), 1, "one line for one cause");
      const notes = await place.notes();
      assertEquals(notes.length, 8, "other events have room");
      assertEquals(notes.at(-1)!.detail.path, path("probe-19"));
      assertEquals(await place.status(path("secret.efi")), 404);
      await eventually(
        "another cause",
        () => daemon.count("boot_refused") === 2,
        5,
      );
      assertMatch(
        await place.get("/plain"),
        /Boot refused: .*secret\.efi over HTTP: permission denied/,
      );
      const stream = await place.curl("/events", "--max-time", "1");
      assertMatch(stream.stdout, /"event":"boot_refused"/);
      assertMatch(
        await place.get("/metrics"),
        /machine_events_total\{event="boot_refused"\} 2[0-9]\n/,
      );
      await watch.stop();
    });
  },
});

Deno.test({
  name: "links are followed where they may lead",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const place = await Place.make(lab);
    const { netboot, own, mac } = place;
    const store = `${lab.directory}/store`;
    const boot = `${lab.directory}/boot`;
    await Deno.mkdir(`${store}/abc-system/sub`, { recursive: true });
    await Deno.mkdir(boot);
    await Deno.writeTextFile(`${store}/abc-system/boot.efi`, "of the store");
    await Deno.writeTextFile(`${store}/abc-system/sub/initrd`, "initrd");
    await Deno.writeTextFile(`${store}/xyz-kernel`, "kernel of the store");
    await Deno.writeTextFile(`${boot}/vmlinuz-6.1`, "kernel of Debian");
    await Deno.symlink("vmlinuz-6.1", `${boot}/vmlinuz`);
    await Deno.writeTextFile(`${lab.directory}/storeroom`, "SECRET");
    const follow = [
      `--netboot-follow=${store}`,
      `--netboot-follow=${lab.directory}/boot-link`,
      "--netboot-follow=/nowhere",
    ];
    await Deno.symlink("boot", `${lab.directory}/boot-link`);

    await t.step("links of tmpfiles and of Debian", async () => {
      await Deno.symlink(`${store}/xyz-kernel`, `${own}/kernel`);
      await Deno.symlink(`${store}/abc-system`, `${own}/system`);
      await Deno.symlink(`${boot}/vmlinuz`, `${own}/vmlinuz`);
      await Deno.symlink(`${lab.directory}/storeroom`, `${own}/secret`);
      await Deno.symlink(`${store}/../storeroom`, `${own}/dots`);
      await Deno.symlink(`${store}/abc-system`, `${netboot}/${OTHER_MAC}`);
      await using daemon = await place.start(...follow);
      const notice = await daemon.logs(
        "notice",
        (line) => line.message.startsWith("--netboot-follow"),
      );
      assertMatch(notice.message, /\/nowhere does not exist yet/);
      for (
        const [path, content] of [
          [`${mac}/kernel`, "kernel of the store"],
          [`${mac}/system/boot.efi`, "of the store"],
          [`${mac}/system/sub/initrd`, "initrd"],
          [`${mac}/vmlinuz`, "kernel of Debian"],
          [`${OTHER_MAC}/boot.efi`, "of the store"],
        ] as const
      ) assertEquals(await place.get(`/mac/${path}`), content, path);
      for (const name of ["secret", "dots"]) {
        const path = `/mac/${mac}/${name}`;
        assertEquals(await place.status(path), 404);
        assertEquals((await place.notes()).at(-1)?.detail, {
          protocol: "http",
          path,
          reason: "the link leads out of the netboot directory",
        });
      }
    });

    await t.step("a farm of links, as the directory itself", async () => {
      const farm = `${store}/aaa-farm`;
      await Deno.mkdir(`${farm}/${mac}`, { recursive: true });
      await Deno.symlink(
        `${store}/abc-system/boot.efi`,
        `${farm}/${mac}/boot.efi`,
      );
      await Deno.symlink(`${store}/abc-system`, `${farm}/default`);
      await Deno.rename(netboot, `${netboot}-before`);
      await Deno.symlink(farm, netboot);
      await using _daemon = await place.start(...follow);
      assertEquals(await place.get(`/mac/${mac}/boot.efi`), "of the store");
      assertEquals(await place.get(`/mac/${mac}/sub/initrd`), "initrd");
      await Deno.remove(netboot);
      await Deno.rename(`${netboot}-before`, netboot);
    });

    await t.step("nowhere else, and nowhere without the option", async () => {
      await using daemon = await place.start();
      for (const name of ["kernel", "system/boot.efi", "vmlinuz"]) {
        assertEquals(await place.status(`/mac/${mac}/${name}`), 404, name);
      }
      const line = await daemon.logs("boot_refused");
      assertMatch(line.message, /xyz-kernel \(--netboot-follow allows that\)/);
    });

    await t.step("check names links that are not followed", async () => {
      await Deno.symlink("nothing", `${own}/broken`);
      const options = ["check", ...place.options()];
      const { stdout, code } = await runDaemon(place.router, ...options);
      assertEquals(code, 1);
      for (
        const pattern of [
          /\/kernel leads to \S+xyz-kernel, out of the netboot directory/,
          /\/system leads to \S+abc-system, out of/,
          /\/secret leads to \S+storeroom, out of/,
          /\/broken leads to nothing: \S+broken is a link to \S+nothing$/m,
        ]
      ) assertMatch(stdout, pattern);
      const followed = await runDaemon(place.router, ...options, ...follow);
      assertEquals(
        followed.stdout.match(/(?<=^problem: \S+\/)\w+(?= leads)/gm),
        ["broken", "dots", "secret"],
      );
      await Deno.remove(`${own}/broken`);
    });

    await t.step("only machines that are served are listed", async () => {
      await Deno.rename(own, `${netboot}/elsewhere`);
      await Deno.symlink(`${store}/abc-system`, own);
      const bootsWith = async (...args: string[]) => {
        await using daemon = await place.start("--boot-policy=listed", ...args);
        await eventually("an answer", async () => {
          await place.solicit("http");
          return daemon.count("http_boot") + daemon.count("boot_refused") > 0;
        });
        const boots = daemon.count("http_boot");
        return boots > 0;
      };
      assertEquals(await bootsWith(...follow), true);
      assertEquals(await bootsWith(), false);
      await Deno.remove(own);
      // As tmpfiles.d does it with `L+`.
      await Deno.mkdir(own);
      assertEquals(await bootsWith(), true, "an empty directory");
      await Deno.symlink(`${store}/abc-system/boot.efi`, `${own}/boot.efi`);
      assertEquals(await bootsWith(...follow), true);
      assertEquals(await bootsWith(), false);
      await Deno.writeTextFile(`${own}/kernel`, "");
      assertEquals(await bootsWith(), true, "one file is served");
      await Deno.remove(own, { recursive: true });
      await Deno.rename(`${netboot}/elsewhere`, own);
    });

    await t.step("a machine's directory in another notation", async () => {
      const name = mac.toUpperCase().replaceAll(":", "-");
      await Deno.mkdir(`${netboot}/x`);
      await using _daemon = await place.start();
      await Deno.remove(`${netboot}/x`);
      await Deno.writeTextFile(`${own}/only.efi`, "mine");
      assertEquals(await place.get(`/mac/${mac}/only.efi`), "mine");
      await Deno.rename(own, `${netboot}/${name}`);
      assertEquals(await place.get(`/mac/${mac}/only.efi`), "mine");
      await Deno.rename(`${netboot}/${name}`, own);
      assertEquals(await place.get(`/mac/${mac}/only.efi`), "mine");
    });

    await t.step("names with any characters, over HTTP and TFTP", async () => {
      await using _daemon = await place.start();
      for (const name of ["größe", "内核 1", "💾.efi"]) {
        await Deno.writeTextFile(`${own}/${name}`, name);
        const path = `${mac}/${encodeURIComponent(name)}`;
        assertEquals(await place.get(`/mac/${path}`), name);
        const { stdout } = await place.client.run([
          ...["curl", "-sS", "-g", "--max-time", "20"],
          `tftp://[${SERVER}]/${path}`,
        ]);
        assertEquals(stdout, name);
      }
    });
  },
});

Deno.test({
  name: "files whose time says nothing",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const place = await Place.make(lab);
    const { own, mac } = place;
    const store = `${lab.directory}/store`;
    await Deno.mkdir(store);
    await using _daemon = await place.start(`--netboot-follow=${store}`);
    const path = `/mac/${mac}/boot.efi`;
    const FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT";

    for (
      const [what, seconds] of [
        ["0, as in images of OSTree", 0],
        ["1, as in the Nix store", 1],
        ["1980, as in zip files", Date.UTC(1980, 0, 1) / 1000],
        ["of the future", Date.UTC(2090, 0, 1) / 1000],
      ] as const
    ) {
      await t.step(`a time ${what}`, async () => {
        await Deno.writeTextFile(`${store}/one`, "0123456789");
        await Deno.utime(`${store}/one`, seconds, seconds);
        await Deno.symlink(`${store}/one`, `${own}/boot.efi`);
        const head = await place.head(path);
        assertEquals(head.get("content-length"), "10");
        assertEquals(head.has("last-modified"), false);
        const etag = head.get("etag")!;
        const date = new Date(1000 * seconds).toUTCString();
        for (const since of [date, FUTURE]) {
          const status = await place.status(
            path,
            "-H",
            `If-Modified-Since: ${since}`,
          );
          assertEquals(status, 200, since);
        }
        for (const since of [date, "Thu, 01 Jan 1970 00:00:00 GMT"]) {
          const header = `If-Unmodified-Since: ${since}`;
          assertEquals(await place.status(path, "-H", header), 200, since);
        }
        assertEquals(
          await place.get(path, "-r", "5-", "-H", `If-Range: ${date}`),
          "0123456789",
          "the whole file: the date does not say that it is the same",
        );
        assertEquals(
          await place.get(path, "-r", "5-", "-H", `If-Range: ${etag}`),
          "56789",
        );
        assertEquals(
          await place.status(path, "-H", `If-None-Match: ${etag}`),
          304,
        );

        // The link is switched to a file of the same size and time.
        await Deno.writeTextFile(`${store}/two`, "abcdefghij");
        await Deno.utime(`${store}/two`, seconds, seconds);
        await Deno.symlink(`${store}/two`, `${own}/new`);
        await Deno.rename(`${own}/new`, `${own}/boot.efi`);
        assertNotEquals((await place.head(path)).get("etag"), etag);
        const none = ["-H", `If-None-Match: ${etag}`];
        assertEquals(await place.get(path, ...none), "abcdefghij");
        const range = ["-r", "5-", "-H", `If-Range: ${etag}`];
        assertEquals(await place.get(path, ...range), "abcdefghij");
        const match = ["-r", "5-", "-H", `If-Match: ${etag}`];
        assertEquals(await place.status(path, ...match), 412);
        await Deno.remove(`${own}/boot.efi`);
      });
    }

    await t.step("a time that says when: dates count", async () => {
      await Deno.writeTextFile(`${own}/boot.efi`, "0123456789");
      await Deno.utime(`${own}/boot.efi`, 1_700_000_000, 1_700_000_000);
      const date = (await place.head(path)).get("last-modified");
      assertEquals(date, new Date(1_700_000_000_000).toUTCString());
      const status = await place.status(
        path,
        "-H",
        `If-Modified-Since: ${date}`,
      );
      assertEquals(status, 304);
    });
  },
});

Deno.test({
  name: "which files count as a boot",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const place = await Place.make(lab);
    const { own, mac } = place;
    await using daemon = await place.start();
    await Deno.mkdir(`${own}/EFI/BOOT`, { recursive: true });
    const count = () => daemon.count("http_fetch_uki");

    for (
      const [name, isBoot, ...args] of [
        ["kernel", true], // what the template says
        ["kernel", true, "-r", "0-"],
        ["kernel", false, "-r", "3-7"],
        ["kernel", false, "-I"],
        ["boot.efi", true],
        ["EFI/BOOT/BOOTX64.EFI", true],
        ["disk.img", true],
        ["install.ISO", true],
        ["a%20b.efi", true],
        ["grub.cfg", false],
        ["initrd", false],
        ["kernel.sig", false],
        ["EFI/BOOT/kernel", false],
      ] as [string, boolean, ...string[]][]
    ) {
      await t.step(`${[name, ...args].join(" ")}: ${isBoot}`, async () => {
        const file_name = decodeURIComponent(name);
        await Deno.writeTextFile(`${own}/${file_name}`, "0123456789");
        const before = count();
        const status = await place.status(`/mac/${mac}/${name}`, ...args);
        assert([200, 206].includes(status), `${status}`);
        if (!isBoot) {
          // Another file's events come later than this one's would.
          await place.status(`/mac/${mac}/marker.efi`);
        }
        const lines = await eventually("its events", () => {
          const lines = daemon.log.filter(({ event }) =>
            event === "http_fetch_uki"
          ).slice(before);
          return lines.at(-1)?.state === "complete" && lines;
        });
        assertEquals(
          lines.map((line) => [line.file_name, line.state, line.total_bytes]),
          ["init", "complete"].map((
            state,
          ) => [isBoot ? file_name : "marker.efi", state, isBoot ? 10 : 6]),
        );
      });
      if (name === "kernel" && args.length === 0) {
        await Deno.writeTextFile(`${own}/marker.efi`, "marker");
      }
    }

    await t.step("it is a stage of the machine's boot", async () => {
      const events = await place.events();
      assertEquals(
        events.map(({ event }) => event),
        ["init", "jump_to", "http_fetch_uki"],
      );
    });
  },
});
