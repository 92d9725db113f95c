import { assert, assertEquals, assertMatch } from "@std/assert";
import { Authority, makeKey } from "../../support/certificates.ts";
import { derived, getsAddress } from "../../support/expect.ts";
import { dhclient } from "../../support/dhcp_clients.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
} from "../../support/lab.ts";
import { BINARY, missingBinary, ROOT } from "./binary.ts";
import { InitHost, missingForInit } from "./init.ts";
import { boots, fillNetboot, makeLink, OPTIONS, ROUTER } from "./machine.ts";

const lacks = [
  ...missing(
    "services under systemd",
    "systemd-analyze",
    "/lib/systemd/systemd",
    "nsenter",
    "pgrep",
    "dhclient",
    "curl",
    "openssl",
    "tcpdump",
    "tshark",
  ),
  ...missingBinary("services under systemd"),
  ...await missingForInit(),
];
const ignore = lacks.length > 0;

const UNITS = ["dhcpv6macd.service", "dhcpv6macd@.service"];

/** The most that systemd-analyze may find: a tenth of it is the exposure. */
const THRESHOLD = 20;

/** The number that /proc shows for a system call filter. */
const FILTERED = "2";

const INSTALL_PAGE = await Deno.readTextFile(`${ROOT}/docs/install.md`);

/** The commands in docs/install.md that hold these words, as they are written. */
function commands(words: string): string {
  const block = [...INSTALL_PAGE.matchAll(/^```sh\n(.*?)^```$/gms)].map((
    match,
  ) => match[1]!).find((text) => text.includes(words));
  assert(block !== undefined, words);
  assert(block.trim().split("\n").length <= 10, block);
  return block;
}

const INSTALL = commands("sudo install dhcpv6macd /usr/local/bin/");
const INSTALL_LINKS = commands("systemctl enable --now dhcpv6macd@");
const BY_HAND = commands("sudo ./dhcpv6macd");

/** How many files a process may open, as /proc has it. */
function openFilesOf(limits: string, kind: "soft" | "hard" = "soft"): number {
  const [, soft, hard] = /^Max open files +(\d+) +(\d+)/m.exec(limits)!;
  return Number(kind === "soft" ? soft : hard);
}

async function unit(name: string): Promise<string> {
  return await Deno.readTextFile(`${ROOT}/tools/packaging/systemd/${name}`);
}

/** Puts what docs/install.md copies to a router into the lab, and more. */
async function copyFiles(lab: Lab): Promise<string> {
  const files = `${lab.directory}/files`;
  await Deno.mkdir(files);
  await Deno.copyFile(BINARY, `${files}/dhcpv6macd`);
  for (const name of UNITS) {
    await Deno.writeTextFile(`${files}/${name}`, await unit(name));
  }
  return files;
}

/** Runs commands there that must succeed. */
async function does(init: InitHost, script: string): Promise<string> {
  const { code, stdout, stderr } = await init.run(`set -e\n${script}`);
  assertEquals(code, 0, stdout + stderr);
  return stdout;
}

/** A router and a client on a cable with the names and prefixes of docs/install.md. */
async function addLink(
  router: Host,
  index: number,
): Promise<{ client: Host; base: string }> {
  const client = await router.lab.host(`client${index}`);
  await router.lab.cable(router, `eth${index}`, client, "eth0");
  const base = `2001:db8:123:456${6 + index}::`;
  await router.ip(`addr add ${base}1/64 dev eth${index} nodad`);
  await router.linkLocal(`eth${index}`);
  await client.linkLocal("eth0");
  return { client, base };
}

async function getsDerived(
  { client, base }: { client: Host; base: string },
): Promise<void> {
  const memory = await Deno.makeTempDir({ dir: client.lab.directory });
  const program = await dhclient.start(client, "eth0", memory);
  await getsAddress(client, "eth0", await derived(client, "eth0", base));
  await program.stop();
}

Deno.test({
  name: "the systemd units",
  ignore,
  fn: async (t) => {
    for (const name of UNITS) {
      await t.step(
        `${name} has nothing that systemd does not know`,
        async () => {
          const directory = await Deno.makeTempDir();
          const path = `${directory}/${name}`;
          // It is not installed on this machine.
          const text = (await unit(name)).replaceAll(
            "/usr/local/bin/dhcpv6macd",
            BINARY,
          );
          await Deno.writeTextFile(path, text);
          assertEquals(
            await command(["systemd-analyze", "verify", "--man=no", path]),
            { code: 0, stdout: "", stderr: "" },
          );
          await Deno.remove(directory, { recursive: true });
        },
      );

      await t.step(
        `${name} exposes as little as ${THRESHOLD / 10}`,
        async () => {
          const { stdout } = await command([
            "systemd-analyze",
            "security",
            "--no-pager",
            "--offline=true",
            `--threshold=${THRESHOLD}`,
            `${ROOT}/tools/packaging/systemd/${name}`,
          ]);
          assertMatch(stdout, /Overall exposure level for \S+: [01]\.\d/);
        },
      );
    }

    await t.step("both confine the daemon alike", async () => {
      const confinement = async (name: string) =>
        (await unit(name)).split("\n").filter((line) =>
          /^\w+=/.test(line) &&
          !/^(Description|EnvironmentFile|ExecStart)=/.test(line)
        );
      assertEquals(await confinement(UNITS[0]!), await confinement(UNITS[1]!));
    });

    await t.step("installed as documented, one link is served", async () => {
      await using lab = new Lab();
      const router = await lab.host("router");
      await copyFiles(lab);
      const link = await addLink(router, 1);
      const init = await InitHost.start(router);
      await does(init, INSTALL);
      await init.says("dhcpv6macd", /^serving DHCPv6 on eth1: /m);
      await getsDerived(link);
      // As documented: it reads its files again, and serves on.
      await does(init, "systemctl kill -s HUP dhcpv6macd");
      await init.says("dhcpv6macd", /^SIGHUP: reading all files again$/m);
      await does(init, "systemctl is-active dhcpv6macd");
      await does(init, "systemctl stop dhcpv6macd");
      await init.says("dhcpv6macd", /^stopped: received /m);
    });

    await t.step(
      "installed as documented, several links are served",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        await copyFiles(lab);
        const links = [await addLink(router, 1), await addLink(router, 2)];
        const init = await InitHost.start(router);
        await does(init, INSTALL);
        await does(init, INSTALL_LINKS);
        for (const link of links) await getsDerived(link);
      },
    );

    await t.step(
      "the daemon comes back, however and how often it ends",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        await copyFiles(lab);
        await addLink(router, 1);
        const init = await InitHost.start(router);
        await does(
          init,
          // Faster than the unit restarts it, so that a start limit would count.
          `mkdir -p /etc/systemd/system/dhcpv6macd.service.d
printf '[Service]\\nRestartSec=50ms\\n' > /etc/systemd/system/dhcpv6macd.service.d/fast.conf
${INSTALL}`,
        );
        const property = async (name: string) =>
          (await does(
            init,
            `systemctl show --property=${name} --value dhcpv6macd`,
          ))
            .trim();
        const isUpAfter = (restarts: number) =>
          eventually(
            `the daemon is up after ${restarts} restarts`,
            async () =>
              await property("NRestarts") === `${restarts}` &&
              await property("SubState") === "running",
            60,
          );
        for (let restarts = 0; restarts < 8; restarts++) {
          await isUpAfter(restarts);
          // SIGTERM is a clean end to systemd, SIGKILL is a failure.
          const signal = restarts % 2 === 0 ? "TERM" : "KILL";
          await does(init, `systemctl kill --signal=${signal} dhcpv6macd`);
        }
        await isUpAfter(8);
      },
    );

    await t.step(
      "the daemon is not restarted with a wrong command line",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        await copyFiles(lab);
        const init = await InitHost.start(router);
        await does(
          init,
          `${INSTALL}
echo 'OPTIONS="--no-such-option"' > /etc/dhcpv6macd.conf
systemctl restart dhcpv6macd || true`,
        );
        await eventually(
          "the service has failed",
          async () =>
            (await init.run("systemctl is-failed dhcpv6macd")).stdout ===
              "failed\n",
        );
        assertEquals(
          await does(
            init,
            "systemctl show --property=ExecMainStatus,NRestarts dhcpv6macd",
          ),
          "NRestarts=0\nExecMainStatus=2\n",
        );
      },
    );

    await t.step("by hand as documented, it serves", async () => {
      await using lab = new Lab();
      const router = await lab.host("router");
      await copyFiles(lab);
      await addLink(router, 1);
      const init = await InitHost.start(router);
      const { stderr } = await init.run(
        `timeout 50 sh -ec '${BY_HAND.trim()}' 2> /run/by-hand &
until grep -q '"event":"serving"' /run/by-hand || ! kill -0 $!; do sleep 0.2; done
kill $!
wait $!
cat /run/by-hand >&2`,
      );
      assertMatch(stderr, /"event":"serving".*"interface":"eth1"/);
    });

    await t.step(
      "a netboot directory of mode 0700 leaves a trace, and is served once it is open",
      async () => {
        await using lab = new Lab();
        const { router, client } = await makeLink(lab);
        const files = await copyFiles(lab);
        await fillNetboot(`${files}/netboot`);
        const init = await InitHost.start(router);
        await does(
          init,
          `install dhcpv6macd /usr/local/bin/
cp -r netboot /srv/
chmod 700 /srv/netboot
echo 'OPTIONS="${
            [...OPTIONS, "--netboot-dir=/srv/netboot"].join(" ")
          }"' > /etc/dhcpv6macd.conf
cp dhcpv6macd.service /etc/systemd/system/
systemctl daemon-reload
systemctl start dhcpv6macd`,
        );
        await init.says("dhcpv6macd", /^serving DHCPv6 on lan: /m);
        const address = await derived(client, "eth0");
        await client.ip(`addr add ${address}/64 dev eth0 nodad`);
        const mac = await client.mac("eth0");
        const path = `/mac/${mac}/boot.efi`;
        const curl = (path: string) =>
          client.run([
            ...["curl", "--silent", "--globoff", "--max-time", "20"],
            `http://[${ROUTER}]:6315${path}`,
          ]);
        assertEquals((await curl(path)).stdout, "not found\n");
        await init.says(
          "dhcpv6macd",
          /: permission denied, the daemon's user may not read \/srv\/netboot$/m,
        );
        const warnings = await does(
          init,
          "journalctl --quiet --no-pager --output=cat -p warning --unit=dhcpv6macd",
        );
        assertMatch(warnings, /permission denied/);
        assert(!/^serving DHCPv6/m.test(warnings), warnings);
        const { Events } = JSON.parse((await curl(`/machines/${mac}`)).stdout);
        assertEquals(Events.at(-1).event, "boot_refused");
        assertEquals(Events.at(-1).detail, {
          protocol: "http",
          path,
          reason: "permission denied",
        });
        await does(init, "chmod 755 /srv/netboot");
        assertEquals((await curl(path)).stdout, "the system\n");
        await does(init, "systemctl stop dhcpv6macd");
      },
    );

    await t.step(
      "a machine boots through all of its confinement, with TLS",
      async () => {
        await using lab = new Lab();
        const { router, client } = await makeLink(lab);
        const files = await copyFiles(lab);
        await fillNetboot(`${files}/netboot`);
        const keyFile = await makeKey(`${files}/tls.key`);
        const authority = await Authority.create(lab.directory, "authority");
        await authority.certify({
          address: ROUTER,
          name: "boot.example.net",
          keyFile,
          certFile: `${files}/tls.pem`,
        });
        await Deno.chmod(keyFile, 0o600);
        const options = [
          ...OPTIONS,
          "--netboot-dir=/srv/netboot",
          "--https-listen-addr=:443",
          "--tls-cert-file=/etc/ssl/dhcpv6macd.pem",
          "--tls-key-file=/run/credentials/dhcpv6macd.service/tls.key",
        ].join(" \\\n  "); // as the unit shows it
        const init = await InitHost.start(router);
        await does(
          init,
          `install dhcpv6macd /usr/local/bin/
cp -r netboot /srv/
install -D -m 600 tls.key /etc/ssl/private/dhcpv6macd.key
install -m 644 tls.pem /etc/ssl/dhcpv6macd.pem
cat > /etc/dhcpv6macd.conf <<'END'
OPTIONS="${options}"
END
sed 's/^#LoadCredential/LoadCredential/' dhcpv6macd.service > /etc/systemd/system/dhcpv6macd.service
systemctl daemon-reload
systemctl start dhcpv6macd`,
        );
        await init.says("dhcpv6macd", /^serving DHCPv6 on lan: /m);
        const status = await init.status("dhcpv6macd");
        for (const set of ["CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
          assertEquals(status(set), "0000000000000400", set);
        }
        assertEquals(status("NoNewPrivs"), "1");
        assertEquals(status("Seccomp"), FILTERED);
        assert(Number(status("Uid")) > 60000, "a user of its own");
        assertEquals(
          openFilesOf(
            await does(init, "cat /proc/$(pgrep -x dhcpv6macd)/limits"),
          ),
          // A test may not give more than it has.
          Math.min(
            65536,
            openFilesOf(await Deno.readTextFile("/proc/self/limits"), "hard"),
          ),
        );
        await boots(client);
        const { stdout } = await client.run([
          ...["curl", "--fail", "--silent", "--show-error", "--globoff"],
          ...["--max-time", "50", "--cacert", authority.certFile],
          `https://[${ROUTER}]/mac/${await client.mac("eth0")}/boot.efi`,
        ]);
        assertEquals(stdout, "the system\n");
        await does(init, "systemctl stop dhcpv6macd");
        await init.says("dhcpv6macd", /^stopped: received /m);
        const errors = await does(
          init,
          "journalctl --quiet --no-pager --output=cat --priority=err --unit=dhcpv6macd",
        );
        assertEquals(errors, "");
      },
    );
  },
});
