/**
 * A netboot directory on a file system that does not answer: DHCPv6 and HTTP go
 * on, and the daemon can be stopped.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import {
  ascii,
  hex,
  iaNa,
  message,
  opt,
  pretty,
} from "../../support/dhcpv6.ts";
import { daemonCommand, launchAs } from "../../support/daemon.ts";
import { BASE } from "../../support/expect.ts";
import { command, Lab, missing, pause } from "../../support/lab.ts";
import { isHealthy } from "../../support/metrics.ts";
import { labProgram } from "./switch.ts";

const SUITE = "the test of a stalled netboot directory";

const lacks = missing(SUITE, "curl", "gcc", "tcpdump", "tshark");
if (!hasFuse()) {
  lacks.push("/dev/fuse");
  console.error(`\n*** NOT RUN: ${SUITE} needs /dev/fuse ***\n`);
}

/** Milliseconds in which the daemon has tried to read the directory. */
const SEVERAL_POLLS = 1000;

const LISTED = "02:00:5e:00:53:01";
const UNLISTED = "02:00:5e:00:53:02";

function hasFuse(): boolean {
  try {
    return Deno.statSync("/dev/fuse").isCharDevice === true;
  } catch {
    return false;
  }
}

/** The Solicit of firmware that can boot by HTTP. */
function solicitOf(mac: string): Uint8Array {
  return message(
    1,
    opt(1, `00030001${mac.replaceAll(":", "")}`),
    iaNa(7),
    opt(16, `00000157 000a ${ascii("HTTPClient")}`),
  );
}

Deno.test({
  name: "a netboot directory that stalls, with --boot-policy listed",
  ignore: lacks.length > 0,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
    await router.linkLocal("lan");
    const linkLocal = await client.linkLocal("eth0");
    const netboot = `${lab.directory}/netboot`;
    await Deno.mkdir(`${netboot}/${LISTED}`, { recursive: true });
    const trigger = `${lab.directory}/stall`;
    const program = `${lab.directory}/stalled_directory`;
    const source = `${import.meta.dirname}/../../support/stalled_directory.c`;
    await command(["gcc", "-O2", "-Wall", "-Werror", "-o", program, source]);
    // The daemon has a mount namespace of its own, in which the program mounts.
    const daemon = await launchAs(
      ["sh", "-c", '"$0" "$1" "$2" & shift 2; exec "$@"', program]
        .concat(netboot, trigger, daemonCommand()),
      router,
      "--interface=lan",
      `--base-address=${BASE}`,
      "--http-boot-url-template=http://[{{.BootAddress}}]/{{.MAC}}",
      `--netboot-dir=${netboot}`,
      "--boot-policy=listed",
    );
    await daemon.logs("serving");

    /** The last option of the answer, or `nothing`. */
    async function bootUrlOf(mac: string): Promise<string | undefined> {
      const { stdout } = await client.run(labProgram(
        "ask.ts",
        ...[`${linkLocal}%eth0`, "546", "ff02::1:2%eth0", "547"],
        encodeHex(solicitOf(mac)),
        "20",
      ));
      const [answer] = stdout.trim().split(" ");
      return answer === "nothing" ? answer : pretty(hex(answer!)).at(-1);
    }

    async function answersAllMachines(): Promise<void> {
      assertMatch(
        (await bootUrlOf(LISTED))!,
        /^59 http:\/\/\[[0-9a-f:]+\]\/02:00:5e:00:53:01$/,
      );
      assertEquals(await bootUrlOf(UNLISTED), "7 ff");
    }

    await t.step("while it answers, it is the list", answersAllMachines);

    await t.step("when it stalls, the last known list stays", async () => {
      await Deno.writeTextFile(trigger, "");
      await daemon.program.says(/^stalled$/m);
      await pause(SEVERAL_POLLS);
      await answersAllMachines();
    });

    await t.step("HTTP answers meanwhile", async () => {
      await isHealthy(router);
    });

    await t.step("SIGTERM ends the daemon meanwhile", async () => {
      assertEquals(await daemon.stop(), 0);
    });
  },
});
