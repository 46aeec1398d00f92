// Browsers that are not Chromium, by W3C WebDriver: Firefox speaks it itself (Marionette), WebKitGTK by WebKitWebDriver.
// <https://www.w3.org/TR/webdriver2/>, <https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html>

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Profile } from './profile.mjs';

const PATIENCE = 20_000;
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
/** A command's name in Marionette, and its place in WebDriver. What `{…}` names goes into the path. */
const COMMANDS = {
  NewSession: ['POST', '/session'],
  DeleteSession: ['DELETE', '/session/{session}'],
  Navigate: ['POST', '/session/{session}/url'],
  GetCurrentURL: ['GET', '/session/{session}/url'],
  Refresh: ['POST', '/session/{session}/refresh'],
  GetWindowHandle: ['GET', '/session/{session}/window'],
  NewWindow: ['POST', '/session/{session}/window/new'],
  SwitchToWindow: ['POST', '/session/{session}/window'],
  FindElements: ['POST', '/session/{session}/elements'],
  ElementClick: ['POST', '/session/{session}/element/{id}/click'],
  ElementSendKeys: ['POST', '/session/{session}/element/{id}/value'],
  GetElementText: ['GET', '/session/{session}/element/{id}/text'],
  GetElementProperty: ['GET', '/session/{session}/element/{id}/property/{name}'],
  TakeScreenshot: ['GET', '/session/{session}/screenshot'],
};

/** An XPath of what people see. */
export const heading = text => `//h1[normalize-space()='${text}']`;
export const button = text => `//button[normalize-space()='${text}']`;
export const labelled = text => `//*[@aria-label='${text}' or @id=//label[normalize-space()='${text}']/@for]`;

export class Browser {
  /** One window at a time is looked at, so a scenario does one thing after another. */
  static async open(stage) {
    // Pages are waited for by what they show, for some of them go on by themselves.
    const wanted = { acceptInsecureCerts: true, pageLoadStrategy: 'none' };
    const wire = stage.marionette ? await marionette(stage.marionette) : byHttp(stage.webdriver);
    const parameters = stage.marionette ? wanted : { capabilities: { alwaysMatch: wanted } };
    const browser = new Browser(stage, wire, await wire('NewSession', parameters));
    Profile.opened.push(browser);
    return browser;
  }

  constructor(stage, wire, { sessionId, capabilities }) {
    this.stage = stage;
    this.wire = wire;
    this.session = sessionId;
    this.tabs = [];
    console.log(`${capabilities.browserName} ${capabilities.browserVersion}`);
  }

  command(name, parameters = {}) {
    return this.wire(name, parameters, this.session);
  }

  async tab() {
    const first = this.tabs.length === 0;
    const handle = first ? await this.command('GetWindowHandle') : (await this.command('NewWindow', { type: 'tab' })).handle;
    const tab = new Tab(this, handle);
    this.tabs.push(tab);
    return tab;
  }

  /** Leaves pictures of all tabs for whoever looks into a failure. */
  async record(name) {
    mkdirSync(this.stage.failures, { recursive: true });
    for (const [index, tab] of this.tabs.entries()) {
      const picture = path.join(this.stage.failures, `${name}-${index}.png`);
      await tab.picture(picture);
      console.log(`  tab ${index}: ${(await tab.url()).replace(/\?.*/, '?…')} (${picture})`);
    }
  }

  async close() {
    await this.command('DeleteSession');
  }
}

class Tab {
  constructor(browser, handle) {
    Object.assign(this, { browser, handle });
  }

  async command(name, parameters) {
    await this.browser.command('SwitchToWindow', { handle: this.handle });
    return this.browser.command(name, parameters);
  }

  goto(url) {
    return this.command('Navigate', { url });
  }

  reload() {
    return this.command('Refresh');
  }

  url() {
    return this.command('GetCurrentURL');
  }

  /** For whoever looks. WebKitGTK draws no tab that is behind another, so a picture that does not come is none. */
  async picture(file) {
    const late = new Promise(done => setTimeout(done, 3_000));
    const drawn = await Promise.race([this.command('TakeScreenshot'), late]).catch(() => undefined);
    if (drawn) writeFileSync(file, Buffer.from(drawn, 'base64'));
  }

  /** A command to the one element, as soon as the page shows it. */
  on(xpath, name, parameters, patience) {
    return this.until(`${name} ${xpath}`, async () => {
      const found = await this.command('FindElements', { using: 'xpath', value: xpath });
      assert.equal(found.length, 1, `${found.length} of ${xpath}`);
      return this.command(name, { id: found[0][ELEMENT], ...parameters });
    }, patience);
  }

  text(xpath = '//body') {
    return this.on(xpath, 'GetElementText');
  }

  /** Waits until the page shows it. */
  shows(xpath) {
    return this.text(xpath);
  }

  value(xpath) {
    return this.on(xpath, 'GetElementProperty', { name: 'value' });
  }

  click(xpath) {
    return this.on(xpath, 'ElementClick');
  }

  type(xpath, text) {
    return this.on(xpath, 'ElementSendKeys', { text });
  }

  /** Types a name and the password at the provider's login page. */
  async signIn(name, password) {
    await this.arrives(`${this.browser.stage.issuer}/interaction/`);
    await this.type(labelled('User'), name);
    await this.type(labelled('Password'), password);
    await this.click(button('Sign in'));
  }

  /** The whole address, once it begins so. */
  arrives(prefix, patience) {
    return this.until(`an address that begins with ${prefix}`, async () => {
      const url = await this.url();
      assert.ok(url.startsWith(prefix), url.replace(/\?.*/, '?…'));
      return url;
    }, patience);
  }

  /** Between two pages, an element is gone or a window has no page: that is tried again. */
  async until(what, attempt, patience = PATIENCE) {
    for (const deadline = Date.now() + patience; ; await new Promise(done => setTimeout(done, 100))) {
      try {
        return await attempt();
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`in vain: ${what}`, { cause: error });
      }
    }
  }
}

/** WebDriver: a request of HTTP for each command. */
function byHttp(base) {
  return async (name, { id, name: property, ...parameters }, session) => {
    const [method, place] = COMMANDS[name];
    const url = base + place.replace('{session}', session).replace('{id}', id).replace('{name}', property);
    const body = method === 'POST' ? JSON.stringify(parameters) : undefined;
    const signal = AbortSignal.timeout(PATIENCE);
    const answer = await fetch(url, { method, body, signal, headers: { 'content-type': 'application/json' } });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${name}: ${value.error}: ${value.message}`);
    return value;
  };
}

/** Marionette: `LENGTH:[0,NUMBER,COMMAND,PARAMETERS]`, answered by `LENGTH:[1,NUMBER,ERROR,RESULT]`. */
async function marionette(port) {
  const socket = net.connect(port, '127.0.0.1');
  const waiting = new Map();
  let received = Buffer.alloc(0);
  let greeted;
  const greeting = new Promise((resolve, reject) => {
    greeted = resolve;
    socket.on('error', reject);
  });
  socket.on('close', () => waiting.forEach(({ reject }) => reject(new Error('the browser is gone'))));
  socket.on('data', data => {
    received = Buffer.concat([received, data]);
    for (let colon; (colon = received.indexOf(':')) > 0; ) {
      const end = colon + 1 + Number(received.subarray(0, colon));
      if (received.length < end) return;
      const message = JSON.parse(received.subarray(colon + 1, end));
      received = received.subarray(end);
      if (!Array.isArray(message)) {
        greeted();
        continue;
      }
      const [, number, error, result] = message;
      const { name, resolve, reject } = waiting.get(number);
      waiting.delete(number);
      if (error) reject(new Error(`${name}: ${error.error}: ${error.message}`));
      else resolve(result && 'value' in result ? result.value : result);
    }
  });
  await greeting;
  let last = 0;
  return (name, parameters) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { name, resolve, reject });
      const message = JSON.stringify([0, last, `WebDriver:${name}`, parameters]);
      socket.write(`${Buffer.byteLength(message)}:${message}`);
    });
}
