import { assert, assertEquals } from "@std/assert";
import type { MachineEvent } from "../../../lib/watch/message.ts";
import {
  bytesText,
  coloured,
  Columns,
  durationText,
  happeningWords,
  line,
  plain,
  timelineWords,
  timeText,
  type ViewOptions,
} from "../../../lib/watch/text.ts";
import { Timelines } from "../../../lib/watch/timelines.ts";
import { ADDRESS, again, event, MAC, transfer } from "./samples.ts";

/** The words for the last of these events. */
function words(...events: MachineEvent[]): string | undefined {
  const timelines = new Timelines(1);
  return events.map((event) =>
    happeningWords(timelines.take(MAC, ADDRESS, event), plain)
  ).at(-1);
}

/** Words for the state of a machine with these events, 70 s after the start. */
function stateWords(...events: MachineEvent[]): string {
  const [news] = new Timelines(1).replace([
    { mac: MAC, address: ADDRESS, events },
  ]);
  const now = Date.parse(event("", 70).timestamp);
  return timelineWords(news!.timeline, now, plain);
}

Deno.test("words of events", async (t) => {
  for (
    const [events, text] of [
      [[event("init", 0)], "seen for the first time"],
      [
        [event("init", 0), event("firmware_init", 0.2)],
        "firmware asks for an address (wait took 200 ms)",
      ],
      [
        [event("firmware_init", 0), again("firmware_init", 4)],
        "firmware asks for an address, again",
      ],
      [
        [event("firmware_init", 0), event("http_boot", 4.25)],
        "HTTP boot: has its URL (firmware took 4.2 s)",
      ],
      [
        [
          event("os_init", 0),
          event("jump_to", 7500),
          event("point_pxe_to_ipxe_over_tftp", 7500),
        ],
        "new boot: PXE: sent to iPXE (operating system took 2 h 5 min)",
      ],
      [
        [event("init", 0), event("jump_to", 1), event("os_init", 1)],
        "steps left out: operating system (wait took 1.0 s)",
      ],
      [[event("jump_to", 1)], undefined],
      [
        [event("jump_to", 1), event("address_declined", 1)],
        "its address is in use by another machine",
      ],
      [[event("unsupported_architecture", 0)], "no iPXE for its architecture"],
      [[event("http_fetch_uki", 0)], "loads its boot file"],
      [
        [event("http_fetch_uki", 0, transfer("init", 0))],
        "loads boot.efi over http    0 %  0.0/4.0 MiB",
      ],
      [
        [
          event("http_fetch_uki", 0, transfer("init", 0)),
          again("http_fetch_uki", 2, transfer("sending", 3.999)),
        ],
        "loads boot.efi over http   99 %  4.0/4.0 MiB",
      ],
      [
        [
          event("http_fetch_uki", 0, transfer("init", 0)),
          again("http_fetch_uki", 12, transfer("complete", 4)),
        ],
        "loaded boot.efi over http  4.0 MiB in 12 s",
      ],
      [
        [
          event(
            "serve_ipxe_over_tftp",
            0,
            transfer("error", 1, { protocol: "tftp", error: "gave\nup" }),
          ),
        ],
        "failed to load boot.efi over tftp   25 %  1.0/4.0 MiB: gave\\u{a}up",
      ],
      [
        [event(
          "http_fetch_uki",
          0,
          transfer("init", 0, { file_name: "\x1b[2J.efi", total_bytes: 0 }),
        )],
        "loads \\u{1b}[2J.efi over http    0 %  0 B",
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
        "operating system, for 1 min 4 s",
      ],
      [
        [event("http_fetch_uki", 65, transfer("sending", 1))],
        "loads boot.efi over http   25 %  1.0/4.0 MiB, for 5.0 s",
      ],
      [
        [event("os_init", 10), event("address_declined", 20)],
        "operating system, for 1 min 0 s; its address is in use by another machine",
      ],
      [[event("jump_to", 1)], "nothing known"],
      [[event("os_init", 99)], "operating system, for 0 ms"],
    ] as [MachineEvent[], string][]
  ) {
    await t.step(text, () => assertEquals(stateWords(...events), text));
  }
});

Deno.test("lines", async (t) => {
  const now = new Date(2026, 2, 4, 12, 0, 0).getTime();
  const at = new Date(2026, 2, 4, 5, 6, 7, 89).getTime();
  const subject = { at, labels: ["r1"], mac: MAC, address: ADDRESS };

  function options(more: Partial<ViewOptions> = {}): ViewOptions {
    return { paint: plain, columns: new Columns(), labelled: false, ...more };
  }

  await t.step("are when, which machine, what", () => {
    assertEquals(
      line({ ...subject, name: undefined }, "words", now, options()),
      `05:06:07.089  ${MAC}  ${ADDRESS}  words`,
    );
  });

  await t.step(
    "name daemons where there are several, and machines that have a name",
    () => {
      assertEquals(
        line(
          { ...subject, labels: ["r1", "r2"], name: "alpha\x07" },
          "words",
          now,
          options({ labelled: true }),
        ),
        `05:06:07.089  r1,r2  ${MAC}  alpha\\u{7}  ${ADDRESS}  words`,
      );
    },
  );

  await t.step("keep their columns", () => {
    const one = options({ labelled: true });
    line({ ...subject, labels: ["r1", "r2"], name: "alpha" }, "", now, one);
    assertEquals(
      line({ ...subject, name: undefined, address: "::1" }, "words", now, one),
      `05:06:07.089  r1     ${MAC}         ${"::1".padEnd(28)}  words`,
    );
  });

  await t.step("have colours that change no character", () => {
    const text = line(
      { ...subject, name: "alpha" },
      coloured("good", "words"),
      now,
      options({ paint: coloured, labelled: true }),
    );
    assert(text.endsWith("\x1b[32mwords\x1b[0m"), text);
    assertEquals(
      text.split("\x1b").map((part) => part.replace(/^\[[0-9]+m/, "")).join(""),
      line(
        { ...subject, name: "alpha" },
        "words",
        now,
        options({ labelled: true }),
      ),
    );
  });
});

Deno.test("numbers for people", async (t) => {
  await t.step("time spans", () => {
    const second = 1000, minute = 60 * second, hour = 60 * minute;
    for (
      const [span, text] of [
        [-5, "0 ms"],
        [999.9, "999 ms"],
        [second, "1.0 s"],
        [9999, "9.9 s"],
        [59_999, "59 s"],
        [minute, "1 min 0 s"],
        [hour - 1, "59 min 59 s"],
        [hour, "1 h 0 min"],
        [24 * hour - 1, "23 h 59 min"],
        [51 * hour, "2 d 3 h"],
      ] as [number, string][]
    ) {
      assertEquals(durationText(span), text);
    }
  });

  await t.step("octets", () => {
    assertEquals(bytesText(0, 0), "0 B");
    assertEquals(bytesText(12, 1023), "12/1023 B");
    assertEquals(bytesText(512, 1024), "0.5/1.0 KiB");
    assertEquals(bytesText(2 ** 30, 2 ** 30), "1.0 GiB");
    assertEquals(bytesText(2 ** 20, 2 ** 31), "0.0/2.0 GiB");
  });

  await t.step("times, with the date of another day", () => {
    const at = new Date(2026, 2, 4, 5, 6, 7, 89).getTime();
    const next = new Date(2026, 2, 5, 0, 0, 0).getTime();
    assertEquals(timeText(at, at), "05:06:07.089");
    assertEquals(timeText(at, next), "2026-03-04 05:06:07.089");
  });
});
