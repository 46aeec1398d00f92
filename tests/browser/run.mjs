// Runs one scenario: node run.mjs SCRIPT NAME STAGE. Ends with 0 where it held.
//
// STAGE is JSON: where everything is. What only the stage knows is asked for on standard output (`ASK {…}`) and answered on
// standard input, a line each.

import { Profile } from './profile.mjs';
import { Stage } from './stage.mjs';

const [script, name, told] = process.argv.slice(2);
const stage = new Stage(JSON.parse(told));
const scenario = (await import(`./${script}`))[name];
let failure;
try {
  if (!scenario) throw new Error(`${script} has no scenario ${name}`);
  await scenario(stage);
  for (const profile of Profile.opened) await profile.holds?.();
} catch (error) {
  failure = error;
  console.log(error.stack ?? String(error));
  for (const [index, profile] of Profile.opened.entries()) await profile.record(`${stage.label}-${index}`);
}
for (const profile of Profile.opened) await profile.close();
process.exit(failure ? 1 : 0);
