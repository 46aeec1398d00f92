// Sign-in: from a bookmark to the destination.

import assert from 'node:assert/strict';
import { Profile } from './profile.mjs';

const DEEP = '/studio/lab/tree/a%20b.ipynb?x=1&y=%2F';

export async function sign_in_lands_on_the_exact_page(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.tab();
  await tab.goto(stage.at(DEEP));
  const arrived = await profile.signIn(tab, 'exact');
  await profile.isAt(tab, 'app:JupyterLab:lab/tree/a%20b.ipynb');
  const chain = await profile.chain(arrived);
  const ours = chain.filter(hop => hop.url.startsWith(stage.public_url)).map(hop => hop.url.slice(stage.public_url.length));
  assert.match(ours[0], /^\/-\/callback\?/);
  assert.deepEqual(ours.slice(1), [DEEP]);
  assert.equal(await stage.mints('exact'), 1);
}

export async function sign_in_begins_at_one_replica_and_ends_at_the_other(stage) {
  const profile = await Profile.open(stage);
  const replicas = [];
  // The balancer asks the replicas in turn, but other visits come in between.
  for (let attempt = 0; attempt < 10 && new Set(replicas).size < 2; attempt += 1) {
    await profile.context.clearCookies();
    const tab = await profile.tab();
    const begun = await tab.goto(stage.at('/studio'));
    const arrived = await profile.signIn(tab, 'replicas');
    await profile.isAt(tab);
    const [start] = await profile.chain(begun);
    const end = (await profile.chain(arrived)).find(hop => hop.url.startsWith(stage.at('/-/callback')));
    replicas.splice(0, 2, start.received['x-replica'], end.received['x-replica']);
    await tab.close();
  }
  assert.deepEqual(replicas.toSorted(), ['first', 'second']);
}

export async function an_expired_session_is_renewed_without_a_word(stage) {
  const profile = await Profile.open(stage);
  const tab = await profile.signedIn('expiry');
  const asked = () => profile.hops.filter(hop => hop.url.startsWith(`${stage.issuer}/interaction/`)).length;
  const askedOnce = asked();

  await profile.age('expiry');
  await tab.reload();
  await profile.shows(tab, 'What you can open');

  await profile.age('expiry');
  await tab.goto(stage.at('/studio'));
  await profile.isAt(tab);
  assert.equal(asked(), askedOnce, 'nobody is asked again while the provider knows the person');
  assert.equal(await stage.mints('expiry'), 1);
}
