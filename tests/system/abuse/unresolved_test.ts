/**
 * Floods from addresses that no host has, and that behave as clients and relays
 * do: replies to them wait for address resolution, those to others do not. A
 * machine that was never there before asks a few times.
 */

import { assertEquals, assertLess } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { MessageType, OptionCode } from "../../../lib/dhcpv6/wire/constants.ts";
import { linkLayerDuid } from "../../../lib/dhcpv6/wire/duid.ts";
import { encode } from "../../../lib/dhcpv6/wire/packet.ts";
import { parseMac } from "../../../lib/net/mac.ts";
import { startDaemon } from "../../support/daemon.ts";
import { BASE } from "../../support/expect.ts";
import { Lab, missing, pause } from "../../support/lab.ts";
import {
  getToKnow,
  labProgram,
  plugIn,
  SERVER,
  type Switched,
} from "./switch.ts";

const lacks = missing(
  "tests of replies that no host takes",
  ...["perfdhcp", "tc"],
);
const ignore = lacks.length > 0;

/** Questions of the one that is there, and how many may be lost by chance. */
const QUESTIONS = 40;
const LOST = 2;

/** Milliseconds between two of them. */
const INTERVAL = 100;

/** Relay-forwards of the relay that is there: each takes a process. */
const RELAYED = 15;

/** How an attacker's messages reach the router. */
const MULTICAST = { mac: "33:33:00:01:00:02", to: "ff02::1:2" };

interface Attack {
  readonly what: string;
  /** Where its messages come from, for `spoof.ts`. */
  readonly from: string;
  readonly isRelayed: boolean;
  readonly isUnicast: boolean;
  /** Messages a second. */
  readonly rate: number;
  /** Whether the kernel knows them at first, as neighbours that have left. */
  readonly isStale?: boolean;
}

/** How many addresses take turns where the kernel knows them at first. */
const STALE = 50;

/** Milliseconds until it has found that they have left (RFC 4861 section 10). */
const PROBING_TIME = 8000;

const ATTACKS: Attack[] = [
  {
    what: "one machine",
    from: "fe80::dead",
    isRelayed: false,
    isUnicast: false,
    rate: 300,
  },
  ...[150, 1000, 5000].map((rate) => ({
    what: `50 machines, ${rate} a second`,
    from: "fe80::dead:0*50",
    isRelayed: false,
    isUnicast: false,
    rate,
  })),
  {
    what: "50 machines that have left",
    from: `fe80::dead:0*${STALE}`,
    isRelayed: false,
    isUnicast: false,
    rate: 1000,
    isStale: true,
  },
  {
    what: "100 relays on the link",
    from: "fe80::dead:0*100",
    isRelayed: true,
    isUnicast: false,
    rate: 1000,
  },
  {
    what: "relays with any address",
    from: "2001:db8:1:2::/64",
    isRelayed: true,
    isUnicast: false,
    rate: 300,
  },
  ...[100, 1000].map((rate) => ({
    what: `100 relays by unicast, ${rate} a second`,
    from: "2001:db8:1:2::dead:0*100",
    isRelayed: true,
    isUnicast: true,
    rate,
  })),
];

/** A machine's message, from a relay or itself. */
function messageOf(
  type: number,
  isRelayed: boolean,
  serverMac: string,
): string {
  const message = encode({
    type,
    transactionId: 1,
    options: [
      { code: OptionCode.ClientId, data: linkLayerDuid(0x0200_0000_0001) },
      ...type === MessageType.Solicit ? [] : [{
        code: OptionCode.ServerId,
        data: linkLayerDuid(parseMac(serverMac)!),
      }],
      { code: OptionCode.IaNa, data: new Uint8Array(12) },
    ],
  });
  if (!isRelayed) return encodeHex(message);
  return encodeHex(encode({
    type: MessageType.RelayForward,
    hopCount: 0,
    linkAddress: SERVER,
    peerAddress: "fe80::1",
    options: [{ code: OptionCode.RelayMessage, data: message }],
  }));
}

/** How many questions of a machine that is there are answered. */
async function answersToMachine({ visitor }: Switched): Promise<number> {
  const probe = visitor.start(
    labProgram("probe.ts", "eth0", BASE, String(QUESTIONS), String(INTERVAL)),
  );
  assertEquals(await probe.ended(), 0, probe.output);
  return JSON.parse(probe.output.trim().split("\n").at(-1)!).answered;
}

/** How many questions of a relay that is there are answered, by unicast. */
async function answersToRelay(
  { visitor }: Switched,
  question: string,
): Promise<number> {
  let answered = 0;
  for (let count = 0; count < RELAYED; count++) {
    const { stdout } = await visitor.run(labProgram(
      "ask.ts",
      ...["2001:db8:1:2::77", "547", SERVER, "547", question, "1"],
    ));
    // A Relay-reply.
    if (stdout.startsWith("0d")) answered++;
  }
  return answered;
}

/** How often a machine that was never there before asks, until it is answered. */
async function triesOfNewMachine(
  { machines: [machine] }: Switched,
  question: string,
): Promise<number> {
  const from = `${await machine!.linkLocal("eth0")}%eth0`;
  // As clients wait (RFC 8415 section 15), roughly.
  for (const [index, seconds] of [1, 2, 4, 8].entries()) {
    const { stdout } = await machine!.run(labProgram(
      "ask.ts",
      ...[from, "546", "ff02::1:2%eth0", "547", question, String(seconds)],
    ));
    // An Advertise.
    if (stdout.startsWith("02")) return index + 1;
  }
  return Infinity;
}

Deno.test({
  name: "replies that no host takes",
  ignore,
  fn: async (t) => {
    for (const attack of ATTACKS) {
      const { what, from, isRelayed, isUnicast, rate, isStale } = attack;
      await t.step(
        `of ${what}: those who are there are answered`,
        async () => {
          await using lab = new Lab();
          const testLink = await plugIn(lab, 1);
          const { router, attacker } = testLink;
          await startDaemon(
            router,
            "--interface=lan",
            `--base-address=${BASE}`,
            "--log-level=info",
          );
          await getToKnow(testLink);
          const serverMac = await router.mac("lan");
          const { mac, to } = isUnicast
            ? { mac: serverMac, to: SERVER }
            : MULTICAST;
          const spoof = (type: number, count: number) =>
            attacker.start(labProgram(
              "spoof.ts",
              ...["eth0", mac, from, "1", to, "547"],
              messageOf(type, isRelayed, serverMac),
              ...[String(count), String(rate)],
            ));
          for (let index = 0; isStale && index < STALE; index++) {
            await router.ip(
              `neigh replace fe80::dead:${
                index.toString(16)
              } dev lan lladdr 02:00:00:00:ba:d0 nud stale`,
            );
          }
          await spoof(MessageType.Solicit, 100).says(/done/);
          const flood = spoof(MessageType.Request, 1_000_000);
          await pause(isStale ? PROBING_TIME - 1000 : 3500);
          const [machine, relayed, tries] = await Promise.all([
            answersToMachine(testLink),
            answersToRelay(
              testLink,
              messageOf(MessageType.Solicit, true, serverMac),
            ),
            triesOfNewMachine(
              testLink,
              messageOf(MessageType.Solicit, false, serverMac),
            ),
          ]);
          console.log(
            `${what}: ${machine} and ${relayed} answers, after ${tries} tries`,
          );
          assertLess(tries, 5, "tries of a new machine");
          assertLess(QUESTIONS - LOST - 1, machine, "of a machine");
          assertLess(RELAYED - LOST - 1, relayed, "of a relay");
          assertEquals(flood.output, "", "it goes on");
          await flood.stop();
        },
      );
    }
  },
});
