/**
 * What the project takes from `@std`, and relies on: the same tests hold for
 * the packages and for the equivalents in `lib/std/`.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { decodeBase64, encodeBase64 } from "@std/encoding/base64";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { FakeTime } from "@std/testing/time";
import { fc } from "../../support/fast_check.ts";
import manifest from "../../../deno.json" with { type: "json" };
import local from "../../../lib/std/import_map.json" with { type: "json" };

Deno.test("encodings", async (t) => {
  await t.step("hex", () => {
    assertEquals(encodeHex(Uint8Array.of(0, 0x1f, 0xff)), "001fff");
    assertEquals(encodeHex("aü"), "61c3bc");
    assertEquals(encodeHex(Uint8Array.of(7, 8).buffer), "0708");
    assertEquals(decodeHex("001FfF"), Uint8Array.of(0, 0x1f, 0xff));
    assertThrows(() => decodeHex("0g"), TypeError);
    fc.assert(fc.property(fc.uint8Array(), (bytes) => {
      assertEquals(decodeHex(encodeHex(bytes)), bytes);
    }));
  });

  await t.step("base64", () => {
    assertEquals(encodeBase64("{}?"), "e30/");
    assertEquals(encodeBase64(Uint8Array.of(0xfb, 0xff)), "+/8=");
    assertEquals(encodeBase64(Uint8Array.of(1).buffer), "AQ==");
    assertEquals(decodeBase64("+/8="), Uint8Array.of(0xfb, 0xff));
    fc.assert(fc.property(fc.uint8Array(), (bytes) => {
      assertEquals(decodeBase64(encodeBase64(bytes)), bytes);
    }));
  });
});

Deno.test("parseArgs", async (t) => {
  const options = {
    string: ["name", "many"],
    boolean: ["flag"],
    collect: ["many"],
  };
  const read = (...args: string[]): unknown => parseArgs(args, options);

  await t.step("reads strings, switches, collections and words", () => {
    assertEquals(
      read("w", "--name=1", "--flag", "--many=", "--many=a=b", "x"),
      { _: ["w", "x"], name: "1", flag: true, many: ["", "a=b"] },
    );
  });

  await t.step("has defaults", () => {
    assertEquals(read(), { _: [], flag: false, many: [] });
  });

  await t.step("takes the next argument for a value", () => {
    assertEquals(
      read("--name", "v", "--flag", "w"),
      { _: ["w"], name: "v", flag: true, many: [] },
    );
  });

  await t.step("makes numbers of words, unless it is told not to", () => {
    const words = ["020000000012", "1e3", "x1", " ", "0x1f"];
    assertEquals(parseArgs(words)._, [20000000012, 1000, "x1", " ", 31]);
    assertEquals<unknown>(parseArgs(words, { string: ["_"] })._, words);
  });

  await t.step("leaves what is behind -- alone", () => {
    assertEquals(
      parseArgs(["--", "--name=1", "-x"], options)._,
      ["--name=1", "-x"],
    );
  });

  await t.step("shows what it does not know", () => {
    const seen: unknown[] = [];
    parseArgs(["--other=1", "word"], {
      ...options,
      unknown: (arg: string) => {
        seen.push(arg);
        return false;
      },
    });
    assertEquals(seen, ["--other=1", "word"]);
  });
});

Deno.test("FakeTime", async (t) => {
  await t.step("runs timers when they are due, in order", () => {
    using time = new FakeTime(1000);
    const seen: [string, number][] = [];
    setTimeout(() => seen.push(["late", Date.now()]), 50);
    setTimeout(() => seen.push(["soon", Date.now()]), 10);
    const interval = setInterval(() => seen.push(["again", Date.now()]), 20);
    clearTimeout(setTimeout(() => seen.push(["never", 0]), 5));
    time.tick(45);
    assertEquals(seen, [["soon", 1010], ["again", 1020], ["again", 1040]]);
    time.tick(5);
    clearInterval(interval);
    assertEquals(seen.at(-1), ["late", 1050]);
    assertEquals(new Date().getTime(), 1050);
    assertEquals(new Date("2020-01-01T00:00:00Z").getTime(), 1577836800000);
  });

  await t.step("is given back", () => {
    const before = Date.now();
    const time = new FakeTime(0);
    assertEquals(Date.now(), 0);
    time.restore();
    assert(Date.now() >= before);
    assertThrows(() => time.restore(), Error);
  });
});

Deno.test("assertions", async (t) => {
  await t.step("fail when they should", async () => {
    for (
      const wrong of [
        () => assert(false),
        () => assertEquals([1, { a: 2 }], [1, { a: 3 }]),
        () => assertEquals<unknown>(Uint8Array.of(1), [1]),
        () => assertEquals<unknown>({ a: 1 }, { a: 1, b: 2 }),
        () => assertLess(2, 1),
        () => assertMatch("a", /b/),
        () => assertThrows(() => {}, Error),
        () =>
          assertThrows(() => {
            throw new Error("x");
          }, TypeError),
      ]
    ) assertThrows(wrong, Error);
    await assertRejects(
      () => Promise.reject(new TypeError("y")),
      TypeError,
      "y",
    );
    await assertRejects(
      () => assertRejects(() => Promise.resolve(), Error),
      Error,
    );
  });
});

Deno.test("the equivalents", async (t) => {
  await t.step("stand for nothing but the packages of deno.json", () => {
    for (const name of Object.keys(local.imports)) {
      const [scope, packageName] = name.split("/");
      assert(`${scope}/${packageName}` in manifest.imports, name);
    }
    for (const url of Object.values(manifest.imports)) {
      assertMatch(url, /^jsr:@std\/[a-z]+@\d+\.\d+\.\d+$/);
    }
  });
});
