import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { helpText } from "../../lib/cli/help.ts";
import {
  type OptionName,
  OPTIONS,
  type OptionSpec,
  parseCommandLine,
} from "../../lib/cli/options.ts";
import { settingsOf } from "../../lib/cli/settings.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";
import { formatIpv6 } from "../../lib/net/ipv6.ts";

const NEEDED = ["--interface=eth1", "--base-address=2001:db8:1:2::"];

function settings(...args: string[]) {
  return settingsOf(parseCommandLine([...NEEDED, ...args]).options);
}

describe("command line", () => {
  it("takes one dash or two, a blank or an equals sign", () => {
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

  it("takes words among the options, and everything behind --", () => {
    assertEquals(
      parseCommandLine(["address", "-interface=eth1", "a", "--", "-b"]).words,
      ["address", "a", "-b"],
    );
    assertEquals(parseCommandLine(["02005e005301"]).words, ["02005e005301"]);
    assertEquals(parseCommandLine(["000000000012"]).words, ["000000000012"]);
  });

  it("collects what is repeatable", () => {
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

  it("takes an empty value for none", () => {
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
    assertEquals(options.preference, undefined);
  });

  it("knows switches", () => {
    assertEquals(parseCommandLine(["-check", "--help"]).options.check, true);
    assertEquals(parseCommandLine(["--check=false"]).options.check, undefined);
    assertEquals(parseCommandLine([]).options.version, undefined);
  });

  for (
    const [args, ...parts] of [
      [["--interfaces=eth1"], "unknown option --interfaces", "--help"],
      [["-x"], "unknown option -x"],
      [["--" + "no-check"], "unknown option --no-check"],
      [["--interface"], "--interface needs a value", "NAME"],
      [["--interface", "--preference=1"], "--interface needs a value"],
      [["--interface=a", "-interface=b"], "--interface can be given once"],
      [["--interface=eth 1"], "--interface", '"eth 1"', "such as eth1"],
      [["--interface=averylongnameindeed"], "--interface"],
      [["--help=7"], "--help takes no value"],
      [["--base-address=2001:db8::/64"], "--base-address", "such as"],
      [["--base-address=fe80::"], "--base-address"],
      [["--base-address=ff02::"], "--base-address"],
      [["--base-address=::"], "--base-address"],
      [["--base-address=192.0.2.1"], "--base-address"],
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
      [
        ["--http-boot-url-template=http://h/{{.Mac}}"],
        "--http-boot-url-template",
        "column 12",
      ],
      [["--boot-address=eth1"], "--boot-address"],
    ] as [string[], ...string[]][]
  ) {
    it(`refuses ${args.join(" ")}`, () => {
      const { message } = assertThrows(
        () => parseCommandLine(args),
        UsageError,
      );
      for (const part of parts) assert(message.includes(part), message);
      assert(!message.includes("\n"), message);
    });
  }
});

describe("settings", () => {
  it("have the documented defaults", () => {
    const { port, answers, maxMachines, template, notices } = settings();
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

  it("lengthen the valid lifetime to a longer preferred one", () => {
    const { answers } = settings("--preferred-lifetime=7200");
    assertEquals(answers.validLifetime, 7200);
  });

  it("have DNS, domains and time servers as options", () => {
    const { answers } = settings(
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

  it("notice what does not count", () => {
    const { notices } = settingsOf(
      parseCommandLine(["--interface=x", "--base-address=2001:db8::1"]).options,
    );
    assertEquals(notices.length, 1);
    assert(notices[0]!.includes("do not count"));
  });

  it("notice a host name that firmware cannot look up", () => {
    const named = "--http-boot-url-template=http://boot.example/{{.MAC}}";
    assertEquals(settings(named).notices.length, 1);
    assertEquals(settings(named, "--dns=2001:db8::1").notices, []);
    assertEquals(
      settings("--http-boot-url-template=http://[2001:db8::1]/").notices,
      [],
    );
  });

  for (
    const [args, ...parts] of [
      [["--base-address=2001:db8:1:2:5::"], "same /64"],
      [
        ["--preferred-lifetime=100", "--valid-lifetime=50"],
        "--valid-lifetime 50",
        "shorter",
      ],
      [["--http-boot-url-template=http://h/" + "x".repeat(1000)], "1232"],
      [[...Array(60).keys()].map((n) => `--dns=2001:db8::${n + 1}`), "1232"],
    ] as [string[], ...string[]][]
  ) {
    it(`refuse ${args.join(" ").slice(0, 60)}`, () => {
      const { message } = assertThrows(() => settings(...args), UsageError);
      for (const part of parts) assert(message.includes(part), message);
    });
  }

  it("need a base address", () => {
    assertThrows(
      () => settingsOf(parseCommandLine(["--interface=x"]).options),
      UsageError,
      "--base-address is required",
    );
  });
});

describe("documentation", () => {
  const readme = Deno.readTextFileSync(
    new URL("../../README.md", import.meta.url),
  );

  it("help has every option, and fits a terminal", () => {
    const help = helpText();
    for (const name of Object.keys(OPTIONS)) {
      assert(help.includes(`  --${name}`), name);
    }
    for (const line of help.split("\n")) assert(line.length <= 80, line);
  });

  it("README's table has every option and no other, with its default", () => {
    const rows = [...readme.matchAll(/^\| `([a-z0-9-]+)` +\| (.*?) +\|/gm)];
    assertEquals(
      rows.map((row) => row[1]!).toSorted(),
      Object.keys(OPTIONS).toSorted(),
    );
    for (const [, name, fallback] of rows) {
      const spec: OptionSpec<unknown> = OPTIONS[name as OptionName];
      assertEquals(fallback, spec.fallback ?? "", name);
    }
  });

  it("README's command lines are accepted", () => {
    const commands = [
      ...readme.replaceAll("\\\n", "").matchAll(
        /^(?:sudo )?(?:npx --yes deno@2\.6\.8 task start|deno task start|(?:\.\/)?dhcpv6macd) ([^|>#\n]*)/gm,
      ),
    ].map((match) => match[1]!);
    assert(commands.length >= 5, String(commands));
    for (const command of commands) {
      const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) =>
        match[1] ?? match[2]!
      );
      const { options, words } = parseCommandLine(args);
      if (words.length === 0 && !options.help) {
        settingsOf({ ...options, interface: "lo" });
      }
    }
  });
});
