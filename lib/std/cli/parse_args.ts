/**
 * `@std/cli/parse-args` for command lines whose options are all declared as
 * `string` or `boolean` and are written with two dashes.
 *
 * @module
 */

/** How arguments are read. */
export interface ParseOptions {
  /** Options without a value; `false` where they are not given. */
  boolean?: readonly string[];
  /** Options whose value stays a string; `_` keeps words as they are. */
  string?: readonly string[];
  /** Options that may be given several times: their values make an array. */
  collect?: readonly string[];
  /**
   * Called with an argument that is no declared option, and for an option with
   * its name and value; when it returns `false` the argument is left out.
   */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/**
 * The values of the options, and in `_` what is no option; words that look like
 * numbers become numbers there unless `string` has `_`.
 */
export interface Args {
  [name: string]: unknown;
  _: (string | number)[];
}

/**
 * Reads `args`: `--name=value` and `--name value` for strings, `--name` for
 * booleans, and everything after `--` unchanged. A string option without a
 * value is an empty string, also where an empty argument follows. Of an option
 * that is given several times the last value counts, unless it is collected.
 */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  const { boolean = [], string = [], collect = [], unknown } = options;
  const result: Args = { _: [] };
  for (const name of boolean) result[name] = false;
  for (const name of collect) result[name] = [];
  const set = (name: string, value: unknown) => {
    if (collect.includes(name)) (result[name] as unknown[]).push(value);
    else result[name] = value;
  };
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      result._.push(...args.slice(index + 1));
      break;
    }
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
    if (match === null) {
      if (unknown?.(arg) === false) continue;
      const isNumber = /\S/.test(arg) && Number.isFinite(Number(arg));
      result._.push(isNumber && !string.includes("_") ? Number(arg) : arg);
      continue;
    }
    const [, name = "", value] = match;
    const next = args[index + 1];
    const isNextValue = next !== undefined && next !== "" &&
      !next.startsWith("-");
    const isBoolean = boolean.includes(name), isString = string.includes(name);
    if (isBoolean && value !== undefined) set(name, value !== "false");
    else if (isBoolean && (next === "true" || next === "false")) {
      set(name, next === "true");
      index++;
    } else if (isBoolean) set(name, true);
    else {
      const given = value ?? (isNextValue ? next : isString ? "" : true);
      if (value === undefined && isNextValue) index++;
      if (isString || unknown?.(arg, name, given) !== false) set(name, given);
    }
  }
  return result;
}
