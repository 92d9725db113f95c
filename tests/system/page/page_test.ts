import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { stepsWith } from "../../support/steps.ts";
import { encodeHex } from "@std/encoding/hex";
import { formatMac, parseMac } from "../../../lib/net/mac.ts";
import { message, opt, relayed } from "../../support/dhcpv6.ts";
import { cutConnections } from "../../support/cut.ts";
import { BASE } from "../../support/expect.ts";
import { type RunningDaemon, startDaemon } from "../../support/daemon.ts";
import { eventually, Lab, missing, type Program } from "../../support/lab.ts";
import type { Locator } from "../../support/playwright.ts";
import { LabBrowser, type Look, type Opened } from "./browser.ts";

const SERVER = "2001:db8:1:2::1";
const ORIGIN = `http://[${SERVER}]:6315`;
const RACK = "02:00:5e:00:53:01";
const BENCH = "02:00:5e:00:53:02";
const UNNAMED = "02:00:5e:00:53:03";
const PHONE: Look = { width: 360, height: 780 };
const MIB = 1024 * 1024;

/** Machines that come in a burst. */
const MACHINES = 40;

/**
 * How many times more frames a page may show that hears no events: some events a
 * frame cost a little, not a part of a second.
 */
const FRAME_SLACK = 12;

/** Frames of the page without events, before the two are compared. */
const MIN_FRAMES = 60;

const NAMES = `${RACK} rack-1-left
${BENCH} the bench by the window, which has a long name of many words
`;

const lacks = missing(
  "tests of the page",
  "chromium",
  "curl",
  "nft",
  "ss",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

/** What Deno runs a program of the tests with. */
function program(name: string, ...args: string[]): string[] {
  return [
    ...Deno.env.get("TEST_DENO")!.split("\n"),
    `${import.meta.dirname}/${name}`,
    ...args,
  ];
}

Deno.test({
  name: "the page in a browser",
  ignore,
  fn: async (t) => {
    let daemon: RunningDaemon | undefined;

    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await client.ip("addr add 2001:db8:1:2::99/64 dev eth0 nodad");
    await client.linkLocal("eth0");
    await lab.file("names", NAMES);
    for (const mac of [RACK, BENCH]) {
      const own = `${lab.directory}/netboot/${mac}`;
      await Deno.mkdir(own, { recursive: true });
      await Deno.writeFile(`${own}/boot.efi`, new Uint8Array());
      await Deno.truncate(`${own}/boot.efi`, 128 * MIB);
    }
    await Deno.writeFile(`${lab.directory}/ipxe`, new Uint8Array(MIB));
    await using browser = await LabBrowser.start(router);

    const step = stepsWith(t, { before: restart });

    /** Starts the daemon anew: it remembers nothing. */
    async function restart(): Promise<void> {
      await daemon?.stop();
      daemon = await startDaemon(
        router,
        "--interface=lan",
        `--base-address=${BASE}`,
        `--netboot-dir=${lab.directory}/netboot`,
        `--http-boot-url-template=${ORIGIN}/mac/{{.MAC}}/boot.efi`,
        `--ipxe-x86-64-efi=${lab.directory}/ipxe`,
        `--names=${lab.directory}/names`,
        "--log-level=info",
      );
    }

    /** Has machines ask as they do in a stage of their boot. */
    async function ask(
      stage: "firmware" | "http" | "pxe" | "ipxe" | "system",
      mac: string,
      count = 1,
      interval = 0,
    ): Promise<void> {
      await client.run(
        program(
          "solicits.ts",
          "eth0",
          stage,
          mac,
          String(count),
          String(interval),
        ),
      );
    }

    const curl = (...args: string[]) => ["curl", "-sS", "--globoff", ...args];

    const fetchIpxe = (mac: string) =>
      client.run(
        curl(
          ...["--tftp-blksize", "8192", "-o", "/dev/null"],
          `tftp://[${SERVER}]/${mac}/ipxe.efi`,
        ),
      );

    /** Begins to load a machine's system, at a `rate` of bytes per second. */
    function loadSystem(mac: string, rate: string): Program {
      return client.start(
        curl(
          ...["--limit-rate", rate, "-o", "/dev/null"],
          `${ORIGIN}/mac/${mac}/boot.efi`,
        ),
      );
    }

    /** A whole boot from firmware to system. */
    async function boot(mac: string): Promise<void> {
      await ask("pxe", mac);
      await fetchIpxe(mac);
      await ask("ipxe", mac);
      await loadSystem(mac, "1G").ended();
      await ask("system", mac);
    }

    /** Three machines: one loads its system, one has just begun, one is up. */
    async function bootThree(): Promise<Program> {
      await ask("system", UNNAMED);
      await boot(RACK);
      await ask("pxe", BENCH);
      await fetchIpxe(BENCH);
      await ask("pxe", RACK);
      await fetchIpxe(RACK);
      await ask("ipxe", RACK);
      // For minutes, so that it goes on as long as it is looked at.
      return loadSystem(RACK, "500K");
    }

    /** The text of a machine's row. */
    function rowOf({ page }: Opened, mac: string) {
      return page.locator(`#rows tr:has(a[href="#${mac}"])`);
    }

    async function says(
      locator: Locator,
      pattern: RegExp,
      seconds = 30,
    ): Promise<string> {
      let text = "";
      try {
        return await eventually(String(pattern), async () => {
          text = await locator.innerText();
          // What is hidden has a text as well.
          return await locator.isVisible() && pattern.test(text) && text;
        }, seconds);
      } catch (error) {
        // The requests of the page with their status.
        const requests = await locator.page().evaluate<string>(
          `performance.getEntriesByType("resource").map((one) =>
           [one.name, one.startTime, one.responseEnd, one.responseStatus].join(" ")
         ).join("\\n")`,
        );
        throw new Error(`${(error as Error).message}\n${text}\n${requests}`);
      }
    }

    async function isHidden(locator: Locator): Promise<void> {
      await eventually(
        `${locator} is hidden`,
        async () => !await locator.isVisible(),
      );
    }

    const macsShown = (opened: Opened) =>
      opened.ask<string[]>(
        "[...document.querySelectorAll('#rows a.name')].map(({hash}) => hash.slice(1))",
      );

    await step(
      "tells what to do when there is no machine, and shows the first",
      async () => {
        await using opened = await browser.open(ORIGIN);
        const { page } = opened;
        await says(page.locator("#empty"), /M \(managed\) flag.*UDP port 547/s);
        await opened.isAccessible();
        await opened.shoot("empty");
        await ask("system", UNNAMED);
        await says(rowOf(opened, UNNAMED), /System is up/);
        await isHidden(page.locator("#empty"));
      },
    );

    await step(
      "shows machines in their stages, with progress, as it happens",
      async () => {
        await using opened = await browser.open(ORIGIN);
        const loading = await bootThree();
        const rack = rowOf(opened, RACK);
        await says(rack, /rack-1-left.*Loading the system.*%.* of 128 MiB/s);
        await says(rack, /1 earlier boot/);
        await says(
          rowOf(opened, BENCH),
          /the bench.*Starting iPXE\s+for \d+ s/s,
        );
        await says(rowOf(opened, UNNAMED), /System is up/);
        assertEquals(
          await macsShown(opened),
          [RACK, BENCH, UNNAMED],
          "the one that changed last comes first",
        );
        const value = () => rack.locator("progress").getAttribute("value");
        const before = Number(await value());
        await eventually(
          "it goes on",
          async () => Number(await value()) > before,
        );
        await opened.isAccessible();
        await opened.shoot("three");
        await ask("system", BENCH);
        await says(rowOf(opened, BENCH), /System is up/);
        await loading.stop();
        await says(rack, /Loading the system failed\s+Stuck/);
        await opened.isAccessible();
      },
    );

    await step(
      "is the same in the dark, on a phone, and without motion",
      async () => {
        const loading = await bootThree();
        for (
          const [name, look] of [
            ["dark", { isDark: true }],
            ["phone", PHONE],
            ["phone-dark", { ...PHONE, isDark: true, isStill: true }],
          ] as const
        ) {
          await using opened = await browser.open(ORIGIN, look);
          await says(rowOf(opened, RACK), /Loading the system/);
          await says(rowOf(opened, BENCH), /the bench/);
          await opened.fits();
          await opened.isAccessible();
          await opened.shoot(name);
          if (name === "phone-dark") {
            assertEquals(
              await opened.ask("document.getAnimations().length"),
              0,
            );
          }
          await opened.page.goto(`${ORIGIN}/#${RACK}`);
          await says(opened.page.locator("#machine"), /rack-1-left/);
          await opened.fits();
          await opened.isAccessible();
          await opened.shoot(`${name}-machine`);
        }
        await loading.stop();
      },
    );

    await step(
      "finds a machine by MAC in any notation, name and address",
      async () => {
        await ask("system", RACK, 300);
        await using opened = await browser.open(ORIGIN);
        const { page } = opened;
        await says(page.locator("#filters"), /All 300/);
        for (
          const [query, expected] of [
            ["02:00:5e:00:53:2a", ["02:00:5e:00:53:2a"]],
            ["02-00-5E-00-53-2A", ["02:00:5e:00:53:2a"]],
            ["0200.5e00.532a", ["02:00:5e:00:53:2a"]],
            ["02005e00532a", ["02:00:5e:00:53:2a"]],
            ["53:2a", ["02:00:5e:00:53:2a"]],
            ["2001:db8:1:2:0:200:5e00:532a", ["02:00:5e:00:53:2a"]],
            [" 2001:0DB8:0001:2::200:5e00:532a ", ["02:00:5e:00:53:2a"]],
            ["[2001:db8:1:2:0:200:5e00:532a]", ["02:00:5e:00:53:2a"]],
            ["RACK-1", [RACK]],
            ["by the window", [BENCH]],
            ["nothing of this kind", []],
          ] as const
        ) {
          await page.fill("#search", query);
          await eventually(
            `${query} finds ${expected}`,
            async () =>
              JSON.stringify(await macsShown(opened)) ===
                JSON.stringify(expected),
          );
        }
        await says(page.locator("#none"), /“nothing of this kind”/);
        await opened.isAccessible();
        await page.press("#search", "Escape");
        await eventually(
          "all are back",
          async () => (await macsShown(opened)).length === 100,
        );
        await page.click("#filters button[value=stuck]");
        await says(page.locator("#none"), /No machine is in this state/);
      },
    );

    await step(
      "shows 300 machines in each order, as its URL says",
      async () => {
        // Two have names, 297 have none.
        await ask("system", RACK, 297);
        await ask("pxe", "02:00:5e:00:55:01", 2);
        const loading = loadSystem(BENCH, "500K");
        await using opened = await browser.open(
          ORIGIN,
          { width: 1280, height: 800 },
          "?sort=name&rows=compact",
        );
        const { page } = opened;
        await says(page.locator("#filters"), /All 299.*Booting 3.*Up 296/s);
        const first = (count: number) =>
          macsShown(opened).then((macs) => macs.slice(0, count));
        assertEquals(await first(3), [RACK, BENCH, UNNAMED]);
        const rows = () =>
          opened.ask<number>(`[...document.querySelectorAll("#rows tr")]
          .filter((row) => row.getBoundingClientRect().bottom <= innerHeight)
          .length`);
        const visible = await rows();
        assert(visible >= 25, `${visible} rows`);
        assertEquals(
          await opened.ask<number>(`[...document.querySelectorAll("#rows th")]
          .filter(({scrollWidth, clientWidth}) => scrollWidth > clientWidth)
          .length`),
          0,
          "rows in which the address is cut off",
        );
        await opened.isAccessible();
        await opened.shoot("compact");

        // The head stays at the top, and the row below it can be read.
        await page.mouse.wheel(0, 900);
        await eventually(
          "the head stays",
          () =>
            opened.ask<boolean>(`scrollY > 300 &&
          document.querySelector("#machines thead th").getBoundingClientRect().top === 0`),
        );
        await opened.shoot("compact-scrolled");
        await opened.ask("scrollTo(0, 0)");

        const search = () => opened.ask<string>("location.search");
        await page.selectOption("#order", "state");
        assertEquals(await search(), "?sort=state&rows=compact");
        await eventually(
          "those that boot come first",
          async () =>
            (await first(3)).toSorted().join() ===
              [BENCH, "02:00:5e:00:55:01", "02:00:5e:00:55:02"].join(),
        );
        // One that is stuck is before all others, in every order.
        await loading.stop();
        await says(rowOf(opened, BENCH), /Loading the system failed\s+Stuck/);
        for (const order of ["name", "change", "state"]) {
          await page.selectOption("#order", order);
          await page.mouse.move(0, 0);
          await eventually(
            `the stuck one is first by ${order}`,
            async () => (await first(1))[0] === BENCH,
          );
        }
        await page.click("#compact");
        await says(
          rowOf(opened, BENCH),
          /The transfer ended early\. Look at the machine's screen/,
        );
        await opened.isAccessible();
        await opened.shoot("stuck-first");
        await page.fill("#search", "53:0");
        await page.click("#filters button[value=up]");
        assertEquals(await search(), "?search=53%3A0&show=up&sort=state");
        const shown = await eventually(
          "those alone are shown",
          async () => {
            const macs = await macsShown(opened);
            return macs.length === 14 && macs;
          },
        );

        // The URL shows the same again; opening a machine and going back keeps it.
        await page.reload();
        await eventually(
          "the same is shown again",
          async () => (await macsShown(opened)).join() === shown.join(),
        );
        assertEquals(await page.inputValue("#search"), "53:0");
        await page.click(`#rows a.name[href="#${shown[2]}"]`);
        await says(page.locator("#machine"), /System is up/);
        await page.click("a.back");
        await says(rowOf(opened, shown[2]!), /System is up/);
        assertEquals(await search(), "?search=53%3A0&show=up&sort=state");
      },
    );

    await step("goes on when its style is lost on the way", async () => {
      await ask("system", UNNAMED);
      const look = { lost: "/page/page.css" };
      await using opened = await browser.open(ORIGIN, look);
      await says(rowOf(opened, UNNAMED), /System is up/);
    });

    await step(
      "shows 500 machines a part at a time, and stays quick",
      async () => {
        await ask("pxe", RACK, 500);
        await ask("system", RACK, 494);
        await using opened = await browser.open(ORIGIN);
        const { page } = opened;
        await says(page.locator("#filters"), /All 500.*Booting 6.*Up 494/s);
        assertEquals((await macsShown(opened)).length, 100);
        await opened.isAccessible();
        await opened.shoot("500");
        // The same page without events shows how quick a page can be here now.
        await using deaf = await browser.open(ORIGIN, { canBeDeafened: true });
        await says(
          deaf.page.locator("#filters"),
          /All 500.*Booting 6.*Up 494/s,
        );
        await deaf.deafen();
        for (const { page } of [opened, deaf]) {
          await page.evaluate(`{
            globalThis.frames = 0;
            const frame = () => {
              frames++;
              requestAnimationFrame(frame);
            };
            frame();
          }`);
        }
        let frames: number[];
        do {
          await ask("pxe", RACK, 400, 5);
          frames = await Promise.all(
            [opened, deaf].map((one) => one.ask<number>("frames")),
          );
        } while (frames[1]! < MIN_FRAMES);
        console.log(`frames with and without events: ${frames}`);
        assertLess(frames[1]! / FRAME_SLACK, frames[0]!);
        await says(page.locator("#filters"), /Booting 406/);
        await says(deaf.page.locator("#filters"), /Booting 6\b/);
        await page.mouse.move(0, 0);
        await page.click("#more");
        await eventually(
          "all are shown",
          async () => (await macsShown(opened)).length === 500,
        );
        await isHidden(page.locator("#more"));
      },
    );

    await step("can be used with the keyboard alone", async () => {
      await ask("system", RACK, 3);
      await using opened = await browser.open(ORIGIN);
      const { page } = opened;
      await says(page.locator("#rows"), new RegExp(UNNAMED));
      // The view follows the address in its hash a moment after a key.
      const isFocused = (what: string) =>
        eventually(
          `the focus is on ${what}`,
          async () =>
            await opened.ask<string>(
              "document.activeElement.id || document.activeElement.hash || document.activeElement.tagName",
            ) === what,
        );
      await page.keyboard.press("Tab");
      await isFocused("search");
      const macs = await macsShown(opened);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await isFocused(`#${macs[1]}`);
      const outline = await opened.ask<string>(
        "getComputedStyle(document.activeElement).outlineStyle",
      );
      assertEquals(outline, "solid");
      // What has the focus stays where it is.
      await ask("pxe", macs[2]!);
      await says(rowOf(opened, macs[2]!), /the URL of iPXE/);
      assertEquals(await macsShown(opened), macs);
      await eventually(
        "it says that there is more",
        async () => await page.locator("#newer").isVisible(),
      );
      assertEquals(await macsShown(opened), macs);
      await page.keyboard.press("Enter");
      await says(page.locator("#machine"), /System is up/);
      await isFocused("H2");
      assertMatch(await page.title(), /Machines on lan$/);
      await page.keyboard.press("Escape");
      await isFocused(`#${macs[1]}`);
      // Whoever comes back finds the newest first.
      await eventually(
        "the newest is first",
        async () =>
          (await macsShown(opened)).join() ===
            [macs[2], macs[0], macs[1]].join(),
      );
      for (let press = 0; press < 3; press++) {
        await page.keyboard.press("ArrowUp");
      }
      await isFocused("search");
    });

    await step("shows all of one machine, by a link", async () => {
      await boot(RACK);
      await boot(RACK);
      await ask("http", RACK);
      await using opened = await browser.open(ORIGIN, {}, "#02-00-5E-00-53-01");
      const view = opened.page.locator("#machine");
      const text = await says(view, /rack-1-left.*has its boot URL/s);
      assertMatch(
        text,
        /rack-1-left\s+02:00:5e:00:53:01\s+2001:db8:1:2:0:200:5e00:5301/,
      );
      assertMatch(
        text,
        /This boot.*http_boot.*Earlier boots.*booted in .*booted in /s,
      );
      await says(view, /Last heard \d+ s ago/);
      await view.locator('[id^="boot-"] summary').first().click();
      await says(view, /ipxe\.efi over TFTP: 1\.0 MiB, complete/);
      await says(view, /boot\.efi over HTTP: 128 MiB, complete/);
      await opened.isAccessible();
      await opened.shoot("machine");
      // What is open stays open when something happens.
      await loadSystem(RACK, "1G").ended();
      await says(view, /Starting the system/);
      assertEquals(await view.locator("details[open]").count(), 1);
      await opened.page.click("a.back");
      await says(rowOf(opened, RACK), /2 earlier boots/);
      await opened.page.goto(`${ORIGIN}/#02:00:5e:00:53:99`);
      await says(view, /does not know this machine/);
      await opened.page.goto(`${ORIGIN}/#%zz`);
      await says(rowOf(opened, RACK), /rack-1-left/);
    });

    await step(
      "says what is stuck, measured by what is usual here and the daemon's clock",
      async () => {
        const known = "02:00:5e:00:54:00";
        await ask("pxe", known, 5);
        for (let index = 0; index < 5; index++) {
          await fetchIpxe(formatMac(parseMac(known)! + index));
        }
        await using opened = await browser.open(ORIGIN, {
          clockError: 86_400_000,
        });
        await ask("pxe", RACK);
        const row = rowOf(opened, RACK);
        const text = await says(row, /for \d+ s, usually \d/);
        assertEquals(/Stuck/.test(text), false, text);
        await says(row, /Stuck\s+for \d+ (s|min), usually \d/, 200);
        await says(opened.page.locator("#filters"), /Stuck 1/);
        await opened.page.click("#filters button[value=stuck]");
        await eventually(
          "it alone is shown",
          async () => (await macsShown(opened)).join() === RACK,
        );
        await opened.isAccessible();
        await opened.shoot("stuck");
      },
    );

    await step("comes back by itself when the daemon does", async () => {
      await ask("system", UNNAMED);
      await using opened = await browser.open(ORIGIN);
      const away = opened.page.locator("#away");
      await says(rowOf(opened, UNNAMED), /System is up/);
      await isHidden(away);
      opened.mayBeAway = true;
      await daemon!.stop();
      await says(away, /Not connected, trying again/);
      await says(rowOf(opened, UNNAMED), /System is up/);
      await opened.isAccessible();
      await opened.shoot("away");
      await restart();
      await isHidden(away);
      await says(opened.page.locator("#empty"), /No machine/);
      await ask("system", RACK);
      await says(rowOf(opened, RACK), /rack-1-left.*System is up/s);
    });

    await step("misses nothing when it is cut in a burst", async () => {
      await using opened = await browser.open(ORIGIN);
      // Another reader stays: the daemon keeps what it has sent.
      const stays = client.start(curl("-N", `${ORIGIN}/events`));
      await stays.says(/^data: /m);
      await ask("system", UNNAMED);
      await says(rowOf(opened, UNNAMED), /System is up/);
      opened.mayBeAway = true;
      const burst = ask("system", "02:00:5e:00:54:01", MACHINES, 100);
      await eventually(
        "the burst has begun",
        async () => (await macsShown(opened)).length > 3,
      );
      {
        await using _cut = await cutConnections(router, router, /"chrom/);
        await burst;
        // The browser lists a request when it has ended.
        await eventually("the stream has ended", () =>
          opened.ask<boolean>(
            `performance.getEntriesByType("resource")
              .some(({name}) => name.includes("/events"))`,
          ));
      }
      await eventually(
        "all machines are shown",
        async () => (await macsShown(opened)).length === 1 + MACHINES,
        60,
      );
      await isHidden(opened.page.locator("#away"));
      await stays.stop();
    });

    await step("tries again when it is refused", async () => {
      await ask("system", RACK);
      await using opened = await browser.open(ORIGIN);
      const { page } = opened;
      await says(rowOf(opened, RACK), /System is up/);
      opened.mayBeAway = true;
      // A browser that is refused does not ask for the stream again by itself.
      await page.route(
        "**/events*",
        (route) => route.fulfill({ status: 503 }),
        { times: 2 },
      );
      // However long the daemon takes, it is seen in between.
      await Promise.all([
        says(page.locator("#away"), /Not connected/),
        restart(),
      ]);
      await says(page.locator("#empty"), /No machine/, 60);
      await isHidden(page.locator("#away"));
    });

    await step("copies an address", async () => {
      await ask("system", RACK);
      await using opened = await browser.open(ORIGIN);
      const { page } = opened;
      await rowOf(opened, RACK).locator("button.address").click();
      await says(page.locator("#said"), /Copied 2001:db8:1:2:0:200:5e00:5301/);
      await page.focus("#search");
      await page.keyboard.press("Control+V");
      assertEquals(
        await page.inputValue("#search"),
        "2001:db8:1:2:0:200:5e00:5301",
      );
    });

    await step("shows which clients are not served, if any", async () => {
      await using opened = await browser.open(ORIGIN);
      const panel = opened.page.locator("#unserved");
      await says(opened.page.locator("#empty"), /No machine/);
      assertEquals(await panel.isVisible(), false);
      const solicit = relayed(message(1, opt(1, "0003000102005e005301")), {
        link: "2001:db8:9:9::1",
      });
      await client.run(
        program(
          "../../support/ask.ts",
          ...["2001:db8:1:2::99", "547", SERVER, "547", encodeHex(solicit)],
        ),
      );
      await says(
        panel,
        /2001:db8:9:9::\/64, which no base address covers.*--link-prefix.*1 message, the latest from 02:00:5e:00:53:01 at /s,
        20,
      );
    });

    await step("explains what a machine gets", async () => {
      await ask("http", RACK);
      await using opened = await browser.open(ORIGIN, {}, `#${RACK}`);
      const view = opened.page.locator("#machine");
      await says(view, /has its boot URL/);
      await view.locator("#explanation summary").click();
      await says(view, /No problem found/);
      await says(view, /boot\.efi, 128 MiB/);
      await opened.isAccessible();
      await opened.shoot("explanation");
      // It stays open when something happens, and is asked for again.
      const file = `${lab.directory}/netboot/${RACK}/boot.efi`;
      await Deno.rename(file, `${file}.away`);
      try {
        await ask("pxe", RACK);
        await says(view, /boot\.efi: not found/);
      } finally {
        await Deno.rename(`${file}.away`, file);
      }
    });

    await step("says first that DHCPv6 is not served", async () => {
      // An address that stays when the interface is down.
      await using opened = await browser.open("http://[::1]:6315");
      const headline = opened.page.locator("#headline");
      await says(
        opened.page.locator("#about"),
        /^dhcpv6macd \d+\.\d+\.\d+ at \[::1\]:6315, running since /,
      );
      await says(headline, /^Machines$/);
      await router.ip("link set lan down");
      try {
        await says(headline, /^DHCPv6 is not served on lan now$/);
        await opened.isAccessible();
        await opened.shoot("not-served");
      } finally {
        await router.ip("link set lan up");
        await router.ip(`addr replace ${SERVER}/64 dev lan nodad`);
      }
      await says(headline, /^Machines$/, 60);
    });

    await step("links to a plain table without JavaScript", async () => {
      const look = { hasScripts: false };
      const openPlain = async (opened: Opened) => {
        await says(opened.page.locator("noscript"), /needs JavaScript/);
        await opened.page.click("noscript a");
        await opened.page.waitForURL(`${ORIGIN}/plain`);
      };
      {
        await using opened = await browser.open(ORIGIN, look);
        await opened.shoot("no-script");
        await openPlain(opened);
        await says(opened.page.locator("main"), /M \(managed\) flag/);
        await opened.shoot("plain-empty");
      }
      const loading = await bootThree();
      await eventually(
        "the daemon sends the system",
        async () =>
          (await client.run(curl(`${ORIGIN}/plain`))).stdout.includes(
            "Loading the system",
          ),
      );
      for (
        const [name, { ...more }] of [
          ["plain", {}],
          ["plain-dark", { isDark: true }],
          ["plain-phone", PHONE],
        ] as const
      ) {
        await using opened = await browser.open(ORIGIN, { ...look, ...more });
        await openPlain(opened);
        const rows = await opened.page.locator("table.plain tbody tr")
          .allInnerTexts();
        assertEquals(rows.length, 3);
        assertMatch(rows.join("\n"), /rack-1-left.*TFTP .*Loading the system/s);
        await opened.fits();
        await opened.shoot(name);
      }
      // A browser with JavaScript gets the same table.
      await using opened = await browser.open(ORIGIN);
      await opened.page.goto(`${ORIGIN}/plain`);
      await opened.isAccessible();
      await opened.page.click("main a");
      await says(rowOf(opened, RACK), /Loading the system/);
      await loading.stop();
    });
  },
});
