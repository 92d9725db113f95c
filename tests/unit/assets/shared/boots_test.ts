import { assert, assertEquals } from "@std/assert";
import {
  isNote,
  noteText,
  stageNames,
  STAGES,
  stagesAhead,
} from "../../../../assets/shared/boot_stages.js";
import {
  bootDuration,
  bootsOf,
  BootTracker,
  isWholeBoot,
  notesOf,
} from "../../../../assets/shared/boots.js";
import {
  EVENTS,
  isNote as isDaemonNote,
  STAGES as DAEMON_STAGES,
} from "../../../../lib/machines/boot_stages.ts";

const START = Date.parse("2025-10-13T20:08:24Z");

function event(name: string, second: number) {
  return {
    event: name,
    timestamp: new Date(START + 1000 * second).toISOString(),
    repeat_event: false,
    detail: null,
  };
}

/** The events of each boot, in short. */
function bootsIn(...names: string[]): string[] {
  return bootsOf(names.map((name, index) => event(name, index))).map((boot) =>
    boot.steps.map(({ event, skipped }) => event + (skipped ? "!" : ""))
      .join(" ")
  );
}

const PXE_BOOT = [
  "point_pxe_to_ipxe_over_tftp",
  "serve_ipxe_over_tftp",
  "served_ipxe_over_tftp",
  "point_ipxe_to_http_boot",
  "http_fetch_uki",
  "os_init",
];

Deno.test("boots of a machine", async (t) => {
  await t.step("are one without a jump", () => {
    assertEquals(bootsIn("init", ...PXE_BOOT), [
      ["init", ...PXE_BOOT].join(" "),
    ]);
  });

  await t.step(
    "begin with firmware, and with any event after the system is up",
    () => {
      assertEquals(
        bootsIn(
          ...["init", "http_boot", "jump_to", "http_boot", "http_fetch_uki"],
          ...["jump_to", "point_pxe_to_ipxe_over_tftp", "jump_to", "os_init"],
          ...["jump_to", "http_fetch_uki"],
        ),
        [
          "init http_boot",
          "http_boot http_fetch_uki",
          "point_pxe_to_ipxe_over_tftp os_init!",
          "http_fetch_uki",
        ],
      );
    },
  );

  await t.step(
    "do not begin with a jump from the first stage, or over steps",
    () => {
      assertEquals(
        bootsIn("init", "jump_to", "os_init"),
        ["init os_init!"],
      );
      assertEquals(
        bootsIn("init", "http_boot", "jump_to", "os_init"),
        ["init http_boot os_init!"],
      );
      assertEquals(
        bootsIn("init", "http_boot", "http_fetch_uki", "jump_to", PXE_BOOT[3]!),
        [`init http_boot http_fetch_uki ${PXE_BOOT[3]}!`],
      );
    },
  );

  await t.step("have notes, which change no stage", () => {
    const [boot] = bootsOf([
      event("http_boot", 0),
      event("address_declined", 3),
      event("http_fetch_uki", 5),
    ]);
    assertEquals(boot!.steps.map(({ isNote }) => isNote), [false, true, false]);
    assertEquals(boot!.steps[0]!.end, START + 5000);
  });

  await t.step("show the latest refusal while its stage lasts", () => {
    const notes = (...names: string[]) =>
      notesOf(
        bootsOf(names.map((name, index) => event(name, index))).at(-1)!,
      ).map(({ event, at }) => `${event} ${(at - START) / 1000}`);
    const refused = "boot_refused";
    assertEquals(notes("http_boot", refused, refused), [`${refused} 2`]);
    assertEquals(
      notes("http_boot", refused, "address_declined", "http_fetch_uki"),
      ["address_declined 2"],
    );
    assertEquals(
      notes("http_boot", refused, "http_fetch_uki", refused, "os_init"),
      [],
    );
  });

  await t.step("last from the first stage to the last", () => {
    const tookOf = (...names: string[]) =>
      bootDuration(
        bootsOf(names.map((name, index) => event(name, index))).at(-1)!,
      );
    assertEquals(tookOf("init", ...PXE_BOOT), 5000);
    assertEquals(tookOf("init", "http_boot", "http_fetch_uki"), undefined);
    assertEquals(tookOf("init", "jump_to", "os_init"), undefined);
  });

  await t.step("have no duration when the clock was set meanwhile", () => {
    const DAY = 24 * 3600;
    const durationOf = (...seconds: number[]) => {
      const names = ["http_boot", "http_fetch_uki", "os_init"];
      const [boot] = bootsOf(
        names.map((name, index) => event(name, seconds[index]!)),
      );
      assertEquals(isWholeBoot(boot!), true);
      for (const { at, end } of boot!.steps) {
        assert(end === undefined || end >= at);
      }
      return bootDuration(boot!);
    };
    assertEquals(durationOf(0, 10, 60), 60_000);
    // Set back, or from 1970 on.
    assertEquals(durationOf(0, 10, 10 - 3600), undefined);
    assertEquals(durationOf(0, 10 - 3600, 20), undefined);
    assertEquals(durationOf(0, 10, 20_000 * DAY), undefined);
  });

  await t.step("continue on the path of their stages", () => {
    assertEquals(stagesAhead(["init"]), []);
    assertEquals(stagesAhead(["firmware_init"]), []);
    assertEquals(stagesAhead(["init", "http_boot"]), [
      "http_fetch_uki",
      "os_init",
    ]);
    assertEquals(stagesAhead(PXE_BOOT.slice(0, 2)), PXE_BOOT.slice(2));
    assertEquals(stagesAhead([...PXE_BOOT.slice(0, 5)]), ["os_init"]);
  });

  await t.step(
    "have words for every event of the daemon, and for others their name",
    () => {
      assertEquals([...STAGES.keys()], [...DAEMON_STAGES]);
      for (const event of EVENTS) {
        assertEquals(isNote(event), isDaemonNote(event));
        assertEquals(noteText(event) !== undefined, isDaemonNote(event));
      }
      assertEquals(stageNames("what\u202eever").words, "what\\u{202e}ever");
    },
  );
});

Deno.test("tracking a boot", async (t) => {
  await t.step("tells what each event changes", () => {
    const tracker = new BootTracker();
    const changes = [
      event("init", 0),
      event("http_boot", 1),
      { ...event("http_boot", 3), repeat_event: true },
      event("address_declined", 4),
      event("jump_to", 5),
      event("os_init", 5),
      event("jump_to", 9),
      event("http_fetch_uki", 9),
    ].map((event) => {
      const { kind, begins, skipped, previous } = tracker.add(event);
      return [
        kind,
        begins ? "begins" : skipped ? "skipped" : "",
        previous && `${previous.stage} ${previous.took}`,
        tracker.note,
      ];
    });
    assertEquals(changes, [
      ["stage", "", undefined, undefined],
      ["stage", "", "init 1000", undefined],
      ["repeat", "", undefined, undefined],
      ["note", "", undefined, "address_declined"],
      ["jump", "", undefined, "address_declined"],
      ["stage", "skipped", "http_boot 4000", undefined],
      ["jump", "", undefined, undefined],
      ["stage", "begins", "os_init 4000", undefined],
    ]);
    assertEquals(
      [tracker.stage, tracker.since],
      ["http_fetch_uki", START + 9000],
    );
  });
});
