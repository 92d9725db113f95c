/**
 * `@std/assert`: the assertions that the tests use.
 *
 * @module
 */

/** What a failed assertion throws. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

function fail(what: string, msg?: string): never {
  throw new AssertionError(msg === undefined ? what : `${what}: ${msg}`);
}

function inspect(value: unknown): string {
  return Deno.inspect(value, { depth: 10, iterableLimit: 200, sorted: true });
}

/** `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** `actual` and `expected` are the same all the way down. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  fail(
    `Values are not equal.\n    actual: ${inspect(actual)}\n  expected: ${
      inspect(expected)
    }\n`,
    msg,
  );
}

/** `actual` and `expected` differ somewhere. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) {
    fail(`Expected actual: ${inspect(actual)} not to be equal`, msg);
  }
}

/** `actual` contains `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (!actual.includes(expected)) {
    fail(`Expected actual: "${actual}" to contain: "${expected}"`, msg);
  }
}

/** `actual` matches `expected`. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) {
    fail(`Expected actual: "${actual}" to match: "${expected}"`, msg);
  }
}

/** `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) {
    fail(`Expect ${inspect(actual)} < ${inspect(expected)}`, msg);
  }
}

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

function checkError<E extends Error>(
  error: unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E {
  if (!(error instanceof errorClass)) {
    fail(
      `Expected error to be instance of "${errorClass.name}", but was ${
        inspect(error)
      }`,
      msg,
    );
  }
  if (msgIncludes !== undefined && !error.message.includes(msgIncludes)) {
    fail(
      `Expected error message to include "${msgIncludes}", but got "${error.message}"`,
      msg,
    );
  }
  return error;
}

/** `fn` throws an `errorClass` whose message contains `msgIncludes`. */
export function assertThrows<E extends Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checkError(error, errorClass, msgIncludes, msg);
  }
  fail("Expected function to throw", msg);
}

/** The promise of `fn` is rejected with such an error. */
export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, errorClass, msgIncludes, msg);
  }
  fail("Expected function to reject", msg);
}

function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (
    typeof a !== "object" || typeof b !== "object" || a === null || b === null
  ) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return Object.is(+a, +(b as Date));
  if (a instanceof RegExp) return String(a) === String(b);
  if (a instanceof Map) {
    const other = b as Map<unknown, unknown>;
    return a.size === other.size &&
      [...a].every(([key, value]) =>
        other.has(key) && equal(value, other.get(key))
      );
  }
  if (a instanceof Set) {
    const other = b as Set<unknown>;
    return a.size === other.size &&
      [...a].every((value) => [...other].some((item) => equal(value, item)));
  }
  const keys = Reflect.ownKeys(a);
  return keys.length === Reflect.ownKeys(b).length &&
    keys.every((key) =>
      Object.hasOwn(b, key) && equal(Reflect.get(a, key), Reflect.get(b, key))
    );
}
