// Every page of ours, as axe (WCAG 2.2 AA and best practices) and a narrow screen judge it, light and dark.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Profile } from './profile.mjs';

export const NARROW = { viewport: { width: 320, height: 640 } };

export async function pages_of_a_signed_in_person_are_accessible(stage) {
  const profile = await Profile.open(stage, NARROW);
  const tab = await profile.signedIn('reader');
  await isAccessible(stage, tab, 'portal');
  for (const [path, heading] of [
    ['/-/whoami', 'You are reader@corp.example'],
    ['/nowhere', 'There is no such destination'],
    ['/-/nowhere', 'Not found'],
    ['/studio/elsewhere', 'This page cannot be opened directly'],
    ['/archive', 'This is not ready to be opened'],
    ['/busy', 'AWS is busy'],
    ['/-/logout', 'Sign out?'],
  ]) {
    await tab.goto(stage.at(path));
    await profile.shows(tab, heading);
    await isAccessible(stage, tab, path);
  }
  await tab.getByRole('button', { name: 'Sign out', exact: true }).click();
  await tab.waitForLoadState();
  if (tab.url().startsWith(stage.public_url)) await isAccessible(stage, tab, 'signed out');
}

export async function pages_of_refused_people_are_accessible(stage) {
  const wiki = await stage.elsewhere('wiki.example', {
    '/': `<!doctype html><title>Wiki</title><script>location.href = '${stage.at('/experiments')}'</script>`,
  });
  for (const [name, path, heading] of [
    ['max', '/studio', 'You may not open this'],
    ['olga', '/studio', 'You have no access to this yet'],
    ['olga', '/', 'What you can open'],
    ['many', '/', 'Your session does not fit into the browser'],
  ]) {
    const profile = await Profile.open(stage, NARROW);
    const tab = await profile.tab();
    await tab.goto(stage.at(path));
    await profile.signIn(tab, name);
    await profile.shows(tab, heading);
    await isAccessible(stage, tab, `${path} of ${name}`);
    if (name === 'max') {
      await tab.goto(wiki);
      await profile.shows(tab, 'Open Experiments (MLflow)?');
      await isAccessible(stage, tab, 'continue');
    }
  }

  const profile = await Profile.open(stage, NARROW);
  const tab = await profile.tab();
  await tab.goto(stage.at('/studio'));
  await tab.getByRole('button', { name: 'Cancel' }).click();
  await profile.shows(tab, 'The sign-in was not completed');
  await isAccessible(stage, tab, 'sign-in refused');
  await tab.goto(stage.at('/-/callback?state=a&state=b'));
  await profile.shows(tab, 'This is not the end of a sign-in');
  await isAccessible(stage, tab, 'no callback');
}

export async function the_page_of_an_outage_is_accessible(stage) {
  const profile = await Profile.open(stage, NARROW);
  const tab = await profile.tab();
  await tab.goto(stage.at('/'));
  await stage.provider('/dark?path=/token');
  try {
    await profile.signIn(tab, 'outage-reader');
    await profile.shows(tab, 'The sign-in does not answer');
    await isAccessible(stage, tab, 'provider down');
  } finally {
    await stage.provider('/light');
  }
}

export async function isAccessible(stage, tab, what) {
  const axe = readFileSync(`${stage.peers}/browser/node_modules/axe-core/axe.min.js`, 'utf8');
  for (const details of await tab.locator('details').all()) await details.evaluate(element => { element.open = true; });
  for (const colorScheme of ['light', 'dark']) {
    await tab.emulateMedia({ colorScheme });
    await tab.evaluate(axe);
    const { violations, passes } = await tab.evaluate('axe.run()');
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`);
    assert.deepEqual(found, [], `${what}, ${colorScheme}`);
    assert.ok(passes.some(({ id }) => id === 'color-contrast'), `${what}: contrast was judged`);
    const width = await tab.evaluate('document.documentElement.scrollWidth');
    assert.ok(width <= NARROW.viewport.width, `${what}, ${colorScheme}: ${width} px wide`);
  }
}
