// Run tokens on their page, and the sign-in of a terminal: made, shown once, taken back; accessible without script.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { NARROW, isAccessible } from './pages.mjs';
import { Profile } from './profile.mjs';

const TOKEN = /postern_run_[\w-]+/;

export async function a_run_token_is_made_shown_once_and_taken_back(stage) {
  const profile = await Profile.open(stage, NARROW);
  const tab = await profile.signedIn('runner');
  await tab.getByText('For programs').click();
  assert.match(await tab.locator('pre').first().innerText(), /export MLFLOW_TRACKING_URI=https:\/\/ml\.corp\.example:\d+\/experiments/);
  await tab.getByRole('link', { name: 'a run token of yours' }).click();
  await profile.shows(tab, 'Run tokens');
  await isAccessible(stage, tab, 'run tokens');
  await tab.getByLabel('Name, for your own list').fill('nightly training');
  await tab.getByLabel('What its programs may do').selectOption('read');
  await tab.getByLabel('How long it is valid').selectOption('1h');
  await tab.getByRole('button', { name: 'Make a run token' }).click();
  await tab.getByRole('heading', { name: 'Your new run token' }).waitFor();
  await isAccessible(stage, tab, 'a new run token');
  const token = await tab.getByLabel('The token', { exact: true }).inputValue();
  assert.match(token, TOKEN);
  const shell = await tab.getByLabel('For a shell').inputValue();
  assert.equal(shell, `export MLFLOW_TRACKING_URI=${stage.at('/experiments')}\nexport MLFLOW_TRACKING_TOKEN=${token}`);
  await tab.screenshot({ path: `${stage.failures}/tokens-made.png`, fullPage: true }).catch(() => {});

  // The token counts for programs and opens nothing in a browser.
  const asked = path => stage.plain('GET', path, { authorization: `Bearer ${token}`, accept: 'application/json' });
  assert.equal((await asked('/experiments')).status, 401);
  assert.notEqual((await asked('/experiments/api/2.0/mlflow/experiments/get?experiment_id=0')).status, 401);

  // Loading the answer again makes no second token and shows none.
  tab.once('dialog', dialog => dialog.accept());
  await tab.reload();
  await profile.shows(tab, 'This form no longer counts');
  await tab.goto(stage.at('/-/tokens'));
  await profile.shows(tab, 'Run tokens');
  assert.doesNotMatch(await tab.content(), TOKEN);
  await isAccessible(stage, tab, 'the list of run tokens');
  await tab.screenshot({ path: `${stage.failures}/tokens-list.png`, fullPage: true }).catch(() => {});
  await tab.getByRole('button', { name: 'Take back nightly training' }).click();
  await tab.getByText('You have none.').waitFor();
  const refused = await asked('/experiments/api/2.0/mlflow/experiments/get?experiment_id=0');
  assert.equal(refused.status, 401);
  assert.equal(JSON.parse(refused.body).reason, 'token-revoked');
}

export async function a_terminal_is_allowed_by_its_person(stage) {
  const profile = await Profile.open(stage, NARROW);
  const verifier = randomBytes(32).toString('base64url');
  let arrive;
  const arrived = new Promise(resolve => {
    arrive = resolve;
  });
  const server = http.createServer((request, response) => {
    if (request.url.startsWith('/callback?')) arrive(new URL(request.url, 'http://127.0.0.1'));
    response.writeHead(200, { 'content-type': 'text/html', 'referrer-policy': 'no-referrer' });
    response.end('<!doctype html><title>Signed in</title><h1>Signed in</h1>');
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const query = new URLSearchParams({
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'only-this-terminal',
    machine: 'adas-laptop',
    redirect_uri: `http://127.0.0.1:${server.address().port}/callback`,
  });
  const tab = await profile.tab();
  await tab.goto(stage.at(`/-/terminal?${query}`));
  await profile.signIn(tab, 'terminal-user');
  await profile.shows(tab, 'Let a terminal act for you?');
  await isAccessible(stage, tab, 'a terminal asks');
  await tab.screenshot({ path: `${stage.failures}/terminal.png`, fullPage: true }).catch(() => {});
  assert.match(await tab.locator('main').innerText(), /adas-laptop/);
  await tab.getByRole('button', { name: 'Allow it' }).click();
  await tab.getByRole('heading', { name: 'Signed in' }).waitFor();
  const back = await arrived;
  assert.equal(back.searchParams.get('state'), 'only-this-terminal');
  const redeem = () => {
    const body = JSON.stringify({ code: back.searchParams.get('code'), code_verifier: verifier });
    return stage.plain('POST', '/-/api/terminal', { 'content-type': 'application/json' }, body);
  };
  const { status, body } = await redeem();
  assert.equal(status, 200, body);
  assert.equal(JSON.parse(body).user, 'terminal-user@corp.example');
  assert.equal((await redeem()).status, 400, 'once, at whichever replica');
  const make = await stage.plain(
    'POST',
    '/-/api/tokens',
    { 'content-type': 'application/json', authorization: `Bearer ${JSON.parse(body).token}` },
    JSON.stringify({ destination: 'experiments' }),
  );
  assert.equal(make.status, 201, make.body);
  await tab.goto(stage.at('/-/tokens'));
  await tab.getByText('A terminal that makes run tokens for you').waitFor();
  server.close();

  // Without a browser of its own, the terminal gets a code that is pasted.
  query.delete('redirect_uri');
  await tab.goto(stage.at(`/-/terminal?${query}`));
  await tab.getByRole('button', { name: 'Allow it' }).click();
  await profile.shows(tab, 'Paste this code into your terminal');
  await isAccessible(stage, tab, 'a code to paste');
}
