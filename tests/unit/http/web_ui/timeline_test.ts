import { assertEquals } from "@std/assert";
import { canonicalMac, Machines } from "../../../../assets/page/machines.js";
import {
  bootDuration,
  bootsOf,
  escapeControls as shownByPage,
  formatBytes,
  formatDuration,
  progressOf,
  stageNamed,
  STAGES as PAGE_STAGES,
  stagesAhead,
} from "../../../../assets/page/timeline.js";
import { escapeControls } from "../../../../lib/net/escape_controls.ts";
import { STAGES } from "../../../../lib/machines/boot_stages.ts";
import { fc } from "../../../support/fast_check.ts";

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
  await t.step("are one for what has no jump in it", () => {
    assertEquals(bootsIn("init", ...PXE_BOOT), [
      ["init", ...PXE_BOOT].join(" "),
    ]);
  });

  await t.step(
    "begin anew with firmware, and with whatever a system that is up does",
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

  await t.step("do not begin with a jump from the start, or over steps", () => {
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
  });

  await t.step("have notes, which change no stage", () => {
    const [boot] = bootsOf([
      event("http_boot", 0),
      event("address_declined", 3),
      event("http_fetch_uki", 5),
    ]);
    assertEquals(boot!.steps.map(({ isNote }) => isNote), [false, true, false]);
    assertEquals(boot!.steps[0]!.end, START + 5000);
  });

  await t.step("took as long as from the first stage to the last", () => {
    const tookOf = (...names: string[]) =>
      bootDuration(
        bootsOf(names.map((name, index) => event(name, index))).at(-1)!,
      );
    assertEquals(tookOf("init", ...PXE_BOOT), 5000);
    assertEquals(tookOf("init", "http_boot", "http_fetch_uki"), undefined);
    assertEquals(tookOf("init", "jump_to", "os_init"), undefined);
  });

  await t.step("go on by the path that they are on", () => {
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
    "have words for every stage of the daemon, and for others their name",
    () => {
      assertEquals([...PAGE_STAGES.keys()], [...STAGES]);
      assertEquals(stageNamed("what\u202eever").words, "what\\u{202e}ever");
    },
  );
});

Deno.test("what a machine does", async (t) => {
  const doing = (
    seconds: number,
    usual: number | undefined,
    detail: Record<string, unknown> | null = null,
    heard = 0,
  ) => {
    const { kind, words } = progressOf(
      { event: "http_fetch_uki", at: START, detail: detail as never },
      START + 1000 * seconds,
      usual === undefined ? undefined : 1000 * usual,
      START + 1000 * heard,
    );
    return `${kind}: ${words}`;
  };

  await t.step(
    "takes too long at three times the usual, not below 15 s",
    () => {
      assertEquals(doing(29, 10), "booting: Loading the system");
      assertEquals(doing(31, 10), "stuck: Loading the system");
      assertEquals(doing(14, 1), "booting: Loading the system");
      assertEquals(doing(16, 1), "stuck: Loading the system");
    },
  );

  await t.step(
    "takes too long after two minutes where nothing is known",
    () => {
      assertEquals(doing(119, undefined), "booting: Loading the system");
      assertEquals(doing(121, undefined), "stuck: Loading the system");
    },
  );

  await t.step(
    "is not stuck while a transfer goes on, and is when it has failed",
    () => {
      const sending = { state: "sending" };
      assertEquals(doing(900, 10, sending, 850), "booting: Loading the system");
      assertEquals(doing(900, 10, sending, 800), "stuck: Loading the system");
      assertEquals(
        doing(1, 10, { state: "error" }),
        "stuck: Loading the system failed",
      );
      assertEquals(
        doing(1, 10, { state: "complete" }),
        "booting: Starting the system",
      );
    },
  );

  await t.step("is never stuck when it is up", () => {
    const { kind } = progressOf(
      { event: "os_init", at: START, detail: null },
      START + 1e10,
      1,
      START,
    );
    assertEquals(kind, "up");
  });
});

Deno.test("machines of the page", async (t) => {
  const mac = (index: number) =>
    `02:00:5e:00:53:${String(index).padStart(2, "0")}`;
  const state = (index: number, ...events: ReturnType<typeof event>[]) => ({
    Mac: mac(index),
    IPv6Address: `2001:db8::${index}`,
    Events: events,
  });
  const told = (index: number, name: string, second: number, more = {}) => ({
    mac: mac(index),
    ipv6_address: `2001:db8::${index}`,
    event: { ...event(name, second), ...more },
  });
  const orderOf = (machines: Machines) =>
    [...machines].map(({ mac }) => Number(mac.slice(-2)));

  function known(): Machines {
    const machines = new Machines();
    machines.replace({
      a: state(1, event("init", 1)),
      b: state(2, event("init", 3)),
      c: state(3, event("init", 2)),
    }, START);
    return machines;
  }

  await t.step("come in the order of what happened to them last", () => {
    const machines = known();
    assertEquals(orderOf(machines), [2, 3, 1]);
    machines.take(told(1, "http_boot", 4));
    assertEquals(orderOf(machines), [1, 2, 3]);
    machines.take(told(3, "init", 5, { repeat_event: true }));
    assertEquals(orderOf(machines), [1, 2, 3], "a repetition is no news");
    machines.take(told(4, "init", 6));
    assertEquals(orderOf(machines), [4, 1, 2, 3]);
  });

  await t.step("have what the daemon says anew, and nothing else", () => {
    const machines = known();
    machines.replace({ b: state(2, event("init", 9)) }, START);
    assertEquals(orderOf(machines), [2]);
  });

  await t.step(
    "have the detail of a repetition in the place of the one before",
    () => {
      const machines = known();
      const detail = (sent_bytes: number) => ({
        detail: { state: "sending", sent_bytes },
      });
      machines.take(told(1, "http_fetch_uki", 4, detail(1)));
      machines.take(
        told(1, "http_fetch_uki", 9, { ...detail(2), repeat_event: true }),
      );
      machines.take(told(1, "http_fetch_uki", 9, { repeat_event: true }));
      const machine = machines.get(mac(1))!;
      assertEquals(machine.events.length, 2);
      assertEquals(machine.events[1]!.detail?.sent_bytes, 2);
      assertEquals(machine.stage.at, START + 4000);
    },
  );

  await t.step("keep their last 50 events", () => {
    const machines = known();
    for (let second = 0; second < 100; second++) {
      machines.take(told(1, "http_boot", second));
    }
    assertEquals(machines.get(mac(1))!.events.length, 50);
  });

  await t.step("tell how long a stage usually takes, from three on", () => {
    const machines = known();
    const usual = () => machines.usual.of("http_boot");
    for (const [index, seconds] of [[1, 4], [2, 60]] as const) {
      machines.take(told(index, "http_boot", 100));
      machines.take(told(index, "http_fetch_uki", 100 + seconds));
    }
    assertEquals(usual(), undefined);
    // A boot that begins anew says nothing of the stage it was in.
    machines.take(told(3, "http_boot", 100));
    machines.take(told(3, "jump_to", 900));
    machines.take(told(3, "http_boot", 900));
    assertEquals(usual(), undefined);
    machines.take(told(3, "http_fetch_uki", 905));
    assertEquals(usual(), 5000);
    const events = [...machines].map(({ events }) => events);
    machines.replace(
      Object.fromEntries(
        events.map((events, index) => [index, {
          ...state(index),
          Events: events,
        }]),
      ),
      START,
    );
    assertEquals(usual(), 5000, "the state says the same");
  });

  await t.step("have names that may change", () => {
    const machines = known();
    machines.name({ [mac(1)]: "one", [mac(9)]: "nine" });
    machines.take(told(9, "init", 5));
    assertEquals(machines.get(mac(1))!.name, "one");
    assertEquals(machines.get(mac(9))!.name, "nine");
    machines.name({});
    assertEquals(machines.get(mac(1))!.name, "");
  });

  await t.step("are linked by a MAC in any notation", () => {
    for (
      const text of [
        "02:00:5E:00:53:01",
        "02-00-5e-00-53-01",
        "0200.5e00.5301",
        "02005e005301",
      ]
    ) assertEquals(canonicalMac(text), "02:00:5e:00:53:01");
    for (const text of ["", "02:00:5e:00:53", "02005e00530x"]) {
      assertEquals(canonicalMac(text), undefined);
    }
  });
});

Deno.test("words of the page", async (t) => {
  await t.step("are durations", () => {
    const texts = [0, 41, 94, 95, 4240, 9949, 9950, 59_400, 59_600].map((
      milliseconds,
    ) => formatDuration(milliseconds));
    assertEquals(texts, [
      ...["0 ms", "41 ms", "94 ms", "0.1 s", "4.2 s", "9.9 s", "10 s"],
      ...["59 s", "1 min"],
    ]);
    const growing = [-5, 999, 61_000, 3_600_000, 93_784_000].map((
      milliseconds,
    ) => formatDuration(milliseconds, true));
    assertEquals(growing, ["0 s", "0 s", "1 min 1 s", "1 h", "1 d 2 h"]);
  });

  await t.step("are amounts", () => {
    assertEquals(
      [0, 999, 1000, 996_864, 999_600, 33_554_432, 1.5e12, 2e15].map(
        formatBytes,
      ),
      [
        ...["0 B", "999 B", "1 kB", "997 kB", "1.00 MB", "33.6 MB"],
        ...["1.50 TB", "2000 TB"],
      ],
    );
  });

  await t.step("show what clients say just as the log does", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 200 }),
        (text) => assertEquals(shownByPage(text), escapeControls(text)),
      ),
    );
  });
});
