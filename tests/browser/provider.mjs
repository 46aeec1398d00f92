// What becomes of people while the provider changes its keys or is away.

import assert from 'node:assert/strict';
import { Profile } from './profile.mjs';

const AWAY = 'The sign-in does not answer';

export async function the_provider_changes_its_keys_during_a_sign_in(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.tab();
  await tab.goto(stage.at('/studio'));
  await stage.provider('/rotate');
  await profile.signIn(tab, 'rotation');
  await profile.isAt(tab);
}

export async function an_outage_ends_no_session(stage) {
  const known = await Profile.open(stage);
  const here = await known.signedIn('at-work');
  await stage.provider('/dark');
  try {
    await here.goto(stage.at('/studio'));
    await known.isAt(here);
    assert.equal(await stage.mints('at-work'), 1);

    // The gateway knows the provider's addresses still, so the browser is the first to notice.
    const late = await Profile.open(stage);
    const there = await late.tab();
    await assert.rejects(there.goto(stage.at('/studio')), /ERR_CONNECTION_REFUSED/);
    await there.waitForURL('chrome-error://chromewebdata/');
    await stage.provider('/light');
    await there.goto(stage.at('/studio'));
    await late.signIn(there, 'late');
    await late.isAt(there);
  } finally {
    await stage.provider('/light');
  }
}

export async function an_outage_is_told_to_who_needs_the_provider(stage) {
  const known = await Profile.open(stage);
  const here = await known.signedIn('at-work-too');
  await stage.provider('/dark');
  try {
    for (const index of [0, 1]) {
      await stage.ask('stop replica', { index });
      await stage.ask('start replica', { index });
    }
    await here.goto(stage.at('/studio'));
    await known.isAt(here);

    const late = await Profile.open(stage);
    const there = await late.tab();
    const answer = await there.goto(stage.at('/studio'));
    assert.equal(answer.status(), 503);
    await late.shows(there, AWAY);
    await stage.provider('/light');
    await tryAgain(there);
    await late.signIn(there, 'too-late');
    await arrivesInTheEnd(late, there);
  } finally {
    await stage.provider('/light');
  }
}

export async function an_outage_between_password_and_tokens_costs_another_try(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.tab();
  await tab.goto(stage.at('/studio'));
  await stage.provider('/dark?path=/token');
  try {
    await profile.signIn(tab, 'half-way');
    await profile.shows(tab, AWAY);
    assert.equal(await stage.mints('half-way'), 0);
  } finally {
    await stage.provider('/light');
  }
  await arrivesInTheEnd(profile, tab);
}

/** The other replica may not know yet that the provider is back; then the way leads over the list of destinations. */
async function arrivesInTheEnd(profile, tab) {
  await tryAgain(tab);
  await tab.waitForURL(url => !url.href.startsWith(profile.stage.issuer));
  if (!tab.url().startsWith(profile.stage.landing)) {
    await profile.shows(tab, 'What you can open');
    await tab.getByRole('link', { name: 'SageMaker Studio' }).click();
  }
  await profile.isAt(tab);
}

/** Presses the button until the gateway asks the provider again: it waits a little after a failure. */
async function tryAgain(tab) {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const button = tab.getByRole('link', { name: 'Try again' });
    if (!(await button.isVisible())) return;
    await button.click();
    await tab.waitForLoadState();
    if (await button.isVisible()) await tab.waitForTimeout(500);
  }
}
