// A real OpenID provider. Without a screen whoever is named by `login_hint` (default: ada) is signed in and consents; with
// `form`, a person types a name and a password.
//
//   node server.mjs '{"client": {…}}'
//
// Prints `READY url` when it answers. SIGHUP rotates the signing key, keeps the one before it, and prints `ROTATED kid`.
// It ends when standard input does, so that it never outlives a test.
//
//   port                   default 0: any free one
//   algorithm              of ID tokens; default RS256
//   client                 the client's metadata (OpenID Connect Dynamic Client Registration 1.0); where it names a
//                          token_endpoint_auth_method, the provider offers that one alone
//   claims_in_user_info    true: e-mail, groups and name are in UserInfo only
//   access_token_audience  JWT access tokens (RFC 9068) for this audience; UserInfo then refuses them
//   form                   true: a login page; everybody's password is `correct horse`
//   people                 further people: name to claims; `*` is everybody else
//   refresh_tokens         true: issued without being asked for
//   control                true: prints `CONTROL url` before it is ready, and takes orders there by POST:
//                            /rotate                a new signing key
//                            /dark, /light          stops answering at all, and starts again
//                            /dark?path=/token      the same for one path
//                            /end-sessions?user=ID  ends the person's sessions and tells the client (back-channel logout)

import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
import { createMemoryAdapter } from './node_modules/oidc-provider/lib/adapters/memory_adapter.js';

const options = { port: 0, algorithm: 'RS256', ...JSON.parse(process.argv[2] ?? '{}') };
const people = {
  ada: { name: 'Ada Lovelace', groups: ['ml-users', 'ml-risk'] },
  max: { name: 'Max', groups: [] },
  ...options.people,
};
// The sessions that each person has, by their `uid`.
const sessions = new Map();

let generation = 0;
async function newKey() {
  const { privateKey } = await generateKeyPair(options.algorithm, { extractable: true });
  generation += 1;
  return { ...(await exportJWK(privateKey)), kid: `key-${generation}`, alg: options.algorithm, use: 'sig' };
}

// Outlives a change of keys, with the sign-ins under way in it.
const adapter = createMemoryAdapter();

function newProvider(issuer, keys) {
  const provider = new Provider(issuer, {
    adapter,
    jwks: { keys },
    cookies: { keys: ['only for tests'] },
    pkce: { required: () => true },
    conformIdTokenClaims: options.claims_in_user_info === true,
    clients: [
      {
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        id_token_signed_response_alg: options.algorithm,
        backchannel_logout_session_required: true,
        ...options.client,
      },
    ],
    ...(options.client?.token_endpoint_auth_method && {
      clientAuthMethods: [options.client.token_endpoint_auth_method],
    }),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    scopes: ['openid', 'email', 'profile', 'groups', 'offline_access'],
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'],
      clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
    },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          ctx.body = `<!doctype html><html lang="en"><title>Sign out</title>${form}
            <button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button></html>`;
        },
      },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: options.access_token_audience !== undefined,
        defaultResource: () => options.access_token_audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, audience) => ({
          audience,
          scope: 'openid email groups',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: options.algorithm } },
        }),
      },
    },
    // The library refuses to call special-use addresses; back-channel logout goes to loopback here.
    fetch: (url, { dispatcher, ...rest }) =>
      new URL(url).protocol === 'https:' ? throughLoopback(url, rest) : globalThis.fetch(url, rest),
    ...(options.refresh_tokens && { issueRefreshToken: async () => true }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@corp.example`, email_verified: true, ...(people[id] ?? people['*']) }),
    }),
    loadExistingGrant: async ctx => {
      const { Grant } = ctx.oidc.provider;
      const grant = new Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId });
      grant.addOIDCScope('openid email profile groups offline_access');
      if (options.access_token_audience) {
        grant.addResourceScope(options.access_token_audience, 'openid email groups');
      }
      await grant.save();
      return grant;
    },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { params } = await provider.interactionDetails(ctx.req, ctx.res);
    const finish = result => {
      ctx.respond = false;
      return provider.interactionFinished(ctx.req, ctx.res, result);
    };
    if (!options.form) return finish({ login: { accountId: params.login_hint ?? 'ada' } });
    if (ctx.method === 'POST') {
      const form = new URLSearchParams(await text(ctx.req));
      if (form.has('cancel')) return finish({ error: 'access_denied' });
      if (form.get('password') === 'correct horse') return finish({ login: { accountId: form.get('user') } });
    }
    // Somebody who signed in in another tab and reloads this one goes on from where this tab's request began.
    if ((await provider.Session.get(ctx)).accountId) return ctx.redirect(`/auth?${new URLSearchParams(params)}`);
    ctx.type = 'html';
    ctx.body = `<!doctype html><html lang="en"><title>Company sign-in</title><form method="post">
      <input name="user" aria-label="User"><input name="password" type="password" aria-label="Password">
      <button name="submit">Sign in</button><button name="cancel">Cancel</button></form>`;
  });
  provider.on('authorization.success', ctx => {
    const { accountId, uid } = ctx.oidc.session;
    sessions.set(accountId, (sessions.get(accountId) ?? new Set()).add(uid));
  });
  provider.on('server_error', (_ctx, error) => console.error(error));
  return provider;
}

/** The names of the tests are those of this machine, and nobody vouches for their certificates. */
async function throughLoopback(url, init) {
  const request = new Request(url, init);
  const body = Buffer.from(await request.arrayBuffer());
  return new Promise((resolve, reject) => {
    const lookup = (_host, { all }, done) => {
      if (all) done(null, [{ address: '127.0.0.1', family: 4 }]);
      else done(null, '127.0.0.1', 4);
    };
    const { method } = request;
    const headers = { ...Object.fromEntries(request.headers), 'content-length': body.length };
    const sent = https.request(url, { method, headers, lookup, rejectUnauthorized: false }, async answer => {
      const received = await text(answer);
      resolve(new Response(received || null, { status: answer.statusCode }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function endSessions(provider, user) {
  for (const uid of sessions.get(user) ?? []) {
    const session = await provider.Session.findByUid(uid);
    if (!session) continue;
    for (const clientId of Object.keys(session.authorizations ?? {})) {
      const client = await provider.Client.find(clientId);
      if (client.backchannelLogoutUri) await client.backchannelLogout(user, session.sidFor(clientId));
    }
    await session.destroy();
  }
  sessions.delete(user);
}

let provider;
let keys = [];
let handle = (_request, response) => response.writeHead(503).end();
let darkPath;
const server = http.createServer((request, response) => {
  if (request.url.split('?')[0] === darkPath) return request.socket.destroy();
  handle(request, response);
});

async function rotate(issuer) {
  keys = [await newKey(), ...keys.slice(0, 1)];
  provider = newProvider(issuer, keys);
  handle = provider.callback();
  console.log(`ROTATED ${keys[0].kid}`);
}

function obey(issuer, port) {
  const orders = {
    '/rotate': () => rotate(issuer),
    '/dark': query => {
      darkPath = query.get('path');
      if (darkPath) return undefined;
      return new Promise(done => server.close(done).closeAllConnections());
    },
    '/light': () => {
      darkPath = undefined;
      if (server.listening) return undefined;
      return new Promise(done => server.listen(port, '127.0.0.1', done));
    },
    '/end-sessions': query => endSessions(provider, query.get('user')),
  };
  const control = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://control');
    const order = request.method === 'POST' ? orders[pathname] : undefined;
    if (!order) return response.writeHead(404).end();
    try {
      await order(searchParams);
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  control.listen(0, '127.0.0.1', () => console.log(`CONTROL http://127.0.0.1:${control.address().port}`));
  return new Promise(done => control.on('listening', done));
}

server.listen(options.port, '127.0.0.1', async () => {
  const { port } = server.address();
  const issuer = `http://127.0.0.1:${port}`;
  await rotate(issuer);
  process.on('SIGHUP', () => rotate(issuer));
  if (options.control) await obey(issuer, port);
  console.log(`READY ${issuer}`);
});
process.stdin.on('end', () => process.exit(0)).resume();
