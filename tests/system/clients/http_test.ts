import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import {
  favoredDaemonCommand,
  launchAs,
  runDaemon,
  type RunningDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import { command, eventually, Lab, missing, pause } from "../../support/lab.ts";
import { BASE, derived } from "../../support/expect.ts";

const SERVER = "2001:db8:1:2::1";
const PORT = 6315;
const TLS_PORT = 8443;
const MIB = 1024 * 1024;

const lacks = missing(
  "tests of HTTP clients",
  "curl",
  "openssl",
  "cmp",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

/** Writes octets that no two pieces of the file have in common. */
async function writeRandom(path: string, size: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < size; at += bytes.length) {
    for (let part = 0; part < bytes.length; part += 65536) {
      crypto.getRandomValues(bytes.subarray(part, part + 65536));
    }
    const piece = bytes.subarray(0, Math.min(bytes.length, size - at));
    for (let written = 0; written < piece.length;) {
      written += await file.write(piece.subarray(written));
    }
  }
}

/** Whether two files have the same octets, by a program that reads in pieces. */
async function areSame(a: string, b: string): Promise<void> {
  const { code, stdout, stderr } = await command(["cmp", a, b], {
    mayFail: true,
  });
  assertEquals(code, 0, stdout + stderr);
}

/** Waits until a download into a file has begun. */
async function hasBegun(to: string): Promise<void> {
  await eventually("it has begun", async () => {
    const size = (await Deno.stat(to).catch(() => undefined))?.size ?? 0;
    return size > 0;
  });
}

Deno.test({
  name: "HTTP clients",
  ignore,
  fn: async (t) => {
    let next = 0;

    await using lab = new Lab();
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    // The machine's own address: only from there is an unknown one believed.
    const address = await derived(client, "eth0");
    await client.ip(`addr add ${address}/64 dev eth0 nodad`);
    await client.linkLocal("eth0");
    const mac = await client.mac("eth0");
    // The directory of the machine's files.
    const own = `${lab.directory}/netboot/${mac}`;
    await Deno.mkdir(own, { recursive: true });

    const options = (...args: string[]) => [
      "--interface=lan",
      `--base-address=${BASE}`,
      `--netboot-dir=${lab.directory}/netboot`,
      "--tftp-listen-addr=off",
      "--log-level=info",
      ...args,
    ];

    /** The process that listens: the daemon is not the router's only one. */
    async function processOf(): Promise<string> {
      const { stdout } = await router.run(["ss", "-tlnpH", `sport = :${PORT}`]);
      const pid = /\bpid=(\d+)/.exec(stdout)?.[1];
      assert(pid !== undefined, stdout);
      return pid;
    }

    async function residentMib(pid: string): Promise<number> {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
    }

    /** How many of the machine's files a process has open. */
    async function openFiles(pid: string): Promise<number> {
      let count = 0;
      for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
        const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(
          () => "",
        );
        if (target.startsWith(own)) count++;
      }
      return count;
    }

    const urlOf = (name: string) =>
      `http://[${SERVER}]:${PORT}/mac/${mac}/${name}`;
    const tlsUrlOf = (name: string) =>
      `https://[${SERVER}]:${TLS_PORT}/mac/${mac}/${name}`;

    /** A path that nothing is at yet. */
    const fresh = () => `${lab.directory}/got-${next++}`;

    const curlCommand = (...args: string[]) => [
      "curl",
      "-sS",
      "--globoff",
      "--max-time",
      "300",
      ...args,
    ];

    const curl = (...args: string[]) =>
      client.run(curlCommand(...args), { mayFail: true, seconds: 320 });

    /** Runs tests/support/firmware.ts; what it was answered. */
    async function firmware(
      name: string,
      to: string,
      cut: number,
      etag?: string,
    ): Promise<
      { method: string; status: number; headers: Record<string, string> }[]
    > {
      const { stdout } = await client.run([
        ...Deno.env.get("TEST_DENO")!.split("\n"),
        `${import.meta.dirname}/../../support/firmware.ts`,
        SERVER,
        String(PORT),
        `/mac/${mac}/${name}`,
        to,
        String(cut),
        ...(etag === undefined ? [] : [etag]),
      ]);
      return stdout.trim().split("\n").map((line) => JSON.parse(line));
    }

    await t.step("plain", async (t) => {
      await using cleanup = new AsyncDisposableStack();
      const daemon = cleanup.adopt(
        await launchAs(favoredDaemonCommand(), router, ...options()),
        async (daemon) => {
          await daemon.stop();
        },
      );
      await daemon.logs("serving");
      const pid = await processOf();

      await t.step(
        "firmware whose connection is cut gets the rest",
        async () => {
          // More than the sockets of both ends hold.
          const size = 48 * MIB + 11;
          await writeRandom(`${own}/boot.efi`, size);
          const to = fresh();
          const [head, get] = await firmware("boot.efi", to, 3 * MIB + 5);
          for (const answer of [head!, get!]) {
            assertEquals(answer.status, 200);
            assertEquals(answer.headers["content-length"], String(size));
            assertEquals(answer.headers["content-type"], "application/efi");
            assertEquals(answer.headers["accept-ranges"], "bytes");
            assertEquals(answer.headers["transfer-encoding"], undefined);
            assertEquals(answer.headers["content-encoding"], undefined);
          }
          assertEquals(get!.headers.etag, head!.headers.etag);
          assertMatch(head!.headers.etag!, /^"[^"]+"$/);
          assertEquals((await Deno.stat(to)).size, 3 * MIB + 5);

          const failed = await daemon.logs(
            "http_fetch_uki",
            ({ state }) => state === "error",
          );
          assertEquals(failed.mac, mac);
          assertEquals(failed.total_bytes, size);
          assertEquals(daemon.log.at(-1)!.state, "error");
          await eventually(
            "the file is closed",
            async () => await openFiles(pid) === 0,
          );

          const [rest] = await firmware(
            "boot.efi",
            to,
            size,
            head!.headers.etag,
          );
          assertEquals(rest!.status, 206);
          assertEquals(
            rest!.headers["content-range"],
            `bytes ${3 * MIB + 5}-${size - 1}/${size}`,
          );
          assertEquals(rest!.headers.etag, head!.headers.etag);
          await areSame(to, `${own}/boot.efi`);
        },
      );

      await t.step(
        "firmware gets 412 when the file has changed meanwhile",
        async () => {
          const size = 3 * MIB;
          await writeRandom(`${own}/boot.efi`, size);
          const to = fresh();
          const [head] = await firmware("boot.efi", to, MIB);
          await writeRandom(`${own}/boot.new`, size);
          await Deno.rename(`${own}/boot.new`, `${own}/boot.efi`);
          const [rest] = await firmware(
            "boot.efi",
            to,
            size,
            head!.headers.etag,
          );
          assertEquals(rest!.status, 412);
          assertEquals((await Deno.stat(to)).size, MIB, "nothing was added");
          const anew = fresh();
          const [, get] = await firmware("boot.efi", anew, size);
          assertNotEquals(get!.headers.etag, head!.headers.etag);
          await areSame(anew, `${own}/boot.efi`);
          await daemon.logs(
            "http_fetch_uki",
            (line) => line.state === "complete" && line.sent_bytes === size,
          );
        },
      );

      await t.step("300 MB, and the memory that takes", async () => {
        await writeRandom(`${own}/big.iso`, 300 * MIB);
        const to = fresh();
        const program = client.start(curlCommand("-o", to, urlOf("big.iso")));
        let isOver = false;
        const ended = program.ended(300).finally(() => isOver = true);
        let most = 0;
        while (!isOver) {
          most = Math.max(most, await residentMib(pid));
          await pause(25);
        }
        assertEquals(await ended, 0, program.output);
        await areSame(to, `${own}/big.iso`);
        assertLess(most, 250, "MiB");
        await Deno.remove(to);
        await Deno.remove(`${own}/big.iso`);
      });

      await t.step(
        "what goes through the runtime's server unchanged",
        async () => {
          await Deno.writeTextFile(`${own}/empty.efi`, "");
          await Deno.writeTextFile(`${own}/list.txt`, "a line\n".repeat(5000));
          const head = async (...args: string[]) =>
            (await curl("-i", "-D", "-", "-o", "/dev/null", ...args)).stdout;

          const empty = await head(urlOf("empty.efi"));
          assertMatch(empty, /^HTTP\/1\.1 200 /);
          assertMatch(empty, /^content-length: 0\r$/mi);

          const text = await head("--compressed", urlOf("list.txt"));
          assertMatch(text, /^content-length: 35000\r$/mi);
          assertMatch(text, /^etag: "/mi);
          assert(!/^content-encoding:/mi.test(text), text);

          const probe = await head("-I", urlOf("list.txt"));
          assertMatch(probe, /^HTTP\/1\.1 200 /);
          assertMatch(probe, /^content-length: 35000\r$/mi);

          const none = await head("-I", urlOf("none.txt"));
          assertMatch(none, /^HTTP\/1\.1 404 /);

          const etag = /^etag: (\S+)/mi.exec(text)![1]!;
          const known = await head(
            "-H",
            `If-None-Match: ${etag}`,
            urlOf("list.txt"),
          );
          assertMatch(known, /^HTTP\/1\.1 304 /);
          // It may be left out, but must not be that of an empty file.
          assert(!/^content-length: 0\r$/mi.test(known), known);

          const method = await head("-X", "POST", "-d", "x", urlOf("list.txt"));
          assertMatch(method, /^HTTP\/1\.1 405 /);
          assertMatch(method, /^allow: GET, HEAD\r$/mi);

          const old = await head("--http1.0", urlOf("list.txt"));
          assertMatch(old, /^HTTP\/1\.[01] 200 /);
          assertMatch(old, /^content-length: 35000\r$/mi);
        },
      );

      for (
        const [what, expected, ...args] of [
          ["a Host with a zone", 200, "-H", "Host: [fe80::1%25eth0]:6315"],
          ["a Host that is none", 400, "-H", "Host: [::1"],
          ["a Host with a blank", 400, "-H", "Host: foo bar"],
          ["a Host with a user", 400, "-H", "Host: a@b"],
          ["an empty Host", 400, "-H", "Host;"],
          ["no Host", 400, "-H", "Host:"],
          ["no Host in HTTP/1.0", 400, "--http1.0", "-H", "Host:"],
          ["HTTP/2 without a Host header", 200, "--http2-prior-knowledge"],
          ["a Host that is a path", 400, "-H", "Host: /healthz?"],
          ["a star", 405, "-X", "OPTIONS", "--request-target", "*"],
          ["an authority", 400, "-X", "CONNECT", "--request-target", "a:443"],
          ["a word", 400, "--request-target", "boot"],
        ] as [string, number, ...string[]][]
      ) {
        await t.step(`${what}: ${expected}`, async () => {
          await Deno.writeTextFile(`${own}/small.txt`, "small");
          const { stdout } = await curl(
            ...["-o", "/dev/null", "-w", "%{http_code}", "--max-time", "50"],
            ...args,
            urlOf("small.txt"),
          );
          assertEquals(stdout, String(expected));
        });
      }

      await t.step(
        "the link-local address is served, with the zone in the URL",
        async () => {
          await Deno.writeTextFile(`${own}/small.txt`, "small");
          const address = await router.linkLocal("lan");
          const { stdout, stderr } = await curl(
            `http://[${address}%25eth0]:${PORT}/mac/${mac}/small.txt`,
          );
          assertEquals(stdout, "small", stderr);
        },
      );

      await t.step(
        "clients of other links are refused, allowed ones are not",
        async () => {
          await Deno.writeTextFile(`${own}/small.txt`, "small");
          await client.ip("addr add 2001:db8:77::7/128 dev eth0 nodad");
          await router.ip("-6 route add 2001:db8:77::7/128 dev lan");
          const stranger = await curl(
            ...["--interface", "2001:db8:77::7", "-o", "/dev/null"],
            ...["-w", "%{http_code}", urlOf("small.txt")],
          );
          assertEquals(stranger.stdout, "403", stranger.stderr);
          assertEquals((await curl(urlOf("small.txt"))).stdout, "small");
        },
      );

      await t.step("path attacks", async () => {
        const secret = "SECRET, which nobody may see";
        await lab.file("secret.txt", secret);
        await Deno.symlink("../../secret.txt", `${own}/out.efi`);
        await command(["mkfifo", `${own}/pipe.efi`]);
        for (
          const [path, status] of [
            [`/mac/${mac}/../../secret.txt`, "404"],
            [`/mac/${mac}/%2e%2e/%2e%2e/secret.txt`, "404"],
            [`/mac/${mac}/..%2f..%2fsecret.txt`, "404"],
            [`/mac/${mac}/%252e%252e/%252e%252e/secret.txt`, "404"],
            [`/mac/${mac}/out.efi`, "404"],
            [`/mac/${mac}/pipe.efi`, "404"],
            [`/mac/${mac}/..\\..\\secret.txt`, "404"],
            [`/mac/${mac}/boot.efi%00`, "404"],
            [`/mac/${mac}/${"a".repeat(10_000)}`, "404"],
            [`/mac/../../secret.txt`, "400"],
            [`/../../secret.txt`, "404"],
          ] as const
        ) {
          const { stdout, stderr } = await curl(
            ...["--path-as-is", "--max-time", "50", "-w", " %{http_code}"],
            `http://[${SERVER}]:${PORT}${path}`,
          );
          assert(!stdout.includes("SECRET"), path);
          assertMatch(stdout, new RegExp(` ${status}$`), path + stderr);
        }
      });

      await t.step(
        "a file that is written over breaks its download",
        async () => {
          const size = 40 * MIB;
          const path = `${own}/written.img`;
          await writeRandom(path, size);
          const copy = fresh();
          await Deno.copyFile(path, copy);
          const to = fresh();
          const program = client.start(
            curlCommand("--limit-rate", "8M", "-o", to, urlOf("written.img")),
          );
          await hasBegun(to);
          // However long the writing takes.
          program.kill("SIGSTOP");
          await writeRandom(path, size);
          program.kill("SIGCONT");
          assertEquals(await program.ended(), 18, program.output); // partial file
          const { size: received } = await Deno.stat(to);
          assertLess(received, size);
          await command(["cmp", "-n", String(received), to, copy]);
          await Deno.remove(path);
        },
      );

      await t.step("clients that leave leave nothing open", async () => {
        await writeRandom(`${own}/left.img`, 20 * MIB);
        await Promise.all(
          Array.from({ length: 40 }, () =>
            curl(
              ...["--limit-rate", "100k", "--max-time", "0.7"],
              ...["-o", "/dev/null", urlOf("left.img")],
            )),
        );
        await eventually(
          "all files are closed",
          async () => await openFiles(pid) === 0,
        );
      });

      await t.step("100 downloads at once do not starve DHCPv6", async () => {
        await writeRandom(`${own}/load.img`, 50 * MIB);
        const downloads = client.start([
          "sh",
          "-c",
          'for i in $(seq 100); do "$@" & done; wait',
          "sh",
          ...curlCommand(
            ...["--max-time", "300", "-o", "/dev/null"],
            ...["-w", "%{http_code} %{size_download}\\n", urlOf("load.img")],
          ),
        ]);
        await eventually(
          "they have begun",
          async () => await openFiles(pid) >= 20,
        );
        const asked = 2000;
        const probe = client.start([
          ...Deno.env.get("TEST_DENO")!.split("\n"),
          `${import.meta.dirname}/../../support/probe.ts`,
          "eth0",
          BASE,
          String(asked),
          "3", // sending takes the rest of 5 milliseconds
        ]);
        let most = 0;
        let isOver = false;
        const ended = downloads.ended(320).finally(() => isOver = true);
        while (!isOver) {
          most = Math.max(most, await residentMib(pid));
          await pause(100);
        }
        assertEquals(await ended, 0, downloads.output);
        assertEquals(await probe.ended(320), 0, probe.output.slice(-1000));
        const last = probe.output.trim().split("\n").at(-1)!;
        const { sent, distinct, wrong } = JSON.parse(last);
        assertEquals(
          downloads.output.trim().split("\n"),
          Array(100).fill(`200 ${50 * MIB}`),
        );
        assertEquals([sent, wrong], [asked, 0], last);
        assert(distinct >= 0.98 * asked, last);
        assertLess(most, 250, "MiB");
        await eventually(
          "all files are closed",
          async () => await openFiles(pid) === 0,
        );
        await Deno.remove(`${own}/load.img`);
      });

      await t.step(
        "SIGTERM in a slow download: it ends in time, with 0",
        async () => {
          await writeRandom(`${own}/slow.img`, 60 * MIB);
          const to = fresh();
          const program = client.start(
            curlCommand("--limit-rate", "1M", "-o", to, urlOf("slow.img")),
          );
          await hasBegun(to);
          const began = performance.now();
          daemon.program.kill();
          assertEquals(
            await daemon.program.ended(),
            0,
            daemon.program.output,
          );
          const seconds = (performance.now() - began) / 1000;
          assertLess(seconds, 20, "the download would take a minute");
          assertLess(4.5, seconds, "it had some seconds to end by itself");
          assertEquals(
            daemon.count("stopped"),
            1,
            daemon.program.output.slice(-2000),
          );
          program.kill();
          await program.ended();
        },
      );
    });

    await t.step("encrypted", async (t) => {
      const authority = `${lab.directory}/ca.pem`;
      /** What the daemon is told to use; the content of these changes. */
      const certFile = `${lab.directory}/used.pem`;
      const keyFile = `${lab.directory}/used.key`;
      let daemon: RunningDaemon;

      const openssl = (...args: string[]) => command(["openssl", ...args]);

      /** Makes a certificate for the server's address, named after `name`. */
      async function certify(name: string): Promise<void> {
        const path = `${lab.directory}/${name}`;
        const extensions = await lab.file(
          `${name}.ext`,
          `subjectAltName=IP:${SERVER}\nbasicConstraints=CA:FALSE\n`,
        );
        await openssl(
          ..."req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
            .split(" "),
          ...["-subj", `/CN=${name}`, "-keyout", `${path}.key`],
          ...["-out", `${path}.csr`],
        );
        await openssl(
          ...["x509", "-req", "-in", `${path}.csr`, "-days", "7"],
          ...["-CA", authority, "-CAkey", `${lab.directory}/ca.key`],
          ...["-CAcreateserial", "-extfile", extensions],
          ...["-out", `${path}.pem`],
        );
      }

      /** Puts files in the place of those in use, as tools that renew them do. */
      async function install(cert: string, key: string): Promise<void> {
        for (
          const [from, to] of [[`${cert}.pem`, certFile], [
            `${key}.key`,
            keyFile,
          ]]
        ) {
          await Deno.copyFile(`${lab.directory}/${from}`, `${to}.new`);
          await Deno.rename(`${to}.new`, to!);
        }
      }

      /**
       * The name in the certificate that new connections see; `undefined` for a
       * connection that the exchange of certificates has caught. That is closed,
       * or stays open and gets no answer: its client has to ask again.
       */
      async function certificateName(): Promise<string | undefined> {
        const { code, stdout, stderr } = await curl(
          ...[
            "-v",
            "--max-time",
            "5",
            "--cacert",
            authority,
            tlsUrlOf("s.txt"),
          ],
        );
        if (code !== 0) return undefined;
        assertEquals(stdout, "small");
        return /^\*\s+subject: CN ?= ?(\S+)/m.exec(stderr)?.[1];
      }

      /** The protocol and status of a request to localhost on the router. */
      async function onLocalhost(): Promise<string> {
        const { stdout } = await router.run([
          ...["curl", "-sS", "-k", "--max-time", "20", "-o", "/dev/null"],
          ...["-w", "%{http_version} %{http_code}", "--http2"],
          `https://localhost:${TLS_PORT}/healthz`,
        ]);
        return stdout;
      }

      /** That name, of a connection that was not caught. */
      const nameSeen = () => eventually("a connection", certificateName);

      /** Puts a pair that is refused, and waits until it is, once. */
      async function isRefused(put: () => Promise<void>): Promise<void> {
        const refused = daemon.count("certificate_refused");
        await put();
        await eventually(
          "it is refused",
          () => daemon.count("certificate_refused") > refused,
        );
        assertEquals(daemon.count("certificate_refused"), refused + 1);
      }

      await openssl(
        ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
          .split(" "),
        ...["-subj", "/CN=authority", "-days", "7", "-out", authority],
        ...["-keyout", `${lab.directory}/ca.key`],
      );
      await certify("first");
      await certify("second");
      const tlsOptions: string[] = options(
        `--tls-cert-file=${certFile}`,
        `--tls-key-file=${keyFile}`,
        `--https-listen-addr=:${TLS_PORT}`,
      );
      await Deno.writeTextFile(`${own}/s.txt`, "small");
      await writeRandom(`${own}/boot.efi`, 32 * MIB);

      await t.step(
        "a pair that is none: one line at the start, and 1",
        async () => {
          const of = async (cert: string, key: string) => {
            await Deno.writeTextFile(certFile, cert);
            await Deno.writeTextFile(keyFile, key);
            const { code, stderr } = await runDaemon(router, ...tlsOptions);
            const errors = stderr.trim().split("\n")
              .map((line) => JSON.parse(line))
              .filter(({ level }) => level === "error");
            assertEquals(errors.map(({ event }) => event), ["cannot_start"]);
            assertEquals(code, 1, stderr);
            return errors[0].message;
          };
          const read = (name: string) =>
            Deno.readTextFile(`${lab.directory}/${name}`);
          const mixed = await of(
            await read("first.pem"),
            await read("second.key"),
          );
          assertMatch(mixed, /key .*used\.key does not belong to .*used\.pem$/);
          assertMatch(
            await of("no certificate", await read("first.key")),
            /used\.pem holds no certificate/,
          );
          assertMatch(
            await of(await read("first.pem"), ""),
            /used\.key holds no private key/,
          );
          await Deno.remove(keyFile);
          const { code, stderr } = await runDaemon(router, ...tlsOptions);
          assertEquals(code, 1, stderr);
          assertMatch(stderr, /"message":"cannot read .*used\.key/);
        },
      );

      await t.step(
        "a client that trusts the authority, and one that does not",
        async () => {
          await install("first", "first");
          daemon = await startDaemon(router, ...tlsOptions);
          assertEquals(await nameSeen(), "first");
          assertEquals(await onLocalhost(), "2 200");
          const to = fresh();
          const trusting = await curl(
            ...["--cacert", authority, "-o", to, tlsUrlOf("boot.efi")],
          );
          assertEquals(trusting.code, 0, trusting.stderr);
          await areSame(to, `${own}/boot.efi`);
          const complete = await daemon.logs(
            "http_fetch_uki",
            ({ state }) => state === "complete",
          );
          assertEquals(complete.protocol, "https");
          assertEquals((await curl(tlsUrlOf("s.txt"))).code, 60);
        },
      );

      await t.step("a certificate replaced during a download", async () => {
        const to = fresh();
        const download = client.start(
          curlCommand(
            ...["--cacert", authority, "--limit-rate", "4M", "-o", to],
            tlsUrlOf("boot.efi"),
          ),
        );
        await hasBegun(to);
        // It goes on when all of this is over, however long that takes.
        download.kill("SIGSTOP");

        await install("second", "second");
        await eventually(
          "new connections see the new one",
          async () => await certificateName() === "second",
        );
        await daemon.logs("certificate_replaced");

        // Between its two files, a pair that is being replaced is refused, too.
        await isRefused(() => install("second", "first"));
        const refused = daemon.log.findLast(({ event }) =>
          event === "certificate_refused"
        )!;
        assertEquals(refused.level, "error");
        assertMatch(
          refused.message,
          /used\.pem and .*used\.key: .*keeping/,
        );
        assertEquals(await nameSeen(), "second");
        await isRefused(async () => {
          await Deno.writeTextFile(`${certFile}.new`, "no certificate");
          await Deno.rename(`${certFile}.new`, certFile);
        });
        const count = daemon.count("certificate_refused");
        assertEquals(await nameSeen(), "second");
        await pause(1500);
        assertEquals(daemon.count("certificate_refused"), count, "each once");
        assertLess((await Deno.stat(to)).size, 32 * MIB);

        download.kill("SIGCONT");
        assertEquals(await download.ended(), 0, download.output);
        await areSame(to, `${own}/boot.efi`);
        await install("first", "first");
        await eventually(
          "a good pair comes back",
          async () => await certificateName() === "first",
        );
        await isRefused(() => Deno.remove(keyFile));
        assertEquals(await nameSeen(), "first");
        await install("first", "first");
      });

      await t.step(
        "SIGTERM: what began with the certificate before may end",
        async () => {
          const to = fresh();
          const download = client.start(
            curlCommand(
              ...["--cacert", authority, "--limit-rate", "16M", "-o", to],
              tlsUrlOf("boot.efi"),
            ),
          );
          await hasBegun(to);
          // It reads on when the daemon is being stopped, however long the
          // replacement took.
          download.kill("SIGSTOP");
          await install("second", "second");
          await eventually(
            "it is replaced",
            () => daemon.count("certificate_replaced") === 3,
          );
          assertLess((await Deno.stat(to)).size, 32 * MIB);
          const began = performance.now();
          daemon.program.kill();
          download.kill("SIGCONT");
          const [code, got] = await Promise.all([
            daemon.program.ended(),
            download.ended(),
          ]);
          assertEquals(code, 0, daemon.program.output);
          assertLess(performance.now() - began, 20_000);
          assertEquals(got, 0, download.output);
          await areSame(to, `${own}/boot.efi`);
        },
      );
    });
  },
});
