import { assert, assertEquals } from "@std/assert";
import { BUSYBOX, unpackFromArchive } from "../../../tools/debian.ts";
import { startDaemon } from "../../support/daemon.ts";
import { Lab, missing, type Result } from "../../support/lab.ts";
import { BASE } from "../../support/expect.ts";

const MAC = "02:00:5e:00:53:01";
const SERVER = "2001:db8:1:2::1";

const lacks = missing(
  "tests of real TFTP clients",
  "atftp",
  "tftp",
  "curl",
  "ethtool",
  "tc",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

/** A way to fetch `path` into the file `to`. */
type Fetch = (path: string, to: string) => string[];

const curl = (blksize: number): Fetch => (path, to) => [
  "curl",
  "-sS",
  "--max-time",
  "400",
  "--tftp-blksize",
  String(blksize),
  "-o",
  to,
  `tftp://[${SERVER}]/${path}`,
];

const atftp = (blksize: number, windowsize: number): Fetch => (path, to) => [
  "atftp",
  "--option",
  `blksize ${blksize}`,
  "--option",
  `windowsize ${windowsize}`,
  "--option",
  "tsize 0",
  "--get",
  "--remote-file",
  path,
  "--local-file",
  to,
  SERVER,
];

const tftpHpa: Fetch = (path, to) => [
  "tftp",
  "-6",
  "-m",
  "binary",
  SERVER,
  "-c",
  "get",
  path.replaceAll(":", "-"), // what is before a colon is a host to it
  to,
];

/** Octets that do not repeat in step with any block. */
function octets(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 7;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest(
    "SHA-256",
    await Deno.readFile(path),
  );
  return new Uint8Array(digest).toHex();
}

Deno.test({
  name: "real TFTP clients",
  ignore,
  fn: async (t) => {
    let next = 0;

    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await client.ip("addr add 2001:db8:1:2::2/64 dev eth0 nodad");
    await client.linkLocal("eth0");
    const small = `${lab.directory}/small.efi`;
    await Deno.writeFile(small, octets(300_007));
    const tiny = `${lab.directory}/tiny.efi`;
    await Deno.writeFile(tiny, octets(40_003));
    const big = `${lab.directory}/big.efi`;
    await Deno.writeFile(big, octets(100 * 1024 * 1024 + 1));
    await unpackFromArchive(BUSYBOX, `${lab.directory}/busybox`);
    const busybox = `${lab.directory}/busybox/usr/bin/busybox`;
    const options = [
      "--interface=lan",
      `--base-address=${BASE}`,
      `--boot-address=${SERVER}`,
      `--ipxe-x86-64-efi=${small}`,
      `--ipxe-arm64-efi=${big}`,
      `--ipxe-riscv64-efi=${tiny}`,
    ];
    const daemon = await startDaemon(router, ...options);

    /**
     * Fetches a file and compares it with what is served.
     *
     * @param givesUp What a client says that people start again.
     */
    async function fetches(
      fetch: Fetch,
      name: string,
      expected: string,
      givesUp = /unexpected OACK/,
    ): Promise<void> {
      const to = `${lab.directory}/got-${next++}`;
      let result: Result;
      let tries = 0;
      do {
        result = await client.run(fetch(`${MAC}/${name}`, to), {
          mayFail: true,
          seconds: 400,
        });
        // atftp gives up when the network doubles an OACK.
      } while (givesUp.test(result.stdout + result.stderr) && ++tries < 5);
      assertEquals(
        await sha256(to).catch(() => "nothing"),
        await sha256(expected),
        result.stdout + result.stderr,
      );
      await Deno.remove(to);
    }

    for (const blksize of [8, 512, 1228, 1432, 65464]) {
      await t.step(
        `curl, blocks of ${blksize}`,
        () => fetches(curl(blksize), "ipxe.efi", small),
      );
      for (const windowsize of [1, 4, 16, 64]) {
        await t.step(
          `atftp, blocks of ${blksize}, windows of ${windowsize}`,
          () => fetches(atftp(blksize, windowsize), "ipxe.efi", small),
        );
      }
    }

    await t.step(
      "tftp-hpa, without options",
      () => fetches(tftpHpa, "ipxe.efi", small),
    );

    const busyboxTftp: Fetch = (path, to) => [
      busybox,
      ...["tftp", "-g", "-b", "1228", "-r", path, "-l", to, SERVER],
    ];
    await t.step(
      "busybox tftp, with a block size",
      () => fetches(busyboxTftp, "ipxe.efi", small),
    );

    await t.step(
      "100 MB in blocks of 512: the block numbers wrap",
      () => fetches(atftp(512, 16), "ipxe-arm64.efi", big),
    );

    await t.step(
      "100 MB with windows of 64",
      () => fetches(atftp(1432, 64), "ipxe-arm64.efi", big),
    );

    await t.step(
      "the answer comes from the address that was asked",
      async () => {
        await router.ip("addr add 2001:db8:1:2::9/64 dev lan nodad");
        const capture = await lab.capture(client, "eth0", "udp");
        await fetches(atftp(1432, 4), "ipxe.efi", small);
        const sources = await capture.read("udp", "ipv6.src");
        assertEquals(
          [...new Set(sources.map(([source]) => source))].toSorted(),
          [SERVER, "2001:db8:1:2::2"],
        );
      },
    );

    for (
      const { words, change, undo } of [
        {
          words: "over a link whose card computes no checksums",
          change: ["ethtool", "-K", "lan", "tx", "off"],
          undo: ["ethtool", "-K", "lan", "tx", "on"],
        },
        {
          words: "over a link that takes less than a window at once",
          change:
            "tc qdisc add dev lan root tbf rate 20mbit burst 3kb limit 9mb"
              .split(" "),
          undo: ["tc", "qdisc", "del", "dev", "lan", "root"],
        },
      ]
    ) {
      for (const blksize of [1228, 65464]) {
        await t.step(`${words}, blocks of ${blksize}`, async () => {
          await router.run(change);
          try {
            await fetches(atftp(blksize, 64), "ipxe.efi", small);
          } finally {
            await router.run(undo);
          }
        });
      }
    }

    await t.step("a client with a link-local address only", async () => {
      const own = "2001:db8:1:2::2/64 dev eth0";
      await client.ip(`addr del ${own}`);
      await client.ip("-6 route add 2001:db8:1:2::/64 dev eth0");
      try {
        await fetches(curl(1228), "ipxe.efi", small);
      } finally {
        await client.ip("-6 route del 2001:db8:1:2::/64 dev eth0");
        await client.ip(`addr add ${own} nodad`);
      }
    });

    await t.step("clients of other links get nothing", async () => {
      await client.ip("addr add 2001:db8:77::7/128 dev eth0 nodad");
      await router.ip("-6 route add 2001:db8:77::7/128 dev lan");
      const to = `${lab.directory}/stranger`;
      const fetch = (seconds: number, ...args: string[]) =>
        client.run([
          ...["curl", "-sS", "-g", "--max-time", String(seconds)],
          ...["-o", to, ...args],
          `tftp://[${SERVER}]/${MAC}/ipxe.efi`,
        ], { mayFail: true });
      const stranger = await fetch(3, "--interface", "2001:db8:77::7");
      assertEquals(stranger.code, 28, stranger.stderr); // nothing in time
      assertEquals((await fetch(50)).code, 0);
    });

    await t.step(
      "a path without a MAC, and a write request, get an error",
      async () => {
        const to = `${lab.directory}/none`;
        const missing = await client.run(curl(512)("ipxe.efi", to), {
          mayFail: true,
        });
        assertEquals(missing.code, 68, missing.stderr); // file not found
        const written = await client.run([
          "curl",
          "-sS",
          "-T",
          small,
          `tftp://[${SERVER}]/${MAC}/ipxe.efi`,
        ], { mayFail: true });
        assertEquals(written.code, 69, written.stderr); // permission problem
      },
    );

    await t.step(
      "30 clients at once through loss, duplication and reordering",
      async () => {
        const proxy = "2001:db8:1:2::3";
        await client.ip(`addr add ${proxy}/64 dev eth0 nodad`);
        for (let index = 0; index < 30; index++) {
          const last = (0x80 + index).toString(16);
          await client.ip(`addr add 2001:db8:1:2::${last}/64 dev eth0 nodad`);
        }
        const network = client.start([
          ...Deno.env.get("TEST_DENO")!.split("\n"),
          `${import.meta.dirname}/../../support/bad_network.ts`,
          proxy,
          SERVER,
          "2001:db8:1:2::80",
          "30",
        ]);
        await network.says(/listening/);
        await Promise.all(
          Array.from({ length: 30 }, (_, index) => {
            const fetch = index % 3 === 0
              ? curl(1432)
              : atftp(1432, index % 3 === 1 ? 4 : 16);
            return fetches(
              (path, to) =>
                fetch(path, to).map((word) => word.replace(SERVER, proxy)),
              "ipxe-riscv64.efi",
              tiny,
              // Also when it has waited six times, of a window of which each
              // third block comes late or not at all.
              /unexpected OACK|tftp: aborting/,
            );
          }),
        );
        await network.stop();
        const { passed, lost } = JSON.parse(
          network.output.trim().split("\n").at(-1)!,
        );
        assert(lost > 0.07 * passed, network.output);
      },
    );

    await t.step("the log names machines only when they are real", () => {
      // The client has neither the MAC's address nor been seen by DHCPv6.
      assertEquals(daemon.count("serve_ipxe_over_tftp"), 0);
      assert(daemon.log.length > 0);
    });

    await t.step("at a single port", async (t) => {
      await daemon.stop();
      await startDaemon(router, ...options, "--tftp-single-port");
      const capture = await lab.capture(client, "eth0", "udp");
      for (
        const [words, fetch] of [
          ["curl", curl(1228)],
          ["atftp", atftp(1432, 1)],
          ["atftp with windows of 64", atftp(1432, 64)],
          ["tftp-hpa", tftpHpa],
          ["busybox tftp", busyboxTftp],
        ] as const
      ) {
        await t.step(words, () => fetches(fetch, "ipxe.efi", small));
      }
      const ports = await capture.read(
        `udp and ipv6.src == ${SERVER}`,
        "udp.srcport",
      );
      assertEquals([...new Set(ports.map(([port]) => port))], ["69"]);
    });
  },
});
