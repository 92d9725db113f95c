/** The packages that `deno task package` made, installed where they are for. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import manifest from "../../../deno.json" with { type: "json" };
import { BUSYBOX, unpackFromArchive } from "../../../tools/debian.ts";
import { RunningDaemon } from "../../support/daemon.ts";
import { command, Lab, missing } from "../../support/lab.ts";
import { ROOT } from "./binary.ts";
import { boots, fillNetboot, makeLink, OPTIONS } from "./machine.ts";
import { runInOverlay } from "./overlay.ts";

const PACKAGES = `${ROOT}/dist/packages`;

/** A boot URL with characters that a shell reads, unless they are in quotes. */
const TEMPLATE =
  "http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi?a=1&p={{.Payload | urlquery}}";

const SUITE = "tests of packages";
const lacks = missing(
  SUITE,
  "curl",
  "dhclient",
  "dpkg-deb",
  "lintian",
  "openrc-run",
  "systemd-analyze",
  "tcpdump",
  "tshark",
);

/** The names of the packages, as SHA256SUMS has them. */
const names = await namesOfPackages();
const ignore = lacks.length > 0 || names.length === 0;

async function namesOfPackages(): Promise<string[]> {
  try {
    const sums = await Deno.readTextFile(`${PACKAGES}/SHA256SUMS`);
    return sums.trim().split("\n").map((line) => line.split("  ")[1]!);
  } catch {
    console.error(
      `\n*** NOT RUN: ${SUITE} need dist/packages: run deno task package first ***\n`,
    );
    return [];
  }
}

function packageOf(end: string): string {
  const name = names.find((name) => name.endsWith(end));
  assert(name !== undefined, `${end}: ${names.join(", ")}`);
  return `${PACKAGES}/${name}`;
}

/** What a script printed behind a line of this kind, up to the next one. */
function section(output: string, name: string): string {
  const [, rest] = output.split(`== ${name}\n`);
  assert(rest !== undefined, `${name}\n${output}`);
  return `\n${rest}`.split("\n== ")[0]!.trim();
}

Deno.test({
  name: "packages",
  ignore,
  fn: async (t) => {
    const ignoreMusl = !names.some((name) => name.endsWith("-musl.tar.gz"));
    if (ignoreMusl) {
      console.error(
        "\n*** NOT RUN: tests of the package for musl need DENORT_BIN or --base npm for deno task package ***\n",
      );
    }

    await t.step("have the checksums that go with them", async () => {
      await command([
        "sh",
        "-c",
        'cd "$0" && sha256sum -c SHA256SUMS',
        PACKAGES,
      ]);
      assertEquals(names.length, ignoreMusl ? 2 : 3);
    });

    await t.step("the tarball works in any directory", async () => {
      await using lab = new Lab();
      await Deno.mkdir(lab.directory, { recursive: true });
      const place = `${lab.directory}/local`;
      await Deno.mkdir(place);
      await command([
        ...["tar", "-xzf", packageOf("-linux.tar.gz"), "-C", place],
      ]);
      const { stdout } = await command([`${place}/bin/dhcpv6macd`, "version"]);
      assert(stdout.startsWith(`dhcpv6macd ${manifest.version}`), stdout);
      const unit = await Deno.readTextFile(
        `${place}/lib/systemd/system/dhcpv6macd.service`,
      );
      assertMatch(unit, /^ExecStart=\/usr\/local\/bin\/dhcpv6macd /m);
    });

    await t.step("the .deb has no error that lintian knows", async () => {
      const { code, stdout, stderr } = await command(
        ["lintian", "--fail-on", "error", packageOf(".deb")],
        { mayFail: true, seconds: 120 },
      );
      assertEquals(code, 0, stdout + stderr);
    });

    await t.step("the .deb is installed, upgraded and purged", async () => {
      await using lab = new Lab();
      const host = await lab.host("deb");
      const { code, stdout, stderr } = await runInOverlay(
        host,
        `set -e
mv *.deb first.deb
dpkg --install first.deb >/dev/null
echo "== version"
dhcpv6macd version
echo "== manual"
man -w dhcpv6macd
echo "== units"
systemd-analyze verify dhcpv6macd.service dhcpv6macd@eth1.service 2>&1
systemctl is-enabled dhcpv6macd.service || true
echo "== verified"
dpkg --verify dhcpv6macd
# Another version, and a changed configuration.
dpkg-deb --raw-extract first.deb tree
sed -i 's/^Version: .*/&+next/' tree/DEBIAN/control
echo '# a comment of a new version' >> tree/etc/dhcpv6macd.conf
dpkg-deb --root-owner-group -Znone --build tree second.deb >/dev/null
echo 'OPTIONS="--base-address 2001:db8::"' > /etc/dhcpv6macd.conf
dpkg --force-confold --install second.deb >/dev/null
echo "== upgraded"
dpkg-query --show --showformat='\${Version}' dhcpv6macd
echo
cat /etc/dhcpv6macd.conf
dpkg --remove dhcpv6macd >/dev/null
echo "== removed"
ls /usr/bin/dhcpv6macd /etc/dhcpv6macd.conf 2>/dev/null || true
dpkg --purge dhcpv6macd >/dev/null
echo "== purged"
find /etc /usr -xdev -name '*dhcpv6macd*' -not -path '*/doc/*'
`,
        [packageOf(".deb")],
      );
      assertEquals(code, 0, stdout + stderr);
      const version = manifest.version;
      assert(section(stdout, "version").startsWith(`dhcpv6macd ${version}`));
      assertMatch(section(stdout, "manual"), /\/dhcpv6macd\.8\.gz$/);
      assertEquals(section(stdout, "units"), "disabled");
      assertEquals(section(stdout, "verified"), "");
      assertEquals(
        section(stdout, "upgraded"),
        `${version}+next\nOPTIONS="--base-address 2001:db8::"`,
      );
      assertEquals(section(stdout, "removed"), "/etc/dhcpv6macd.conf");
      assertEquals(section(stdout, "purged"), "");
    });

    await t.step({
      name: "musl: serves where there is no other C library",
      ignore: ignoreMusl,
      fn: async () => {
        await using lab = new Lab();
        const { router, client } = await makeLink(lab);
        const root = `${lab.directory}/musl`;
        const unpacked = `${lab.directory}/busybox`;
        await Deno.mkdir(`${root}/proc`, { recursive: true });
        await Deno.mkdir(`${root}/bin`);
        await Deno.mkdir(unpacked);
        await unpackFromArchive(BUSYBOX, unpacked);
        await command([
          ...["sh", "-c", 'cp "$0"/*bin/busybox "$0"/usr/*bin/busybox "$1"; :'],
          ...[unpacked, `${root}/bin/`],
        ]);
        await command(["tar", "-xzf", packageOf("-musl.tar.gz"), "-C", root]);
        await fillNetboot(`${root}/netboot`);
        const inside = ["chroot", root];
        // Static: it needs no library, and there is none but the package's.
        const { stdout } = await router.run([
          ...[
            ...inside,
            "/bin/busybox",
            "find",
            "/",
            "-xdev",
            "-name",
            "*.so*",
          ],
        ]);
        const libraries = stdout.trim().split("\n");
        assert(libraries.length >= 5, stdout);
        for (const path of libraries) {
          assert(path.startsWith("/usr/lib/dhcpv6macd/"), path);
        }
        const program = router.start([
          ...["unshare", "--mount", "sh", "-c"],
          'mount -t proc none "$0/proc" && exec chroot "$0" "$@"',
          ...[root, "/usr/bin/dhcpv6macd", "--log-format=json"],
          ...[...OPTIONS, "--netboot-dir=/netboot"],
        ]);
        const daemon = new RunningDaemon(program);
        await daemon.logs("serving");
        await boots(client);
        assertEquals(await daemon.stop(), 0);
        assertEquals(daemon.log.filter(({ level }) => level === "error"), []);
      },
    });

    await t.step({
      name: "OpenRC starts, reloads and stops it",
      ignore: ignoreMusl,
      fn: async () => {
        await using lab = new Lab();
        const { router } = await makeLink(lab);
        const conf = await lab.file(
          "conf",
          `OPTIONS="${
            OPTIONS.slice(0, 2).join(" ")
          } --http-boot-url-template '${TEMPLATE}'"\n`,
        );
        const { code, stdout, stderr } = await runInOverlay(
          router,
          `set -e
tar -xzf *-musl.tar.gz -C / --keep-directory-symlink
mkdir -p /etc/conf.d
install -m 755 /usr/share/dhcpv6macd/openrc/dhcpv6macd /etc/init.d/
cd /run
for name in daemons exclusive failed hotplugged inactive options scheduled \\
  started starting stopping tmp wasinactive; do mkdir -p openrc/$name; done
echo default > openrc/softlevel
echo "== without options"
rc-service --nodeps dhcpv6macd start 2>&1 && exit 1
cp /tmp/conf /etc/conf.d/dhcpv6macd
rc-service --nodeps dhcpv6macd start >/dev/null 2>&1
for second in 1 2 3 4 5 6 7 8 9 10; do
  curl --silent --fail --globoff "http://[::1]:6315/healthz" > healthz && break
  sleep 1
done
echo "== health"
cat healthz
echo "== process"
pid=$(pgrep --exact dhcpv6macd)
tr '\\0' ' ' < /proc/$pid/cmdline
echo
grep "Max open files" /proc/$pid/limits
rc-service --nodeps dhcpv6macd reload >/dev/null 2>&1
sleep 1
echo "== after reload"
pgrep --exact dhcpv6macd | grep --count --line-regexp "$pid"
kill -KILL "$pid"
for second in 1 2 3 4 5 6 7 8 9 10; do
  sleep 1
  next=$(pgrep --exact dhcpv6macd) && break
done
echo "== after a crash"
[ -n "$next" ] && [ "$next" != "$pid" ] && echo another
rc-service --nodeps dhcpv6macd stop >/dev/null 2>&1
echo "== stopped"
pgrep --exact dhcpv6macd || true
`,
          [packageOf("-musl.tar.gz"), conf],
        );
        assertEquals(code, 0, stdout + stderr);
        assertMatch(
          section(stdout, "without options"),
          /no OPTIONS in \/etc\/conf\.d\/dhcpv6macd/,
        );
        assertEquals(section(stdout, "health"), "ok");
        assertMatch(
          section(stdout, "process"),
          /^\/usr\/bin\/dhcpv6macd --max-open-files 16384 --interface=lan .*\nMax open files +16384 +16384 /,
        );
        assert(section(stdout, "process").includes(` ${TEMPLATE} `), stdout);
        assertEquals(section(stdout, "after reload"), "1");
        assertEquals(section(stdout, "after a crash"), "another");
        assertEquals(section(stdout, "stopped"), "");
      },
    });

    await t.step("procd gets the command and its limits", async () => {
      await using lab = new Lab();
      await Deno.mkdir(lab.directory, { recursive: true });
      const script = `${ROOT}/tools/packaging/procd/dhcpv6macd`;
      const conf = `${lab.directory}/conf`;
      await Deno.writeTextFile(
        conf,
        `OPTIONS="--interface br-lan --http-boot-url-template '${TEMPLATE}'"\n`,
      );
      // Writes down the calls that procd's functions get.
      const { stdout } = await command([
        "sh",
        "-ec",
        `
procd_open_instance() { echo open; }
procd_set_param() { echo "$@"; }
procd_close_instance() { echo close; }
procd_send_signal() { echo signal "$@"; }
. "$0"
CONF="$1"
start_service
reload_service`,
        script,
        conf,
      ]);
      assertEquals(stdout.trim().split("\n"), [
        "open",
        `command /usr/bin/dhcpv6macd --max-open-files 16384 --interface br-lan --http-boot-url-template ${TEMPLATE}`,
        `file ${conf}`,
        "limits nofile=16384 16384",
        "respawn 3600 2 0",
        "stderr 1",
        "close",
        "signal dhcpv6macd * HUP",
      ]);
    });
  },
});
