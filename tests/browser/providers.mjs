// Identity providers that others wrote. `PAGES` says how each asks for what; the scenarios are the same for all.

import assert from 'node:assert/strict';
import { Profile } from './profile.mjs';

const PASSWORD = 'correct-horse-battery';
/** What the gateway's `session.revalidate` is twice, and some more: it has asked the provider again when a page comes. */
const ASKED_AGAIN = 4_500;
const MOST_PAGES = 8;

/** By provider whose pages are forms, selectors: the fields of the sign-in, what sends it, what consents, and what confirms a sign-out. */
const PAGES = {
  canaille: {
    user: 'input[name=login]',
    password: 'input[name=password]',
    send: 'button.primary[type=submit]',
    consent: 'button[name=answer][value=accept]',
    leave: 'button[name=answer][value=logout]',
  },
  django: {
    user: 'input[name=username]',
    password: 'input[name=password]',
    send: 'button',
    consent: 'input[name=allow]',
    leave: 'input[name=allow]',
  },
  lemonldap: {
    user: 'input[name=user]',
    password: 'input[name=password]',
    send: 'button[type=submit]',
    consent: '#form input[name=confirm] ~ * button.btn-success, .oidc_consent_message ~ * button.btn-success',
    leave: 'button.btn-success',
  },
};

export async function a_person_signs_in_and_out(stage) {
  await stage.provider('/add?user=ada');
  const profile = await Profile.open(stage);
  const tab = await profile.tab();
  await tab.goto(stage.at('/studio'));
  await signIn(stage, tab, 'ada');
  await profile.isAt(tab);
  assert.equal(await stage.mints('ada'), 1);

  await tab.goto(stage.at('/-/whoami'));
  const told = await tab.locator('body').innerText();
  for (const fact of [/ada@corp\.example/, /ml-users/]) assert.match(told, fact);

  await tab.goto(stage.at('/-/logout'));
  await tab.getByRole('button', { name: 'Sign out', exact: true }).click();
  await tab.waitForLoadState();
  if (isThere(stage, tab)) await tab.locator(PAGES[stage.provider_name].leave).first().click();
  await profile.shows(tab, 'You are signed out');
  await tab.goto(stage.at('/studio'));
  await asksForThePassword(stage, tab);
  assert.equal(await stage.mints('ada'), 1);
}

export async function new_keys_sign_in_the_next_person(stage) {
  await signedIn(stage, 'before');
  await stage.provider('/rotate');
  await signedIn(stage, 'after');
}

export async function a_removed_group_is_noticed(stage) {
  const { profile, tab } = await signedIn(stage, 'max');
  await stage.provider('/remove-group?user=max');
  await tab.waitForTimeout(ASKED_AGAIN);
  const answer = await tab.goto(stage.at('/studio'));
  assert.equal(answer.status(), 403);
  await profile.shows(tab, 'You have no access to this yet');
  assert.equal(await stage.mints('max'), 0);
  assert.ok(!(await events(stage, 'max')).includes('withdraw'), 'the person is known, and without the group');
}

export async function a_locked_person_loses_the_session(stage) {
  const { tab } = await signedIn(stage, 'eve');
  await stage.provider('/lock?user=eve');
  await tab.waitForTimeout(ASKED_AGAIN);
  await tab.goto(stage.at('/studio'));
  assert.ok(isThere(stage, tab), `the session still counts at ${tab.url()}`);
  assert.equal(await stage.mints('eve'), 0);
  assert.ok((await events(stage, 'eve')).includes('withdraw'), 'the audit trail says so');
}

/** By the back channel, before the gateway asks about the person again. */
export async function the_provider_ends_the_session(stage) {
  const { tab } = await signedIn(stage, 'kim');
  assert.deepEqual(await stage.ask('sign-outs', {}), []);
  await endTheSessionAtGlewlwyd(stage, tab);
  for (let tries = 0; tries < 20 && (await stage.ask('sign-outs', {})).length === 0; tries += 1) await tab.waitForTimeout(50);
  assert.deepEqual(await stage.ask('sign-outs', {}), ['back-channel-logout-session']);
  await tab.goto(stage.at('/studio'));
  assert.ok(isThere(stage, tab), `the session still counts at ${tab.url()}`);
  assert.equal(await stage.mints('kim'), 0);
  assert.ok(!(await events(stage, 'kim')).includes('withdraw'), 'it ended by the logout token');
}

/** A person of the group, and a tab of theirs at the list of destinations. */
async function signedIn(stage, name) {
  await stage.provider(`/add?user=${name}`);
  const profile = await Profile.open(stage);
  const tab = await profile.tab();
  await tab.goto(stage.at('/'));
  await signIn(stage, tab, name);
  await profile.shows(tab, 'What you can open');
  await tab.getByRole('link', { name: 'SageMaker Studio' }).waitFor();
  return { profile, tab };
}

/** Goes through the provider's pages until the browser is elsewhere. */
async function signIn(stage, tab, name) {
  if (stage.provider_name === 'glewlwyd') return signInAtGlewlwyd(stage, tab, name);
  const { user, password, send, consent } = PAGES[stage.provider_name];
  for (let page = 0; page < MOST_PAGES; page += 1) {
    await tab.waitForLoadState();
    if (!isThere(stage, tab)) return;
    if (await tab.locator(consent).first().isVisible()) {
      await follow(tab, tab.locator(consent).first());
      continue;
    }
    await fill(tab, user, name);
    await fill(tab, password, PASSWORD);
    await follow(tab, tab.locator(send).first());
  }
  assert.fail(`the provider does not come to an end: ${await tab.locator('body').innerText()}`);
}

/** Its pages are one page with scripts. */
async function signInAtGlewlwyd(stage, tab, name) {
  await tab.locator('input[name=username]').fill(name);
  await tab.locator('input[type=password]').fill(PASSWORD);
  await tab.getByRole('button', { name: 'OK', exact: true }).click();
  const grant = tab.getByRole('button', { name: 'Grant access' });
  await grant.waitFor();
  for (const box of await tab.locator('input[type=checkbox]:enabled').all()) await box.check();
  await grant.click();
  await tab.getByRole('button', { name: 'Continue' }).click();
  await tab.waitForURL(url => url.origin !== new URL(stage.issuer).origin);
}

/** What its page for the sign-out would do. The cookie holds the session's name, which is the `sid` of its tokens. */
async function endTheSessionAtGlewlwyd(stage, tab) {
  const cookies = await tab.context().cookies(stage.issuer);
  const session = cookies.find(cookie => cookie.name === 'GLEWLWYD2_OIDC_SESSION');
  assert.ok(session, JSON.stringify(cookies.map(cookie => cookie.name)));
  const answer = await tab.context().request.delete(`${stage.issuer}/session/${encodeURIComponent(session.value)}`);
  assert.equal(answer.status(), 200, await answer.text());
}

async function fill(tab, selector, text) {
  const field = tab.locator(selector).first();
  if (await field.isVisible()) await field.fill(text);
}

async function follow(tab, button) {
  await Promise.all([tab.waitForNavigation(), button.click()]);
}

async function asksForThePassword(stage, tab) {
  assert.ok(isThere(stage, tab), `somebody is signed in: ${tab.url()}`);
  const { user, password } = PAGES[stage.provider_name];
  await tab.locator(`${user}, ${password}`).first().waitFor();
}

function isThere(stage, tab) {
  return new URL(tab.url()).origin === new URL(stage.issuer).origin;
}

function events(stage, name) {
  return stage.ask('events', { user: `${name}@corp.example` });
}
