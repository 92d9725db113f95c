/** Command lines and machines of the program that this one succeeds. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { Authority } from "../../support/certificates.ts";
import { type LogLine, runDaemon, startDaemon } from "../../support/daemon.ts";
import {
  ascii,
  hex,
  iaNa,
  message,
  numbers,
  opt,
  oro,
  pretty,
} from "../../support/dhcpv6.ts";
import { eventually, Lab, missing } from "../../support/lab.ts";
import { BASE } from "../../support/expect.ts";

const MAC = "02:00:5e:00:53:01";
const ESCAPED = "02%3A00%3A5e%3A00%3A53%3A01";
const SERVER = "2001:db8:1:2::1";

const lacks = missing(
  "tests of what the original's users have",
  "curl",
  "openssl",
  "ss",
);
const ignore = lacks.length > 0;

/** Strings with a length each, as classes have them. */
function strings(...texts: string[]): string {
  return texts.map((text) => numbers(2, text.length) + ascii(text)).join("");
}

/** A Solicit of the machine as PXE firmware, with these user classes. */
function solicit(...userClasses: string[]): Uint8Array {
  return message(
    1,
    opt(1, "00030001" + MAC.replaceAll(":", "")),
    iaNa(7),
    oro(59),
    opt(16, "00000157" + strings("PXEClient:Arch:00007:UNDI:003000")),
    opt(61, "0007"),
    ...(userClasses.length === 0 ? [] : [opt(15, strings(...userClasses))]),
  );
}

/** What iPXE gets. */
const SCRIPT = `tftp://[${SERVER}]/${MAC}/boot.ipxe`;

const notices = (log: LogLine[]) =>
  log.filter(({ event }) => event === "notice").map(({ message }) => message);

Deno.test({
  name: "what the original's users have",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await client.ip("addr add 2001:db8:1:2::2/64 dev eth0 nodad");
    await router.linkLocal("lan");
    const from = await client.linkLocal("eth0");
    await Authority.create(lab.directory, "cert");
    const ipxe = await lab.file("ipxe.efi", "its-ipxe\n");
    await Deno.mkdir(`${lab.directory}/mac/${MAC}`, { recursive: true });
    await lab.file(`mac/${MAC}/boot.efi`, "its-kernel\n");

    /** The boot file URL (option 59) in the reply to a machine, if any. */
    async function bootUrl(...userClasses: string[]): Promise<string> {
      const { stdout } = await client.run([
        ...Deno.env.get("TEST_DENO")!.split("\n"),
        `${import.meta.dirname}/../../support/ask.ts`,
        ...[`${from}%eth0`, "546", "ff02::1:2%eth0", "547"],
        ...[encodeHex(solicit(...userClasses)), "10"],
      ]);
      const [answer] = stdout.trim().split(" ");
      const lines = answer === "nothing" ? [] : pretty(hex(answer!));
      return lines.find((line) => line.startsWith("59 "))?.slice(3) ??
        `none in ${lines.join("; ")}`;
    }

    const curl = async (url: string) =>
      (await client.run(["curl", "-sS", "--max-time", "10", url])).stdout;

    /** The URL that the script of the machine's iPXE loads. */
    const loadedByScript = async () =>
      /^set url (.*)$/m.exec(await curl(SCRIPT))?.[1];

    /** Waits until the router listens at these TCP ports, and at no others. */
    async function listensAt(...ports: number[]): Promise<void> {
      await eventually(`TCP ports ${ports.join()}`, async () => {
        const { stdout } = await router.run(["ss", "-tlnH"]);
        const found = [...stdout.matchAll(/:(\d+)\s/g)].map(([, port]) => port);
        return found.toSorted().join() === ports.join();
      });
    }

    await t.step("the command line of its unit", async (t) => {
      const daemon = await startDaemon(
        router,
        ...["-base-address", BASE, "-interface", "lan"],
        ...["-tftp-listen-addr", ":69", "-http-listen-addr", ":80"],
        ...["-https-listen-addr", ":443", "-dhcpv6-listen-port", "547"],
        "-http-boot-url-template",
        "http://netboot.target/?mac={{urlquery .MAC}}&at={{ .BaseAddress }}",
        ...["-ipxe-x86-64-efi", ipxe],
        ...["-netboot-dir", `${lab.directory}/mac`],
      );

      await t.step("HTTPS without a certificate is a notice", async () => {
        const found = notices(daemon.log).filter((notice) =>
          notice.includes("--https-listen-addr")
        );
        assertEquals(found.length, 1);
        assertMatch(found[0]!, /not served without --tls-cert-file/);
        await listensAt(80);
      });

      await t.step(
        "firmware gets the URL of iPXE, iPXE a script with that of the template",
        async () => {
          const url = `http://netboot.target/?mac=${ESCAPED}&at=2001:db8:1:2::`;
          assertEquals(await bootUrl(), `tftp://[${SERVER}]/${MAC}/ipxe.efi`);
          for (
            const userClasses of [
              ["iPXE"],
              ["iPXE/1.21.1+ (g83449)"],
              ["lab", "iPXE-custom"],
            ]
          ) {
            assertEquals(await bootUrl(...userClasses), SCRIPT);
            assertEquals(await loadedByScript(), url);
          }
          assertEquals(
            await bootUrl("my iPXE"),
            `tftp://[${SERVER}]/${MAC}/ipxe.efi`,
          );
        },
      );

      await t.step("files at the addresses that it had", async () => {
        assertEquals(
          await curl(`http://[${SERVER}]/mac/${MAC}/boot.efi`),
          "its-kernel\n",
        );
        for (const name of ["ipxe.efi", "undionly.efi"]) {
          assertEquals(
            await curl(`tftp://[${SERVER}]/${MAC}/${name}`),
            "its-ipxe\n",
          );
        }
      });
      assertEquals(await daemon.stop(), 0);
    });

    await t.step("the command line of its document", async () => {
      const daemon = await startDaemon(
        router,
        "-interface=lan",
        `-base-address=${BASE}`,
        "-http-boot-url-template=http://netboot.target/?mac={{.MAC}}",
        `-tls-cert-file=${lab.directory}/cert.pem`,
        `-tls-key-file=${lab.directory}/cert.key`,
        `-netboot-dir=${lab.directory}/mac`,
      );
      assertEquals(await bootUrl("iPXE"), SCRIPT);
      assertEquals(await loadedByScript(), `http://netboot.target/?mac=${MAC}`);
      await listensAt(443, 6315);
      assertEquals(await daemon.stop(), 0);
    });

    await t.step("iPXE gets the URL itself, as it did", async () => {
      const daemon = await startDaemon(
        router,
        ...["-interface=lan", `-base-address=${BASE}`, "-ipxe-chain=direct"],
        "-http-boot-url-template=http://netboot.target/?mac={{.MAC}}",
      );
      assertEquals(
        await bootUrl("iPXE"),
        `http://netboot.target/?mac=${MAC}`,
      );
      assertEquals(await daemon.stop(), 0);
    });

    await t.step("without TFTP, the script comes by HTTP", async () => {
      const daemon = await startDaemon(
        router,
        ...["-interface=lan", `-base-address=${BASE}`],
        ...["-tftp-listen-addr=off", "-http-listen-addr=:8080"],
        "-http-boot-url-template=http://netboot.target/?p={{.Payload}}",
      );
      const script = `http://[${SERVER}]:8080/mac/${MAC}/boot.ipxe`;
      assertEquals(await bootUrl("iPXE"), script);
      const text = await curl(script);
      assertMatch(text, /^#!ipxe\n/);
      const payload = (name: string) =>
        `http://netboot.target/?p=${
          btoa(JSON.stringify({ architectures: [name] }))
        }`;
      assertStringIncludes(text, `\nset url ${payload("EFI x86-64")}\n`);
      assertStringIncludes(
        text,
        `\niseq \${buildarch} arm64 && set url ${payload("EFI ARM64")} ||\n`,
      );
      assertEquals(await daemon.stop(), 0);
    });

    await t.step("a value that a later one replaces", async () => {
      const daemon = await startDaemon(
        router,
        ...["-interface=wan", "--interface", "lan"],
        ...["-http-boot-url-template", "http://old/", `-base-address=${BASE}`],
        '-http-boot-url-template=http://new/{{index . "MAC"}}',
      );
      const found = notices(daemon.log).join("\n");
      assertStringIncludes(
        found,
        "--interface is given 2 times, the last one counts: lan",
      );
      assertStringIncludes(found, "--http-boot-url-template is given 2 times");
      assertEquals(await loadedByScript(), `http://new/${MAC}`);
      assertEquals(await daemon.stop(), 0);
    });

    await t.step("what check says of such command lines", async () => {
      const { code, stdout } = await runDaemon(
        router,
        "check",
        ...["-interface=lan", `-base-address=${BASE}`, "-preference=1"],
        ...["-preference=2", "-https-listen-addr=:443"],
        "-http-boot-url-template=http://[{{$.BootAddress}}]/ {{- .MAC -}} ",
      );
      assertEquals(code, 0, stdout);
      assertMatch(stdout, /^warning: --preference is given 2 times/m);
      assertMatch(
        stdout,
        /^warning: --https-listen-addr: HTTPS is not served/m,
      );
      assertMatch(stdout, /^boot instructions: http:/m);
    });
  },
});
