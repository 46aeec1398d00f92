// Stopped targets that people start, between two replicas: AWS tells the earlier state for some seconds.

import assert from 'node:assert/strict';
import path from 'node:path';
import { Profile } from './profile.mjs';
import { isAccessible } from './pages.mjs';

const LONG = { timeout: 90_000 };
const NARROW = { viewport: { width: 320, height: 640 } };

export async function a_stopped_server_is_started_by_one_and_opens_for_all(stage) {
  const page = '/vault/experiments/7';
  const starter = await Profile.open(stage);
  const first = await starter.signedIn('starter');
  const second = await starter.tab();
  const early = await Profile.open(stage);
  const waiting = await early.signedIn('early');
  const viewer = await Profile.open(stage, NARROW);
  const looking = await viewer.signedIn('viewer');

  for (const tab of [first, second, waiting, looking]) {
    await tab.goto(stage.at(page));
    await tab.getByRole('heading', { level: 1, name: 'This is not ready to be opened' }).waitFor();
  }
  assert.equal(await looking.getByRole('button', { name: 'Start it' }).count(), 0, 'without the right');
  assert.match(await looking.locator('main').innerText(), /Ask your platform team/);
  await shot(stage, first, 'stopped');
  await shot(stage, looking, 'stopped-without-the-right');
  assert.equal(await stage.ask('starts'), 0, 'looks start nothing');

  // Two tabs at once, with two replicas behind them.
  await Promise.all([first, second].map(tab => tab.getByRole('button', { name: 'Start it' }).click()));
  await first.getByRole('heading', { level: 1, name: 'This is starting' }).waitFor();
  await shot(stage, first, 'starting');
  const narrow = await viewer.tab();
  await narrow.goto(stage.at(page));
  await narrow.getByRole('heading', { level: 1, name: 'This is starting' }).waitFor();
  await isAccessible(stage, narrow, 'starting');
  await narrow.close();
  const late = await starter.tab();
  await late.goto(stage.at(page));
  await late.getByRole('heading', { level: 1, name: 'This is starting' }).waitFor();
  assert.match(await late.locator('main').innerText(), /It has been starting since 20\d\d-/);

  const arrived = [first, second, late, waiting, looking];
  await Promise.all(arrived.map(tab => tab.waitForURL(url => url.href.startsWith(`${stage.landing}/`), LONG)));
  for (const tab of arrived) assert.equal(new URL(tab.url()).hash, '#/experiments/7');
  assert.equal(await stage.ask('starts'), 1);
}

export async function a_form_from_elsewhere_starts_nothing(stage) {
  const wiki = await stage.elsewhere('wiki.example', {
    '/': `<!doctype html><title>Wiki</title><form method="post" action="${stage.at('/-/start/archive')}">
      <input name="return_to" value="/archive"><button>Free coffee</button></form>`,
  });
  const before = await stage.ask('starts');
  const profile = await Profile.open(stage, NARROW);
  const tab = await profile.signedIn('clicker');
  await tab.goto(stage.at('/archive'));
  await isAccessible(stage, tab, 'stopped with a button');
  await tab.goto(stage.at('/'));
  await isAccessible(stage, tab, 'list with a button');
  await shot(stage, tab, 'list');
  await tab.goto(wiki);
  await tab.getByRole('button').click();
  await tab.waitForURL(stage.at('/-/start/archive'));
  // The session's cookie does not go along with a form of another site, so this is a request of nobody.
  assert.match(await tab.getByRole('heading', { level: 1 }).innerText(), /sign|another site/i);
  assert.equal(await stage.ask('starts'), before);
}

async function shot(stage, tab, name) {
  await tab.screenshot({ path: path.join(stage.failures, `wake-${name}.png`) });
}

export async function two_tabs_create_one_profile(stage) {
  const profile = await Profile.open(stage, NARROW);
  const first = await profile.signedIn('joiner');
  const second = await profile.tab();
  const pages = [[first, 'lab/tree/one.ipynb'], [second, 'lab/tree/two.ipynb']];
  await Promise.all(pages.map(([tab, page]) => tab.goto(stage.at(`/newcomers/${page}`))));
  await first.getByRole('heading', { level: 1, name: 'This is not ready to be opened' }).waitFor();
  await isAccessible(stage, first, 'profile');
  await shot(stage, first, 'profile');
  await Promise.all(pages.map(([tab]) => tab.waitForURL(url => url.href.startsWith(`${stage.landing}/`), LONG)));
  for (const [tab, page] of pages) assert.match(await tab.locator('body').innerText(), new RegExp(page));
  assert.equal(await stage.ask('profiles'), 1);
}
