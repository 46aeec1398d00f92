// The main ways of a person, in browsers that are not Chromium.

import assert from 'node:assert/strict';
import path from 'node:path';
import { PASSWORD } from './profile.mjs';
import { Browser, button, heading, labelled } from './webdriver.mjs';

const LONG = 45_000;
const TABS = 6;

export async function the_main_ways(stage) {
  const name = `smoke-${stage.label}`;
  const browser = await Browser.open(stage);
  const tab = await sixTabsWithoutASession(stage, browser, name);
  await aStoppedServer(stage, tab, name);
  await aFirstVisit(stage, tab);
  await aRunToken(stage, tab);
  await signOut(stage, tab, name);
}

/** Each goes to the exact page, which the sign-in keeps: for MLflow it is the fragment. */
async function sixTabsWithoutASession(stage, browser, name) {
  const tabs = [];
  for (let n = 0; n < TABS; n += 1) tabs.push(await browser.tab());
  const page = n => `/experiments/${n}/runs?view=a%20b&n=${n}`;
  for (const [n, tab] of tabs.entries()) await tab.goto(stage.at(`/experiments${page(n)}`));
  for (const tab of tabs) await tab.shows(labelled('User'));
  const signingIn = 3;
  await tabs[signingIn].signIn(name, PASSWORD);
  await tabs[signingIn].arrives(`${stage.landing}/`);
  for (const [n, tab] of tabs.entries()) if (n !== signingIn) await tab.reload();
  for (const [n, tab] of tabs.entries()) {
    const arrived = await tab.arrives(`${stage.landing}/`);
    assert.equal(new URL(arrived).hash, `#${page(n)}`);
    await tab.shows("//h1[starts-with(normalize-space(), 'You are in ')]");
  }
  assert.equal(await stage.mints(name), TABS);
  return tabs[0];
}

async function aStoppedServer(stage, tab, name) {
  const starts = () => stage.ask('starts', { user: `${name}@corp.example` });
  await tab.goto(stage.at(`/${stage.stopped}/experiments/7`));
  await tab.shows(heading('This is not ready to be opened'));
  assert.equal(await starts(), 0, 'a visit starts nothing');
  await tab.click(button('Start it'));
  await tab.shows(heading('This is starting'));
  await tab.picture(path.join(stage.failures, `${stage.label}-starting.png`));
  const arrived = await tab.arrives(`${stage.landing}/`, LONG);
  assert.equal(new URL(arrived).hash, '#/experiments/7');
  assert.equal(await starts(), 1);
}

async function aFirstVisit(stage, tab) {
  await tab.goto(stage.at('/newcomers/lab/tree/one.ipynb'));
  await tab.shows(heading('This is not ready to be opened'));
  await tab.arrives(`${stage.landing}/`, LONG);
  await tab.shows("//body[contains(., 'lab/tree/one.ipynb')]");
}

async function aRunToken(stage, tab) {
  await tab.goto(stage.at('/-/tokens?destination=experiments'));
  await tab.shows(heading('Run tokens'));
  await tab.type(labelled('Name, for your own list'), 'nightly training');
  await tab.click(button('Make a run token'));
  const token = await tab.value(labelled('The token'));
  const asked = '/experiments/api/2.0/mlflow/experiments/get?experiment_id=0';
  const call = () => stage.plain('GET', asked, { authorization: `Bearer ${token}`, accept: 'application/json' });
  assert.notEqual((await call()).status, 401);
  await tab.picture(path.join(stage.failures, `${stage.label}-token.png`));
  await tab.click(button('Take back nightly training'));
  await tab.shows("//p[normalize-space()='You have none.']");
  assert.equal((await call()).status, 401);
}

async function signOut(stage, tab, name) {
  await tab.goto(stage.at('/-/logout'));
  await tab.shows(heading('Sign out?'));
  await tab.click("//main//button[normalize-space()='Sign out']");
  await tab.click(button('Yes, sign me out'));
  await tab.shows(heading('You are signed out'));
  await tab.goto(stage.at('/experiments'));
  await tab.signIn(name, PASSWORD);
  await tab.arrives(`${stage.landing}/`);
}
