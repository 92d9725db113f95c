/**
 * Boards and boot loaders that are neither PXE nor HTTP boot firmware: they are
 * sent to TFTP, and find their files there and over HTTP by their address.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type RunningDaemon, startDaemon } from "../../support/daemon.ts";
import { GRUB, RASPBERRY_PI, U_BOOT } from "../../support/boot_loaders.ts";
import { ascii, hex, pretty } from "../../support/dhcpv6.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import { labProgram } from "../abuse/switch.ts";

const SUITE = "tests of boards and boot loaders";
const ignore = missing(SUITE, "curl", "tcpdump", "tshark").length > 0;

const SERVER = "2001:db8:1:2::1";
const MAC = "02:00:5e:00:53:01";
const OWN = "2001:db8:1:2:0:200:5e00:5301";

/** Firmware that boots by HTTP. */
const FIRMWARE = "01000001 0001000a0003000102005e005301" +
  "0003 000c 5e005301 00000000 00000000 0006 0008 003b 003c 0017 0010" +
  "0010 0010 00000157 000a 48545450436c69656e74 003d 0002 0010";

/** A system, such as that which the machine has booted. */
const SYSTEM = "01000001 0001000a0003000102005e005301" +
  "0003 000c 5e005301 00000000 00000000 0006 0004 0017 0018";

/** A router with boot files, and a board with its MAC. */
class Bench {
  daemon!: RunningDaemon;
  linkLocal = "";

  private constructor(
    readonly lab: Lab,
    readonly router: Host,
    readonly board: Host,
  ) {}

  static async create(lab: Lab, ...args: string[]): Promise<Bench> {
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await client.ip("link set eth0 down");
    await client.ip(`link set eth0 address ${MAC}`);
    await client.ip("link set eth0 up");
    const bench = new Bench(lab, router, client);
    const files: Record<string, string> = {
      [`${MAC}/config.txt`]: "arm_64bit=1\n",
      [`${MAC}/boot.efi`]: "own program",
      "default/start4.elf": "start4",
      "default/kernel8.img": "kernel",
      "default/grub.cfg": "menuentry\n",
    };
    for (const [name, content] of Object.entries(files)) {
      const path = `${lab.directory}/netboot/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), {
        recursive: true,
      });
      await Deno.writeTextFile(path, content);
    }
    await router.linkLocal("lan");
    bench.linkLocal = await client.linkLocal("eth0");
    bench.daemon = await startDaemon(
      router,
      "--interface=lan",
      `--base-address=${BASE}`,
      "--http-boot-url-template=http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi",
      `--netboot-dir=${lab.directory}/netboot`,
      ...args,
    );
    return bench;
  }

  /** The answer to a message, as lines. */
  async ask(
    digits: string,
    from = `${this.linkLocal}%eth0`,
  ): Promise<string[]> {
    const { stdout } = await this.board.run(labProgram(
      "ask.ts",
      ...[from, "546", "ff02::1:2%eth0", "547"],
      digits.replaceAll(" ", ""),
      "20",
    ));
    const [answer] = stdout.trim().split(" ");
    return answer === "nothing" ? [answer] : pretty(hex(answer!));
  }

  /** What curl gets, or its exit code. */
  async get(url: string, from = OWN): Promise<string | number> {
    const { code, stdout } = await this.board.run([
      ...["curl", "-sSf", "-g", "--path-as-is", "--max-time", "20"],
      ...["--interface", from, url],
    ], { mayFail: true, seconds: 40 });
    return code === 0 ? stdout : code;
  }

  /** The events of the machine so far, the notes with their detail. */
  async events(): Promise<string[]> {
    const { stdout } = await this.router.run([
      ...["curl", "-sS", "-g", `http://[${SERVER}]:6315/machines/${MAC}`],
    ]);
    const { Events } = JSON.parse(stdout) as {
      Events: { event: string; detail: Record<string, unknown> | null }[];
    };
    return Events.map(({ event, detail }) =>
      event === "boot_refused"
        ? `${event} ${detail!.path}: ${detail!.reason}`
        : event
    );
  }
}

/** curl's exit code for a TFTP file that is not there. */
const TFTP_NOT_FOUND = 68;
/** curl's exit code for a status of 400 and above. */
const HTTP_ERROR = 22;

Deno.test({
  name: "boards and boot loaders",
  ignore,
  fn: async (t) => {
    await t.step("a Raspberry Pi", async () => {
      await using lab = new Lab();
      const bench = await Bench.create(lab);
      const answer = await bench.ask(RASPBERRY_PI);
      assertEquals(answer.at(-1), `59 tftp://[${SERVER}]/`);
      assert(answer.some((line) => line.includes(OWN)), answer.join("\n"));
      await bench.board.ip(`addr add ${OWN}/64 dev eth0 nodad`);
      const tftp = `tftp://[${SERVER}]/`;
      // First with its serial number, then with its MAC, then without.
      for (
        const [path, expected] of [
          ["12ab34cd/start4.elf", TFTP_NOT_FOUND],
          ["12ab34cd/config.txt", TFTP_NOT_FOUND],
          ["02-00-5e-00-53-01/start4.elf", "start4"],
          ["02-00-5e-00-53-01/config.txt", "arm_64bit=1\n"],
          ["start4.elf", "start4"],
          ["config.txt", "arm_64bit=1\n"],
          ["kernel8.img", "kernel"],
          ["bootcode.bin", TFTP_NOT_FOUND],
          ["recovery.elf", TFTP_NOT_FOUND],
        ] as const
      ) assertEquals(await bench.get(tftp + path), expected, path);
      // By its link-local address, too: the block of data.
      const request = "0001" + ascii("config.txt") + "00" + ascii("octet") +
        "00";
      const from = `${bench.linkLocal}%eth0`;
      const { stdout } = await bench.board.run(
        labProgram("ask.ts", from, "2000", SERVER, "69", request, "20"),
      );
      assertEquals(
        stdout.split(" ")[0],
        `00030001${ascii("arm_64bit=1\n")}`,
      );
      const events = await bench.events();
      assertEquals(
        events.filter((event) => !event.startsWith("boot_refused")),
        ["init", "point_loader_to_boot_file", "http_fetch_uki"],
      );
      assert(
        events.includes("boot_refused bootcode.bin: not found"),
        events.join("\n"),
      );
    });

    await t.step("U-Boot, which asks again from its address", async () => {
      await using lab = new Lab();
      const url = `tftp://[{{.BootAddress}}]/{{.MAC}}/boot.efi`;
      const bench = await Bench.create(lab, `--boot-url=u-boot=${url}`);
      const expected = `59 tftp://[${SERVER}]/${MAC}/boot.efi`;
      assertEquals((await bench.ask(U_BOOT)).at(-1), expected);
      await bench.board.ip(`addr add ${OWN}/64 dev eth0 nodad`);
      assertEquals((await bench.ask(U_BOOT, OWN)).at(-1), expected);
      assertEquals(
        await bench.get(`tftp://[${SERVER}]/${MAC}/boot.efi`),
        "own program",
      );
      await eventually(
        "its events",
        async () =>
          (await bench.events()).join() ===
            "init,point_loader_to_boot_file,http_fetch_uki",
      );
    });

    await t.step("a machine that boots from the network once", async () => {
      await using lab = new Lab();
      const bench = await Bench.create(lab, "--boot-policy=once");
      const url = `59 http://[${SERVER}]:6315/mac/${MAC}/boot.efi`;
      const getsUrl = async () => (await bench.ask(FIRMWARE)).at(-1) === url;
      assertEquals(await getsUrl(), true);
      assertEquals(await getsUrl(), true, "its system was not up yet");
      await bench.ask(SYSTEM);
      assertEquals(await getsUrl(), false);
      assertEquals(await getsUrl(), false);
      await Deno.utime(
        `${lab.directory}/netboot/${MAC}`,
        new Date(),
        new Date(),
      );
      await eventually("it gets the URL again", getsUrl);
      await bench.ask(SYSTEM);
      assertEquals(await getsUrl(), false);
    });

    await t.step("GRUB without a URL, and its files", async () => {
      await using lab = new Lab();
      const bench = await Bench.create(lab);
      const answer = await bench.ask(GRUB);
      assert(!answer.some((line) => line.startsWith("59 ")));
      assertEquals(await bench.events(), [
        "init",
        "firmware_init",
        "boot_refused grub, no architecture, no vendor class: no boot URL, --boot-url gives one",
      ]);
      const { message } = await bench.daemon.logs("boot_refused");
      assertMatch(message, /grub, no architecture.*--boot-url/);
      await bench.board.ip(`addr add ${OWN}/64 dev eth0 nodad`);
      await bench.board.ip("addr add 2001:db8:1:2:1::77/64 dev eth0 nodad");
      const http = `http://[${SERVER}]:6315`;
      for (
        const [url, expected] of [
          [`tftp://[${SERVER}]/grub.cfg`, "menuentry\n"],
          [`tftp://[${SERVER}]/${MAC}//grub.cfg`, "menuentry\n"],
          [`tftp://[${SERVER}]/${MAC}/grubx64.efi`, TFTP_NOT_FOUND],
          [`${http}/grub.cfg`, "menuentry\n"],
          [`${http}/boot.efi`, "own program"],
          [`${http}/mac/${MAC}//grub.cfg`, "menuentry\n"],
          [`${http}/mac/${MAC}//grubx64.efi`, HTTP_ERROR],
          [`${http}/../names`, HTTP_ERROR],
        ] as const
      ) assertEquals(await bench.get(url), expected, url);
      const other = "2001:db8:1:2:1::77";
      assertEquals(await bench.get(`${http}/boot.efi`, other), HTTP_ERROR);
      assertEquals(
        await bench.get(`tftp://[${SERVER}]/boot.efi`, other),
        TFTP_NOT_FOUND,
      );
    });
  },
});
