// What stands around the browser, and what it can be asked to do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import readline from 'node:readline';

export class Stage {
  constructor(told) {
    Object.assign(this, told);
    this.answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    this.asking = Promise.resolve();
  }

  /** The gateway's address of a path. */
  at(path) {
    return this.public_url + path;
  }

  /** Asks the test that started us; one question at a time. */
  ask(what, details = {}) {
    this.asking = this.asking.then(async () => {
      process.stdout.write(`ASK ${JSON.stringify({ ask: what, ...details })}\n`);
      const { answer, error } = JSON.parse((await this.answers.next()).value);
      if (error) throw new Error(error);
      return answer;
    });
    return this.asking;
  }

  /** How many presigned URLs AWS made for this person. */
  mints(name) {
    return this.ask('mints', { user: `${name}@corp.example` });
  }

  /** An order to the provider, such as `/rotate`. */
  async provider(order) {
    const answer = await fetch(this.provider_control + order, { method: 'POST' });
    assert.equal(answer.status, 204, `${order}: ${await answer.text()}`);
  }

  /** A request without a browser. */
  plain(method, path, headers = {}, body = undefined) {
    return new Promise((resolve, reject) => {
      const { host } = new URL(this.public_url);
      const options = { method, rejectUnauthorized: false, servername: 'ml.corp.example', headers: { host, ...headers } };
      const sent = https.request(`https://127.0.0.1:${this.public_port}${path}`, options, async answer => {
        resolve({ status: answer.statusCode, headers: answer.headers, body: await text(answer) });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** A server on another origin: paths to pages. */
  async elsewhere(host, pages) {
    const pem = readFileSync(this.certificate);
    const server = https.createServer({ key: pem, cert: pem }, (request, response) => {
      const page = pages[new URL(request.url, this.public_url).pathname];
      response.writeHead(page === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
    });
    await new Promise(done => server.listen(0, '127.0.0.1', done));
    return `https://${host}:${server.address().port}`;
  }
}
