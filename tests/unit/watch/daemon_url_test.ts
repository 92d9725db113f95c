import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  DaemonUrlError,
  labelsOf,
  parseDaemonUrl,
} from "../../../lib/watch/daemon_url.ts";

Deno.test("URLs of daemons", async (t) => {
  for (
    const [given, events, text] of [
      [
        "http://[2001:db8::1]:6315",
        "http://[2001:db8::1]:6315/events?resume=1",
        "http://[2001:db8::1]:6315",
      ],
      [
        "http://[2001:db8::1]:6315/events",
        "http://[2001:db8::1]:6315/events?resume=1",
        "http://[2001:db8::1]:6315",
      ],
      [
        "http://[2001:DB8::1]:6315/?mac=0200.5e00.5301#x",
        "http://[2001:db8::1]:6315/events?mac=0200.5e00.5301&resume=1",
        "http://[2001:db8::1]:6315/events?mac=0200.5e00.5301",
      ],
      [
        "https://lab.example/r1/events?resume=0",
        "https://lab.example/r1/events?resume=1",
        "https://lab.example/r1/events?resume=0",
      ],
      ["http://r1", "http://r1/events?resume=1", "http://r1"],
      ["r1", "http://r1:6315/events?resume=1", "http://r1:6315"],
      ["r1.lab:80", "http://r1.lab/events?resume=1", "http://r1.lab"],
      [
        "r1?mac=02:00:5e:00:53:01",
        "http://r1:6315/events?mac=02%3A00%3A5e%3A00%3A53%3A01&resume=1",
        "http://r1:6315/events?mac=02:00:5e:00:53:01",
      ],
      [
        "r1?mac=",
        "http://r1:6315/events?mac=&resume=1",
        "http://r1:6315/events?mac=",
      ],
      [
        "2001:db8::1",
        "http://[2001:db8::1]:6315/events?resume=1",
        "http://[2001:db8::1]:6315",
      ],
      [
        "[2001:db8::1]",
        "http://[2001:db8::1]:6315/events?resume=1",
        "http://[2001:db8::1]:6315",
      ],
      [
        "[2001:db8::1]:6316/events",
        "http://[2001:db8::1]:6316/events?resume=1",
        "http://[2001:db8::1]:6316",
      ],
      [
        "192.0.2.1",
        "http://192.0.2.1:6315/events?resume=1",
        "http://192.0.2.1:6315",
      ],
    ] as [string, string, string][]
  ) {
    await t.step(given, () => {
      const daemon = parseDaemonUrl(given);
      assertEquals([daemon.events.href, daemon.text], [events, text]);
    });
  }

  await t.step("derives the URL of the names", () => {
    for (
      const [given, names] of [
        ["r1", "http://r1:6315/names"],
        ["r1?mac=02005e005301", "http://r1:6315/names"],
        ["https://lab.example/r1/events", "https://lab.example/r1/names"],
        ["https://lab.example/elsewhere", undefined],
        // a path that begins with two slashes must not become a host
        ["r1//evil.example/events", "http://r1:6315//evil.example/names"],
        ["r1///events", "http://r1:6315///names"],
      ] as const
    ) {
      assertEquals(parseDaemonUrl(given).names?.href, names);
    }
  });

  for (
    const [given, sentence] of [
      ["", /^"" is no URL of a daemon: give a URL such as http/],
      ["ftp://r1", /^"ftp:\/\/r1" is no URL of a daemon/],
      ["r1:port", /^"r1:port" is no URL of a daemon/],
      ["r1:99999", /^"r1:99999" is no URL of a daemon/],
      ["two words", /^"two words" is no URL of a daemon/],
      ["\x1b[31m", /^"\\u\{1b\}\[31m" is no URL of a daemon/],
      ["2001:db8:::1", /is no URL of a daemon/],
      ["fe80::1%eth0", /has a link-local address with an interface/],
      ["http://[fe80::1%25eth0]:6315", /give another address of that daemon$/],
      ["http://me:secret@r1", /has a user name or a password/],
      ["r1?mac=02", /^"02" is not a machine's MAC such as/],
    ] as [string, RegExp][]
  ) {
    await t.step(`refuses ${JSON.stringify(given)}`, () => {
      assertMatch(
        assertThrows(() => parseDaemonUrl(given), DaemonUrlError).message,
        sentence,
      );
    });
  }

  await t.step("labels daemons with the shortest unique part", () => {
    for (
      const [given, labels] of [
        [["r1.lab.example", "r2.lab.example"], ["r1", "r2"]],
        [["r1.north.example", "r1.south.example"], [
          "r1.north.example",
          "r1.south.example",
        ]],
        [[".", ".lab.example"], [".", ".lab.example"]],
        [["r1", "r1:6316"], ["r1:6315", "r1:6316"]],
        [["2001:db8::1", "192.0.2.1"], ["2001:db8::1", "192.0.2.1"]],
        [["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"]],
        [["r1", "r1?mac=02005e005301"], [
          "http://r1:6315",
          "http://r1:6315/events?mac=02005e005301",
        ]],
      ] as [string[], string[]][]
    ) {
      assertEquals(labelsOf(given.map((url) => parseDaemonUrl(url))), labels);
    }
  });
});
