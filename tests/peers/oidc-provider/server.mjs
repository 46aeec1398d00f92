// A real OpenID provider without a screen: whoever is named by `login_hint` (default: ada) is signed in and consents.
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

import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const options = { port: 0, algorithm: 'RS256', ...JSON.parse(process.argv[2] ?? '{}') };
const people = { ada: { name: 'Ada Lovelace', groups: ['ml-users', 'ml-risk'] }, max: { name: 'Max', groups: [] } };

let generation = 0;
async function newKey() {
  const { privateKey } = await generateKeyPair(options.algorithm, { extractable: true });
  generation += 1;
  return { ...(await exportJWK(privateKey)), kid: `key-${generation}`, alg: options.algorithm, use: 'sig' };
}

function newProvider(issuer, keys) {
  const provider = new Provider(issuer, {
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
      rpInitiatedLogout: { enabled: true },
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
    fetch: (url, { dispatcher, ...rest }) => globalThis.fetch(url, rest),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@corp.example`, email_verified: true, ...people[id] }),
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
    ctx.respond = false;
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: params.login_hint ?? 'ada' } });
  });
  provider.on('server_error', (_ctx, error) => console.error(error));
  return provider.callback();
}

let handle = (_request, response) => response.writeHead(503).end();
const server = http.createServer((request, response) => handle(request, response));
server.listen(options.port, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let keys = [await newKey()];
  handle = newProvider(issuer, keys);
  process.on('SIGHUP', async () => {
    keys = [await newKey(), keys[0]];
    handle = newProvider(issuer, keys);
    console.log(`ROTATED ${keys[0].kid}`);
  });
  console.log(`READY ${issuer}`);
});
process.stdin.on('end', () => process.exit(0)).resume();
