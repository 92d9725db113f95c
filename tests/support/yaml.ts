/** A reader of YAML, from npm. */
export { parse as parseYaml } from "npm:yaml@2.8.1";
