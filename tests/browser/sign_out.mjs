// Signing out: here, at the provider, and from the provider's side.

import assert from 'node:assert/strict';
import { Profile } from './profile.mjs';

export async function a_sign_out_in_one_tab_counts_in_the_other(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.signedIn('leaver');
  await tab.getByRole('link', { name: 'SageMaker Studio' }).click();
  await profile.isAt(tab);
  const kept = await cookie(profile);

  const other = await profile.tab();
  await other.goto(stage.at('/-/whoami'));
  await profile.shows(other, 'You are leaver@corp.example');
  assert.match(await other.locator('body').innerText(), /ml-users/);
  await other.goto(stage.at('/-/logout'));
  await signOut(profile, other);

  await tab.goto(stage.at('/studio'));
  assert.ok(tab.url().startsWith(`${stage.issuer}/interaction/`), 'the provider asks for the password again');
  await profile.signIn(tab, 'leaver');
  await profile.isAt(tab);
  await countsNowhere(stage, kept);
}

export async function a_session_that_the_provider_ends_counts_at_no_replica(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.signedIn('dismissed');
  const bystander = await Profile.open(stage);
  const elsewhere = await bystander.signedIn('bystander');
  const kept = await cookie(profile);
  assert.deepEqual(await answers(stage, kept), { first: 200, second: 200 });

  await stage.provider('/end-sessions?user=dismissed');
  await countsNowhere(stage, kept);
  await tab.goto(stage.at('/studio'));
  assert.ok(tab.url().startsWith(`${stage.issuer}/interaction/`), 'the provider asks for the password again');
  assert.equal(await stage.mints('dismissed'), 0);

  await elsewhere.goto(stage.at('/studio'));
  await bystander.isAt(elsewhere);
}

/** From the page that asks, by the provider, which may ask too, back to a page of ours. */
async function signOut(profile, tab) {
  const { stage } = profile;
  await profile.shows(tab, 'Sign out?');
  await tab.getByRole('button', { name: 'Sign out', exact: true }).click();
  await tab.waitForLoadState();
  if (tab.url().startsWith(stage.issuer)) await tab.getByRole('button', { name: 'Yes, sign me out' }).click();
  await profile.shows(tab, 'You are signed out');
}

async function cookie(profile) {
  const cookies = await profile.context.cookies(profile.stage.public_url);
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
}

/** A copy of the cookies opens nothing, at either replica. */
async function countsNowhere(stage, kept) {
  assert.deepEqual(await answers(stage, kept), { first: 302, second: 302 });
}

/** What each replica answers to a visit of the list. */
async function answers(stage, kept) {
  const seen = {};
  for (let attempt = 0; attempt < 20 && Object.keys(seen).length < 2; attempt += 1) {
    const { status, headers } = await stage.plain('GET', '/', { cookie: kept, accept: 'text/html' });
    const replica = headers['x-replica'];
    assert.equal(seen[replica] ?? status, status);
    seen[replica] = status;
  }
  return seen;
}
