import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { Authority } from "../../support/certificates.ts";
import { runDaemon } from "../../support/daemon.ts";
import { command, Lab, missing, type Result } from "../../support/lab.ts";
import {
  npmBaseCompiler,
  npmBaseRuntime,
  type Target,
} from "../../../tools/base_runtime.ts";
import {
  evaluateAttribute,
  evaluationCommand,
  type Made,
  runNix,
  type Unit,
} from "./evaluation.ts";
import { ARGUMENT_NAMES, OWN_OPTIONS } from "./module.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const NIXPKGS = `${ROOT}tests/system/nix/nixpkgs`;
const SYSTEMS = ["aarch64-linux", "x86_64-linux"];

/** systemd's measure of a unit, times ten, that is still good. */
const EXPOSURE = 20;

const lacks = missing(
  "tests of the flake and the NixOS module",
  "nix",
  "git",
  "openssl",
  "python3",
  "systemd-analyze",
);
const ignore = lacks.length > 0;

/** The base runtime that compiled programs begin with, or why there is none. */
const denort = Deno.env.get("DENORT_BIN") ??
  await npmBaseRuntime(`${ROOT}dist/base`, Deno.build.target as Target).catch(
    (error: Error) => error,
  );
if (denort instanceof Error) {
  console.error(
    `\n*** NOT RUN: the build of the Nix package needs DENORT_BIN, the path of a denort: ${denort.message} ***\n`,
  );
}
const ignoreBuilding = denort instanceof Error || ignore;

/** The words that systemd makes of an ExecStart. */
function words(line: string, credentials: string): string[] {
  return [...line.matchAll(/"(?:[^"\\]|\\.)*"|[^\s"]+/g)].map(([word]) => {
    const text: string = word.startsWith('"') ? JSON.parse(word) : word;
    return text.replace(/%(.)|\$(.)/g, (all) => {
      if (all === "%%" || all === "$$") return all[0]!;
      if (all === "%d") return credentials;
      throw new Error(`systemd would take ${all} for something: ${line}`);
    });
  });
}

/** A unit as systemd reads it. */
function unitFile({ description, after, unitConfig, serviceConfig }: Unit) {
  const lines = (settings: Record<string, unknown>) =>
    Object.entries(settings).flatMap(([name, value]) =>
      [value].flat().map((one) => `${name}=${one}`)
    ).join("\n");
  return `[Unit]
${lines({ Description: description, After: after, ...unitConfig })}
[Service]
${lines({ ...serviceConfig, ExecStart: "/bin/true" })}
`;
}

Deno.test("Nix", { ignore }, async (t) => {
  await using lab = new Lab();
  // The user of the units reads files in it.
  await Deno.chmod(lab.directory, 0o755);
  const { router } = await lab.pair();

  async function nix(
    args: readonly string[],
    options: { mayFail?: boolean } = {},
  ): Promise<Result> {
    return await runNix(lab.directory, args, options);
  }

  async function evaluate<T>(attribute: string): Promise<T> {
    return await evaluateAttribute<T>(lab.directory, attribute);
  }

  /** Evaluates a part of the flake, with the stand-in for nixpkgs. */
  async function flake(verb: string, ...args: string[]): Promise<string> {
    const { stdout } = await nix([
      ...["nix", ...verb.split(" "), "--no-write-lock-file"],
      ...["--override-input", "nixpkgs", `path:${NIXPKGS}`],
      ...args,
    ]);
    return stdout;
  }

  await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
  await router.linkLocal("lan");
  await Authority.create(lab.directory, "cert");
  await lab.file("names", "02:00:5e:00:53:01 one\n");

  await t.step("flake", async (t) => {
    await t.step({
      name: "has every output, and all of them evaluate",
      ignore,
      fn: async () => {
        await flake("flake check", "--no-build", ROOT);
        const outputs = JSON.parse(await flake("flake show", "--json", ROOT));
        const names = (output: string) =>
          Object.fromEntries(SYSTEMS.map((system) => [
            system,
            Object.keys(outputs[output][system]).toSorted(),
          ]));
        const each = (...names: string[]) =>
          Object.fromEntries(SYSTEMS.map((system) => [system, names]));
        assertEquals(
          names("packages"),
          each("default", "dhcpv6macd", "iPXE", "ipxe"),
        );
        assertEquals(names("checks"), each("package", "vm"));
        assertEquals(names("devShells"), each("default"));
        assertEquals(Object.keys(outputs.formatter).toSorted(), SYSTEMS);
        assertEquals(Object.keys(outputs.nixosModules).toSorted(), [
          "default",
          "dhcpv6macd",
        ]);
        assertEquals(Object.keys(outputs.overlays), ["default"]);
      },
    });

    await t.step({
      name: "makes another iPXE for a certificate bundle",
      ignore,
      fn: async () => {
        const made = (args: string) =>
          flake(
            "eval",
            "--raw",
            `${ROOT}#lib.mkiPXE`,
            "--apply",
            `mkiPXE: (mkiPXE { system = "x86_64-linux"; ${args} }).drvPath`,
          );
        const plain = await flake(
          "eval",
          "--raw",
          `${ROOT}#packages.x86_64-linux.ipxe.drvPath`,
        );
        assertEquals(await made(""), plain);
        assertNotEquals(await made('certBundle = "/ca.pem";'), plain);
        assertNotEquals(await made("snponly = true;"), plain);
      },
    });

    await t.step({
      name: "adds the package to nixpkgs by an overlay",
      ignore,
      fn: async () => {
        const raw = (attribute: string, ...more: string[]) =>
          flake("eval", "--raw", `${ROOT}#${attribute}`, ...more);
        const pkgs =
          `import ${NIXPKGS}/packages.nix { system = "x86_64-linux"; }`;
        const own = await raw("packages.x86_64-linux.dhcpv6macd");
        const overlaid = await raw(
          "overlays.default",
          "--impure",
          "--apply",
          `overlay: (overlay (${pkgs}) { }).dhcpv6macd`,
        );
        assertEquals(overlaid, own);
      },
    });

    await t.step({
      name: "compiles its own iPXE in, and not that of nixpkgs",
      ignore,
      fn: async () => {
        const raw = (attribute: string) =>
          flake("eval", "--raw", `${ROOT}#packages.x86_64-linux.${attribute}`);
        assertEquals(await raw("dhcpv6macd.IPXE_BUILDS"), await raw("ipxe"));
      },
    });

    await t.step({
      name: "is used as documented",
      ignore,
      fn: async () => {
        const page = await Deno.readTextFile(`${ROOT}docs/install.md`);
        const blocks = [...page.matchAll(/^```nix\n(.*?)^```$/gms)].map(
          ([, block]) => block!,
        );
        assertEquals(blocks.length, 2);
        const examples = `${ROOT}docs/examples/nixos`;
        const example = (name: string) =>
          Deno.readTextFile(`${examples}/${name}`);
        assertEquals(await example("flake.nix"), blocks[0]);
        const directory = `${lab.directory}/router`;
        await Deno.mkdir(directory);
        await Deno.writeTextFile(`${directory}/flake.nix`, blocks[0]!);
        for (
          const [configuration, more] of [
            [`{ ${blocks[1]} }`, []],
            [await example("configuration.nix"), [
              "--http-boot-url-template=http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi",
              "--netboot-dir=/srv/netboot",
              `--netboot-follow=${lab.directory}/nix/STORE`,
            ]],
          ] as const
        ) {
          await Deno.writeTextFile(
            `${directory}/configuration.nix`,
            configuration,
          );
          const start = await flake(
            "eval",
            "--raw",
            ...["--override-input", "dhcpv6macd", ROOT],
            ...["--override-input", "dhcpv6macd/nixpkgs", `path:${NIXPKGS}`],
            `path:${directory}#nixosConfigurations.router.config.systemd.services.dhcpv6macd.serviceConfig.ExecStart`,
          );
          assertEquals(
            words(start, "").slice(1).toSorted(),
            [
              "--base-address=2001:db8:123:4567::",
              "--interface=eth1",
              "--max-open-files=65536",
              ...more,
            ].toSorted(),
          );
        }
      },
    });

    await t.step({
      name: "is used as its predecessor was",
      ignore,
      fn: async () => {
        const directory = `${lab.directory}/predecessor`;
        await Deno.mkdir(directory);
        await Deno.writeTextFile(
          `${directory}/flake.nix`,
          `{
  inputs.dhcpv6macd.url = "github:example/example";
  outputs = { self, nixpkgs, dhcpv6macd }: {
    packages.x86_64-linux = {
      router = dhcpv6macd.packages.x86_64-linux.default;
      ipxe = dhcpv6macd.packages.x86_64-linux.iPXE;
    };
    files = builtins.concatMap (system: (dhcpv6macd.lib.mkiPXE {
      inherit system;
      certBundle = "/ca.pem";
    }).links) [ "x86_64-linux" "aarch64-linux" ];
    nixosConfigurations.router = nixpkgs.lib.nixosSystem {
      system = "aarch64-linux";
      modules = [
        dhcpv6macd.nixosModules.dhcpv6macd
        ({ config, ... }: {
          services.detsys.dhcpv6macd = {
            enable = true;
            interface = "eth1";
            baseAddress = "fd19:287e:c5a0:4931::";
            netbootDirectory = "/netboot/mac";
            httpBootRootCertificate = null;
            ipxeX8664Efi = (dhcpv6macd.lib.mkiPXE { system = "x86_64-linux"; }) + "/ipxe.efi";
          };
          networking.firewall.interfaces.\${config.services.detsys.dhcpv6macd.interface}.allowedTCPPorts = [ 22 ];
          systemd.network.networks.lan.address = [
            "\${config.services.detsys.dhcpv6macd.baseAddress}1/64"
          ];
        })
      ];
    };
  };
}
`,
        );
        const read = async (attribute: string): Promise<unknown> =>
          JSON.parse(
            await flake(
              "eval",
              "--json",
              ...["--override-input", "dhcpv6macd", ROOT],
              ...["--override-input", "dhcpv6macd/nixpkgs", `path:${NIXPKGS}`],
              `path:${directory}#${attribute}`,
            ),
          );
        const config = "nixosConfigurations.router.config";
        const start = await read(
          `${config}.systemd.services.dhcpv6macd.serviceConfig.ExecStart`,
        ) as string;
        const [program, ...args] = words(start, "");
        assertMatch(program!, /-dhcpv6macd-[^/]+\/bin\/dhcpv6macd$/);
        assertEquals(
          args.map((arg) =>
            arg.replace(/=\/\S*-dhcpv6macd-ipxe\//, "=/IPXE/")
              .replace(/=\/\S*\/STORE$/, "=/STORE")
          ),
          [
            "--base-address=fd19:287e:c5a0:4931::",
            "--http-listen-addr=:80",
            "--interface=eth1",
            "--ipxe-x86-64-efi=/IPXE/ipxe.efi",
            "--max-open-files=65536",
            "--netboot-dir=/netboot/mac",
            "--netboot-follow=/STORE",
            "--tftp-listen-addr=:69",
          ],
        );
        assertEquals(await read(`${config}.networking.firewall.interfaces`), {
          eth1: { allowedTCPPorts: [80, 22], allowedUDPPorts: [547, 69] },
        });
        assertEquals(
          await read(`${config}.systemd.network.networks.lan.address`),
          ["fd19:287e:c5a0:4931::1/64"],
        );
        assertEquals(
          await read(`${config}.assertions`).then((found) =>
            (found as { assertion: boolean }[]).filter((one) => !one.assertion)
          ),
          [],
        );
        const files = (await read("files") as string[]).map((link) =>
          link.replace(/=.*-dhcpv6macd-ipxe-(\w+)/, "=$1")
        );
        assertEquals(files, [
          "ipxe-arm64.efi=arm64-1.21.1/ipxe.efi",
          "ipxe-x86-64.efi=x86_64-1.21.1/ipxe.efi",
          "ipxe.efi=x86_64-1.21.1/ipxe.efi",
          "ipxe-arm64.efi=arm64-1.21.1/ipxe.efi",
          "ipxe-x86-64.efi=x86_64-1.21.1/ipxe.efi",
          "ipxe.efi=arm64-1.21.1/ipxe.efi",
        ]);
      },
    });

    await t.step({
      name: "has a test of machines whose script is Python",
      ignore,
      fn: async () => {
        const vm = `${ROOT}#checks.x86_64-linux.vm`;
        const script = await lab.file(
          "script.py",
          await flake("eval", "--raw", `${vm}.testScript`),
        );
        await command(["python3", "-m", "py_compile", script]);
        const { router, client } = JSON.parse(
          await flake("eval", "--raw", `${vm}.machines`),
        );
        const start: string =
          router.systemd.services.dhcpv6macd.serviceConfig.ExecStart;
        assertStringIncludes(
          start,
          await flake(
            "eval",
            "--raw",
            `${ROOT}#packages.x86_64-linux.dhcpv6macd`,
          ),
        );
        assertEquals(client.systemd.services, {});
      },
    });
  });

  await t.step("module", async (t) => {
    await t.step({
      name: "has the options that its text declares",
      ignore,
      fn: async () => {
        assertEquals(
          await evaluate("options"),
          [...ARGUMENT_NAMES.keys(), ...OWN_OPTIONS].toSorted(),
        );
      },
    });

    await t.step({
      name: "makes units that the daemon and systemd accept",
      ignore,
      fn: async () => {
        const sound = await evaluate<Record<string, Made>>("sound");
        assertEquals(sound["disabled"]!.unit, null);
        for (
          const [name, { failed, firewall, unit }] of Object.entries(sound)
        ) {
          assertEquals(failed, [], name);
          if (unit === null) continue;
          const credentials = await Deno.makeTempDir({ dir: lab.directory });
          for (const one of unit.serviceConfig.LoadCredential ?? []) {
            const [id, path] = one.split(":") as [string, string];
            await Deno.copyFile(path, `${credentials}/${id}`);
          }
          const [program, ...given] = words(
            unit.serviceConfig.ExecStart,
            credentials,
          );
          assertMatch(program!, /-dhcpv6macd-[^/]+\/bin\/dhcpv6macd$/);
          const { code, stdout, stderr } = await runDaemon(
            router,
            ...given,
            "--check",
          );
          assertEquals(code, 0, `${name}: ${stdout}${stderr}`);
          const ports = stdout.split("\n").find((line) =>
            line.startsWith("firewall:")
          )!;
          const opened = firewall["lan"];
          if (opened !== undefined && opened.allowedTCPPorts.length > 0) {
            const portsOf = (pattern: RegExp) =>
              [...ports.matchAll(pattern)].map((match) => Number(match[1]));
            const { allowedUDPPorts, allowedTCPPorts } = opened;
            assertEquals(allowedUDPPorts, portsOf(/UDP port ([0-9]+)/g), ports);
            assertEquals(
              allowedTCPPorts,
              portsOf(/(?:TCP port|(?<=TCP port [0-9]+) and) ([0-9]+)/g),
              ports,
            );
          }
          const file = await lab.file(`${name}.service`, unitFile(unit));
          await command(["systemd-analyze", "verify", "--man=no", file]);
          await command([
            "systemd-analyze",
            "security",
            "--offline=yes",
            `--threshold=${EXPOSURE}`,
            "--no-pager",
            file,
          ]);
        }
      },
    });

    await t.step({
      name: "hands every option on, as it was given",
      ignore,
      fn: async () => {
        const { unit, warnings } = await evaluate<Made>("sound.everything");
        assertEquals(warnings, []);
        const args = words(unit!.serviceConfig.ExecStart, "/credentials").slice(
          1,
        );
        assertEquals(
          [...new Set(args.map((arg) => /^--([a-z0-9-]+)=/.exec(arg)![1]!))]
            .toSorted(),
          [...ARGUMENT_NAMES.values()].toSorted(),
        );
        for (
          const arg of [
            "--mac-sources=eui64,relay",
            "--allow-mac=02:de:ad:*",
            "--allow-mac=02:00:5e:00:53:01",
            "--preference=10",
            "--server-duid=00:03:00:01:02:00:5e:00:53:01",
            "--tls-key-file=/credentials/tls-key",
          ]
        ) assert(args.includes(arg), `${arg}: ${args.join(" ")}`);
      },
    });

    await t.step({
      name: "keeps what systemd would read otherwise",
      ignore,
      fn: async () => {
        const { unit } = await evaluate<Made>("sound.netboot");
        const args = words(unit!.serviceConfig.ExecStart, "/credentials");
        assert(
          args.includes(
            "--http-boot-url-template=http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/a%20b$HOME\"c\"'d'?{{.Payload | urlquery}}",
          ),
          args.join("\n"),
        );
      },
    });

    await t.step({
      name: "opens the port of DHCPv6, and others with openFirewall",
      ignore,
      fn: async () => {
        const sound = await evaluate<Record<string, Made>>("sound");
        for (const name of ["minimal", "tls", "relayed", "unencrypted"]) {
          assertEquals(
            sound[name]!.firewall,
            { lan: { allowedTCPPorts: [], allowedUDPPorts: [547] } },
            name,
          );
        }
        for (
          const name of [
            "unnamed",
            "ownFirewall",
            "originalOwnFirewall",
            "disabled",
          ]
        ) assertEquals(sound[name]!.firewall, {}, name);
        for (const name of ["original", "originalDefaults"]) {
          assertEquals(
            sound[name]!.firewall,
            { lan: { allowedTCPPorts: [80], allowedUDPPorts: [547, 69] } },
            name,
          );
        }
        assertEquals(
          sound["both"]!.firewall,
          { lan: { allowedTCPPorts: [6315], allowedUDPPorts: [547, 69] } },
        );
        assertEquals(Object.keys(sound["everything"]!.firewall), ["lan"]);
        const warnings = (name: string) => sound[name]!.warnings.join("\n");
        assertMatch(warnings("unnamed"), /opens no port .* without interface/);
        assertMatch(warnings("unencrypted"), /HTTPS is not served without/);
        for (const name of ["minimal", "ownFirewall", "closed"]) {
          assertEquals(warnings(name), "", name);
        }
      },
    });

    await t.step({
      name: "lets the daemon into a home only where its files are",
      ignore,
      fn: async () => {
        const home = async (name: string) =>
          (await evaluate<Made>(`sound.${name}`)).unit!.serviceConfig
            .ProtectHome;
        assertEquals(await home("minimal"), true);
        assertEquals(await home("home"), "read-only");
      },
    });

    await t.step({
      name: "compiles a root certificate in",
      ignore,
      fn: async () => {
        const program = async (name: string) =>
          words(
            (await evaluate<Made>(`sound.${name}`)).unit!.serviceConfig
              .ExecStart,
            "",
          )[0];
        assertNotEquals(await program("root"), await program("minimal"));
      },
    });

    await t.step({
      name: "knows the names that others gave its options",
      ignore,
      fn: async () => {
        const { unit, warnings } = await evaluate<Made>("sound.detsys");
        assert(
          warnings.some((warning) =>
            warning.includes("services.detsys.dhcpv6macd.tlsKeyFile") &&
            warning.includes("services.dhcpv6macd.tlsKeyFile")
          ),
          warnings.join("\n"),
        );
        const args = words(unit!.serviceConfig.ExecStart, "/credentials");
        assert(args.includes("--interface=lan"), args.join(" "));
        assert(args.includes("--tls-key-file=/credentials/tls-key"));
      },
    });

    await t.step({
      name: "has the options of its predecessor, with their defaults",
      ignore,
      fn: async () => {
        assertEquals(await evaluate("original"), {
          enable: true,
          interface: "lan",
          baseAddress: "2001:db8:1:2::",
          tftpListenAddress: ":69",
          httpListenAddress: ":80",
          httpsListenAddress: ":443",
          dhcpv6ListenPort: 547,
          httpBootUrlTemplate: "",
          httpBootRootCertificate: null,
          netbootDirectory: null,
          tlsCertFile: null,
          tlsKeyFile: null,
          ipxeX8664Efi: null,
          openFirewall: true,
        });
        const sound = await evaluate<Record<string, Made>>("sound");
        const given = (name: string) => {
          const [program, ...args] = words(
            sound[name]!.unit!.serviceConfig.ExecStart,
            "/credentials",
          );
          return { program, args: args.toSorted() };
        };
        assertEquals(given("original").args, [
          "--base-address=2001:db8:1:2::",
          "--http-listen-addr=:80",
          "--interface=lan",
          "--max-open-files=65536",
          "--tftp-listen-addr=:69",
        ]);
        const { program, args } = given("originalEverything");
        assertEquals(
          args.map((arg) =>
            arg.replace(/=\/.*\/STORE\/[a-z0-9]+-/, "=/STORE/")
              .replace(/=\/\S*\/STORE$/, "=/STORE")
          ),
          [
            "--base-address=2001:db8:1:2::",
            "--dhcpv6-listen-port=1547",
            "--http-boot-url-template=https://cert/?mac={{urlquery .MAC}}&payload={{ .Payload }}",
            "--http-listen-addr=:8080",
            "--https-listen-addr=:8443",
            "--interface=lan",
            "--ipxe-x86-64-efi=/STORE/ipxe.efi",
            "--max-open-files=65536",
            "--netboot-dir=/netboot/mac",
            "--netboot-follow=/STORE",
            "--tftp-listen-addr=[2001:db8:1:2::1]:6969",
            "--tls-cert-file=/credentials/tls-cert",
            "--tls-key-file=/credentials/tls-key",
          ],
        );
        assertNotEquals(program, given("original").program);
        assertEquals(given("both").args, [
          "--base-address=2001:db8:1:2::",
          "--http-listen-addr=:6315",
          "--interface=lan",
          "--max-open-files=65536",
          "--preference=10",
          "--tftp-listen-addr=:69",
        ]);
        // Only options that are set have a warning.
        assertEquals(
          sound["original"]!.warnings.map((warning) =>
            /^The option `services\.detsys\.dhcpv6macd\.(\w+)'/.exec(warning)
              ?.[1]
          ).toSorted(),
          ["baseAddress", "enable", "interface"],
        );
      },
    });

    await t.step({
      name: "refuses what contradicts, in a sentence",
      ignore,
      fn: async () => {
        const made = await evaluate<Record<string, Made>>("contradictory");
        for (const [name, { failed }] of Object.entries(made)) {
          assertEquals(failed.length, 1, name);
          assertMatch(failed[0]!, /^services\.dhcpv6macd\.[a-zA-Z]+ .+/);
        }
      },
    });

    await t.step({
      name: "refuses values of another type, and unknown options",
      ignore,
      fn: async () => {
        for (
          const [name, option] of [
            ["preference", "preference"],
            ["serverDuid", "serverDuid"],
            ["validLifetime", "validLifetime"],
            ["macSources", "macSources"],
            ["noSources", "macSources"],
            ["bootPolicy", "bootPolicy"],
            ["logLevel", "logLevel"],
            ["httpListenAddress", "httpListenAddress"],
            ["tftpListenAddress", "tftpListenAddress"],
            ["interface", "interface"],
            ["netbootDirectory", "netbootDirectory"],
            ["baseAddresses", "baseAddresses"],
          ] as const
        ) {
          const { code, stderr } = await nix(
            evaluationCommand(lab.directory, `refused.${name}`),
            { mayFail: true },
          );
          assertNotEquals(code, 0, name);
          assertMatch(
            stderr,
            new RegExp(
              `option .services\\.dhcpv6macd\\.${option}\\b.*(is not of type|does not exist)`,
            ),
          );
        }
      },
    });
  });

  await t.step("package", async (t) => {
    interface Phases {
      readonly buildPhase: string;
      readonly installPhase: string;
      readonly installCheckPhase: string;
      readonly dontFixup: boolean;
      readonly src: string;
      readonly meta: Record<string, unknown>;
    }

    async function filesBelow(directory: string): Promise<string[]> {
      const { stdout } = await command(["find", directory, "-type", "f"]);
      return stdout.split("\n").filter((line) => line !== "").map((path) =>
        path.slice(directory.length + 1)
      ).toSorted();
    }

    await t.step({
      name: "is made of what the program is made of",
      ignore,
      fn: async () => {
        const { src, meta, dontFixup } = await evaluate<Phases>("package");
        const files = await filesBelow(src);
        for (
          const file of ["main.ts", "deno.json", "assets/ipxe/autoexec.ipxe"]
        ) assert(files.includes(file), file);
        assertEquals(
          files.filter((file) =>
            !/^(main\.ts$|deno\.json$|lib\/|tools\/|assets\/)/.test(file)
          ),
          [],
        );
        assertEquals(files.filter((file) => file.endsWith(".gz")), []);
        assertEquals(dontFixup, true);
        assertEquals(meta.mainProgram, "dhcpv6macd");
      },
    });

    await t.step({
      name: "is built by its phases, without a network",
      ignore: ignoreBuilding,
      fn: async () => {
        const phases = await evaluate<Phases>("package");
        const work = `${lab.directory}/build`;
        const ipxe = `${work}/ipxe`;
        await Deno.mkdir(ipxe, { recursive: true });
        await Deno.writeTextFile(`${ipxe}/ipxe-x86-64.efi`, "iPXE of the test");
        await command(["cp", "-r", phases.src, `${work}/source`]);
        await command(["chmod", "-R", "u+w", `${work}/source`]);
        const script = await lab.file(
          "build.sh",
          `set -eu -o pipefail
runHook() { :; }
${phases.buildPhase}
${phases.installPhase}
${phases.installCheckPhase}
`,
        );
        const compiler = Deno.env.has("DENORT_BIN")
          ? Deno.execPath()
          : await npmBaseCompiler();
        const { stdout } = await command([
          ...["unshare", "--net", "env", "--ignore-environment"],
          ...["--chdir", `${work}/source`],
          `PATH=${work}/bin:/usr/bin:/bin`,
          `TMPDIR=${work}`,
          `DENORT_BIN=${denort}`,
          `IPXE_BUILDS=${ipxe}`,
          `out=${work}/out`,
          ...[
            "bash",
            "-c",
            'mkdir "$TMPDIR/bin"; ln -s "$1" "$TMPDIR/bin/deno"; bash "$2"',
          ],
          ...["sh", compiler, script],
        ], { seconds: 300 });
        assertMatch(stdout, /^dhcpv6macd [0-9]/m);
        assertEquals(await filesBelow(`${work}/out`), ["bin/dhcpv6macd"]);
        const { code, stdout: said } = await router.run([
          `${work}/out/bin/dhcpv6macd`,
          "--base-address=2001:db8:1:2::",
          "--interface=lan",
          "--check",
        ]);
        assertEquals(code, 0);
        // the iPXE that it was given, and no other
        assertMatch(said, /iPXE for x86-64$/m);
      },
    });
  });

  await t.step("iPXE", async (t) => {
    await t.step({
      name: "is built for x86-64 and arm64",
      ignore,
      fn: async () => {
        const { plain, rooted } = await evaluate<Record<string, string[]>>(
          "ipxe",
        );
        assertEquals(
          plain!.map((interfaceName) => interfaceName.split("=")[0]),
          [
            "ipxe-arm64.efi",
            "ipxe-x86-64.efi",
            "ipxe.efi",
          ],
        );
        for (const [index, interfaceName] of plain!.entries()) {
          assertNotEquals(rooted![index], interfaceName);
        }
      },
    });

    await t.step({
      name: "trusts each certificate of a bundle",
      ignore,
      fn: async () => {
        const { preBuild } = await evaluate<{ preBuild: string }>("ipxePhases");
        const other = await Authority.create(lab.directory, "other");
        const bundle = await lab.file(
          "bundle.pem",
          `Some words before it.\n${await Deno
            .readTextFile(`${lab.directory}/cert.pem`)}\n${await Deno
            .readTextFile(other.certFile)}`,
        );
        const source = `${lab.directory}/ipxe`;
        await Deno.mkdir(`${source}/src`, { recursive: true });
        const run = async () =>
          await command([
            "env",
            "--chdir",
            source,
            "bash",
            "-c",
            `set -eu\n${preBuild}\nprintf '%s\\n' "\${makeFlagsArray[@]}"`,
          ], { mayFail: true });
        const { code, stdout, stderr } = await run();
        assertEquals(code, 0, stderr);
        const [, trusted] = /^TRUST=(.*)$/m.exec(stdout)!;
        const subjects = await Promise.all(
          trusted!.split(",").map(async (file) =>
            (await command([
              ...["openssl", "x509", "-noout", "-subject"],
              ...["-in", `${source}/src/${file}`],
            ])).stdout.trim()
          ),
        );
        assertEquals(subjects, ["subject=CN = cert", "subject=CN = other"]);
        await Deno.writeTextFile(bundle, "no certificate\n");
        await Deno.remove(source, { recursive: true });
        await Deno.mkdir(`${source}/src`, { recursive: true });
        const nothing = await run();
        assertEquals(nothing.code, 1);
        assertStringIncludes(nothing.stderr, "there is no certificate in PEM");
      },
    });
  });
});
