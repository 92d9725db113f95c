/** What operators use: check, signals, logs and the state of machines. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Authority, makeKey } from "../../support/certificates.ts";
import {
  daemonCommand,
  launchAs,
  launchDaemon,
  runDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import { efiProgram } from "../../support/efi.ts";
import { iaNa, message, numbers, opt } from "../../support/dhcpv6.ts";
import { BASE, derived } from "../../support/expect.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
  pause,
} from "../../support/lab.ts";
import { place, SERVER } from "./place.ts";

const lacks = missing(
  "tests of what operators do",
  "curl",
  "openssl",
  "python3",
  "setpriv",
);
const ignore = lacks.length > 0;

const OPTIONS = ["--interface=lan", `--base-address=${BASE}`];
const MAC = "02:00:5e:00:53:15";
const URL_BASE = `http://[${SERVER}]:6315`;

/** A router whose interface has an address in the base prefix, and a client. */
/** The hosts, of which the client has this MAC. */
async function placeWithMac(lab: Lab) {
  const hosts = await place(lab);
  await hosts.client.ip(`link set eth0 address ${MAC}`);
  await hosts.client.linkLocal("eth0");
  return hosts;
}

/** Makes a netboot directory with a boot file of that MAC; its path. */
async function makeNetboot(
  lab: Lab,
  content: string | Uint8Array,
): Promise<string> {
  const netboot = `${lab.directory}/netboot`;
  await Deno.mkdir(`${netboot}/${MAC}`, { recursive: true });
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
  await Deno.writeFile(`${netboot}/${MAC}/boot.efi`, bytes);
  return netboot;
}

/** The problems that `check` names; its exit code must fit. */
async function problems(host: Host, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runDaemon(host, "check", ...args);
  const found = stdout.split("\n").filter((line) =>
    line.startsWith("problem: ")
  );
  assertEquals(code, found.length === 0 ? 0 : 1, stdout + stderr);
  return found;
}

/** The warnings of `check`, which must find no problem. */
async function warnings(host: Host, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runDaemon(host, "check", ...args);
  assertEquals(code, 0, stdout + stderr);
  return stdout.split("\n").filter((line) => line.startsWith("warning: "));
}

function assertOne(found: readonly string[], pattern: RegExp): void {
  assertEquals(found.length, 1, found.join("\n"));
  assertMatch(found[0]!, pattern);
}

/** Asserts that `check` names one problem, and which. */
async function assertProblem(
  host: Host,
  pattern: RegExp,
  ...args: string[]
): Promise<void> {
  assertOne(await problems(host, ...args), pattern);
}

/** Asserts that `check` warns of one thing and finds no problem. */
async function assertWarning(
  host: Host,
  pattern: RegExp,
  ...args: string[]
): Promise<void> {
  assertOne(await warnings(host, ...args), pattern);
}

/** Sends DHCPv6 messages from the client's port to all servers on the link. */
async function send(client: Host, ...messages: Uint8Array[]): Promise<void> {
  const program = `
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 546, 0, 0))
s.settimeout(5)
to = ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0"))
for text in sys.argv[1:]:
    s.sendto(bytes.fromhex(text), to)
    print(s.recv(2000).hex())
`;
  await client.run([
    ...["python3", "-c", program],
    ...messages.map((bytes) =>
      Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
    ),
  ]);
}

const CLIENT_ID = opt(1, `00030001${MAC.replaceAll(":", "")}`);
const HTTP_CLIENT = opt(16, `00000157000a${hexOf("HTTPClient")}`);
const ARCHITECTURE = opt(61, numbers(2, 16));
const IA = opt(3, "000000010000000000000000");
const SOLICIT = 1;
const RELEASE = 8;

function hexOf(text: string): string {
  return Array.from(text, (c) => c.charCodeAt(0).toString(16).padStart(2, "0"))
    .join("");
}

/** A program that listens at a port until it is killed. */
async function holdPort(
  host: Host,
  kind: "UDP" | "TCP",
  port: number,
  address = "::",
) {
  const program = host.start([
    ...["python3", "-uc"],
    `import socket, time
s = socket.socket(socket.AF_INET6, socket.SOCK_${
      kind === "UDP" ? "DGRAM" : "STREAM"
    })
${
      // Closed connections of the daemon keep the port in TIME_WAIT.
      kind === "TCP"
        ? "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)"
        : ""}
s.bind(("${address}", ${port}))
${kind === "TCP" ? "s.listen()" : ""}
print("bound")
time.sleep(1000)`,
  ]);
  await program.says(/bound/);
  return program;
}

Deno.test({
  name: "check finds what serving would stumble over",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router } = await placeWithMac(lab);
    const file = `${lab.directory}/file`;
    await Deno.writeTextFile(file, "x");
    await Deno.chmod(lab.directory, 0o755);

    await t.step("nothing, where nothing is", async () => {
      assertEquals(await problems(router, ...OPTIONS), []);
    });

    for (
      const [kind, port, option] of [
        ["UDP", 547, "DHCPv6"],
        ["UDP", 69, "TFTP"],
        ["TCP", 6315, "HTTP"],
      ] as const
    ) {
      await t.step(`${option}'s port, held by another program`, async () => {
        const holder = await holdPort(router, kind, port);
        const found = await problems(router, ...OPTIONS);
        assert(found.length >= 1);
        for (const line of found) {
          assertMatch(line, new RegExp(`${kind} port ${port} .*in use`));
        }
        await holder.stop();
      });
    }

    await t.step("not what the daemon itself holds", async () => {
      const daemon = await startDaemon(router, ...OPTIONS);
      const { code, stdout } = await runDaemon(router, "check", ...OPTIONS);
      assertEquals(code, 0, stdout);
      assertMatch(stdout, /^warning: UDP port 547 .* in use, by the daemon/m);
      assertMatch(stdout, /^warning: TCP port 6315 .* in use, by the daemon/m);
      // A daemon of another link is another program.
      const other = await problems(
        router,
        "--interface=lan",
        "--base-address=2001:db8:7:8::",
      );
      assert(other.some((line) => line.includes("UDP port 547")));
      await daemon.stop();
    });

    await t.step("the same, under an altname", async () => {
      const altname = "enp129s0f1np1";
      await router.ip(`link property add dev lan altname ${altname}`);
      const named = [`--interface=${altname}`, OPTIONS[1]!];
      for (
        const [one, other] of [[OPTIONS, named], [named, OPTIONS]] as const
      ) {
        const daemon = await startDaemon(router, ...one);
        const { code, stdout } = await runDaemon(router, "check", ...other);
        assertEquals(code, 0, stdout);
        assertMatch(stdout, /^warning: UDP port 547 .* by the daemon/m);
        assertMatch(stdout, /^firewall: .* on lan$/m);
        await daemon.stop();
      }
    });

    await t.step("the same, with HTTPS only", async () => {
      const authority = await Authority.create(lab.directory, "only");
      const keyFile = await makeKey(`${lab.directory}/only-of.key`);
      const certFile = `${lab.directory}/only-of.pem`;
      await authority.certify({
        address: "2001:db8::7",
        name: "boot.example",
        keyFile,
        certFile,
      });
      const tls = [
        ...OPTIONS,
        `--tls-cert-file=${certFile}`,
        `--tls-key-file=${keyFile}`,
      ];
      const only = [...tls, "--http-listen-addr=off"];
      const daemon = await startDaemon(router, ...only);
      assertEquals(await problems(router, ...only), []);
      await daemon.stop();

      // What another program holds is a problem while the daemon runs.
      const plain = await startDaemon(router, ...OPTIONS);
      const holder = await holdPort(router, "TCP", 443);
      await assertProblem(router, /TCP port 443 .*in use/, ...tls);
      await holder.stop();
      await plain.stop();
      const tftp = await holdPort(router, "UDP", 69);
      const without = await startDaemon(router, ...OPTIONS);
      await assertProblem(router, /UDP port 69 .*in use/, ...OPTIONS);
      await tftp.stop();
      await without.stop();
    });

    await t.step("TFTP at addresses that this host lacks", async () => {
      const absent = "2001:db8:1:2::99";
      for (const option of ["--boot-address=", "--tftp-listen-addr="]) {
        const value = option.startsWith("--tftp") ? `[${absent}]:69` : absent;
        await assertProblem(
          router,
          RegExp(
            `TFTP cannot be served at ${absent}: this host does not .*${
              option.slice(0, -1)
            }`,
          ),
          ...OPTIONS,
          option + value,
        );
      }
      for (const tftp of ["off", `[${SERVER}]:69`]) {
        await assertProblem(
          router,
          /boot URLs use 2001:db8:1:2::99, but this host does not have this address/,
          ...OPTIONS,
          `--boot-address=${absent}`,
          `--tftp-listen-addr=${tftp}`,
        );
      }
      const template = `--http-boot-url-template=http://[2001:db8:7::7]/`;
      const ipv4 = [
        "--tftp-listen-addr=0.0.0.0:69",
        `--boot-address=${SERVER}`,
      ];
      assertEquals(await warnings(router, ...OPTIONS, ...ipv4), []);
      await assertWarning(
        router,
        /TFTP is served over IPv4 only, at 0\.0\.0\.0:69, .* 2001:db8:1:2::1$/,
        ...OPTIONS,
        ...ipv4,
        template,
      );
      // An interface without any global address may get this one later.
      await router.ip(`addr del ${SERVER}/64 dev lan`);
      const later = await warnings(
        router,
        ...OPTIONS,
        `--boot-address=${absent}`,
      );
      assert(later.some((line) => line.includes("TFTP cannot be served")));
      await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    });

    await t.step("two uses of one port", async () => {
      await assertProblem(
        router,
        /UDP port 547 is used twice, by DHCPv6 and TFTP/,
        ...OPTIONS,
        `--tftp-listen-addr=[${SERVER}]:547`,
      );
    });

    await t.step("a wrong interface, with those that exist", async () => {
      await assertProblem(
        router,
        /lna is absent, .*interfaces with an address: lo, lan; did you mean lan\?/,
        "--interface=lna",
        OPTIONS[1]!,
      );
      await assertProblem(
        router,
        /^problem: lo has no IPv6 link-local address$/,
        "--interface=lo",
        OPTIONS[1]!,
      );
      await assertProblem(
        router,
        /no interface has an address in the \/64 of 2001:db8:7:8::/,
        "--base-address=2001:db8:7:8::",
      );
    });

    await t.step("a netboot directory that is none", async () => {
      await assertProblem(
        router,
        /--netboot-dir \S+ is a file, not a directory/,
        ...OPTIONS,
        `--netboot-dir=${file}`,
      );
      await assertProblem(
        router,
        /--netboot-dir \S+: a part of its path is a file/,
        ...OPTIONS,
        `--netboot-dir=${file}/below`,
      );
      const netboot = `${lab.directory}/mixed`;
      await Deno.mkdir(`${netboot}/default`, { recursive: true });
      await Deno.chmod(netboot, 0o755);
      await Deno.chmod(`${netboot}/default`, 0o755);
      assertEquals(
        await problems(router, ...OPTIONS, `--netboot-dir=${netboot}`),
        [],
      );
      await Deno.writeTextFile(`${netboot}/${MAC}`, "x");
      await assertProblem(
        router,
        /53:15 is a file, not a directory of boot files/,
        ...OPTIONS,
        `--netboot-dir=${netboot}`,
      );
    });

    await t.step("what the user of the service cannot read", async () => {
      const netboot = `${lab.directory}/closed`;
      await Deno.mkdir(`${netboot}/${MAC}`, { recursive: true });
      await Deno.writeTextFile(`${netboot}/${MAC}/boot.efi`, "x");
      const option = `--netboot-dir=${netboot}`;
      const set = async (...modes: number[]) => {
        for (
          const [index, path] of ["", `/${MAC}`, `/${MAC}/boot.efi`].entries()
        ) await Deno.chmod(netboot + path, modes[index]!);
      };
      await set(0o755, 0o755, 0o644);
      assertEquals(await problems(router, ...OPTIONS, option), []);
      await set(0o700, 0o755, 0o644);
      await assertProblem(
        router,
        /cannot read --netboot-dir \S+closed, mode 0700/,
        ...OPTIONS,
        option,
      );
      // The program may be in a directory that only root may enter.
      const [program, ...rest] = daemonCommand();
      await Deno.chmod(lab.directory, 0o755);
      await Deno.copyFile(program!, `${lab.directory}/program`);
      await Deno.chmod(`${lab.directory}/program`, 0o755);
      const user = await router.run([
        ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
        ...["--inh-caps=+net_bind_service", "--ambient-caps"],
        ...["+net_bind_service", `${lab.directory}/program`, ...rest, "check"],
        ...OPTIONS,
        option,
      ], { mayFail: true });
      assertEquals(user.code, 1, user.stdout + user.stderr);
      assertMatch(user.stdout, /^problem: cannot read --netboot-dir/m);
      await set(0o755, 0o700, 0o644);
      await assertProblem(router, /53:15, mode 0700/, ...OPTIONS, option);
      await set(0o755, 0o755, 0o600);
      await assertProblem(router, /boot.efi, mode 0600/, ...OPTIONS, option);
    });

    await t.step("directories that this user cannot enter", async () => {
      const above = `${lab.directory}/above`;
      const netboot = `${above}/sub/netboot`;
      await Deno.mkdir(`${netboot}/default`, { recursive: true });
      await Deno.writeTextFile(`${above}/names`, `${MAC} one\n`);
      const options = [
        ...OPTIONS,
        `--netboot-dir=${netboot}`,
        `--names=${above}/names`,
      ];
      for (const path of [above, `${above}/sub`, netboot]) {
        await Deno.chmod(path, 0o755);
      }
      assertEquals(await problems(router, ...options), []);
      // One line, though two options lead through it.
      await Deno.chmod(above, 0o700);
      await assertWarning(
        router,
        /cannot enter \S+above, mode 0700, above --netboot-dir, .*\(chmod o\+x\)/,
        ...options,
      );
      await assertWarning(
        router,
        /cannot enter \S+above, mode 0700, above --names,/,
        ...OPTIONS,
        options.at(-1)!,
      );
      await Deno.chmod(above, 0o750);
      await assertWarning(
        router,
        /above, mode 0750, .* SupplementaryGroups=$/,
        ...options,
      );
      await Deno.chmod(above, 0o711);
      assertEquals(await warnings(router, ...options), []);

      // A link to the directory, and links to files in one that is followed.
      const link = `${lab.directory}/link`;
      await Deno.symlink(netboot, link);
      await Deno.chmod(`${above}/sub`, 0o700);
      await assertWarning(
        router,
        /cannot enter \S+above\/sub, mode 0700, above --netboot-dir,/,
        ...OPTIONS,
        `--netboot-dir=${link}`,
      );
      await Deno.chmod(`${above}/sub`, 0o755);
      const store = `${lab.directory}/follow/store`;
      await Deno.mkdir(`${store}/closed`, { recursive: true });
      for (const name of ["one", "two"]) {
        await Deno.writeTextFile(`${store}/closed/${name}`, name);
        await Deno.symlink(
          `${store}/closed/${name}`,
          `${netboot}/default/${name}`,
        );
      }
      const follow = [...options, `--netboot-follow=${store}`];
      assertEquals(await problems(router, ...follow), []);
      await Deno.chmod(`${store}/closed`, 0o700);
      await assertWarning(
        router,
        /cannot enter \S+closed, mode 0700, above the target of \S+\/one,/,
        ...follow,
      );
      await Deno.chmod(`${store}/closed`, 0o755);
      await Deno.chmod(store, 0o700);
      await assertWarning(
        router,
        /cannot enter \S+store, mode 0700, of --netboot-follow,/,
        ...follow,
      );
      await Deno.chmod(store, 0o755);
      await Deno.chmod(`${lab.directory}/follow`, 0o700);
      await assertWarning(
        router,
        /cannot enter \S+follow, mode 0700, above --netboot-follow \S+store,/,
        ...follow,
      );
      await Deno.chmod(`${lab.directory}/follow`, 0o755);
      await assertProblem(
        router,
        /--netboot-follow \S+file is a file, not a directory/,
        ...options,
        ...[`--netboot-follow=${store}`, `--netboot-follow=${file}`],
      );
    });

    await t.step("key, certificate and iPXE of root: warnings", async () => {
      const authority = await Authority.create(lab.directory, "issuer");
      await Deno.mkdir(`${lab.directory}/rooted`);
      const keyFile = await makeKey(`${lab.directory}/rooted/of.key`);
      const certFile = `${lab.directory}/rooted/of.pem`;
      await authority.certify({
        address: SERVER,
        name: "boot.example",
        keyFile,
        certFile,
      });
      const script = `${lab.directory}/own.ipxe`;
      await Deno.writeTextFile(script, "#!ipxe\n");
      const options = [
        ...OPTIONS,
        `--tls-cert-file=${certFile}`,
        `--tls-key-file=${keyFile}`,
        `--ipxe-script=${script}`,
        `--ipxe-x86-64-efi=${file}`,
      ];
      for (const path of [keyFile, certFile, script, file]) {
        await Deno.chmod(path, 0o644);
      }
      const notEfi = /^warning: --ipxe-x86-64-efi \S+ is no EFI program$/;
      const [warned, ...others] = await warnings(router, ...options);
      assertMatch(warned!, notEfi);
      assertEquals(others, []);
      await Deno.writeFile(file, efiProgram(0xaa64));
      assertMatch(
        (await warnings(router, ...options)).join("\n"),
        /^warning: --ipxe-x86-64-efi \S+ is an EFI program for arm64$/,
      );
      await Deno.writeFile(file, efiProgram(0x8664));
      assertEquals(await warnings(router, ...options), []);
      await Deno.chmod(keyFile, 0o600);
      await Deno.chmod(certFile, 0o640);
      await Deno.chmod(script, 0o600);
      await Deno.chmod(file, 0o600);
      await Deno.chmod(`${lab.directory}/rooted`, 0o700);
      const found = (await warnings(router, ...options)).join("\n");
      for (
        const pattern of [
          /--tls-cert-file \S+, mode 0640, .* without SupplementaryGroups=$/m,
          /--tls-key-file \S+, mode 0600, .* without LoadCredential=$/m,
          /--ipxe-script \S+, mode 0600, .* without LoadCredential=$/m,
          /--ipxe-x86-64-efi \S+, mode 0600, /,
          /cannot enter \S+rooted, mode 0700, above --tls-cert-file /,
        ]
      ) assertMatch(found, pattern);
      assertEquals(found.split("\n").length, 5, found);
      await Deno.chmod(file, 0o644);
    });

    await t.step("files that are FIFOs", async () => {
      const fifo = `${lab.directory}/fifo`;
      await router.run(["mkfifo", fifo]);
      for (
        const options of [
          [`--names=${fifo}`],
          [`--tls-cert-file=${fifo}`, `--tls-key-file=${fifo}`],
          [`--ca-file=${fifo}`],
          [`--ipxe-script=${fifo}`],
        ]
      ) {
        const { code, stdout, stderr } = await runDaemon(
          router,
          ...["check", ...OPTIONS, ...options],
        );
        assert(code !== 0, stdout);
        assertMatch(stdout + stderr, /fifo/);
      }
    });

    await t.step("a file of names that cannot be used", async () => {
      const names = `${lab.directory}/names`;
      const option = `--names=${names}`;
      await Deno.writeTextFile(names, `${MAC} one\n# comment\n`);
      assertEquals(await problems(router, ...OPTIONS, option), []);
      await Deno.writeTextFile(names, `${MAC} one\n02:00 two\n\n${MAC}\n`);
      const found = await problems(router, ...OPTIONS, option);
      assertEquals(found.length, 2, found.join("\n"));
      assertMatch(found[0]!, /line 2: expected MAC NAME, got "02:00 two"/);
      assertMatch(found[1]!, /line 4: expected MAC NAME/);
      await Deno.writeTextFile(names, "33:33:00:00:00:01 multicast\n");
      await assertProblem(router, /no unicast/, ...OPTIONS, option);
      await assertProblem(
        router,
        /--names \S+ is a directory, not a file/,
        ...OPTIONS,
        `--names=${lab.directory}`,
      );
    });

    await t.step("a template that leads to no listener", async () => {
      const netboot = `${lab.directory}/served`;
      await Deno.mkdir(netboot);
      const directory = `--netboot-dir=${netboot}`;
      const options = (url: string, ...args: string[]) => [
        ...OPTIONS,
        `--boot-address=${SERVER}`,
        `--http-boot-url-template=${url}`,
        ...args,
      ];
      const path = "mac/{{.MAC}}/boot.efi";
      const good = `http://[{{.BootAddress}}]:6315/${path}`;
      assertEquals(await problems(router, ...options(good, directory)), []);
      for (const host of ["{{.BootAddress}}", SERVER]) {
        await assertWarning(
          router,
          /leads to \[2001:db8:1:2::1\]:80, where nothing listens: HTTP is served at \[::\]:6315 /,
          ...options(`http://[${host}]/${path}`, directory),
        );
      }
      await assertWarning(
        router,
        /leads to \[2001:db8:1:2::\]:80, which is no address of this host, and where nothing/,
        ...options(`http://[{{.BaseAddress}}]/${path}`, directory),
      );
      for (
        const [listen, served] of [
          ["off", /:6315, where nothing listens: HTTP is off/],
          ["127.0.0.1:6315", /HTTP is served at 127\.0\.0\.1:6315 /],
          ["0.0.0.0:6315", /HTTP is served at 0\.0\.0\.0:6315 /],
        ] as const
      ) {
        await assertWarning(
          router,
          served,
          ...options(good, directory, `--http-listen-addr=${listen}`),
        );
      }
      assertEquals(
        await problems(
          router,
          ...options(
            good,
            directory,
            `--http-listen-addr=[${SERVER}]:6315`,
          ),
        ),
        [],
      );
      await assertWarning(
        router,
        /serves no boot files without --netboot-dir/,
        ...options(good),
      );
      await assertWarning(
        router,
        /has the path \/\S+, .* at \/mac\/MAC\/FILE/,
        ...options(`http://[${SERVER}]:6315/{{.MAC}}`, directory),
      );

      // Another program, and another host, are not this daemon's concern.
      const holder = await holdPort(router, "TCP", 80);
      await assertWarning(
        router,
        /:80, which another program serves/,
        ...options(`http://[${SERVER}]/`),
      );
      await holder.stop();
      assertEquals(
        await warnings(router, ...options("http://[2001:db8:7::7]/boot.efi")),
        [],
      );
    });

    await t.step("HTTPS that cannot be served or is rejected", async () => {
      const authority = await Authority.create(lab.directory, "authority");
      const keyFile = await makeKey(`${lab.directory}/one.key`);
      const otherKey = await makeKey(`${lab.directory}/other.key`);
      const certFile = `${lab.directory}/one.pem`;
      await authority.certify({
        address: SERVER,
        name: "boot.example",
        keyFile,
        certFile,
      });
      const tls = [`--tls-cert-file=${certFile}`, `--tls-key-file=${keyFile}`];
      const template = (url: string) => `--http-boot-url-template=${url}`;
      const named = template("https://boot.example/{{.MAC}}");
      assertEquals(await problems(router, ...OPTIONS, ...tls, named), []);
      assertEquals(
        await problems(
          router,
          ...OPTIONS,
          ...tls,
          template(`https://[{{.BootAddress}}]/mac/{{.MAC}}/boot.efi`),
          `--netboot-dir=${lab.directory}/served`,
        ),
        [],
      );
      await assertProblem(
        router,
        /is for .*boot\.example, not for router\.example/,
        ...OPTIONS,
        ...tls,
        template("https://router.example/"),
      );
      await assertProblem(
        router,
        /https, but HTTPS is not served/,
        ...OPTIONS,
        named,
      );
      await assertProblem(
        router,
        /has https:\/\/ with port 6315, where HTTP is served/,
        ...OPTIONS,
        ...tls,
        template("https://boot.example:6315/"),
      );
      await assertProblem(
        router,
        /other\.key does not belong to the certificate \S+one\.pem/,
        ...OPTIONS,
        tls[0]!,
        `--tls-key-file=${otherKey}`,
      );
      const encrypted = `${lab.directory}/encrypted.key`;
      await command(
        `openssl pkey -in ${keyFile} -aes256 -passout pass:x -out ${encrypted}`
          .split(" "),
      );
      await assertProblem(
        router,
        /encrypted\.key is encrypted.*openssl pkey/,
        ...OPTIONS,
        tls[0]!,
        `--tls-key-file=${encrypted}`,
      );
      await assertProblem(
        router,
        /one\.key holds a private key/,
        ...OPTIONS,
        `--tls-cert-file=${keyFile}`,
        `--tls-key-file=${certFile}`,
      );
      await assertProblem(
        router,
        /cannot read the TLS certificate.*absent\.pem/,
        ...OPTIONS,
        `--tls-cert-file=${lab.directory}/absent.pem`,
        tls[1]!,
      );
      const old = `${lab.directory}/old.pem`;
      const request = `${lab.directory}/old.csr`;
      await command(
        `openssl req -new -key ${keyFile} -subj /CN=boot.example -out ${request}`
          .split(" "),
      );
      await command(
        `openssl x509 -req -in ${request} -signkey ${keyFile} -days -1 -extfile ${certFile}.ext -out ${old}`
          .split(" "),
      );
      await assertProblem(
        router,
        /old\.pem has expired on \d{4}-\d\d-\d\d/,
        ...OPTIONS,
        `--tls-cert-file=${old}`,
        tls[1]!,
      );
      // The daemon says the same when it starts.
      const refused = await runDaemon(
        router,
        ...OPTIONS,
        "--log-format=json",
        tls[0]!,
        `--tls-key-file=${encrypted}`,
      );
      assertEquals(refused.code, 1);
      assertMatch(
        JSON.parse(refused.stderr.trim().split("\n").at(-1)!).message,
        /is encrypted/,
      );
    });
  },
});

Deno.test({
  name: "signals",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await placeWithMac(lab);
    const netboot = await makeNetboot(lab, "first");
    const names = await lab.file("names", `${MAC} one\n`);
    const authority = await Authority.create(lab.directory, "authority");
    const keyFile = await makeKey(`${lab.directory}/one.key`);
    const certFile = `${lab.directory}/one.pem`;
    const certify = (name: string) =>
      authority.certify({ address: SERVER, name, keyFile, certFile });
    await certify("first");
    const ipxe = await lab.file("ipxe.efi", "first");
    const options = [
      ...OPTIONS,
      `--netboot-dir=${netboot}`,
      `--names=${names}`,
      `--tls-cert-file=${certFile}`,
      `--tls-key-file=${keyFile}`,
      `--ipxe-x86-64-efi=${ipxe}`,
    ];

    await t.step("its start says where the page and TFTP are", async () => {
      await using lab = new Lab();
      const { router } = await place(lab);
      const daemon = await startDaemon(router, ...OPTIONS);
      const { message } = await daemon.logs("served_at");
      const [, page, tftp] = /^page and API: (\S+); TFTP: (\S+)$/.exec(
        message,
      )!;
      assertEquals([page, tftp], [`${URL_BASE}/`, `[${SERVER}]:69`]);
      await eventually("the page", async () => {
        const { stdout } = await router.run(["curl", "-sS", "-g", page!], {
          mayFail: true,
        });
        return stdout.includes("<title>");
      });
      await daemon.stop();
      const quiet = await startDaemon(
        router,
        ...OPTIONS,
        "--http-listen-addr=off",
        "--tftp-listen-addr=off",
      );
      await quiet.logs("serving");
      await quiet.stop();
      assertEquals(quiet.count("served_at"), 0);
    });

    await t.step("SIGHUP reads all files again", async () => {
      const daemon = await startDaemon(router, ...options);
      await daemon.logs("names_read");
      const reloaded = async () => {
        const before = daemon.count("reloading");
        daemon.program.kill("SIGHUP");
        await eventually("reloaded", () => daemon.count("reloading") > before);
      };
      await Deno.writeTextFile(names, `${MAC} two\n02:00:5e:00:53:16 three\n`);
      await Deno.writeTextFile(`${netboot}/${MAC}/boot.efi`, "second");
      await certify("second");
      await reloaded();
      await daemon.logs("names_read", ({ names }) => names === 2, 1);
      await daemon.logs("certificate_replaced", undefined, 1);
      const { stdout } = await client.run([
        ...["curl", "-sS"],
        `http://[${await router.linkLocal(
          "lan",
        )}%25eth0]:6315/mac/${MAC}/boot.efi`,
      ]);
      assertEquals(stdout, "second");

      // The log names what cannot be read; what was read before stays.
      await Deno.rename(certFile, `${certFile}.away`);
      await Deno.rename(names, `${names}.away`);
      await reloaded();
      await daemon.logs("certificate_refused", undefined, 5);
      await daemon.logs("names_unreadable", undefined, 5);
      await Deno.rename(`${certFile}.away`, certFile);
      await Deno.rename(`${names}.away`, names);

      for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
        daemon.program.kill(signal);
      }
      await reloaded();
      daemon.program.kill("SIGQUIT");
      assertEquals(await daemon.program.ended(), 0);
      await daemon.logs("stopped");
    });

    await t.step("SIGHUP while it starts does not end it", async () => {
      const daemon = await launchDaemon(
        router,
        "--interface=later",
        OPTIONS[1]!,
      );
      await daemon.logs("starting");
      for (let i = 0; i < 20; i++) daemon.program.kill("SIGHUP");
      await daemon.logs("waiting");
      daemon.program.kill("SIGHUP");
      await daemon.logs("reloading");
      assertEquals(await daemon.stop(), 0);
    });

    await t.step(
      "without --interface it waits for an address, and SIGHUP and SIGTERM reach it",
      async () => {
        const base = "2001:db8:7:8::";
        const daemon = await launchDaemon(router, `--base-address=${base}`);
        const { message } = await daemon.logs("waiting");
        assertMatch(message, /waiting for an address.*--interface/);
        daemon.program.kill("SIGHUP");
        await router.ip(`addr add ${base}1/64 dev lan nodad`);
        await daemon.logs("serving", ({ interface: name }) => name === "lan");
        assertEquals(await daemon.stop(), 0);
        const other = await launchDaemon(
          router,
          "--base-address=2001:db8:9:9::",
        );
        await other.logs("waiting");
        assertEquals(await other.stop(), 0);
      },
    );
  },
});

Deno.test({
  name: "logs",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await placeWithMac(lab);
    const netboot = await makeNetboot(lab, new Uint8Array(20 * 1024 * 1024));

    await t.step("the journal gets priorities and text", async () => {
      // As systemd does: stderr is a socket that the variable names.
      const program = `
import os, socket, subprocess, sys
a, b = socket.socketpair()
s = os.fstat(b.fileno())
other = sys.argv[1] == "other"
env = dict(os.environ, JOURNAL_STREAM="%d:%d" % (s.st_dev, s.st_ino + other))
p = subprocess.Popen(sys.argv[2:], stderr=b, env=env)
b.close()
while True:
    data = a.recv(65536)
    if not data: break
    sys.stdout.write(data.decode()); sys.stdout.flush()
`;
      const wrapped = (which: string) => [
        ...["python3", "-c", program, which],
        ...daemonCommand(),
      ];
      const run = async (which: string, ...args: string[]) =>
        (await router.run([...wrapped(which), ...args], { mayFail: true }))
          .stdout;
      const holder = await holdPort(router, "UDP", 547);
      const text = await run("journal", ...OPTIONS);
      assertMatch(text, /^<6>dhcpv6macd \d/m);
      assertMatch(text, /^<3>UDP port 547 .* is already in use/m);
      for (const line of text.trim().split("\n")) assertMatch(line, /^<[346]>/);
      const json = await run("journal", ...OPTIONS, "--log-format=json");
      for (const line of json.trim().split("\n")) {
        assert(JSON.parse(line.replace(/^<[346]>/, "")).level);
        assertMatch(line, /^<[346]>\{/);
      }
      assertMatch(
        await run("journal", "--nonsense"),
        /^<3>dhcpv6macd: unknown/,
      );
      const elsewhere = await run("other", ...OPTIONS);
      for (const line of elsewhere.trim().split("\n")) JSON.parse(line);
      await holder.stop();
    });

    await t.step("a boot: one line, and its progress at debug", async () => {
      const daemon = await launchAs(
        daemonCommand(),
        router,
        ...OPTIONS,
        `--netboot-dir=${netboot}`,
        "--log-level=info",
        `--http-boot-url-template=${URL_BASE}/mac/{{.MAC}}/boot.efi`,
      );
      await daemon.logs("serving");
      const firmware = message(
        SOLICIT,
        CLIENT_ID,
        HTTP_CLIENT,
        ARCHITECTURE,
        IA,
        opt(6, numbers(2, 59)),
      );
      await send(client, firmware);
      await pause(300);
      const url = `http://[${await router.linkLocal("lan")}%25eth0]:6315`;
      await client.run([
        "curl",
        ...["-sS", "-o", "/dev/null", `${url}/mac/${MAC}/boot.efi`],
      ]);
      await pause(300);
      await send(client, message(SOLICIT, CLIENT_ID, IA));
      const line = await daemon.logs("boot_succeeded");
      assertEquals(line.level, "info");
      assertEquals(line.mac, MAC);
      assertMatch(
        line.message,
        /booted in [\d.]+ s \(http_boot [\d.]+ s, http_fetch_uki [\d.]+ s\)$/,
      );
      assert((line.boot_seconds as number) >= 0.5, line.message);
      assert((line.http_boot_seconds as number) >= 0.2, line.message);
      const states = daemon.log.filter(({ event }) =>
        event === "http_fetch_uki"
      ).map(({ state }) => state);
      assertEquals(states, ["init", "complete"]);
      // The running system renews its address: no other boot.
      await send(client, message(SOLICIT, CLIENT_ID, IA));
      assertEquals(daemon.count("boot_succeeded"), 1);
      await daemon.stop();
    });
  },
});

Deno.test({
  name: "a machine's state ages",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await placeWithMac(lab);
    const daemon = await startDaemon(
      router,
      ...OPTIONS,
      "--preferred-lifetime=2",
      "--valid-lifetime=3",
    );
    const url = `http://[${await router.linkLocal("lan")}%25eth0]:6315`;
    const get = async (path: string) =>
      (await client.run(["curl", "-gsS", `${url}${path}`])).stdout;
    const machine = async () =>
      JSON.parse(await get("/machines"))[MAC] as Record<string, string>;
    const states = async () =>
      [...(await get("/metrics")).matchAll(
        /^dhcpv6macd_machine_states\{state="(\w+)"\} (\d+)$/gm,
      )].map(([, state, count]) => `${state} ${count}`).join(", ");
    const own = await derived(client, "eth0");
    const renewal = message(SOLICIT, CLIENT_ID, IA);

    await t.step("heard: online, with the time", async () => {
      await send(client, renewal);
      const { State, LastHeard, ValidUntil } = await machine();
      assertEquals(State, "online");
      const age = Date.parse(ValidUntil!) - Date.parse(LastHeard!);
      assert(Math.abs(age - 3000) <= 1, `${LastHeard} ${ValidUntil}`);
    });

    await t.step(
      "offline after the valid lifetime, without an event",
      async () => {
        const { LastHeard } = await machine();
        await eventually(
          "offline",
          async () => (await machine()).State === "offline",
        );
        assertEquals(
          (await machine()).LastHeard!.slice(0, 19),
          LastHeard!.slice(0, 19),
        );
        assertEquals(await states(), "online 0, released 0, offline 1");
        assertMatch(await get("/plain"), /offline, last heard/);
        const seen = router.start([...daemonCommand(), "watch", URL_BASE]);
        await seen.says(/offline, last heard .* ago/);
        await seen.stop();
      },
    );

    await t.step("heard again: online", async () => {
      await send(client, renewal);
      assertEquals((await machine()).State, "online");
    });

    await t.step("released, until it is heard again", async () => {
      const serverId = opt(
        2,
        `00030001${(await router.mac("lan")).replaceAll(":", "")}`,
      );
      const release = (address: string) =>
        message(RELEASE, CLIENT_ID, serverId, iaNa(1, address));
      await send(client, renewal, release("2001:db8:1:2::77"));
      assertEquals((await machine()).State, "online", "another's address");
      const seen = router.start([...daemonCommand(), "watch", URL_BASE]);
      await seen.says(/System is up/);
      await send(client, release(own));
      assertEquals((await machine()).State, "released");
      assertEquals(await states(), "online 0, released 1, offline 0");
      assertEquals((await daemon.logs("released")).level, "info");
      await seen.says(/Released its address/);
      await seen.stop();
      await pause(3500);
      assertEquals((await machine()).State, "released", "it stays so");
      await send(client, renewal);
      assertEquals((await machine()).State, "online");
      await send(client, message(9, CLIENT_ID, serverId, iaNa(1, own)));
      assertEquals((await machine()).State, "released", "a Decline");
    });
    await daemon.stop();
  },
});
