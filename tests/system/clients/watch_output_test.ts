import { assert, assertEquals, assertMatch } from "@std/assert";
import { MAX_STATE_LINES } from "../../../lib/overload/limits.ts";
import { eventually, pause } from "../../support/lab.ts";
import { FixtureDaemon } from "../../support/watch_fixture.ts";
import {
  colorfulEnvironment,
  watchCommand,
  Watching,
} from "../../support/watch_program.ts";
import {
  ADDRESS,
  again,
  event,
  MAC,
  machine,
  OTHER_ADDRESS,
  OTHER_MAC,
  transfer,
} from "../../support/watch_samples.ts";

const ESCAPE = "\x1b";

const OLDER = machine(
  OTHER_MAC,
  OTHER_ADDRESS,
  event("init", 0),
  event("os_init", 1),
);
const NEWER = machine(
  MAC,
  ADDRESS,
  event("init", 2),
  event("firmware_init", 3),
);

/** A line without its time. */
function withoutTime(line: string): string {
  return line.replace(/^([0-9-]{10} )?[0-9:]{8}\.[0-9]{3} +/, "");
}

/** The object of a line of JSON. */
function jsonOf(daemon: FixtureDaemon, event: unknown, more = {}) {
  return {
    daemon: daemon.url,
    mac: MAC,
    ipv6_address: ADDRESS,
    event,
    ...more,
  };
}

/** Adds `count` machines to a daemon, the one with the newest event last. */
function manyMachines(daemon: FixtureDaemon, count: number): void {
  for (let index = 0; index < count; index++) {
    const mac = `02:00:00:00:${
      (0x1000 + index).toString(16).replace(/^(..)/, "$1:")
    }`;
    daemon.state[mac] = machine(mac, ADDRESS, event("init", index));
  }
}

const KEPT = { kept: true };

Deno.test("watch", async (t) => {
  await t.step(
    "shows the state, newest last, then each event, without colors",
    async () => {
      await using daemon = new FixtureDaemon();
      daemon.state = { [MAC]: NEWER, [OTHER_MAC]: OLDER };
      daemon.names = { [MAC]: "alpha" };
      await using watching = new Watching(watchCommand(daemon.url));
      await watching.wrote(2);
      daemon.emit(MAC, ADDRESS, event("http_boot", 4));
      daemon.emit(
        MAC,
        ADDRESS,
        event("http_fetch_uki", 5, transfer("sending", 1)),
      );
      await watching.wrote(4);
      const lines = watching.lines.map(withoutTime);
      assertMatch(
        lines[0]!,
        RegExp(
          `^${OTHER_MAC}         ${OTHER_ADDRESS}  System is up, for `,
        ),
      );
      assertMatch(
        lines[1]!,
        RegExp(
          `^${MAC}  alpha  ${ADDRESS}  Firmware is running, for `,
        ),
      );
      assertEquals(lines.slice(2), [
        `${MAC}  alpha  ${ADDRESS}  Firmware has its boot URL (Firmware lasted 1.0 s)`,
        `${MAC}  alpha  ${ADDRESS}  Loading the system  boot.efi over HTTP: 25 %, 1.0 of 4.0 MiB (HTTP boot lasted 1.0 s)`,
      ]);
      assertEquals(await watching.end("SIGINT"), 0);
      assertEquals(watching.stderr, "");
      assert(!watching.stdout.includes(ESCAPE));
      assertEquals(daemon.requests, [{
        lastEventId: null,
        query: "?resume=1",
        accept: "text/event-stream",
      }]);
    },
  );

  await t.step(
    "--json: writes each event as the daemon sends it",
    async () => {
      await using daemon = new FixtureDaemon();
      daemon.state = { [MAC]: NEWER, [OTHER_MAC]: OLDER };
      await using watching = new Watching(watchCommand("--json", daemon.url));
      await watching.wrote(4);
      const happened = [
        event("jump_to", 4),
        { ...event("http_fetch_uki", 4, transfer("init", 0)), later: true },
        again("http_fetch_uki", 5, transfer("complete", 4)),
        event("unsupported_architecture", 6),
      ];
      for (const event of happened) daemon.emit(MAC, ADDRESS, event);
      await watching.wrote(8);
      const other = { mac: OTHER_MAC, ipv6_address: OTHER_ADDRESS };
      assertEquals(watching.objects, [
        jsonOf(daemon, event("init", 0), { ...other, ...KEPT }),
        jsonOf(daemon, event("os_init", 1), { ...other, ...KEPT }),
        jsonOf(daemon, event("init", 2), KEPT),
        jsonOf(daemon, event("firmware_init", 3), KEPT),
        ...happened.map((event) => jsonOf(daemon, event)),
      ]);
      assertEquals(await watching.end("SIGTERM"), 0);
      assertEquals(watching.stderr, "");
    },
  );

  await t.step(
    "resumes a connection: no event is missed or doubled",
    async () => {
      await using daemon = new FixtureDaemon();
      daemon.state = { [MAC]: NEWER };
      await using watching = new Watching(watchCommand("--json", daemon.url));
      await watching.wrote(2);
      daemon.emit(MAC, ADDRESS, event("http_boot", 4));
      await watching.wrote(3);
      daemon.drop();
      daemon.emit(MAC, ADDRESS, event("http_fetch_uki", 5));
      daemon.emit(MAC, ADDRESS, event("os_init", 6));
      await watching.wrote(5);
      daemon.drop();
      await eventually("reader", () => daemon.readers === 1);
      daemon.emit(MAC, ADDRESS, again("os_init", 7));
      await watching.wrote(6);
      assertEquals(
        watching.objects.slice(2),
        [
          event("http_boot", 4),
          event("http_fetch_uki", 5),
          event("os_init", 6),
          again("os_init", 7),
        ].map((event) => jsonOf(daemon, event)),
      );
      assertEquals(
        daemon.requests.map(({ lastEventId, query }) => [lastEventId, query]),
        [[null, "?resume=1"], ["one-1", "?resume=1"], ["one-3", "?resume=1"]],
      );
      const away =
        "dhcpv6macd: 127.0.0.1 is unreachable: it ended the stream; retrying\n";
      const back = "dhcpv6macd: 127.0.0.1 is connected again\n";
      assertEquals(watching.stderr, away + back + away + back);
      assertEquals(await watching.end(), 0);
    },
  );

  await t.step(
    "shows the events from the time of a daemon's restart",
    async () => {
      await using daemon = new FixtureDaemon("one");
      daemon.state = { [MAC]: NEWER };
      await using json = new Watching(watchCommand("--json", daemon.url));
      await using text = new Watching(watchCommand(daemon.url));
      await json.wrote(2);
      await text.wrote(1);
      await daemon.stop();
      const refusals = daemon.requests.length;
      await pause(1500);
      const events = [event("init", 50), event("jump_to", 51)];
      events.push(event("os_init", 51));
      daemon.state = {
        [MAC]: machine(MAC, ADDRESS, ...events),
        [OTHER_MAC]: machine(OTHER_MAC, OTHER_ADDRESS, event("init", 50.5)),
      };
      daemon.start("two");
      await json.wrote(6);
      await text.wrote(4);
      await eventually("readers", () => daemon.readers === 2);
      assertEquals(daemon.requests.length, refusals + 2);
      assertEquals(daemon.requests.at(-1)!.lastEventId, "one-0");
      daemon.emit(MAC, ADDRESS, again("os_init", 60));
      await json.wrote(7);
      await text.wrote(5);
      assertEquals(json.objects.slice(2), [
        jsonOf(daemon, events[0], KEPT),
        jsonOf(daemon, event("init", 50.5), {
          mac: OTHER_MAC,
          ipv6_address: OTHER_ADDRESS,
          ...KEPT,
        }),
        jsonOf(daemon, events[1], KEPT),
        jsonOf(daemon, events[2], KEPT),
        jsonOf(daemon, again("os_init", 60)),
      ]);
      assertEquals(text.lines.slice(1).map(withoutTime), [
        `${MAC}  ${ADDRESS}  Seen for the first time`,
        `${OTHER_MAC}  ${OTHER_ADDRESS}  Seen for the first time`,
        `${MAC}  ${ADDRESS}  earlier steps not seen: System is up (Seen lasted 1.0 s)`,
        `${MAC}  ${ADDRESS}  System is up, again`,
      ]);
      for (const { stderr } of [json, text]) {
        assertMatch(
          stderr,
          /^[^\n]* is unreachable: [^\n]*\n[^\n]* is connected again\n$/,
        );
      }
    },
  );

  await t.step("shows one machine, seen or not", async () => {
    await using daemon = new FixtureDaemon();
    daemon.state = { [MAC]: NEWER, [OTHER_MAC]: OLDER };
    const query = `${daemon.url}/?mac=${MAC}`;
    await using watching = new Watching(watchCommand("--json", query));
    await watching.wrote(2);
    assertEquals(
      watching.objects.map((line) => (line as { mac: string }).mac),
      [MAC, MAC],
    );
    assertEquals(
      daemon.requests[0]!.query,
      "?mac=02%3A00%3A5e%3A00%3A53%3A01&resume=1",
    );
    await watching.end();

    daemon.state = {};
    await using unseen = new Watching(watchCommand(query));
    await unseen.until("its word", ({ stderr }) => stderr.endsWith("\n"));
    assertEquals(
      unseen.stderr,
      "dhcpv6macd: 127.0.0.1 has seen no machine yet\n",
    );
    daemon.emit(MAC, ADDRESS, event("init", 1));
    await unseen.wrote(1);
    assertEquals(unseen.lines.map(withoutTime), [
      `${MAC}  ${ADDRESS}  Seen for the first time`,
    ]);
  });

  await t.step(
    "merges daemons: labeled, with one line for duplicates",
    async () => {
      await using first = new FixtureDaemon();
      await using second = new FixtureDaemon();
      const [one, two] = [first, second].map(({ port }) => `127.0.0.1:${port}`);
      first.state = { [MAC]: NEWER };
      second.names = { [MAC]: "alpha" };
      await using text = new Watching(watchCommand(one!, two!));
      await using json = new Watching(watchCommand("--json", one!, two!));
      await text.wrote(1);
      await json.wrote(2);
      for (const daemon of [first, second]) {
        await eventually("readers", () => daemon.readers === 2);
      }
      for (const daemon of [first, second]) {
        daemon.emit(MAC, ADDRESS, event("point_pxe_to_ipxe_over_tftp", 4));
      }
      await text.wrote(2);
      const loads = event("serve_ipxe_over_tftp", 5, transfer("init", 0));
      second.emit(MAC, ADDRESS, loads);
      await text.wrote(3);
      await json.wrote(5);
      const [state, joined, own] = text.lines.map(withoutTime);
      assert(state!.startsWith(`${one}  ${MAC}`), state);
      assertMatch(
        joined!,
        RegExp(
          `^${
            [one, two].sort()
          }  ${MAC}  alpha  .*Firmware has the URL of iPXE`,
        ),
      );
      assertMatch(
        own!,
        RegExp(`^${two} +${MAC}  .*Loading iPXE  boot.efi over HTTP: `),
      );
      const daemons = json.objects.map((line) =>
        (line as { daemon: string }).daemon
      );
      assertEquals(daemons.slice(2, 4).sort(), [first.url, second.url].sort());
      assertEquals(daemons[4], second.url);
      await first.stop();
      await text.until("away", ({ stderr }) => / is unreachable/.test(stderr));
      second.emit(MAC, ADDRESS, event("os_init", 6));
      await text.wrote(4);
    },
  );

  for (
    const [what, refusal, cure] of [
      ["403", new Response(null, { status: 403 }), /--http-allow/],
      ["404", new Response(null, { status: 404 }), /leave the path out/],
      [
        "421",
        new Response(null, { status: 421 }),
        /the name 127\.0\.0\.1 .*--http-host 127\.0\.0\.1, or/,
      ],
      ["a web page", new Response("<html>"), /is there a dhcpv6macd\?/],
      [
        "a stream of something else",
        new Response("data: hello\n\n", {
          headers: { "content-type": "text/event-stream" },
        }),
        /its events are no JSON/,
      ],
    ] as [string, Response, RegExp][]
  ) {
    await t.step(`gives a remedy for ${what}`, async () => {
      await using daemon = new FixtureDaemon();
      daemon.refusal = refusal;
      await using watching = new Watching(watchCommand(daemon.url));
      assertEquals(await watching.ended(), 1);
      assertEquals(watching.stdout, "");
      assertMatch(
        watching.stderr,
        /^dhcpv6macd: 127\.0\.0\.1 cannot be watched: [^\n]+\n$/,
      );
      assertMatch(watching.stderr, cure);
    });
  }

  await t.step(
    "continues with daemons that do not refuse",
    async () => {
      await using refusing = new FixtureDaemon();
      refusing.refusal = new Response(null, { status: 403 });
      await using away = new FixtureDaemon();
      away.state = { [MAC]: NEWER };
      await away.stop();
      await using watching = new Watching(watchCommand(refusing.url, away.url));
      await watching.until(
        "both words",
        ({ stderr }) => stderr.split("\n").length === 3,
      );
      assertMatch(watching.stderr, / is unreachable: .*refused.*; retrying\n/);
      away.start("one");
      await watching.wrote(1);
      assertEquals(await watching.end(), 0);
      assertMatch(watching.stderr, / is connected again\n$/);
    },
  );

  await t.step("ends although its reader has stalled", async () => {
    await using daemon = new FixtureDaemon();
    manyMachines(daemon, 4000);
    const [program, ...args] = watchCommand(daemon.url);
    const child = new Deno.Command(program!, { args, stdout: "piped" }).spawn();
    await eventually("reader", () => daemon.readers === 1);
    await pause(1000);
    child.kill("SIGINT");
    const stuck = setTimeout(() => child.kill("SIGKILL"), 15_000);
    assertEquals((await child.status).code, 0);
    clearTimeout(stuck);
    await child.stdout.cancel();
  });

  await t.step(
    "ends without an error when the reader closes the pipe",
    async () => {
      await using daemon = new FixtureDaemon();
      daemon.state = { [MAC]: NEWER, [OTHER_MAC]: OLDER };
      const command = watchCommand(daemon.url);
      await using shell = new Watching([
        "sh",
        "-c",
        '{ "$@"; echo "exit code $?" >&2; } | head -n 1',
        "sh",
        ...command,
      ]);
      await shell.wrote(1);
      // The first write to the closed pipe ends it.
      for (let second = 0; daemon.readers > 0 && second < 100; second++) {
        daemon.emit(MAC, ADDRESS, again("firmware_init", second));
        await pause(100);
      }
      assertEquals(await shell.ended(), 0);
      assertEquals(shell.stderr, "exit code 0\n");
      assertEquals(shell.lines.length, 1);
    },
  );

  const hasScript = new Deno.Command("which", {
    args: ["script"],
    stdout: "null",
    stderr: "null",
  }).outputSync().success;
  if (!hasScript) {
    console.error(
      "\n*** NOT RUN: watch on a terminal needs script of util-linux ***\n",
    );
  }
  const ignoreOnTerminal = !hasScript;

  /** Runs watch on a terminal. */
  function atTerminal(url: string, env: Record<string, string>): Watching {
    const words = watchCommand(url).map((word) =>
      `'${word.replaceAll("'", "'\\''")}'`
    );
    return new Watching(
      ["script", "-qefc", `exec ${words.join(" ")}`, "/dev/null"],
      { ...colorfulEnvironment(), ...env },
    );
  }

  await t.step({
    name: "has colors on a terminal, unless NO_COLOR is set",
    ignore: ignoreOnTerminal,
    fn: async () => {
      await using daemon = new FixtureDaemon();
      daemon.state = { [MAC]: NEWER };
      daemon.names = { [MAC]: `al${ESCAPE}[2Jpha` };
      await using colorful = atTerminal(daemon.url, {});
      await colorful.wrote(1);
      assert(colorful.stdout.includes(`${ESCAPE}[1m${MAC}${ESCAPE}[0m`));
      assert(colorful.stdout.includes("al\\u{1b}[2Jpha"), colorful.stdout);
      await using plain = atTerminal(daemon.url, { NO_COLOR: "1" });
      await plain.wrote(1);
      assert(plain.stdout.includes(`  ${MAC}  al`), plain.stdout);
      assert(!plain.stdout.includes(ESCAPE), plain.stdout);
    },
  });

  await t.step({
    name: "limits the lines of a state on a terminal, not in a pipe",
    ignore: ignoreOnTerminal,
    fn: async () => {
      await using daemon = new FixtureDaemon();
      const count = 3 * MAX_STATE_LINES;
      manyMachines(daemon, count);
      await using terminal = atTerminal(daemon.url, { NO_COLOR: "1" });
      await using pipe = new Watching(watchCommand(daemon.url));
      await terminal.wrote(MAX_STATE_LINES + 1);
      await pipe.wrote(count);
      assertMatch(
        terminal.lines[0]!,
        RegExp(`^${count - MAX_STATE_LINES} mach`),
      );
      assertEquals(terminal.lines.length, MAX_STATE_LINES + 1);
      const last = Object.keys(daemon.state).at(-1)!;
      for (const { lines } of [terminal, pipe]) {
        assert(lines.at(-1)!.includes(last), lines.at(-1));
      }
    },
  });
});
