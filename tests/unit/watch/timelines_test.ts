import { assertEquals } from "@std/assert";
import type { KeptMachine, MachineEvent } from "../../../lib/watch/message.ts";
import { type News, Timelines } from "../../../lib/watch/timelines.ts";
import {
  ADDRESS,
  again,
  event,
  MAC,
  OTHER_ADDRESS,
  OTHER_MAC,
  transfer,
} from "./samples.ts";

function kept(...events: MachineEvent[]): KeptMachine {
  return { mac: MAC, address: ADDRESS, events };
}

function otherKept(...events: MachineEvent[]): KeptMachine {
  return { mac: OTHER_MAC, address: OTHER_ADDRESS, events };
}

/** The machines of which there is news, with the names of what is new. */
function names(news: readonly News[]): [string, ...string[]][] {
  return news.map(({ timeline, happenings }) => [
    timeline.mac,
    ...happenings.map(({ event }) => event.event),
  ]);
}

Deno.test("timelines", async (t) => {
  await t.step("tell how long a stage took", () => {
    const timelines = new Timelines(9);
    const take = (event: MachineEvent) => timelines.take(MAC, ADDRESS, event);
    assertEquals(take(event("init", 0)).previous, undefined);
    assertEquals(take(event("firmware_init", 0.5)).previous, {
      stage: "init",
      took: 500,
    });
    const repeated = take(again("firmware_init", 2));
    assertEquals([repeated.previous, repeated.elapsed], [undefined, 1500]);
    const note = take(event("address_declined", 3));
    assertEquals([note.previous, note.elapsed], [undefined, 2500]);
    take(event("jump_to", 4));
    const { previous, skipped } = take(event("os_init", 4));
    assertEquals(previous, { stage: "firmware_init", took: 3500 });
    assertEquals(skipped, true);
    assertEquals(take(event("http_boot", 5)).skipped, false);
  });

  await t.step("do not count the time by a clock that was set back", () => {
    const timelines = new Timelines(9);
    timelines.take(MAC, ADDRESS, event("http_boot", 100));
    const { previous } = timelines.take(MAC, ADDRESS, event("os_init", 50));
    assertEquals(previous, undefined);
  });

  await t.step("put the machine with the newest event last", () => {
    const news = new Timelines(9).replace([
      otherKept(event("init", 1), event("os_init", 9)),
      kept(event("init", 2), event("firmware_init", 3)),
    ]);
    assertEquals(names(news), [
      [MAC, "init", "firmware_init"],
      [OTHER_MAC, "init", "os_init"],
    ]);
    const { stage, since } = news[0]!.timeline;
    assertEquals(stage, event("firmware_init", 3));
    assertEquals(new Date(since).toISOString(), "2026-03-04T05:06:10.000Z");
  });

  await t.step("tell from a later state just what is new", () => {
    const timelines = new Timelines(9);
    const events = [event("init", 1), event("firmware_init", 2)];
    timelines.replace([kept(...events), otherKept(...events)]);
    assertEquals(timelines.replace([kept(...events), otherKept()]), []);
    timelines.take(MAC, ADDRESS, event("http_boot", 3));
    timelines.take(MAC, ADDRESS, again("http_boot", 4));
    const news = timelines.replace([
      kept(...events, event("http_boot", 3), event("http_fetch_uki", 5)),
    ]);
    assertEquals(names(news), [[MAC, "http_fetch_uki"]]);
    assertEquals(news[0]!.happenings[0]!.previous, {
      stage: "http_boot",
      took: 2000,
    });
  });

  await t.step("take all for new when what they know is no longer kept", () => {
    const timelines = new Timelines(9);
    timelines.replace([kept(event("init", 1))]);
    const news = timelines.replace([
      kept(event("http_boot", 3), event("os_init", 4)),
    ]);
    assertEquals(names(news), [[MAC, "http_boot", "os_init"]]);
  });

  await t.step("tell from a later state how far a transfer has come", () => {
    const timelines = new Timelines(9);
    const at = (mebibytes: number) =>
      event("http_fetch_uki", 1, transfer("sending", mebibytes));
    timelines.replace([kept(at(0))]);
    timelines.take(
      MAC,
      ADDRESS,
      again("http_fetch_uki", 2, transfer("sending", 1)),
    );
    assertEquals(timelines.replace([kept(at(1))]), []);
    const [news] = timelines.replace([kept(at(3), event("os_init", 9))]);
    assertEquals(news!.happenings.map(({ event }) => event), [
      { ...at(3), repeat_event: true },
      event("os_init", 9),
    ]);
  });

  await t.step("begin anew with a daemon that was started again", () => {
    const timelines = new Timelines(9);
    timelines.replace([kept(event("init", 1), event("os_init", 2))]);
    const [news] = timelines.replace([
      kept(event("init", 50), event("jump_to", 51), event("os_init", 51)),
    ]);
    assertEquals(
      news!.happenings.map(({ event, previous, skipped }) => [
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
    const [news] = timelines.replace([
      kept(event("os_init", 1), event("address_declined", 2)),
    ]);
    assertEquals(news!.timeline.note, "address_declined");
    timelines.take(MAC, ADDRESS, again("os_init", 3));
    assertEquals(news!.timeline.note, "address_declined");
    timelines.take(MAC, ADDRESS, event("firmware_init", 4));
    assertEquals(news!.timeline.note, undefined);
  });

  await t.step("are bounded, those heard of longest ago out first", () => {
    const timelines = new Timelines(2);
    const take = (mac: string, event: MachineEvent) =>
      timelines.take(mac, ADDRESS, event).previous?.stage;
    take("a", event("init", 0));
    take("b", event("init", 0));
    take("a", event("http_boot", 1));
    take("c", event("init", 2));
    assertEquals(timelines.size, 2);
    assertEquals(take("a", event("os_init", 3)), "http_boot");
    assertEquals(take("b", event("os_init", 3)), undefined);
    const news = timelines.replace(
      ["d", "e", "f"].map((mac, index) => ({
        mac,
        address: ADDRESS,
        events: [event("init", index)],
      })),
    );
    assertEquals([news.length, timelines.size], [3, 2]);
    assertEquals(take("f", event("os_init", 3)), "init");
  });
});
