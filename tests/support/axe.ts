/** What finds faults of accessibility, from npm, at one version for all tests. */
export { default as axe } from "npm:axe-core@4.14.1";
