import { assertEquals } from "@std/assert";
import type { KeptMachine, MachineEvent } from "../../../lib/watch/message.ts";
import { type MachineUpdate, Timelines } from "../../../lib/watch/timelines.ts";
import {
  ADDRESS,
  again,
  event,
  MAC,
  OTHER_ADDRESS,
  OTHER_MAC,
  transfer,
} from "../../support/watch_samples.ts";

function kept(...events: MachineEvent[]): KeptMachine {
  return { mac: MAC, address: ADDRESS, events };
}

function otherKept(...events: MachineEvent[]): KeptMachine {
  return { mac: OTHER_MAC, address: OTHER_ADDRESS, events };
}

/** The machines with new events, and the names of these events. */
function names(updates: readonly MachineUpdate[]): [string, ...string[]][] {
  return updates.map(({ timeline, events }) => [
    timeline.mac,
    ...events.map(({ event }) => event.event),
  ]);
}

Deno.test("timelines", async (t) => {
  await t.step("report how long a stage lasted", () => {
    const timelines = new Timelines(9);
    const add = (event: MachineEvent) => timelines.add(MAC, ADDRESS, event);
    assertEquals(add(event("init", 0)).previous, undefined);
    assertEquals(add(event("firmware_init", 0.5)).previous, {
      stage: "init",
      took: 500,
    });
    const repeated = add(again("firmware_init", 2));
    assertEquals([repeated.previous, repeated.elapsed], [undefined, 1500]);
    const note = add(event("address_declined", 3));
    assertEquals([note.previous, note.elapsed], [undefined, 2500]);
    add(event("jump_to", 4));
    const { previous, skipped } = add(event("os_init", 4));
    assertEquals(previous, { stage: "firmware_init", took: 3500 });
    assertEquals(skipped, true);
    assertEquals(add(event("http_boot", 5)).skipped, false);
  });

  await t.step("report no duration when the clock was set back", () => {
    const timelines = new Timelines(9);
    timelines.add(MAC, ADDRESS, event("http_boot", 100));
    const { previous } = timelines.add(MAC, ADDRESS, event("os_init", 50));
    assertEquals(previous, undefined);
  });

  await t.step("put the machine with the newest event last", () => {
    const updates = new Timelines(9).replace([
      otherKept(event("init", 1), event("os_init", 9)),
      kept(event("init", 2), event("firmware_init", 3)),
    ]);
    assertEquals(names(updates), [
      [MAC, "init", "firmware_init"],
      [OTHER_MAC, "init", "os_init"],
    ]);
    const { stage, since } = updates[0]!.timeline;
    assertEquals(stage, event("firmware_init", 3));
    assertEquals(new Date(since).toISOString(), "2026-03-04T05:06:10.000Z");
  });

  await t.step("report only the new events of a later state", () => {
    const timelines = new Timelines(9);
    const events = [event("init", 1), event("firmware_init", 2)];
    timelines.replace([kept(...events), otherKept(...events)]);
    assertEquals(timelines.replace([kept(...events), otherKept()]), []);
    timelines.add(MAC, ADDRESS, event("http_boot", 3));
    timelines.add(MAC, ADDRESS, again("http_boot", 4));
    const updates = timelines.replace([
      kept(...events, event("http_boot", 3), event("http_fetch_uki", 5)),
    ]);
    assertEquals(names(updates), [[MAC, "http_fetch_uki"]]);
    assertEquals(updates[0]!.events[0]!.previous, {
      stage: "http_boot",
      took: 2000,
    });
  });

  await t.step(
    "report all events if the last known one is no longer kept",
    () => {
      const timelines = new Timelines(9);
      timelines.replace([kept(event("init", 1))]);
      const updates = timelines.replace([
        kept(event("http_boot", 3), event("os_init", 4)),
      ]);
      assertEquals(names(updates), [[MAC, "http_boot", "os_init"]]);
    },
  );

  await t.step("report the progress of a transfer from a later state", () => {
    const timelines = new Timelines(9);
    const at = (mebibytes: number) =>
      event("http_fetch_uki", 1, transfer("sending", mebibytes));
    timelines.replace([kept(at(0))]);
    timelines.add(
      MAC,
      ADDRESS,
      again("http_fetch_uki", 2, transfer("sending", 1)),
    );
    assertEquals(timelines.replace([kept(at(1))]), []);
    const [update] = timelines.replace([kept(at(3), event("os_init", 9))]);
    assertEquals(update!.events.map(({ event }) => event), [
      { ...at(3), repeat_event: true },
      event("os_init", 9),
    ]);
  });

  await t.step("continue with a restarted daemon", () => {
    const timelines = new Timelines(9);
    timelines.replace([kept(event("init", 1), event("os_init", 2))]);
    const [update] = timelines.replace([
      kept(event("init", 50), event("jump_to", 51), event("os_init", 51)),
    ]);
    assertEquals(
      update!.events.map(({ event, previous, skipped }) => [
        event.event,
        previous?.stage,
        skipped,
      ]),
      [
        ["init", undefined, false],
        ["jump_to", undefined, false],
        ["os_init", "init", true],
      ],
    );
    timelines.replace([]);
    assertEquals(timelines.size, 0);
  });

  await t.step("keep a note until the next stage", () => {
    const timelines = new Timelines(9);
    const [update] = timelines.replace([
      kept(event("os_init", 1), event("address_declined", 2)),
    ]);
    assertEquals(update!.timeline.note, "address_declined");
    timelines.add(MAC, ADDRESS, again("os_init", 3));
    assertEquals(update!.timeline.note, "address_declined");
    timelines.add(MAC, ADDRESS, event("firmware_init", 4));
    assertEquals(update!.timeline.note, undefined);
  });

  await t.step(
    "are limited, the least recently reported is evicted first",
    () => {
      const timelines = new Timelines(2);
      const add = (mac: string, event: MachineEvent) =>
        timelines.add(mac, ADDRESS, event).previous?.stage;
      add("a", event("init", 0));
      add("b", event("init", 0));
      add("a", event("http_boot", 1));
      add("c", event("init", 2));
      assertEquals(timelines.size, 2);
      assertEquals(add("a", event("os_init", 3)), "http_boot");
      assertEquals(add("b", event("os_init", 3)), undefined);
      const updates = timelines.replace(
        ["d", "e", "f"].map((mac, index) => ({
          mac,
          address: ADDRESS,
          events: [event("init", index)],
        })),
      );
      assertEquals([updates.length, timelines.size], [3, 2]);
      assertEquals(add("f", event("os_init", 3)), "init");
    },
  );
});
