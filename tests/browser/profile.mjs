// A browser with a fresh profile, every hop that it makes, and what must hold of all of them.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const PATIENCE = 20_000;
const MOST_COOKIES = 4096;
/** What nobody but the next hop may learn. */
const SECRET = /[?&](code|state|token|authToken)=/;

export const PASSWORD = 'correct horse';

export class Profile {
  static opened = [];

  static async open(stage, options = {}) {
    const { chromium } = createRequire(`${stage.peers}/browser/`)('playwright-core');
    const context = await chromium.launchPersistentContext('', {
      executablePath: `${stage.peers}/browser/chromium`,
      ignoreHTTPSErrors: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--ignore-certificate-errors',
        '--host-resolver-rules=MAP ml.corp.example 127.0.0.1, MAP wiki.example 127.0.0.1, MAP wiki.corp.example 127.0.0.1',
      ],
      viewport: { width: 1024, height: 768 },
      ...options,
    });
    const profile = new Profile(stage, context);
    Profile.opened.push(profile);
    return profile;
  }

  constructor(stage, context) {
    this.stage = stage;
    this.context = context;
    this.hops = [];
    this.hopOf = new Map();
    context.setDefaultTimeout(PATIENCE);
    context.on('request', request => this.asked(request));
    context.on('response', response => this.answered(response));
  }

  asked(request) {
    const hop = { url: request.url(), tab: tabOf(request), request };
    hop.sent = request.allHeaders().catch(() => request.headers());
    this.hops.push(hop);
    this.hopOf.set(request, hop);
  }

  answered(response) {
    const hop = this.hopOf.get(response.request());
    if (!hop) return;
    hop.status = response.status();
    hop.received = response.allHeaders().catch(() => response.headers());
  }

  tab() {
    return this.context.newPage();
  }

  /** A tab that this profile's person has signed in with. */
  async signedIn(name) {
    const tab = await this.tab();
    await tab.goto(this.stage.at('/'));
    await this.signIn(tab, name);
    await this.shows(tab, 'What you can open');
    return tab;
  }

  /** The hops of a navigation, first to last, from the response that ended it. */
  async chain(response) {
    const chain = [];
    for (let request = response.request(); request; request = request.redirectedFrom()) {
      chain.unshift(await this.whole(this.hopOf.get(request)));
    }
    return chain;
  }

  async whole(hop) {
    return { url: hop.url, status: hop.status, tab: hop.tab, sent: await hop.sent, received: (await hop.received) ?? {} };
  }

  /** Types a name and the password at the provider's login page, where `tab` is. */
  async signIn(tab, name, password = PASSWORD) {
    await tab.waitForURL(url => url.href.startsWith(`${this.stage.issuer}/interaction/`));
    await tab.getByLabel('User').fill(name);
    await tab.getByLabel('Password').fill(password);
    const [arrived] = await Promise.all([
      tab.waitForNavigation({ url: url => !url.href.startsWith(this.stage.issuer) }),
      tab.getByRole('button', { name: 'Sign in' }).click(),
    ]);
    return arrived;
  }

  /** Holds where `tab` shows a destination that its URL opened, for the page below `landing`. */
  async isAt(tab, landing) {
    await tab.waitForURL(url => url.href.startsWith(`${this.stage.landing}/`));
    assert.match(await tab.getByRole('heading', { level: 1 }).innerText(), /^You are in /);
    const page = await tab.locator('body').innerText();
    if (landing) assert.ok(page.includes(landing), `${landing} is not in ${page}`);
  }

  /** Holds where `tab` shows a page of ours with this heading. */
  async shows(tab, heading) {
    await tab.waitForURL(url => url.href.startsWith(`${this.stage.public_url}/`));
    await tab.getByRole('heading', { level: 1, name: heading }).waitFor();
  }

  /** Puts a session into the profile that the gateway sealed nine hours ago. */
  async age(name) {
    const [cookie, value] = (await this.stage.ask('aged session', { user: name })).split('=');
    const attributes = { httpOnly: true, secure: true, sameSite: 'Lax' };
    await this.context.addCookies([{ name: cookie, value, url: this.stage.public_url, ...attributes }]);
  }

  /** What must hold of every hop, whatever the scenario. */
  async holds() {
    const { public_url: ours, landing } = this.stage;
    const handedOut = [];
    let inspected = 0;
    const hops = await Promise.all(this.hops.map(hop => this.whole(hop)));
    for (const { url, status, tab, sent, received } of hops) {
      const referer = sent.referer ?? '';
      assert.ok(!referer.startsWith(ours), `our pages name themselves to nobody: ${url.split('?')[0]}`);
      const isForeign = referer && new URL(referer).origin !== new URL(url).origin;
      if (isForeign) assert.doesNotMatch(referer, SECRET, `a Referer to ${url.split('?')[0]}`);
      if (!url.startsWith(`${ours}/`)) continue;
      const cookies = Buffer.byteLength(sent.cookie ?? '');
      assert.ok(cookies <= MOST_COOKIES, `${cookies} bytes of cookies to ${url.split('?')[0]}`);
      if (status === undefined) continue; // given up by the browser
      assert.equal(received['cache-control'], 'no-store', url.split('?')[0]);
      assert.equal(received['referrer-policy'], 'no-referrer', url.split('?')[0]);
      inspected += 1;
      const { location } = received;
      if (location?.startsWith(`${landing}/`)) handedOut.push({ location, tab });
    }
    assert.ok(inspected > 0, 'the hops were seen');
    for (const { location, tab } of handedOut) {
      // A browser asks without the fragment.
      const asked = url => url.split('#')[0];
      const visits = hops.filter(hop => asked(hop.url) === asked(location));
      assert.equal(visits.length, 1, 'an authorized URL is opened once');
      assert.equal(visits[0].tab, tab, 'an authorized URL is opened by the tab that asked');
      assert.equal(visits[0].status, 200, 'an authorized URL opens');
    }
    await this.stage.ask('handed out', { urls: handedOut.map(({ location }) => location) });
  }

  /** Leaves pictures of all tabs, and where each hop led, for whoever looks into a failure. */
  async record(name) {
    mkdirSync(this.stage.failures, { recursive: true });
    for (const hop of this.hops) {
      const received = await Promise.race([hop.received, new Promise(done => setTimeout(done, 200, {}))]);
      console.log(`  ${hop.status ?? '---'} ${brief(hop.url)} ${brief(received?.location) ?? ''} ${received?.['x-replica'] ?? ''}`);
    }
    for (const [index, tab] of this.context.pages().entries()) {
      const picture = path.join(this.stage.failures, `${name}-${index}.png`);
      await tab.screenshot({ path: picture, timeout: 3_000 }).catch(() => {});
      console.log(`  tab ${index}: ${brief(tab.url())} (${picture})`);
    }
  }

  async close() {
    await this.context.close();
  }
}

/** Without what nobody but the next hop may learn. */
function brief(url) {
  return url?.replace(/\?.*/, '?…').replace(/[\w-]{40,}/, '…');
}

function tabOf(request) {
  try {
    return request.frame().page();
  } catch {
    return undefined;
  }
}
