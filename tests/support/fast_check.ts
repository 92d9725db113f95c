/** The property tester, from npm, at one version for all tests. */
export { default as fc } from "npm:fast-check@4.10.2";
