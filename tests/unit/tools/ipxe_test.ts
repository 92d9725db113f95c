import { assertEquals, assertMatch } from "@std/assert";

const TOOL = `${import.meta.dirname}/../../../tools/ipxe.ts`;

async function run(...args: string[]) {
  const [program, ...rest] = Deno.env.get("TEST_DENO")!.split("\n");
  const output = await new Deno.Command(program!, {
    args: [...rest, TOOL, ...args],
  })
    .output();
  const decoder = new TextDecoder();
  return {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

/** Two certificates, with what openssl writes around them. */
const BUNDLE = ["AAAA", "BBBB"].map((data) =>
  `subject=CN = ${data}
-----BEGIN CERTIFICATE-----
${data}
-----END CERTIFICATE-----
`
).join("\n");

/** A directory that looks like an iPXE checkout from outside. */
async function checkout(): Promise<string> {
  const directory = await Deno.realPath(await Deno.makeTempDir());
  await Deno.mkdir(`${directory}/src`);
  await Deno.writeTextFile(`${directory}/src/Makefile`, "");
  await Deno.writeTextFile(`${directory}/ca.pem`, BUNDLE);
  await Deno.writeTextFile(`${directory}/own.ipxe`, "#!ipxe\n");
  return directory;
}

Deno.test("iPXE tool", async (t) => {
  await t.step(
    "builds each architecture with a bundle as the only anchors, and the script",
    async () => {
      const source = await checkout();
      const { code, stdout, stderr } = await run(
        `--source=${source}`,
        `--trust=${source}/ca.pem`,
        `--script=${source}/own.ipxe`,
        "--dry-run",
      );
      assertEquals(code, 0, stderr);
      const lines = stdout.trim().split("\n");
      assertEquals(lines.length, 4);
      for (const line of lines) {
        assertMatch(line, /^make -j\d+ -C .*\/src CONFIG=dhcpv6macd /);
        assertMatch(
          line,
          / CERT=(\S*\/root-1\.pem,\S*\/root-2\.pem) TRUST=\1 /,
        );
        assertEquals(line.includes(` EMBED=${source}/own.ipxe `), true);
      }
      assertMatch(lines[1]!, / bin-arm64-efi\/ipxe\.efi$/);
      assertEquals(lines.filter((line) => line.includes(" CROSS=")).length, 3);
      await Deno.remove(source, { recursive: true });
    },
  );

  await t.step(
    "embeds its own script, and trusts what iPXE trusts, unless told",
    async () => {
      const source = await checkout();
      const { stdout } = await run(`--source=${source}`, "--dry-run");
      assertMatch(stdout, /EMBED=\S*\/assets\/ipxe\/autoexec\.ipxe /);
      assertEquals(stdout.includes("TRUST="), false);
      await Deno.remove(source, { recursive: true });
    },
  );

  await t.step("builds the small one, with the firmware's driver", async () => {
    const source = await checkout();
    const { stdout } = await run(
      `--source=${source}`,
      "--snponly",
      "--dry-run",
    );
    assertMatch(stdout, / bin-arm64-efi\/snponly\.efi$/m);
    assertEquals(stdout.includes("/ipxe.efi"), false);
    await Deno.remove(source, { recursive: true });
  });

  await t.step("a build that fails ends it", async () => {
    const source = await checkout();
    await Deno.writeTextFile(
      `${source}/src/Makefile`,
      "bin-%/snponly.efi:\n\texit 1\n",
    );
    const { code, stderr } = await run(`--source=${source}`, "--snponly");
    assertEquals(code, 1);
    assertMatch(
      stderr,
      // Without a compiler, nothing is built.
      /^tools\/ipxe\.ts: (building \S+ failed|found no iPXE build|make is not installed)\n$/m,
    );
    await Deno.remove(source, { recursive: true });
  });

  await t.step("a bundle without a certificate is refused", async () => {
    const source = await checkout();
    await Deno.writeTextFile(`${source}/ca.pem`, "no certificate\n");
    assertEquals(
      await run(
        `--source=${source}`,
        `--trust=${source}/ca.pem`,
        "--dry-run",
      ),
      {
        code: 1,
        stdout: "",
        stderr: `tools/ipxe.ts: ${source}/ca.pem has no certificate in PEM\n`,
      },
    );
    await Deno.remove(source, { recursive: true });
  });

  for (
    const [args, sentence] of [
      [["--source=/none"], "/none does not exist"],
      [["--from=/none"], "found no iPXE build"],
      [["--verbose"], "unknown argument --verbose"],
    ] as const
  ) {
    await t.step(`${args.join(" ")}: one line, exit code 1`, async () => {
      assertEquals(await run(...args), {
        code: 1,
        stdout: "",
        stderr: `tools/ipxe.ts: ${sentence}\n`,
      });
    });
  }
});

Deno.test("iPXE script", async (t) => {
  const script = Deno.readTextFileSync(
    new URL("../../../assets/ipxe/autoexec.ipxe", import.meta.url),
  );

  await t.step("asks by DHCPv6 only, and never ends", () => {
    assertMatch(script, /^#!ipxe\n/);
    for (
      const line of script.split("\n").filter((line) =>
        /^if(conf|stat)|^dhcp/.test(line)
      )
    ) {
      assertMatch(line, /^ifconf --configurator ipv6 /);
    }
    assertEquals(/\b(exit|shell|reboot|poweroff)\b/.test(script), false);
    assertMatch(script, /goto round\n$/);
    const labels = [...script.matchAll(/^:(\w+)$/gm)].map((match) => match[1]);
    const jumps = [...script.matchAll(/goto (\w+)/g)].map((match) => match[1]);
    assertEquals(jumps.filter((label) => !labels.includes(label)), []);
  });
});
