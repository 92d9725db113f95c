/**
 * The behavior of `@std` that the project relies on. The same tests hold for
 * the packages from jsr.io, for the equivalents in `lib/std/`, and for the
 * sources of the packages in npm's `deno-std`, which `deno task test:std` runs
 * all unit tests with. What the two import maps have in common is compared so:
 * parse-args, the encodings, etag and the assertions. npm has no
 * `@std/testing/time`: that task uses the equivalent. It was compared by hand,
 * on 28 November 2026: all unit tests that use a faked clock passed with the
 * source of `@std/testing` 1.0.20, too.
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
import { eTag, ifMatch, ifNoneMatch } from "@std/http/etag";
import { FakeTime } from "@std/testing/time";
import { fc } from "../../support/fast_check.ts";
import manifest from "../../../deno.json" with { type: "json" };
import * as localParseArgs from "../../../lib/std/cli/parse_args.ts";
import * as localBase64 from "../../../lib/std/encoding/base64.ts";
import * as localHex from "../../../lib/std/encoding/hex.ts";
import * as localEtag from "../../../lib/std/http/etag.ts";
import local from "../../../lib/std/import_map.json" with { type: "json" };
import npm from "../../../lib/std/npm_import_map.json" with { type: "json" };

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

Deno.test("entity tags", async (t) => {
  await t.step("are made of the length in bytes and the SHA-256", async () => {
    assertEquals(await eTag("a"), '"1-ypeBEsobvcr6wjGzmiPcTaeG7/g"');
    assertEquals(await eTag("ü€"), '"5-77Zbd5U4AG1IkpkxjYqWpRLmtC0"');
    assertEquals(await eTag(""), '"0-47DEQpj8HBSa+/TImW+5JCeuQeR"');
  });

  const headers = fc.oneof(
    fc.constantFrom("", "*", " * "),
    fc.array(fc.constantFrom('"a"', 'W/"a"', '"b"', " ", "*")).map((tags) =>
      tags.join(", ")
    ),
  );
  const tags = fc.constantFrom('"a"', 'W/"a"', '"b"', "", undefined);

  await t.step("match strongly in If-Match, weakly in If-None-Match", () => {
    assert(ifMatch('"b", "a"', '"a"'));
    assert(ifMatch("*", '"a"'));
    assert(!ifMatch('W/"a"', '"a"'));
    assert(!ifMatch('W/"a"', 'W/"a"'));
    assert(!ifMatch("*", 'W/"a"'));
    assert(!ifNoneMatch('"b", W/"a"', '"a"'));
    assert(!ifNoneMatch('"a"', 'W/"a"'));
    assert(!ifNoneMatch("*", '"a"'));
    assert(ifNoneMatch('"b"', '"a"'));
  });

  await t.step("no header: If-Match fails, If-None-Match holds", () => {
    for (const missing of [null, ""]) {
      assert(!ifMatch(missing, '"a"'));
      assert(ifNoneMatch(missing, '"a"'));
    }
    assert(!ifMatch('"a"', undefined));
    assert(ifNoneMatch('"a"', undefined));
  });

  await t.step("a strong tag that matches is one that does not differ", () => {
    fc.assert(fc.property(headers, tags, (header, tag) => {
      if (ifMatch(header, tag)) assert(!ifNoneMatch(header, tag));
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

  await t.step("does not take an empty argument for a value", () => {
    assertEquals<unknown>(
      parseArgs(["--name", "", "--many", ""], {
        ...options,
        string: ["_", "name", "many"],
      }),
      { _: ["", ""], name: "", flag: false, many: [""] },
    );
  });

  await t.step("makes numbers of words, except of string options", () => {
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

  await t.step("are compared with the sources on npm, all but one", () => {
    assertEquals(Object.keys(npm.imports), Object.keys(local.imports));
    const { "@std/testing/time": time, ...compared } = npm.imports;
    assertEquals(time, local.imports["@std/testing/time"]);
    for (const [name, url] of Object.entries(compared)) {
      const file = name === "@std/assert"
        ? "assert/mod"
        : name.slice("@std/".length).replaceAll("-", "_");
      assertEquals(url, `npm:deno-std@1.4.0/${file}.js`);
    }
  });
});

/** Whether these tests run with the equivalents in the place of the packages. */
const isLocal = import.meta.resolve("@std/http/etag") ===
  import.meta.resolve("../../../lib/std/http/etag.ts");

/** What a function returns, or the kind of error that it throws. */
function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return (error as Error).constructor;
  }
}

// With the equivalents these would compare each function with itself.
if (!isLocal) {
  Deno.test("the equivalents return what the packages return", async (t) => {
    await t.step("parseArgs", () => {
      const word = fc.constantFrom(
        ...["w", "1", "0x1f", "", " ", "true", "false", "-", "é", "--"],
        ...["a=b", "1e3"],
      );
      const option = fc.tuple(
        fc.constantFrom("--name", "--many", "--flag", "--other"),
        fc.constantFrom("", "=", "=x", "=1", "=true", "=false", "=a=b", "=\n"),
      ).map((pair) => pair.join(""));
      fc.assert(
        fc.property(
          fc.array(fc.oneof(word, option), { maxLength: 6 }),
          fc.boolean(),
          (args, keepsWords) => {
            const read = (parse: typeof localParseArgs.parseArgs) => {
              const unknown: string[] = [];
              const values = parse(args, {
                string: ["name", "many", ...(keepsWords ? ["_"] : [])],
                boolean: ["flag"],
                collect: ["many"],
                unknown: (arg: string) => {
                  unknown.push(arg);
                  return false;
                },
              });
              return { values, unknown };
            };
            assertEquals(
              read(localParseArgs.parseArgs),
              read(parseArgs as unknown as typeof localParseArgs.parseArgs),
            );
          },
        ),
        { numRuns: 5000 },
      );
    });

    await t.step("encodings", () => {
      fc.assert(fc.property(fc.uint8Array(), fc.string(), (bytes, text) => {
        assertEquals(localHex.encodeHex(bytes), encodeHex(bytes));
        assertEquals(localHex.encodeHex(text), encodeHex(text));
        assertEquals(localBase64.encodeBase64(bytes), encodeBase64(bytes));
        assertEquals(localBase64.encodeBase64(text), encodeBase64(text));
      }));
      const digits = fc.string({
        unit: fc.constantFrom("0", "9", "a", "F", "g", " "),
        maxLength: 6,
      });
      fc.assert(fc.property(digits, (text) => {
        assertEquals(
          outcome(() => localHex.decodeHex(text)),
          outcome(() => decodeHex(text)),
        );
      }));
    });

    await t.step("etag", async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
          assertEquals(await localEtag.eTag(text), await eTag(text));
        }),
      );
      const tag = fc.constantFrom('"a"', 'W/"a"', '"b"', "", "*", undefined);
      const header = fc.array(fc.constantFrom('"a"', 'W/"a"', '"b"', "*"))
        .map((tags) => tags.join(" , "));
      fc.assert(fc.property(header, tag, (value, etag) => {
        assertEquals(localEtag.ifMatch(value, etag), ifMatch(value, etag));
        assertEquals(
          localEtag.ifNoneMatch(value, etag),
          ifNoneMatch(value, etag),
        );
      }));
    });
  });
}
