// Addresses from the middle of a sign-in, kept or come back to. They lead to the destination or the list, with one more
// sign-in at most, and never to an error.

import assert from 'node:assert/strict';
import { Profile } from './profile.mjs';

export async function a_bookmarked_login_page_leads_on(stage) {
  const { profile, authorize } = await signedInOnce(stage, 'bookmarked-login');
  const tab = await profile.tab();
  await tab.goto(authorize);
  await leadsOn(profile, tab, 'bookmarked-login', 0);

  const other = await Profile.open(stage);
  const there = await other.tab();
  await there.goto(authorize);
  await leadsOn(other, there, 'bookmarked-login', 1);
}

export async function a_bookmarked_callback_leads_on(stage) {
  const { profile, callback } = await signedInOnce(stage, 'bookmarked-callback');
  const tab = await profile.tab();
  await tab.goto(callback);
  await leadsOn(profile, tab, 'bookmarked-callback', 0);

  await profile.age('bookmarked-callback');
  await tab.goto(callback);
  await leadsOn(profile, tab, 'bookmarked-callback', 0);

  const other = await Profile.open(stage);
  const there = await other.tab();
  await there.goto(callback);
  await leadsOn(other, there, 'bookmarked-callback', 1);
}

export async function a_callback_with_a_foreign_state_leads_on(stage) {
  for (const query of ['code=x&state=y', 'error=access_denied&state=y', `code=${'x'.repeat(100)}&state=${'A'.repeat(300)}`]) {
    const profile = await Profile.open(stage);
    const tab = await profile.tab();
    await tab.goto(stage.at(`/-/callback?${query}`));
    await leadsOn(profile, tab, 'foreign-state', 1);
  }
}

export async function going_back_after_arriving_leads_on(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.signedIn('going-back');
  await tab.getByRole('link', { name: 'SageMaker Studio' }).click();
  await profile.isAt(tab);
  await tab.goBack();
  await profile.shows(tab, 'What you can open');
  await tab.getByRole('link', { name: 'SageMaker Studio' }).click();
  await profile.isAt(tab);
  assert.equal(await stage.mints('going-back'), 2);
}

/** A sign-in, and the addresses that it went through. */
async function signedInOnce(stage, name) {
  const profile = await Profile.open(stage);
  const tab = await profile.tab();
  await tab.goto(stage.at('/studio'));
  await profile.signIn(tab, name);
  await profile.isAt(tab);
  const first = start => profile.hops.find(hop => hop.url.startsWith(start)).url;
  return { profile, authorize: first(`${stage.issuer}/auth?`), callback: first(stage.at('/-/callback?')) };
}

/** From wherever `tab` is, with so many passwords typed at most, to the destination or the list. */
async function leadsOn(profile, tab, name, passwords) {
  const { stage } = profile;
  if (tab.url().startsWith(stage.issuer)) {
    assert.ok(passwords > 0, 'nobody has to type a password again');
    await profile.signIn(tab, name);
  }
  await tab.waitForURL(url => !url.href.startsWith(stage.issuer));
  const asks = tab.getByRole('link', { name: /^Continue/ });
  if (await asks.isVisible()) await asks.click();
  await tab.waitForURL(url => url.href === stage.at('/') || url.href.startsWith(stage.landing));
  const heading = await tab.getByRole('heading', { level: 1 }).innerText();
  assert.match(heading, /^(What you can open|You are in SageMaker Studio)$/);
}
