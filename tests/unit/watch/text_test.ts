import { assert, assertEquals, assertMatch } from "@std/assert";
import type { MachineEvent } from "../../../lib/watch/message.ts";
import {
  colored,
  Columns,
  eventText,
  type LineOptions,
  lineText,
  plain,
  timelineText,
  timeText,
} from "../../../lib/watch/text.ts";
import { Timelines } from "../../../lib/watch/timelines.ts";
import {
  ADDRESS,
  again,
  event,
  MAC,
  transfer,
} from "../../support/watch_samples.ts";

/** The words for the last of these events. */
function words(...events: MachineEvent[]): string | undefined {
  const timelines = new Timelines(1);
  return events.map((event) =>
    eventText(timelines.add(MAC, ADDRESS, event), plain)
  ).at(-1);
}

/** Words for the state of a machine with these events, 70 s after the start. */
function stateWords(...events: MachineEvent[]): string {
  const [update] = new Timelines(1).replace([
    { mac: MAC, address: ADDRESS, events },
  ]);
  const now = Date.parse(event("", 70).timestamp);
  return timelineText(update!.timeline, now, plain);
}

Deno.test("words of events", async (t) => {
  for (
    const [events, text] of [
      [[event("init", 0)], "Seen for the first time"],
      [
        [event("init", 0), event("firmware_init", 0.2)],
        "Firmware is running (Seen lasted 200 ms)",
      ],
      [
        [event("firmware_init", 0), again("firmware_init", 4)],
        "Firmware is running, again",
      ],
      [
        [event("firmware_init", 0), event("http_boot", 4.25)],
        "Firmware has its boot URL (Firmware lasted 4.2 s)",
      ],
      [
        [
          event("os_init", 0),
          event("jump_to", 7500),
          event("point_pxe_to_ipxe_over_tftp", 7500),
        ],
        "new boot: Firmware has the URL of iPXE (Up lasted 2 h 5 min)",
      ],
      [
        [event("init", 0), event("jump_to", 1), event("os_init", 1)],
        "earlier steps not seen: System is up (Seen lasted 1.0 s)",
      ],
      [[event("jump_to", 1)], undefined],
      [
        [event("jump_to", 1), event("address_declined", 1)],
        "Its address is in use by another machine",
      ],
      [
        [event("boot_refused", 0, {
          protocol: "http",
          path: "/mac/x/\x1b.efi",
          reason: "not found",
        })],
        "Boot refused: /mac/x/\\u{1b}.efi over HTTP: not found",
      ],
      [[event("boot_refused", 0, { reason: "x" })], "Boot refused"],
      [[event("unsupported_architecture", 0)], "No iPXE for its architecture"],
      [[event("http_fetch_uki", 0)], "Loading the system"],
      [
        [event("http_fetch_uki", 0, transfer("init", 0))],
        "Loading the system  boot.efi over HTTP: 0 %, 0.0 of 4.0 MiB",
      ],
      [
        [
          event("http_fetch_uki", 0, transfer("init", 0)),
          again("http_fetch_uki", 2, transfer("sending", 3.999)),
        ],
        "Loading the system  boot.efi over HTTP: 99 %, 4.0 of 4.0 MiB",
      ],
      [
        [
          event("http_fetch_uki", 0, transfer("init", 0)),
          again("http_fetch_uki", 12, transfer("complete", 4)),
        ],
        "Starting the system  boot.efi over HTTP: 4.0 MiB, complete in 12 s",
      ],
      [
        [
          event(
            "serve_ipxe_over_tftp",
            0,
            transfer("error", 1, { protocol: "tftp", error: "gave\nup" }),
          ),
        ],
        "Loading iPXE failed  boot.efi over TFTP: error after 1.0 of 4.0 MiB: gave\\u{a}up",
      ],
      [
        [event(
          "http_fetch_uki",
          0,
          transfer("init", 0, { file_name: "\x1b[2J.efi", total_bytes: 0 }),
        )],
        "Loading the system  \\u{1b}[2J.efi over HTTP: 0 of 0 B",
      ],
      [[event("of\x1bthe_future", 0)], "of\\u{1b}the_future"],
    ] as [MachineEvent[], string | undefined][]
  ) {
    await t.step(
      text ?? "nothing for a jump",
      () => assertEquals(words(...events), text),
    );
  }
});

Deno.test("words of states", async (t) => {
  for (
    const [events, text] of [
      [
        [event("init", 0), event("os_init", 6)],
        "System is up, for 1 min 4 s",
      ],
      [
        [event("http_fetch_uki", 65, transfer("sending", 1))],
        "Loading the system  boot.efi over HTTP: 25 %, 1.0 of 4.0 MiB, for 5.0 s",
      ],
      [
        [event("os_init", 10), event("address_declined", 20)],
        "System is up, for 1 min; Its address is in use by another machine",
      ],
      [
        [
          event("http_boot", 10),
          event("boot_refused", 20, {
            protocol: "tftp",
            path: "a.efi",
            reason: "no MAC in the path",
          }),
        ],
        "Firmware has its boot URL, for 1 min; Boot refused: a.efi over TFTP: no MAC in the path",
      ],
      [[event("jump_to", 1)], "no stage known"],
      [[event("os_init", 99)], "System is up, for 0 ms"],
    ] as [MachineEvent[], string][]
  ) {
    await t.step(text, () => assertEquals(stateWords(...events), text));
  }
});

Deno.test("a machine that is away", async (t) => {
  const at = (second: number) => Date.parse(event("", second).timestamp);
  const timelines = new Timelines(1);
  const words = (state: string) => {
    const [update] = timelines.replace([{
      mac: MAC,
      address: ADDRESS,
      events: [event("os_init", state.length)],
      state,
      lastHeard: at(20),
    }]);
    return timelineText(update!.timeline, at(70), plain);
  };
  await t.step("says how, and since when", () => {
    assertMatch(words("online"), /^System is up, for [^;]+$/);
    assertMatch(words("released"), /; released, last heard 50 s ago$/);
    assertMatch(words("offline"), /; offline, last heard 50 s ago$/);
  });
});

Deno.test("lines", async (t) => {
  const now = new Date(2026, 2, 4, 12, 0, 0).getTime();
  const at = new Date(2026, 2, 4, 5, 6, 7, 89).getTime();
  const subject = { at, labels: ["r1"], mac: MAC, address: ADDRESS };

  function options(more: Partial<LineOptions> = {}): LineOptions {
    return { paint: plain, columns: new Columns(), isLabeled: false, ...more };
  }

  await t.step("are when, which machine, what", () => {
    assertEquals(
      lineText({ ...subject, name: undefined }, "words", now, options()),
      `05:06:07.089  ${MAC}  ${ADDRESS}  words`,
    );
  });

  await t.step(
    "name daemons where there are several, and machines that have a name",
    () => {
      assertEquals(
        lineText(
          { ...subject, labels: ["r1", "r2"], name: "alpha\x07" },
          "words",
          now,
          options({ isLabeled: true }),
        ),
        `05:06:07.089  r1,r2  ${MAC}  alpha\\u{7}  ${ADDRESS}  words`,
      );
    },
  );

  await t.step("keep their columns", () => {
    const one = options({ isLabeled: true });
    lineText({ ...subject, labels: ["r1", "r2"], name: "alpha" }, "", now, one);
    assertEquals(
      lineText(
        { ...subject, name: undefined, address: "::1" },
        "words",
        now,
        one,
      ),
      `05:06:07.089  r1     ${MAC}         ${"::1".padEnd(28)}  words`,
    );
  });

  await t.step("have colors that change no character", () => {
    const text = lineText(
      { ...subject, name: "alpha" },
      colored("good", "words"),
      now,
      options({ paint: colored, isLabeled: true }),
    );
    assert(text.endsWith("\x1b[32mwords\x1b[0m"), text);
    assertEquals(
      text.split("\x1b").map((part) => part.replace(/^\[[0-9]+m/, "")).join(""),
      lineText(
        { ...subject, name: "alpha" },
        "words",
        now,
        options({ isLabeled: true }),
      ),
    );
  });
});

Deno.test("numbers for people", async (t) => {
  await t.step("times, with the date of another day", () => {
    const at = new Date(2026, 2, 4, 5, 6, 7, 89).getTime();
    const next = new Date(2026, 2, 5, 0, 0, 0).getTime();
    assertEquals(timeText(at, at), "05:06:07.089");
    assertEquals(timeText(at, next), "2026-03-04 05:06:07.089");
  });
});
