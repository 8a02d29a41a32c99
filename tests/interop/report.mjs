// How the JavaScript suites say what they checked: one line each, `ok WHAT` or `FAILED WHAT: WHY`, which run.sh counts.

let failed = 0;

/** Runs one check. A failure is reported and does not stop the others. */
export async function check(what, test) {
  try {
    await test();
    console.log(`ok ${what}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${what}: ${String(error?.message ?? error).replaceAll("\n", " | ")}`);
  }
}

/** Ends the process: with an error if any check failed. */
export function finish() {
  process.exit(failed === 0 ? 0 : 1);
}

/** An environment variable that run.sh sets. */
export function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: start the suites with tests/interop/run.sh`);
  return value;
}
