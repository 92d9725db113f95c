import { assert, assertEquals, assertMatch } from "@std/assert";
import manifest from "../../../deno.json" with { type: "json" };

/** Runs the program as a user does, without root. */
async function run(...args: string[]) {
  return await outputOf([...command(), ...args]);
}

/** The same with a variable in its environment. */
async function runWith(env: Record<string, string>, ...args: string[]) {
  return await outputOf([...command(), ...args], env);
}

/** The same by a shell, in whose script `"$@"` is the program. */
async function runInShell(script: string, ...args: string[]) {
  return await outputOf(["sh", "-c", script, "sh", ...command(), ...args]);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function command(): string[] {
  return JSON.parse(Deno.env.get("DAEMON_COMMAND")!);
}

async function outputOf(
  [program, ...args]: string[],
  env?: Record<string, string>,
) {
  const output = await new Deno.Command(program!, { args, env }).output();
  return {
    code: output.code,
    stdout: new TextDecoder().decode(output.stdout),
    stderr: new TextDecoder().decode(output.stderr),
  };
}

Deno.test("commands", async (t) => {
  await t.step("--version", async () => {
    const { code, stdout, stderr } = await run("--version");
    assertEquals([code, stderr], [0, ""]);
    // A tree without git has no commit to tell.
    assertMatch(stdout, /^dhcpv6macd \S+( \([0-9a-f]{12}(-dirty)?\))?\n$/);
    assertEquals(stdout.split(/\s/)[1], manifest.version);
  });

  await t.step("--help", async () => {
    const { code, stdout, stderr } = await run("-help");
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^Usage:$/m);
  });

  await t.step("help, -h and version", async () => {
    const help = await run("--help");
    assertEquals(await run("help"), help);
    assertEquals(await run("-h"), help);
    assertEquals(await run("version"), await run("--version"));
  });

  await t.step("a wrong command line in JSON, if that is chosen", async () => {
    const { code, stderr } = await run("--log-format=json", "--nonsense");
    assertEquals(code, 2);
    const { level, message } = JSON.parse(stderr);
    assertEquals(
      [level, message],
      ["error", "unknown option --nonsense (--help lists the options)"],
    );
  });

  await t.step("address", async () => {
    assertEquals(
      await run(
        "address",
        "--base-address",
        "2001:db8:123:4567::",
        "02:00:5e:00:53:01",
        "0200.5eFF.5302",
      ),
      {
        code: 0,
        stdout:
          "2001:db8:123:4567:0:200:5e00:5301\n2001:db8:123:4567:0:200:5eff:5302\n",
        stderr: "",
      },
    );
  });

  await t.step("address with an option that is given twice", async () => {
    const bases = ["--log-level=info", "-log-level=debug"];
    const { code, stdout, stderr } = await run(
      "address",
      "--base-address=2001:db8::",
      ...bases,
      "02005e005301",
    );
    assertEquals([code, stdout], [0, "2001:db8::200:5e00:5301\n"]);
    assertEquals(
      stderr,
      "dhcpv6macd: --log-level is given 2 times, the last one counts: debug\n",
    );
  });

  for (
    const [args, sentence] of [
      [["--nonsense"], "unknown option --nonsense (--help lists the options)"],
      [
        ["serve"],
        'unknown command "serve"; the commands are check, address, records, watch, status, explain, help, version (--help lists the options)',
      ],
      [
        ["chekc"],
        'unknown command "chekc"; did you mean check? (--help lists the options)',
      ],
      [
        ["interface", "eth1"],
        'unknown command "interface"; did you mean --interface? (--help lists the options)',
      ],
      [["check", "now"], 'unexpected argument "now": check takes options only'],
      [
        ["address", "02:00:5e:00:53:01"],
        "address requires --base-address IPV6 and at least one MAC",
      ],
      [
        ["address", "--base-address=2001:db8::", "02"],
        `"02" is not a unicast MAC such as 02:00:5e:00:53:01`,
      ],
      [
        ["watch"],
        "watch requires at least one URL such as http://[2001:db8::1]:6315",
      ],
      [
        ["watch", "r1", "ftp://r2"],
        'watch: "ftp://r2" is no URL of a daemon: give a URL such as http://[2001:db8::1]:6315, HOST, HOST:PORT or an address',
      ],
      [
        ["watch", "r1", "http://r1:6315/events"],
        "watch: duplicate URL http://r1:6315",
      ],
      [
        ["address", "--json", "--base-address=2001:db8::", "02005e005301"],
        "--json is an option of watch, explain and status",
      ],
      [
        ["explain"],
        "explain requires the MAC of a machine such as 02:00:5e:00:53:01, and takes one URL",
      ],
      [
        ["explain", "01:00:5e:00:53:01"],
        "explain requires the MAC of a machine such as 02:00:5e:00:53:01, and takes one URL",
      ],
      [
        ["explain", "02005e005301", "r1", "r2"],
        "explain requires the MAC of a machine such as 02:00:5e:00:53:01, and takes one URL",
      ],
      [
        ["explain", "02005e005301", "02005e005302"],
        "explain requires the MAC of a machine such as 02:00:5e:00:53:01, and takes one URL",
      ],
      [
        ["explain", "02005e005301", "--netboot-dir=/srv/netboot"],
        "explain with --netboot-dir requires --base-address: the running daemon has options of its own",
      ],
      [
        ["explain", "02005e005301", "r1", "--base-address=2001:db8::"],
        "explain takes the URL of a running daemon or --base-address, not both",
      ],
      [
        ["explain", "02005e005301", "ftp://r1"],
        'explain: "ftp://r1" is no URL of a daemon: give a URL such as http://[2001:db8::1]:6315, HOST, HOST:PORT or an address',
      ],
      [
        ["status", "r1", "r2"],
        "status takes one URL such as http://[::1]:6315",
      ],
      [
        ["watch", "--mac=01:00:5e:00:53:01", "r1"],
        '--mac: "01:00:5e:00:53:01" is not a unicast MAC such as 02:00:5e:00:53:01',
      ],
      [
        ["status", "--mac=02:00:5e:00:53:01"],
        "--mac is an option of watch",
      ],
      [
        ["--base-address=2001:db8::", "--all-from=/srv/netboot"],
        "--all-from is an option of records",
      ],
      [
        ["records", "--base-address=2001:db8::"],
        "records requires --names FILE, --all-from DIRECTORY or both",
      ],
      [["records"], "records requires --base-address IPV6"],
      [
        ["records", "now"],
        'unexpected argument "now": records takes options only',
      ],
      [
        ["records", "--base-address=2001:db8::", "--names=/", "--format=zone"],
        "the format zone requires --domain: a zone has a name",
      ],
      [
        ["records", "--format=bind"],
        '--format: "bind" is not one of hosts, dnsmasq, unbound, zone, reverse-zone, json',
      ],
      [
        ["--interface=lo"],
        "--base-address is required: an IPv6 address whose first 80 bits are the prefix of all clients, such as 2001:db8:123:4567::",
      ],
    ] as [string[], string][]
  ) {
    await t.step(`${args.join(" ")}: one line, exit code 2`, async () => {
      assertEquals(await run(...args), {
        code: 2,
        stdout: "",
        stderr: `dhcpv6macd: ${sentence}\n`,
      });
    });
  }
});

const STATUS = {
  version: "1",
  interface: "lan",
  base_addresses: ["2001:db8::"],
  started: "2026-01-01T00:00:00Z",
  serving: true,
  problem: null,
  listening: { http: [], https: [], tftp: [] },
  stages: {},
  states: { offline: 0 },
  unserved: [],
  stalled_files: [],
};

const EXPLANATION = {
  mac: "02:00:5e:00:53:01",
  name: null,
  addresses: [],
  boot_policy: "always",
  may_boot: true,
  clients: [],
  last_event: null,
  last_heard: null,
  problems: [],
};

Deno.test("answers that are not as expected", async (t) => {
  let answer: unknown;
  const server = Deno.serve(
    { hostname: "::1", port: 0, onListen() {} },
    () => Response.json(answer),
  );
  const url = `http://[::1]:${server.addr.port}`;
  const elsewhere = `${url} answers something else`;
  const steps = [
    ...[
      { unserved: [null] },
      { listening: { http: 5 } },
      { stalled_files: [{}] },
      { stages: { init: { valueOf: 1 } }, states: null },
    ].map((part) => [["status"], { ...STATUS, ...part }, 2] as const),
    ...[
      { last_event: { event: "init", timestamp: "", detail: "\x1b]0;x\x07" } },
      { last_event: 5 },
      { clients: [null] },
      { problems: [{}] },
    ].map((part) =>
      [
        ["explain", "02005e005301"],
        { ...EXPLANATION, ...part },
        1,
      ] as const
    ),
  ];
  for (const [args, body, code] of steps) {
    await t.step(`${args[0]}: ${JSON.stringify(body).slice(-60)}`, async () => {
      answer = body;
      const result = await run(...args, url);
      assertEquals(result.code, code);
      const text = result.stdout + result.stderr;
      // deno-lint-ignore no-control-regex
      assertEquals(/[\x00-\x09\x0b-\x1f]|TypeError/.test(text), false, text);
      assertEquals(text.includes(elsewhere), true, text);
    });
  }

  await t.step("status: serving is neither true nor false", async () => {
    answer = { ...STATUS, serving: "no" };
    const { code, stdout } = await run("status", url);
    assertEquals(code, 2);
    assertMatch(stdout, /^CRITICAL: DHCPv6 is not served on lan\n/);
    answer = STATUS;
    assertEquals((await run("status", url)).code, 0);
    const proxy = { http_proxy: "http://[::1]:1" };
    assertEquals((await runWith(proxy, "status", url)).code, 0, "no proxy");
  });

  await server.shutdown();
});

Deno.test("status: the last ten minutes are by the daemon's clock", async (t) => {
  const SEEN = Date.parse("1970-01-01T00:20:00Z");
  let age = 0;
  const server = Deno.serve(
    { hostname: "::1", port: 0, onListen() {} },
    () =>
      Response.json({
        ...STATUS,
        unserved: [{
          cause: "no_mac",
          count: 3,
          timestamp: new Date(SEEN).toISOString(),
          message: "no MAC in a message",
        }],
      }, { headers: { date: new Date(SEEN + 1000 * age).toUTCString() } }),
  );
  const url = `http://[::1]:${server.addr.port}`;

  await t.step("a client of five minutes ago is a warning", async () => {
    age = 300;
    const { code, stdout } = await run("status", url);
    assertEquals([code, stdout.split("\n")[0]], [
      1,
      "WARNING: no MAC in a message",
    ]);
    assertEquals((await run("status", "--json", url)).code, 1);
  });

  await t.step("one of eleven minutes ago is not", async () => {
    age = 660;
    const { code, stdout } = await run("status", url);
    assertEquals([code, stdout.includes("no MAC")], [0, false]);
  });

  await server.shutdown();
});

Deno.test("output that cannot be written", async (t) => {
  const explanation = Deno.serve(
    { hostname: "::1", port: 0, onListen() {} },
    ({ url }) => Response.json(url.endsWith("/status") ? STATUS : EXPLANATION),
  );
  const url = `http://[::1]:${explanation.addr.port}`;
  const names = await Deno.makeTempFile();
  await Deno.writeTextFile(names, "02:00:5e:00:53:01 Mac mini\n");
  const check = ["--interface=lo", "--base-address=2001:db8::"];
  for (
    const [args, code] of [
      [["help"], 1],
      [["--help"], 1],
      [["version"], 1],
      [["address", "--base-address=2001:db8::", "02005e005301"], 1],
      [["records", "--base-address=2001:db8::", `--names=${names}`], 1],
      [["check", ...check], 1],
      [["explain", "02005e005301", url], 1],
      [["explain", "--json", "02005e005301", url], 1],
      [["status", url], 2],
      [["status", "--json", url], 2],
      // No daemon answers.
      [["status", "http://[::1]:1"], 2],
    ] as [string[], number][]
  ) {
    await t.step(`${args.join(" ")}: one sentence`, async () => {
      assertEquals(await runInShell('"$@" >/dev/full', ...args), {
        code,
        stdout: "",
        stderr:
          "dhcpv6macd: cannot write to stdout: No space left on device (os error 28)\n",
      });
    });
  }

  for (
    const [args, code] of [
      [["--nonsense"], 2],
      [["status", "--json", "http://[::1]:1"], 2],
      [["records", "--base-address=2001:db8::", `--names=${names}`], 0],
    ] as [string[], number][]
  ) {
    await t.step(`${args.join(" ")}: exit code without stderr`, async () => {
      const result = await runInShell('"$@" 2>/dev/full', ...args);
      assertEquals(
        [result.code, result.stderr],
        [code, ""],
      );
    });
  }

  await t.step("a reader that has closed the pipe is no error", async () => {
    for (const [args, code] of [[["help"], 0], [["status", url], 0]] as const) {
      const { stderr, stdout } = await runInShell(
        '{ { "$@"; echo $? >&3; } | true; } 3>&1',
        ...args,
      );
      assertEquals([stdout, stderr], [`${code}\n`, ""]);
    }
  });

  await t.step("a full pipe that does not block gets all lines", async () => {
    const lines = Array.from(
      { length: 3000 },
      (_, index) => `02:00:5e:00:${hex(index >> 8)}:${hex(index & 255)} m`,
    );
    await Deno.writeTextFile(names, lines.join("\n"));
    const nonBlocking = `
      const { symbols } = Deno.dlopen("libc.so.6", {
        fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
      });
      const F_SETFL = 4, O_WRONLY = 1, O_NONBLOCK = 0o4000;
      if (symbols.fcntl(1, F_SETFL, O_WRONLY | O_NONBLOCK) !== 0) Deno.exit(1);
    `;
    for (const format of ["hosts", "json"]) {
      const args = [
        "records",
        "--base-address=2001:db8::",
        `--names=${names}`,
        `--format=${format}`,
      ];
      const { stdout, stderr } = await runInShell(
        // More than the 64 KiB of a pipe are written before it is read.
        `{ '${Deno.execPath()}' eval --no-config '${nonBlocking}' && "$@"; } |
          { sleep 2; cat; }`,
        ...args,
      );
      assertEquals(
        stderr,
        'dhcpv6macd: 1 name makes the host name of another machine as well: "m" is m\n',
      );
      assert(stdout === (await run(...args)).stdout, format);
    }
  });

  await Deno.remove(names);
  await explanation.shutdown();
});
