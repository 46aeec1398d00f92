// Many tabs at once: what a browser does when it restores its windows.

import assert from 'node:assert/strict';
import { Profile } from './profile.mjs';

const TABS = 20;

export async function twenty_tabs_of_a_fresh_profile_arrive(stage) {
  await openAll(await Profile.open(stage), stage, 'fresh-tabs');
}

export async function twenty_tabs_with_an_expired_session_arrive(stage) {
  const profile = await Profile.open(stage);
  await profile.age('expired-tabs');
  await openAll(profile, stage, 'expired-tabs');
}

/** One person signs in once, in one tab, and all tabs go where each of them was going. */
async function openAll(profile, stage, name) {
  const tabs = [];
  for (let n = 0; n < TABS; n += 1) tabs.push(await profile.tab());
  const page = n => `lab/tree/tab-${n}.ipynb`;
  await Promise.all(tabs.map((tab, n) => tab.goto(stage.at(`/studio/${page(n)}`))));

  const signingIn = 7;
  await profile.signIn(tabs[signingIn], name);
  await profile.isAt(tabs[signingIn], page(signingIn));

  // The others still show the provider's login page: people reload those.
  const waiting = tabs.filter(tab => tab.url().startsWith(stage.issuer));
  assert.equal(waiting.length, TABS - 1);
  await Promise.all(waiting.map(tab => tab.reload()));
  await Promise.all(tabs.map((tab, n) => profile.isAt(tab, page(n))));
  assert.equal(await stage.mints(name), TABS);

  const posted = profile.hops.filter(hop => hop.request.method() === 'POST');
  assert.equal(posted.length, 1, 'the password is typed once');
}
