import { assert, assertEquals, assertLess } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import {
  MAX_TFTP_TRANSFERS_PER_CLIENT,
  MAX_TFTP_UNACKNOWLEDGED,
} from "../../../lib/overload/limits.ts";
import {
  encodeError,
  encodeRequest,
  ErrorCode,
  Opcode,
} from "../../../lib/tftp/packet.ts";
import { BASE } from "../../support/expect.ts";
import { equalBytes } from "../../../lib/net/ipv6.ts";
import { compiledIn } from "../../support/ipxe.ts";
import { startDaemon } from "../../support/daemon.ts";
import {
  eventually,
  Lab,
  missing,
  pause,
  type Program,
} from "../../support/lab.ts";
import { metrics } from "../../support/metrics.ts";
import { labProgram, plugIn, SERVER } from "./switch.ts";

const lacks = missing("tests of TFTP abuse", "curl", "tcpdump", "tshark");
const ignore = lacks.length > 0;

/** Has an address, and has asked for nothing. */
const VICTIM = "2001:db8:1:2::77";
const PATH = "02:00:5e:00:53:01/ipxe.efi";

/** Milliseconds in which a transfer that nobody confirms has ended. */
const UNCONFIRMED = 12_000;

function request(options: Record<string, string> = {}, fileName = PATH) {
  return encodeRequest({
    opcode: Opcode.ReadRequest,
    fileName,
    mode: "octet",
    options: new Map(Object.entries(options)),
  });
}

Deno.test({
  name: "TFTP abuse",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const testLink = await plugIn(lab, 0);
    const mac = await testLink.router.mac("lan");
    await startDaemon(
      testLink.router,
      "--interface=lan",
      `--base-address=${BASE}`,
      `--boot-address=${SERVER}`,
      "--log-level=info",
    );

    /** Begins to send datagrams to port 69 with a forged source. */
    function spoofing(
      from: string,
      payload: Uint8Array,
      { count = 1, ports = 1, rate = 1000, toPort = 69 } = {},
    ): Program {
      return testLink.attacker.start(labProgram(
        "spoof.ts",
        ...["eth0", mac, from, String(ports), SERVER, String(toPort)],
        ...[encodeHex(payload), String(count), String(rate)],
      ));
    }

    /** Sends such datagrams. */
    async function spoof(
      ...args: Parameters<typeof spoofing>
    ): Promise<void> {
      await spoofing(...args).says(/done/);
    }

    /** Waits until all transfers have ended. */
    async function allHaveEnded(): Promise<void> {
      await eventually(
        "all have ended",
        async () =>
          (await metrics(testLink.router)).get("dhcpv6macd_tftp_transfers") ===
            0,
      );
    }

    /** What the victim gets while something is done, in octets of UDP payload. */
    async function received(act: () => Promise<void>): Promise<number[]> {
      const capture = await lab.capture(
        testLink.visitor,
        "eth0",
        `src host ${SERVER} and udp`,
      );
      await act();
      const lengths = await capture.read("udp", "udp.length");
      return lengths.map(([length]) => Number(length!.split(",")[0]) - 8);
    }

    await t.step(
      "a victim gets three packets, however often it is named",
      async () => {
        for (const options of [{}, { blksize: "65464", windowsize: "64" }]) {
          const sizes = await received(async () => {
            await spoof(VICTIM, request(options as Record<string, string>), {
              count: 200,
            });
            await pause(UNCONFIRMED);
            await allHaveEnded();
          });
          assert(sizes.length >= 1, "it gets what it seems to have asked for");
          assert(sizes.length <= MAX_TFTP_UNACKNOWLEDGED, `${sizes}`);
          for (const size of sizes) assertLess(size, 517);
        }
      },
    );

    await t.step(
      "from many ports: so many transfers, and no more",
      async () => {
        const asked = request({ blksize: "1000" });
        const count = 300;
        const sizes = await received(async () => {
          await spoof(VICTIM, asked, { count, ports: count });
          await pause(UNCONFIRMED);
        });
        // Each is answered, as a rule by an error; only offers are repeated.
        assert(
          sizes.length <=
            count + MAX_TFTP_TRANSFERS_PER_CLIENT * MAX_TFTP_UNACKNOWLEDGED,
          `${sizes.length}`,
        );
        const octets = sizes.reduce((sum, size) => sum + size, 0);
        assertLess(
          octets,
          count * asked.length,
          "less than was sent to get it",
        );
        await allHaveEnded();
      },
    );

    await t.step("nothing but a request is answered at port 69", async () => {
      const sizes = await received(async () => {
        for (
          const payload of [
            encodeError(ErrorCode.NotDefined, "x"),
            Uint8Array.of(0, Opcode.Acknowledgment, 0, 0),
            Uint8Array.of(0, Opcode.Acknowledgment, 0, 1),
            Uint8Array.of(0, Opcode.Data, 0, 1, 1, 2, 3),
            Uint8Array.of(0, 6, 0x61, 0, 0x31, 0),
            Uint8Array.of(0),
            new Uint8Array(400).fill(0xff),
          ]
        ) await spoof(VICTIM, payload, { count: 20, ports: 20 });
        await pause(500);
      });
      assertEquals(sizes, []);
    });

    await t.step(
      "what comes from other ports or addresses ends no transfer",
      async () => {
        const { router, visitor } = testLink;
        const to = `${lab.directory}/slow`;
        const got = visitor.start([
          ...["curl", "-sS", "-g", "--tftp-blksize", "8", "--max-time", "300"],
          ...["-o", to, `tftp://[${SERVER}]/${PATH}`],
        ]);
        const port = await eventually("the transfer's port", async () => {
          const { stdout } = await router.run(["ss", "-uanH"]);
          return [...stdout.matchAll(/\[2001:db8:1:2::1\]:(\d+)/g)]
            .map((match) => Number(match[1])).find((number) => number > 1023);
        });
        const own = await visitor.run(["ss", "-uanH"]);
        const clientPort = Number(/:(\d+)\s/.exec(own.stdout)![1]);
        const sizes = await attackerReceives(async () => {
          for (
            const payload of [
              encodeError(ErrorCode.NotDefined, "stop"),
              Uint8Array.of(0, Opcode.Acknowledgment, 0xff, 0xff),
              Uint8Array.of(0, Opcode.Acknowledgment, 0, 1),
            ]
          ) {
            // Another address, with all ports; the client's, with another port.
            await spoof("2001:db8:1:2::bad", payload, {
              count: 300,
              ports: 300,
              toPort: port,
            });
            await spoof(VICTIM, payload, {
              count: 300,
              ports: 300,
              toPort: port,
            });
          }
        });
        assert(clientPort < 10_000 || clientPort >= 10_300, `${clientPort}`);
        assertEquals(sizes, []);
        assertEquals(await got.ended(300), 0, got.output);
        const file = await compiledIn("x86-64");
        const received = await Deno.readFile(to);
        assertEquals(received.length, file.length);
        assert(equalBytes(received, 0, file, 0, file.length));
      },
    );

    async function attackerReceives(
      act: () => Promise<void>,
    ): Promise<string[][]> {
      const capture = await lab.capture(
        testLink.attacker,
        "eth0",
        `src host ${SERVER} and udp and dst host 2001:db8:1:2::bad`,
      );
      await act();
      return await capture.read("udp", "udp.length");
    }

    await t.step(
      "requests in a machine's name do not keep it from booting",
      async () => {
        const flood = spoofing(VICTIM, request(), {
          count: 1_000_000,
          ports: 20_000,
          rate: 50,
        });
        await pause(3000);
        for (let round = 0; round < 20; round++) {
          const { code, stderr } = await testLink.visitor.run([
            ...["curl", "-sS", "-g", "--tftp-blksize", "1428"],
            ...["--interface", VICTIM, "--max-time", "50", "-o", "/dev/null"],
            `tftp://[${SERVER}]/${PATH}`,
          ], { mayFail: true });
          assertEquals(code, 0, `${round}: ${stderr}`);
        }
        assertEquals(flood.output, "", "it goes on");
        await flood.stop();
      },
    );

    for (
      const [what, payload] of [
        ["requests", request()],
        ["requests that are refused", request({}, "no-mac")],
      ] as const
    ) {
      await t.step(
        `${what} from forged addresses keep no client out`,
        async () => {
          const flood = spoofing("2001:db8:1:2::/64", payload, {
            count: 1_000_000,
            rate: 500,
          });
          await pause(3000);
          for (let round = 0; round < 2; round++) {
            const { code, stderr } = await testLink.visitor.run([
              ...["curl", "-sS", "-g", "--tftp-blksize", "1428"],
              ...["--max-time", "50", "-o", "/dev/null"],
              `tftp://[${SERVER}]/${PATH}`,
            ], { mayFail: true });
            assertEquals(code, 0, stderr);
          }
          assertEquals(flood.output, "", "it goes on");
          await flood.stop();
        },
      );
    }
  },
});
