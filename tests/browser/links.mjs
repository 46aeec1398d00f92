// Links on other people's pages: what mints, what asks first, and what does nothing.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Profile } from './profile.mjs';

const WIKI = 'wiki.example';
/** Same site as the gateway, so that the session's cookie goes along with whatever a page asks for. */
const INTRANET = 'wiki.corp.example';

const eager = (target, host) => `
  <link rel="prefetch" href="${target}?${host}-prefetch">
  <link rel="preload" as="fetch" href="${target}?${host}-preload" crossorigin="use-credentials">
  <script type="speculationrules">${JSON.stringify({
    prefetch: [{ source: 'list', urls: [`${target}?${host}-speculative`], eagerness: 'immediate' }],
    prerender: [{ source: 'list', urls: [`${target}?${host}-prerendered`], eagerness: 'immediate' }],
  })}</script>
  <img alt="" src="${target}?${host}-image">
  <iframe title="frame" src="${target}?${host}-frame"></iframe>
  <object data="${target}?${host}-object"></object>
  <script src="${target}?${host}-script"></script>
  <script>
    fetch('${target}?${host}-fetched', { mode: 'no-cors', credentials: 'include' }).catch(() => {});
    fetch('${target}?${host}-head', { method: 'HEAD', mode: 'no-cors', credentials: 'include' }).catch(() => {});
    navigator.sendBeacon('${target}?${host}-beacon', 'x');
  </script>
  <a href="${target}">Our studio</a>`;

/** What such a page makes Chromium ask for, and how. */
const ASKED = {
  image: 'GET',
  frame: 'GET',
  object: 'GET',
  script: 'GET',
  fetched: 'GET',
  head: 'HEAD',
  beacon: 'POST',
  prefetch: 'GET',
  preload: 'GET',
};
/** These only where Chromium finds it worth while. */
const SPECULATIVE = ['speculative', 'prerendered'];

export async function a_page_elsewhere_mints_nothing_before_its_link_is_clicked(stage) {
  await nothingUntilClicked(stage, WIKI, 'wiki-reader');
}

export async function a_page_of_the_same_site_mints_nothing_before_its_link_is_clicked(stage) {
  await nothingUntilClicked(stage, INTRANET, 'intranet-reader');
}

async function nothingUntilClicked(stage, host, name) {
  const page = `<!doctype html><title>Wiki</title>${eager(stage.at('/studio'), host)}`;
  const wiki = await stage.elsewhere(host, { '/': page });
  const profile = await Profile.open(stage);
  const tab = await profile.signedIn(name);
  await tab.goto(wiki);
  for (const [kind, method] of Object.entries(ASKED)) {
    const answers = await came(stage, `${method} /studio?${host}-${kind}`);
    for (const answer of answers) assert.match(answer, /^(403|405|200) /, kind);
    if (kind === 'prefetch') assert.match(answers[0], /"prefetch"/);
  }
  await pause(500);
  for (const kind of SPECULATIVE) {
    const answers = await stage.ask('came', { request: `GET /studio?${host}-${kind}` });
    for (const answer of answers) assert.match(answer, /^403 "prefetch/, kind);
  }
  assert.equal(await stage.mints(name), 0);

  const opening = profile.hops.length;
  await tab.getByRole('link', { name: 'Our studio' }).click();
  await profile.isAt(tab);
  const way = profile.hops.slice(opening).filter(hop => hop.tab === tab && hop.request.isNavigationRequest());
  const ours = way.map(hop => hop.url).filter(url => url.startsWith(stage.public_url));
  assert.deepEqual(ours, [stage.at('/studio')], 'straight to the destination');
  assert.equal(await stage.mints(name), 1);
}

export async function a_redirect_that_nobody_clicked_asks_first(stage) {
  const script = `<script>setTimeout(() => { location.href = '${stage.at('/studio')}'; }, 50)</script>`;
  const wiki = await stage.elsewhere(WIKI, { '/': `<!doctype html><title>Wiki</title>${script}` });
  const profile = await Profile.open(stage);
  const tab = await profile.signedIn('redirected');
  await tab.goto(wiki);
  await profile.shows(tab, 'Open SageMaker Studio?');
  assert.equal(await stage.mints('redirected'), 0);
  await tab.getByRole('link', { name: 'Continue' }).click();
  await profile.isAt(tab);
  assert.equal(await stage.mints('redirected'), 1);
}

export async function a_look_from_outside_mints_nothing(stage) {
  const profile = await Profile.open(stage);
  await profile.signedIn('looked-at');
  const cookies = await profile.context.cookies(stage.public_url);
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  const head = await stage.plain('HEAD', '/studio', { cookie, accept: 'text/html' });
  assert.equal(head.headers.location, undefined);
  // What Chromium sends ahead of a click, where it has a cookie to send.
  for (const purpose of ['prefetch', 'prefetch;prerender']) {
    const navigation = { 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'same-site' };
    const ahead = { cookie, accept: 'text/html', 'sec-purpose': purpose, ...navigation };
    assert.equal((await stage.plain('GET', '/studio', ahead)).status, 403, purpose);
  }

  for (const agent of [
    'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)',
    'Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com',
    'facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)',
    'Twitterbot/1.0',
    'WhatsApp/2.23.20.0',
    'Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)',
    'LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)',
  ]) {
    for (const accept of ['*/*', 'text/html,application/xhtml+xml,*/*;q=0.8']) {
      const seen = await stage.plain('GET', '/studio', { 'user-agent': agent, accept });
      const goesTo = seen.headers.location ?? '';
      assert.ok(seen.status === 401 || goesTo.startsWith(`${stage.issuer}/`), `${agent}: ${seen.status} ${goesTo}`);
      assert.doesNotMatch(seen.body, /SageMaker Studio/, 'titles are told to people who signed in');
    }
  }
  assert.equal(await stage.mints('looked-at'), 0);
}

/** Waits for a request, whether it is to be seen from here or not: what the balancer noted of each. */
async function came(stage, request) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const answers = await stage.ask('came', { request });
    if (answers.length > 0) return answers;
    await pause(50);
  }
  throw new Error(`${request} never came`);
}
