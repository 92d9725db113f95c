import { assertEquals, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import {
  ascii,
  hex,
  iaNa,
  message,
  numbers,
  opt,
  oro,
  pretty,
  relayed,
} from "../../support/dhcpv6.ts";
import { startDaemon } from "../../support/daemon.ts";
import { eventually, Lab, missing } from "../../support/lab.ts";
import { BASE } from "../../support/expect.ts";

const FAR = "2001:db8:7:8::";
const FARTHER = "2001:db8:7:9::";
const PEER = "fe80::5054:ff:fe12:3456";
const UUID = opt(1, "000400112233445566778899aabbccddeeff");

/** Seconds in which an answer comes, and in which none comes. */
const ANSWER = 20;
const NO_ANSWER = 1;

/** The address of the link behind the relay, among the lines of an answer. */
const FROM_FAR = /^ *5 2001:db8:7:8:0:5254:12:3456 1200 1200$/m;

const lacks = missing("tests of the addresses that are listened at");
const ignore = lacks.length > 0;

/** A client's Solicit, as a relay of `link` passes it on. */
function throughRelay(
  interfaceName: string,
  ...options: ReturnType<typeof opt>[]
) {
  return relayed(
    message(1, UUID, iaNa(7)),
    { link: interfaceName, peer: PEER },
    ...options,
  );
}

Deno.test({
  name: "addresses that are listened at",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const router = await lab.host("router");
    const relay = await lab.host("relay");
    await lab.cable(router, "lan", relay, "up0");
    await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
    await relay.ip("addr add 2001:db8:1:2::2/64 dev up0 nodad");
    await relay.linkLocal("up0");
    const linkLocal = await router.linkLocal("lan");
    const daemon = await startDaemon(
      router,
      "--interface=lan",
      `--base-address=${BASE}`,
      `--base-address=${FAR}`,
      `--base-address=${FARTHER}`,
      "--dns=2001:db8::53",
      "--http-boot-url-template=http://[{{.BootAddress}}]/{{.MAC}}",
      `--netboot-dir=${lab.directory}`,
      "--boot-policy=listed",
    );

    /** What comes back to a relay within some seconds, and from where. */
    async function ask(
      bytes: Uint8Array,
      to: string,
      { fromPort = 547, waitPort, seconds = ANSWER }: {
        fromPort?: number;
        waitPort?: number;
        seconds?: number;
      } = {},
    ): Promise<{ lines: string[]; from: string }> {
      const { stdout } = await relay.run([
        ...Deno.env.get("TEST_DENO")!.split("\n"),
        `${import.meta.dirname}/../../support/ask.ts`,
        "2001:db8:1:2::2",
        String(fromPort),
        to,
        "547",
        encodeHex(bytes),
        String(seconds),
        ...(waitPort === undefined ? [] : [String(waitPort)]),
      ]);
      const [answer, server = ""] = stdout.trim().split(" ");
      return {
        lines: answer === "nothing" ? ["nothing"] : pretty(hex(answer!)),
        from: server,
      };
    }

    await t.step(
      "a relay reaches the interface's address, and is answered from it",
      async () => {
        const { lines, from } = await ask(
          throughRelay("2001:db8:7:8::1", opt(18, "cafe")),
          "2001:db8:1:2::1",
        );
        assertMatch(lines.join("\n"), FROM_FAR);
        assertEquals(lines[1], "18 cafe");
        assertEquals(from, "2001:db8:1:2::1");
      },
    );

    await t.step("the base address is chosen by link-address", async () => {
      const { lines } = await ask(
        throughRelay("2001:db8:7:9::5"),
        "2001:db8:1:2::1",
      );
      assertMatch(
        lines.join("\n"),
        /^ *5 2001:db8:7:9:0:5254:12:3456 1200 1200$/m,
      );
      const none = await ask(
        throughRelay("2001:db8:7:a::5"),
        "2001:db8:1:2::1",
        { seconds: NO_ANSWER },
      );
      assertEquals(none.lines, ["nothing"]);
      await daemon.logs("packet", (line) => line.drop === "link_unknown");
    });

    await t.step("a relay reaches ff05::1:3", async () => {
      await relay.ip("route add ff05::/16 dev up0 table local");
      const { lines } = await ask(throughRelay("2001:db8:7:8::1"), "ff05::1:3");
      assertMatch(lines.join("\n"), FROM_FAR);
    });

    await t.step(
      "a relay reaches ff02::1:2, and without a link-address is of this link",
      async () => {
        const { lines } = await ask(throughRelay("::"), "ff02::1:2%up0");
        assertMatch(
          lines.join("\n"),
          /^ *5 2001:db8:1:2:0:5254:12:3456 1200 1200$/m,
        );
        const elsewhere = await ask(throughRelay("::"), "2001:db8:1:2::1", {
          seconds: NO_ANSWER,
        });
        assertEquals(elsewhere.lines, ["nothing"]);
      },
    );

    await t.step(
      "echo request and a layer-2 relay behind a layer-3 one",
      async () => {
        const layer2 = throughRelay("::", opt(18, "aa"), opt(37, "00000009ff"));
        const { lines } = await ask(
          relayed(
            layer2,
            { link: "2001:db8:7:8::1", peer: "fe80::9", hops: 1 },
            opt(43, numbers(2, 37)),
            opt(37, "00000009bb"),
          ),
          "2001:db8:1:2::1",
        );
        assertEquals(lines.slice(0, 4), [
          "relay 13 hops 1 link 2001:db8:7:8::1 peer fe80::9",
          "37 00000009bb",
          `  relay 13 hops 0 link :: peer ${PEER}`,
          "  18 aa",
        ]);
        assertMatch(lines.join("\n"), FROM_FAR);
      },
    );

    await t.step(
      "a relay is answered at port 547, or where it says so",
      async () => {
        const plain = await ask(
          throughRelay("2001:db8:7:8::1"),
          "2001:db8:1:2::1",
          {
            fromPort: 40000,
            waitPort: 547,
          },
        );
        assertMatch(plain.lines[0]!, /^relay 13/);
        const own = await ask(
          throughRelay("2001:db8:7:8::1", opt(135, "0000")),
          "2001:db8:1:2::1",
          { fromPort: 40000 },
        );
        assertEquals(own.lines[1], "135 0000");
      },
    );

    await t.step("a client's message by unicast is not answered", async () => {
      const { lines } = await ask(
        message(11, UUID, oro(23)),
        "2001:db8:1:2::1",
        { fromPort: 546, seconds: NO_ANSWER },
      );
      assertEquals(lines, ["nothing"]);
      await daemon.logs(
        "packet",
        (line) => line.drop === "client_message_not_multicast",
      );
    });

    await t.step(
      "boot instructions go to machines whose directory is there",
      async () => {
        const listed = `${lab.directory}/52:54:00:12:34:56`;
        const firmware = message(
          1,
          UUID,
          iaNa(7),
          opt(16, `00000157 000a ${ascii("HTTPClient")}`),
        );
        const bootUrl = async () => {
          const relay = relayed(firmware, {
            link: "2001:db8:1:2::2",
            peer: PEER,
          });
          const { lines } = await ask(relay, "2001:db8:1:2::1");
          return lines.at(-1);
        };
        assertEquals(await bootUrl(), "  7 ff");
        await Deno.mkdir(listed);
        await eventually(
          "the machine is listed",
          async () =>
            await bootUrl() ===
              "  59 http://[2001:db8:1:2::1]/52:54:00:12:34:56",
        );
        await Deno.remove(listed);
        await eventually(
          "the machine is not listed",
          async () => await bootUrl() === "  7 ff",
        );
      },
    );

    await t.step(
      "addresses that come later are listened at, every link-local one too",
      async () => {
        await router.ip("addr add 2001:db8:1:2::7/64 dev lan nodad");
        await router.ip("addr add fe80::7/64 dev lan nodad");
        for (
          const to of [
            "2001:db8:1:2::7",
            "fe80::7%up0",
            `${linkLocal}%up0`,
            "2001:db8:1:2::1",
          ]
        ) {
          await eventually(`an answer from ${to}`, async () => {
            const { lines } = await ask(throughRelay("2001:db8:7:8::1"), to, {
              seconds: 2,
            });
            return lines[0]!.startsWith("relay 13");
          });
        }
        assertEquals(daemon.count("waiting"), 0);
        // One that fails duplicate address detection stops nothing.
        await relay.ip("addr add fe80::8/64 dev up0 nodad");
        await router.ip("addr add fe80::8/64 dev lan");
        await eventually(
          "it has failed",
          async () =>
            /fe80::8\/.* dadfailed/.test(
              (await router.ip("-6 -o addr show dev lan")).stdout,
            ),
        );
        const { lines } = await ask(
          throughRelay("2001:db8:7:8::1"),
          "2001:db8:1:2::1",
        );
        assertMatch(lines[0]!, /^relay 13/);
        assertEquals(daemon.count("waiting"), 0);
      },
    );

    await t.step(
      "another MAC makes no other server, and no false alarm",
      async () => {
        await router.ip("link set lan address 02:00:00:00:77:01");
        await daemon.logs(
          "serving",
          (line) => line.mac === "02:00:00:00:77:01",
        );
        const duids = daemon.log.filter(({ event }) => event === "serving")
          .map((line) => line.server_duid);
        assertEquals(new Set(duids).size, 1);
        assertEquals(
          daemon.log.filter((line) => line.level === "error"),
          [],
        );
      },
    );
  },
});
