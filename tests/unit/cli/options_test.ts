import { encodeHex } from "@std/encoding/hex";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { helpText } from "../../../lib/cli/help.ts";
import {
  type OptionName,
  OPTIONS,
  parseCommandLine,
} from "../../../lib/cli/options.ts";
import { configOf, logOptionsOf } from "../../../lib/cli/config.ts";
import { UsageError } from "../../../lib/cli/usage_error.ts";
import type { DaemonConfig } from "../../../lib/daemon/config.ts";
import { formatIpv6, parseIpv6 } from "../../../lib/net/ipv6.ts";
import { isInPrefix } from "../../../lib/net/prefix.ts";
import { presentFiles } from "../../support/option_files.ts";

const NEEDED = ["--interface=eth1", "--base-address=2001:db8:1:2::"];

function settings(...args: string[]) {
  return configOf(
    parseCommandLine([...NEEDED, ...args]).options,
    presentFiles,
  );
}

Deno.test("command line", async (t) => {
  await t.step("takes one dash or two, a blank or an equals sign", () => {
    for (
      const args of [
        ["--interface", "eth1", "--preference", "7"],
        ["--interface=eth1", "--preference=7"],
        ["-interface", "eth1", "-preference", "7"],
        ["-interface=eth1", "-preference=7"],
      ]
    ) {
      const { options, words } = parseCommandLine(args);
      assertEquals(options.interface, "eth1");
      assertEquals(options.preference, 7);
      assertEquals(words, []);
    }
  });

  await t.step(
    "takes words among the options, and everything behind --",
    () => {
      assertEquals(
        parseCommandLine(["address", "-interface=eth1", "a", "--", "-b"]).words,
        ["address", "a", "-b"],
      );
      assertEquals(parseCommandLine(["02005e005301"]).words, ["02005e005301"]);
      assertEquals(parseCommandLine(["000000000012"]).words, ["000000000012"]);
    },
  );

  await t.step("collects what is repeatable", () => {
    const { options } = parseCommandLine([
      "-dns=2001:db8::1",
      "--dns",
      "2001:db8::2",
    ]);
    assertEquals(options.dns.map((bytes) => formatIpv6(bytes)), [
      "2001:db8::1",
      "2001:db8::2",
    ]);
  });

  await t.step("takes an empty value for none", () => {
    const { options } = parseCommandLine([
      "--interface=",
      "-http-boot-url-template",
      "",
      "--dns=",
      "--preference=",
    ]);
    assertEquals(options.interface, undefined);
    assertEquals(options["http-boot-url-template"], undefined);
    assertEquals(options.dns, []);
    assertEquals(options.preference, 255);
  });

  await t.step("takes a base address with the length of its prefix", () => {
    for (const length of ["", "/0", "/48", "/64", "/80"]) {
      const { options } = parseCommandLine([
        `--base-address=2001:db8::${length}`,
      ]);
      assertEquals(options["base-address"].map(({ text }) => text), [
        "2001:db8::",
      ]);
    }
  });
  for (
    const [args, name, value, ...notices] of [
      [
        ["-interface=a", "--interface", "b", "-interface=c"],
        "interface",
        "c",
        "--interface is given 3 times, the last one counts: c",
      ],
      [
        ["--preference=7", "-preference", "9"],
        "preference",
        9,
        "--preference is given 2 times, the last one counts: 9",
      ],
      [
        ["--netboot-dir=/a", "--netboot-dir=/b\n"],
        "netboot-dir",
        "/b\n",
        "--netboot-dir is given 2 times, the last one counts: /b\\u{a}",
      ],
      [
        ["--otlp-endpoint=http://a", "--otlp-endpoint=http://me:secret@b/"],
        "otlp-endpoint",
        new URL("http://me:secret@b/"),
        "--otlp-endpoint is given 2 times, the last one counts: http://b/",
      ],
      [["--interface=a", "--interface="], "interface", "a"],
      [["--check", "-check"], "check", true],
    ] as [string[], OptionName, unknown, ...string[]][]
  ) {
    await t.step(`takes the last value of ${args.join(" ")}`, () => {
      const given = parseCommandLine(args);
      assertEquals<unknown>(given.options[name], value);
      assertEquals(given.notices, notices);
    });
  }

  await t.step("knows switches", () => {
    assertEquals(parseCommandLine(["-check", "--help"]).options.check, true);
    assertEquals(parseCommandLine(["-h"]).options.help, true);
    assertEquals(parseCommandLine(["--check=false"]).options.check, undefined);
    assertEquals(parseCommandLine(["--check="]).options.check, undefined);
    assertEquals(parseCommandLine([]).options.version, undefined);
  });

  for (
    const [args, ...parts] of [
      [
        ["--interfaces=eth1"],
        "unknown option --interfaces; did you mean --interface?",
        "--help",
      ],
      [["--base_address=::"], "did you mean --base-address?"],
      [["--Interface=a"], "did you mean --interface?"],
      [["--prefernce=1"], "did you mean --preference?"],
      [["--cert-file=a"], "did you mean --tls-cert-file?"],
      [["-v"], "did you mean --version?"],
      [["\u2013interface", "a"], "\u2013interface begins with a dash"],
      [["-x"], "unknown option -x"],
      // Names that every object has.
      [["-constructor"], "unknown option -constructor"],
      [["--toString=1"], "unknown option --toString"],
      [["--__proto__"], "unknown option --__proto__"],
      [["--" + "no-check"], "unknown option --no-check"],
      [["--interface"], "--interface requires a value", "NAME"],
      [["--interface", "--preference=1"], "--interface requires a value"],
      [["--preference=x", "-preference=7"], "--preference", '"x"'],
      [["--interface=eth 1"], "--interface", '"eth 1"', "such as eth1"],
      [["--interface=averylongnameindeed"], "--interface", "shorter altname"],
      [["--help=7"], "--help takes no value"],
      [["--base-address=2001:db8::/81"], "--base-address", "at most /80"],
      [["--base-address=2001:db8::/128"], "--base-address", "at most /80"],
      [["--base-address=2001:db8::/"], "--base-address", "such as"],
      [["--base-address=2001:db8::/64/64"], "--base-address", "such as"],
      [["--base-address=2001:db8::/x"], "--base-address", "such as"],
      [["--base-address=fe80::/64"], "--base-address", "such as"],
      [["--base-address=fe80::"], "--base-address"],
      [["--base-address=ff02::"], "--base-address"],
      [["--base-address=::"], "--base-address"],
      [["--base-address=192.0.2.1"], "--base-address"],
      [["--server-duid=0003"], "--server-duid", '"0003"', "3 to 130 bytes"],
      [["--server-duid=00030"], "--server-duid", "3 to 130 bytes"],
      [["--server-duid=" + "00".repeat(131)], "--server-duid", "3 to 130"],
      [["--server-duid=00:03:00:g1"], "--server-duid", "hexadecimal"],
      [["--server-duid=00:03::01:02"], "--server-duid", "hexadecimal"],
      [["--server-duid=00:03:00-01"], "--server-duid", "hexadecimal"],
      [["--server-duid=0x000300"], "--server-duid", "hexadecimal"],
      [["--server-duid=00:0300:01"], "--server-duid", "hexadecimal"],
      [["--preference=256"], "--preference", "from 0 to 255"],
      [["--preference=-1"], "--preference", "from 0 to 255"],
      [["--preference=1.5"], "--preference"],
      [["--preference=0x10"], "--preference"],
      [["--preferred-lifetime=0"], "--preferred-lifetime", "from 1 to"],
      [["--dns=example.com"], "--dns", "an IPv6 address"],
      [["--dns=ff02::fb"], "--dns"],
      [["--domain-search=-x"], "--domain-search", "a domain name"],
      [["--domain-search=" + "a".repeat(64)], "--domain-search"],
      [["--ntp=1 2"], "--ntp", "host name"],
      [["--mac-sources=duid,arp"], "--mac-sources", "relay, duid, eui64"],
      [["--mac-sources=duid,duid"], "--mac-sources", "at most once"],
      [["--allow-mac=02:0"], "--allow-mac", "02:de:ad:*"],
      [["--deny-mac=*"], "--deny-mac"],
      [["--dhcpv6-listen-port=0"], "--dhcpv6-listen-port", "65535"],
      [["--max-machines=0"], "--max-machines"],
      [["--log-format=xml"], "--log-format", "text, json"],
      [["--log-level=trace"], "--log-level", "error, warning, info, debug"],
      [["--log-level=warn"], "did you mean warning?"],
      [["--log-level=INFO"], "did you mean info?"],
      [["--boot-policy=list"], "did you mean listed?"],
      [["--mac-sources=relay,eui-64"], "did you mean eui64?"],
      [["--dns=::1"], "--dns", "a loopback or IPv4-mapped address"],
      [["--dns=::ffff:192.0.2.1"], "--dns", "IPv4-mapped"],
      [["--dns=ff02::fb"], "--dns", "a multicast address"],
      [["--ntp=::"], "--ntp", "the unspecified address"],
      [["--ntp=::1"], "--ntp", "a loopback"],
      [["--ntp=192.0.2.1"], "--ntp", "an IPv4 address"],
      [["--ntp=127.1"], "--ntp", "an IPv4 address"],
      [["--ntp=0x7f000001"], "--ntp", "an IPv4 address"],
      [["--ntp=ff01::101"], "--ntp", "a multicast address"],
      [["--domain-search=192.0.2.1"], "--domain-search", "a domain name"],
      [["--http-listen-addr=[ff02::1]:80"], "a multicast address"],
      [["--https-listen-addr=[fe80::1]:443"], "a link-local address"],
      [["--tftp-listen-addr=[fe80::1]:69"], "a link-local address"],
      [
        ["--http-boot-url-template=http://h/{{.Mac}}"],
        "--http-boot-url-template",
        "column 12",
      ],
      [["--http-boot-url-template=http://h/{{\n}}"], "{{\\u{a}}}"],
      [["--boot-address=eth1"], "--boot-address"],
      [["--boot-address=::"], "--boot-address"],
      [["--dns=::"], "--dns"],
      [["--tftp-listen-addr=on"], "--tftp-listen-addr", ":PORT"],
      [["--http-listen-addr=6315"], "--http-listen-addr", ":PORT"],
      [["--http-listen-addr=:0"], "--http-listen-addr"],
      [["--http-listen-addr=[::g]:80"], "--http-listen-addr"],
      [["--https-listen-addr=:65536"], "--https-listen-addr"],
      [["--http-allow=2001:db8::/129"], "--http-allow", "or any"],
      [["--http-host=lab.example:80"], "--http-host", "without a port"],
      [["--max-events=0"], "--max-events"],
      [["--max-open-files=23"], "--max-open-files", "from 24 to"],
      [["--otlp-endpoint=[2001:db8::5]:4318"], "--otlp-endpoint", "http://"],
      [["--otlp-metrics-endpoint=x"], "--otlp-metrics-endpoint", "http://"],
      [["--otlp-logs-endpoint=ftp://x"], "--otlp-logs-endpoint", "http://"],
      [["--otlp-header=x"], "--otlp-header", "NAME=VALUE or NAME=@FILE"],
      [["--otlp-encoding=xml"], "--otlp-encoding", "protobuf, json"],
      [["--boot-policy=never"], "--boot-policy", "always, listed, once"],
    ] as [string[], ...string[]][]
  ) {
    await t.step(`refuses ${args.join(" ")}`, () => {
      const { message } = assertThrows(
        () => parseCommandLine(args),
        UsageError,
      );
      for (const part of parts) assert(message.includes(part), message);
      assert(!message.includes("\n"), message);
    });
  }
});

/** A file that is there, whatever is in it. */
const FILE = `${import.meta.dirname}/options_test.ts`;

/** What an option needs beside it. */
const NEEDS: Partial<Record<OptionName, string[]>> = {
  "boot-policy": ["--netboot-dir=/"],
  "tls-cert-file": ["--tls-key-file=k"],
  "tls-key-file": ["--tls-cert-file=c"],
  "https-listen-addr": ["--tls-cert-file=c", "--tls-key-file=k"],
  "otlp-header": ["--otlp-endpoint=http://[2001:db8::5]:4318"],
  "otlp-encoding": ["--otlp-endpoint=http://[2001:db8::5]:4318"],
};

/** The certificate of an authority whose key was deleted; valid until 2126. */
const CA_FILE = new URL("ca.pem", import.meta.url).pathname;

/** An option, a value, where it arrives, and as what. */
const EFFECTS: [OptionName, string, (s: DaemonConfig) => unknown, unknown][] = [
  ["mac-sources", "eui64,duid", (s) => s.responder.macSources, [
    "eui64",
    "duid",
  ]],
  ["allow-mac", "02:*", (s) => s.responder.allow, [{
    prefix: 2,
    divisor: 2 ** 40,
  }]],
  ["deny-mac", "02:*", (s) => s.responder.deny, [{
    prefix: 2,
    divisor: 2 ** 40,
  }]],
  ["preferred-lifetime", "600", (s) => s.responder.preferredLifetime, 600],
  ["valid-lifetime", "7200", (s) => s.responder.validLifetime, 7200],
  [
    "server-duid",
    "00:03:00:01:02:00:5E:00:53:01",
    ({ serverDuid }) => serverDuid && encodeHex(serverDuid),
    "0003000102005e005301",
  ],
  ["preference", "7", (s) => s.responder.preference, 7],
  ["dns", "2001:db8::1", (s) => s.responder.onRequest.length, 1],
  ["domain-search", "lab.example", (s) => s.responder.onRequest.length, 1],
  ["ntp", "2001:db8::1", (s) => s.responder.onRequest.length, 2],
  [
    "http-boot-url-template",
    "http://[::1]/",
    (s) => s.template?.text,
    "http://[::1]/",
  ],
  [
    "boot-url",
    "pxe-arm64=tftp://[::1]/x=y",
    (s) => Array.from(s.bootUrls, ([kind, { text }]) => [kind, text]),
    [["pxe-arm64", "tftp://[::1]/x=y"]],
  ],
  ["boot-address", "2001:db8::7", (s) => s.bootAddress?.text, "2001:db8::7"],
  ["boot-policy", "listed", (s) => s.bootPolicy, "listed"],
  ["ipxe-chain", "direct", (s) => s.ipxeChain, "direct"],
  ["netboot-dir", "/srv", (s) => s.netbootDirectory, "/srv"],
  ["netboot-follow", "/boot", (s) => s.netbootFollow, ["/boot"]],
  ["tftp-listen-addr", "off", (s) => s.tftp, undefined],
  ["tftp-single-port", "true", (s) => s.isTftpSinglePort, true],
  ["http-listen-addr", "[2001:db8::1]:80", (s) => s.http, [{
    hostname: "2001:db8::1",
    port: 80,
  }]],
  ["https-listen-addr", ":8443", (s) => s.https?.addresses, [{
    hostname: "::",
    port: 8443,
  }]],
  ["tls-cert-file", "c", (s) => s.https?.files, {
    certFile: "c",
    keyFile: "k",
  }],
  ["tls-key-file", "k", (s) => s.https?.files, {
    certFile: "c",
    keyFile: "k",
  }],
  ["http-allow", "any", (s) => s.allowed, "any"],
  ["ipxe-x86-64-efi", FILE, (s) => [...s.ipxe], [["x86-64", FILE]]],
  ["ipxe-arm64-efi", FILE, (s) => [...s.ipxe], [["arm64", FILE]]],
  ["ipxe-riscv64-efi", FILE, (s) => [...s.ipxe], [["riscv64", FILE]]],
  ["ipxe-loong64-efi", FILE, (s) => [...s.ipxe], [["loong64", FILE]]],
  ["shim-x86-64-efi", FILE, (s) => [...s.ipxe], [["shim-x86-64", FILE]]],
  ["shim-arm64-efi", FILE, (s) => [...s.ipxe], [["shim-arm64", FILE]]],
  ["ipxe-script", FILE, (s) => [...s.ipxe], [["script", FILE]]],
  ["dhcpv6-listen-port", "1547", (s) => s.port, 1547],
  ["max-machines", "5", (s) => s.maxMachines, 5],
  ["max-events", "6", (s) => s.maxEvents, 6],
  ["max-open-files", "24", (s) => s.maxOpenFiles, 24],
  ["http-host", "boot.lab.example", (s) => s.hosts, ["boot.lab.example"]],
  ["names", "/etc/machines", (s) => s.namesFile, "/etc/machines"],
  [
    "otlp-endpoint",
    "http://[2001:db8::5]:4318",
    (s) => s.collector?.endpoint?.href,
    "http://[2001:db8::5]:4318/",
  ],
  [
    "otlp-metrics-endpoint",
    "http://[2001:db8::5]:8428/opentelemetry/v1/metrics",
    (s) => s.collector?.metricsEndpoint?.href,
    "http://[2001:db8::5]:8428/opentelemetry/v1/metrics",
  ],
  [
    "otlp-logs-endpoint",
    "https://logs.example/otlp/v1/logs",
    (s) => s.collector?.logsEndpoint?.href,
    "https://logs.example/otlp/v1/logs",
  ],
  [
    "otlp-header",
    "x-scope-orgid=lab",
    (s) => s.collector?.headers.map(({ name, value }) => [name, value]),
    [["x-scope-orgid", "lab"]],
  ],
  ["otlp-encoding", "json", (s) => s.collector?.encoding, "json"],
  ["domain", "Lab.Example.", (s) => s.domain, "lab.example"],
  ["ca-file", CA_FILE, (s) => s.caCerts.length, 1],
];

Deno.test("settings", async (t) => {
  await t.step("have the documented defaults", () => {
    const { port, responder: answers, maxMachines, template, notices } =
      settings();
    assertEquals(port, 547);
    assertEquals(maxMachines, 65536);
    assertEquals(template, undefined);
    assertEquals(notices, []);
    assertEquals(answers.preferredLifetime, 1200);
    assertEquals(answers.validLifetime, 1200);
    assertEquals(answers.preference, 255);
    assertEquals(answers.macSources, ["relay", "duid", "eui64"]);
    assertEquals(answers.onRequest, []);
  });

  await t.step("names files in one line, whatever they are called", () => {
    const { notices } = settings("--netboot-dir=/no\nwhere\u202e");
    assertEquals(notices.length, 1);
    assert(
      notices[0]!.includes("/no\\u{a}where\\u{202e} does not exist"),
      notices[0],
    );
    const { message } = assertThrows(
      () => settings("--ipxe-script=/no\nwhere"),
      UsageError,
    );
    assert(message.includes("/no\\u{a}where"), message);
  });

  await t.step(
    "refuse a template that makes no URL with one of the base addresses",
    () => {
      const template = "--http-boot-url-template=http://[{{.BaseAddress}}1]/";
      assertEquals(settings(template).notices, []);
      const { message } = assertThrows(
        () => settings(template, "--base-address=2001:db8:7:8:9:a:b:cdef"),
        UsageError,
      );
      assert(message.includes("--http-boot-url-template"), message);
      assert(message.includes("2001:db8:7:8:9:a:b:cdef1"), message);
    },
  );

  for (
    const [name, value, read, expected] of EFFECTS
  ) {
    await t.step(`--${name} has its effect`, () => {
      const before = name === "tls-key-file" || name === "https-listen-addr"
        ? undefined
        : read(settings());
      const after = read(
        settings(`--${name}=${value}`, ...(NEEDS[name] ?? [])),
      );
      assertEquals<unknown>(after, expected);
      assert(JSON.stringify(before) !== JSON.stringify(after));
    });
  }

  await t.step("every option has an effect that is tested here", () => {
    const tested = EFFECTS.map(([name]) => name);
    assertEquals(
      Object.keys(OPTIONS).filter((name) =>
        !tested.includes(name as OptionName)
      ),
      [
        // tested below, or where they are read
        "interface",
        "base-address",
        "link-prefix",
        "log-format",
        "log-level",
        "check",
        "help",
        "version",
        "json",
        "mac",
        "format",
        "all-from",
      ],
    );
  });

  await t.step("have every address of HTTP and HTTPS", () => {
    const at = (port: number, hostname = "::") => ({ hostname, port });
    const TLS = ["--tls-cert-file=c", "--tls-key-file=k"];
    for (
      const [args, http, https] of [
        [[], [at(6315)], undefined],
        [TLS, [at(6315)], [at(443)]],
        [["--http-listen-addr=[::]:6315", "--http-listen-addr=[::]:80"], [
          at(6315),
          at(80),
        ], undefined],
        [["--http-listen-addr=off"], [], undefined],
        [["--http-listen-addr=off", ...TLS], [], [at(443)]],
        [["--https-listen-addr=off"], [at(6315)], undefined],
        [["--https-listen-addr=off", ...TLS], [at(6315)], undefined],
        [["--http-listen-addr=", "--https-listen-addr=", ...TLS], [at(6315)], [
          at(443),
        ]],
        [
          ["--https-listen-addr=:8443", "--https-listen-addr=[::1]:9443"]
            .concat(TLS),
          [at(6315)],
          [at(8443), at(9443, "::1")],
        ],
        [
          [
            "--http-listen-addr=[::1]:80",
            "--http-listen-addr=127.0.0.1:80",
            "--http-listen-addr=[2001:db8::1]:80",
            "--http-listen-addr=localhost:80",
          ],
          [
            at(80, "::1"),
            at(80, "127.0.0.1"),
            at(80, "2001:db8::1"),
            at(80, "localhost"),
          ],
          undefined,
        ],
        [
          ["--http-listen-addr=0.0.0.0:80", "--http-listen-addr=[::1]:80"],
          [at(80, "0.0.0.0"), at(80, "::1")],
          undefined,
        ],
      ] as [string[], unknown, unknown][]
    ) {
      const config = settings(...args);
      assertEquals(config.http, http, args.join(" "));
      assertEquals(config.https?.addresses, https, args.join(" "));
    }
    for (
      const [args, problem] of [
        [["http=:80", "http=:80"], "[::]:80 and [::]:80 overlap"],
        [["http=:80", "http=[::1]:80"], "[::]:80 and [::1]:80 overlap"],
        [["http=127.0.0.1:80", "http=:80"], "overlap"],
        [["http=127.0.0.1:80", "http=0.0.0.0:80"], "overlap"],
        [["http=[::1]:80", "http=[0:0::1]:80"], "overlap"],
        [["http=Lab:80", "http=lab:80"], "overlap"],
        [["http=:443"], "[::]:443 and [::]:443 overlap"],
        [["http=off", "http=:80"], "--http-listen-addr: give either"],
        [["https=:80", "https=off"], "--https-listen-addr: give either"],
        [
          Array.from({ length: 17 }, (_, index) => `http=:${1000 + index}`),
          "--http-listen-addr: at most 16",
        ],
      ] as [string[], string][]
    ) {
      const { message } = assertThrows(
        () =>
          settings(
            ...TLS,
            ...args.map((arg) => `--${arg.replace("=", "-listen-addr=")}`),
          ),
        UsageError,
      );
      assert(message.includes(problem), message);
    }
  });

  await t.step("have certificates that can be used", async () => {
    const endpoint = "--otlp-endpoint=https://[2001:db8::5]:4318";
    const file = await Deno.makeTempFile();
    for (
      const [content, problem] of [
        ["", "no certificate in PEM"],
        ["junk", "no certificate in PEM"],
        [
          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
          "invalid",
        ],
      ] as const
    ) {
      await Deno.writeTextFile(file, content);
      const { message } = assertThrows(
        () => settings(endpoint, `--ca-file=${file}`),
        UsageError,
      );
      assert(message.startsWith(`--ca-file: cannot use ${file}: `), message);
      assert(message.includes(problem), message);
    }
    // The reason names the path, too.
    const escaped = assertThrows(
      () => settings(endpoint, "--ca-file=\x01"),
      UsageError,
    );
    assert(!escaped.message.includes("\x01"), escaped.message);
    await Deno.remove(file);
    const { message } = assertThrows(
      () => settings(endpoint, `--ca-file=${file}`),
      UsageError,
    );
    assert(message.includes("No such file"), message);
  });

  await t.step("keep the values of headers to themselves", async () => {
    const endpoint = "--otlp-endpoint=http://[2001:db8::5]:4318";
    const secret = "s3cr3t";
    for (
      const args of [
        [endpoint, `--otlp-header=${secret}`],
        [endpoint, `--otlp-header=a b=${secret}`],
        [endpoint, `--otlp-header=host=${secret}`],
        [endpoint, `--otlp-header=authorization=${secret}\n`],
        [endpoint, `--otlp-headers=authorization=${secret}`],
        [endpoint, `-otlp-headre=authorization=${secret}`],
        [`--otlp-header=authorization=${secret}`],
      ]
    ) {
      const { message } = assertThrows(() => settings(...args), UsageError);
      assert(!message.includes(secret), message);
    }
    const config = settings(endpoint, `--otlp-header=a=${secret}`);
    assert(!JSON.stringify(config).includes(secret));
    assert(!Deno.inspect(config, { depth: 9 }).includes(secret));
    const absent = await Deno.makeTempDir();
    const { message } = assertThrows(
      () => settings(endpoint, `--otlp-header=authorization=@${absent}/no`),
      UsageError,
    );
    assert(
      message.startsWith(
        `--otlp-header authorization: cannot read ${absent}/no: No such file`,
      ),
      message,
    );
    await Deno.remove(absent);
  });

  await t.step("of the log", () => {
    const given = parseCommandLine(["--log-format=text", "--log-level=debug"]);
    assertEquals(logOptionsOf(given.options, false), {
      format: "text",
      level: "debug",
    });
    const none = parseCommandLine([]).options;
    assertEquals(logOptionsOf(none, false), { format: "json", level: "info" });
    assertEquals(logOptionsOf(none, true), { format: "text", level: "info" });
    assertEquals(logOptionsOf(none, false, true).format, "text");
    const json = parseCommandLine(["--log-format=json"]).options;
    assertEquals(logOptionsOf(json, true, true).format, "json");
  });

  await t.step("lengthen the valid lifetime to a longer preferred one", () => {
    const { responder: answers } = settings("--preferred-lifetime=7200");
    assertEquals(answers.validLifetime, 7200);
  });

  await t.step("have DNS, domains and time servers as options", () => {
    const { responder: answers } = settings(
      "--dns=2001:db8::1",
      "--domain-search=lab.example",
      "--ntp=2001:db8::2",
      "--ntp=time.example",
    );
    assertEquals(answers.onRequest.map(({ code }) => code), [
      23,
      24,
      56,
      56,
      31,
    ]);
  });

  await t.step("notice what does not count", () => {
    const { notices } = configOf(
      parseCommandLine(["--interface=x", "--base-address=2001:db8::1"]).options,
      presentFiles,
    );
    assertEquals(notices.length, 1);
    assert(notices[0]!.includes("bits are ignored"));
  });

  await t.step("hand on what the command line noticed", () => {
    const { options, notices } = parseCommandLine([
      "--interface=a",
      ...NEEDED,
    ]);
    assertEquals(configOf(options, presentFiles, notices).notices, notices);
    assertEquals(notices.length, 1);
  });

  await t.step("notice an address of HTTPS without a certificate", () => {
    const { notices, https } = settings("-https-listen-addr=:443");
    assertEquals(https, undefined);
    assertEquals(notices.length, 1);
    assert(
      notices[0]!.includes("not served without --tls-cert-file"),
      notices[0],
    );
  });

  await t.step("notice a file of names that is not there", () => {
    const { notices } = settings("--names=/none");
    assertEquals(notices.length, 1);
    assert(notices[0]!.includes("--names /none does not exist"));
  });

  await t.step("notice a host name that firmware cannot look up", () => {
    const named = "--http-boot-url-template=http://boot.example/{{.MAC}}";
    assertEquals(settings(named).notices.length, 1);
    assertEquals(settings(named, "--dns=2001:db8::1").notices, []);
    assertEquals(
      settings("--http-boot-url-template=http://[2001:db8::1]/").notices,
      [],
    );
  });

  await t.step("notice an address that iPXE cannot use with https", () => {
    const template = (host: string) =>
      `--http-boot-url-template=https://${host}/{{.MAC}}`;
    const { notices } = settings(template("[{{.BootAddress}}]"));
    assertEquals(notices.length, 1);
    assert(notices[0]!.includes("iPXE"));
    assertEquals(
      settings(template("boot.example"), "--dns=2001:db8::1").notices,
      [],
    );
  });

  for (
    const [args, ...parts] of [
      [["--base-address=2001:db8:1:2:5::"], "same /64"],
      [
        ["--preferred-lifetime=100", "--valid-lifetime=50"],
        "--valid-lifetime 50",
        "must not be less than",
      ],
      [
        ["--http-boot-url-template=http://h/" + "x".repeat(1000)],
        "1232",
        "--http-boot-url-template",
      ],
      [["--boot-policy=listed"], "--boot-policy listed requires --netboot-dir"],
      [["--boot-policy=once"], "--boot-policy once requires --netboot-dir"],
      [
        ["--base-address=2001:db8:7:8::", "--dns=fe80::1"],
        '--dns: "fe80::1" is a link-local address',
        "behind relays",
      ],
      [
        ["--base-address=2001:db8:7:8::", "--ntp=fe80::1"],
        '--ntp: "fe80::1" is a link-local address',
      ],
      [
        ["--tls-cert-file=c"],
        "--tls-cert-file and --tls-key-file require each other",
      ],
      [
        ["--tls-key-file=c"],
        "--tls-cert-file and --tls-key-file require each other",
      ],
      [["--ipxe-arm64-efi=/none"], "--ipxe-arm64-efi: no such file: /none"],
      [["--ipxe-script=/"], "--ipxe-script: it is no regular file: /"],
      [
        ["--ipxe-x86-64-efi=/dev/zero"],
        "--ipxe-x86-64-efi: it is no regular file: /dev/zero",
      ],
      [[...Array(60).keys()].map((n) => `--dns=2001:db8::${n + 1}`), "1232"],
    ] as [string[], ...string[]][]
  ) {
    await t.step(`refuse ${args.join(" ").slice(0, 60)}`, () => {
      const { message } = assertThrows(() => settings(...args), UsageError);
      for (const part of parts) assert(message.includes(part), message);
    });
  }

  await t.step("refuse an iPXE that is larger than TFTP serves", async () => {
    const file = await Deno.makeTempFile();
    try {
      await Deno.truncate(file, 256 * 1024 * 1024);
      settings(`--ipxe-arm64-efi=${file}`);
      await Deno.truncate(file, 256 * 1024 * 1024 + 1);
      assertThrows(
        () => settings(`--ipxe-arm64-efi=${file}`),
        UsageError,
        `--ipxe-arm64-efi: ${file} exceeds the limit of 256 MiB for TFTP`,
      );
    } finally {
      await Deno.remove(file);
    }
  });

  await t.step("find the base address of a link prefix", () => {
    const { responder } = settings(
      "--base-address=2001:db8:7:8::/64",
      "--link-prefix=fd00::/8=2001:db8:1:2::",
      "--link-prefix=fd00:7::1/64=2001:db8:7:8::5",
      "--link-prefix=2001:db8:7::/48=2001:db8:7:8::/64",
    );
    assertEquals(
      responder.linkPrefixes?.map(({ prefix, subnet }) => [
        prefix.length,
        subnet.text,
      ]),
      [[64, "2001:db8:7:8::"], [48, "2001:db8:7:8::"], [8, "2001:db8:1:2::"]],
    );
  });

  await t.step("serve HTTP to the clients of a link prefix", () => {
    const { allowed } = settings("--link-prefix=fd00:7::/48=2001:db8:1:2::");
    assert(allowed !== "any");
    assertEquals(allowed.map(({ length }) => length), [64, 48]);
    const client = parseIpv6("fd00:7:0:5::1")!;
    assert(allowed.some((prefix) => isInPrefix(client, prefix)));
  });

  for (
    const [reason, ...prefixes] of [
      ["in the /64 of no --base-address", "fd00::/64=2001:db8:9:9::"],
      [
        "of base address 2001:db8:1:2:: already",
        "2001:db8:1:2:3::/80=2001:db8:7:8::",
      ],
      [
        "of base address 2001:db8:1:2:: already",
        "fd00::/64=2001:db8:1:2::",
        "fd00::1/64=2001:db8:7:8::",
      ],
      ["PREFIX=BASE such as", "fd00::/64"],
      ["PREFIX=BASE such as", "fd00::1=2001:db8:1:2::"],
      ["PREFIX=BASE such as", "fd00::/129=2001:db8:1:2::"],
      ["PREFIX=BASE such as", "192.0.2.0/24=2001:db8:1:2::"],
      ["PREFIX=BASE such as", "fd00::/64=2001:db8:1:2::=x"],
      ["beyond one link", "fe80::/10=2001:db8:1:2::"],
      ["beyond one link", "ff00::/8=2001:db8:1:2::"],
      ["a global or unique local IPv6 address", "fd00::/64=lan"],
    ]
  ) {
    await t.step(`refuse a link prefix: ${reason}`, () => {
      const error = assertThrows(
        () =>
          settings(
            "--base-address=2001:db8:7:8::",
            ...prefixes.map((prefix) => `--link-prefix=${prefix}`),
          ),
        UsageError,
        reason,
      );
      assert(error.message.startsWith("--link-prefix"), error.message);
      assert(!error.message.includes("\n"));
    });
  }

  await t.step("need a base address", () => {
    assertThrows(
      () => configOf(parseCommandLine(["--interface=x"]).options, presentFiles),
      UsageError,
      "--base-address is required",
    );
  });
});

Deno.test("documentation", async (t) => {
  await t.step("help has every option, and fits a terminal", () => {
    const help = helpText();
    for (const name of Object.keys(OPTIONS)) {
      assert(help.includes(`  --${name}`), name);
    }
    for (const line of help.split("\n")) assert(line.length <= 80, line);
  });

  await t.step("documented command lines are accepted", () => {
    const root = new URL("../../../", import.meta.url);
    const pages = [...Deno.readDirSync(new URL("docs/", root))]
      .filter(({ name }) => name.endsWith(".md"))
      .map(({ name }) => `docs/${name}`);
    const text = ["README.md", ...pages].map((path) =>
      Deno.readTextFileSync(new URL(path, root))
    ).join("\n");
    const commands = [
      ...text.replaceAll("\\\n", "").matchAll(
        /^(?:sudo )?(?:npx --yes deno@[0-9.]+ task start|deno task start|(?:\.\/)?dhcpv6macd) ([^|>#\n]*)/gm,
      ),
    ].map((match) => match[1]!);
    assert(commands.length >= 12, String(commands));
    for (const command of commands) {
      const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) =>
        match[1] ?? match[2]!
      );
      const { options, words } = parseCommandLine(args);
      if (words.length === 0 && !options.help) {
        configOf({ ...options, interface: "lo" }, presentFiles);
      }
    }
  });
});
